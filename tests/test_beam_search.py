"""Beam search: the plain loop against hand-worked cases, the batched search against the loop, the kernel against its twin."""

import itertools
import math

import numpy as np
import pytest

from neuraltalk import parallel
from neuraltalk.decode import beam_search as module
from neuraltalk.decode import kernels
from neuraltalk.decode.beam_search import END, beam_search, beam_search_loop
from neuraltalk.errors import UserError
from neuraltalk.layers.twins import DEFINITIONS


class Markov:
    """A captioner whose next word depends on the image, on the last word and, with `drift`, on the step.

    `tables` (K, V, V) are its scores. Without drift, sentences of the same pairs of words in another order are (almost) equal.
    """

    def __init__(self, tables, drift=0.0):
        self.tables = np.asarray(tables)
        self.drift = drift
        self.rows_advanced = 0

    def begin(self, features):
        return (features[:, 0].astype(int), np.ones((len(features), 2)))  # the image's number; 1 + drift * step

    def advance(self, state, parent, words):
        image, memory = (array[parent] for array in state)
        assert len(image) == len(memory) == len(words)
        self.rows_advanced += len(words)
        return self.tables[image, words] * memory[:, :1], (image, memory + self.drift)


def images(K):
    """Features that say nothing but the image's number."""
    return np.arange(K, dtype=np.float64)[:, None]


def random_tables(rng, K, V, END_score=0.0, ties=False):
    tables = rng.normal(0, 2, size=(K, V, V))
    tables[:, :, END] += END_score
    return np.round(tables) if ties else tables


def same(found, expected, tolerance=1e-12):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert [caption.words for caption in ours] == [caption.words for caption in theirs]
        assert [caption.log_probability for caption in ours] == pytest.approx(
            [caption.log_probability for caption in theirs], rel=tolerance, abs=tolerance
        )


# Words END, 1, 2. From START "1" is the likely word, but what follows it is uncertain; after "2" the end is certain.
GARDEN_PATH = np.log([[[0.1, 0.5, 0.4], [0.4, 0.3, 0.3], [1.0, 1e-300, 1e-300]]])


@pytest.mark.parametrize("search", [beam_search, beam_search_loop])
def test_hand_worked_search(search):
    greedy = search(Markov(GARDEN_PATH), images(1), beam_size=1)[0]
    assert greedy[0].words == [1, END] and greedy[0].log_probability == pytest.approx(math.log(0.5 * 0.4))
    best, second = search(Markov(GARDEN_PATH), images(1), beam_size=2, nbest=2)[0]
    assert best.words == [2, END] and best.log_probability == pytest.approx(math.log(0.4))
    assert second.words == [1, END] and second.log_probability == pytest.approx(math.log(0.2))


@pytest.mark.parametrize("search", [beam_search, beam_search_loop])
def test_an_ended_beam_stays_in_the_race_unextended(search):
    empty = search(Markov(np.log([[[0.9, 0.1], [0.5, 0.5]]])), images(1), beam_size=2, nbest=2)[0]
    assert empty[0].words == [END] and empty[0].log_probability == pytest.approx(math.log(0.9))
    assert empty[1].words == [1, END] and empty[1].log_probability == pytest.approx(math.log(0.05))


@pytest.mark.parametrize("search", [beam_search, beam_search_loop])
def test_a_wide_beam_finds_the_true_best_sentences(search):
    """With more beams than prefixes the search is exhaustive: compare with all sentences up to five words."""
    tables = random_tables(np.random.default_rng(3), 1, 4, END_score=1.5)
    log_p = tables[0] - np.log(np.exp(tables[0]).sum(axis=1, keepdims=True))
    complete = [(*words, END) for length in range(5) for words in itertools.product([1, 2, 3], repeat=length)]
    cut_off = list(itertools.product([1, 2, 3], repeat=5))
    score_of = {words: sum(log_p[a, b] for a, b in itertools.pairwise((0, *words))) for words in complete + cut_off}
    found = search(Markov(tables), images(1), beam_size=2000, max_length=5, nbest=50)[0]
    scores = [caption.log_probability for caption in found]
    assert scores == pytest.approx(sorted(score_of.values(), reverse=True)[:50])
    assert scores == pytest.approx([score_of[tuple(caption.words)] for caption in found])
    assert len({tuple(caption.words) for caption in found}) == 50


@pytest.mark.parametrize("beam_size", [1, 2, 5, 7, 20])
@pytest.mark.parametrize("END_score", [-8.0, 0.0, 2.0, 6.0])
@pytest.mark.parametrize("ties", [False, True])
def test_all_images_together_give_what_the_loop_gives(beam_size, END_score, ties, monkeypatch):
    """20 beams are more than the 9 words; END is rare (max_length reached), common, or comes first."""
    captioner = Markov(
        random_tables(np.random.default_rng(beam_size), 13, 9, END_score, ties), drift=0.0 if ties else 0.05
    )
    if ties:  # these are decided by the last bit, so both sides need the same arithmetic
        monkeypatch.setattr(module, "top_words", DEFINITIONS["neuraltalk.decode.top_words"])
    for nbest in {1, (beam_size + 1) // 2, beam_size}:
        options = {"beam_size": beam_size, "nbest": nbest, "max_length": 12}
        same(beam_search(captioner, images(13), **options), beam_search_loop(captioner, images(13), **options))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("nbest", [1, 4])
def test_length_normalization_gives_what_the_loop_gives(alpha, nbest):
    captioner = Markov(random_tables(np.random.default_rng(5), 20, 11, END_score=1.0), drift=0.05)
    options = {"beam_size": 4, "nbest": nbest, "length_normalization": alpha}
    same(beam_search(captioner, images(20), **options), beam_search_loop(captioner, images(20), **options))


def test_length_normalization_prefers_longer_captions():
    captioner = Markov(random_tables(np.random.default_rng(6), 40, 11, END_score=1.0))
    lengths = [
        np.mean([len(found[0].words) for found in beam_search(captioner, images(40), 5, length_normalization=alpha)])
        for alpha in (0.0, 0.5, 1.0)
    ]
    assert lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize("search", [beam_search, beam_search_loop])
def test_among_equals_the_better_beam_then_the_lower_word_comes_first(search):
    flat = Markov(np.zeros((1, 5, 5)))
    found = search(flat, images(1), beam_size=3, max_length=2, nbest=3)[0]
    # Step 1 keeps END, 1, 2; at step 2 only the ended beam keeps its score, then 1's first extensions.
    assert [caption.words for caption in found] == [[END], [1, END], [1, 1]]


def test_words_of_probability_zero_are_never_chosen():
    tables = np.full((1, 4, 4), -np.inf)
    tables[0, 0, 2] = tables[0, 2, END] = 0.0  # the only sentence: 2 END
    for search in (beam_search, beam_search_loop):
        found = search(Markov(tables), images(1), beam_size=3, nbest=3)[0]
        assert [(caption.words, caption.log_probability) for caption in found] == [([2, END], 0.0)]


def test_max_length():
    endless = Markov(random_tables(np.random.default_rng(7), 2, 6, END_score=-50.0))
    for length in (1, 20, 45):
        for found in beam_search(endless, images(2), beam_size=3, max_length=length):
            assert len(found[0].words) == length and END not in found[0].words


def test_blocks_do_not_change_the_captions(monkeypatch):
    captioner = Markov(random_tables(np.random.default_rng(8), 30, 9))
    whole = beam_search(captioner, images(30), beam_size=3, nbest=2)
    monkeypatch.setattr(module, "SCORES_AT_ONCE", 9 * 3 * 7)  # seven images a block
    monkeypatch.setattr(module, "BLOCKS_AT_ONCE", 1)
    for threads, expected in ((1, [1, 8, 15, 22, 29, 30]), (2, [1, 15, 29, 30]), (3, [1, 22, 30])):
        for part_of in (module, parallel):
            monkeypatch.setattr(part_of, "blas_threads", lambda threads=threads: threads)
        done = []
        same(beam_search(captioner, images(30), beam_size=3, nbest=2, progress=done.append), whole, tolerance=0)
        assert done == expected
    assert beam_search(captioner, images(0), beam_size=3) == []


def test_a_fault_in_a_thread_is_told(monkeypatch):
    tables = random_tables(np.random.default_rng(8), 30, 9)
    tables[20] = np.nan
    monkeypatch.setattr(module, "SCORES_AT_ONCE", 9 * 3 * 7)
    for part_of in (module, parallel):
        monkeypatch.setattr(part_of, "blas_threads", lambda: 2)
    with pytest.raises(UserError, match="no numbers"):
        beam_search(Markov(tables), images(30), beam_size=3)


def test_beams_that_cannot_win_are_not_extended():
    captioner = Markov(random_tables(np.random.default_rng(9), 10, 9, END_score=2.0))
    one = beam_search(captioner, images(10), beam_size=6, nbest=1)
    rows_for_one, captioner.rows_advanced = captioner.rows_advanced, 0
    every = beam_search(captioner, images(10), beam_size=6, nbest=6)
    assert rows_for_one < 0.8 * captioner.rows_advanced
    assert [found[0] for found in one] == [found[0] for found in every]


def test_sizes_and_scores_that_make_no_sense_are_refused():
    captioner = Markov(np.zeros((1, 3, 3)))
    for options, message in [
        ({"beam_size": 0}, "beam_size is 0"),
        ({"max_length": 0}, "max_length is 0"),
        ({"beam_size": 2, "nbest": 3}, "nbest is 3"),
        ({"length_normalization": -1.0}, "length_normalization is -1.0"),
        ({"length_normalization": math.nan}, "length_normalization is nan"),
        ({"length_normalization": 500.0}, "length_normalization is 500.0; it must be from 0 to 10"),
    ]:
        for search in (beam_search, beam_search_loop):
            with pytest.raises(ValueError, match=message):
                search(captioner, images(1), **options)
    with pytest.raises(UserError, match="no numbers"):
        beam_search(Markov(np.full((1, 3, 3), np.nan)), images(1), beam_size=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fault", [np.nan, np.inf])
@pytest.mark.parametrize("word", [0, 3, 40, 99])
def test_a_single_score_that_is_no_number_shows(dtype, fault, word):
    """Wherever it is, also behind the best ones, where nothing but the sum over all words meets it: the search looks for nan."""
    scores = np.random.default_rng(1).normal(0, 2, size=(1, 100)).astype(dtype)
    scores[0, word] = fault
    for top_words in (kernels.top_words, DEFINITIONS["neuraltalk.decode.top_words"]):
        log_probability = np.zeros((1, 3), dtype)
        with np.errstate(invalid="ignore"):
            top_words(scores, log_probability, np.empty((1, 3), np.int64))
        assert np.isnan(log_probability).any()


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("V, B", [(1, 1), (5, 5), (33, 7), (500, 20), (64, 64)])
def test_kernel_equals_its_twin(dtype, tolerance, V, B):
    scores = np.random.default_rng(V).normal(0, 4, size=(11, V)).astype(dtype)
    scores[1] = 3.0  # all equal
    scores[2] = np.round(scores[2])  # many equal
    scores[3, 1:] = -np.inf  # one possible word
    scores[4] += 1e4  # far from 0, where exp would overflow
    scores[5] *= 50  # spread beyond what exp can hold
    log_probability, word = np.empty((11, B), dtype=dtype), np.empty((11, B), dtype=np.int64)
    ours, our_word = np.empty_like(log_probability), np.empty_like(word)
    DEFINITIONS["neuraltalk.decode.top_words"](scores, log_probability, word)
    kernels.top_words(scores, ours, our_word)
    np.testing.assert_array_equal(our_word, word)
    np.testing.assert_allclose(ours, log_probability, rtol=tolerance, atol=tolerance)


def test_single_precision_exp_is_accurate():
    """The polynomial against the C library over the whole range that counts."""
    x = np.concatenate([np.linspace(-86, 0, 20001), [-87.5, -1000, -np.inf]]).astype(np.float32)
    for start in (0, 5000, 15000, 19000):
        row = x[start : start + 1000]
        assert float(kernels._sum_of_exp_single(row, np.float32(0))) == pytest.approx(
            np.exp(row.astype(np.float64)).sum(), rel=2e-6
        )
    singles = [float(kernels._sum_of_exp_single(row[None], np.float32(0))) for row in x[:-3:7]]
    np.testing.assert_allclose(singles, np.exp(x[:-3:7].astype(np.float64)), rtol=3e-7)
    assert float(kernels._sum_of_exp_single(x[-3:], np.float32(0))) < 1e-36
