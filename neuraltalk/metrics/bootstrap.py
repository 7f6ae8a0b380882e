"""How far a figure would move if other images had been drawn: the bootstrap (Efron 1979).

Images are drawn again, as many as there are, with replacement, and the figure is computed anew; from a thousand such draws the
middle 95 % are the interval. Figures are functions of sums over images, so a draw is a row of counts and all of them are a
matrix product. CIDEr's weights of n-grams stay those of the whole set.

The draws depend on the seed and the number of images only. So two systems on the same images see the same draws, and the interval
of their difference, which is narrower than the two intervals suggest, comes by subtraction.
"""

import numpy as np

DRAWS_AT_ONCE = 100  # bounds memory: 4 MB for 5000 images


def resampled(scores, draws=1000, seed=0):
    """The figures of `draws` selections: name -> (draws,). scores: a scores.Scores."""
    N = len(scores.counts)
    rng = np.random.default_rng(seed)
    parts = []
    for first in range(0, draws, DRAWS_AT_ONCE):
        B = min(DRAWS_AT_ONCE, draws - first)
        drawn = rng.integers(N, size=(B, N)) + N * np.arange(B)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=B * N).reshape(B, N)
        parts.append(scores.figures(weights.astype(float)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(values, level=0.95):
    """The middle `level` of resampled values -> (low, high)."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
