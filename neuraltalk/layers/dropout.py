"""Inverted dropout: y = x * mask, where mask is 0 with probability p and 1 / (1 - p) otherwise.

The expected value of y is x, so nothing has to be rescaled at test time.
"""

import numpy as np

LEVELS = 1 << 16                    # the random numbers are 16-bit: p is met to within 1 / 65536


def dropout_forward(x, p, rng):
    """Drop elements of x (any shape) with probability p: returns y and the mask, both in x's shape and dtype.

    With `rng=None` or p = 0 nothing is dropped: y is x itself and the mask is None.
    """
    if rng is None or p == 0:
        return x, None
    bits = np.frombuffer(rng.bytes(2 * x.size), dtype="<u2").reshape(x.shape)
    mask = (bits >= round(p * LEVELS)) * x.dtype.type(1 / (1 - p))
    return x * mask, mask


def dropout_backward(dy, mask):
    """dx = dy * mask: what was dropped gets no gradient, what was scaled up gets as much more."""
    return dy if mask is None else dy * mask
