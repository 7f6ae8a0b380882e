"""Word vectors from the training sentences themselves: words that stand in the same company get vectors that point the same way.

    n_ij    how often words i and j stand near each other: each time that they are d <= WINDOW words apart counts 1 / d
    P_ij  = max(0, log [ n_ij n / (n_i n~_j) ])       how much more often than by chance; n_i = sum_j n_ij, n = sum_i n_i,
                                                      n~_j = n n_j^SMOOTHING / sum_k n_k^SMOOTHING
    P    ~= U S V'                                    the E largest singular values
    x_i   = U_i S^(1/2), of root mean square 1

    V    vocabulary size, with START/END at 0           E    numbers of a vector

word2vec's vectors factorise nearly the same matrix (O. Levy, Y. Goldberg, *Neural Word Embedding as Implicit Matrix
Factorization*, NIPS 2014); the weights 1 / d, SMOOTHING and the square root are from O. Levy, Y. Goldberg, I. Dagan, *Improving
Distributional Similarity with Lessons Learned from Word Embeddings*, TACL 2015.
"""

import numpy as np

WINDOW = 4
SMOOTHING = 0.75  # makes rare company less telling than it would be
SURPLUS, ITERATIONS = 100, 4  # of the search for singular vectors


def vectors_from_sentences(pairs, V, E):
    """Vectors of the words of some sentences, a Pairs -> vectors (V, E) float32, found (V,) bool.

    Words that never have a neighbour (START/END, too) have none: zeros. Where P has fewer than E singular values, the
    numbers that are left are 0.
    """
    information = positive_information(cooccurrences(pairs, V))
    vectors = np.zeros((V, E))
    rank = min(E, V - 1)
    U, S = largest_singular_vectors(information, rank)
    vectors[:, :rank] = U * np.sqrt(S)
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))  # (V, 1)
    found = lengths[:, 0] > 1e-6 * lengths.max(initial=0)
    vectors[~found] = 0
    return (vectors * (E**0.5 / np.where(found[:, None], lengths, 1))).astype(np.float32), found


def cooccurrences(pairs, V):
    """n (V, V), symmetric, of the sentences of a Pairs: a scipy.sparse array."""
    from scipy.sparse import coo_array

    sentence = np.repeat(np.arange(len(pairs)), pairs.lengths)  # of each word
    counts = 0
    for d in range(1, WINDOW + 1):
        near = sentence[:-d] == sentence[d:]
        first, second = pairs.words[:-d][near], pairs.words[d:][near]
        weights = np.full(len(first), 1 / d)
        counts = counts + coo_array((weights, (first, second)), shape=(V, V)).tocsr()
    return counts + counts.T


def positive_information(counts):
    """P (V, V) of counts n, likewise sparse: the positive pointwise mutual information, smoothed."""
    n = counts.tocoo()
    often = np.asarray(counts.sum(axis=0)).ravel()  # (V,) n_i, and n_j as well
    total = often.sum()
    with np.errstate(divide="ignore", invalid="ignore"):  # of words without neighbours, which n has no entries of
        smoothed = total * often**SMOOTHING / np.sum(often**SMOOTHING)
        n.data = np.maximum(0, np.log(n.data * total / (often[n.row] * smoothed[n.col])))
    information = n.tocsr()
    information.eliminate_zeros()
    return information


def largest_singular_vectors(matrix, rank):
    """The `rank` largest singular values of a matrix (V, V), falling, and their left vectors: U (V, rank), S (rank,).

    What is multiplied by P P' again and again turns towards the largest ones: subspace iteration from random vectors, some more
    than are asked for (N. Halko, P.-G. Martinsson, J. Tropp, *Finding Structure with Randomness*, SIAM Review 2011, 4.4). The
    random vectors are always the same ones; ARPACK, behind scipy.sparse.linalg.svds, draws others each time that it begins anew.
    Where the sketch is as large as the matrix the result is exact, else to some parts in a thousand of the smallest of them.
    """
    V = matrix.shape[0]
    Q = np.random.default_rng(0).standard_normal((V, min(V, rank + SURPLUS)))
    for _ in range(ITERATIONS):
        Q, _ = np.linalg.qr(matrix @ Q)
        Q, _ = np.linalg.qr(matrix.T @ Q)
    Q, _ = np.linalg.qr(matrix @ Q)
    U, S, _ = np.linalg.svd((matrix.T @ Q).T, full_matrices=False)
    return (Q @ U)[:, :rank], S[:rank]
