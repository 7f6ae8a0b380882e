"""A sweep's study: which settings were tried, how they did, who is at work on which; kept by Optuna in a shared storage.

Any number of workers on any machines use one storage. A *run* is one choice of settings trained; a *trial*, Optuna's record,
is one sitting of it: a run whose worker was interrupted or died goes on as another trial of the same run. What a trial's
attributes say:

    run         of a trial that continues a run: its number, which its files are named by
    worker      {"host", "space", "pid", "began"}: the process that works on it
    seconds     of work so far, over all sittings; rewritten every BEAT seconds, which is the worker's sign of life
    options     what driver.py would be given, epochs: how far it came
    fault       why it ended before its time; refused: it is no run at all, driver.py wouldn't take these options
    deaths      how many workers died of it in a row without any evaluation in between

Nobody's clock is compared with another's: a worker of another machine is taken for dead when its sign of life hasn't changed
for PATIENCE seconds while somebody looked, one of this machine when its process is gone. If it was alive after all, its next
report is refused, and it lets go.
"""

import contextlib
import os
import pathlib
import platform
import threading
import time
import warnings
from typing import NamedTuple

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError, UpdateFinishedTrialError
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from neuraltalk.errors import UserError

BEAT = 20.0  # seconds between signs of life
PATIENCE = 120.0  # seconds without one until a worker on another machine counts as dead
GRACE = 10  # seconds after which a journal's lock counts as left behind
MOST_DEATHS = 3  # of workers in a row that never came to an evaluation: then the run itself is the reason
JOURNAL = b'{"op_code":'  # how Optuna's journals begin
FACTOR = 3  # successive halving: of so many runs one goes on

FINISHED, PRUNED, STOPPED, REFUSED, TRAINING, WAITING = "finished", "pruned", "stopped", "refused", "training", "waiting"


class Run(NamedTuple):
    """A run as its latest trial tells."""

    number: int
    state: str
    figure: float  # the best so far, or None
    epochs: float  # or None
    seconds: float  # of work
    options: dict  # as given to driver.py, or {}
    drawn: dict  # option -> value, of those that are searched
    fault: str  # or None
    host: str  # where it was worked on last, or None

    @property
    def ended(self):
        """Whether its figure is its last."""
        return self.state in (FINISHED, PRUNED, STOPPED)


class Lost(Exception):
    """Another worker has taken this run over."""


class Study:
    """The study named `name` in a storage. Raises UserError where the storage can't be used."""

    def __init__(self, study):
        self.study = study
        self.higher = study.direction == optuna.study.StudyDirection.MAXIMIZE  # whether higher figures are better
        self.looked = {}  # number of a trial -> [its sign of life, when it was first seen, whether it has changed since]
        self.host = platform.node().split(".")[0] or "localhost"

    # ---- what there is

    def runs(self):
        """Every run, by number."""
        trials = self._trials()
        latest = {run: trial for run, trial in zip(run_numbers(trials), trials) if not trial.user_attrs.get("surplus")}
        return [self._run(number, trial) for number, trial in sorted(latest.items())]

    def _trials(self):
        return self.study.get_trials(deepcopy=False)

    def _run(self, number, trial):
        about = trial.user_attrs
        fault = about.get("fault")
        state = {
            TrialState.COMPLETE: FINISHED,
            TrialState.RUNNING: TRAINING,
            TrialState.PRUNED: PRUNED if fault is None else REFUSED if about.get("refused") else STOPPED,
        }.get(trial.state, WAITING)
        figures = list(trial.intermediate_values.values())
        figure = about.get("figure") if not figures else max(figures) if self.higher else min(figures)
        return Run(
            number,
            state,
            figure,
            about.get("epochs"),
            about.get("seconds", 0.0),
            about.get("options", {}),
            dict(trial.params),
            fault,
            about.get("worker", {}).get("host"),
        )

    def ranked(self):
        """The runs that have ended with a figure, best first; of equals the earlier one."""
        runs = [run for run in self.runs() if run.ended and run.figure is not None]
        return sorted(runs, key=lambda run: (-run.figure if self.higher else run.figure, run.number))

    def importances(self):
        """{option: share of what explains the figures} (PED-ANOVA, Watanabe and others 2023), or {} where too few runs tell."""
        complete = [trial for trial in self._trials() if trial.state == TrialState.COMPLETE]
        if len(complete) < 6 or len({trial.value for trial in complete}) < 3:
            return {}
        with warnings.catch_warnings(), contextlib.suppress(ValueError, RuntimeError, ZeroDivisionError):
            warnings.simplefilter("ignore")
            return optuna.importance.get_param_importances(self.study)
        return {}

    # ---- taking runs and giving them back

    def take(self, limit, distributions):
        """The next Sitting: of a run that waits to be continued, else of a new one, while there are fewer than `limit`; or None.

        distributions: option -> Choices or Interval.
        """
        runs = self.runs()
        waiting = any(trial.state == TrialState.WAITING for trial in self._trials())
        if not waiting and sum(run.state != REFUSED for run in runs) >= limit:
            return None
        trial = self.study.ask({name: _distribution(wanted) for name, wanted in distributions.items()})
        run = run_numbers(self._trials())[trial.number]
        if "run" not in trial.user_attrs and self._surplus(run, limit):
            trial.set_user_attr("surplus", True)
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        return Sitting(trial, run)

    def _surplus(self, number, limit):
        """Whether others, who asked at the same moment, have all that was left for the run with this number."""
        return sum(run.state != REFUSED for run in self.runs() if run.number < number) >= limit

    def set_aside(self, number, died=False):
        """End the trial with this number, whose run shall go on: it waits for the next worker. died: of it, maybe."""
        with contextlib.suppress(UpdateFinishedTrialError, ValueError):  # then somebody else has done it already
            self.study.tell(number, state=TrialState.FAIL)
            self._continue(self._trials()[number], died)

    def _continue(self, trial, died):
        """Let a trial that has ended too early be followed by another."""
        about = trial.user_attrs
        if about.get("surplus"):
            return
        evaluations = len(trial.intermediate_values)
        came_on = evaluations > about.get("evaluations", 0)
        deaths = 0 if came_on else about.get("deaths", 0) + died
        run = self._run(run_numbers(self._trials())[trial.number], trial)
        known = {key: about[key] for key in ("options", "epochs", "worker") if key in about}
        known |= {"run": run.number, "seconds": run.seconds, "deaths": deaths, "evaluations": evaluations}
        if run.figure is not None:
            known["figure"] = run.figure
        self.study.add_trial(
            optuna.create_trial(
                state=TrialState.WAITING, params=trial.params, distributions=trial.distributions, user_attrs=known
            )
        )

    def recover(self):
        """Set the runs of dead workers aside.

        Returns ([(run, host)] of these, the same of runs on other machines which may be alive or not: nobody has heard of
        them since this process first looked, which is less than PATIENCE ago).
        """
        dead, doubtful = [], []
        trials = self._trials()
        numbers = run_numbers(trials)
        latest = {run: trial.number for run, trial in zip(numbers, trials)}
        for run, trial in zip(numbers, trials):
            worker = trial.user_attrs.get("worker") or {}
            about = run, worker.get("host", "another machine")
            if trial.state == TrialState.RUNNING:
                if worker.get("space") is not None and worker["space"] == process_space():
                    alive = process_began(worker.get("pid")) == worker.get("began")
                else:
                    alive = self._heard(trial, trial.user_attrs.get("seconds"))
                if alive is None:
                    doubtful.append(about)
                elif not alive:
                    self.set_aside(trial.number, died=True)
                    dead.append(about)
            elif trial.state == TrialState.FAIL and latest[run] == trial.number and not trial.user_attrs.get("surplus"):
                # Its worker died between setting it aside and letting another trial follow: seldom, and soon seen.
                if self._heard(trial, "nothing follows") is None:
                    doubtful.append(about)
                else:
                    self._continue(trial, died=False)
                    dead.append(about)
        return dead, doubtful

    def _heard(self, trial, sign):
        """Whether a trial's sign of life changes: True, False after PATIENCE, None as long as nobody knows."""
        now = time.monotonic()
        seen = self.looked.setdefault(trial.number, [sign, now, None])
        if seen[0] != sign:
            seen[:] = [sign, now, True]
        return False if now - seen[1] > PATIENCE else seen[2]

    # ---- one sitting's end

    def finish(self, sitting, figure):
        """A run is through."""
        self._tell(sitting, TrialState.COMPLETE, figure)

    def prune(self, sitting, fault=None, refused=False):
        """A run is given up: worse than others, or for the reason `fault`; refused: it never was one."""
        if fault is not None:
            sitting.note(fault=fault, refused=refused)
        self._tell(sitting, TrialState.PRUNED)

    def _tell(self, sitting, state, value=None):
        try:
            self.study.tell(sitting.trial, value, state)
        except (UpdateFinishedTrialError, ValueError):
            if self.study.get_trials(deepcopy=False)[sitting.trial.number].state == TrialState.RUNNING:
                raise
            raise Lost from None


def run_numbers(trials):
    """The number of the run that each trial of a study is a sitting of: the runs are counted as they began."""
    numbers, began = [], 0
    for trial in trials:
        numbers.append(trial.user_attrs.get("run", began))
        began += "run" not in trial.user_attrs
    return numbers


class Sitting:
    """A trial that this process works on, for the run with the number `run`: as a context it gives signs of life."""

    def __init__(self, trial, run):
        self.trial, self.run = trial, run
        self.continues = "run" in trial.user_attrs
        self.deaths = trial.user_attrs.get("deaths", 0)
        self.before, self.began = trial.user_attrs.get("seconds", 0.0), time.monotonic()
        self.drawn = dict(trial.params)
        self.lost = False  # whether another worker has taken the run over
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    @property
    def seconds(self):
        """Of work on the run so far."""
        return self.before + time.monotonic() - self.began

    def __enter__(self):
        space = process_space()
        worker = {"host": platform.node().split(".")[0] or "localhost", "space": space, "pid": os.getpid()}
        self.note(worker=worker | {"began": process_began(os.getpid())})
        self._thread.start()
        return self

    def __exit__(self, kind, value, traceback):
        self._ended.set()
        self._thread.join()

    def note(self, **facts):
        """Write attributes of the trial. Raises Lost."""
        try:
            for key, value in facts.items():
                self.trial.set_user_attr(key, value)
        except UpdateFinishedTrialError:
            raise Lost from None

    def report(self, figure, evaluation):
        """A figure of the validation split, at the evaluation with this number, from 1. Raises Lost."""
        try:
            self.trial.report(figure, evaluation)
        except UpdateFinishedTrialError:
            raise Lost from None

    def should_prune(self):
        """Whether the run is so much worse than others at this evaluation that it should end."""
        return self.trial.should_prune()

    def _beat(self):
        while True:
            try:
                self.note(seconds=round(self.seconds, 2))
            except Lost:
                self.lost = True
                return
            except (*storage_faults(), OSError):
                pass  # it may be back at the next beat
            if self._ended.wait(BEAT):
                return


# ---- processes


def process_space():
    """What tells whether a process number means the same to two processes: the booted system and its process space; None: unknown."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def process_began(pid):
    """When a process of this system began, in ticks since the system did; None if there is none."""
    try:
        # The name in parentheses may hold anything; 20 fields behind it is the time.
        after = pathlib.Path(f"/proc/{int(pid)}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, TypeError, ValueError):
        return None
    return None if after[0] == "Z" else int(after[19])


# ---- opening


def open_study(storage, name, higher=False, ranges=None, pruner=None, seed=0, sampler="tpe", create=True):
    """The Study of a sweep, made if it isn't there.

    storage  a URL of a database that Optuna takes, or the path of a file
    higher   whether higher figures are better
    ranges   the content of the file of ranges, for comparison; None: whatever the study has
    pruner, sampler, seed: as pruner_of and sampler_of take them

    Returns (Study, the ranges it has). Raises UserError if it can't be opened, has other ranges or (create False) isn't there.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with telling_storage_faults(storage):
        opened = _open_storage(storage, create)
        names = optuna.get_all_study_names(opened)
        if name not in names and not create:
            there = f"; there are {', '.join(sorted(names))}: name one by --name" if names else ""
            raise UserError(f"{storage}: no sweep {name!r} there{there}")
        study = optuna.create_study(
            storage=opened,
            study_name=name,
            load_if_exists=True,
            direction="maximize" if higher else "minimize",
            pruner=pruner or optuna.pruners.NopPruner(),
            sampler=sampler_of(sampler, seed),
        )
        before = study.user_attrs.get("ranges")
        if before is None:
            if study.get_trials(deepcopy=False):
                raise UserError(f"{storage}: {name!r} is a study of something else; give another --name")
            study.set_user_attr("ranges", ranges)
            before = ranges
    return Study(study), before


def _open_storage(storage, create):
    if "://" in storage:
        kind, _, place = storage.partition("://")
        if kind.startswith("sqlite") and place.strip("/") not in ("", ":memory:"):
            path = pathlib.Path(place[1:].partition("?")[0])
            if not create and not path.exists():
                raise UserError(f"{storage}: no such file; start a sweep there first, or name the storage of one")
            path.parent.mkdir(parents=True, exist_ok=True)
            return optuna.storages.RDBStorage(storage, engine_kwargs={"connect_args": {"timeout": 60}})
        if kind.startswith("sqlite"):
            raise UserError(f"{storage}: nobody else could see it; give a file, as in sqlite:///cv/sweep.db")
        return optuna.storages.get_storage(storage)
    path = pathlib.Path(storage).resolve()
    if not create and not path.exists():
        raise UserError(f"{storage}: no such file; start a sweep there first, or name the storage of one by --storage")
    if path.exists():
        with open(path, "rb") as file:
            head = file.read(len(JOURNAL))
        if head != JOURNAL[: len(head)]:
            raise UserError(f"{storage}: is a file of something else; name one that isn't there yet, or a sweep's")
    path.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(JournalFileBackend(str(path), JournalLock(str(path))))


class JournalLock(JournalFileOpenLock):
    """The lock of whoever writes into a journal, a file beside it: that works on network file systems too.

    A writer that died may have left the lock, which is broken after a while, and half a line, which the next line would be
    glued to: it is taken away first.
    """

    def __init__(self, path):
        super().__init__(path, grace_period=GRACE)
        self.path = path

    def acquire(self):
        super().acquire()
        try:
            drop_half_line(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self):
        with contextlib.suppress(RuntimeError):  # it was so slow that another writer took the lock for a dead one's
            super().release()


def drop_half_line(path):
    """Cut a file behind its last line end."""
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        end = size
        while end > 0:  # the last line end, from behind
            begin = max(0, end - 65536)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                file.truncate(begin + found + 1)
                return
            end = begin
        file.truncate(0)


def storage_faults():
    """The exceptions of a storage that can't be reached."""
    from sqlalchemy.exc import SQLAlchemyError

    return OptunaError, SQLAlchemyError


@contextlib.contextmanager
def telling_storage_faults(storage):
    """In the block, a storage that can't be opened is told in one line."""
    try:
        yield
    except (*storage_faults(), OSError, ImportError, ValueError, LookupError, TypeError, AssertionError, AttributeError) as fault:
        raise UserError(
            f"{hidden_password(storage)}: can't be used as the sweep's storage ({first_line(fault)}); give the path of a file, or "
            "the URL of a database as Optuna takes it"
        ) from None


def first_line(fault):
    """What an exception says, in short."""
    lines = str(fault).strip().splitlines() or [""]
    return lines[0][:200] or type(fault).__name__


def hidden_password(storage):
    """A URL as it may be shown.

    >>> hidden_password("postgresql://me:secret@host/db"), hidden_password("cv/sweep/journal")
    ('postgresql://me:***@host/db', 'cv/sweep/journal')
    """
    kind, mark, place = storage.partition("://")
    account, at, rest = place.rpartition("@")
    if not mark or not at or ":" not in account:
        return storage
    return f"{kind}://{account.partition(':')[0]}:***@{rest}"


# ---- how settings are drawn, and how bad runs are found


def pruner_of(kind, warmup, startup):
    """kind "none", "median" (worse than the median of the finished runs at the same evaluation, once there are `startup`) or
    "halving" (not in the best third at evaluations warmup + 1, three times that, ...); never in the first `warmup` evaluations."""
    if kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup + 1)
    if kind == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=warmup + 1, reduction_factor=FACTOR)
    return optuna.pruners.NopPruner()


def sampler_of(kind, seed):
    """kind "tpe" (Tree-structured Parzen estimator, Bergstra and others 2011) or "random"."""
    return SeededSampler(kind, seed)


class SeededSampler(optuna.samplers.BaseSampler):
    """Draws the settings of a trial by a generator of its own, seeded by the sweep's seed and the run's number.

    So random settings are the same with any number of workers, and no two workers draw the same ones.
    """

    def __init__(self, kind, seed):
        self.kind, self.seed, self.sampler = kind, seed, None
        self._seat(0)

    def _seat(self, number):
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self.kind == "random":
            self.sampler = optuna.samplers.RandomSampler(seed=seed)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # others' running trials count as bad

    def before_trial(self, study, trial):
        self._seat(run_numbers(study.get_trials(deepcopy=False))[trial.number])
        self.sampler.before_trial(study, trial)

    def after_trial(self, study, trial, state, values):
        self.sampler.after_trial(study, trial, state, values)

    def infer_relative_search_space(self, study, trial):
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, name, distribution):
        return self.sampler.sample_independent(study, trial, name, distribution)


def _distribution(wanted):
    """Optuna's distribution of a Choices or an Interval of cli/ranges.py."""
    if hasattr(wanted, "values"):
        return optuna.distributions.CategoricalDistribution(wanted.values)
    if wanted.whole:
        return optuna.distributions.IntDistribution(wanted.low, wanted.high, wanted.log, wanted.step or 1)
    return optuna.distributions.FloatDistribution(wanted.low, wanted.high, wanted.log, wanted.step)
