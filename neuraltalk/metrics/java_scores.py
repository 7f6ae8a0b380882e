"""METEOR and SPICE, which are Java programs: through the package pycocoevalcap, if it is installed.

They are given the same words as the other scores, so the figures are coco-caption's.
"""

import contextlib
import importlib
import os
import shutil
import subprocess

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.metrics.tokenizer import tokenize

HOW = "pip install pycocoevalcap"
MODULES = {"METEOR": ("pycocoevalcap.meteor.meteor", "Meteor"), "SPICE": ("pycocoevalcap.spice.spice", "Spice")}


def check(name):
    """The class behind METEOR or SPICE; UserError in one line if it, or Java, is missing."""
    module, scorer = MODULES[name]
    try:
        found = getattr(importlib.import_module(module), scorer)
    except ImportError:
        raise UserError(
            f"{name} needs the package pycocoevalcap; install it ({HOW}; 100 MB) and Java, or leave --{name.lower()} out"
        ) from None
    if shutil.which("java") is None:
        raise UserError(
            f"{name} is a Java program, and there is no java on the PATH; install Java (8 or later), or leave --{name.lower()} out"
        )
    return found


def java_score(name, candidates, references, cut=tokenize):
    """METEOR or SPICE of a set, 0..1, and of each caption (N,). METEOR's of a set isn't the mean: it weighs by length."""
    scorer = check(name)
    own = {k: [" ".join(cut(text))] for k, text in enumerate(candidates)}
    others = {k: [" ".join(cut(text)) for text in texts] for k, texts in enumerate(references)}
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # it reports what it downloads
            program = scorer()
            figure, each = program.compute_score(others, own)
    except (OSError, ValueError, subprocess.SubprocessError) as fault:
        raise UserError(
            f"{name}'s Java program failed ({type(fault).__name__}: {fault!s:.120}); mend that, or leave --{name.lower()} out"
        ) from None
    if name == "SPICE":
        each = [scores["All"]["f"] for scores in each]
    return float(figure), np.asarray(each, float)
