"""The layers of VGG-16: convolution 3 x 3 with ReLU, maximum over 2 x 2, fully connected, softmax.

    N        pictures                      H, W   rows and columns of a map
    C, K     channels in and out

Maps have their channels last, (N, H, W, C).
"""

import numpy as np


def convolve_relu(x, W, b):
    N, H, width, C = x.shape
    K = len(W)
    out = np.empty((N, H, width, K), x.dtype)
    matrix = np.ascontiguousarray(W.transpose(2, 3, 1, 0).reshape(9 * C, K))
    rows = max(1, (1 << 18) // (9 * C * width))
    for n in range(N):
        padded = np.pad(x[n], ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))  # (H, W, C, 3, 3)
        for y in range(0, H, rows):
            block = windows[y : y + rows].transpose(0, 1, 3, 4, 2).reshape(-1, 9 * C)
            out[n, y : y + rows] = (block @ matrix + b).reshape(-1, width, K)
    return np.maximum(out, 0, out=out)


def max_pool(x):
    """The maximum over each 2 x 2 square (N, H, W, C) -> (N, H // 2, W // 2, C); an odd last row or column is left out."""
    N, H, W, C = x.shape
    x = x[:, : H // 2 * 2, : W // 2 * 2]
    return np.maximum(
        np.maximum(x[:, 0::2, 0::2], x[:, 0::2, 1::2]), np.maximum(x[:, 1::2, 0::2], x[:, 1::2, 1::2])
    )


def softmax(scores):
    """Each row's probabilities (N, K)."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
