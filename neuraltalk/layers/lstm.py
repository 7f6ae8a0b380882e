"""The long short-term memory over packed sentences.

    [i f o g] = [1 x_t h_{t-1}] W       i, f, o through the sigmoid, g through tanh
    c_t = f * c_{t-1} + i * g
    h_t = o * c_t                       or o * tanh(c_t), the "tanh C" version

    N  sentences, longest first         sizes  (T,) how many of them still run at step t
    M  sum of sizes: rows of all steps, step after step ("packed"); a step's rows continue the first rows of the step before
    x  (M, E) inputs                    h, c   (M, H) hidden and cell states
    W  (1 + E + H, 4H) rows: bias, input, previous hidden; columns: input, forget, output gate, candidate
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.layers.twins import twin


class LSTMCache(NamedTuple):
    x: np.ndarray
    sizes: np.ndarray
    W: np.ndarray
    tanh_c: bool
    h0: np.ndarray
    c0: np.ndarray
    gates: np.ndarray                                       # (M, 4H) after their nonlinearities
    c: np.ndarray
    h: np.ndarray


def lstm_step(gates, recurrent, c_previous, W, tanh_c=False):
    """One step for N sentences, as decoding takes it: c_previous (N, H); returns h, c (N, H).

    gates (N, 4H) is x Wx with x (N, E), and is overwritten; recurrent (N, 4H) is h_{t-1} Wh. Decoding makes either product
    once for each distinct word and for each distinct state.
    """
    c, h = np.empty_like(c_previous), np.empty_like(c_previous)
    lstm_gates_forward(gates, recurrent, W[0], c_previous, tanh_c, c, h)
    return h, c


def input_weights(W):
    """The rows of W (1 + E + H, 4H) that meet the input: Wx (E, 4H)."""
    return W[1:len(W) - W.shape[1] // 4]


def recurrent_weights(W):
    """The rows of W (1 + E + H, 4H) that meet the previous hidden state: Wh (H, 4H)."""
    return W[len(W) - W.shape[1] // 4:]


def lstm_forward(x, sizes, W, tanh_c=False, h0=None, c0=None):
    """All steps of all sentences: one product for the inputs, then one a step for the recurrence.

    Arguments: x (M, E) packed, sizes (T,), W (1 + E + H, 4H); h0, c0 (N, H) the states before the first step, zeros if None.
    Returns: h (M, H) packed, cache.
    """
    M, E = x.shape
    N, H = int(sizes[0]), W.shape[1] // 4
    h0 = np.zeros((N, H), dtype=x.dtype) if h0 is None else h0
    c0 = np.zeros((N, H), dtype=x.dtype) if c0 is None else c0
    Wh = recurrent_weights(W)
    gates = x @ input_weights(W)                            # (M, 4H)
    h, c = np.empty((M, H), dtype=x.dtype), np.empty((M, H), dtype=x.dtype)
    h_previous, c_previous, start = h0, c0, 0
    for n in sizes:
        rows = slice(start, start + n)
        recurrent = h_previous[:n] @ Wh                     # (n, 4H)
        lstm_gates_forward(gates[rows], recurrent, W[0], c_previous[:n], tanh_c, c[rows], h[rows])
        h_previous, c_previous, start = h[rows], c[rows], start + n
    return h, LSTMCache(x, sizes, W, tanh_c, h0, c0, gates, c, h)


def lstm_backward(dh, cache):
    """Through time, last step first: from dh (M, H) to dx (M, E), dW like W, dh0 and dc0 (N, H).

    A state reaches the loss by its own output and by the next step: the two gradients add.
    """
    x, sizes, W, tanh_c, h0, c0, gates, c, h = cache
    Wh = recurrent_weights(W)
    starts = np.cumsum(sizes) - sizes                       # (T,) first row of each step
    dgates = np.empty_like(gates)                           # (M, 4H) by the gates before their nonlinearities
    h_previous = np.empty_like(h)                           # (M, H) what entered each step
    dh_next = np.zeros_like(h0)                             # (N, H) from the step after
    dc = np.zeros_like(c0)                                  # (N, H)
    for t in range(len(sizes) - 1, -1, -1):
        n = sizes[t]
        rows = slice(starts[t], starts[t] + n)
        before = slice(starts[t - 1], starts[t - 1] + n)    # the same sentences a step earlier; at t = 0 not used
        h_previous[rows] = h[before] if t else h0
        dh_next[:n] += dh[rows]
        lstm_gates_backward(dh_next[:n], gates[rows], c[rows], c[before] if t else c0, tanh_c, dc[:n], dgates[rows])
        np.matmul(dgates[rows], Wh.T, out=dh_next[:n])
    dW = np.empty_like(W)
    dgates.sum(axis=0, out=dW[0])
    np.matmul(x.T, dgates, out=input_weights(dW))           # (E, 4H)
    np.matmul(h_previous.T, dgates, out=recurrent_weights(dW))     # (H, 4H)
    dx = dgates @ input_weights(W).T                        # (M, E)
    return dx, dW, dh_next, dc


@twin
def lstm_gates_forward(gates, recurrent, b, c_previous, tanh_c, c, h):
    """One step's gates and states, in place: gates (n, 4H) holds x Wx on entry and [i f o g] on return.

    recurrent (n, 4H) is h_{t-1} Wh, b (4H,) the bias, c_previous (n, H); c and h (n, H) are filled.
    """
    n, H = c.shape
    gates += recurrent
    gates += b
    with np.errstate(over="ignore"):                        # far out exp is infinite, and 1 / (1 + exp) rightly 0
        gates[:, :3 * H] = 1 / (1 + np.exp(-gates[:, :3 * H]))
    gates[:, 3 * H:] = np.tanh(gates[:, 3 * H:])
    i, f, o, g = gates[:, :H], gates[:, H:2 * H], gates[:, 2 * H:3 * H], gates[:, 3 * H:]
    c[...] = f * c_previous + i * g
    h[...] = o * (np.tanh(c) if tanh_c else c)


@twin
def lstm_gates_backward(dh, gates, c, c_previous, tanh_c, dc, dgates):
    """Undo one step: dh (n, H) by h_t, dc (n, H) by c_t on entry and by c_{t-1} on return; dgates (n, 4H) is filled."""
    n, H = c.shape
    i, f, o, g = gates[:, :H], gates[:, H:2 * H], gates[:, 2 * H:3 * H], gates[:, 3 * H:]
    squashed = np.tanh(c) if tanh_c else c                  # h = o * squashed
    dc += dh * o * (1 - squashed ** 2 if tanh_c else 1)
    dgates[:, :H] = dc * g * i * (1 - i)                    # c = f * c_previous + i * g
    dgates[:, H:2 * H] = dc * c_previous * f * (1 - f)
    dgates[:, 2 * H:3 * H] = dh * squashed * o * (1 - o)
    dgates[:, 3 * H:] = dc * i * (1 - g ** 2)
    dc *= f
