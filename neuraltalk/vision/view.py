"""One view of a picture: its patches at one scale, a dictionary of them, and activations pooled over cells.

    symbol   meaning
    S        side of the canvas that each picture is resized to, in pixels
    p        side of a patch in pixels of the canvas
    Y, X     rows and columns of patches on the canvas (Y = X, since it is square)
    K        words of the dictionary
    G        a picture, or a box in it, is pooled over G x G cells
    d, D     numbers of a patch before and after whitening, see dictionary.py
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.vision.dictionary import describe_patches, learn_whitening, learn_words, patch_windows
from neuraltalk.vision.triangle import triangle_pool


class View(NamedTuple):
    """What is chosen for a view rather than learned. Lengths are pixels of the canvas; brightness runs from 0 to 1."""

    canvas: int
    patch: int
    stride: int
    words: int
    grid: int
    kept: int = 80  # directions kept by the whitening, D (less if there are fewer)
    contrast_floor: float = 0.1
    brightness_weight: float = 3.0
    noise: float = 0.01  # added to the variances before whitening

    @property
    def side(self):
        """Patches along each side of the canvas."""
        return (self.canvas - self.patch) // self.stride + 1

    @property
    def dimension(self):
        return self.grid**2 * self.words

    def shapes(self):
        """The shape of each learned array, by name."""
        d = 3 * self.patch**2 + 1
        D = min(d, self.kept)
        return {"patch_mean": (d,), "whitening": (d, D), "dictionary": (self.words, D)}


def to_canvas(image, view):
    """The RGB PIL `image`, resized to (S, S, 3), its proportions giving way -> float32 in 0..1."""
    from PIL import Image

    resized = image.resize((view.canvas, view.canvas), Image.Resampling.BILINEAR, reducing_gap=3)  # averages to shrink
    return np.asarray(resized, np.float32) / np.float32(255)


def learn_view(canvases, view, patches, iterations, rng):
    """The arrays of `view.shapes()` from about `patches` patches, equally many of each canvas, by k-means."""
    each = -(-max(patches, 2 * view.words) // len(canvases))  # rounded up
    cut = []
    for canvas in canvases:
        y, x = rng.integers(0, view.canvas - view.patch + 1, (2, each))
        cut.append(patch_windows(canvas, view.patch, 1)[y, x].reshape(each, -1))
    described = describe_patches(np.concatenate(cut), view.contrast_floor, view.brightness_weight)  # (P, d)
    patch_mean, whitening = learn_whitening(described, view.noise, view.kept)
    dictionary = learn_words((described - patch_mean) @ whitening, view.words, iterations, rng)
    return {"patch_mean": patch_mean, "whitening": whitening, "dictionary": dictionary}


def activations(canvas, view, arrays, cells):
    """Fourth powers of the words' activations, summed along each row of patches by `cells` (X,) -> (Y, G, K)."""
    windows = patch_windows(canvas, view.patch, view.stride)  # (Y, X, p, p, 3)
    Y, X = windows.shape[:2]
    described = describe_patches(windows.reshape(Y * X, -1), view.contrast_floor, view.brightness_weight)  # (Y X, d)
    x = (described - arrays["patch_mean"]) @ arrays["whitening"]  # (Y X, D)
    words = arrays["dictionary"]
    products = (x @ words.T).reshape(Y, X, len(words))
    patch_norms = np.einsum("pd,pd->p", x, x).reshape(Y, X)
    out = np.empty((Y, cells.max() + 1, len(words)), np.float32)
    triangle_pool(products, patch_norms, np.einsum("kd,kd->k", words, words), cells, out)
    return out


def pool_grid(canvas, view, arrays):
    """Each word's activation in each of the G x G cells of `canvas` -> (G * G * K,).

        f = (mean over the cell's patches of a^4)^(1/4)

    Differs from the paper, which sums a: a thing of interest covers few patches, and the higher power lets a word that
    is certain somewhere outweigh one that is vaguely active all over the background.
    """
    cells = np.arange(view.side) * view.grid // view.side  # of each column, and of each row
    rows = activations(canvas, view, arrays, cells)  # (Y, G, K)
    counts = np.bincount(cells).astype(np.float32)
    sums = np.add.reduceat(rows, np.searchsorted(cells, np.arange(view.grid)), axis=0)  # (G, G, K)
    return fourth_root(sums / (counts[:, None] * counts)[:, :, None]).ravel()


def pool_boxes(canvas, view, arrays, boxes):
    """The same for each of `boxes` (R, 4), in pixels of the canvas, cut into G x G cells -> (R, G * G * K).

    The patches are looked at once for all boxes. A cell's mean weighs each patch by its row's share and its column's, so
    all means are one product.
    """
    R, G, side = len(boxes), view.grid, view.side
    maps = activations(canvas, view, arrays, np.arange(side)).reshape(side * side, view.words)  # (Y X, K)
    across = cell_weights(boxes[:, [0, 2]], view)  # (R, G, X)
    down = cell_weights(boxes[:, [1, 3]], view)  # (R, G, Y)
    shares = down[:, :, None, :, None] * across[:, None, :, None, :]  # (R, G, G, Y, X)
    return fourth_root(shares.reshape(R * G * G, side * side) @ maps).reshape(R, view.dimension)  # cells row by row


def cell_weights(edges, view):
    """Weight of each row or column of patches in the G equal cells between `edges` (R, 2), in pixels of the canvas.

    Patch i stands for `stride` pixels around its centre; a weight is the share of the cell that those cover, so the
    weights of a cell sum to 1 -> (R, G, patches a side) float32. What is thinner than one patch's pixels is widened.
    """
    edges = np.clip((edges - (view.patch - view.stride) / 2) / view.stride, 0, view.side)  # counted in patches
    half = np.maximum((edges[:, 1] - edges[:, 0]) / 2, 0.5)
    start = np.clip(edges.mean(axis=1) - half, 0, view.side - 2 * half)
    cuts = start[:, None] + np.arange(view.grid + 1) * (2 * half / view.grid)[:, None]  # (R, G + 1)
    i = np.arange(view.side)
    overlap = np.maximum(np.minimum(cuts[:, 1:, None], i + 1) - np.maximum(cuts[:, :-1, None], i), 0)  # (R, G, side)
    return (overlap / overlap.sum(axis=2, keepdims=True)).astype(np.float32)


def fourth_root(values):
    return np.sqrt(np.sqrt(values))
