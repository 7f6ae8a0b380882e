"""Captions and their references as arrays: words become numbers once, n-grams become numbers too, and scoring is counting.

    N           captions, one an image; S sentences: the N captions, then all references in the order of their images
    words       (W,) the numbers of all words, sentence after sentence
    starts      (S + 1,) where each sentence begins in `words`; the last is W
    image       (S,) the image of each sentence

    an n-gram's number: that of its first n - 1 words and that of its last word make a key, equal keys get equal numbers, 0 to
    G - 1. So four words are as quick to compare as one, and numbers stay small whatever n is.
"""

import collections
import itertools
from typing import NamedTuple

import numpy as np


class Corpus(NamedTuple):
    """N captions with their references."""

    N: int
    words: np.ndarray  # (W,) int64
    starts: np.ndarray  # (S + 1,) int64
    image: np.ndarray  # (S,) int64

    @property
    def lengths(self):
        """(S,) words of each sentence."""
        return np.diff(self.starts)

    @property
    def references(self):
        """(N,) how many references each image has."""
        return np.bincount(self.image[self.N :], minlength=self.N)


class NGrams(NamedTuple):
    """Which sentence has which n-gram how often: E entries, by sentence and then by n-gram; and what images' references have."""

    sentence: np.ndarray  # (E,)
    gram: np.ndarray  # (E,) 0 to G - 1
    count: np.ndarray  # (E,)
    G: int
    keys: np.ndarray  # image * G + n-gram, sorted, of all n-grams that some reference of the image has
    most: np.ndarray  # and how often the reference that has it most often does


def number(candidates, references):
    """Captions and their references -> Corpus.

    candidates    N captions, each a list of words
    references    for each caption its references, each a list of words

    Raises ValueError when the two don't match, when a caption has no reference and when there are no captions.
    """
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} captions, but references for {len(references)}")
    if not candidates:
        raise ValueError("no captions to score")
    for position, own in enumerate(references):
        if not own:
            raise ValueError(f"caption {position} has no reference")
    N = len(candidates)
    sentences = list(itertools.chain(candidates, *references))
    numbers = collections.defaultdict(itertools.count().__next__)  # a new word gets the next number
    words = np.fromiter(map(numbers.__getitem__, itertools.chain.from_iterable(sentences)), np.int64)
    starts = np.concatenate([[0], np.cumsum(np.fromiter(map(len, sentences), np.int64))])
    image = np.concatenate([np.arange(N), np.repeat(np.arange(N), np.fromiter(map(len, references), np.int64))])
    return Corpus(N, words, starts, image)


def ngrams(corpus, most=4):
    """Yield the NGrams of 1, 2, ..., `most` words."""
    lengths = corpus.lengths
    sentence = np.repeat(np.arange(len(lengths)), lengths)  # (W,) of each word
    left = corpus.starts[1:][sentence] - np.arange(len(sentence))  # words from here to the sentence's end
    V = _above(corpus.words)
    positions, gram = np.arange(len(sentence)), corpus.words  # n-grams by the position of their first word
    for n in range(1, most + 1):
        if n > 1:
            fits = left[positions] >= n
            positions, gram = positions[fits], gram[fits]
            gram = np.unique(gram * V + corpus.words[positions + n - 1], return_inverse=True)[1]
        G = _above(gram)
        entries, count = np.unique(sentence[positions] * G + gram, return_counts=True)
        sentence_of_entry, gram_of_entry = np.divmod(entries, G)
        keys, most_often = _of_images(corpus, sentence_of_entry, gram_of_entry, count, G)
        yield NGrams(sentence_of_entry, gram_of_entry, count, G, keys, most_often)


def _of_images(corpus, sentence, gram, count, G):
    """NGrams.keys and .most."""
    own = sentence >= corpus.N
    keys = corpus.image[sentence[own]] * G + gram[own]
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[first], np.maximum.reduceat(count[own][order], first) if len(first) else first


def look_up(keys, values, wanted):
    """The value of each wanted key, 0 where there is none. keys: sorted."""
    if not len(keys):
        return np.zeros(len(wanted), values.dtype)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def _above(numbers):
    return int(numbers.max(initial=0)) + 1
