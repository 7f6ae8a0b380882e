"""Phrases: the dynamic programme against brute force, ties included, both twins; and what is refused."""

import itertools

import numpy as np
import pytest

from neuraltalk.data.packing import pack_words, rows_of_sentences
from neuraltalk.decode.phrase_mrf import Segment, best_labels, energy, segments, unary_potentials
from neuraltalk.errors import UserError

pytestmark = pytest.mark.usefixtures("both_twins")

BETAS = [-1000.0, -2.0, -0.5, 0.0, 0.5, 1.0, 3.0, 1000.0]


def brute_force(unary, beta):
    """The first labelling, in the order of a dictionary, of those with the largest energy (eq 10-12 in plain loops)."""
    n, R = unary.shape
    best, found = -np.inf, None
    for labels in itertools.product(range(R), repeat=n):
        E = sum(unary[j, labels[j]] for j in range(n)) + sum(beta for j in range(n - 1) if labels[j] == labels[j + 1])
        if E > best:
            best, found = E, labels
    return list(found), best


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("R", [1, 2, 3, 4])
def test_equals_brute_force_with_ties(R, beta):
    """Scores are small halves, so sums are exact and ties frequent; sentences of 0 to 5 words in one call."""
    rng = np.random.default_rng(R)
    lengths = [5, 1, 0, 3, 2, 4, 4, 3, 2, 5, 1, 5] * 2
    unary = rng.integers(-2, 3, size=(sum(lengths), 4)) / 2
    rows = np.split(rng.permutation(len(unary)), np.cumsum(lengths)[:-1])
    found = best_labels(unary, np.full(len(lengths), R), rows, beta)
    assert [len(labels) for labels in found] == lengths
    for labels, words in zip(found, rows):
        if len(words):
            expected, E = brute_force(unary[words, :R], beta)
            assert labels.tolist() == expected
            assert energy(unary[words, :R], labels, beta) == E


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [-3.7, -0.01, 0.0, 0.3, 2.2, 1e12])
def test_equals_brute_force_on_real_numbers(beta, dtype):
    rng = np.random.default_rng(7)
    for n, R in itertools.product([1, 2, 5], [1, 2, 5]):
        unary = rng.standard_normal((n, R)).astype(dtype)
        labels, = best_labels(unary, [R], [np.arange(n)], beta)
        expected, E = brute_force(unary.astype(np.float64), beta)
        assert energy(unary, labels, beta) == pytest.approx(E, rel=1e-10)
        if beta < 1e6:                  # above, the brute force loses the digits that tell labellings apart
            assert labels.tolist() == expected


def test_without_a_gain_each_word_is_on_its_own_and_with_a_large_one_all_are_together():
    rng = np.random.default_rng(1)
    unary = rng.standard_normal((30, 20)).astype(np.float32)
    rows = [np.arange(30)]
    assert best_labels(unary, [20], rows, 0)[0].tolist() == unary.argmax(axis=1).tolist()
    together = unary.sum(axis=0, dtype=np.float64).argmax()
    for beta in (1e3, 1e15):            # however large, the scores still decide which region it is
        assert best_labels(unary, [20], rows, beta)[0].tolist() == [together] * 30
    counts = [len(segments(best_labels(unary, [20], rows, beta)[0])) for beta in (-1, 0, 0.5, 1, 2, 4)]
    assert counts == sorted(counts, reverse=True) and counts[0] == 30 and counts[-1] < 10


def test_each_image_has_its_own_number_of_regions():
    """Columns beyond an image's regions are never chosen, whatever they hold."""
    unary = np.array([[1.0, 9.0, 9.0], [1.0, 2.0, 9.0]])
    assert [labels.tolist() for labels in best_labels(unary, [1, 2], [[0], [1]], 0.5)] == [[0], [1]]


def test_scores_of_packed_sentences():
    rng = np.random.default_rng(2)
    offsets, images = [0, 3, 4, 9], [2, 0, 2, 1]
    packed = pack_words([[1, 2], [], [3, 4, 5], [6]])
    v, s = rng.standard_normal((9, 7)), rng.standard_normal((6, 7))
    rows = rows_of_sentences(packed)
    unary, regions = unary_potentials(v, offsets, s, rows, images)
    assert unary.shape == (6, 5) and regions.tolist() == [5, 3, 5, 1]
    for k, words in enumerate(rows):
        for m, i in itertools.product(words, range(regions[k])):
            assert unary[m, i] == pytest.approx(sum(v[offsets[images[k]] + i] * s[m]), rel=1e-12)
    assert [len(labels) for labels in best_labels(unary, regions, rows, 1.0)] == [2, 0, 3, 1]


def test_segments_are_the_runs():
    assert segments([4, 4, 0, 4]) == [Segment(4, 0, 2), Segment(0, 2, 3), Segment(4, 3, 4)]
    assert segments([7]) == [Segment(7, 0, 1)] and segments([]) == []


def test_what_makes_no_sense_is_refused():
    unary, rows = np.zeros((2, 3)), [np.array([0, 1])]
    for beta in (np.inf, np.nan):
        with pytest.raises(ValueError, match="beta is"):
            best_labels(unary, [3], rows, beta)
    for regions in ([0], [3, 3], []):
        with pytest.raises(ValueError, match="each of the 1 sentences .* at least one"):
            best_labels(unary, regions, rows, 1.0)
    with pytest.raises(UserError, match="no numbers"):
        best_labels(unary * np.nan, [3], rows, 1.0)


def test_nothing_to_label():
    assert best_labels(np.zeros((0, 0)), [], [], 1.0) == []
