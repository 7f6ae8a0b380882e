"""The Numba twins of `top_words` (beam_search.py) and `potts_labels` (phrase_mrf.py): same arguments, same meaning."""

import math

import numba
import numpy as np

# A row may hold -inf (a word that can't follow), never nan; sums may be taken in any order.
_FAST = {"nnan", "nsz", "reassoc", "contract", "arcp"}
_BLOCK = 32

# Constants of exp in single precision: 1 / ln 2, ln 2 in two parts (the first exact in few bits), 1/2! ... 1/7!.
_single = np.float32
_PER_LN2, _LN2_HIGH, _LN2_LOW = _single(1 / math.log(2)), _single(0.693359375), _single(math.log(2) - 0.693359375)
_HALF, _ONE, _LOWEST = _single(0.5), _single(1), _single(-87)
_C2, _C3, _C4, _C5, _C6, _C7 = (_single(1 / math.factorial(k)) for k in range(2, 8))
_BIAS, _MANTISSA = np.int32(127), np.int32(23)


@numba.njit(fastmath=_FAST, cache=True, nogil=True)
def _sum_of_exp_single(row, largest):
    """sum(exp(row - largest)) in single precision, by a polynomial that vectorises (the C library's exp doesn't).

    exp(x) = 2^k exp(r) with k the nearest integer to x / ln 2, so |r| <= ln 2 / 2, where seven Taylor terms leave a relative
    error below 2e-7; 2^k is written into the exponent bits. Everything below exp(-87) counts as exp(-87), 1e-38.
    """
    total = np.float32(0)
    for i in range(row.size):
        x = max(row[i] - largest, _LOWEST)
        k = np.int32(x * _PER_LN2 - _HALF)  # x <= 0, and the cast cuts towards 0: this rounds
        r = x - np.float32(k) * _LN2_HIGH - np.float32(k) * _LN2_LOW
        power = _ONE + r * (_ONE + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * (_C6 + r * _C7))))))
        total += power * np.int32((k + _BIAS) << _MANTISSA).view(np.float32)
    return total


@numba.njit(fastmath=_FAST, cache=True, nogil=True)
def _sum_of_exp_double(row, largest):
    """sum(exp(row - largest)) in double precision."""
    total = 0.0
    for i in range(row.size):
        total += math.exp(row[i] - largest)
    return total


@numba.njit(fastmath=_FAST, cache=True, nogil=True)
def _block_maximum(row, start, stop):
    """The largest of row[start:stop]."""
    largest = row[start]
    for i in range(start + 1, stop):
        largest = max(largest, row[i])
    return largest


@numba.njit(cache=True, nogil=True)
def top_words(scores, log_probability, word):
    """Twin of `beam_search.top_words`, 40 times as fast at V = 2538, B = 7.

    One pass over a row keeps its B best so far, sorted. A block of words is looked at singly only when its maximum beats the
    worst of the B, which soon becomes rare, so the pass is little more than a vectorised maximum.
    """
    R, V = scores.shape
    B = word.shape[1]
    for row in range(R):
        y = scores[row]
        best = log_probability[row]
        index = word[row]
        kept = 0
        for start in range(0, V, _BLOCK):
            stop = min(start + _BLOCK, V)
            if kept == B and not _block_maximum(y, start, stop) > best[B - 1]:
                continue
            for i in range(start, stop):
                if kept == B and not y[i] > best[B - 1]:
                    continue  # an equal score loses: the lower index came first
                place = kept if kept < B else B - 1
                while place > 0 and y[i] > best[place - 1]:
                    best[place] = best[place - 1]
                    index[place] = index[place - 1]
                    place -= 1
                best[place] = y[i]
                index[place] = i
                kept = min(kept + 1, B)
        largest = best[0]
        if scores.itemsize == 4:
            log_total = math.log(_sum_of_exp_single(y, largest))
        else:
            log_total = math.log(_sum_of_exp_double(y, largest))
        for k in range(B):
            best[k] = best[k] - largest - log_total


@numba.njit(cache=True)
def potts_labels(unary, regions, order, starts, stay, switch, message, labels):
    """Twin of `phrase_mrf.potts_labels`, 200 times as fast at 20 regions."""
    for k in range(len(regions)):
        R = regions[k]
        first = starts[k]
        last = starts[k + 1] - 1
        for j in range(last, first - 1, -1):
            if j == last:
                for i in range(R):
                    message[j, i] = 0
                continue
            after = order[j + 1]
            largest = second = -np.inf
            at = -1
            for i in range(R):
                value = unary[after, i] + message[j + 1, i]
                if value > largest or at < 0:
                    second = largest
                    largest = value
                    at = i
                elif value > second:
                    second = value
            for i in range(R):
                own = unary[after, i] + message[j + 1, i] - largest + stay
                other = (second if i == at else largest) - largest + switch
                message[j, i] = own if own > other else other
        previous = -1
        for j in range(first, last + 1):
            best = -np.inf
            label = 0
            for i in range(R):
                value = unary[order[j], i] + message[j, i]
                if previous >= 0:
                    value += stay if i == previous else switch
                if value > best:  # the first of equals
                    best = value
                    label = i
            labels[j] = previous = label
