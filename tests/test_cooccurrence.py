"""Word vectors from sentences: the equations by plain loops, and words in the same company point the same way."""

import math

import numpy as np
import pytest

from neuraltalk.data.cooccurrence import cooccurrences, largest_singular_vectors, positive_information, vectors_from_sentences
from neuraltalk.data.pairs import Pairs

A, DOG, CAT, RUNS, SLEEPS, RED, BLUE, BALL, ALONE = range(1, 10)
V = 10
SENTENCES = [
    [A, DOG, RUNS], [A, CAT, RUNS], [A, DOG, SLEEPS], [A, CAT, SLEEPS],
    [A, RED, BALL], [A, BLUE, BALL], [ALONE], [], [A, DOG, A, RED, BALL, RUNS],
]
PAIRS = Pairs.of([(k, words) for k, words in enumerate(SENTENCES)])


def slow_information(sentences):
    """n and P of cooccurrence.py, a pair of words at a time."""
    n = np.zeros((V, V))
    for words in sentences:
        for i, word in enumerate(words):
            for j, other in enumerate(words):
                if i != j and abs(i - j) <= 4:
                    n[word, other] += 1 / abs(i - j)
    often = n.sum(axis=1)
    P = np.zeros((V, V))
    for i in range(V):
        for j in range(V):
            if n[i, j]:
                smoothed = n.sum() * often[j] ** 0.75 / sum(often**0.75)
                P[i, j] = max(0.0, math.log(n[i, j] * n.sum() / (often[i] * smoothed)))
    return n, P


def test_is_its_slow_transcription():
    n, P = slow_information(SENTENCES)
    counts = cooccurrences(PAIRS, V)
    np.testing.assert_allclose(counts.toarray(), n, rtol=1e-12)
    np.testing.assert_allclose(positive_information(counts).toarray(), P, rtol=1e-12, atol=1e-12)
    assert n[A, A] == 1 and n[DOG, BALL] == pytest.approx(1 / 3) and n[DOG, SLEEPS] == 1


@pytest.mark.parametrize("E", [3, 9, 10, 25])
def test_vectors_factorise_the_information(E):
    """x_i of the E largest singular values, each word's scaled to the same size: compared by their angles."""
    vectors, found = vectors_from_sentences(PAIRS, V, E)
    assert vectors.shape == (V, E) and vectors.dtype == np.float32
    assert np.flatnonzero(~found).tolist() == [0, ALONE] and not vectors[~found].any()
    np.testing.assert_allclose(np.square(vectors[found]).mean(axis=1), 1, rtol=1e-5)
    U, S, _ = np.linalg.svd(slow_information(SENTENCES)[1])
    x = (U * np.sqrt(S))[:, : min(E, V - 1)][found]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[found] @ vectors[found].T / E, x @ x.T, atol=1e-5)


def test_words_in_the_same_company_point_the_same_way():
    vectors, _ = vectors_from_sentences(Pairs.of([(k, words) for k, words in enumerate(SENTENCES[:6] * 3)]), V, 4)
    cosines = vectors @ vectors.T / 4
    assert cosines[DOG, CAT] > 0.99 and cosines[RED, BLUE] > 0.99 and abs(cosines[DOG, RED]) < 0.5


@pytest.mark.parametrize("sentences", [[], [[]], [[1], [2]]])
def test_without_company_there_are_no_vectors(sentences):
    vectors, found = vectors_from_sentences(Pairs.of(list(enumerate(sentences))), V, 4)
    assert vectors.shape == (V, 4) and not vectors.any() and not found.any()


@pytest.mark.parametrize("V, E", [(50, 20), (301, 250)])
@pytest.mark.parametrize("sentences", [[[1, 2]] * 3, [[2 * k + 1, 2 * k + 2] for k in range(20)]], ids=["one pair", "many pairs"])
def test_the_same_sentences_give_the_same_bytes(sentences, V, E):
    """Also where P has few singular values, or many equal ones."""
    results = [vectors_from_sentences(Pairs.of(list(enumerate(sentences))), V, E) for _ in range(4)]
    assert len({vectors.tobytes() for vectors, _ in results}) == 1
    assert results[0][1].sum() == len({word for words in sentences for word in words})


def test_singular_vectors_of_a_large_matrix():
    """Larger than the sketch: as LAPACK's, to the promised accuracy; values as they fall in language."""
    rng = np.random.default_rng(2)
    bases = [np.linalg.qr(rng.standard_normal((400, 400)))[0] for _ in range(2)]
    values = 50 / np.arange(1, 401) ** 0.5
    U, S = largest_singular_vectors((bases[0] * values) @ bases[1], 40)
    np.testing.assert_allclose(S, values[:40], rtol=5e-3)
    np.testing.assert_allclose(U.T @ U, np.eye(40), atol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(U[:, :10] * bases[0][:, :10], axis=0)), 1, atol=1e-2)
