"""The layers of VGG-16: convolution 3 x 3 with ReLU, maximum over 2 x 2, softmax.

    N        pictures                  H, W   rows and columns of a map
    C, K     channels in and out

Maps have their channels last, (N, H, W, C). What is here convolves directly, by one matrix product with the nine
neighbours of each pixel side by side; winograd.py gets the same with fewer multiplications and is for many channels.
"""

import numpy as np

BLOCK = 1 << 22  # bytes of gathered neighbours, about


def convolve_relu(x, W, b):
    """max(0, x correlated with filters, borders padded by zeros, + b) -> (N, H, W, K).

        out[n, y, x, k] = max(0, b[k] + sum_{i, j, c} x[n, y + i - 1, x + j - 1, c] W[k, c, i, j])

    x (N, H, W, C), W (K, C, 3, 3), b (K,). Memory beyond the result: one block of rows of gathered neighbours.
    """
    N, H, width, C = x.shape
    K = len(W)
    out = np.empty((N, H, width, K), x.dtype)
    matrix = W.transpose(2, 3, 1, 0).reshape(9 * C, K)
    padded = np.zeros((H + 2, width + 2, C), x.dtype)
    rows = max(1, min(H, BLOCK // (9 * C * width * x.itemsize)))
    neighbours = np.empty((rows, width, 3, 3, C), x.dtype)
    for n in range(N):
        padded[1:-1, 1:-1] = x[n]
        for y in range(0, H, rows):
            count = min(rows, H - y)
            for i in range(3):
                for j in range(3):
                    neighbours[:count, :, i, j] = padded[y + i : y + i + count, j : j + width]
            block = out[n, y : y + count].reshape(count * width, K)  # a view
            np.matmul(neighbours[:count].reshape(count * width, 9 * C), matrix, out=block)
            block += b
            np.maximum(block, 0, out=block)
    return out


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
