"""ROUGE-L: the longest sequence of words that a caption and a reference share in this order, gaps allowed (Lin 2004).

    LCS = length of the longest common subsequence
    P = the largest LCS over the references / words of the caption
    R = the largest of LCS / words of the reference
    ROUGE-L = (1 + beta^2) P R / (R + beta^2 P)        beta = 1.2; of a set the mean over its captions

As coco-caption has it: P and R may come from different references, and a sentence without words counts as one empty word, so
two of them agree.
"""

import numpy as np

from neuraltalk.layers.twins import twin

BETA = 1.2


def rouge_l(corpus):
    """(N,) the value of each caption, 0..1."""
    N, lengths = corpus.N, corpus.lengths
    image = corpus.image[N:]
    common = np.zeros(len(image), np.int64)
    common_lengths(corpus.words, corpus.starts, corpus.image, N, common)
    common[(lengths[image] == 0) & (lengths[N:] == 0)] = 1
    words = np.maximum(lengths, 1)
    first = np.searchsorted(image, np.arange(N))
    P = np.maximum.reduceat(common, first) / words[:N]
    R = np.maximum.reduceat(common / words[N:], first)
    return (1 + BETA**2) * P * R / np.where(P > 0, R + BETA**2 * P, 1)


@twin
def common_lengths(words, starts, image, N, out):
    """out (S - N,): the LCS of each reference with the caption of its image.

    L[i, j], the LCS of the first i words of the one and the first j of the other, is L[i - 1, j - 1] + 1 if word i is word j, else
    max(L[i - 1, j], L[i, j - 1]). Here for all references at once, row i of the table at a time.
    """
    lengths = np.diff(starts)
    pairs = np.arange(N, len(image))
    caption_lengths, reference_lengths = lengths[image[pairs]], lengths[pairs]
    longest = reference_lengths.max(initial=0)
    row = np.zeros((longest + 1, len(pairs)), np.int64)  # L[i, :] of each pair
    for i in range(caption_lengths.max(initial=0)):
        inside = i < caption_lengths
        caption_word = words[np.where(inside, starts[image[pairs]] + i, 0)]
        above = row.copy()  # L[i - 1, :]
        for j in range(longest):
            same = inside & (j < reference_lengths)
            same &= words[np.where(same, starts[pairs] + j, 0)] == caption_word
            row[j + 1] = np.where(same, above[j] + 1, np.maximum(above[j + 1], row[j]))
    out[:] = row[longest]
