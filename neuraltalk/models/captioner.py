"""The captioner: an image and the words so far give the next word (section 3.2 of the paper).

    v = drop(CNN(I) We + be)                    the image, encoded               (eq 13)
    x_t = drop(Ws[word_t])                      the words, encoded
    h_t = LSTM or RNN of v and x_1 .. x_t       lstm_generator.py, rnn_generator.py (eq 14)
    y_t = softmax(drop(h_t) Wd + bd)            the next word, END among them    (eq 15)

    CNN(I) may be scaled first (--image_scale, 1 in the original). Features of norm 70 with weights of 0.1 begin far out on the
    gates' slopes; scaled down, the image is learned more slowly than the words, and overfits less.

    cost = [ -sum log y_t[target_t] + regc / 2 * sum of W^2 over the weight matrices ] / N

    N  sentences      M  their words with END, packed (data/packing.py)     D  image features
    E  encoding       H  hidden size                                        V  vocabulary with START/END at 0

What is dropped is a copy that goes upwards; the recurrence itself sees the undropped state.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from neuraltalk.layers.affine import affine_backward, affine_forward
from neuraltalk.layers.dropout import dropout_backward, dropout_forward
from neuraltalk.layers.embedding import embedding_backward, embedding_forward
from neuraltalk.layers.overflow import quiet
from neuraltalk.layers.softmax import softmax_cross_entropy
from neuraltalk.layers.weight_decay import weight_decay
from neuraltalk.models import lstm_generator, rnn_generator

GENERATORS = {"lstm": lstm_generator, "rnn": rnn_generator}


@dataclasses.dataclass(frozen=True)
class CaptionerOptions:
    """What defines the model, under the original's names."""

    generator: str = "lstm"
    image_encoding_size: int = 256
    word_encoding_size: int = 256
    hidden_size: int = 256
    tanhC_version: int = 0
    rnn_relu_encoders: int = 0
    rnn_feed_once: int = 0
    drop_prob_encoder: float = 0.5
    drop_prob_decoder: float = 0.5
    regc: float = 1e-8
    image_scale: float = 1.0        # ours: factor of the image features, see the top of the file

    @classmethod
    def of(cls, options):
        """The model's share of a larger options object or of a checkpoint's `params` dict; what is missing has its default."""
        values = options if isinstance(options, dict) else vars(options)
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls) if field.name in values})


class Loss(NamedTuple):
    """What one batch gives: the costs per sentence, the gradients of the total, and the sums behind the perplexity."""

    total_cost: float
    loss_cost: float
    reg_cost: float
    grads: dict
    log_likelihood: float           # natural logarithm, summed over the words
    words: int                      # END included


class Captioner:
    """Options and parameters; `params` maps the original's names to arrays, which only the solver changes."""

    def __init__(self, options, params):
        self.options = options
        self.params = {name: np.ascontiguousarray(array) for name, array in params.items()}
        self.generator = GENERATORS[options.generator]

    @classmethod
    def initialise(cls, options, image_dimension, log_frequencies, rng, dtype=np.float32):
        """Weights uniform in [-0.1, 0.1] (the RNN's Wd a tenth of that), biases 0, bd the words' log frequencies.

        log_frequencies (V,) has its maximum at 0; starting there takes the first perplexity from thousands to hundreds.
        """
        generator = GENERATORS[options.generator]
        generator.check_sizes(options)
        params = {}
        for name, shape in parameter_shapes(options, image_dimension, len(log_frequencies)).items():
            if name.startswith("b"):
                params[name] = np.zeros(shape, dtype=dtype)
            else:
                scale = 0.1 * (generator.DECODER_SCALE if name == "Wd" else 1.0)
                params[name] = rng.uniform(-scale, scale, size=shape).astype(dtype)
        params["bd"][0] = log_frequencies
        return cls(options, params)

    def regularised(self):
        """Names of the weight matrices that the penalty covers."""
        return ("We", "Ws", *self.generator.REGULARISED, "Wd")

    def loss(self, batch, rng=None):
        """Costs and gradients of a batch (data/batches.py); with a Generator `rng` dropout is on.

        Of parts of a batch all numbers, and the gradients, add up to those of the whole.
        """
        params, options = self.params, self.options
        inputs, targets, sizes, _ = batch.sentences
        part = batch.part
        N, share = part.sizes(len(batch.features))

        v, image_cache = self._encode_images(batch.features)                               # (N, E)
        v, v_dropout = dropout_forward(v, options.drop_prob_encoder, rng, part.sentences)
        x, word_cache = embedding_forward(inputs, params["Ws"])                            # (M, E)
        x, x_dropout = dropout_forward(x, options.drop_prob_encoder, rng, part.words)
        h, hidden_cache = self.generator.hidden_forward(v, x, sizes, params, options)      # (M, H)
        dropped, h_dropout = dropout_forward(h, options.drop_prob_decoder, rng, part.words)
        log_likelihood, dscores, dbd = softmax_cross_entropy(dropped @ params["Wd"], params["bd"], targets, 1 / N)

        ddropped = dscores @ params["Wd"].T                                                # (M, H)
        grads = {"Wd": dropped.T @ dscores, "bd": dbd}
        dh = dropout_backward(ddropped, h_dropout)
        dv, dx, hidden_grads = self.generator.hidden_backward(dh, hidden_cache)
        grads.update(hidden_grads)
        grads["Ws"] = embedding_backward(dropout_backward(dx, x_dropout), word_cache)
        _, grads["We"], grads["be"] = affine_backward(dropout_backward(dv, v_dropout), image_cache, need_dx=False)

        strength = share * self.options.regc / N
        reg_cost = sum(weight_decay(params[name], grads[name], strength) for name in self.regularised())
        total = float(log_likelihood.sum())
        return Loss(reg_cost - total / N, -total / N, reg_cost, grads, total, len(targets))

    def _encode_images(self, features):
        """v = scaled CNN(I) We + be: features (N, D) to v (N, E), and the cache."""
        if self.options.image_scale != 1:
            features = features * features.dtype.type(self.options.image_scale)
        return affine_forward(features, self.params["We"], self.params["be"])

    @quiet()
    def log_likelihood(self, batch):
        """(sum of log y_t[target_t] with the natural logarithm, number of words END included), dropout off."""
        scores = self.scores(batch)
        log_likelihood, _, _ = softmax_cross_entropy(scores, np.zeros_like(self.params["bd"]), batch.sentences.targets)
        return float(log_likelihood.sum()), len(log_likelihood)

    @quiet()
    def scores(self, batch):
        """Unnormalised scores (M, V) of every packed row, dropout off."""
        params = self.params
        v, _ = self._encode_images(batch.features)
        x, _ = embedding_forward(batch.sentences.inputs, params["Ws"])
        h, _ = self.generator.hidden_forward(v, x, batch.sentences.sizes, params, self.options)
        scores, _ = affine_forward(h, params["Wd"], params["bd"])
        return scores

    @quiet()
    def begin(self, features):
        """The decoder's state after the image, before START: features (K, D) to a tuple of arrays with K rows."""
        v, _ = self._encode_images(features.astype(self.params["We"].dtype, copy=False))
        return self.generator.begin(v, self.params, self.options)

    @quiet()
    def advance(self, state, parent, words):
        """Row r reads words[r] after the state of row parent[r]: the scores (R, V) of the word after it, and the new state."""
        # Beams share words and beginnings. Each distinct word goes through the encoder once, each distinct state through the recurrence.
        distinct, word = np.unique(words, return_inverse=True)
        used, parent = np.unique(parent, return_inverse=True)
        x, _ = embedding_forward(distinct, self.params["Ws"])
        state = tuple(array[used] for array in state)
        h, state = self.generator.advance(x, word, state, parent, self.params, self.options)
        scores, _ = affine_forward(h, self.params["Wd"], self.params["bd"])
        return scores, state


def parameter_shapes(options, image_dimension, vocabulary_size):
    """Name -> shape of every parameter; image_dimension is D, vocabulary_size V counts START/END."""
    E, H, V = options.word_encoding_size, options.hidden_size, vocabulary_size
    return {
        "We": (image_dimension, options.image_encoding_size),
        "be": (1, options.image_encoding_size),
        "Ws": (V, E),
        **GENERATORS[options.generator].shapes(options),
        "Wd": (H, V),
        "bd": (1, V),
    }
