"""The nearest row: which of many vectors points most nearly where a given one does. Vectors come in blocks, never all at once."""

import numpy as np


def nearest(queries, blocks):
    """For each row of `queries` (n, D) the row of greatest cosine among all blocks -> its number (n,) and the cosine (n,).

    blocks: arrays (b, D), whose rows are numbered on from block to block. The first of equals wins; -1 if there is no row.
    """
    n = len(queries)
    unit = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    best, at, first = np.full(n, -np.inf, np.float32), np.full(n, -1), 0
    for block in blocks:
        cosines = unit @ (block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)).T  # (n, b)
        column = cosines.argmax(axis=1)
        value = cosines[np.arange(n), column]
        better = value > best
        best[better], at[better] = value[better], first + column[better]
        first += len(block)
    return at, best
