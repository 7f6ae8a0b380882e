"""CIDEr: how alike a caption and what people say are, by n-grams that tell images apart (Vedantam and others 2015).

    weight of an n-gram in a sentence = its count there * log(N / number of images with a reference that has it)
    similarity of caption c and reference r, for n = 1..4:
        sum over n-grams of min(c's weight, r's weight) * r's weight / (|c| |r|) * exp(-(l_c - l_r)^2 / (2 * 6^2))
    CIDEr = 10 * the mean over n and over references; of a set the mean over its captions

This is what coco-caption calls CIDEr (the paper's CIDEr-D without its cap on repeated references), the figure of published
tables. |.| is the Euclidean norm over all the sentence's n-grams of that length. l is a sentence's length, which coco-caption
takes as its number of pairs of words. It is above 1 for people, and not a percentage.

Unlike BLEU's counts, a caption's value depends on the other images: n-grams that many of them have weigh little, and where
there is only one image all weigh nothing.
"""

import numpy as np

from neuraltalk.metrics.corpus import look_up, ngrams

ORDERS = 4
SIGMA = 6.0


def cider(corpus, tables=None):
    """(N,) the value of each caption. tables: the corpus' n-grams, if they are at hand."""
    N, S = corpus.N, len(corpus.image)
    pairs = np.maximum(corpus.lengths - 1, 0)
    too_long = (pairs[corpus.image[N:]] - pairs[N:]).astype(float)
    alike_in_length = np.exp(-(too_long**2) / (2 * SIGMA**2))  # (S - N,) of each reference with its caption
    similarity = np.zeros(S - N)
    for grams in tables or ngrams(corpus, ORDERS):
        images_with = np.bincount(grams.keys % grams.G, minlength=grams.G)
        weight = grams.count * (np.log(N) - np.log(np.maximum(images_with, 1)))[grams.gram]  # (E,)
        norm = np.sqrt(np.bincount(grams.sentence, weight**2, S))
        key = corpus.image[grams.sentence] * grams.G + grams.gram
        own = grams.sentence < N
        captions = look_up(key[own], weight[own], key[~own])  # the caption's weight of each n-gram of a reference
        products = np.minimum(captions, weight[~own]) * weight[~own]
        norms = norm[corpus.image[N:]] * norm[N:]
        similarity += np.bincount(grams.sentence[~own] - N, products, S - N) / np.where(norms > 0, norms, 1)
    return 10 / ORDERS * np.bincount(corpus.image[N:], similarity * alike_in_length, N) / corpus.references
