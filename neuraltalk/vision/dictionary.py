"""Learning a dictionary of patches: descriptors, whitening and k-means (Coates, Lee and Ng 2011, sections 3.1 and 3.2).

    symbol   meaning                                                              shape
    P, p     number of patches, side of a patch in pixels
    d        numbers that describe a patch: 3 p^2 normalised values + brightness
    D        numbers kept after whitening (D <= d)
    K        words of the dictionary
    x        a whitened patch                                                     (D,)
    c_k      word k: the mean of the whitened patches nearest to it               (K, D)
"""

import numpy as np


def patch_windows(canvas, size, stride):
    """Every patch of `canvas` (H, W, 3), `size` pixels square, `stride` apart -> (Y, X, size, size, 3), a view."""
    H, W, C = canvas.shape
    Y, X = (H - size) // stride + 1, (W - size) // stride + 1
    down, right, channel = canvas.strides
    return np.lib.stride_tricks.as_strided(
        canvas, (Y, X, size, size, C), (down * stride, right * stride, down, right, channel), writeable=False
    )


def describe_patches(patches, contrast_floor, brightness_weight):
    """Contrast-normalise `patches` (..., 3 p^2), values 0..1 -> descriptors (..., 3 p^2 + 1).

        x = (patch - m) / sqrt(variance + contrast_floor^2),  and  brightness_weight * (m - 1/2)

    with the mean m and the variance taken over all pixels and channels of the patch, as in the paper. The common mean
    leaves hue in the descriptor (a flat red patch is not a flat grey one), and the floor keeps flat patches flat.

    Differs from the paper: brightness is kept as one more number, since captions tell black from white.
    """
    mean = patches.mean(axis=-1, keepdims=True)
    centred = patches - mean
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    centred /= np.sqrt(variance + contrast_floor * contrast_floor)
    return np.concatenate([centred, brightness_weight * (mean - 0.5)], axis=-1)


def learn_whitening(descriptors, noise, kept):
    """Mean (d,) and whitening matrix (d, D) of `descriptors` (P, d): (x - mean) @ matrix has unit covariance, nearly.

        covariance = V diag(e) V^T,    matrix = V diag(1 / sqrt(e + noise))       the D = `kept` largest e

    The paper's ZCA whitening multiplies by V^T once more. That turns all patches and words alike and changes no
    distance, hence no feature; leaving it out allows directions of little variance to be dropped, which saves time.
    """
    mean = descriptors.mean(axis=0)
    centred = (descriptors - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))  # ascending
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1, 1)  # LAPACK leaves the sign open
    return mean, (vectors / np.sqrt(np.maximum(values, 0) + noise)).astype(descriptors.dtype)


def nearest_words(x, words):
    """Index (P,) of the word nearest to each row of `x` (P, D), the first one on a tie; words (K, D)."""
    nearest = np.empty(len(x), np.int64)
    half_norms = np.einsum("kd,kd->k", words, words) / 2  # ||x - c||^2 / 2 = ||c||^2 / 2 - x.c + the same for all words
    for start in range(0, len(x), 1024):  # a block's scores stay in the cache
        scores = x[start : start + 1024] @ words.T
        scores -= half_norms
        nearest[start : start + 1024] = scores.argmax(axis=1)
    return nearest


def learn_words(x, K, iterations, rng):
    """Dictionary (K, D) of `x` (P, D), P >= K, by Lloyd's k-means from K random patches.

    A word that no patch is nearest to starts again from a random patch.
    """
    P = len(x)
    words = x[rng.choice(P, K, replace=False)]
    for _ in range(iterations):
        nearest = nearest_words(x, words)
        counts = np.bincount(nearest, minlength=K)
        used = np.flatnonzero(counts)
        order = np.argsort(nearest, kind="stable")  # patches of one word stand together and are summed as a block
        starts = np.concatenate([[0], np.cumsum(counts[used])[:-1]])
        words = x[rng.choice(P, K, replace=False)]
        words[used] = np.add.reduceat(x[order], starts, axis=0) / counts[used, None].astype(x.dtype)
    return words
