"""From scores of single words to phrases: the best labelling of a sentence's words with regions (eq 10-12).

    E(a) = sum_j psiU_j(a_j) + sum_j psiB(a_j, a_{j+1})         eq 10, MAXIMISED
    psiU_j(a_j = i) = v_i . s_j                                 eq 11: the word's score with the region
    psiB(a_j, a_{j+1}) = beta * 1[a_j = a_{j+1}]                eq 12: neighbours gain beta if they agree

    N  sentences                        unary    (M, R) psiU: a row for each word
    M  words of all sentences           rows     a list of N arrays (n,): the rows of a sentence's words, in its order
    R  most regions of an image         regions  (N,) regions of a sentence's image; later columns of its rows aren't read

beta = 0 leaves each word to itself, a large beta puts the sentence on one region, a negative one drives neighbours apart.
Of equal labellings the first in the order of a dictionary is chosen: the lowest region for the first word, among these
the lowest for the second, and so on. So of two equal boxes it is always the same one that gets the words.

The maximum is found by dynamic programming, from the last word to the first. message_j(i) is the most that the words
after j can add when word j has region i, less the most they can add at all:

    value_j(i) = psiU_j(i) + message_j(i)
    message_j(i) = max( value_{j+1}(i) + stay,  max over i' != i of value_{j+1}(i') + switch ) - max over i' of value_{j+1}(i')

Then the labels are read off from the first word to the last. As the gain depends only on whether the regions differ, the
inner maximum is the largest value, or for the region that has it the second largest: T R operations a sentence, not T R^2.
A positive beta is counted as switch = -beta, a negative one as stay = beta: that differs from eq 12 by a constant at most, and
keeps the digits of the scores under the largest beta.
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.layers.overflow import quiet
from neuraltalk.layers.twins import twin


class Segment(NamedTuple):
    """A snippet of text on one region: words start .. stop - 1 of a sentence."""

    region: int
    start: int
    stop: int


@quiet()
def unary_potentials(v, offsets, s, rows, images):
    """psiU of N sentences, each with an image of its own (eq 11): unary (M, R) and regions (N,).

    v (all regions, h) and offsets (images + 1,): image k has the rows offsets[k] .. offsets[k + 1]; s (M, h) the words, rows
    as above (for packed words: data/packing.rows_of_sentences); images (N,) the number of each sentence's image.
    """
    offsets, images = np.asarray(offsets), np.asarray(images, dtype=np.int64)
    regions = np.diff(offsets)[images]  # (N,)
    unary = np.zeros((len(s), int(regions.max(initial=0))), dtype=s.dtype)
    for k, words in zip(images, rows):
        unary[words, : offsets[k + 1] - offsets[k]] = s[words] @ v[offsets[k] : offsets[k + 1]].T
    return unary, regions


def best_labels(unary, regions, rows, beta):
    """The labelling of each sentence that maximises E: a list of N arrays (n,), regions counted within the image.

    Arguments: unary (M, R), regions (N,) at least 1 each, rows, beta in the unit of the scores. A sentence without words has
    no labels. Raises ValueError if beta is not finite, UserError if a score isn't.
    """
    if not np.isfinite(beta):
        raise ValueError(f"beta is {beta}; it must be finite (1e9 puts every sentence on one region)")
    if not np.isfinite(unary).all():
        raise UserError(
            "the scores of words with regions are no numbers: the model's weights or the features are far too large; take an earlier "
            "checkpoint, or other features"
        )
    if len(regions) != len(rows) or (len(regions) and min(regions) < 1):
        raise ValueError(f"each of the {len(rows)} sentences needs the number of its image's regions, at least one")
    starts = np.cumsum([0, *map(len, rows)])  # (N + 1,)
    order = np.concatenate([np.zeros(0, dtype=np.int64), *rows])  # (M,) one sentence after the other
    message = np.empty((len(order), unary.shape[1]))  # float64: it sums whole sentences
    labels = np.empty(len(order), dtype=np.int64)
    stay, switch = min(float(beta), 0.0), -max(float(beta), 0.0)
    potts_labels(unary, np.asarray(regions, dtype=np.int64), order, starts, stay, switch, message, labels)
    return [labels[a:b] for a, b in zip(starts, starts[1:])]


def energy(unary, labels, beta):
    """E(a) (eq 10) of one sentence: unary (n, R), labels (n,)."""
    labels = np.asarray(labels)
    agree = np.count_nonzero(labels[1:] == labels[:-1])
    return float(np.sum(unary[np.arange(len(labels)), labels], dtype=np.float64) + beta * agree)


def segments(labels):
    """The runs of equal labels (n,) of one sentence: its phrases, a list of Segment."""
    labels = np.asarray(labels)
    cuts = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    bounds = [0, *cuts.tolist(), len(labels)]
    return [Segment(int(labels[a]), a, b) for a, b in zip(bounds, bounds[1:]) if b > a]


@twin
def potts_labels(unary, regions, order, starts, stay, switch, message, labels):
    """Fill labels (M,), and on the way message (M, R), both in the order of the words; stay and switch are at most 0."""
    for k, R in enumerate(regions):
        words = slice(starts[k], starts[k + 1])
        psi = unary[order[words], :R].astype(np.float64)  # (n, R)
        messages = message[words, :R]  # (n, R)
        messages[-1:] = 0
        for j in range(len(psi) - 2, -1, -1):
            value = psi[j + 1] + messages[j + 1]
            largest, at = value.max(), value.argmax()
            others = np.full(R, largest)  # the largest value of another region
            others[at] = np.delete(value, at).max(initial=-np.inf)
            messages[j] = np.maximum(value - largest + stay, others - largest + switch)
        previous = None
        for j in range(len(psi)):
            pair = 0 if previous is None else np.where(np.arange(R) == previous, stay, switch)
            previous = (psi[j] + messages[j] + pair).argmax()  # the first of equals
            labels[starts[k] + j] = previous
