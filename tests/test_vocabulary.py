"""Vocabulary: which words, in which order, how often; and the original's tables."""

import math

import numpy as np
import pytest

from neuraltalk.data.dataset import Sentence
from neuraltalk.data.vocabulary import END, START, Vocabulary, build_vocabulary, from_checkpoint
from neuraltalk.errors import UserError

SENTENCES = [
    Sentence(["a", "dog", "sees", "a", "cat"], "A dog sees a cat.", 0),
    Sentence(["a", "cat", "and", "a", "bird"], "", 1),
    Sentence(["the", "dog", "sees", "the", "rare", "okapi"], "", 2),
]


def test_words_go_by_falling_frequency_then_alphabetically():
    vocabulary = build_vocabulary(SENTENCES, threshold=2)
    assert START == END == 0
    assert vocabulary.words == [".", "a", "cat", "dog", "sees", "the"]
    assert vocabulary.index == {"#START#": 0, "a": 1, "cat": 2, "dog": 3, "sees": 4, "the": 5}
    assert len(vocabulary) == 6


def test_log_frequencies_count_end_once_a_sentence_and_peak_at_zero():
    vocabulary = build_vocabulary(SENTENCES, threshold=2)
    counts = [3, 4, 2, 2, 2, 2]  # END, a, cat, dog, sees, the
    assert vocabulary.log_frequencies.dtype == np.float64
    np.testing.assert_allclose(
        vocabulary.log_frequencies, [math.log(count / 4) for count in counts], rtol=0, atol=1e-15
    )
    assert vocabulary.log_frequencies.max() == 0


def test_the_threshold_is_inclusive():
    assert build_vocabulary(SENTENCES, threshold=4).words == [".", "a"]
    assert len(build_vocabulary(SENTENCES, threshold=1)) == 9 + 1  # a dog sees cat and bird the rare okapi


def test_plain_token_lists_give_the_same():
    plain = [sentence.tokens for sentence in SENTENCES]
    assert build_vocabulary(plain, 2) == build_vocabulary(SENTENCES, 2)


def test_encode_skips_unknown_words_and_decode_stops_at_end():
    vocabulary = build_vocabulary(SENTENCES, threshold=2)
    assert vocabulary.encode(["the", "okapi", "sees", "a", "zebra"]) == [5, 4, 1]
    assert vocabulary.encode(["zebra"]) == vocabulary.encode([]) == []
    assert vocabulary.decode([5, 3, 0, 4]) == ["the", "dog"]
    assert vocabulary.decode(np.array([5, 3], dtype=np.int32)) == ["the", "dog"]
    assert vocabulary.decode([0]) == []


def test_skipped_share_counts_tokens():
    vocabulary = build_vocabulary(SENTENCES, threshold=2)
    assert vocabulary.skipped_share(SENTENCES) == 4 / 16  # and bird rare okapi
    assert vocabulary.skipped_share([]) == 0


def test_start_and_end_marks_in_a_text_never_become_number_zero():
    sentences = [["#START#", "dog", "."]] * 3
    vocabulary = build_vocabulary(sentences, threshold=2)
    assert vocabulary.words == [".", ".", "dog"] and vocabulary.encode(sentences[0]) == [2, 1]
    again = from_checkpoint(vocabulary.wordtoix, vocabulary.ixtoword)
    assert again.encode(sentences[0]) == [2, 1] and again == vocabulary


def test_a_vocabulary_survives_the_originals_tables():
    vocabulary = build_vocabulary(SENTENCES, threshold=2)
    assert vocabulary.ixtoword[0] == "." and vocabulary.wordtoix["#START#"] == 0
    again = from_checkpoint(vocabulary.wordtoix, vocabulary.ixtoword, vocabulary.log_frequencies)
    assert again == vocabulary and again.index == vocabulary.index
    np.testing.assert_array_equal(again.log_frequencies, vocabulary.log_frequencies)
    old = from_checkpoint({"#START#": np.int64(0), "dog": np.int64(1)}, {np.int64(0): ".", np.int64(1): "dog"})
    assert old == Vocabulary(["dog"]) and old.log_frequencies.tolist() == [0, 0]


@pytest.mark.parametrize(
    "wordtoix, ixtoword, message",
    [
        ({"#START#": 0, "a": 1}, {0: ".", 2: "a"}, "without a gap"),
        ({"#START#": 0, "a": 2}, {0: ".", 1: "a"}, r"ixtoword\[1\] is 'a', but wordtoix has 2"),
        ({"#START#": 0}, {0: ".", 1: "a"}, r"ixtoword\[1\] is 'a', but wordtoix has None"),
        ({"#START#": 0, "a": 1, "b": 2}, {0: ".", 1: "a"}, "3 entries"),
        ({"a": 1, "b": 0}, {0: ".", 1: "a"}, "#START# as None"),
        ({"#START#": 0, "a": 1}, {0: ".", 1: 7}, r"ixtoword\[1\] is 7, not a word"),
        ({"#START#": 0, "a": 1.5}, {0: ".", 1: "a"}, "whole numbers"),
        ({}, {}, "without a gap"),
        (None, {0: "."}, "should be dicts"),
    ],
)
def test_inconsistent_tables_are_refused(wordtoix, ixtoword, message):
    with pytest.raises(UserError, match=message) as error:
        from_checkpoint(wordtoix, ixtoword)
    assert "\n" not in str(error.value)


def test_log_frequencies_of_another_length_are_refused():
    with pytest.raises(UserError, match=r"log_frequencies have shape \(3,\), its vocabulary 2 entries"):
        from_checkpoint({"#START#": 0, "a": 1}, {0: ".", 1: "a"}, np.zeros(3))


def test_no_frequent_word_is_refused():
    with pytest.raises(
        UserError, match=r"no word occurs 5 times or more in the 3 training sentences \(the most frequent, 'a', 4"
    ):
        build_vocabulary(SENTENCES)
    with pytest.raises(UserError, match="no word occurs"):
        build_vocabulary([])
