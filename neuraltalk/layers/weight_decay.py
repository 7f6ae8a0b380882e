"""The penalty on large weights: cost = strength / 2 * sum of W^2, added to a gradient in one pass over both."""

import numpy as np

from neuraltalk.layers.twins import twin


def weight_decay(W, dW, strength):
    """Add strength * W to dW, in place, and return the penalty; W and dW of any one shape, contiguous."""
    squares = np.zeros(1)
    decay(W.reshape(-1), W.dtype.type(strength), dW.reshape(-1), squares)
    return strength / 2 * float(squares[0])


@twin
def decay(w, strength, dw, squares):
    """dw += strength * w, and the sum of w^2 is added to squares (1,), in float64."""
    dw += strength * w
    squares += np.square(w, dtype=np.float64).sum()
