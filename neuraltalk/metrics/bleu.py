"""BLEU: how many of a caption's n-grams some reference has (Papineni and others 2002), over a whole set of captions.

    p_n = sum over captions of matched n-grams / sum over captions of n-grams                    n = 1..4
    BLEU-n = penalty * (p_1 * ... * p_n)^(1/n)
    penalty = exp(1 - r / c) if c < r, else 1

An n-gram matches as often as the reference that has it most often (clipped counts). c is the number of words of all captions,
r that of their references: for each caption the reference closest to it in length, the shorter of two equally close.

All of it is sums over captions, so a set's score comes from the sum of its rows of `statistics`, and that of any other
selection (bootstrap.py) from the sum of that. coco-caption, the scorer behind the field's published tables, adds small
constants to both sides of each fraction; they decide only when nothing matches at all.
"""

import numpy as np

from neuraltalk.metrics.corpus import look_up, ngrams, number

ORDERS = 4  # n-grams of 1 to 4 words
COLUMNS = 2 * ORDERS + 2  # matched 1..4, offered 1..4, the caption's words c, the closest reference's words r

# coco-caption's guards against 0 / 0.
_TINY, _SMALL = 1e-15, 1e-9


def statistics(corpus, tables=None):
    """(N, COLUMNS) the counts of each caption. tables: the corpus' n-grams, if they are at hand."""
    N = corpus.N
    lengths = corpus.lengths
    rows = np.zeros((N, COLUMNS))
    for n, grams in enumerate(tables or ngrams(corpus, ORDERS)):
        own = grams.sentence < N
        image, count = grams.sentence[own], grams.count[own]
        most = look_up(grams.keys, grams.most, image * grams.G + grams.gram[own])
        rows[:, n] = np.bincount(image, np.minimum(count, most), N)
        rows[:, ORDERS + n] = np.maximum(lengths[:N] - n, 0)
    rows[:, -2] = lengths[:N]
    rows[:, -1] = closest_lengths(corpus)
    return rows


def closest_lengths(corpus):
    """(N,) the length of the reference closest to each caption's, the shorter of two equally close."""
    N, lengths = corpus.N, corpus.lengths
    image, reference = corpus.image[N:], lengths[N:]
    order = np.lexsort((reference, np.abs(reference - lengths[image]), image))
    return reference[order[np.searchsorted(image, np.arange(N))]]  # the first of each image; lexsort keeps images in order


def from_sums(sums):
    """coco-caption's BLEU-1..4, each 0..1, from sums (..., COLUMNS) of statistics -> (..., ORDERS)."""
    matched, offered = sums[..., :ORDERS], sums[..., ORDERS : 2 * ORDERS]
    ratio = (sums[..., -2] + _TINY) / (sums[..., -1] + _SMALL)
    penalty = np.exp(np.minimum(1 - 1 / ratio, 0))
    precision = (matched + _TINY) / (offered + _SMALL)
    return penalty[..., None] * np.cumprod(precision, axis=-1) ** (1 / np.arange(1, ORDERS + 1))


def corpus_bleu(candidates, references):
    """coco-caption's [BLEU-1, ..., BLEU-4] of a set of captions, each in 0..1. Arguments and errors: corpus.number."""
    return from_sums(statistics(number(candidates, references)).sum(axis=0)).tolist()


def multi_bleu(candidates, references):
    """The original project's [BLEU-1, ..., BLEU-4], for comparison with its reports: no brevity penalty, no small constants.

    Its script was Moses' multi-bleu with the penalty commented out, on words between spaces, as they are.
    """
    sums = statistics(number(candidates, references)).sum(axis=0)
    precision = sums[:ORDERS] / np.maximum(sums[ORDERS : 2 * ORDERS], 1)
    return (np.cumprod(precision) ** (1 / np.arange(1, ORDERS + 1))).tolist()
