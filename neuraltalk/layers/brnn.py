"""The bidirectional recurrent layer over packed sentences (eq 4 and 5, and the sum in eq 6).

    hf_t = max(0, e_t + hf_{t-1} Wf + bf)       left to right
    hb_t = max(0, e_t + hb_{t+1} Wb + bb)       right to left
    h_t  = hf_t + hb_t

    N  sentences, longest first         sizes  (T,) how many of them have a word t
    M  sum of sizes: words, packed as in lstm.py
    e  (M, H) encoded words             h      (M, H) what both directions know of each word

Read from right to left, every sentence keeps its length and so its place: the same `sizes` describe the reversed sentences,
and layers/rnn.py serves both directions. Only the rows change places:

    left to right   a d f | b e | c         sentences  a b c,  d e,  f
    right to left   c e f | b d | a
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.layers.rnn import RNNCache, rnn_backward, rnn_forward


class BRNNCache(NamedTuple):
    turned: np.ndarray                                      # (M,) see `turn`
    left_to_right: RNNCache
    right_to_left: RNNCache


def turn(sizes):
    """The rows (M,) of all words when each sentence is read backwards; x[turn][turn] is x again."""
    sizes = np.asarray(sizes)
    T, N = len(sizes), int(sizes[0])
    starts = np.cumsum(sizes) - sizes                       # (T,) first row of each step
    lengths = (sizes[:, None] > np.arange(N)).sum(axis=0)   # (N,)
    steps = np.repeat(np.arange(T), sizes)                  # (M,) step of each row
    places = np.arange(len(steps)) - starts[steps]          # (M,) sentence of each row
    return starts[lengths[places] - 1 - steps] + places


def brnn_forward(e, sizes, Wf, bf, Wb, bb):
    """Both directions: e (M, H) packed, sizes (T,), Wf, Wb (H, H), bf, bb (1, H); returns h (M, H) and the cache."""
    turned = turn(sizes)
    hf, left_to_right = rnn_forward(e, sizes, Wf, bf)               # (M, H) eq 4
    hb, right_to_left = rnn_forward(e[turned], sizes, Wb, bb)       # (M, H) eq 5, its rows turned
    return hf + hb[turned], BRNNCache(turned, left_to_right, right_to_left)


def brnn_backward(dh, cache):
    """From dh (M, H) to de (M, H), dWf, dbf, dWb and dbb."""
    turned = cache.turned
    de_turned, dWb, dbb, _ = rnn_backward(dh[turned], cache.right_to_left)
    de, dWf, dbf, _ = rnn_backward(dh, cache.left_to_right)
    de += de_turned[turned]                                 # both directions read e: gradients add
    return de, dWf, dbf, dWb, dbb
