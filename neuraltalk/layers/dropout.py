"""Inverted dropout: y = x * mask, where mask is 0 with probability p and 1 / (1 - p) otherwise.

The mask itself is never made: the cache has the random numbers, of 16 bits each, that it follows from.

The expected value of y is x, so nothing has to be rescaled at test time.
"""

import math

import numpy as np

from neuraltalk.layers.twins import twin

LEVELS = 1 << 16                    # the random numbers are 16-bit: p is met to within 1 / 65536
SKIP_BYTES = 20_000                 # skipping some random numbers takes as long as drawing so many bytes of them


def dropout_forward(x, p, rng, rows=None):
    """Drop elements of x (any shape) with probability p: returns y, of x's shape and dtype, and the cache.

    With `rng=None` or p = 0 nothing is dropped: y is x itself and the cache is None. `rows` (data/batches.py) says which
    rows of a larger array x has, if it has not all: they are dropped as they would be there, and rng ends up as it would.
    """
    if rng is None or p == 0:
        return x, None
    drawn = random_bytes(rng, 2 * x.size) if rows is None else bytes_of_rows(rng, 2 * math.prod(x.shape[1:]), rows)
    cache = drawn.view("<u2"), round(p * LEVELS), 1 / (1 - p)
    return _dropped(x, cache), cache


def dropout_backward(dy, cache):
    """dx = dy * mask: what was dropped gets no gradient, what was scaled up gets as much more."""
    return dy if cache is None else _dropped(dy, cache)


def _dropped(x, cache):
    bits, least, scale = cache
    y = np.empty(x.shape, x.dtype)
    drop(x.reshape(-1), bits, least, x.dtype.type(scale), y.reshape(-1))
    return y


@twin
def drop(x, bits, least, scale, y):
    """y (n,) of x (n,): times `scale` where the random number in bits (n,) is `least` or more, times 0 elsewhere."""
    np.multiply(x, (bits >= least) * scale, out=y)


def random_bytes(rng, count):
    """(count,) uint8 out of whole numbers of the generator, which have 8 bytes: several times as fast as its bytes()."""
    return rng.integers(0, 1 << 64, -(-count // 8), np.uint64).astype("<u8", copy=False).view(np.uint8)[:count]


def bytes_of_rows(rng, width, rows):
    """Of random_bytes(rng, rows.total * width), as rows of `width`, those in rows.chosen (m,), rising: (m * width,) uint8.

    Where few are chosen, what lies between them is skipped rather than drawn, if the generator can and the rows begin at
    whole numbers of its own. Either way the numbers are the same, and so is what comes after them.
    """
    chosen, total, source = rows.chosen, rows.total, rng.bit_generator
    can = width % 8 == 0 and hasattr(source, "advance")
    if not can or total * width < len(chosen) * (width + SKIP_BYTES):
        return random_bytes(rng, total * width).reshape(total, width)[chosen].reshape(-1)
    drawn, at = np.empty((len(chosen), width), np.uint8), 0
    for k, row in enumerate(chosen.tolist()):
        source.advance((row - at) * width // 8)
        drawn[k] = random_bytes(rng, width)
        at = row + 1
    source.advance((total - at) * width // 8)
    return drawn.reshape(-1)
