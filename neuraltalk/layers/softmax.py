"""Softmax over the vocabulary with the cross-entropy loss (eq 15 and its training loss).

    scores   (M, V) unnormalised scores without their bias       b  (1, V) the bias of every word
    targets  (M,)   the word that should have come               p  (M, V) softmax(scores + b)
"""

import numpy as np

from neuraltalk.layers.twins import twin


def softmax_cross_entropy(scores, b, targets):
    """Log likelihood of the targets and its gradient, in one pass over the scores.

        p = softmax(scores + b)         log_likelihood_m = log p[m, targets_m]

    Forward and backward are one function, for the gradient falls out of the same exponentials: the loss
    -sum_m log_likelihood_m has the derivative p - 1[v = targets_m] by scores[m, v].
    Differs from the original: that one adds 1e-20 to each probability, so that no word costs more than 46; here the
    logarithm is taken of the sum, exactly, and needs no floor.

    Arguments: scores (M, V), b (1, V), targets (M,) of integers.
    Returns: log_likelihood (M,) in float64, dscores (M, V).
    """
    M, V = scores.shape
    log_likelihood = np.empty(M)                            # (M,)
    dscores = np.empty_like(scores)                         # (M, V)
    softmax_rows(scores, b, targets, log_likelihood, dscores)
    return log_likelihood, dscores


@twin
def softmax_rows(scores, b, targets, log_likelihood, dscores):
    """Fill log_likelihood (M,) and dscores (M, V); dscores may be scores itself."""
    rows = np.arange(len(scores))
    shifted = scores + b
    shifted -= shifted.max(axis=1, keepdims=True)           # exp can't overflow now
    p = np.exp(shifted)
    total = p.sum(axis=1, keepdims=True)
    log_likelihood[:] = shifted[rows, targets] - np.log(total[:, 0])
    dscores[...] = p / total
    dscores[rows, targets] -= 1


def log_softmax(scores):
    """log softmax of each row of scores (..., V)."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
