"""The weights of VGG-16, the same whichever file they came from."""

from typing import NamedTuple


class VGG16Weights(NamedTuple):
    """What the network needs, normalised: RGB in, correlation (kernels not flipped), float32, C order."""

    convolutions: tuple  # 13 of (W (out, in, 3, 3), b (out,)), conv1_1 .. conv5_3
    connected: tuple  # 3 of (W (inputs, outputs), b (outputs,)), fc6 fc7 fc8, fc6's inputs by (channel, row, column); or ()
    mean: object  # (3,) RGB: the network's input is (pixels in 0..255 - mean) * scale
    scale: object  # (3,)
    classes: tuple  # the names of fc8's outputs, or ()
    fingerprint: str  # SHA-256 (hex) over the arrays above
    source: str  # what the file was, for messages
