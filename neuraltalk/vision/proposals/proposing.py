"""Boxes that may hold things, from the pixels of a picture alone: selective search, ranked by objectness.

    picture -> a canvas of some 224 x 224 pixels -> 6 segmentations (2 colour spaces, 3 scales), each grouped in 2 ways
            -> some 2500 different boxes -> objectness -> the best first, near-duplicates last

What one segmentation misses another one finds: that is selective search's idea, and why there are twelve groupings.
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.vision.proposals.colours import hsv, lab
from neuraltalk.vision.proposals.grouping import describe, group
from neuraltalk.vision.proposals.objectness import objectness
from neuraltalk.vision.proposals.segmentation import segment
from neuraltalk.vision.proposals.suppression import suppress

SIDE = 224  # the canvas has this many pixels squared; larger pictures are shrunk to it
SPACES = {"hsv": hsv, "lab": lab}
SCALES = (50, 100, 200)  # k of a segmentation; half of it is the smallest piece, in pixels
LIKENESS = ((1, 1, 1, 1), (0, 0, 1, 0))  # weights of colour, texture, size, fill
JUDGED_BY = ("lab", 100)  # the segmentation that boxes may straddle
SMALLEST = 6  # pixels of the canvas: thinner boxes are left out
APART, DIFFERENT = 0.5, 0.8  # overlaps: the best boxes are closer to none better; closer than `DIFFERENT` is the same box
MOST = 1000


class Guesses(NamedTuple):
    """The different boxes that the groupings of a picture gave, in pixels of the canvas."""

    boxes: np.ndarray  # (P, 4) int64
    counts: np.ndarray  # (P,) how many groupings' pieces have this box
    depths: np.ndarray  # (P,) the fewest pieces that were left when one of those arose
    labels: np.ndarray  # (H, W) int32: the segmentation JUDGED_BY


def propose(picture, most=MOST):
    """Boxes (P, 4) float32 in a picture (H, W, 3) uint8: xmin, ymin, xmax, ymax in pixels, the best first, P <= most.

    The whole picture is among them wherever it comes by its score. A picture of one colour has no other box.
    """
    canvas = to_canvas(picture)
    guesses = guess(canvas)
    chosen = rank(guesses.boxes, objectness(*guesses), most)
    scale = np.array([picture.shape[1] / canvas.shape[1], picture.shape[0] / canvas.shape[0]] * 2)
    return (guesses.boxes[chosen] * scale).astype(np.float32)


def to_canvas(picture):
    """A picture (H, W, 3) uint8, shrunk to the area of SIDE squared if it is larger; its proportions stay."""
    from PIL import Image

    H, W, _ = picture.shape
    shrink = SIDE / np.sqrt(H * W)
    if shrink >= 1:
        return picture
    size = (max(1, round(W * shrink)), max(1, round(H * shrink)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, reducing_gap=3))


def guess(canvas):
    """The Guesses of all segmentations and groupings of a canvas (H, W, 3) uint8."""
    boxes, depths, judge = [], [], None
    for name, space in SPACES.items():
        colours = space(canvas)
        for k in SCALES:
            labels = segment(colours, k, k // 2)
            if (name, k) == JUDGED_BY:
                judge = labels
            pieces = describe(colours, labels)
            for weights in LIKENESS:
                own, _ = group(pieces, weights)
                boxes.append(own)
                depths.append(np.arange(len(own), 0, -1))
    boxes, depths = np.concatenate(boxes), np.concatenate(depths)
    large = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= min(SMALLEST, *canvas.shape[:2])
    boxes, which, counts = np.unique(boxes[large], axis=0, return_inverse=True, return_counts=True)
    shallowest = np.full(len(boxes), np.iinfo(np.int64).max)
    np.minimum.at(shallowest, which.ravel(), depths[large])
    return Guesses(boxes, counts, shallowest, judge)


def rank(boxes, scores, most):
    """The numbers of at most `most` boxes: the best of those that keep APART, then the others that are DIFFERENT."""
    apart = suppress(boxes, scores, APART, most)
    scores = scores - scores.min()  # from 0 up
    scores[apart] += scores.max() + 1
    return suppress(boxes, scores, DIFFERENT, most)
