"""VGG-16's features as extractors (the interface is in vision/extractors.py).

    vgg16-fc7     fc7 after its ReLU, 4096 numbers, as the published vgg_feats.mat had it; a box is warped to a picture of
                  its own, with some of its surroundings (R-CNN, Girshick 2014). Needs the whole network.
    vgg16-conv5   conv5_3 after its ReLU, maximum and mean over a 2 x 2 grid, times 1/2 (which gives fc7's norms); a box
                  is pooled from the picture's own map. Needs the convolutions only.

Weights are no part of an extractor's state: their fingerprint is, and they are looked for when pixels come.
"""

import hashlib
import itertools

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically
from neuraltalk.vision.boxes import check_boxes
from neuraltalk.vision.pictures import open_rgb
from neuraltalk.vision.vgg.conv5 import conv5_features, pool_boxes
from neuraltalk.vision.vgg.network import BATCH, VGG16
from neuraltalk.vision.vgg.pictures import RESIZES, SIDE, to_input

CONTEXT = 16  # of the 224 pixels of a warped box, so many on each side show its surroundings


class VGGExtractor:
    """What both kinds share. A kind has a `name`, reads a `layer` and makes features of it."""

    def __init__(self, network_fingerprint, dimension, region_dimension, resize="pillow", weights_file=None):
        self.network_fingerprint = network_fingerprint
        self.dimension, self.region_dimension = dimension, region_dimension
        self.resize = resize
        self.weights_file = weights_file  # None: wherever load_weights finds them
        described = f"{self.name} {network_fingerprint} {dimension} {region_dimension} {resize}"
        self.fingerprint = hashlib.sha256(described.encode()).hexdigest()
        self._network = None

    @classmethod
    def read(cls, weights_file=None, resize="pillow"):
        """The extractor with the weights in a file, or in the one that load_weights finds."""
        return cls.of(read_network(cls, weights_file), resize)

    @classmethod
    def of(cls, network, resize="pillow"):
        """The extractor of a VGG16."""
        network.check_layer(cls.layer)
        extractor = cls(cls.network_fingerprint_of(network.weights), *cls.dimensions(network.weights), resize)
        extractor._network = network
        return extractor

    def resizing(self, resize):
        """The same, with another way to resize pictures."""
        other = type(self)(self.network_fingerprint, self.dimension, self.region_dimension, resize, self.weights_file)
        other._network = self._network
        return other

    @property
    def network(self):
        """The VGG16, read at the first use. Raises UserError if no weights are found, or those of another network."""
        if self._network is None:
            self._network = read_network(type(self), self.weights_file, self.network_fingerprint)
        return self._network

    def features(self, pictures, progress=None):
        """Features (N, dimension) float32 of `pictures`, any iterable of paths or PIL images, BATCH at a time.

        `progress(done)` is called with the number of pictures after each batch. Raises UserError for an unreadable
        picture.
        """
        network, rows, done = self.network, [], 0
        inputs = (to_input(open_rgb(picture), self.resize) for picture in pictures)
        while batch := list(itertools.islice(inputs, BATCH)):
            rows.append(self.from_activation(network.forward(np.stack(batch), self.layer)))
            done += len(batch)
            if progress is not None:
                progress(done)
        return np.concatenate(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def state(self):
        """A dict of plain values, for checkpoints; the weights stay outside."""
        names = ("name", "network_fingerprint", "dimension", "region_dimension", "resize", "fingerprint")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_state(cls, state):
        """The extractor that `state` describes. Raises UserError if something in it is missing or altered."""
        values = [state.get(name) for name in ("network_fingerprint", "dimension", "region_dimension", "resize")]
        sensible = all(isinstance(value, (str, int)) for value in values) and values[3] in RESIZES
        extractor = cls(*values) if sensible else None
        if extractor is None or state.get("fingerprint") != extractor.fingerprint:
            raise UserError(
                f"{cls.name} extractor: its description is incomplete, or doesn't match its fingerprint, so it was altered or "
                "damaged; extract the features again"
            )
        return extractor

    def save(self, path):
        """Write the state to `path` (.npz), atomically; `extractors.load_extractor` reads it."""
        with write_atomically(path) as file:
            np.savez(file, **self.state())


def read_network(kind, weights_file=None, fingerprint=None):
    """The VGG16 for a kind of extractor; weights that it doesn't need stay in their file."""
    from neuraltalk.vision.weights.vgg16 import load_weights

    return VGG16(load_weights(weights_file, fingerprint, connected=kind.needs_connected))


class Conv5Extractor(VGGExtractor):
    """Pooled from the last convolution's map."""

    name, layer = "vgg16-conv5", "conv5_3"
    needs_connected = False
    factor = np.float32(0.5)

    @staticmethod
    def network_fingerprint_of(weights):
        """Of what the features depend on: a file of the whole network and one of its convolutions are the same here."""
        return weights.convolutions_fingerprint

    @staticmethod
    def dimensions(weights):
        channels = len(weights.convolutions[-1][1])
        return 8 * channels, channels

    def from_activation(self, maps):
        return conv5_features(maps) * self.factor

    def regions(self, picture, boxes):
        """Features (R, region_dimension) of `boxes` (R, 4): xmin, ymin, xmax, ymax in pixels of `picture`, a path or PIL image.

        One forward pass serves all boxes. Raises UserError for an unreadable picture, or a box with nothing of it inside.
        """
        image = open_rgb(picture)
        boxes = check_boxes(boxes, image.size)
        [conv5_map] = self.network.forward(to_input(image, self.resize)[None], self.layer)
        return pool_boxes(conv5_map, boxes, image.size)

    def features_and_regions(self, images, boxes):
        """What features() and regions() give for N PIL images and the boxes (R, 4) of each, by one forward pass for both.

        -> features (N, dimension), list of N arrays (R, region_dimension)
        """
        boxes = [check_boxes(own, image.size) for image, own in zip(images, boxes, strict=True)]
        maps = self.network.forward(np.stack([to_input(image, self.resize) for image in images]), self.layer)
        regions = [pool_boxes(conv5_map, own, image.size) for conv5_map, own, image in zip(maps, boxes, images)]
        return self.from_activation(maps), regions


class Fc7Extractor(VGGExtractor):
    """The last layer but one, which sees the whole picture."""

    name, layer = "vgg16-fc7", "fc7"
    needs_connected = True

    @staticmethod
    def network_fingerprint_of(weights):
        return weights.fingerprint

    @staticmethod
    def dimensions(weights):
        outputs = len(weights.connected[1][1])
        return outputs, outputs

    def from_activation(self, fc7):
        return fc7

    def regions(self, picture, boxes):
        """As Conv5Extractor's, with a forward pass for each box."""
        image = open_rgb(picture)
        boxes = check_boxes(boxes, image.size)
        ground = tuple(int(round(float(value))) for value in self.network.weights.mean)
        return self.features(warp(image, box, ground) for box in boxes)


def warp(image, box, ground):
    """The part of a PIL `image` in `box`, with as much around it as becomes CONTEXT pixels when it is squashed to SIDE.

    What lies outside the image has the colour `ground`, the network's mean, which is 0 to it.
    """
    from PIL import Image

    xmin, ymin, xmax, ymax = box
    share = CONTEXT / (SIDE - 2 * CONTEXT)
    around_x, around_y = share * (xmax - xmin), share * (ymax - ymin)
    left, top = int(np.floor(xmin - around_x)), int(np.floor(ymin - around_y))
    right, bottom = int(np.ceil(xmax + around_x)), int(np.ceil(ymax + around_y))
    cut = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
    part = Image.new("RGB", (right - left, bottom - top), ground)
    part.paste(image.crop(cut), (cut[0] - left, cut[1] - top))
    return part
