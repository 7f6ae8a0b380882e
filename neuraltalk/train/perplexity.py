"""Perplexity: 2 ** (sum of -log2 p(word) / number of words, END included). 1 is certainty, V is knowing nothing.

Words outside the vocabulary are skipped, so the figure means something only beside the vocabulary's size and the share
of words skipped.
"""

import math
from typing import NamedTuple

import numpy as np

from neuraltalk.data.batches import make_batch
from neuraltalk.ranks import ALONE


class Perplexity(NamedTuple):
    """The figure and the sums behind it."""

    perplexity: float
    log_likelihood: float  # natural logarithm, summed
    words: int  # END included


def perplexity(captioner, features, pairs, batch_size=100, watch=None, ranks=ALONE):
    """Perplexity of a captioner on some Pairs, dropout off -> Perplexity.

    Sentences of a length go together, whatever their order here, so that batches are packed densely. watch(done) is
    called with the number of pairs done before each batch. Each of the `ranks` does some of the batches.
    """
    order = np.argsort(pairs.lengths, kind="stable")  # the same sums in the same order

    def measure(begin):
        if watch is not None:
            watch(begin)
        return captioner.log_likelihood(make_batch(features, pairs[order[begin : begin + batch_size]]))

    total, words = 0.0, 0
    for log_likelihood, count in ranks.map(measure, range(0, len(order), batch_size)):
        total, words = total + log_likelihood, words + count
    return Perplexity(from_log_likelihood(total, words), total, words)


def from_log_likelihood(log_likelihood, words):
    """2 ** (bits per word); infinite where the model gave words no chance at all, nan if it is broken.

    >>> round(from_log_likelihood(-math.log(8) * 5, 5), 9)
    8.0
    """
    nats = -log_likelihood / max(words, 1)
    return math.inf if nats > 700 else math.exp(nats)
