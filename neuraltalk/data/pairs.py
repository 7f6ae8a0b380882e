"""All sentences of some images as (imgid, word numbers) pairs, in three arrays.

    P    sentences
    W    known words of all of them

COCO's 566,000 training sentences are 28 MB so; as lists they were 100 MB, and half a million objects more for the garbage
collector to look through.
"""

import collections.abc
import itertools

import numpy as np


class Pairs(collections.abc.Sequence):
    """pairs[k] is (imgid, list of word numbers), as plain Python values; pairs[slice or array of numbers] are Pairs.

    imgids    (P,) int64
    words     (W,) int32, sentence after sentence
    starts    (P + 1,) int64: sentence k has words[starts[k] : starts[k + 1]]
    skipped   the share (0..1) of the sentences' words that the vocabulary doesn't have
    """

    def __init__(self, imgids, words, starts, skipped=0.0):
        self.imgids, self.words, self.starts, self.skipped = imgids, words, starts, skipped

    @classmethod
    def of(cls, pairs):
        """The Pairs of a list of (imgid, list of word numbers)."""
        imgids, sentences = [imgid for imgid, _ in pairs], [words for _, words in pairs]
        words = np.fromiter(itertools.chain.from_iterable(sentences), dtype=np.int32)
        return cls(np.array(imgids, dtype=np.int64), words, _offsets(list(map(len, sentences))))

    def __len__(self):
        return len(self.imgids)

    def __getitem__(self, k):
        if isinstance(k, slice):
            k = np.arange(*k.indices(len(self)))
        imgids = self.imgids[k]  # raises IndexError, where iteration ends
        k = k % max(1, len(self))
        begin, end = self.starts[k], self.starts[k + 1]
        if np.ndim(k) == 0:
            return int(imgids), self.words[begin:end].tolist()
        starts = _offsets(end - begin)
        return Pairs(imgids, self.words[np.arange(starts[-1]) + np.repeat(begin - starts[:-1], end - begin)], starts)

    @property
    def lengths(self):
        """(P,) int64, the words of each."""
        return np.diff(self.starts)

    @property
    def images(self):
        """How many different images there are."""
        return len(np.unique(self.imgids))


def encode_pairs(images, vocabulary):
    """The Pairs of some images, in order: one for each sentence. Unknown words are skipped, as Vocabulary.encode does."""
    sentences = [sentence.tokens for image in images for sentence in image.sentences]
    imgids = np.repeat(
        np.fromiter((image.imgid for image in images), dtype=np.int64, count=len(images)),
        np.fromiter((len(image.sentences) for image in images), dtype=np.int64, count=len(images)),
    )
    offsets = _offsets(list(map(len, sentences)))
    tokens = itertools.chain.from_iterable(sentences)
    numbers = np.fromiter(map(vocabulary.index.get, tokens, itertools.repeat(0)), dtype=np.int32, count=offsets[-1])
    known = numbers > 0  # 0 isn't a word: an unknown one, or "#START#" in a text
    before = np.zeros(len(numbers) + 1, dtype=np.int64)
    np.cumsum(known, out=before[1:])
    words = numbers[known]
    return Pairs(imgids, words, before[offsets], (len(numbers) - len(words)) / max(1, len(numbers)))


def _offsets(lengths):
    """Where each of N sentences begins when they stand one after the other, and where the last one ends: (N + 1,) int64."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
