"""The rectifier: y = max(0, x), element by element."""

import numpy as np

from neuraltalk.layers import kinks


def relu_forward(x):
    """y = max(0, x) for x of any shape: returns y and the cache, where x was positive."""
    kinks.note(x)
    return np.maximum(x, 0), x > 0


def relu_backward(dy, positive):
    """The gradient passes where the rectifier let x through: dx = dy where x > 0, else 0."""
    return dy * positive
