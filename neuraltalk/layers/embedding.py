"""Word vectors: row `words[m]` of a table W.

    words  (M,) indices of words        W  (V, E) a vector for each word of the vocabulary
    x      (M, E) their vectors
"""

import numpy as np

from neuraltalk.layers.twins import twin


def embedding_forward(words, W):
    """x_m = W[words_m]: returns x (M, E) and the cache (words, rows of W)."""
    return W[words], (words, len(W))


def embedding_backward(dx, cache):
    """A word that stood in several places gets the sum of their gradients: from dx (M, E) to dW (V, E)."""
    words, V = cache
    dW = np.zeros((V, dx.shape[1]), dtype=dx.dtype)         # (V, E)
    scatter_add(dx, words, dW)
    return dW


@twin
def scatter_add(dx, words, dW):
    """dW[words_m] += dx_m for every row m, repeated words included."""
    np.add.at(dW, words, dx)
