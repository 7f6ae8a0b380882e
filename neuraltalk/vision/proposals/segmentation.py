"""Cutting a picture into pieces of one colour: Felzenszwalb and Huttenlocher 2004.

    H, W   rows and columns of pixels
    E      edges between neighbouring pixels, 4 a pixel: right, down, and both diagonals down
    w      an edge's weight: the distance of its two pixels' colours
    k      how readily pieces join: more of it gives fewer, larger pieces

Every pixel begins as a piece of its own. Edges are walked from the lightest to the heaviest; one joins its two pieces if

    w <= min(I(A) + k / |A|,  I(B) + k / |B|)

where I, a piece's inner difference, is the heaviest edge that joined it so far, and |A| its pixels. So a piece that is
rough within may take in a rougher neighbour, and a smooth one may not. At last, pieces that are too small join whatever
lies beside them along the lightest edge.
"""

import numpy as np

from neuraltalk.layers.twins import twin

BLUR = (0.107, 0.786, 0.107)  # a Gaussian of 0.5 pixels: enough against noise, as pictures are shrunk before
STEPS = 128  # weights are counted in 128ths, as 16-bit numbers: NumPy sorts those by their digits, much faster than floats


def segment(canvas, k, smallest):
    """Cut `canvas` (H, W, 3), values 0..255, into pieces of at least `smallest` pixels -> labels (H, W) int32, 0 .. n - 1."""
    H, W, _ = canvas.shape
    pixels, others, weights = neighbouring_pixels(blur(canvas.astype(np.float32)))
    order = np.argsort(weights, kind="stable")
    parents, sizes, limits = np.empty(H * W, np.int32), np.empty(H * W, np.int32), np.empty(H * W, np.float32)
    join_pieces(pixels[order], others[order], weights[order], np.float32(k * STEPS), smallest, parents, sizes, limits)
    return np.unique(parents, return_inverse=True)[1].reshape(H, W).astype(np.int32)


def blur(canvas):
    """Smooth `canvas` (H, W, 3) by BLUR across and down; the picture goes on beyond its edge as it ends."""
    for axis in (0, 1):
        padding = [(1, 1) if own == axis else (0, 0) for own in range(3)]
        padded = np.pad(canvas, padding, mode="edge")
        n = canvas.shape[axis]
        left, middle, right = (np.take(padded, np.arange(start, start + n), axis) for start in range(3))
        canvas = BLUR[0] * left + BLUR[1] * middle + BLUR[2] * right
    return canvas


def neighbouring_pixels(canvas):
    """The edges of `canvas` (H, W, 3) -> the two pixels of each (E,), (E,) int32, and its weight (E,) uint16 in 1 / STEPS."""
    H, W, _ = canvas.shape
    numbers = np.arange(H * W, dtype=np.int32).reshape(H, W)
    pixels, others, weights = [], [], []
    for here, there in neighbour_slices():
        pixels.append(numbers[here].ravel())
        others.append(numbers[there].ravel())
        difference = canvas[here] - canvas[there]
        distance = np.sqrt(np.einsum("yxc,yxc->yx", difference, difference))
        weights.append(np.rint(distance * STEPS).astype(np.uint16).ravel())  # at most 128 * 255 * sqrt(3) < 2^16
    return np.concatenate(pixels), np.concatenate(others), np.concatenate(weights)


def neighbour_slices():
    """The pixels that have a neighbour to the right, below, right below, left below, and those neighbours."""
    everything, but_first, but_last = slice(None), slice(1, None), slice(None, -1)
    return (
        ((everything, but_last), (everything, but_first)),
        ((but_last, everything), (but_first, everything)),
        ((but_last, but_last), (but_first, but_first)),
        ((but_last, but_first), (but_first, but_last)),
    )


@twin
def join_pieces(pixels, others, weights, k, smallest, parents, sizes, limits):
    """Fill `parents` with a pixel of each pixel's piece, the same one throughout a piece.

    pixels, others: (E,) the two ends of each edge, from the lightest to the heaviest edge
    weights:        (E,) their weights
    k, smallest:    see above; k in units of the weights
    parents:        (H W,) int32, a forest: each pixel points towards the one that stands for its piece
    sizes, limits:  (H W,) int32, float32: of a piece, at that pixel: |A|, and I(A) + k / |A|

    kernels.join_pieces is its jitted twin.
    """
    parents[:] = np.arange(len(parents))
    sizes[:] = 1
    limits[:] = k

    def root(pixel):
        while parents[pixel] != pixel:
            parents[pixel] = parents[parents[pixel]]  # shortens the way for those who come later
            pixel = parents[pixel]
        return pixel

    def join(a, b, limit):
        a, b = min(a, b), max(a, b)
        parents[b] = a
        sizes[a] += sizes[b]
        limits[a] = limit + k / np.float32(sizes[a])

    for pixel, other, weight in zip(pixels, others, weights):
        a, b = root(pixel), root(other)
        if a != b and weight <= min(limits[a], limits[b]):
            join(a, b, np.float32(weight))
    for pixel, other in zip(pixels, others):
        a, b = root(pixel), root(other)
        if a != b and min(sizes[a], sizes[b]) < smallest:
            join(a, b, np.float32(0))
    for pixel in range(len(parents)):
        parents[pixel] = root(pixel)
