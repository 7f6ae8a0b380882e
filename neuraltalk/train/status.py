"""The status file: how a run is doing, for a page or a script that watches many of them (runs.py reads it back).

`STATUS_FOLDER/HOST_DATASET_GENERATOR_FAPPEND_status.json`, in the original's schema:

    {"params": {option: value, ...},
     "history": [{"time": "2026-01-31T12:00:00+01:00",   local time; the original wrote it without the zone
                  "iter": [done, all], "epoch": [done, all],
                  "time_per_batch": seconds of the last batch,
                  "train_ppl2": perplexity of the last batch, "smooth_train_ppl2": its moving average,
                  "val_ppl2": the last one on the validation split, -1 before the first}, ...]}

(an aligner's: train_cost, smooth_train_cost and val_recall, the mean of R@10, 0..1)
and beside them "state" ("training", "finished", "interrupted", "stopped", or "pruned" by a sweep, whose name is then
"sweep") and "checkpoint", the best file (null before the first). An entry made at an evaluation has "evaluated": true,
and "improved": true if it was the best so far: without that nobody could tell two evaluations of the same figure from
one. A number that isn't finite becomes null: JSON has none.

An entry is added at the start, once a minute, at every evaluation and at the end; the file is always whole. A history
of more than MOST entries is thinned out evenly, and a resumed run continues the one that it left.
"""

import datetime
import json
import math
import pathlib
import platform
import time

from neuraltalk.files import write_json

PERIOD = 60.0  # seconds between entries
MOST = 2000  # entries: half a megabyte, which is written anew each minute


class StatusFile:
    """Collects the history and writes it."""

    def __init__(self, folder, run_name, params, names):
        self.path = pathlib.Path(folder) / f"{host_name()}_{run_name}_status.json"
        self.names = names  # of the three figures of an entry
        self.content = {"params": dict(params), "history": [], "state": "training", "checkpoint": None}
        self.written = -math.inf

    def resume(self, it, evaluations):
        """Begin with the history up to iteration `it`, of a run that continues.

        evaluations: what its checkpoint knows, as entries. The file of before has more, and is taken if it is there and
        tells the same of them; else it is another run's. It lacks the last ones if a kill came between the two files.
        """
        known = {entry["iter"][0]: entry[self.names[-1]] for entry in evaluations}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            before = [entry for entry in content["history"] if entry["iter"][0] <= it]
            told = {entry["iter"][0]: entry[self.names[-1]] for entry in before if entry.get("evaluated")}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            before, told = [], None
        same = told is not None and all(known.get(at) == value for at, value in told.items())
        if not same:
            before, told = [], {}
        before += [entry for entry in evaluations if entry["iter"][0] > max(told, default=-1)]
        self.content["history"] = sorted(before, key=lambda entry: entry["iter"][0])

    def due(self):
        """Whether the last entry is old enough for a new one."""
        return time.monotonic() - self.written >= PERIOD

    def add(self, it, max_iters, epoch, max_epochs, seconds, train, smooth_train, val, evaluated=False, improved=False):
        """Append an entry and write the file. val None: not evaluated yet; evaluated: just now, improved: best so far."""
        train_name, smooth_name, val_name = self.names
        entry = {
            "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "iter": [it, max_iters],
            "epoch": [epoch, max_epochs],
            "time_per_batch": _finite(seconds),
            smooth_name: _finite(smooth_train),
            val_name: -1 if val is None else _finite(val),
            train_name: _finite(train),
        }
        flags = {"evaluated": evaluated, "improved": improved}
        self.content["history"].append(entry | {name: True for name, value in flags.items() if value})
        if len(self.content["history"]) > MOST:
            self.content["history"] = thinned(self.content["history"], MOST // 2)
        self.write()

    def end(self, state):
        """The last word of a run: "finished", "interrupted", "stopped" or "pruned"."""
        self.content["state"] = state
        self.write()

    def write(self):
        self.written = time.monotonic()
        write_json(self.path, self.content)


def host_name():
    """This machine's name, without its domain."""
    return platform.node().split(".")[0] or "localhost"


def thinned(history, most):
    """About `most` entries of a history at the most, half of them of evaluations, each half evenly spaced.

    The first, the last and the best evaluation stay.
    """
    spacing = history[-1]["iter"][0] / (most / 2)
    best = next((entry for entry in reversed(history) if entry.get("improved")), None)
    kept, last = [], {}
    for entry in history:
        kind, it = bool(entry.get("evaluated")), entry["iter"][0]
        if entry is best or entry is history[-1] or it - last.get(kind, -math.inf) >= spacing:
            kept.append(entry)
            last[kind] = it
    return kept


def _finite(number):
    return number if number is not None and math.isfinite(number) else None
