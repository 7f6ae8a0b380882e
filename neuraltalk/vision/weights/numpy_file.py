"""NumPy's .npz: arrays `conv1_1_W`, `conv1_1_b` ... `fc8_b`, and optionally `mean`, `scale`, `classes`, `source`.

Kernels are (O, I, 3, 3), connected layers (inputs, outputs), all as ours. Without `mean` and `scale` the network is
torchvision's. An often copied file, vgg16_weights.npz, has the same names with TensorFlow's arrangement and the
original network's input; the shape of conv1_1_W tells which it is.
"""

import math

import numpy as np

from neuraltalk.files import write_atomically
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.formats.npy import npy_header
from neuraltalk.formats.zips import open_zip
from neuraltalk.vision.weights import layout
from neuraltalk.vision.weights.layout import Found

MAX_TEXT = 1 << 20  # bytes of the names of the classes


def read(path, shapes):
    """Read a .npz -> Found. Raises UserError."""
    try:
        with open_zip(path) as archive:
            there = {name[:-4] for name in archive.namelist() if name.endswith(".npy")}
            chosen = layout.choose(path, shapes, lambda name: {f"{name}_W", f"{name}_b"} <= there)
            with archive.open("conv1_1_W.npy") as file:
                tensorflow = npy_header(file)[0][:2] == (3, 3)
            layers = {}
            for name, shape in chosen.items():
                expected = layout.file_shape(shape) if tensorflow else shape
                W = _array(path, archive, f"{name}_W", expected)
                b = _array(path, archive, f"{name}_b", (layout.outputs_of(shape),))
                if tensorflow and len(shape) == 4:
                    W = layout.from_kernel_first(W)
                if tensorflow and name == "fc6":
                    W = layout.from_channel_last(W)
                layers[name] = W, b
            mean, scale = layout.CAFFE_INPUT if tensorflow else layout.TORCH_INPUT
            if "mean" in there and "scale" in there:
                mean, scale = _array(path, archive, "mean", (3,)), _array(path, archive, "scale", (3,))
            classes = tuple(map(str, _text(path, archive, "classes").tolist())) if "classes" in there else ()
            source = str(_text(path, archive, "source")) if "source" in there else "VGG-16 (.npz)"
    except (OSError, *DAMAGED) as fault:
        raise damaged(path, fault) from None
    return Found(layers, mean, scale, classes, source)


def write(path, weights):
    """Write the convolutions of VGG16Weights, and what belongs to them, atomically."""
    arrays = {
        f"{name}_{key}": array
        for name, pair in zip(layout.CONVOLUTIONS, weights.convolutions)
        for key, array in zip("Wb", pair)
    }
    with write_atomically(path) as file:
        np.savez(file, **arrays, mean=weights.mean, scale=weights.scale, source=np.array(weights.source))


def _array(path, archive, name, shape):
    """An array of numbers, which must have this shape, as float32."""
    with archive.open(f"{name}.npy") as file:
        there, fortran, dtype = npy_header(file)
        layout.check_shape(path, name, there, shape)
        if dtype.kind != "f":
            raise ValueError(f"{name} holds no floating-point numbers")
        numbers = np.frombuffer(_content(file, math.prod(shape) * dtype.itemsize), dtype)
    return numbers.reshape(shape, order="F" if fortran else "C").astype(np.float32, copy=False)


def _text(path, archive, name):
    """An array of texts."""
    with archive.open(f"{name}.npy") as file:
        shape, _, dtype = npy_header(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind != "U" or len(shape) > 1 or size > MAX_TEXT:
            raise ValueError(f"{name} is no short list of texts")
        return np.frombuffer(_content(file, size), dtype).reshape(shape)


def _content(file, size):
    """The `size` bytes that must be left in a member of the archive; zipfile compares the checksum at its end."""
    content = file.read(size + 1)
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes of numbers where {size} should be")
    return content
