"""Minibatches of images with sentences, packed without padding.

The captioner reads START and the words, and predicts the words and END (PackedSentences):

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


class Rows(NamedTuple):
    """Some rows of a larger array."""

    chosen: np.ndarray  # (m,) int64, rising
    total: int


class Part(NamedTuple):
    """Which part of a larger batch a batch is, where several processes share one: every n-th sentence of the packed order.

    Long and short sentences are so dealt evenly. In a whole batch, all is None.
    """

    sentences: Rows = None  # the places of its sentences in the whole's packed order
    words: Rows = None  # the rows of their words
    regions: Rows = None  # ... and of their images' regions, in an AlignmentBatch
    whole: "Whole" = None  # in an AlignmentBatch

    def sizes(self, N):
        """For a batch of N sentences: those of the whole batch, and which share of them (0..1) are here."""
        return (N, 1.0) if self.sentences is None else (self.sentences.total, N / self.sentences.total)


class Whole(NamedTuple):
    """All sentences of a batch of which an AlignmentBatch is a part; n parts in all."""

    sizes: np.ndarray  # (T,) int64, as in PackedWords
    lengths: np.ndarray  # (K,) int64, falling
    sentences: list  # n arrays: the places of each part's sentences, which all together are range(K)
    words: list  # n arrays: the rows of each part's words, which all together are range(M)


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
    part: Part = Part()


def pack_sentences(sentences):
    """Pack N >= 1 lists of word numbers; an empty one (no known word) becomes START -> END.

    Sentences of equal length keep their order.
    """
    N = len(sentences)
    if N == 0:
        raise ValueError("a batch needs at least one sentence")
    order, lengths = _longest_first(np.array([len(own) for own in sentences]))
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
    """K distinct images with all their regions (at least one), and one sentence of each."""

    regions: np.ndarray  # (R, D) float32: image by image, in the packed order of their sentences
    offsets: np.ndarray  # (K + 1,) int64: image k has the rows offsets[k] .. offsets[k + 1]
    sentences: PackedWords
    part: Part = Part()


def pack_words(sentences):
    """Pack N >= 1 lists of word numbers; an empty one (no known word) has no row, and stands last in the order.

    Sentences of equal length keep their order. If all are empty there is one step, of no rows.
    """
    if not len(sentences):
        raise ValueError("a batch needs at least one sentence")
    order, lengths = _longest_first(np.array([len(own) for own in sentences]))
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


def make_alignment_batch(regions, pairs, part=0, parts=1):
    """The batch of K Pairs of distinct images; `regions` is a Regions, or anything with its of().

    With `parts` above 1 it is number `part` of that many parts (at most K) of it; regions.counts() is needed then.
    Raises ValueError for an image that comes twice: its two sentences would count as wrong for each other's copy.
    """
    found, times = np.unique(pairs.imgids, return_counts=True)
    if len(found) < len(pairs):
        raise ValueError(f"image {found[times.argmax()]} comes {times.max()} times in a batch of images to be told apart")
    own = Part()
    if parts > 1:
        order, lengths = _longest_first(pairs.lengths)
        dealt = [np.arange(k, len(pairs), parts) for k in range(parts)]
        rows = [_packed_rows(lengths, places) for places in dealt]
        counts = regions.counts(pairs.imgids[order])
        starts = np.cumsum(counts) - counts
        own_regions = np.concatenate([np.arange(starts[place], starts[place] + counts[place]) for place in dealt[part]])
        own = Part(
            Rows(dealt[part], len(pairs)),
            Rows(rows[part], int(lengths.sum())),
            Rows(own_regions, int(counts.sum())),
            Whole(_packed_sizes(lengths), lengths, dealt, rows),
        )
        pairs = pairs[order[dealt[part]]]
    sentences = pack_words([words for _, words in pairs])
    block = regions.of(pairs.imgids[sentences.order])
    return AlignmentBatch(block.features, block.offsets, sentences, own)


def make_batch(features, pairs, part=0, parts=1):
    """The batch of N Pairs; `features` is a Features, or anything with its rows().

    With `parts` above 1 it is number `part` of that many parts (at most N) of it.
    """
    own = Part()
    if parts > 1:
        order, lengths = _longest_first(pairs.lengths)
        places = np.arange(part, len(pairs), parts)
        own = Part(Rows(places, len(pairs)), Rows(_packed_rows(lengths + 1, places), int(lengths.sum()) + len(pairs)))
        pairs = pairs[order[places]]
    sentences = pack_sentences([words for _, words in pairs])
    return Batch(features.rows(pairs.imgids[sentences.order]), sentences, own)


def _longest_first(lengths):
    """The packed order (N,) of N sentences with these lengths (N,), and the lengths in it (N,)."""
    order = np.argsort(-lengths, kind="stable")
    return order, lengths[order]


def _packed_sizes(rows):
    """Rows of each step (T,), T at least 1, where the sentences have `rows` (N,), falling."""
    return np.searchsorted(-rows, -np.arange(max(1, int(rows[0]))), side="left")


def _packed_rows(rows, places):
    """The packed rows (m,) of the sentences in some places, rising; all sentences have `rows` (N,), falling."""
    sizes = _packed_sizes(rows)
    table = (np.cumsum(sizes) - sizes)[:, None] + places  # (T, n)
    return table[np.arange(len(sizes))[:, None] < rows[places]]


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


class ImageSampler(PairSampler):
    """Draws minibatches of pair numbers, one of each image: no image comes twice in a batch.

    images  (P,) the image of each pair, any whole numbers

    A pass is over the images, each with one of its sentences; the next pass takes each image's next sentence, starting
    from a random one, so that an image with n sentences has shown each once after n passes. An epoch is P pairs, as
    for PairSampler. In a batch that reaches into the next pass, images that are already in it wait for their turn.
    """

    def __init__(self, images, batch_size, rng):
        images = np.asarray(images)
        self._pairs = np.argsort(images, kind="stable")  # (P,) pair numbers, image by image
        _, self._first, self._counts = np.unique(images[self._pairs], return_index=True, return_counts=True)  # (K,)
        self._tail = self._pairs[:0]  # images of the pass before that are in the batch in which this pass began
        self._state_at_start = copy.deepcopy(rng.bit_generator.state)
        self._starts = rng.integers(0, self._counts)  # (K,) the sentence with which each image starts
        super().__init__(len(self._counts), batch_size, rng)

    @property
    def epoch(self):
        """Pairs drawn so far, as a multiple of all pairs."""
        return (self.passes * self.pairs_count + self.position) / len(self._pairs)

    def draw(self):
        """The next batch: (batch_size,) int64 pair numbers of distinct images."""
        images = self._permutation[self.position : self.position + self.batch_size]
        self.position += len(images)
        batch = self._pairs_of(images)
        missing = self.batch_size - len(images)
        if missing:
            self._begin_pass()
            self._let_wait(images)
            batch = np.concatenate([batch, self._pairs_of(self._permutation[:missing])])
            self.position = missing
        return batch

    __next__ = draw

    def _pairs_of(self, images):
        """The pair of each image whose turn it is in this pass."""
        return self._pairs[self._first[images] + (self._starts[images] + self.passes) % self._counts[images]]

    def _let_wait(self, tail):
        """Begin the pass with images that aren't in `tail`, as many as the batch lacks."""
        self._tail = tail
        if len(tail):
            others = np.flatnonzero(~np.isin(self._permutation, tail))[: self.batch_size - len(tail)]
            self._permutation = np.concatenate([self._permutation[others], np.delete(self._permutation, others)])

    def state(self):
        return {
            **super().state(),
            "sentences": len(self._pairs),
            "at_start": copy.deepcopy(self._state_at_start),
            "tail": self._tail.tolist(),
        }

    def restore(self, state):
        if state["sentences"] != len(self._pairs):
            raise ValueError(f"the sampler drew from {state['sentences']} sentences; here are {len(self._pairs)}")
        super().restore(state)
        self._let_wait(np.asarray(state["tail"], dtype=np.int64))
        self._state_at_start = copy.deepcopy(state["at_start"])
        self.rng.bit_generator.state = self._state_at_start
        self._starts = self.rng.integers(0, self._counts)
        self.rng.bit_generator.state = state["now"]
