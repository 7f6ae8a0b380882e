"""An aligner's scores of many images with many sentences, a tile at a time, and how well they retrieve.

    K  images, each with all its regions        N  sentences        h  embedding size

Images are embedded once and kept (5000 of 20 regions: 0.4 GB at h = 1000). All sentences would be 1.1 GB more, so only the
latest block of them is kept: retrieval asks for each block twice, and embedding is nothing beside scoring. The products, a
hundred times as much again, are made for a tile and forgotten.
"""

import itertools

import numpy as np

from neuraltalk.data.packing import pack_words
from neuraltalk.metrics.retrieval import IMAGES_AT_ONCE, image_blocks, retrieval
from neuraltalk.ranks import ALONE


def pairs_by_image(pairs):
    """(imgid, word numbers) pairs, image by image -> imgids, and for each the list of its sentences."""
    groups = [(imgid, [words for _, words in own]) for imgid, own in itertools.groupby(pairs, lambda pair: pair[0])]
    return [imgid for imgid, _ in groups], [own for _, own in groups]


class TiledScores:
    """S (K, N) as metrics.retrieval asks for it: called with two slices, of images and of sentences.

    aligner, regions (a Regions, or anything with its of()), imgids (K,) and sentences: N lists of word numbers. What is
    asked for is embedded in the slices as they come.
    """

    def __init__(self, aligner, regions, imgids, sentences):
        self.aligner, self.regions, self.imgids, self.sentences = aligner, regions, imgids, sentences
        self._images = {}
        self._sentences = None, None  # the latest slice, and what it gave

    def __call__(self, images, sentences):
        return self.aligner.scores(*self.embedded_images(images), *self.embedded_sentences(sentences))

    def embedded_images(self, images):
        """v (R, h) and offsets of a slice of the images."""
        key = images.start, images.stop
        if key not in self._images:
            block = self.regions.of(self.imgids[images])
            self._images[key] = self.aligner.embed_regions(block), block.offsets
        return self._images[key]

    def embedded_sentences(self, sentences):
        """s (M, h) and the PackedWords of a slice of the sentences."""
        key, embedded = self._sentences
        if key != sentences:
            packed = pack_words(self.sentences[sentences])
            embedded = self.aligner.embed_words(packed), packed
            self._sentences = sentences, embedded
        return embedded


def retrieve(aligner, regions, imgids, sentences, folds=1, watch=None, ranks=ALONE):
    """Retrieval both ways among some images and their sentences -> metrics.retrieval.Retrieval.

    imgids     (K,)
    sentences  of each image the list of its sentences, as word numbers
    folds      groups of equal size within which is ranked
    watch      called with (tiles done, tiles) before each tile
    ranks      each of them does the tiles of some images
    """
    counts = [len(own) for own in sentences]
    scores = TiledScores(aligner, regions, np.asarray(imgids), list(itertools.chain.from_iterable(sentences)))
    fold_size = len(counts) // folds
    blocks = image_blocks([1] * fold_size)
    total = folds * len(blocks[ranks.rank :: ranks.size]) * len(blocks)
    done = itertools.count()

    def score(images, own):
        if watch is not None:
            watch(next(done), total)
        return scores(images, own)

    return retrieval(score, counts, fold_size, IMAGES_AT_ONCE, ranks)
