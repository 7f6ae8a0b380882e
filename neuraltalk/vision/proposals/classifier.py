"""Scoring boxes by what may be in them: a linear classifier over their features, as R-CNN's (Girshick 2014).

    R, D, C   boxes, numbers that an extractor gives for each, classes

A user brings one, such as the paper's 200 detection classes: an .npz with W (D, C) and b (C,). Or fc8 of VGG-16 itself serves,
whose thousand class probabilities say how sure the network is of anything at all.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats.npy import read_npz
from neuraltalk.vision.proposals.suppression import suppress

MOST = 1 << 28  # bytes of a classifier
OVERLAP = 0.3  # of two boxes of one class that overlap more, the surer stays (R-CNN's value)


class Classifier(NamedTuple):
    """Scores (R, C) of features (R, D): x W + b, as probabilities over the classes if the classes exclude each other."""

    W: np.ndarray  # (D, C)
    b: np.ndarray  # (C,)
    exclusive: bool = False

    def scores(self, features):
        scores = features @ self.W + self.b
        if self.exclusive:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
        return scores

    def best(self, boxes, features, most):
        """The numbers of the `most` surest of boxes (R, 4), each by its best class; boxes of one class keep apart."""
        scores = self.scores(features)
        classes, surest = scores.argmax(axis=1), scores.max(axis=1)
        # Boxes of different classes are moved so far apart that they can't overlap: one suppression does for all.
        apart = np.asarray(boxes, np.float64) + (classes * (1 + 2 * np.abs(boxes).max(initial=1)))[:, None]
        return suppress(apart, surest, OVERLAP, most)


def read_classifier(path, dimension):
    """The Classifier in an .npz file for features of `dimension` numbers. Raises UserError if it doesn't fit."""
    path = pathlib.Path(path)
    try:
        arrays = read_npz(path, MOST, ("W", "b"))
        W, b = arrays["W"], arrays["b"]
    except (OSError, KeyError, UserError) as error:
        reason = " ".join(str(error).removeprefix(f"{path}: ").split()) or type(error).__name__
        raise UserError(f"{path}: not a classifier ({reason:.100}); expected an .npz with W (numbers x classes) and b") from None
    b = b.ravel() if b.ndim == 2 and 1 in b.shape else b
    if W.ndim != 2 or b.shape != W.shape[1:] or {W.dtype.kind, b.dtype.kind} - set("fiu") or not W.size:
        raise UserError(f"{path}: W is {W.shape} and b {b.shape}; expected (numbers, classes) and (classes,)")
    if len(W) != dimension:
        raise UserError(f"{path}: W is for features of {len(W)} numbers; the extractor gives {dimension} for a box")
    with np.errstate(over="ignore"):  # what is too large for 32 bits becomes infinite
        W, b = W.astype(np.float32), b.astype(np.float32)
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise UserError(f"{path}: W and b should be finite numbers")
    return Classifier(W, b)


def fc8_classifier(extractor):
    """The classes of VGG-16 itself, for an extractor whose boxes get fc7 features."""
    if extractor.name != "vgg16-fc7":
        raise UserError(
            f"class probabilities come from VGG-16's fully connected layers, and {extractor.name} has none; take --features "
            "vgg16-fc7, a --classifier of your own, or leave --score at objectness"
        )
    return Classifier(*extractor.network.weights.connected[2], exclusive=True)
