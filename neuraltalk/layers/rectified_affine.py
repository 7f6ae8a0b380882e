"""The affine layer with a rectifier: y = max(0, x W + b) (eq 3 and 6), in one array.

    x   (N, D) inputs, a row an example      W   (D, H) weights
    y   (N, H) outputs, never negative       b   (1, H) biases
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.layers import kinks
from neuraltalk.layers.affine import AffineCache, affine_backward, affine_forward


class RectifiedAffineCache(NamedTuple):
    affine: AffineCache
    y: np.ndarray


def rectified_affine_forward(x, W, b):
    """y = max(0, x W + b), with x (N, D), W (D, H) and b (1, H): returns y (N, H) and the cache."""
    y, cache = affine_forward(x, W, b)
    kinks.note(y)
    np.maximum(y, 0, out=y)
    return y, RectifiedAffineCache(cache, y)


def rectified_affine_backward(dy, cache, need_dx=True):
    """From dy (N, H) to dx (N, D), or None if it isn't needed, dW (D, H) and db (1, H)."""
    return affine_backward(dy * (cache.y > 0), cache.affine, need_dx)
