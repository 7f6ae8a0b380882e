"""Keras' vgg16_weights_tf_dim_ordering_tf_kernels.h5 (or ..._notop.h5, the convolutions): HDF5.

A group for each layer, block1_conv1 ... block5_conv3, fc1, fc2, predictions, with a kernel and a bias: in the published
file `block1_conv1_W_1:0` and `block1_conv1_b_1:0`, in later ones `block1_conv1/kernel:0`. Kernels are (KH, KW, I, O),
fc1's inputs in the order (row, column, channel). The network is the original one: its input is 0..255 minus the mean.

Keras, like Caffe, gives it the colours in the order blue, green, red, which is turned around here.
"""

import h5py
import numpy as np

from neuraltalk.formats import hdf5
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.vision.weights import layout
from neuraltalk.vision.weights.layout import Found

NAMES = dict(
    zip(
        layout.LAYERS,
        [f"block{name[4]}_conv{name[6]}" for name in layout.CONVOLUTIONS] + ["fc1", "fc2", "predictions"],
    )
)


def read(path, shapes):
    """Read a .h5 -> Found. Raises UserError."""
    try:
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if hdf5.has(file, "model_weights", h5py.Group) else file
            chosen = layout.choose(path, shapes, lambda name: hdf5.has(root, NAMES[name], h5py.Group))
            return Found(
                {name: _layer(path, root[NAMES[name]], name, shape) for name, shape in chosen.items()},
                *layout.CAFFE_INPUT,
                (),
                "Keras' VGG-16 (.h5)",
            )
    except (OSError, *DAMAGED) as fault:
        raise damaged(path, fault) from None


def _layer(path, group, name, shape):
    """One layer's (W, b), arranged as ours."""
    datasets = _datasets(group)
    if len(datasets) != 2:
        raise ValueError(f"{NAMES[name]} has {len(datasets)} arrays instead of a kernel and a bias")
    kernel, bias = sorted(datasets, key=lambda dataset: -len(dataset.shape))
    W = _numbers(path, kernel, layout.file_shape(shape))
    if len(shape) == 4:
        W = layout.from_kernel_first(W)
    if name == "conv1_1":
        W = W[:, ::-1]  # blue, green, red -> red, green, blue
    if name == "fc6":
        W = layout.from_channel_last(W)
    return W, _numbers(path, bias, (layout.outputs_of(shape),))


def _numbers(path, dataset, shape):
    layout.check_shape(path, dataset.name.lstrip("/"), dataset.shape, shape)
    return hdf5.read_numbers(dataset).astype(np.float32, copy=False)


def _datasets(group, depth=0):
    """The datasets in a group and its sub-groups."""
    found = []
    for name in list(group)[:10]:
        if hdf5.has(group, name, h5py.Dataset):
            found.append(group[name])
        elif hdf5.has(group, name, h5py.Group) and depth < 3:
            found += _datasets(group[name], depth + 1)
    return found
