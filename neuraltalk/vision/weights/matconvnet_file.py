"""MatConvNet's imagenet-vgg-verydeep-16.mat: a MATLAB struct of layers.

`layers` is a cell of structs with `name` and either `weights` {filters, biases} or, before 2015, `filters` and `biases`.
Filters are H x W x I x O, those of fc6 7 x 7 x 512 x 4096: the connected layers are convolutions there. Colours are red,
green, blue, pixels 0..255 minus `averageImage` (in meta.normalization, or normalization), class names in
`classes.description`. The file is MATLAB 5's; saved again with -v7.3 it is read too.

MATLAB keeps arrays column by column, so the file's bytes are (O, I, W, H) row by row.
"""

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats import matlab5
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.vision.weights import layout
from neuraltalk.vision.weights.layout import Found

VARIABLES = ("layers", "meta", "normalization", "classes")
MOST = 700_000_000  # bytes that they may take; the whole network has 553 million


def read(path, shapes):
    """Read a .mat -> Found. Raises UserError."""
    try:
        values = _values(path)
        if "layers" not in values:
            raise UserError(f"{path}: no variable 'layers'; expected MatConvNet's imagenet-vgg-verydeep-16.mat")
        meta = {**values, **(values.get("meta") or {})}
        there = {layer["name"]: layer for layer in values["layers"] if isinstance(layer, dict)}
        layers = {}
        for name, shape in layout.choose(path, shapes, there.__contains__).items():
            filters, biases = there[name].get("weights") or (there[name]["filters"], there[name]["biases"])
            layout.check_shape(path, name, np.shape(filters), _filters_shape(name, shape))
            layout.check_shape(path, f"{name}'s bias", (np.size(biases),), (layout.outputs_of(shape),))
            layers[name] = _arranged(filters, shape), biases.ravel().astype(np.float32)
        mean = _mean(path, meta["normalization"]["averageImage"])
        classes = tuple(map(str, (meta.get("classes") or {}).get("description") or ()))
    except (OSError, *DAMAGED) as fault:
        raise damaged(path, fault) from None
    return Found(layers, mean, (1, 1, 1), classes if "fc8" in layers else (), "MatConvNet's VGG-16 (.mat)")


def _values(path):
    """The file's variables, nested."""
    with open(path, "rb") as file:
        if not matlab5.is_matlab5(file.read(128)):
            from neuraltalk.formats import matlab73

            return matlab73.read_values(path, VARIABLES, MOST)
        matrices = matlab5.matrices(file, path)
        found = (matrix for matrix in matrices if matrix[2].name in VARIABLES)
        return {header.name: matlab5.read_value(stream, header, MOST) for _, stream, header in found}


def _filters_shape(name, shape):
    """H x W x I x O of a layer whose W is `shape` here."""
    if len(shape) == 4:
        return layout.file_shape(shape)
    side = layout.GRID if name == "fc6" else 1
    return side, side, shape[0] // side**2, shape[1]


def _arranged(filters, shape):
    """Filters (H, W, I, O) as a convolution (O, I, H, W), or as a connected layer with inputs (I, H, W)."""
    filters = filters.astype(np.float32, copy=False)
    return layout.from_kernel_first(filters) if len(shape) == 4 else filters.transpose(2, 0, 1, 3).reshape(shape)


def _mean(path, average):
    """One number a colour from the mean: 3 numbers, or a picture, which VGG-16's has in one colour."""
    average = np.asarray(average, np.float64)
    if average.size == 3:
        return average.ravel()
    if average.ndim != 3 or average.shape[2] != 3 or not average.size:
        raise ValueError("the mean picture has no three colours")
    first = average[0, 0]
    if not np.abs(average - first).max() < 0.01:
        raise UserError(f"{path}: the mean picture isn't of one colour, as VGG-16's is; another network?")
    return first
