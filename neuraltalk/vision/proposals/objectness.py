"""Which boxes are likely to hold a thing, whatever it is, before anything is recognised.

    P   boxes (P, 4): xmin, ymin, xmax, ymax in pixels of the canvas, whole numbers
    n   pieces of a segmentation

Selective search ranks its boxes nearly at random. Here a weighted sum of simple cues does, each measured for all boxes:

    agreement      guesses of all segmentations that overlap the box by 0.7 or more: a thing is found in many ways
    straddling     1 - the share of the box that belongs to pieces reaching across its border (Alexe et al. 2010)
    depth          pieces that were left when the box's own one arose: things come late, details early
    size, place    people speak of what is large and in the middle, and seldom of what the border of the picture cuts
"""

import numpy as np

from neuraltalk.layers.twins import twin

AGREE = 0.7
# Found by logistic regression on 100 of Flickr8K's photographs, with people's boxes: benchmarks/proposals.py --fit
WEIGHTS = {
    "agreement": 0.50,
    "straddling": 1.93,
    "depth": -0.34,
    "size": 0.37,
    "size^2": -0.03,
    "off_centre_x": -1.32,
    "off_centre_y": -1.85,
    "sides_cut": -0.53,
}


def objectness(boxes, counts, depths, labels):
    """Scores (P,) of the boxes, more is better; the zero means nothing."""
    measured = cues(boxes, counts, depths, labels)
    return sum(weight * measured[name] for name, weight in WEIGHTS.items())


def cues(boxes, counts, depths, labels):
    """The cues by name, each (P,) float64.

    boxes:   (P, 4) int64, different ones
    counts:  (P,) how many guesses have this box
    depths:  (P,) the fewest pieces that were left when one of those arose
    labels:  (H, W) a segmentation
    """
    H, W = labels.shape
    xmin, ymin, xmax, ymax = boxes.T
    agreeing = np.empty(len(boxes))
    agreement(boxes.astype(np.float64), counts.astype(np.float64), AGREE, agreeing)
    inside = np.empty(len(boxes))
    straddling(labels, np.bincount(labels.ravel()), boxes, np.empty(labels.max() + 1, np.int64), inside)
    size = np.log((xmax - xmin) * (ymax - ymin) / (H * W))
    return {
        "agreement": np.log(agreeing),
        "straddling": inside,
        "depth": np.log(depths),
        "size": size,
        "size^2": size**2,
        "off_centre_x": np.abs((xmin + xmax) / (2 * W) - 0.5),
        "off_centre_y": np.abs((ymin + ymax) / (2 * H) - 0.5),
        "sides_cut": (xmin <= 1) * 1.0 + (ymin <= 1) + (xmax >= W - 1) + (ymax >= H - 1),
    }


@twin
def agreement(boxes, counts, least, out):
    """Fill `out` (P,) with the number of guesses whose overlap (intersection over union) with a box is `least` or more.

    boxes: (P, 4) float64; counts: (P,) float64, guesses with that box; the box's own ones count, too.

    kernels.agreement is its jitted twin.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for p in range(len(boxes)):
        sides = np.minimum(boxes[p, 2:], boxes[:, 2:]) - np.maximum(boxes[p, :2], boxes[:, :2])  # (P, 2)
        shared = np.maximum(sides, 0).prod(axis=1)
        out[p] = counts[shared >= least * (areas[p] + areas - shared)].sum()


@twin
def straddling(labels, sizes, boxes, inside, out):
    """Fill `out` (P,) with 1 - (pixels of pieces that are partly in the box, in it or out of it, whichever are fewer) / area.

    labels: (H, W) pieces 0 .. n - 1; sizes: (n,) their pixels; boxes: (P, 4) whole numbers; inside: (n,) int64, to count in.

    kernels.straddling is its jitted twin.
    """
    for p, (xmin, ymin, xmax, ymax) in enumerate(boxes):
        inside[:] = np.bincount(labels[ymin:ymax, xmin:xmax].ravel(), minlength=len(sizes))
        out[p] = 1 - np.minimum(inside, sizes - inside).sum() / ((xmax - xmin) * (ymax - ymin))
