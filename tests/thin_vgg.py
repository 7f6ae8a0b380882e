"""A VGG-16 with few channels and random weights, for tests."""

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.vision.vgg.network import BLOCKS
from neuraltalk.vision.weights import vgg16
from neuraltalk.vision.weights.layout import CONNECTED, CONVOLUTIONS

WIDTHS = (3, 4, 5, 6, 7)


def thin_weights(seed=0, side=224, connected=(9, 8, 10), widths=WIDTHS, source="thin.npz"):
    """VGG16Weights with `widths` channels in the five blocks, fc layers of `connected` outputs for pictures of `side`."""
    rng = np.random.default_rng(seed)
    sizes = [width for width, count in zip(widths, BLOCKS) for _ in range(count)]
    layers, C = {}, 3
    for name, K in zip(CONVOLUTIONS, sizes):
        layers[name] = rng.normal(0, np.sqrt(2 / (9 * C)), (K, C, 3, 3)), rng.normal(0, 0.1, K)
        C = K
    inputs = C * (side // 32) ** 2
    for name, outputs in zip(CONNECTED, connected):
        layers[name] = rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)), rng.normal(0, 0.1, outputs)
        inputs = outputs
    return vgg16.make_weights(layers, (120, 110, 100), (1 / 60, 1 / 55, 1 / 50), source=source)


def use_weights(monkeypatch, weights):
    """Let load_weights find these."""

    def load(path=None, fingerprint=None, connected=True):
        found = weights if connected else weights._replace(connected=(), fingerprint=weights.convolutions_fingerprint)
        if fingerprint not in (None, found.fingerprint):
            raise UserError(f"{weights.source} is another network")
        return found

    monkeypatch.setattr(vgg16, "load_weights", load)
