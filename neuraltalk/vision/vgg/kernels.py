"""Jitted twins of the transforms of the convolution; convolution.py holds the definitions.

The innermost loops run over channels. LLVM vectorises one only if it can see that its loads and stores don't meet: in the
scratch array, places lie a constant number of elements apart, LANES, which V and M don't offer. So a tile is copied into it
and out of it. Nothing here runs in parallel by itself: convolution.py gives each thread its rows of tiles.
"""

import numpy as np
from numba import njit

LANES = 64  # as in convolution.py
JIT = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}


@njit(cache=True, **JIT)
def transform_tiles(x, first, V, scratch):
    """Twin of `convolution.transform_tiles`: the products with B written out. Some 30 to 70 times as fast."""
    N, H, W, C = x.shape
    Y, X = (H + 3) // 4, (W + 3) // 4
    pixels, transformed = x.reshape(-1), V.reshape(-1)
    zero = x.dtype.type(0)
    for t in range(len(V)):
        row = first + t // X
        n, top, left = row // Y, row % Y * 4 - 1, t % X * 4 - 1
        for c0 in range(0, C, LANES):
            width = min(LANES, C - c0)
            if width < LANES:
                scratch[:] = zero  # what is left over from other tiles would grow without end
            for i in range(6):
                for j in range(6):
                    y, z, at = top + i, left + j, (i * 6 + j) * LANES
                    if 0 <= y < H and 0 <= z < W:
                        copy(pixels, ((n * H + y) * W + z) * C + c0, scratch, at, width)
                    else:
                        for c in range(width):
                            scratch[at + c] = zero
            for j in range(6):
                times_B(scratch, j * LANES, 6 * LANES)
            for i in range(6):
                times_B(scratch, i * 6 * LANES, LANES)
            for p in range(36):
                copy(scratch, p * LANES, transformed, (t * 36 + p) * C + c0, width)


@njit(forceinline=True, **JIT)
def times_B(scratch, start, step):
    """B^T d for the six places d at `start`, `start + step` ..., in place."""
    two, four, five = scratch.dtype.type(2), scratch.dtype.type(4), scratch.dtype.type(5)
    for p in range(start, start + LANES):
        d0, d1, d2 = scratch[p], scratch[p + step], scratch[p + 2 * step]
        d3, d4, d5 = scratch[p + 3 * step], scratch[p + 4 * step], scratch[p + 5 * step]
        even, odd = d4 - four * d2, d3 - four * d1
        even_2, odd_2 = d4 - d2, two * (d3 - d1)
        scratch[p] = four * d0 - five * d2 + d4
        scratch[p + step] = even + odd
        scratch[p + 2 * step] = even - odd
        scratch[p + 3 * step] = even_2 + odd_2
        scratch[p + 4 * step] = even_2 - odd_2
        scratch[p + 5 * step] = four * d1 - five * d3 + d5


@njit(forceinline=True, **JIT)
def copy(source, at, target, to, count):
    """target[to : to + count] = source[at : at + count]. Unsigned indices spare the check for negative ones: 3 times as fast."""
    for c in range(count):
        target[np.uint64(to + c)] = source[np.uint64(at + c)]


@njit(cache=True, **JIT)
def finish_tiles(M, b, first, out, scratch):
    """Twin of `convolution.finish_tiles`: the products with A written out. Some 20 to 30 times as fast."""
    N, H, W, K = out.shape
    Y, X = (H + 3) // 4, (W + 3) // 4
    products, results = M.reshape(-1), out.reshape(-1)
    zero = out.dtype.type(0)
    for t in range(len(M)):
        row = first + t // X
        n, top, left = row // Y, row % Y * 4, t % X * 4
        for c0 in range(0, K, LANES):
            width = min(LANES, K - c0)
            if width < LANES:
                scratch[:] = zero
            for p in range(36):
                copy(products, (t * 36 + p) * K + c0, scratch, p * LANES, width)
            for j in range(6):
                times_A(scratch, j * LANES, 6 * LANES)
            for i in range(4):
                times_A(scratch, i * 6 * LANES, LANES)
            for i in range(min(4, H - top)):
                for j in range(min(4, W - left)):
                    at, to = (i * 6 + j) * LANES, ((n * H + top + i) * W + left + j) * K + c0
                    for c in range(width):
                        value = scratch[np.uint64(at + c)] + b[np.uint64(c0 + c)]
                        results[np.uint64(to + c)] = value if value > zero else zero


@njit(forceinline=True, **JIT)
def times_A(scratch, start, step):
    """A^T m likewise; the four results take the place of the first four m."""
    two, four, eight = scratch.dtype.type(2), scratch.dtype.type(4), scratch.dtype.type(8)
    for p in range(start, start + LANES):
        m0, m1, m2 = scratch[p], scratch[p + step], scratch[p + 2 * step]
        m3, m4, m5 = scratch[p + 3 * step], scratch[p + 4 * step], scratch[p + 5 * step]
        even, odd = m1 + m2, m1 - m2
        even_2, odd_2 = m3 + m4, m3 - m4
        scratch[p] = m0 + even + even_2
        scratch[p + step] = odd + two * odd_2
        scratch[p + 2 * step] = even + four * even_2
        scratch[p + 3 * step] = odd + eight * odd_2 + m5
