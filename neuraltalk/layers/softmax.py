"""Softmax over the vocabulary with the cross-entropy loss (eq 15 and its training loss).

    scores   (M, V) unnormalised scores without their bias       b  (1, V) the bias of every word
    targets  (M,)   the word that should have come               p  (M, V) softmax(scores + b)
"""

import numpy as np

from neuraltalk.layers.twins import twin


def softmax_cross_entropy(scores, b, targets, scale=1.0):
    """Log likelihood of the targets, and the gradient of the loss, in one pass over the scores.

        p = softmax(scores + b)         log_likelihood_m = log p[m, targets_m]

    Forward and backward are one function, for the gradient falls out of the same exponentials: the loss
    -sum_m log_likelihood_m has the derivative p - 1[v = targets_m] by scores[m, v].
    Differs from the original: that one adds 1e-20 to each probability, so that no word costs more than 46; here the
    logarithm is taken of the sum, exactly, and needs no floor.

    Arguments: scores (M, V), which become dscores in place, the one array too large to have twice; b (1, V); targets (M,)
    of integers; scale, the factor of the loss (1 / number of sentences).
    Returns: log_likelihood (M,) in float64; dscores (M, V) and db (1, V), the derivatives of -scale * sum(log_likelihood).
    """
    log_likelihood = np.empty(len(scores))                  # (M,)
    db = np.zeros_like(b)                                   # (1, V)
    softmax_rows(scores, b, targets, scores.dtype.type(scale), log_likelihood, db)
    return log_likelihood, scores, db


@twin
def softmax_rows(scores, b, targets, scale, log_likelihood, db):
    """Turn scores (M, V) into their derivatives, fill log_likelihood (M,) and add to db (1, V)."""
    rows = np.arange(len(scores))
    scores += b
    scores -= scores.max(axis=1, keepdims=True)             # exp can't overflow now
    p = np.exp(scores)
    total = p.sum(axis=1, keepdims=True)
    log_likelihood[:] = scores[rows, targets] - np.log(total[:, 0])
    scores[...] = p * (scale / total)
    scores[rows, targets] -= scale
    db += scores.sum(axis=0)


def log_softmax(scores):
    """log softmax of each row of scores (..., V)."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
