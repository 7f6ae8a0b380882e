"""The status file: how a run is doing, for a page or a script that watches many of them.

`STATUS_FOLDER/HOST_DATASET_GENERATOR_FAPPEND_status.json`, in the original's schema:

    {"params": {option: value, ...},
     "history": [{"time": "2026-01-31T12:00:00",        local time
                  "iter": [done, all], "epoch": [done, all],
                  "time_per_batch": seconds of the last batch,
                  "train_ppl2": perplexity of the last batch, "smooth_train_ppl2": its moving average,
                  "val_ppl2": the last one on the validation split, -1 before the first}, ...]}

(an aligner's: train_cost, smooth_train_cost and val_recall, the mean of R@10, 0..1)
and beside them "state" ("training", "finished", "interrupted" or "stopped") and "checkpoint", the best file (null
before the first). A number that isn't finite becomes null: JSON has none. An entry is added at the start, once a
minute, at every evaluation and at the end; the file is always whole.
"""

import datetime
import math
import pathlib
import platform
import time

from neuraltalk.files import write_json

PERIOD = 60.0  # seconds between entries


class StatusFile:
    """Collects the history and writes it."""

    def __init__(self, folder, run_name, params, names):
        host = platform.node().split(".")[0] or "localhost"
        self.path = pathlib.Path(folder) / f"{host}_{run_name}_status.json"
        self.names = names  # of the three figures of an entry
        self.content = {"params": dict(params), "history": [], "state": "training", "checkpoint": None}
        self.written = -math.inf

    def due(self):
        """Whether the last entry is old enough for a new one."""
        return time.monotonic() - self.written >= PERIOD

    def add(self, it, max_iters, epoch, max_epochs, seconds, train, smooth_train, val):
        """Append an entry and write the file. val None: not evaluated yet."""
        train_name, smooth_name, val_name = self.names
        self.content["history"].append(
            {
                "time": datetime.datetime.now().isoformat(timespec="seconds"),
                "iter": [it, max_iters],
                "epoch": [epoch, max_epochs],
                "time_per_batch": _finite(seconds),
                smooth_name: _finite(smooth_train),
                val_name: -1 if val is None else _finite(val),
                train_name: _finite(train),
            }
        )
        self.write()

    def end(self, state):
        """The last word of a run: "finished", "interrupted" or "stopped"."""
        self.content["state"] = state
        self.write()

    def write(self):
        self.written = time.monotonic()
        write_json(self.path, self.content)


def _finite(number):
    return number if number is not None and math.isfinite(number) else None
