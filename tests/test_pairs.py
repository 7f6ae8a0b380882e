"""Pairs: what lists of (imgid, word numbers) would be, in arrays."""

import types

import numpy as np
import pytest

from neuraltalk.data.pairs import Pairs, encode_pairs
from neuraltalk.data.vocabulary import Vocabulary

WORDS = Vocabulary(["a", "b", "c"])


def image(imgid, *texts):
    return types.SimpleNamespace(imgid=imgid, sentences=[types.SimpleNamespace(tokens=text.split()) for text in texts])


IMAGES = [image(4, "b zebra a", "b zebra a"), image(2), image(7, "zebra", "c"), image(0, "#START# a .", "a b c a")]
LISTS = [(4, [2, 1]), (4, [2, 1]), (7, []), (7, [3]), (0, [1]), (0, [1, 2, 3, 1])]


def test_pairs_of_images():
    pairs = encode_pairs(IMAGES, WORDS)
    assert list(pairs) == LISTS and len(pairs) == 6 and pairs.images == 3
    assert [pairs[k] for k in range(-6, 6)] == LISTS * 2
    assert list(Pairs.of(LISTS)) == LISTS and list(Pairs.of([])) == [] and pairs.lengths.tolist() == [2, 2, 0, 1, 1, 4]
    for k in (6, -7):
        with pytest.raises(IndexError):
            pairs[k]


@pytest.mark.parametrize("numbers", [[], [3], [5, 0, 5, 2], [-1, -6, 2], list(range(6))])
def test_some_of_them(numbers):
    pairs = encode_pairs(IMAGES, WORDS)
    array = np.array(numbers, dtype=np.int64)
    some = pairs[array]
    assert list(some) == [LISTS[k] for k in numbers] and some.lengths.tolist() == [len(LISTS[k][1]) for k in numbers]
    assert array.tolist() == numbers  # untouched
    for chosen in (slice(1, 5, 2), slice(None, None, -1), slice(4, 99), slice(3, 3)):
        assert list(pairs[chosen]) == LISTS[chosen]
    assert list(Pairs.of([])[:3]) == list(Pairs.of([])[array[:0]]) == []
    with pytest.raises(IndexError):
        pairs[np.array([1, 6])]


def test_the_same_as_word_by_word():
    rng = np.random.default_rng(0)
    known = [f"w{number}" for number in range(50)]
    vocabulary, words = Vocabulary(known), np.array([*known, "#START#", "other", "."])
    images = [image(int(k), *(" ".join(rng.choice(words, n)) for n in rng.integers(1, 20, 5))) for k in rng.permutation(40)]
    pairs = encode_pairs(images, vocabulary)
    sentences = [(own.imgid, sentence.tokens) for own in images for sentence in own.sentences]
    assert list(pairs) == [(imgid, vocabulary.encode(tokens)) for imgid, tokens in sentences]
    assert pairs.skipped == vocabulary.skipped_share(tokens for _, tokens in sentences)


def test_nothing():
    pairs = encode_pairs([image(3)], WORDS)
    assert list(pairs) == [] and pairs.skipped == 0 and pairs.images == 0


def test_of_plain_numbers():
    """What a batch gets is what lists would have given: checkpoints hold such numbers, too."""
    imgid, words = encode_pairs(IMAGES, WORDS)[5]
    assert type(imgid) is int and [type(word) for word in words] == [int] * 4
