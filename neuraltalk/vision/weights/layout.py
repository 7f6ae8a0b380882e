"""What every file of VGG-16 must hold, and the arrangements in which the formats hold it.

    O, I    channels out and in; a kernel is KH x KW = 3 x 3
    ours    convolutions (O, I, KH, KW), connected layers (inputs, outputs), fc6's inputs in the order (channel, row,
            column) of the 512 x 7 x 7 numbers that pool5 leaves; colours red, green, blue

A reader is a function of a path and the wanted `shapes` that returns a Found. It compares each shape with the file's
before it reads the numbers, so that no file can ask for more memory than the network has.
"""

from typing import NamedTuple

from neuraltalk.errors import UserError

CONVOLUTIONS = tuple(
    f"conv{block}_{k}" for block, layers in enumerate((2, 2, 3, 3, 3), start=1) for k in range(1, layers + 1)
)
CONNECTED = ("fc6", "fc7", "fc8")
LAYERS = CONVOLUTIONS + CONNECTED
WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 4096, 4096, 1000)  # outputs of each layer
GRID = 7  # pool5 leaves GRID x GRID places

# Two ways to prepare the picture: (pixels in 0..255 - mean) * scale, colours red, green, blue.
CAFFE_INPUT = ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0))  # the original network's, by Oxford's VGG
TORCH_INPUT = (  # torchvision's, trained anew: pixels in 0..1, mean and deviation of ImageNet
    tuple(255 * mean for mean in (0.485, 0.456, 0.406)),
    tuple(1 / (255 * deviation) for deviation in (0.229, 0.224, 0.225)),
)


class Found(NamedTuple):
    """What a reader returns."""

    layers: dict  # name -> (W, b), arranged as ours; either the convolutions, or all
    mean: object  # (3,)
    scale: object  # (3,)
    classes: tuple  # the names of fc8's outputs, or ()
    source: str  # what the file is, for messages


def shapes_of(widths=WIDTHS, connected=True):
    """name -> shape of W, arranged as ours; b has as many numbers as W has outputs."""
    inputs = (3, *widths)
    shapes = {name: (widths[k], inputs[k], 3, 3) for k, name in enumerate(CONVOLUTIONS)}
    if connected:
        shapes["fc6"] = (inputs[13] * GRID * GRID, widths[13])
        shapes["fc7"] = (widths[13], widths[14])
        shapes["fc8"] = (widths[14], widths[15])
    return shapes


def choose(path, shapes, has):
    """The layers to read from a file that `has(name)` or hasn't a layer: all in `shapes`, or the convolutions alone.

    Returns name -> shape. Raises UserError if a convolution is missing.
    """
    missing = [name for name in CONVOLUTIONS if not has(name)]
    if missing:
        raise UserError(f"{path}: no layer {missing[0]} in it; expected the 16-layer network of VGG, or its convolutions")
    complete = all(has(name) for name in CONNECTED)
    return {name: shape for name, shape in shapes.items() if complete or name in CONVOLUTIONS}


def outputs_of(shape):
    """The number of outputs of a layer whose W has this shape."""
    return shape[0] if len(shape) == 4 else shape[1]


def check_shape(path, name, shape, expected):
    """Refuse an array of another network."""
    if tuple(shape) != tuple(expected):
        raise UserError(
            f"{path}: {name:.80} is {by(shape)} where VGG-16 has {by(expected)}; "
            "expected its 16-layer network (configuration D), without batch normalisation"
        )


def by(shape):
    """A shape for people: 64 x 3 x 3 x 3."""
    return " x ".join(map(str, shape)) or "a single number"


# From the other arrangements to ours. TensorFlow and MATLAB keep kernels as (KH, KW, I, O), and pool5's numbers with the
# channel last: fc6's inputs are (row, column, channel) there.


def file_shape(shape):
    """The shape (KH, KW, I, O) of a convolution's W, of which ours is `shape`; a connected layer's stays."""
    return (shape[2], shape[3], shape[1], shape[0]) if len(shape) == 4 else shape


def from_kernel_first(W):
    """(KH, KW, I, O) -> (O, I, KH, KW)."""
    return W.transpose(3, 2, 0, 1)


def from_channel_last(W):
    """fc6's inputs in the order (row, column, channel) -> (channel, row, column)."""
    inputs, outputs = W.shape
    W = W.reshape(GRID, GRID, inputs // GRID**2, outputs)
    return W.transpose(2, 0, 1, 3).reshape(inputs, outputs)
