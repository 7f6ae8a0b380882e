"""How well images fit sentences: from regions and words to scores (eq 7 and 8).

    w_kt = max over the regions i of image k of v_i . s_t               eq 8: every word takes its best region
    w_kt = sum over the regions i of image k of max(0, v_i . s_t)       eq 7, the earlier score
    S_kl = sum over the words t of sentence l of w_kt                   optionally divided by their number

    K  images                   v        (R, h) regions of all images, one image after the other
    R  regions of all images    offsets  (K + 1,) image k has the rows offsets[k] .. offsets[k + 1] of v, at least one
    N  sentences, longest first s        (M, h) words, packed as in lstm.py
    M  words of all sentences   w        (K, M) score of each image with each word        S  (K, N) with each sentence
                                sizes    (T,) sentences that have a word t                lengths  (N,) words of each

All products v_i . s_t are one matrix product of all regions with all words. Of a sentence without words every score is 0.
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.layers import kinks
from neuraltalk.layers.twins import twin


class BestRegionCache(NamedTuple):
    v: np.ndarray
    s: np.ndarray
    chosen: np.ndarray                                      # (K, M) int32, the row of v that each word took


def best_region_forward(v, offsets, s):
    """w_kt = max_i v_i . s_t (eq 8): v (R, h), offsets (K + 1,), s (M, h); returns w (K, M) and the cache.

    Among equal products the first region is chosen.
    """
    K, M = len(offsets) - 1, len(s)
    w, chosen = np.empty((K, M), dtype=s.dtype), np.empty((K, M), dtype=np.int32)
    best_regions(v @ s.T, offsets, w, chosen)
    kinks.note_choice(chosen)
    return w, BestRegionCache(v, s, chosen)


def best_region_backward(dw, cache):
    """From dw (K, M) to dv (R, h) and ds (M, h).

        ds_t = sum_k dw_kt v_(chosen_kt)        dv_i = sum of dw_kt s_t over the words t that chose i

    Of the R x M products only K x M were chosen, and of these only the ones count whose dw isn't 0 (whose hinge was active):
    two sums of rows instead of two matrix products. At 100 images of 20 regions and h = 1000 that takes a fifth of
    their time with every hinge active, a fiftieth with one in twenty.
    """
    v, s, chosen = cache
    dv, ds = np.empty_like(v), np.empty_like(s)
    words, images = np.nonzero(dw.T)                        # (P,) the pairs that count, word by word
    weights, regions = dw[images, words], chosen[images, words]
    word_starts = np.searchsorted(words, np.arange(len(s) + 1))
    weighted_row_sums(word_starts, regions, weights, v, ds)

    region_starts, order = np.empty(len(v) + 1, dtype=np.int64), np.empty(len(regions), dtype=np.int64)
    group(regions, region_starts, order)                    # the same pairs, region by region
    weighted_row_sums(region_starts, words[order], weights[order], s, dv)
    return dv, ds


class PositiveRegionsCache(NamedTuple):
    v: np.ndarray
    offsets: np.ndarray
    s: np.ndarray
    products: np.ndarray                                    # (R, M)


def positive_regions_forward(v, offsets, s):
    """w_kt = sum_i max(0, v_i . s_t) (eq 7): v (R, h), offsets (K + 1,), s (M, h); returns w (K, M) and the cache."""
    w = np.empty((len(offsets) - 1, len(s)), dtype=s.dtype)
    products = v @ s.T                                      # (R, M)
    kinks.note(products)
    positive_sums(products, offsets, w)
    return w, PositiveRegionsCache(v, offsets, s, products)


def positive_regions_backward(dw, cache):
    """From dw (K, M) to dv (R, h) and ds (M, h): a positive product passes its word's gradient on to both sides."""
    v, offsets, s, products = cache
    dproducts = np.repeat(dw, np.diff(offsets), axis=0)     # (R, M)
    dproducts *= products > 0
    return dproducts @ s, dproducts.T @ v


WORD_SCORES = {"max": (best_region_forward, best_region_backward), "sum": (positive_regions_forward, positive_regions_backward)}


class SentenceSumCache(NamedTuple):
    sizes: np.ndarray
    shares: np.ndarray                                      # (N,) 1, or 1 / words of the sentence


def sentence_sum_forward(w, sizes, lengths, normalise=False):
    """S_kl = sum of w_kt over the words of sentence l, divided by their number if `normalise`.

    Arguments: w (K, M) packed columns, sizes (T,), lengths (N,). Returns: S (K, N) and the cache.
    """
    S = np.zeros((len(w), len(lengths)), dtype=w.dtype)     # (K, N)
    start = 0
    for n in sizes:
        S[:, :n] += w[:, start:start + n]
        start += n
    shares = 1 / np.maximum(lengths, 1) if normalise else np.ones(len(lengths))
    shares = shares.astype(w.dtype)
    S *= shares
    return S, SentenceSumCache(sizes, shares)


def sentence_sum_backward(dS, cache):
    """Every word has its sentence's gradient: from dS (K, N) to dw (K, M)."""
    sizes, shares = cache
    dwords = dS * shares                                    # (K, N)
    dw = np.empty((len(dS), int(np.sum(sizes))), dtype=dS.dtype)
    start = 0
    for n in sizes:
        dw[:, start:start + n] = dwords[:, :n]
        start += n
    return dw


@twin
def best_regions(products, offsets, best, chosen):
    """The largest product (R, M) of each image's rows: fills best (K, M) and its row chosen (K, M), the first among equals."""
    for k in range(len(best)):
        rows = products[offsets[k]:offsets[k + 1]]          # (R_k, M)
        chosen[k] = rows.argmax(axis=0) + offsets[k]
        best[k] = rows.max(axis=0)


@twin
def positive_sums(products, offsets, sums):
    """The sum of the positive products (R, M) of each image's rows: fills sums (K, M)."""
    for k in range(len(sums)):
        sums[k] = np.maximum(products[offsets[k]:offsets[k + 1]], 0).sum(axis=0)


@twin
def group(keys, starts, order):
    """Sort P pairs by key: fills order (P,), stable, and starts (B + 1,): key b's pairs are order[starts[b]:starts[b + 1]]."""
    order[:] = np.argsort(keys, kind="stable")
    starts[:] = np.searchsorted(keys[order], np.arange(len(starts)))


@twin
def weighted_row_sums(starts, rows, weights, source, sums):
    """sums_n = sum over p in starts[n] .. starts[n + 1] of weights_p * source[rows_p]: fills sums (n, h)."""
    for n in range(len(sums)):
        p = slice(starts[n], starts[n + 1])
        sums[n] = weights[p] @ source[rows[p]]
