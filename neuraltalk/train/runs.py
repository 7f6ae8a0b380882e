"""Status files read back: every run of a folder, whatever became of it; ours (status.py) and the original's.

The original's files lack "state", "checkpoint", the time zone and the marks of evaluations, and may hold NaN, which JSON
doesn't know; a run that was killed never says so. What a file lacks is left out; what isn't a status file is named in one
line and left out. Nothing here trusts a file: it may come from anywhere.

    figure   perplexity for a captioner; an aligner's cost in training, and its mean R@10 (0..1) in validation
    pace     seconds an iteration, evaluations included
    heard    when the run last said something
"""

import datetime
import json
import math
import pathlib
import statistics
from typing import NamedTuple

from neuraltalk.errors import UserError
from neuraltalk.train.status import PERIOD
from neuraltalk.train.tasks import TASKS

LARGEST = 32 << 20  # bytes of a file that is read; ours stay below one megabyte
RECENT = 10  # entries that tell the pace
PAUSE = 600.0  # seconds between two entries that are no longer the same sitting
SILENCE = (5 * PERIOD, 7200.0)  # seconds without a word until a run counts as silent: at least, at most
ENDINGS = ("finished", "interrupted", "stopped", "pruned")
LIMIT = 1e15
SUFFIXES = ("_status.json", ".json")


class Run(NamedTuple):
    """What a status file tells. Curves are lists of (epoch, figure), epochs rising."""

    name: str
    kind: str  # "captioner" or "alignment"
    params: dict
    declared: str  # "training", an ending, or None: it doesn't say
    checkpoint: str  # of its best model, or None
    sweep: str  # the name of the one that it is a run of, or None
    iterations: tuple  # (done, all), None where unknown
    epochs: tuple
    train: list
    val: list
    pace: float  # or None
    began: datetime.datetime  # or None
    heard: datetime.datetime
    patience: float  # seconds of silence that are nothing unusual

    @property
    def best(self):
        """The best evaluation as (epoch, figure), or None."""
        choose = max if self.kind == "alignment" else min
        return choose(self.val, key=lambda point: point[1]) if self.val else None

    @property
    def left(self):
        """Seconds of training that were left at the last entry, or None."""
        done, all_iterations = self.iterations
        if self.pace is None or done is None or all_iterations is None:
            return None
        return max(all_iterations - done, 0) * self.pace

    @property
    def speed(self):
        """Sentences a second, or None."""
        size = _number(self.params.get("batch_size"))
        return size / self.pace if size and self.pace else None

    def state(self, now):
        """ "training", "finished", "interrupted", "stopped", "pruned"; "silent": no word for too long; "ended": likewise, but of a
        file that never says how a run ends, and was about to."""
        if self.declared in ENDINGS:
            return self.declared
        if (now - self.heard).total_seconds() <= self.patience:
            return "training"
        return "ended" if self.declared is None and self.left is not None and self.left <= 2 * PERIOD else "silent"


class RunFolders:
    """The runs of some folders; a file is read again only when it has changed."""

    def __init__(self, folders):
        self.folders = [pathlib.Path(folder) for folder in folders]
        self.known = {}  # path -> (stamp, Run or None, what is wrong with it or None)

    def read(self):
        """(runs in the order in which they began, one line for each file that is none).

        A folder that isn't there is empty. Runs of the same name in two folders get these before their names.
        """
        known = {path: self._look(path, folder) for folder in self.folders for path in _files(folder)}
        self.known = known
        found = {path: run for path, (_, run, _) in known.items() if run is not None}
        names = [run.name for run in found.values()]
        runs = [
            run._replace(name=f"{path.parent.as_posix()}/{run.name}") if names.count(run.name) > 1 else run
            for path, run in found.items()
        ]
        runs.sort(key=lambda run: ((run.began or run.heard).timestamp(), run.name))
        return runs, [fault for _, _, fault in known.values() if fault]

    def _look(self, path, folder):
        try:
            facts = path.stat()
            stamp = facts.st_mtime_ns, facts.st_size, facts.st_ino
            if path in self.known and self.known[path][0] == stamp:
                return self.known[path]
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                raise UserError(f"{path}: a link to a file elsewhere; name its folder as well, and it is shown")
            return stamp, read_run(path), None
        except UserError as fault:
            return stamp, None, str(fault)
        except (OSError, RuntimeError) as fault:  # gone meanwhile, not ours to read; links in a circle
            return None, None, f"{path}: {getattr(fault, 'strerror', None) or fault}"


def _files(folder):
    """The .json files of a folder, hidden ones left out: those are being written."""
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def read_run(path):
    """The Run that a status file tells of. Raises UserError if it is none."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: not a file")
    facts = path.stat()
    if facts.st_size > LARGEST:
        raise UserError(f"{path}: {facts.st_size / 1e6:.0f} MB, too large for a status file")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as fault:
        raise UserError(f"{path}: not JSON ({' '.join(str(fault).split())[:80]})") from None
    if not isinstance(content, dict) or not isinstance(content.get("history"), list):
        raise UserError(f'{path}: not a status file: it has no "history"')
    params = content.get("params")
    params = params if isinstance(params, dict) else {}
    history = [entry for entry in content["history"] if isinstance(entry, dict)]
    names = [name for name in TASKS["alignment"].names if any(name in entry for entry in history)]
    kind = "alignment" if names or params.get("model") == "alignment" else "captioner"
    entries = _entries(history, TASKS[kind].names, _number(params.get("max_epochs")))
    if history and not entries:
        raise UserError(f'{path}: not a status file: its "history" has no entry with "epoch" or "iter"')
    times = [entry.time for entry in entries if entry.time]
    recent = times[-RECENT:]
    gaps = [(after - before).total_seconds() for before, after in zip(recent, recent[1:])]
    last = entries[-1] if entries else _Entry(None, None, None, None, None, None, None, None, None)
    state, checkpoint, sweep = content.get("state"), content.get("checkpoint"), content.get("sweep")
    return Run(
        name=next((path.name.removesuffix(suffix) for suffix in SUFFIXES if path.name.endswith(suffix)), path.name),
        kind=kind,
        params=params,
        declared=state if state in (*ENDINGS, "training") else None,
        checkpoint=checkpoint if isinstance(checkpoint, str) else None,
        sweep=sweep if isinstance(sweep, str) else None,
        iterations=(last.it, last.iterations),
        epochs=(last.epoch, last.epochs),
        train=_rising((entry.epoch, entry.train) for entry in entries),
        val=_rising((entry.epoch, entry.val) for entry in _evaluations(entries)),
        pace=_pace(entries),
        began=times[0] if times else None,
        heard=times[-1] if times else datetime.datetime.fromtimestamp(facts.st_mtime).astimezone(),
        patience=min(max(SILENCE[0], 3 * max(gaps, default=0)), SILENCE[1]),
    )


class _Entry(NamedTuple):
    """An entry of a history, what is missing or odd in it None."""

    it: float
    iterations: float
    epoch: float
    epochs: float
    time: datetime.datetime
    seconds: float  # of its batch
    train: float
    val: float
    evaluated: bool  # None: the file doesn't mark evaluations


def _entries(history, names, max_epochs):
    """The entries that can be placed on the axis of epochs."""
    train_name, smooth_name, val_name = names
    marked = any("evaluated" in entry for entry in history)
    entries = []
    for entry in history:
        (it, iterations), (epoch, epochs) = _pair(entry.get("iter")), _pair(entry.get("epoch"))
        if epoch is None and None not in (it, iterations, max_epochs) and iterations > 0:
            epoch, epochs = _number(max_epochs * it / iterations), max_epochs
        if epoch is None or epoch < 0:
            continue
        train, val = (_number(entry.get(name)) for name in (smooth_name, val_name))
        entries.append(
            _Entry(
                it,
                iterations,
                epoch,
                epochs,
                _time(entry.get("time")),
                _number(entry.get("time_per_batch")),
                _number(entry.get(train_name)) if train is None else train,
                val if val is not None and val >= 0 else None,
                entry.get("evaluated") is True if marked else None,
            )
        )
    return entries


def _evaluations(entries):
    """Those made at an evaluation; where that isn't marked, those whose validation figure is a new one."""
    before = None
    for entry in entries:
        new = entry.val != before if entry.evaluated is None else entry.evaluated
        if new and entry.val is not None:
            yield entry
        before = entry.val


def _rising(points):
    """The points that have both numbers, ordered; one for each epoch, the later entry's."""
    return sorted({epoch: figure for epoch, figure in points if figure is not None}.items())


def _pace(entries):
    """Seconds an iteration over the latest entries of one sitting; else those of the last batches.

    The very first batch doesn't count: it compiles kernels.
    """
    iterations = seconds = 0.0
    timed = [entry for entry in entries[-RECENT:] if entry.time and entry.it is not None]
    for before, after in reversed(list(zip(timed, timed[1:]))):
        gap = (after.time - before.time).total_seconds()
        if not 0 <= gap <= PAUSE or after.it < before.it:
            break
        iterations += after.it - before.it
        seconds += gap
    if iterations > 0 and seconds > 0:
        return seconds / iterations
    batches = [entry.seconds for entry in entries[-RECENT:] if entry.seconds and entry.seconds > 0 and entry.it != 1]
    return statistics.median(batches) if batches else None


def _number(value):
    """A float that can be a figure, a time or a count, or None: sizes beyond LIMIT would break every sum and every axis."""
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        return None
    return number if abs(number) <= LIMIT else None


def _pair(value):
    """[done, all] as two numbers, None where they are none."""
    done, every = value if isinstance(value, list) and len(value) == 2 else (None, None)
    return _number(done), _number(every)


def _time(text):
    """A moment, or None. Without a zone it is this machine's local time."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
