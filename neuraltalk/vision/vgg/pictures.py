"""Pictures as VGG-16 wants them: 224 x 224 pixels, whatever they were, nothing cut off (PAPER section 4).

The published features were made by Caffe or Matlab after a bicubic resize. Both of the ways offered here take Keys's
cubic with a = -1/2, widened by the factor of shrinking, so that it averages:

    "pillow"   Pillow's resize. At the border it leaves out what lies outside the picture, and it rounds to whole grey
               levels between the two directions
    "matlab"   Matlab's imresize(image, [224 224]), which mirrors the picture at its border

They differ within two (shrunk) pixels of the border; elsewhere by one grey level at most.
"""

import numpy as np

SIDE = 224
RESIZES = ("pillow", "matlab")


def to_input(image, resize="pillow", side=SIDE):
    """The RGB PIL `image` -> (side, side, 3) uint8, its proportions giving way."""
    if resize == "matlab":
        return matlab_resize(np.asarray(image), side)
    from PIL import Image

    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def matlab_resize(pixels, side):
    """`pixels` (H, W, 3) uint8 -> (side, side, 3) uint8: each direction is a product with a matrix of weights."""
    H, W, _ = pixels.shape
    down, across = cubic_weights(H, side), cubic_weights(W, side)
    rows = np.tensordot(down, pixels.astype(np.float32), axes=1)  # (side, W, 3)
    resized = across @ rows  # (side, side, 3)
    return np.clip(np.floor(resized + 0.5), 0, 255).astype(np.uint8)


def cubic_weights(size, side):
    """The matrix (side, size) that brings `size` pixels in a row to `side`."""
    shrink = max(size / side, 1)  # the kernel is so many times as wide
    centre = (np.arange(side) + 0.5) * size / side - 0.5  # of each new pixel, counted in old ones
    first = np.floor(centre - 2 * shrink).astype(int)
    pixel = first[:, None] + np.arange(int(np.ceil(4 * shrink)) + 2)  # (side, P)
    weight = cubic((centre[:, None] - pixel) / shrink)
    weight /= weight.sum(axis=1, keepdims=True)
    mirrored = pixel % (2 * size)
    mirrored = np.minimum(mirrored, 2 * size - 1 - mirrored)  # ... 2 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
    matrix = np.zeros((side, size), np.float32)
    np.add.at(matrix, (np.arange(side)[:, None], mirrored), weight)
    return matrix


def cubic(x):
    """Keys's interpolation kernel (1981), a = -1/2: 1 at 0, 0 at all other whole numbers and from 2 on."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
