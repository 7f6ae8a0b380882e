"""Jitted twin of ROUGE-L's inner loop; rouge.py holds the definition."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def common_lengths(words, starts, image, N, out):
    """Twin of `rouge.common_lengths`: a pair at a time, in a row of the table as long as the reference.

    Some 30 times as fast for 25,000 references (benchmarks/scores.py).
    """
    longest = 0
    for s in range(N, len(image)):
        longest = max(longest, starts[s + 1] - starts[s])
    row = np.zeros(longest + 1, np.int64)
    for s in range(N, len(image)):
        c = image[s]
        length = starts[s + 1] - starts[s]
        row[: length + 1] = 0
        for i in range(starts[c], starts[c + 1]):
            diagonal = 0  # L[i - 1, j - 1]
            for j in range(length):
                above = row[j + 1]
                if words[i] == words[starts[s] + j]:
                    row[j + 1] = diagonal + 1
                else:
                    row[j + 1] = max(above, row[j])
                diagonal = above
        out[s - N] = row[length]
