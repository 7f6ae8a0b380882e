"""Regions: boxes in each image with their features, as a detector gives them; read where they lie.

    FOLDER/region_feats.mat (MATLAB 5 or 7.3), .npz or .h5
        feats    D x M    a column of numbers for each region, of all images
        boxes    4 x M    xmin, ymin, xmax, ymax in pixels of the picture
        image    1 x M    the imgid, from 0, of the image that the region lies in (M numbers in a row will do)

    M    regions of all images together
    R    regions of one image, any number from 1: its first one is the whole image, the others come in any order
    D    numbers a region

Features are gathered from the mapped file when a batch asks for them, as features.py does with whole images (and
converted as there, once, where they can't be mapped): COCO's 40 GB stay on the disk. Boxes and image numbers, 40 bytes
a region, are read and checked when the file is opened.

Orientation: transposed arrays are turned where that alone fits `image`; a square one is as above.
"""

import pathlib
import zipfile
from typing import NamedTuple

import numpy as np

from neuraltalk.data import feature_files
from neuraltalk.data.features import open_features
from neuraltalk.errors import UserError
from neuraltalk.wording import have, plural

NAMES = [f"region_feats{suffix}" for suffix in (".mat", ".npz", ".h5")]
TOLERANCE = 1.0  # pixels by which a box may reach beyond the whole image: detectors round, or count from 1


class RegionBlock(NamedTuple):
    """The regions of n images, one image after the other, the whole image first in each."""

    features: np.ndarray  # (sum of R, D) float32
    offsets: np.ndarray  # (n + 1,) int64: image k has the rows offsets[k] .. offsets[k + 1]
    boxes: np.ndarray  # (sum of R, 4) float32: xmin, ymin, xmax, ymax in pixels


def open_regions(folder_or_file, images=None, progress=None, waiting=None):
    """Open a region file -> Regions.

    folder_or_file  a file, or a folder: the first of NAMES in it
    images          the number of images, if known: each must have a region
    progress        called with (rows done, rows) while a file is converted
    waiting         called with a line, once, if another process is converting it, before it is waited for

    Raises UserError naming the file, the array and the image if there is none, it can't be read, an array is missing
    or doesn't fit the others, an image has no region, a box isn't one, or an image's first box isn't all of it.
    """
    path = pathlib.Path(folder_or_file)
    if path.is_dir():
        there = [path / name for name in NAMES if (path / name).is_file()]
        if not there:
            raise UserError(
                f"{path}: no region features; expected one of {', '.join(NAMES)} with feats, boxes and image, a column "
                "for each region"
            )
        path = there[0]
    image = _image_of_each(path)  # (M,)
    boxes = _as_rows(path, "boxes", len(image), 4)  # (M, 4)
    order = np.argsort(image, kind="stable")
    starts = np.searchsorted(image[order], np.arange(image.max() + 2))  # (images + 1,)
    _check_images(path, np.diff(starts), images)
    _check_boxes(path, image, boxes, order, starts)

    M = len(image)
    stored = feature_files.open_stored(path, "feats")
    if M not in stored.shape:
        raise UserError(
            f"{path}: feats is {_shape(stored.shape)}, but image names {M} regions; the arrays of a file should have a "
            "column for each region"
        )

    def row_name(row):
        return f"region {row} (of image {image[row]})"

    in_columns = _is_in_columns(path, stored, M)
    first_name = "number {}".format if in_columns else row_name
    features = open_features(path, progress=progress, row_name=first_name, waiting=waiting)
    if in_columns != stored.turned:
        features.turn()
    features.row_name = row_name
    return Regions(features, boxes, order, starts)


class Regions:
    """The regions of `count` images, each with `dimension` numbers.

    path    the file
    boxes   (M, 4) float32, image by image
    """

    def __init__(self, features, boxes, order, starts):
        self.features = features
        self.path = features.path
        in_order = bool((np.diff(order) == 1).all())
        self._order = None if in_order else order  # (M,) the file's row of each region, image by image
        self._starts = starts  # (count + 1,) where each image's regions begin among them
        self.boxes = boxes if in_order else boxes[order]

    @property
    def count(self):
        return len(self._starts) - 1

    @property
    def dimension(self):
        return self.features.dimension

    def of(self, imgids):
        """The regions of some images, (n,) whole numbers -> RegionBlock.

        Raises UserError naming the first region whose features aren't finite numbers.
        """
        rows, offsets = self._rows(imgids)
        boxes = self.boxes[rows]
        return RegionBlock(self.features.rows(rows if self._order is None else self._order[rows]), offsets, boxes)

    def counts(self, imgids):
        """How many regions some images have: (n,) whole numbers -> (n,) int64."""
        imgids = np.asarray(imgids, dtype=np.int64)
        return self._starts[imgids + 1] - self._starts[imgids]

    def boxes_of(self, imgid):
        """The boxes of one image, (R, 4) float32, the whole image first."""
        return self.boxes[self._starts[imgid] : self._starts[imgid + 1]]

    def check(self):
        """Read all features once (files of up to features.FULL_CHECK_BYTES); raises UserError as of() does."""
        self.features.check()

    def _rows(self, imgids):
        """The places of some images' regions, image by image, and where each image's begin."""
        imgids = np.asarray(imgids, dtype=np.int64)
        counts = self.counts(imgids)  # (n,)
        offsets = np.zeros(len(imgids) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        return np.repeat(self._starts[imgids] - offsets[:-1], counts) + np.arange(offsets[-1]), offsets


def check_regions(regions, dataset):
    """Check that `regions` are those of a data set's images, and all numbers finite; raises UserError."""
    _check_count(regions.path, regions.count, len(dataset.images))
    regions.check()


# Reading and checking


def _image_of_each(path):
    """The imgid of each region, (M,) int64."""
    stored = feature_files.open_stored(path, "image")
    if min(stored.shape) != 1:
        raise UserError(f"{path}: image should be a row of imgids, one for each region; it is {_shape(stored.shape)}")
    image = _read(stored).ravel()
    with np.errstate(invalid="ignore"):
        numbers = image.astype(np.int64)
    wrong = (numbers != image) | (numbers < 0)
    if wrong.any():
        raise UserError(
            f"{path}: image holds {image[np.argmax(wrong)]} for region {np.argmax(wrong)}; expected imgids, whole "
            "numbers from 0"
        )
    if numbers.max() >= len(numbers):
        raise UserError(
            f"{path}: image holds the imgid {numbers.max()}, but there are only {len(numbers)} regions; each image "
            "needs at least one, the whole image"
        )
    return numbers


def _as_rows(path, variable, M, width):
    """A small array of the file in rows, (M, width) float32."""
    stored = feature_files.open_stored(path, variable)
    if sorted(stored.shape) != sorted((M, width)):
        raise UserError(
            f"{path}: {variable} should be {width} x {M}, a column for each region that image names; it is "
            f"{_shape(stored.shape)}"
        )
    array = _read(stored)
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes infinite, which is refused
        return np.ascontiguousarray(array.T if _is_in_columns(path, stored, M) else array, dtype=np.float32)


def _is_in_columns(path, stored, M):
    """Whether a Stored array has the regions in its columns.

    Where a D x M array fits both ways, it does in a .npz in C's order, and not in MATLAB's, HDF5's and Fortran's.
    """
    if stored.shape[0] == stored.shape[1]:
        return zipfile.is_zipfile(path) and not stored.turned
    return stored.shape[0] != M


def _read(stored):
    """All numbers of a Stored array."""
    return np.asarray(stored.array) if stored.array is not None else np.concatenate(list(stored.blocks()))


def _shape(shape):
    return " x ".join(map(str, shape))


def _check_images(path, counts, images):
    """Each image has a region."""
    if counts[0] == 0 and counts[1:].all() and images in (None, len(counts) - 1):
        raise UserError(f"{path}: image counts the images from 1; imgids are numbers from 0, so subtract 1")
    if images is not None:
        _check_count(path, len(counts), images)
    if not counts.all():
        first, missing = int(np.argmin(counts)), int(np.count_nonzero(counts == 0))
        raise UserError(
            f"{path}: image {first} has no region ({missing:,} of {plural(len(counts), 'image')} {have(missing)} none); "
            "each needs at least the box of the whole image"
        )


def _check_count(path, count, images):
    if count < images:
        raise UserError(
            f"{path}: has regions of {plural(count, 'image')}, but there are {images:,}: image {count} has no region; extract them "
            "again, or use the file that belongs to these images"
        )
    if count > images:
        raise UserError(
            f"{path}: image holds the imgid {count - 1}, but there are only {images} images (0 to {images - 1}); use the "
            "file that belongs to these images"
        )


def _check_boxes(path, image, boxes, order, starts):
    """Each box has its corners in order; the first of an image holds the others."""
    fine = (boxes[:, 0] <= boxes[:, 2]) & (boxes[:, 1] <= boxes[:, 3]) & np.isfinite(boxes).all(axis=1)
    if not fine.all():
        region = int(np.argmin(fine))
        raise UserError(
            f"{path}: boxes, region {region} (of image {image[region]}) is {_box(boxes[region])}; expected xmin, ymin, "
            "xmax, ymax in pixels"
        )
    whole = boxes[order[starts[:-1]]][image]  # (M, 4): the first box of each region's image
    fine = (whole[:, :2] - TOLERANCE <= boxes[:, :2]).all(axis=1) & (boxes[:, 2:] <= whole[:, 2:] + TOLERANCE).all(axis=1)
    if not fine.all():
        region = int(np.argmin(fine))
        raise UserError(
            f"{path}: the first box of image {image[region]}, {_box(whole[region])}, should be the whole image, but its "
            f"region {region} is {_box(boxes[region])}; put the whole image first"
        )


def _box(box):
    return "(" + ", ".join(f"{number:g}" for number in box.tolist()) + ")"
