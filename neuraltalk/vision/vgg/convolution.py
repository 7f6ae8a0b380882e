"""Convolution 3 x 3 in a quarter of the multiplications (Winograd; Lavin and Gray 2015, F(4 x 4, 3 x 3)).

A map is cut into tiles of 4 x 4 results, each of which depends on 6 x 6 numbers d of the padded map. With the constant
matrices B, G, A below and a filter g (3 x 3), where * multiplies element by element,

    results = A^T [ (G g G^T) * (B^T d B) ] A                36 multiplications instead of 4 * 4 * 9 = 144

for one channel in and out. Over all channels the element-by-element products become 36 matrix products, one for each
place in the 6 x 6: V_p (T, C) @ U_p (C, K) = M_p (T, K). So the work is three steps, a block of tiles at a time:

    V = B^T d B     gathers and transforms tiles      transform_tiles
    M_p = V_p U_p   nearly all of the arithmetic      BLAS
    A^T M A         back, bias and ReLU               finish_tiles

    N        pictures                  H, W     rows and columns of a map
    C, K     channels in and out       Y, X     rows and columns of tiles: H / 4, W / 4, rounded up
    T        tiles of a block          LANES    channels that a kernel transforms together

The rounding error is some ten times that of the direct sum: 2e-6 relative in float32 with 256 channels.
"""

import numpy as np

from neuraltalk.layers.twins import twin
from neuraltalk.parallel import blas_threads, in_threads

TILE = 4
WINDOW = TILE + 2
PLACES = WINDOW * WINDOW
LANES = 64
BLOCK = 400  # tiles, about: fewer would use each U_p too little, more would leave the cache

# The polynomials behind them are evaluated at 0, 1, -1, 2, -2 and infinity.
BT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def transform_filters(W):
    """Filters W (K, C, 3, 3) -> U (36, C, K) = G g G^T of each, once and for all."""
    K, C, _, _ = W.shape
    U = np.kron(G, G) @ W.reshape(K * C, 9).T  # (36, K C), summed in float64
    return np.ascontiguousarray(U.reshape(PLACES, K, C).transpose(0, 2, 1), W.dtype)


def convolve_relu(x, U, b):
    """max(0, x correlated with filters, borders padded by zeros, + b): x (N, H, W, C), b (K,) -> (N, H, W, K).

    U: what transform_filters makes of the filters. Memory beyond the result: for each thread V and M of a block.
    """
    x = np.ascontiguousarray(x)
    N, H, W, C = x.shape
    K = len(b)
    Y, X = tiles(H, W)
    rows = max(1, min(BLOCK // X, N * Y // blas_threads()))  # of tiles, in a block
    out = np.empty((N, H, W, K), x.dtype)

    def some_blocks(start, stop):
        """Blocks start .. stop - 1, by one thread."""
        V = np.empty((rows * X, PLACES, C), x.dtype)
        M = np.empty((rows * X, PLACES, K), x.dtype)
        scratch = np.zeros(PLACES * LANES, x.dtype)  # one tile of LANES channels, in the first level of the cache
        for first in range(start * rows, min(stop * rows, N * Y), rows):
            T = min(rows, N * Y - first) * X
            transform_tiles(x, first, V[:T], scratch)
            np.matmul(V[:T].transpose(1, 0, 2), U, out=M[:T].transpose(1, 0, 2))  # (36, T, C) @ (36, C, K)
            finish_tiles(M[:T], b, first, out, scratch)

    in_threads(some_blocks, -(-N * Y // rows))
    return out


def tiles(H, W):
    """Rows and columns of tiles."""
    return -(-H // TILE), -(-W // TILE)


@twin
def transform_tiles(x, first, V, scratch):
    """Fill V (rows * X, 36, C) with B^T d B of the windows of some rows of tiles, from number `first` on.

    Rows of tiles are counted through all pictures. scratch is the kernel's.
    """
    N, H, W, C = x.shape
    Y, X = tiles(H, W)
    picture, row = np.divmod(first + np.arange(len(V) // X), Y)
    pictures = x[picture[0] : picture[-1] + 1]
    padded = np.pad(pictures, ((0, 0), (1, TILE * Y + 1 - H), (1, TILE * X + 1 - W), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW, WINDOW), axis=(1, 2))
    d = windows[:, ::TILE, ::TILE][picture - picture[0], row]  # (rows, X, C, 6, 6)
    B = BT.T.astype(x.dtype)
    V[...] = (B.T @ d @ B).transpose(0, 1, 3, 4, 2).reshape(V.shape)


@twin
def finish_tiles(M, b, first, out, scratch):
    """Write max(0, A^T M A + b) into `out` (N, H, W, K): M (rows * X, 36, K) of rows of tiles from number `first` on."""
    N, H, W, K = out.shape
    Y, X = tiles(H, W)
    rows = len(M) // X
    m = M.reshape(rows, X, WINDOW, WINDOW, K).transpose(0, 1, 4, 2, 3)
    A = AT.T.astype(M.dtype)
    results = A.T @ m @ A  # (rows, X, K, 4, 4)
    strips = results.transpose(0, 3, 1, 4, 2).reshape(rows, TILE, X * TILE, K)
    for k, strip in enumerate(strips):
        n, row = divmod(first + k, Y)
        part = out[n, row * TILE : (row + 1) * TILE]
        np.maximum(strip[: len(part), :W] + b, 0, out=part)
