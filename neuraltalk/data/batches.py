"""Minibatches of images with sentences, whole or as a part of one that several processes share.

    N    sentences of a batch for the captioner, each with its image
    K    sentences and images of a batch for the aligner, R regions of these images in all
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.data.packing import (
    PackedSentences,
    PackedWords,
    longest_first,
    pack_sentences,
    pack_words,
    packed_rows,
    packed_sizes,
)
from neuraltalk.data.regions import RegionBlock


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


class Batch(NamedTuple):
    """What a model sees of one minibatch."""

    features: np.ndarray  # (N, D) float32, in the packed order
    sentences: PackedSentences
    part: Part = Part()


class AlignmentBatch(NamedTuple):
    """K distinct images with all their regions (at least one), and one sentence of each."""

    regions: RegionBlock  # image by image, in the packed order of their sentences
    sentences: PackedWords
    part: Part = Part()


def make_batch(features, pairs, part=0, parts=1):
    """The batch of N Pairs; `features` is a Features, or anything with its rows().

    With `parts` above 1 it is number `part` of that many parts (at most N) of it.
    """
    own = Part()
    if parts > 1:
        order, lengths = longest_first(pairs.lengths)
        places = np.arange(part, len(pairs), parts)
        own = Part(Rows(places, len(pairs)), Rows(packed_rows(lengths + 1, places), int(lengths.sum()) + len(pairs)))
        pairs = pairs[order[places]]
    sentences = pack_sentences([words for _, words in pairs])
    return Batch(features.rows(pairs.imgids[sentences.order]), sentences, own)


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
        order, lengths = longest_first(pairs.lengths)
        dealt = [np.arange(k, len(pairs), parts) for k in range(parts)]
        rows = [packed_rows(lengths, places) for places in dealt]
        counts = regions.counts(pairs.imgids[order])
        starts = np.cumsum(counts) - counts
        own_regions = np.concatenate([np.arange(starts[place], starts[place] + counts[place]) for place in dealt[part]])
        own = Part(
            Rows(dealt[part], len(pairs)),
            Rows(rows[part], int(lengths.sum())),
            Rows(own_regions, int(counts.sum())),
            Whole(packed_sizes(lengths), lengths, dealt, rows),
        )
        pairs = pairs[order[dealt[part]]]
    sentences = pack_words([words for _, words in pairs])
    return AlignmentBatch(regions.of(pairs.imgids[sentences.order]), sentences, own)
