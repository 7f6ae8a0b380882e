"""The weights of VGG-16: found, read from any of the usual files, and the same whichever file they came from.

The formats are recognised by their first bytes; nothing in a file is ever run. A file may hold the whole network or its
convolutions alone, which are enough for the conv5 features.
"""

import hashlib
import importlib
import os
import pathlib
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.formats.hdf5 import is_hdf5
from neuraltalk.formats.matlab5 import is_matlab5
from neuraltalk.formats.zips import open_zip
from neuraltalk.vision.weights import layout
from neuraltalk.vision.weights.cache import cache_folder
from neuraltalk.vision.weights.caffe_file import is_caffe
from neuraltalk.vision.weights.torch_file import MAGIC as TORCH_MAGIC

# Names that are looked for in the cache folder: whole networks first; then others with these endings
FILES = (
    "vgg16-397923af.pth",
    "imagenet-vgg-verydeep-16.mat",
    "VGG_ILSVRC_16_layers.caffemodel",
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    "vgg16_weights.npz",
    "vgg16.npz",
    "vgg16_conv.npz",
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
)
ENDINGS = (".pth", ".mat", ".caffemodel", ".h5", ".npz")
WHERE_FROM = (
    "`neuraltalk weights` fetches the convolutions (64 MB: conv5 features), `neuraltalk weights --whole` all of it (553 MB: fc7 "
    "too); or set NEURALTALK_WEIGHTS to torchvision's, MatConvNet's, Caffe's or Keras' file of VGG-16, or an .npz"
)
WHOLE_FROM = "`neuraltalk weights --whole` fetches all of VGG-16 (553 MB); or set NEURALTALK_WEIGHTS to a file with fc6, fc7 and fc8"


class VGG16Weights(NamedTuple):
    """What the network needs, normalised: RGB in, correlation (kernels not flipped), float32."""

    convolutions: tuple  # 13 of (W (out, in, 3, 3), b (out,)), conv1_1 .. conv5_3, in C order
    connected: tuple  # 3 of (W (inputs, outputs), b (outputs,)), fc6 fc7 fc8, fc6's inputs by (channel, row, column); or ()
    mean: object  # (3,) RGB: the network's input is (pixels in 0..255 - mean) * scale
    scale: object  # (3,)
    classes: tuple  # the names of fc8's outputs, or ()
    fingerprint: str  # SHA-256 (hex) over the arrays above
    source: str  # what the file was, for messages
    convolutions_fingerprint: str = ""  # the same without `connected`: what conv5 features depend on


def make_weights(layers, mean, scale, classes=(), source="VGG-16"):
    """VGG16Weights from arrays: layers name -> (W, b), the 13 convolutions and optionally fc6, fc7 and fc8."""
    arrays = {name: tuple(np.asarray(array, np.float32) for array in pair) for name, pair in layers.items()}
    convolutions = tuple(
        (np.ascontiguousarray(arrays[name][0]), np.ascontiguousarray(arrays[name][1])) for name in layout.CONVOLUTIONS
    )
    connected = tuple(arrays[name] for name in layout.CONNECTED if name in arrays)
    mean, scale = np.array(mean, np.float32), np.array(scale, np.float32)
    digest = hashlib.sha256(b"VGG-16")
    for array in (mean, scale, *(array for pair in convolutions for array in pair)):
        _add(digest, array)
    convolutions_fingerprint = digest.hexdigest()
    for array in (array for pair in connected for array in pair):
        _add(digest, array)
    return VGG16Weights(
        convolutions, connected, mean, scale, tuple(classes), digest.hexdigest(), source, convolutions_fingerprint
    )


def _add(digest, array):
    """Take an array into the digest; in pieces, since one that is a transposed view has to be copied."""
    digest.update(str(array.shape).encode())
    rows = max(1, (1 << 20) // max(1, array[0].size))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows], "<f4"))


def read_weights(path, connected=True, widths=None):
    """Read a file of weights -> VGG16Weights.

    connected: False leaves fc6, fc7 and fc8 in the file (nine tenths of it).
    widths: the number of outputs of each of the 16 layers; VGG-16's by default, and nothing else is accepted then: a
    VGG-19, or a network with other classes, shouldn't pass for it. Tests pass those of their thin networks.
    Raises UserError for a file that can't be read, is of none of the formats, damaged, or of another network.
    """
    path = pathlib.Path(path)
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large for 32 bits becomes infinite, which is refused next
        found = _reader(path)(path, layout.shapes_of(widths or layout.WIDTHS, connected))
    for name, arrays in found.layers.items():
        if not all(np.isfinite(edge).all() for array in arrays for edge in (array.min(), array.max())):
            raise UserError(f"{path}: {name} has numbers that are infinite or no numbers; fetch the file again")
    return make_weights(**found._asdict())


def _reader(path):
    """The reader of a file's format."""
    try:
        with open(path, "rb") as file:
            start = file.read(1 << 10)
    except OSError as fault:
        raise UserError(f"{path}: can't be read: {fault.strerror or fault}") from None
    module = _format(path, start)
    if module is None:
        raise UserError(f"{path}: no file of VGG-16's weights that is known here. {WHERE_FROM}")
    return importlib.import_module(f"neuraltalk.vision.weights.{module}").read


def _format(path, start):
    """The module that reads files that begin with `start`, or None."""
    if start.startswith(b"PK\3\4"):
        try:
            with open_zip(path) as archive:
                is_torch = any(name.endswith("/data.pkl") for name in archive.namelist())
        except (OSError, *DAMAGED) as fault:
            raise damaged(path, fault) from None
        return "torch_file" if is_torch else "numpy_file"
    if start.startswith(TORCH_MAGIC):
        return "torch_file"
    if is_matlab5(start) or (is_hdf5(start) and start.startswith(b"MATLAB")):
        return "matconvnet_file"
    if is_hdf5(start):
        return "keras_file"
    if start[:1] == b"\x80":
        return "lpips_file"
    return "caffe_file" if is_caffe(start) else None


def load_weights(path=None, fingerprint=None, connected=True):
    """Find (see candidates) and read -> VGG16Weights.

    fingerprint: the network that is wanted; of several files in the cache folder the one that holds it is taken.
    connected: whether fc6, fc7 and fc8 are needed. If not they aren't read, and `fingerprint` is to be the
    `convolutions_fingerprint`, which any file with these convolutions has.
    """
    others = []
    for file in candidates(path):
        weights = read_weights(file, connected)
        if connected and not weights.connected:
            others.append(f"{file} has only the convolutions")
        elif fingerprint in (None, weights.fingerprint):
            return weights
        else:
            others.append(f"{file} ({weights.source}) is another network than the one with fingerprint {fingerprint[:12]}...")
    raise UserError(f"{'; '.join(others)}. {WHOLE_FROM if connected else WHERE_FROM}")


def candidates(path=None):
    """The files that may be used: `path` if given, else NEURALTALK_WEIGHTS, else those in the cache folder, best first.

    Raises UserError if there is none.
    """
    chosen = path or os.environ.get("NEURALTALK_WEIGHTS")
    if chosen:
        file = pathlib.Path(chosen).expanduser()
        if not file.is_file():
            given = "" if path else " (from the environment variable NEURALTALK_WEIGHTS)"
            raise UserError(f"{chosen}: no such file of weights{given}. {WHERE_FROM}")
        return [file]
    folder = cache_folder()
    others = sorted(path.name for path in folder.glob("*") if path.suffix in ENDINGS and path.name not in FILES)
    there = [folder / name for name in (*FILES, *others) if (folder / name).is_file()]
    if not there:
        raise UserError(f"no weights of VGG-16 in {folder}. {WHERE_FROM}")
    return there
