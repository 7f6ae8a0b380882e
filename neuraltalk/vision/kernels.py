"""Jitted twin of the k-means features' inner loop; `triangle.py` holds the definition."""

from numba import njit, prange


@njit(cache=True, parallel=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def triangle_pool(products, patch_norms, word_norms, cells, out):
    """Fill `out` (Y, G, K) with fourth powers of activations, summed along rows of patches; twin of triangle.triangle_pool.

    `products` (Y, X, K) serves as scratch and is overwritten by distances: the whole picture's distances stay in the
    cache and nothing else is allocated. Each row of patches is one thread's own.
    """
    Y, X, K = products.shape
    zero = products.dtype.type(0)
    two = products.dtype.type(2)
    for y in prange(Y):
        out[y] = zero
        for x in range(X):
            total = zero
            for k in range(K):
                squared = max(zero, patch_norms[y, x] + word_norms[k] - two * products[y, x, k])
                distance = squared**0.5
                products[y, x, k] = distance
                total += distance
            mean = total / products.dtype.type(K)
            g = cells[x]
            for k in range(K):
                activation = max(zero, mean - products[y, x, k])
                out[y, g, k] += (activation * activation) * (activation * activation)
