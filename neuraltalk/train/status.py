"""The status file: how a run is doing, for a page or a script that watches many of them.

`STATUS_FOLDER/HOST_DATASET_GENERATOR_FAPPEND_status.json`, in the original's schema:

    {"params": {option: value, ...},
     "history": [{"time": "2026-01-31T12:00:00",        local time
                  "iter": [done, all], "epoch": [done, all],
                  "time_per_batch": seconds of the last batch,
                  "train_ppl2": perplexity of the last batch, "smooth_train_ppl2": its moving average,
                  "val_ppl2": the last one on the validation split, -1 before the first}, ...]}

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

    def __init__(self, folder, run_name, params):
        host = platform.node().split(".")[0] or "localhost"
        self.path = pathlib.Path(folder) / f"{host}_{run_name}_status.json"
        self.content = {"params": dict(params), "history": [], "state": "training", "checkpoint": None}
        self.written = -math.inf

    def due(self):
        """Whether the last entry is old enough for a new one."""
        return time.monotonic() - self.written >= PERIOD

    def add(self, it, max_iters, epoch, max_epochs, seconds, train_ppl2, smooth_train_ppl2, val_ppl2):
        """Append an entry and write the file. val_ppl2 None: not evaluated yet."""
        self.content["history"].append(
            {
                "time": datetime.datetime.now().isoformat(timespec="seconds"),
                "iter": [it, max_iters],
                "epoch": [epoch, max_epochs],
                "time_per_batch": _finite(seconds),
                "smooth_train_ppl2": _finite(smooth_train_ppl2),
                "val_ppl2": -1 if val_ppl2 is None else _finite(val_ppl2),
                "train_ppl2": _finite(train_ppl2),
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
