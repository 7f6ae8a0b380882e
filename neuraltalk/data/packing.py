"""Sentences of a minibatch, packed without padding.

The captioner reads START and the words, and predicts the words and END (PackedSentences):

    N    sentences in the batch, the longest first; sentence k has n_k known words and so n_k + 1 rows
    T    time steps, max n_k + 1
    M    rows in all, sum of n_k + 1

Sorted by length, the sentences that are still running at step t are the first sizes[t] ones. Rows are kept step by
step, so that one step is one slice and no row is ever wasted on padding:

    sentences  a b c | d e | (none)            inputs   START START START  a d  b e  c
    sizes      3 2 2 1                         targets  a     d     END    b e  c END  END
"""

import itertools
from typing import NamedTuple

import numpy as np

from neuraltalk.data.vocabulary import END, START


class PackedSentences(NamedTuple):
    """Word numbers of N sentences, time-major without padding."""

    inputs: np.ndarray  # (M,) int32: START, w1 .. wn
    targets: np.ndarray  # (M,) int32: w1 .. wn, END
    sizes: np.ndarray  # (T,) int64, falling: rows of each step; sizes[0] == N
    order: np.ndarray  # (N,) int64: place k holds the sentence that came order[k]-th


def pack_sentences(sentences):
    """Pack N >= 1 lists of word numbers; an empty one (no known word) becomes START -> END.

    Sentences of equal length keep their order.
    """
    N = len(sentences)
    if N == 0:
        raise ValueError("a batch needs at least one sentence")
    order, lengths = longest_first(np.array([len(own) for own in sentences]))
    T = int(lengths[0]) + 1

    words = np.fromiter(
        itertools.chain.from_iterable([sentences[k] for k in order.tolist()]), dtype=np.int32, count=int(lengths.sum())
    )
    steps = np.arange(T)
    is_word = steps < lengths[:, None]  # (N, T): sentence k has a word as target at step t
    is_row = (steps <= lengths[:, None]).T  # (T, N): ... a word or END
    table = np.full((N, T + 1), END, dtype=np.int32)  # columns: START, w1 .. wn, END
    table[:, 0] = START
    table[:, 1:][is_word] = words
    by_step = table.T  # (T + 1, N)
    return PackedSentences(by_step[:-1][is_row], by_step[1:][is_row], is_row.sum(axis=1), order)


class PackedWords(NamedTuple):
    """The words alone of N sentences, without START and END: packed alike, but a sentence of n words has n rows."""

    words: np.ndarray  # (M,) int32
    sizes: np.ndarray  # (T,) int64, falling: rows of each step; sizes[0] is the number of sentences that have a word
    lengths: np.ndarray  # (N,) int64, falling: words of each sentence; may be 0
    order: np.ndarray  # (N,) int64: place k holds the sentence that came order[k]-th


def pack_words(sentences):
    """Pack N >= 1 lists of word numbers; an empty one (no known word) has no row, and stands last in the order.

    Sentences of equal length keep their order. If all are empty there is one step, of no rows.
    """
    if not len(sentences):
        raise ValueError("a batch needs at least one sentence")
    order, lengths = longest_first(np.array([len(own) for own in sentences]))
    is_row = np.arange(max(1, int(lengths[0])))[:, None] < lengths  # (T, N): sentence k has a word t
    table = np.zeros(is_row.T.shape, dtype=np.int32)  # (N, T)
    table[is_row.T] = list(itertools.chain.from_iterable([sentences[k] for k in order.tolist()]))
    return PackedWords(table.T[is_row], is_row.sum(axis=1), lengths, order)


def rows_of_sentences(sentences):
    """Of PackedWords: a list of N arrays (n,), the rows of each sentence's words, in the order the sentences came."""
    starts = np.cumsum(sentences.sizes) - sentences.sizes
    rows = [None] * len(sentences.order)
    for place, (n, k) in enumerate(zip(sentences.lengths.tolist(), sentences.order.tolist())):
        rows[k] = starts[:n] + place
    return rows


def longest_first(lengths):
    """The packed order (N,) of N sentences with these lengths (N,), and the lengths in it (N,)."""
    order = np.argsort(-lengths, kind="stable")
    return order, lengths[order]


def packed_sizes(rows):
    """Rows of each step (T,), T at least 1, where the sentences have `rows` (N,), falling."""
    return np.searchsorted(-rows, -np.arange(max(1, int(rows[0]))), side="left")


def packed_rows(rows, places):
    """The packed rows (m,) of the sentences in some places, rising; all sentences have `rows` (N,), falling."""
    sizes = packed_sizes(rows)
    table = (np.cumsum(sizes) - sizes)[:, None] + places  # (T, n)
    return table[np.arange(len(sizes))[:, None] < rows[places]]
