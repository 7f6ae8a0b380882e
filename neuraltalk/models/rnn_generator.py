"""The multimodal RNN that writes sentences (eq 13-14), with the original's options.

    h_t = relu(v + e_t + h_{t-1} Whh + bhh)         e_t = x_t Wxh + bxh

`--rnn_relu_encoders 1` puts a rectifier on v and on e_t; `--rnn_feed_once 1` adds v at the first step only, as the paper
prefers.

    v  (N, H) encoded images, longest sentence first        x  (M, E) encoded words, packed
    h  (M, H) hidden states                                 sizes (T,) sentences that still run at step t
"""

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.layers.affine import affine_backward, affine_forward
from neuraltalk.layers.relu import relu_backward, relu_forward
from neuraltalk.layers.rnn import rnn_backward, rnn_forward, rnn_step

REGULARISED = ("Whh", "Wxh")
DECODER_SCALE = 0.1                 # of the initial range of Wd


def check_sizes(options):
    """The image vector is added to the hidden state, so the two need one size."""
    if options.image_encoding_size != options.hidden_size:
        raise UserError(f"--image_encoding_size {options.image_encoding_size} and --hidden_size {options.hidden_size} "
                        "differ: the RNN adds the image to its hidden state; make them equal")


def shapes(options):
    """Name -> shape of this generator's own parameters."""
    E, H = options.word_encoding_size, options.hidden_size
    return {"Wxh": (E, H), "bxh": (1, H), "Whh": (H, H), "bhh": (1, H)}


def _encode(v, x, params, options):
    """v and e = x Wxh + bxh, rectified if the options say so; and the cache."""
    e, affine_cache = affine_forward(x, params["Wxh"], params["bxh"])
    v_cache = e_cache = None
    if options.rnn_relu_encoders:
        v, v_cache = relu_forward(v)
        e, e_cache = relu_forward(e)
    return v, e, (v_cache, affine_cache, e_cache)


def hidden_forward(v, x, sizes, params, options):
    """h (M, H) of every step, and the cache."""
    v, e, encoder_cache = _encode(v, x, params, options)
    steps = sizes[:1] if options.rnn_feed_once else sizes   # the steps that see the image
    start = 0
    for n in steps:
        e[start:start + n] += v[:n]
        start += n
    h, rnn_cache = rnn_forward(e, sizes, params["Whh"], params["bhh"])
    return h, (v, steps, encoder_cache, rnn_cache)


def hidden_backward(dh, cache):
    """From dh (M, H) to dv (N, H), dx (M, E) and the gradients of the parameters."""
    v, steps, (v_cache, affine_cache, e_cache), rnn_cache = cache
    de, dWhh, dbhh, _ = rnn_backward(dh, rnn_cache)
    dv = np.zeros_like(v)
    start = 0
    for n in steps:                                         # every step that saw the image adds to its gradient
        dv[:n] += de[start:start + n]
        start += n
    if v_cache is not None:
        dv = relu_backward(dv, v_cache)
        de = relu_backward(de, e_cache)
    dx, dWxh, dbxh = affine_backward(de, affine_cache)
    return dv, dx, {"Wxh": dWxh, "bxh": dbxh, "Whh": dWhh, "bhh": dbhh}


def begin(v, params, options):
    """The state before START: no hidden activity, and the encoded image (N, H) that the next step will see."""
    if options.rnn_relu_encoders:
        v, _ = relu_forward(v)
    return np.zeros_like(v), v


def advance(x, word, state, parent, params, options):
    """One word further. Row n reads the vector x[word[n]] after the state of row parent[n]; word, parent (N,).

    x (U, E) holds the vectors of distinct words, state arrays of P rows. Returns h (N, H) and the new state.
    """
    h, v = state[0], state[1][parent]                       # (P, H), (N, H)
    e, _ = affine_forward(x, params["Wxh"], params["bxh"])  # (U, H)
    if options.rnn_relu_encoders:
        e, _ = relu_forward(e)
    h = rnn_step(e[word] + v, (h @ params["Whh"])[parent], params["bhh"])
    return h, (h, np.zeros_like(v) if options.rnn_feed_once else v)
