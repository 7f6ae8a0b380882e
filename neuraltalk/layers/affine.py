"""The affine layer: y = x W + b.

    x   (N, D) inputs, a row an example      W   (D, H) weights
    y   (N, H) outputs                       b   (1, H) biases
"""

from typing import NamedTuple

import numpy as np


class AffineCache(NamedTuple):
    x: np.ndarray
    W: np.ndarray


def affine_forward(x, W, b):
    """y = x W + b, with x (N, D), W (D, H) and b (1, H): returns y (N, H) and the cache."""
    y = x @ W                                               # (N, H)
    y += b
    return y, AffineCache(x, W)


def affine_backward(dy, cache, need_dx=True):
    """Undo y = x W + b: from dy (N, H) to dx (N, D), dW (D, H) and db (1, H).

    `need_dx=False` leaves out the product for inputs that are data (dx is then None).
    """
    x, W = cache
    dx = dy @ W.T if need_dx else None                      # (N, D)
    dW = x.T @ dy                                           # (D, H)
    db = dy.sum(axis=0, keepdims=True)                      # (1, H)
    return dx, dW, db
