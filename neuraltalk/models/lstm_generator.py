"""The LSTM that writes sentences: the image is its first input, then START and the words; outputs begin at START.

    v   (N, E) encoded images, longest sentence first       x  (M, E) encoded words, packed
    h   (M, H) hidden states that predict words             sizes (T,) sentences that still run at step t

Parameters: `WLSTM` ((1 + E + H) x 4H), see layers/lstm.py.
"""

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.layers.lstm import input_weights, lstm_backward, lstm_forward, lstm_step, recurrent_weights

REGULARISED = ("WLSTM",)
DECODER_SCALE = 1.0                 # of the initial range of Wd


def check_sizes(options):
    """Image and word vectors enter by the same rows of WLSTM, so they need one size."""
    if options.image_encoding_size != options.word_encoding_size:
        raise UserError(f"--image_encoding_size {options.image_encoding_size} and --word_encoding_size "
                        f"{options.word_encoding_size} differ: the LSTM takes both by the same input; make them equal")


def shapes(options):
    """Name -> shape of this generator's own parameters."""
    E, H = options.word_encoding_size, options.hidden_size
    return {"WLSTM": (1 + E + H, 4 * H)}


def hidden_forward(v, x, sizes, params, options):
    """h (M, H) of every step that predicts a word, and the cache."""
    N = len(v)
    inputs = np.concatenate([v, x])                         # (N + M, E): the image is one more step at the front
    steps = np.concatenate([[N], sizes])
    h, cache = lstm_forward(inputs, steps, params["WLSTM"], bool(options.tanhC_version))
    return h[N:], (N, cache)                                # what the image step puts out is thrown away


def hidden_backward(dh, cache):
    """From dh (M, H) to dv (N, E), dx (M, E) and the gradients of the parameters."""
    N, lstm_cache = cache
    dh_all = np.concatenate([np.zeros((N, dh.shape[1]), dtype=dh.dtype), dh])
    dinputs, dWLSTM, _, _ = lstm_backward(dh_all, lstm_cache)
    return dinputs[:N], dinputs[N:], {"WLSTM": dWLSTM}


def begin(v, params, options):
    """The states (h, c), each (N, H), after the image."""
    W = params["WLSTM"]
    gates = v @ input_weights(W)                            # (N, 4H)
    zeros = np.zeros((len(v), options.hidden_size), dtype=v.dtype)
    return lstm_step(gates, np.zeros_like(gates), zeros, W, bool(options.tanhC_version))


def advance(x, word, state, parent, params, options):
    """One word further. Row n reads the vector x[word[n]] after the state of row parent[n]; word, parent (N,).

    x (U, E) holds the vectors of distinct words, state arrays of P rows. Returns h (N, H) and the new state.
    """
    W = params["WLSTM"]
    h, c = state
    gates = (x @ input_weights(W))[word]                    # (N, 4H)
    recurrent = (h @ recurrent_weights(W))[parent]          # (N, 4H)
    state = lstm_step(gates, recurrent, c[parent], W, bool(options.tanhC_version))
    return state[0], state
