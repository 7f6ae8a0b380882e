"""Minibatches of images with sentences, packed without padding.

    N    sentences in the batch, the longest first; sentence k has n_k known words and so n_k + 1 rows
    T    time steps, max n_k + 1
    M    rows in all, sum of n_k + 1

Sorted by length, the sentences that are still running at step t are the first sizes[t] ones. Rows are kept step by
step, so that one step is one slice and no row is ever wasted on padding:

    sentences  a b c | d e | (none)            inputs   START START START  a d  b e  c
    sizes      3 2 2 1                         targets  a     d     END    b e  c END  END
"""

import copy
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


class Batch(NamedTuple):
    """What a model sees of one minibatch."""

    features: np.ndarray  # (N, D) float32, in the packed order
    sentences: PackedSentences


def pack_sentences(sentences):
    """Pack N >= 1 lists of word numbers; an empty one (no known word) becomes START -> END.

    Sentences of equal length keep their order.
    """
    N = len(sentences)
    if N == 0:
        raise ValueError("a batch needs at least one sentence")
    lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=N)
    order = np.argsort(-lengths, kind="stable")  # (N,)
    lengths = lengths[order]
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


class AlignmentBatch(NamedTuple):
    """K distinct images with all their regions, and one sentence of each."""

    regions: np.ndarray  # (R, D) float32: one image after the other, in the packed order of their sentences
    offsets: np.ndarray  # (K + 1,) int64: image k has the rows offsets[k] .. offsets[k + 1]
    sentences: PackedWords


def pack_words(sentences):
    """Pack N >= 1 lists of word numbers; an empty one (no known word) has no row, and stands last in the order.

    Sentences of equal length keep their order. If all are empty there is one step, of no rows.
    """
    if not len(sentences):
        raise ValueError("a batch needs at least one sentence")
    lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
    order = np.argsort(-lengths, kind="stable")  # (N,)
    lengths = lengths[order]
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


def make_alignment_batch(regions, pairs):
    """The batch of K pairs (imgid, word numbers) of distinct images; `regions.of(imgid)` gives an image's regions (R_k, D).

    Raises ValueError for an image that comes twice (with its own other sentence as a false opponent), or without regions.
    """
    imgids = [imgid for imgid, _ in pairs]
    if len(set(imgids)) < len(imgids):
        raise ValueError("an image comes twice in the batch: its two sentences would count as wrong for each other")
    sentences = pack_words([words for _, words in pairs])
    blocks = [regions.of(imgids[k]) for k in sentences.order.tolist()]
    counts = [len(block) for block in blocks]
    if 0 in counts:
        raise ValueError(f"image {imgids[sentences.order[counts.index(0)]]} has no region, not even its whole")
    return AlignmentBatch(np.concatenate(blocks), np.concatenate([[0], np.cumsum(counts)]), sentences)


def make_batch(features, pairs):
    """The batch of N pairs (imgid, word numbers); `features` is a Features, or anything with its rows()."""
    sentences = pack_sentences([words for _, words in pairs])
    imgids = np.fromiter((imgid for imgid, _ in pairs), dtype=np.int64, count=len(pairs))
    return Batch(features.rows(imgids[sentences.order]), sentences)


class PairSampler:
    """Draws minibatches of pair numbers: shuffled passes over 0 .. pairs_count - 1, each pair once a pass.

    A batch that reaches the end of a pass is filled up from the next one, so that all have the same size:
    min(batch_size, pairs_count). `rng` is drawn from once a pass.
    """

    def __init__(self, pairs_count, batch_size, rng):
        if pairs_count < 1 or batch_size < 1:
            raise ValueError(f"need at least one pair and a batch size of 1, not {pairs_count} and {batch_size}")
        self.pairs_count = pairs_count
        self.batch_size = min(batch_size, pairs_count)
        self.rng = rng
        self.passes = -1  # finished passes
        self._begin_pass()

    def _begin_pass(self):
        self._state_before = copy.deepcopy(self.rng.bit_generator.state)
        self._permutation = self.rng.permutation(self.pairs_count)
        self.position = 0  # pairs of this pass already drawn
        self.passes += 1

    @property
    def epoch(self):
        """Passes made so far, a fraction included."""
        return self.passes + self.position / self.pairs_count

    def draw(self):
        """The next batch: (batch_size,) int64 pair numbers."""
        batch = self._permutation[self.position : self.position + self.batch_size]
        self.position += len(batch)
        missing = self.batch_size - len(batch)
        if missing:
            self._begin_pass()
            batch = np.concatenate([batch, self._permutation[:missing]])
            self.position = missing
        return batch

    def __iter__(self):
        return self

    __next__ = draw

    def state(self):
        """Plain values from which restore() continues to the bit: pass, position, and the generator then and now."""
        return {
            "pairs_count": self.pairs_count,
            "batch_size": self.batch_size,
            "passes": self.passes,
            "position": self.position,
            "before_pass": copy.deepcopy(self._state_before),
            "now": copy.deepcopy(self.rng.bit_generator.state),
        }

    def restore(self, state):
        """Continue as the sampler that gave `state`; the generator is set to where it was then.

        Raises ValueError if that one drew from another number of pairs or in other batches: the passes would differ.
        """
        if (state["pairs_count"], state["batch_size"]) != (self.pairs_count, self.batch_size):
            raise ValueError(
                f"the sampler drew batches of {state['batch_size']} from {state['pairs_count']} pairs; here are "
                f"{self.pairs_count} pairs in batches of {self.batch_size}"
            )
        self._state_before = copy.deepcopy(state["before_pass"])
        self.rng.bit_generator.state = self._state_before
        self._permutation = self.rng.permutation(self.pairs_count)
        self.passes, self.position = state["passes"], state["position"]
        self.rng.bit_generator.state = state["now"]
