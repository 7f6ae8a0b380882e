"""The objective of the alignment model: an image and its own sentence beat all others by a margin (eq 9).

    S  (K, K) score of image k with sentence l; the pairs that belong together are on the diagonal
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.layers import kinks


class RankingLoss(NamedTuple):
    """What a batch of K pairs gives."""

    cost: float
    dS: np.ndarray                                          # (K, K) its derivative
    violations: int                                         # terms above 0, of 2 K (K - 1)


def ranking_loss(S, margin=1.0, scale=1.0):
    """C = scale * sum_k [ sum_{l != k} max(0, S_kl - S_kk + margin) + sum_{l != k} max(0, S_lk - S_kk + margin) ]

    Forward and backward are one function, for the derivative is a count of the terms above 0.
    Differs from the paper: the terms l = k are left out; as printed they only add 2 * margin for each k.

    Arguments: S (K, K), scale, the factor of the loss (1 / K). Returns: a RankingLoss; of one image it is 0.
    """
    K, _ = S.shape
    own = np.diagonal(S)                                    # (K,)
    sentences = S - own[:, None] + S.dtype.type(margin)     # (K, K) row k: image k with every sentence
    images = S - own[None, :] + S.dtype.type(margin)        # (K, K) column k: every image with sentence k
    cost, dS, violations = 0.0, np.zeros_like(S), 0
    for terms, axis in ((sentences, 1), (images, 0)):
        np.fill_diagonal(terms, 0)
        kinks.note(terms)
        active = ~(terms <= 0)                              # what isn't a number counts, and then the cost is none
        cost += float(np.sum(terms, where=active, dtype=np.float64))
        dS += active
        np.fill_diagonal(dS, np.diagonal(dS) - active.sum(axis=axis))
        violations += int(active.sum())
    dS *= S.dtype.type(scale)
    return RankingLoss(scale * cost, dS, violations)
