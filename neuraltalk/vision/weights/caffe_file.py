"""Caffe's VGG_ILSVRC_16_layers.caffemodel: a protocol buffer, NetParameter.

    NetParameter    layers (2, until 2014) or layer (100), each a message with a name and its blobs
    layers          name (4), blobs (6)
    layer           name (1), blobs (7)
    blob            shape (7) with dimensions (1), or num, channels, height, width (1 to 4); data (5), packed floats

Everything else is passed over. Weights are (O, I, KH, KW) and (outputs, inputs). Colours are blue, green, red, which is
turned around here, pixels 0..255 minus the mean that came with the network.
"""

import math
from typing import NamedTuple

import numpy as np

from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.formats.protobuf import Span, Wire, varint
from neuraltalk.vision.weights import layout
from neuraltalk.vision.weights.layout import Found

NET_NAME = 1
LAYERS = {2: (4, 6), 100: (1, 7)}  # field of NetParameter -> the fields of a layer's name and blobs
SIZES, DATA, SHAPE = (1, 2, 3, 4), 5, 7
MAX_NAME, MAX_SHAPE = 1000, 100  # bytes


class Blob(NamedTuple):
    """An array of the file."""

    shape: tuple
    data: Span


def is_caffe(start):
    """Whether a file that begins with `start` may be one (the format has no mark of its own)."""
    try:
        tag, position = varint(start, 0)
        length, position = varint(start, position)
    except ValueError:
        return False
    if tag == NET_NAME << 3 | 2:
        return start[position : position + length].isascii() and start[position : position + length].decode().isprintable()
    return tag & 7 == 2 and tag >> 3 in LAYERS


def read(path, shapes):
    """Read a .caffemodel -> Found. Raises UserError."""
    try:
        with open(path, "rb") as file:
            wire = Wire(file)
            there = {
                name: blobs
                for number, value in wire.fields(wire.everything)
                if number in LAYERS
                for name, blobs in [_layer(wire, value, *LAYERS[number])]
                if len(blobs) == 2
            }
        layers = {}
        for name, shape in layout.choose(path, shapes, there.__contains__).items():
            weights, bias = there[name]
            W = _numbers(path, name, weights, shape if len(shape) == 4 else shape[::-1])
            if name == "conv1_1":
                W = W[:, ::-1]  # blue, green, red -> red, green, blue
            layers[name] = (W if len(shape) == 4 else W.T), _numbers(path, name, bias, (layout.outputs_of(shape),))
    except (OSError, *DAMAGED) as fault:
        raise damaged(path, fault) from None
    return Found(layers, *layout.CAFFE_INPUT, (), "Caffe's VGG-16 (.caffemodel)")


def _layer(wire, span, name_field, blobs_field):
    """The name and the blobs of a layer's message."""
    name, blobs = "", []
    for number, value in wire.fields(span):
        if number == name_field:
            name = wire.bytes(value, MAX_NAME).decode("utf-8", "replace")
        elif number == blobs_field:
            blobs.append(_blob(wire, value))
    return name, blobs


def _blob(wire, span):
    sizes, shape, data = {}, None, Span(0, 0)
    for number, value in wire.fields(span):
        if number in SIZES:
            sizes[number] = value
        elif number == SHAPE:
            shape = _dimensions(wire, value)
        elif number == DATA:
            data = value
    return Blob(shape or tuple(sizes.get(number, 1) for number in SIZES), data)


def _dimensions(wire, span):
    """The dimensions in a shape's message: packed, or a field each."""
    dimensions = []
    for number, value in wire.fields(span):
        if number == 1 and isinstance(value, Span):
            packed, position = wire.bytes(value, MAX_SHAPE), 0
            while position < len(packed):
                dimension, position = varint(packed, position)
                dimensions.append(dimension)
        elif number == 1:
            dimensions.append(value)
    return tuple(dimensions)


def _numbers(path, name, blob, shape):
    """A blob's numbers; old files put ones before a shape of fewer than four dimensions."""
    layout.check_shape(path, name, blob.shape[-len(shape) :], shape)
    count = math.prod(shape)
    if math.prod(blob.shape) != count or blob.data.stop - blob.data.start != 4 * count:
        raise ValueError(f"{name} has {(blob.data.stop - blob.data.start) / 4:g} numbers where its shape has {math.prod(blob.shape)}")
    return np.fromfile(path, "<f4", count, offset=blob.data.start).reshape(shape)
