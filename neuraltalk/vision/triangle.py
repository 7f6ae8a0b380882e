"""The "triangle" activation of k-means features (Coates, Lee and Ng 2011), pooled along rows of patches."""

import numpy as np

from neuraltalk.layers.twins import twin


@twin
def triangle_pool(products, patch_norms, word_norms, cells, out):
    """Fill `out` with fourth powers of each word's activations, summed over the patches of a row that share a cell.

        z_k = ||x - c_k|| = sqrt(||x||^2 + ||c_k||^2 - 2 x.c_k)    distance of patch x to word k
        a_k = max(0, mean_j(z_j) - z_k)               words nearer than the average speak, others are 0
        out = sum of a_k^4                            see view.pool_grid for the power

    products:     (Y, X, K) x.c_k of the patch in row y, column x of the picture; may be overwritten
    patch_norms:  (Y, X) ||x||^2
    word_norms:   (K,) ||c_k||^2
    cells:        (X,) cell 0..G-1 of each column of patches
    out:          (Y, G, K), every element is set

    kernels.triangle_pool is its jitted twin.
    """
    squared = patch_norms[:, :, None] + word_norms - 2 * products  # (Y, X, K)
    distances = np.sqrt(np.maximum(squared, 0))  # rounding can make a zero slightly negative
    activations = np.maximum(distances.mean(axis=2, keepdims=True) - distances, 0)
    activations = np.square(np.square(activations))
    out[...] = 0
    for x, g in enumerate(cells):
        out[:, g] += activations[:, x]
