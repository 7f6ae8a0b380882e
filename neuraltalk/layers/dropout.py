"""Inverted dropout: y = x * mask, where mask is 0 with probability p and 1 / (1 - p) otherwise.

The expected value of y is x, so nothing has to be rescaled at test time.
"""

import math

import numpy as np

LEVELS = 1 << 16                    # the random numbers are 16-bit: p is met to within 1 / 65536
SKIP_BYTES = 2000                   # skipping some random numbers takes as long as drawing so many bytes of them


def dropout_forward(x, p, rng, rows=None):
    """Drop elements of x (any shape) with probability p: returns y and the mask, both in x's shape and dtype.

    With `rng=None` or p = 0 nothing is dropped: y is x itself and the mask is None. `rows` (data/batches.py) says which
    rows of a larger array x has, if it has not all: they are dropped as they would be there, and rng ends up as it would.
    """
    if rng is None or p == 0:
        return x, None
    drawn = rng.bytes(2 * x.size) if rows is None else bytes_of_rows(rng, 2 * math.prod(x.shape[1:]), rows)
    bits = np.frombuffer(drawn, dtype="<u2").reshape(x.shape)
    mask = (bits >= round(p * LEVELS)) * x.dtype.type(1 / (1 - p))
    return x * mask, mask


def dropout_backward(dy, mask):
    """dx = dy * mask: what was dropped gets no gradient, what was scaled up gets as much more."""
    return dy if mask is None else dy * mask


def bytes_of_rows(rng, width, rows):
    """Of rng.bytes(rows.total * width), as rows of `width` bytes, those in rows.chosen (m,), rising -> m * width bytes.

    Where few are chosen, what lies between them is skipped rather than drawn, if the generator can and the rows begin at
    whole numbers of its own, which have 8 bytes. Either way the numbers are the same, and so is what comes after them.
    """
    chosen, total, source = rows.chosen, rows.total, rng.bit_generator
    can = width % 8 == 0 and hasattr(source, "advance") and not source.state.get("has_uint32", 1)
    if not can or total * width < len(chosen) * (width + SKIP_BYTES):
        return np.frombuffer(rng.bytes(total * width), np.uint8).reshape(total, width)[chosen].tobytes()
    drawn, at = [], 0
    for row in chosen.tolist():
        source.advance((row - at) * width // 8)
        drawn.append(rng.bytes(width))
        at = row + 1
    source.advance((total - at) * width // 8)
    return b"".join(drawn)
