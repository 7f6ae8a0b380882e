"""VGG-16 (Simonyan and Zisserman 2014, configuration D), forward only.

    13 convolutions in five blocks, each followed by a ReLU and each block by a maximum over 2 x 2, so that the map's
    side halves: 224, 112, 56, 28, 14, 7. Then three fully connected layers, fc6 and fc7 with a ReLU, and a softmax.

Every activation has its name: conv1_1, conv1_2, pool1, conv2_1 ... conv5_3, pool5, fc6, fc7, fc8, prob.
"""

import itertools
import math

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.layers.softmax import log_softmax
from neuraltalk.vision.vgg.convolution import convolve_relu, transform_filters
from neuraltalk.vision.vgg.pooling import max_pool
from neuraltalk.vision.weights.layout import CONNECTED, CONVOLUTIONS

BLOCKS = (2, 2, 3, 3, 3)  # convolutions in each
BATCH = 8  # pictures that are inside at once: the largest maps take 13 MB each


class VGG16:
    """The network with the weights of a VGG16Weights. Widths follow from the arrays."""

    def __init__(self, weights):
        self.weights = weights
        self._filters = [(transform_filters(W), b) for W, b in weights.convolutions]

    def forward(self, pixels, layer="fc7"):
        """The activation called `layer` of pictures (N, 224, 224, 3), RGB in 0..255 (any numeric type) -> float32.

        (N, channels, rows, columns) up to pool5, (N, outputs) behind it. At most BATCH pictures are inside at once, so
        memory is bounded beyond the result. Raises UserError for a layer that the weights don't reach.
        """
        self.check_layer(layer)
        parts = [self._forward(pixels[start : start + BATCH], layer) for start in range(0, max(1, len(pixels)), BATCH)]
        return np.concatenate(parts)

    @staticmethod
    def layers():
        """The names of all activations."""
        pools = (f"pool{block}" for block in range(1, len(BLOCKS) + 1))
        return (*CONVOLUTIONS, *pools, *CONNECTED, "prob")

    def check_layer(self, layer):
        """Raise UserError if the network has no such layer, or the weights end before it."""
        if layer not in self.layers():
            raise UserError(f"VGG-16 has no layer {layer!r:.40}; it has {', '.join(self.layers())}")
        if layer in (*CONNECTED, "prob") and not self.weights.connected:
            raise UserError(
                f"{self.weights.source}: has the convolutions of VGG-16 only, and {layer} lies behind them; take a file of the "
                "whole network, or the features vgg16-conv5"
            )

    def _forward(self, pixels, layer):
        x = next(x for name, x in self.activations(pixels) if name == layer)
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x

    def activations(self, pixels):
        """Yield (name, activation) of every layer in turn; maps have their channels last, (N, rows, columns, channels)."""
        weights = self.weights
        x = (pixels.astype(np.float32) - weights.mean) * weights.scale
        filters = iter(zip(CONVOLUTIONS, self._filters))
        for block, count in enumerate(BLOCKS, 1):
            for name, (U, b) in itertools.islice(filters, count):
                x = convolve_relu(x, U, b)
                yield name, x
            x = max_pool(x)
            yield f"pool{block}", x
        x = x.transpose(0, 3, 1, 2).reshape(len(x), math.prod(x.shape[1:]))  # fc6 reads channel by channel
        for name, (W, b) in zip(CONNECTED, weights.connected):
            x = x @ W + b
            if name != "fc8":
                np.maximum(x, 0, out=x)
            yield name, x
        yield "prob", np.exp(log_softmax(x))
