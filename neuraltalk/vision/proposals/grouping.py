"""From pieces to things: selective search's hierarchical grouping (Uijlings, van de Sande, Gevers, Smeulders 2013).

    n      pieces of a segmentation
    C, T   numbers of a piece's histograms of colour and of texture, each summing to 1

The two neighbours that are most alike become one, again and again until the whole picture is one piece. Each piece that
ever was is a guess at a thing, and its box a proposal: 2 n - 1 of them, from details to the whole. How alike two are is
the sum of up to four numbers in 0..1 (section 3.2 there):

    colour     sum_c min(a_c, b_c) over the histograms
    texture    the same over histograms of gradients
    size       1 - (|a| + |b|) / |picture|                 small ones first, or one piece would swallow all
    fill       1 - (|box of both| - |a| - |b|) / |picture|  what fits into each other belongs together
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.layers.twins import twin
from neuraltalk.vision.proposals.segmentation import neighbour_slices

COLOURS = 25  # bins a channel
ORIENTATIONS, MAGNITUDES = 8, 10  # bins of gradients a channel


class Pieces(NamedTuple):
    """What grouping knows of the n pieces of a segmentation."""

    sizes: np.ndarray  # (n,) pixels
    boxes: np.ndarray  # (n, 4) int64: xmin, ymin, xmax, ymax; the last two are beyond the last pixel
    colours: np.ndarray  # (n, C)
    textures: np.ndarray  # (n, T)
    neighbours: np.ndarray  # (n, n) bool


def describe(canvas, labels):
    """The Pieces of `labels` (H, W) in `canvas` (H, W, 3), values 0..255."""
    n = int(labels.max()) + 1
    sizes = np.bincount(labels.ravel(), minlength=n)
    return Pieces(
        sizes,
        boxes_of_labels(labels, n),
        histograms(labels, n, [np.minimum(canvas[:, :, c] * (COLOURS / 256), COLOURS - 1) for c in range(3)], COLOURS),
        histograms(labels, n, [gradient_bins(canvas[:, :, c]) for c in range(3)], ORIENTATIONS * MAGNITUDES),
        neighbouring_pieces(labels, n),
    )


def histograms(labels, n, bins, count):
    """For each piece how its pixels spread over the bins of each channel -> (n, channels * count), rows sum to 1.

    bins: for each channel (H, W) numbers in 0 .. count - 1, perhaps with a fraction.
    """
    first = labels * count
    counts = [np.bincount((first + own.astype(np.int32)).ravel(), minlength=n * count).reshape(n, count) for own in bins]
    counts = np.concatenate(counts, axis=1).astype(np.float64)
    return counts / counts.sum(axis=1, keepdims=True)


def gradient_bins(channel):
    """The bin (H, W) of each pixel's gradient in one channel: by its direction, and by its root.

    Differs from the paper, where each of Gaussian derivatives in eight directions is counted: here a pixel counts once, in the
    bin of its gradient's direction and magnitude, which is an eighth of the work.
    """
    around = np.pad(channel.astype(np.float32), 1, mode="edge")
    down, right = (around[2:, 1:-1] - around[:-2, 1:-1]) / 2, (around[1:-1, 2:] - around[1:-1, :-2]) / 2
    turn = np.arctan2(down, right) * (ORIENTATIONS / (2 * np.pi)) + ORIENTATIONS  # 4 .. 12 of 8
    magnitude = np.minimum(np.sqrt(np.hypot(down, right)), MAGNITUDES - 1)  # the root spreads the many faint ones
    return turn.astype(np.int32) % ORIENTATIONS * MAGNITUDES + magnitude.astype(np.int32)


def boxes_of_labels(labels, n):
    """The box (n, 4) of each piece."""
    H, W = labels.shape
    boxes = np.empty((n, 4), np.int64)
    flat = labels.ravel()
    y, x = np.divmod(np.arange(H * W), W)
    for column, (values, extreme, start) in enumerate(
        ((x, np.minimum, W), (y, np.minimum, H), (x + 1, np.maximum, 0), (y + 1, np.maximum, 0))
    ):
        boxes[:, column] = start
        extreme.at(boxes[:, column], flat, values)
    return boxes


def neighbouring_pieces(labels, n):
    """Which pieces touch, also at a corner -> (n, n) bool, symmetric, False on the diagonal."""
    touch = np.zeros((n, n), bool)
    for here, there in neighbour_slices():
        a, b = labels[here].ravel(), labels[there].ravel()
        edge = a != b
        touch[a[edge], b[edge]] = True
    return touch | touch.T


def group(pieces, weights):
    """Join neighbours until one piece is left -> boxes (2 n - 1, 4) int64, sizes (2 n - 1,) in pixels: first the pieces
    themselves, then each one that came of two, in the order in which they came; the last is the whole picture.

    weights: of colour, texture, size and fill in the likeness, (4,).
    """
    n = len(pieces.sizes)
    boxes, sizes = np.empty((2 * n - 1, 4), np.int64), np.empty(2 * n - 1)
    boxes[:n], sizes[:n] = pieces.boxes, pieces.sizes
    colours, textures = pieces.colours.copy(), pieces.textures.copy()  # of the piece that a slot holds now
    likeness = np.full((n, n), -1.0)
    rooms = np.empty((2, n), np.int64)
    group_pieces(np.asarray(weights, np.float64), pieces.neighbours.copy(), colours, textures, likeness, boxes, sizes, rooms)
    return boxes, sizes


@twin
def group_pieces(weights, neighbours, colours, textures, likeness, boxes, sizes, rooms):
    """Fill the last n - 1 rows of `boxes` and `sizes`, whose first n are the pieces'.

    Each piece has a slot, 0 .. n - 1; what comes of two takes the lower slot, and the other one stays empty. Of pairs that
    are equally alike the first one joins, by its slots.

    weights:           (4,) of colour, texture, size, fill
    neighbours:        (n, n) bool, overwritten
    colours, textures: (n, C), (n, T), overwritten
    likeness:          (n, n), -1 everywhere; overwritten
    boxes, sizes:      (2 n - 1, 4), (2 n - 1,)
    rooms:             (2, n) int64, to note in: the row of boxes and sizes that a slot holds, and its best neighbour

    kernels.group_pieces is its jitted twin.
    """
    n = len(neighbours)
    row = rooms[0]
    row[:] = np.arange(n)
    pixels = sizes[:n].sum()

    def alike(i, j):
        xmin, ymin = np.minimum(boxes[row[i], :2], boxes[row[j], :2])
        xmax, ymax = np.maximum(boxes[row[i], 2:], boxes[row[j], 2:])
        both = sizes[row[i]] + sizes[row[j]]
        parts = (
            np.minimum(colours[i], colours[j]).sum(),
            np.minimum(textures[i], textures[j]).sum(),
            1 - both / pixels,
            1 - ((xmax - xmin) * (ymax - ymin) - both) / pixels,
        )
        return np.dot(weights, parts)

    for i, j in zip(*np.nonzero(neighbours)):
        likeness[i, j] = alike(i, j)
    for new in range(n, 2 * n - 1):
        i, j = np.unravel_index(np.argmax(likeness), likeness.shape)  # i < j, as likeness is symmetric
        a, b = sizes[row[i]], sizes[row[j]]
        sizes[new] = a + b
        boxes[new, :2] = np.minimum(boxes[row[i], :2], boxes[row[j], :2])
        boxes[new, 2:] = np.maximum(boxes[row[i], 2:], boxes[row[j], 2:])
        for histogram in (colours, textures):
            histogram[i] = (a * histogram[i] + b * histogram[j]) / (a + b)
        row[i] = new
        neighbours[i] |= neighbours[j]
        neighbours[:, i] = neighbours[i]
        neighbours[i, i] = False
        neighbours[j], neighbours[:, j] = False, False
        likeness[j], likeness[:, j] = -1, -1
        for other in np.flatnonzero(neighbours[i]):
            likeness[i, other] = likeness[other, i] = alike(i, other)
