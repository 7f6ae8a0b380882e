"""The files of a run: what its checkpoints are called, and which of a folder is the newest.

`cv/DATASET_GENERATOR_FAPPEND.p` is the best so far on the validation split, `....last.p` the newest state, written first; an
aligner's have "alignment" for GENERATOR. A new run under the same name keeps the files of the one before as `....previous.p`.
"""

import contextlib
import os
import pathlib

from neuraltalk.errors import UserError
from neuraltalk.files import copy_file
from neuraltalk.train.checkpoint import kind_of, load_checkpoint

SHIPPED = "flickr8k.p"  # in cv/, comes with the project: no run's, so it is used only where it is named


def best_path(folder, options):
    """Where the best checkpoint of a run goes; `options` has dataset, fappend, and generator unless it is an aligner's."""
    dataset = pathlib.Path(options.dataset).resolve().name if os.path.isdir(options.dataset) else options.dataset
    return pathlib.Path(folder) / f"{_tame(dataset)}_{kind_of(options).split()[-1]}_{_tame(options.fappend)}.p"


def last_path(best):
    """The newest state of the run whose best checkpoint is `best`."""
    return best.with_name(best.name.removesuffix(".p") + ".last.p")


def best_path_of_run(last, options):
    """Where the run that wrote `last` keeps its best checkpoint: beside it, under its name."""
    for ending, best in ((".last.p", ".p"), (".last.previous.p", ".previous.p")):
        if last.name.endswith(ending):
            return last.with_name(last.name.removesuffix(ending) + best)
    return best_path(last.parent, options)


def keep_previous(path):
    """Keep an older run's file as `....previous.p`, too: `path` itself is there until a new one takes its place."""
    with contextlib.suppress(FileNotFoundError):
        copy_file(path, path.with_name(path.name.removesuffix(".p") + ".previous.p"))


def newest_checkpoint(folder="cv", kind=None):
    """The best checkpoint of the latest run in `folder`; a run's last state if none has been evaluated yet.

    kind "captioner" or "alignment" takes only runs of that kind, which the files tell: each is opened, the newest first.
    """
    files = [path for path in pathlib.Path(folder).glob("*.p") if not path.name.startswith(".") and path.name != SHIPPED]
    for wanted in (
        lambda name: name.count(".last.p") + name.count(".previous.p") == 0,
        lambda name: name.endswith(".last.p"),
    ):
        for path in sorted((path for path in files if wanted(path.name)), key=_age, reverse=True):
            if kind is None or load_checkpoint(path).kind == kind:
                return path
    flag = " --model alignment" if kind == "alignment" else ""
    what = "no checkpoint" + {"alignment": " of an alignment model", "captioner": " of a captioner", None: ""}[kind]
    raise UserError(f"{what} in {folder}: train a model first (python driver.py{flag}), or name a checkpoint file")


def newest_last(folder="cv"):
    """The newest state that a run in `folder` left for --resume."""
    found = [path for path in pathlib.Path(folder).glob("*.last.p") if not path.name.startswith(".")]
    if not found:
        raise UserError(
            f"nothing to resume in {folder}: no *.last.p there; name a checkpoint, or start without --resume"
        )
    return max(found, key=_age)


def _age(path):
    return path.stat().st_mtime_ns, path.name


def _tame(name):
    """A name fit for a file: anything but letters, digits and -_.+ becomes -."""
    return "".join(letter if letter.isalnum() or letter in "-_.+" else "-" for letter in str(name)) or "-"
