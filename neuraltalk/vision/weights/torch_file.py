"""torchvision's vgg16-*.pth: what torch.save writes, in both its forms.

    since 1.6   a zip: NAME/data.pkl, a pickle of the dict, and the numbers of each storage in NAME/data/KEY
    before      a stream: pickles of a magic number, a version, the machine's properties, the dict and the list of the
                storages' keys, then for each storage its length (int64) and its numbers. torchvision publishes this one.

In the dict a tensor is a call of a function of PyTorch with a storage, an offset, a shape and strides, and a storage is a
reference to something outside the pickle. The closed unpickler knows these few names from here, and no others; PyTorch
isn't needed. Weights are (O, I, KH, KW) and (outputs, inputs), colours red, green, blue.
"""

import contextlib
import os
import struct
import zipfile
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.formats.zips import open_zip
from neuraltalk.pickles.pickle_machine import Dialect, Name, StandIn, as_text, refuse_name
from neuraltalk.pickles.unpickler import CALLS, load_next
from neuraltalk.vision.weights import layout
from neuraltalk.vision.weights.layout import Found

MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # the first pickle of a stream
MAX_PICKLE = 1 << 20  # bytes of all pickles; they need some 5000
MAX_STORAGE = 1 << 27  # numbers; fc6 has 103 million

# The places of the layers in torchvision's two sequences: activations and pooling count too, dropout as well
PLACES = dict(
    zip(
        layout.LAYERS,
        [f"features.{k}" for k in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
        + [f"classifier.{k}" for k in (0, 3, 6)],
    )
)
# torchvision's vgg16_features-*.pth is the original network's: its classifier is filled with NaN, its input is this
ORIGINAL_INPUT = (tuple(255 * mean for mean in (0.48235, 0.45882, 0.40784)), (1.0, 1.0, 1.0))


def read(path, shapes):
    """Read a .pth -> Found. Raises UserError."""
    with contextlib.ExitStack() as stack:
        try:
            with open(path, "rb") as file:
                streamed = file.read(len(MAGIC)) == MAGIC
            tensors, numbers = _open_stream(path) if streamed else _open_zip(path, stack)
            return _layers(path, shapes, tensors, numbers)
        except (OSError, *DAMAGED) as fault:
            raise damaged(path, fault) from None


def _layers(path, shapes, tensors, numbers):
    """The layers from a dict of tensors and a function storage -> its numbers."""
    if isinstance(tensors, dict) and isinstance(tensors.get("state_dict"), dict):
        tensors = tensors["state_dict"]
    if not isinstance(tensors, dict):
        raise UserError(f"{path}: holds a {type(tensors).__name__}, not a dict of tensors; save model.state_dict()")

    def array(name, shape):
        tensor = tensors[name]
        if type(tensor) is not _Tensor:
            raise UserError(f"{path}: {name} is no tensor")
        layout.check_shape(path, name, tensor.shape, shape)
        return tensor.of(numbers(tensor.storage)).astype(np.float32, copy=False)

    chosen = layout.choose(
        path, shapes, lambda layer: {f"{PLACES[layer]}.weight", f"{PLACES[layer]}.bias"} <= tensors.keys()
    )
    (mean, scale), source = layout.TORCH_INPUT, "torchvision's VGG-16 (.pth)"
    filler = tensors.get("classifier.0.bias")
    if type(filler) is _Tensor and np.isnan(array("classifier.0.bias", filler.shape)).all():
        (mean, scale), source = ORIGINAL_INPUT, "torchvision's copy of the original VGG-16's convolutions (.pth)"
        chosen = {name: chosen[name] for name in layout.CONVOLUTIONS}
    layers = {}
    for layer, shape in chosen.items():
        W = array(f"{PLACES[layer]}.weight", shape if len(shape) == 4 else shape[::-1])
        b = array(f"{PLACES[layer]}.bias", (layout.outputs_of(shape),))
        layers[layer] = (W if len(shape) == 4 else W.T), b
    return Found(layers, mean, scale, (), source)


# The two forms: each gives the dict, and a function from a _Storage to its numbers


def _open_zip(path, stack):
    archive = stack.enter_context(open_zip(path))
    folder = next(name for name in archive.namelist() if name.endswith("/data.pkl")).rpartition("/")[0]
    if archive.getinfo(f"{folder}/data.pkl").file_size > MAX_PICKLE:
        raise ValueError("the pickle in it is too long")
    with contextlib.suppress(KeyError), archive.open(f"{folder}/byteorder") as file:
        if file.read(100).strip() != b"little":
            raise UserError(f"{path}: written by a machine of the other byte order; save it again on this one")
    tensors, _ = load_next(archive.read(f"{folder}/data.pkl"), 0, path, _dialect({}))

    def numbers(storage):
        size = storage.size * storage.dtype.itemsize
        name = f"{folder}/data/{storage.key}"
        if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:  # so that no small file asks for much memory
            raise ValueError("a storage that is compressed, as torch.save never does")
        with archive.open(name) as file:
            content = file.read(size + 1)  # to its end, where zipfile compares the checksum
        if len(content) < size:
            raise ValueError("a storage is shorter than it says")
        return np.frombuffer(content, storage.dtype, storage.size)

    return tensors, numbers


def _open_stream(path):
    with open(path, "rb") as file:
        head = file.read(MAX_PICKLE)
    position, storages = len(MAGIC), {}
    version, position = load_next(head, position, path)
    properties, position = load_next(head, position, path)
    if version != 1001 or not isinstance(properties, dict) or properties.get("little_endian") is not True:
        raise UserError(f"{path}: an unknown version of PyTorch's format, or the other byte order; save it again")
    tensors, position = load_next(head, position, path, _dialect(storages))
    keys, position = load_next(head, position, path)
    places = {}
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        for key in map(as_text, keys):
            file.seek(position)
            (length,) = struct.unpack("<q", file.read(8))
            storage = storages[key]
            places[key] = position + 8
            position += 8 + length * storage.dtype.itemsize
            if length != storage.size or position > end:
                raise ValueError("a storage is shorter than it says")

    def numbers(storage):
        found = np.fromfile(path, storage.dtype, storage.size, offset=places[storage.key])
        if len(found) < storage.size:  # someone has cut the file meanwhile
            raise ValueError("a storage is shorter than it says")
        return found

    return tensors, numbers


# What stands in for PyTorch's names


class _Storage(NamedTuple):
    """A row of numbers elsewhere in the file."""

    key: str
    dtype: np.dtype
    size: int


class _Tensor(StandIn):
    """A view of a storage."""

    def __init__(self, storage, offset, shape, strides):
        if type(storage) is not _Storage or len(shape) != len(strides) or len(shape) > 8:
            raise ValueError("an impossible tensor")
        if not all(type(number) is int and 0 <= number < 2**40 for number in (offset, *shape, *strides)):
            raise ValueError("an impossible shape of a tensor")
        if min(shape, default=1) and offset + sum((n - 1) * step for n, step in zip(shape, strides)) >= storage.size:
            raise ValueError("a tensor reaches beyond its storage")
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)

    def of(self, numbers):
        """The tensor as an array, from its storage's numbers."""
        steps = tuple(step * numbers.itemsize for step in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps, writeable=False)

    def build(self, machine, state):
        """What old files say of a parameter besides its numbers: whether it is trained, and by which hooks."""


def _call_rebuild(machine, storage, offset, shape, strides, *unused):
    return _Tensor(storage, offset, shape, strides)


def _call_parameter(machine, tensor, *unused):
    if type(tensor) is not _Tensor:
        raise ValueError("a parameter that is no tensor")
    return tensor


_DTYPES = {"torch.FloatStorage": "<f4", "torch.DoubleStorage": "<f8", "torch.HalfStorage": "<f2"}


def _dialect(storages):
    """What may stand in the pickle of a dict of tensors. Fills `storages`, key -> _Storage."""

    def persistent(machine, reference):
        if type(reference) is not tuple or len(reference) not in (5, 6) or as_text(reference[0]) != "storage":
            raise ValueError("a reference to something other than numbers")
        _, kind, key, _, size = reference[:5]
        if type(kind) is not Name:
            raise ValueError("a storage of no type")
        if kind.name not in _DTYPES:
            refuse_name(kind.name)
        key = as_text(key)
        if type(size) is not int or not 0 <= size <= MAX_STORAGE or reference[5:] not in ((), (None,)):
            raise ValueError("an impossible storage")
        storage = _Storage(key, np.dtype(_DTYPES[kind.name]), size)
        if storages.setdefault(key, storage) != storage:
            raise ValueError("two descriptions of one storage")
        return storage

    calls = {
        **dict.fromkeys(_DTYPES),
        "collections.OrderedDict": CALLS["collections.OrderedDict"],
        "torch._utils._rebuild_tensor": _call_rebuild,
        "torch._utils._rebuild_tensor_v2": _call_rebuild,
        "torch._utils._rebuild_parameter": _call_parameter,
        "torch.nn.parameter.Parameter": _call_parameter,
    }
    return Dialect(calls, frozenset({"torch.nn.parameter.Parameter"}), persistent, attributed=True)
