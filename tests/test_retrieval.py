"""Retrieval: ranks from tiles against a plain loop over the whole matrix; ties, folds, images without sentences."""

import tracemalloc
import types
import weakref

import numpy as np
import pytest

from neuraltalk.metrics import retrieval
from neuraltalk.metrics.retrieval import Ranks, Recall, image_blocks, ranks, recall
from neuraltalk.train.retrieval import retrieve


def of_matrix(S):
    """A score function that cuts tiles from a matrix."""
    return lambda images, sentences: S[images, sentences]


def ranks_with_loops(S, counts):
    """What ranks() means: sort, with right answers behind wrong ones of the same score."""
    owners = np.repeat(np.arange(len(counts)), counts)
    annotation = []
    for k in range(len(counts)):
        if counts[k]:
            order = sorted(range(len(owners)), key=lambda n: (-S[k, n], owners[n] == k))
            annotation.append(1 + [owners[n] == k for n in order].index(True))
    search = []
    for n, owner in enumerate(owners):
        order = sorted(range(len(counts)), key=lambda k: (-S[k, n], k == owner))
        search.append(1 + order.index(owner))
    return Ranks(np.array(annotation), np.array(search))


def check_ranks(found, wanted):
    np.testing.assert_array_equal(found.annotation, wanted.annotation)
    np.testing.assert_array_equal(found.search, wanted.search)


@pytest.mark.parametrize("images_at_once", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("ties", [False, True])
def test_ranks_match_the_loop(images_at_once, ties):
    rng = np.random.default_rng(0)
    for _ in range(10):
        counts = rng.integers(0, 6, rng.integers(1, 15))
        counts[0] = 1
        S = rng.standard_normal((len(counts), counts.sum())).astype(np.float32)
        S = S.round() if ties else S
        check_ranks(ranks(of_matrix(S), counts, images_at_once), ranks_with_loops(S, counts))


def test_hand_worked_ranks():
    """Two images with two sentences each; the second image's closest sentence is second, its other one last."""
    S = np.array([[0.9, 0.1, 0.5, 0.2], [0.7, 0.0, 0.6, -1.0]])
    found = ranks(of_matrix(S), [2, 2])
    assert found.annotation.tolist() == [1, 2]
    assert found.search.tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize("value", [0.0, np.nan, -np.inf])
def test_a_model_that_scores_everything_alike_comes_last(value):
    """... and so does one whose scores aren't numbers. An image's own other sentences aren't wrong answers."""
    found = ranks(of_matrix(np.full((4, 20), value)), [5] * 4, 2)
    assert set(found.annotation.tolist()) == {16} and set(found.search.tolist()) == {4}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("score", [100.0, -100.0])
def test_equal_but_for_rounding_is_equal(score, dtype):
    """The sentences of two images are the same; what rounds otherwise must not decide."""
    below = np.nextafter(np.nextafter(dtype(score), dtype(-np.inf)), dtype(-np.inf))
    for other, rank in ((below, 2), (dtype(score - 0.01), 1)):
        found = ranks(of_matrix(np.array([[score, other], [other, score]], dtype)), [1, 1])
        assert found.annotation.tolist() == found.search.tolist() == [rank, rank]


def test_a_perfect_model():
    S = np.repeat(np.eye(30), 5, axis=1)
    result = retrieval.retrieval(of_matrix(S), [5] * 30, images_at_once=7)
    assert result == (Recall(1, 1, 1, 1), Recall(1, 1, 1, 1)) and result.mean_recall == 1


def test_one_image():
    result = retrieval.retrieval(of_matrix(np.array([[3.0, 2.0]])), [2])
    assert result.annotation == result.search == Recall(1, 1, 1, 1)


def test_an_image_without_sentences_is_only_a_wrong_answer():
    S = np.array([[2.0], [3.0]])
    found = ranks(of_matrix(S), [1, 0])
    assert found.annotation.tolist() == [1] and found.search.tolist() == [2]


def test_folds_are_ranked_apart():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 6, 23)
    starts = np.concatenate([[0], np.cumsum(counts)])
    S = rng.standard_normal((23, counts.sum()))
    found = retrieval.retrieval(of_matrix(S), counts, fold_size=7, images_at_once=3)
    folds = []
    for a in (0, 7, 14):  # 21 and 22 are left out
        own = ranks_with_loops(S[a : a + 7, starts[a] : starts[a + 7]], counts[a : a + 7])
        folds.append([recall(own.annotation), recall(own.search)])
    np.testing.assert_allclose(found, np.mean(folds, axis=0))
    assert found.mean_recall == pytest.approx((found[0].at_10 + found[1].at_10) / 2)


def test_the_whole_matrix_is_never_held():
    """1000 images with 5000 sentences: 40 MB of float64; each tile is scored once."""
    rng = np.random.default_rng(0)
    v, s = rng.standard_normal((1000, 8)), rng.standard_normal((5000, 8))
    scored = []

    def score(images, sentences):
        scored.append((images.start, sentences.start))
        return v[images] @ s[sentences].T

    tracemalloc.start()
    try:
        found = ranks(score, [5] * 1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4e6 and len(scored) == len(set(scored)) == 100
    assert abs(np.median(found.search) - 500) < 50  # as by chance


def test_what_cannot_be_ranked_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="without any sentence"):
        ranks(of_matrix(np.zeros((2, 0))), [0, 0])
    with pytest.raises(ValueError, match="4 images are no fold of 5"):
        retrieval.retrieval(of_matrix(np.zeros((4, 4))), [1] * 4, fold_size=5)
    with pytest.raises(ValueError, match=r"asked for the scores of \(2, 4\) .* got \(2, 3\)"):
        ranks(of_matrix(np.zeros((2, 3))), [2, 2])
    with pytest.raises(ValueError, match="0 images"):
        retrieval.retrieval(of_matrix(np.zeros((0, 0))), [])


def test_blocks_of_images():
    assert image_blocks([1] * 4, 2) == [(slice(0, 2), slice(0, 2)), (slice(2, 4), slice(2, 4))]


class Bilinear:
    """Stands in for an aligner: an image is its number, a sentence its only word. Notes what is embedded, and what of it lives."""

    def __init__(self):
        self.images, self.sentences, self.alive = 0, 0, []

    def embed_regions(self, regions):
        self.images += 1
        return regions.features

    def embed_words(self, packed):
        self.sentences += 1
        s = np.cos(packed.words)
        self.alive = [reference for reference in self.alive if reference() is not None] + [weakref.ref(s)]
        assert len(self.alive) <= 2  # the next block's are made before the last one's are forgotten
        return s

    def scores(self, v, offsets, s, packed):
        return np.sin(np.outer(v, s))


def test_only_a_block_of_sentences_is_held_embedded():
    """250 images are three blocks: each block of sentences is embedded for its diagonal tile, and for the others once more."""
    regions = types.SimpleNamespace(of=lambda imgids: types.SimpleNamespace(features=imgids / 7, offsets=None))
    words = np.random.default_rng(0).integers(1, 1000, 250)
    aligner = Bilinear()
    found = retrieve(aligner, regions, range(250), [[[word]] for word in words.tolist()])
    assert (aligner.images, aligner.sentences) == (3, 6)
    S = np.sin(np.outer(np.arange(250) / 7, np.cos(words)))
    assert found == retrieval.retrieval(of_matrix(S), [1] * 250)
    seen = []
    found = retrieve(aligner, regions, range(250), [[[word]] for word in words.tolist()], 2, lambda *done: seen.append(done))
    assert found == retrieval.retrieval(of_matrix(S), [1] * 250, fold_size=125)
    assert seen == [(k, 8) for k in range(8)]  # two blocks of images a fold, each with both blocks of sentences
