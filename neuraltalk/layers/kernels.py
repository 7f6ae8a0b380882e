"""The jitted twins of this package's inner loops; what each computes is said by its NumPy definition.

The exponential is ours: as long as a loop calls the C library's `exp` element by element it can't be vectorised. For
float32 we use a polynomial (below), which LLVM turns into whole vectors; float64, for checks, calls `exp`.
Measured by `python benchmarks/kernels.py`; each docstring names its gain over the definition.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

# Two things let loops vectorise: sums may be reordered and multiply-adds fused (NaN and infinity keep their meaning), and a
# division by zero gives infinity, as in NumPy, where Python would branch to an exception.
JIT = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}


def exponential(x):
    """e to the x, infinity where that is too large (the version without the JIT; `_exponential` chooses the jitted one)."""
    with np.errstate(over="ignore"):
        return np.exp(x)


@overload(exponential, jit_options={"error_model": "numpy", "fastmath": JIT["fastmath"]})
def _exponential(x):
    if x == types.float32:
        return _exponential_float32
    return lambda x: math.exp(x)


def _exponential_float32(x):
    """e to the x by 2^k * e^r with k whole and |r| <= log(2) / 2; relative error below 3e-7, NaN stays NaN.

    log 2 is taken off in two parts, the first of which times k is exact in float32. The coefficients are those of `expf` in
    the Cephes library (Moshier 1989). Below -87 the result is e^-87 (1e-38), above 88 it is e^88.
    """
    x = np.float32(-87) if x < np.float32(-87) else x
    x = np.float32(88) if x > np.float32(88) else x
    k = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - k * np.float32(0.693359375)
    r = r + k * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1)
    power = (np.int32(k) + np.int32(127)) << np.int32(23)   # the bits of the float 2^k
    return p * np.int32(power).view(np.float32)


@njit(**JIT)
def softmax_rows(scores, b, targets, scale, log_likelihood, db):
    """Twin of `softmax.softmax_rows`, 3 times as fast. Works in place: with a second array LLVM would have to assume an overlap."""
    M, V = scores.shape
    for m in range(M):
        largest = scores.dtype.type(-np.inf)
        for v in range(V):
            scores[m, v] += b[0, v]
            largest = scores[m, v] if scores[m, v] > largest else largest
        at_target = scores[m, targets[m]] - largest
        total = scores.dtype.type(0)
        for v in range(V):
            scores[m, v] = exponential(scores[m, v] - largest)
            total += scores[m, v]
        inverse = scale / total
        for v in range(V):
            scores[m, v] *= inverse
        scores[m, targets[m]] -= scale
        for v in range(V):
            db[0, v] += scores[m, v]
        log_likelihood[m] = at_target - math.log(total)


@njit(**JIT)
def scatter_add(dx, words, dW):
    """Twin of `embedding.scatter_add`, 13 times as fast."""
    M, E = dx.shape
    for m in range(M):
        for e in range(E):
            dW[words[m], e] += dx[m, e]


@njit(**JIT)
def drop(x, bits, least, scale, y):
    """Twin of `dropout.drop`, 4 times as fast."""
    zero = x.dtype.type(0)
    for k in range(len(x)):
        y[k] = x[k] * (scale if bits[k] >= least else zero)


@njit(**JIT)
def lstm_gates_forward(gates, recurrent, b, c_previous, tanh_c, c, h):
    """Twin of `lstm.lstm_gates_forward`, 1.2 times as fast; tanh(x) is 1 - 2 / (e^2x + 1), absolute error below 3e-7 in float32."""
    n, H = c.shape
    one = gates.dtype.type(1)
    two = gates.dtype.type(2)
    for k in range(n):
        for j in range(3 * H):
            gates[k, j] = one / (one + exponential(-(gates[k, j] + recurrent[k, j] + b[j])))
        for j in range(3 * H, 4 * H):
            gates[k, j] = one - two / (exponential(two * (gates[k, j] + recurrent[k, j] + b[j])) + one)
        for j in range(H):
            c[k, j] = gates[k, H + j] * c_previous[k, j] + gates[k, j] * gates[k, 3 * H + j]
        if tanh_c:
            for j in range(H):
                h[k, j] = gates[k, 2 * H + j] * (one - two / (exponential(two * c[k, j]) + one))
        else:
            for j in range(H):
                h[k, j] = gates[k, 2 * H + j] * c[k, j]


@njit(**JIT)
def lstm_gates_backward(dh, gates, c, c_previous, tanh_c, dc, dgates):
    """Twin of `lstm.lstm_gates_backward`, twice as fast."""
    n, H = c.shape
    one = gates.dtype.type(1)
    two = gates.dtype.type(2)
    for k in range(n):
        for j in range(H):
            i = gates[k, j]
            f = gates[k, H + j]
            o = gates[k, 2 * H + j]
            g = gates[k, 3 * H + j]
            squashed = c[k, j]
            slope = one
            if tanh_c:
                squashed = one - two / (exponential(two * squashed) + one)
                slope = one - squashed * squashed
            d = dc[k, j] + dh[k, j] * o * slope
            dgates[k, j] = d * g * i * (one - i)
            dgates[k, H + j] = d * c_previous[k, j] * f * (one - f)
            dgates[k, 2 * H + j] = dh[k, j] * squashed * o * (one - o)
            dgates[k, 3 * H + j] = d * i * (one - g * g)
            dc[k, j] = d * f


@njit(**JIT)
def best_regions(products, offsets, best, chosen):
    """Twin of `alignment_score.best_regions`, 40 times as fast. A NaN counts as larger than any number, as in NumPy."""
    K, M = best.shape
    for k in range(K):
        first = offsets[k]
        for m in range(M):
            best[k, m] = products[first, m]
            chosen[k, m] = first
        for r in range(first + 1, offsets[k + 1]):
            for m in range(M):                              # choices, not branches: whole vectors at a time
                x = products[r, m]
                better = (x > best[k, m]) | (x != x)
                chosen[k, m] = r if better else chosen[k, m]
                best[k, m] = x if better else best[k, m]


@njit(**JIT)
def positive_sums(products, offsets, sums):
    """Twin of `alignment_score.positive_sums`, 8 times as fast."""
    K, M = sums.shape
    zero = sums.dtype.type(0)
    for k in range(K):
        for m in range(M):
            sums[k, m] = zero
        for r in range(offsets[k], offsets[k + 1]):
            for m in range(M):
                x = products[r, m]
                sums[k, m] += zero if x <= zero else x


@njit(**JIT)
def group(keys, starts, order):
    """Twin of `alignment_score.group`: a counting sort, 40 times as fast."""
    for b in range(len(starts)):
        starts[b] = 0
    for p in range(len(keys)):
        starts[keys[p] + 1] += 1
    for b in range(1, len(starts)):
        starts[b] += starts[b - 1]
    for p in range(len(keys)):                              # starts[b] is where the next pair of key b goes
        order[starts[keys[p]]] = p
        starts[keys[p]] += 1
    for b in range(len(starts) - 1, 0, -1):                 # and so has become the start of b + 1
        starts[b] = starts[b - 1]
    starts[0] = 0


@njit(**JIT)
def weighted_row_sums(starts, rows, weights, source, sums):
    """Twin of `alignment_score.weighted_row_sums`, 4 times as fast. Four rows at a time: the sum is read and written less."""
    n, h = sums.shape
    for i in range(n):
        for j in range(h):
            sums[i, j] = 0
        stop = starts[i + 1]
        p = starts[i]
        while p + 4 <= stop:
            a, b, c, d = rows[p], rows[p + 1], rows[p + 2], rows[p + 3]
            wa, wb, wc, wd = weights[p], weights[p + 1], weights[p + 2], weights[p + 3]
            for j in range(h):
                sums[i, j] += wa * source[a, j] + wb * source[b, j] + wc * source[c, j] + wd * source[d, j]
            p += 4
        while p < stop:
            a, wa = rows[p], weights[p]
            for j in range(h):
                sums[i, j] += wa * source[a, j]
            p += 1


@njit(**JIT)
def decay(w, strength, dw, squares):
    """Twin of `weight_decay.decay`, 7 times as fast: one pass, and no second array of the weights' size."""
    total = 0.0
    for k in range(w.size):
        dw[k] += strength * w[k]
        total += np.float64(w[k]) * np.float64(w[k])
    squares[0] += total
