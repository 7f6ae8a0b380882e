"""The plain recurrent layer over packed sentences, with the rectifier (eq 13-14; eq 4-5 with W_f, W_b).

    h_t = max(0, a_t + h_{t-1} Whh + bhh)

    a  (M, H) what the outside adds at each step (words, and the image); packed as in lstm.py
    h  (M, H) hidden states             sizes (T,) sentences that still run at step t
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.layers import kinks


class RNNCache(NamedTuple):
    sizes: np.ndarray
    Whh: np.ndarray
    h0: np.ndarray
    h: np.ndarray


def rnn_step(a, recurrent, bhh):
    """One step for N sentences: a (N, H), recurrent = h_{t-1} Whh (N, H), which becomes h (N, H) in place, and bhh (1, H)."""
    h = recurrent
    h += a
    h += bhh
    kinks.note(h)
    return np.maximum(h, 0, out=h)


def rnn_forward(a, sizes, Whh, bhh, h0=None):
    """All steps of all sentences: a (M, H) packed, h0 (N, H) or None for zeros; returns h (M, H) and the cache."""
    M, H = a.shape
    h0 = np.zeros((int(sizes[0]), H), dtype=a.dtype) if h0 is None else h0
    h = np.empty_like(a)                                    # (M, H)
    h_previous, start = h0, 0
    for n in sizes:
        rows = slice(start, start + n)
        h[rows] = rnn_step(a[rows], h_previous[:n] @ Whh, bhh)
        h_previous, start = h[rows], start + n
    return h, RNNCache(sizes, Whh, h0, h)


def rnn_backward(dh, cache):
    """Through time, last step first: from dh (M, H) to da (M, H), dWhh, dbhh and dh0 (N, H)."""
    sizes, Whh, h0, h = cache
    starts = np.cumsum(sizes) - sizes                       # (T,) first row of each step
    da = np.empty_like(h)                                   # (M, H) by the sum inside the rectifier
    h_previous = np.empty_like(h)                           # (M, H) what entered each step
    dh_next = np.zeros_like(h0)                             # (N, H) from the step after
    for t in range(len(sizes) - 1, -1, -1):
        n = sizes[t]
        rows = slice(starts[t], starts[t] + n)
        before = slice(starts[t - 1], starts[t - 1] + n)    # the same sentences a step earlier; at t = 0 not used
        h_previous[rows] = h[before] if t else h0
        dh_next[:n] += dh[rows]                             # own output and next step: gradients add
        np.multiply(dh_next[:n], h[rows] > 0, out=da[rows])
        np.matmul(da[rows], Whh.T, out=dh_next[:n])
    dWhh = h_previous.T @ da                                # (H, H)
    dbhh = da.sum(axis=0, keepdims=True)                    # (1, H)
    return da, dWhh, dbhh, dh_next
