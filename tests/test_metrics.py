"""BLEU against hand-worked numbers, a plain transcription and the published scores of real captions; diversity."""

import doctest
import json
import math
import pathlib

import pytest

from neuraltalk.metrics import bleu, diversity

PUBLISHED = sorted((pathlib.Path(__file__).resolve().parents[2] / "shared" / "metrics").glob("*.json"))


def words(*sentences):
    return [sentence.split() for sentence in sentences]


def test_a_perfect_caption_scores_one():
    captions = words("a man rides a red bike", "two dogs run")
    scores = bleu.corpus_bleu(captions[:1], [words("a dog", "a man rides a red bike")])
    assert scores == pytest.approx([1, 1, 1, 1], abs=1e-8)


def test_hand_worked_set():
    """Clipped counts: "the the the" against "the cat" matches once in three; bigrams by hand as well."""
    candidates = words("the the the", "a dog runs")
    references = [words("the cat", "the big cat"), words("a dog sits here", "one dog runs")]
    # unigrams: 1 of 3 and 3 of 3; bigrams: 0 of 2 and "a dog", "dog runs" 2 of 2; lengths 3 + 3 against 3 + 3
    assert bleu.corpus_bleu(candidates, references, n=2) == pytest.approx([4 / 6, math.sqrt(4 / 6 * 2 / 4)], abs=1e-8)


def test_brevity_penalty_uses_the_closest_length_and_the_shorter_of_two_equally_close():
    assert bleu.closest_length(5, words("a b c", "a b c d e f g")) == 3
    assert bleu.closest_length(5, words("a b c d e f", "a b c")) == 6
    candidate, reference = words("a b"), [words("a b c d")]
    with_penalty = bleu.corpus_bleu(candidate, reference, n=1)[0]
    without = bleu.corpus_bleu(candidate, reference, n=1, brevity_penalty=None)[0]
    assert without == pytest.approx(1, abs=1e-8)
    assert with_penalty == pytest.approx(math.exp(1 - 4 / 2), abs=1e-8)


def test_the_set_counts_as_one_text():
    """The corpus score is no mean of sentence scores: one good and one bad caption of different lengths."""
    candidates, references = words("a b c d", "x"), [words("a b c d"), words("y")]
    assert bleu.corpus_bleu(candidates, references, n=1)[0] == pytest.approx(4 / 5, abs=1e-8)


def test_nothing_in_common_is_almost_zero_and_empty_captions_count():
    assert all(score < 1e-6 for score in bleu.corpus_bleu(words("x y z w"), [words("a b c d")]))
    assert all(score < 1e-6 for score in bleu.corpus_bleu([[]], [words("a b")]))
    both = bleu.corpus_bleu([[], ["a", "b"]], [words("c d"), words("a b")], n=1)[0]
    assert both == pytest.approx(math.exp(1 - 4 / 2), abs=1e-8)


def test_sets_that_cannot_be_scored_are_refused():
    with pytest.raises(ValueError, match="1 captions, but references for 2"):
        bleu.corpus_bleu(words("a"), [words("a"), words("b")])
    with pytest.raises(ValueError, match="caption 1 has no reference"):
        bleu.corpus_bleu(words("a", "b"), [words("a"), []])
    with pytest.raises(ValueError, match="no captions"):
        bleu.corpus_bleu([], [])
    with pytest.raises(ValueError, match="brevity_penalty is 'shortest'"):
        bleu.corpus_bleu(words("a"), [words("a")], brevity_penalty="shortest")


@pytest.mark.skipif(not PUBLISHED, reason="the published captions are not on this machine")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_scores_of_real_captions(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    candidates = [candidate.split() for candidate in record["candidates"]]
    references = [words(*own) for own in record["references"]]
    published = [record["scores"][f"Bleu_{n}"] for n in (1, 2, 3, 4)]
    assert bleu.corpus_bleu(candidates, references) == pytest.approx(published, abs=1e-6)


def test_diversity_examples():
    assert doctest.testmod(diversity).failed == 0
    assert diversity.distinct_share([]) == diversity.novel_share([], []) == diversity.mean_length([]) == 0
