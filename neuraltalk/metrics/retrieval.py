"""Retrieval: how high the right sentence stands among all, and the right image.

    K, N    images and sentences; the sentences are grouped by image, in the images' order
    S       scores (K, N), larger is better; never held whole, only tiles of it
    rank    1 + the number of wrong answers that score as high or higher, so that a model which scores everything alike
            gets the last rank, not the first. As high is what differs by rounding alone: a sentence that two images have
            may get two scores, by where it stood in the products and how many threads made them.

Annotation ranks sentences for an image: its own sentence that stands highest counts, its others are no wrong answers.
Search ranks images for a sentence. R@k is the share of ranks up to k.

Tiles: S is cut into blocks of images, with those images' own sentences as the blocks of its columns. The tiles on the
diagonal have all right answers and are scored first; each other tile is then compared with them and forgotten.
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.ranks import ALONE

IMAGES_AT_ONCE = 100
ROUNDING = 16  # units in the last place of a score that come about by the order of its sums


class Ranks(NamedTuple):
    """The rank of each right answer, from 1."""

    annotation: np.ndarray  # (images that have sentences,) int64
    search: np.ndarray  # (N,) int64


class Recall(NamedTuple):
    """Shares (0..1) of right answers among the first 1, 5 and 10, and the median rank."""

    at_1: float
    at_5: float
    at_10: float
    median_rank: float


class Retrieval(NamedTuple):
    """Both directions: images to sentences, and sentences to images."""

    annotation: Recall
    search: Recall

    @property
    def mean_recall(self):
        """The mean of R@10 in both directions, by which models are selected."""
        return (self.annotation.at_10 + self.search.at_10) / 2


def retrieval(score, sentence_counts, fold_size=None, images_at_once=IMAGES_AT_ONCE, processes=ALONE):
    """How well scores retrieve -> Retrieval.

    score            function of two slices, of the images and of the sentences -> their scores (k, n)
    sentence_counts  (K,) sentences of each image; an image without any can only be found wrongly
    fold_size        rank within consecutive groups of so many images, and give the means over the groups; images after
                     the last whole group are left out. COCO's "1000 images" are five folds of its 5000
    images_at_once   images of a tile. `score` is asked for the tiles on the diagonal, then for the others, those of one block
                     of sentences after those of another
    processes        those that work on it together (neuraltalk/ranks.py); each does the tiles of some blocks of images

    Raises ValueError if there are no sentences, fewer images than a fold, or a tile of another shape than asked for.
    """
    counts = np.asarray(sentence_counts, dtype=np.int64)
    fold_size = fold_size or len(counts)
    if not 0 < fold_size <= len(counts):
        raise ValueError(f"{len(counts)} images are no fold of {fold_size}")
    starts = np.concatenate([[0], np.cumsum(counts)])
    folds = []
    for first in range(0, len(counts) - fold_size + 1, fold_size):

        def fold_score(images, sentences, first=first):
            return score(_shifted(images, first), _shifted(sentences, int(starts[first])))

        folds.append(ranks(fold_score, counts[first : first + fold_size], images_at_once, processes))
    return Retrieval(_mean([recall(fold.annotation) for fold in folds]), _mean([recall(fold.search) for fold in folds]))


def ranks(score, sentence_counts, images_at_once=IMAGES_AT_ONCE, processes=ALONE):
    """The ranks of all right answers -> Ranks; the arguments are those of retrieval()."""
    counts = np.asarray(sentence_counts, dtype=np.int64)
    K, N = len(counts), int(counts.sum())
    if not N:
        raise ValueError("retrieval without any sentence")
    owners = np.repeat(np.arange(K), counts)  # (N,)
    own = np.zeros(N)  # the score of each sentence with its image
    best = np.full(K, -np.inf)  # ... and the highest of each image
    wrong_sentences = np.zeros(K, dtype=np.int64)  # as high as that, or higher
    wrong_images = np.zeros(N, dtype=np.int64)

    def count(tile, images, sentences, right=None):
        """Compare a tile's scores with the right answers' in its rows and columns; `right` are their places in it."""
        for limits, counted, part, axis in (
            (best[images, None], wrong_sentences, images, 1),
            (own[sentences], wrong_images, sentences, 0),
        ):
            ahead = as_high(tile, limits)
            if right is not None:
                ahead[right] = False
            counted[part] += np.count_nonzero(ahead, axis=axis)

    def score_right(block):
        """The tile on the diagonal of a block of images."""
        images, sentences = block
        tile = _tile(score, images, sentences)
        right = (owners[sentences] - images.start, np.arange(tile.shape[1]))
        own[sentences] = np.where(np.isnan(tile[right]), -np.inf, tile[right])
        np.maximum.at(best, owners[sentences], own[sentences])
        count(tile, images, sentences, right)

    def score_wrong(some):
        """The other tiles of some blocks of images."""
        for right_images, sentences in blocks:
            for images, _ in some:
                if images != right_images:
                    count(_tile(score, images, sentences), images, sentences)

    blocks = image_blocks(counts, images_at_once)
    processes.map(score_right, blocks)
    processes.add(own)  # 0 where others scored
    processes.map(score_wrong, [blocks[k :: processes.size] for k in range(processes.size)])
    processes.add(wrong_sentences)
    processes.add(wrong_images)
    return Ranks(wrong_sentences[counts > 0] + 1, wrong_images + 1)


def as_high(scores, limits):
    """Where scores are as high as limits or higher, but for rounding; one that isn't a number counts, for it must not win."""
    slack = ROUNDING * np.finfo(scores.dtype).eps
    return ~(scores < (limits - slack * np.abs(limits)).astype(scores.dtype))


def image_blocks(sentence_counts, images_at_once=IMAGES_AT_ONCE):
    """The blocks of which tiles are made: a list of (slice of images, slice of their sentences).

    >>> image_blocks([2, 1, 3], 2)
    [(slice(0, 2, None), slice(0, 3, None)), (slice(2, 3, None), slice(3, 6, None))]
    """
    starts = np.concatenate([[0], np.cumsum(sentence_counts)]).tolist()
    K = len(starts) - 1
    edges = [*range(0, K, images_at_once), K]
    return [(slice(a, b), slice(starts[a], starts[b])) for a, b in zip(edges, edges[1:])]


def recall(ranks):
    """R@1, R@5, R@10 and the median of some ranks (n,) -> Recall.

    >>> recall([1, 3, 6, 20])
    Recall(at_1=0.25, at_5=0.5, at_10=0.75, median_rank=4.5)
    """
    ranks = np.asarray(ranks)
    return Recall(*(float(np.mean(ranks <= k)) for k in (1, 5, 10)), float(np.median(ranks)))


def _tile(score, images, sentences):
    tile = np.asarray(score(images, sentences))
    if tile.dtype.kind != "f":
        tile = tile.astype(np.float64)
    wanted = (images.stop - images.start, sentences.stop - sentences.start)
    if tile.shape != wanted:
        raise ValueError(f"asked for the scores of {wanted} images and sentences, got {tile.shape}")
    return tile


def _shifted(part, by):
    return slice(part.start + by, part.stop + by)


def _mean(recalls):
    return Recall(*(float(value) for value in np.mean(recalls, axis=0)))
