"""Of boxes that show much the same thing, the best one: greedy non-maximum suppression.

    P   boxes (P, 4): xmin, ymin, xmax, ymax
"""

import numpy as np

from neuraltalk.layers.twins import twin


def suppress(boxes, scores, threshold, most):
    """Walk the boxes from the best score down, drop each one whose overlap (intersection over union) with one that was kept
    is more than `threshold`, stop when `most` are kept -> their numbers, the best first. Of equal scores the first wins.
    """
    boxes = np.ascontiguousarray(boxes, np.float64)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    kept = np.empty(min(len(boxes), most), np.int64)
    count = np.zeros(1, np.int64)
    keep_apart(boxes, order, float(threshold), kept, count)
    return kept[: count[0]]


@twin
def keep_apart(boxes, order, threshold, kept, count):
    """Fill the first `count` of `kept` with numbers of boxes in the order of `order`, none overlapping an earlier one more
    than `threshold`, until `kept` is full.

    boxes: (P, 4) float64; order, kept: whole numbers; count: (1,), what is filled.

    kernels.keep_apart is its jitted twin.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    count[0] = 0
    for p in order:
        if count[0] == len(kept):
            break
        others = kept[: count[0]]
        sides = np.minimum(boxes[p, 2:], boxes[others, 2:]) - np.maximum(boxes[p, :2], boxes[others, :2])
        shared = np.maximum(sides, 0).prod(axis=1)
        if not (shared > threshold * (areas[p] + areas[others] - shared)).any():
            kept[count[0]] = p
            count[0] += 1
