"""Boxes from a detector, in JSON: they take the place of the program's own region proposals.

    {file name: [[xmin, ymin, xmax, ymax], ...], ...}           or, with a score for each box,
    {file name: [[xmin, ymin, xmax, ymax, score], ...], ...}

in pixels of the picture, from its left upper corner. File names are relative to the folder of pictures, with "/". Boxes are
in any order if they have scores (more is better), else the best first; the whole picture may be among them, and is put
first if it isn't.
"""

import pathlib

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_json

LARGEST = 1e30  # of coordinates and scores; 32-bit numbers end not far beyond
WHOLE = 0.98  # a box that has this share of the picture's width and height counts as the whole of it


def read_boxes(path):
    """The file's boxes -> {name: boxes (R, 4) float32, the best first}. Raises UserError with the first fault."""
    path = pathlib.Path(path)
    document = read_json(path)
    if not isinstance(document, dict):
        raise UserError(f"{path}: should be an object with a list of boxes for each file name")
    return {name: _boxes(path, name, rows) for name, rows in document.items()}


def is_box(value):
    """Whether a JSON value is a single box: [xmin, ymin, xmax, ymax] in pixels."""
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(type(number) in (int, float) and abs(number) < 1e9 for number in value)
        and value[0] <= value[2]
        and value[1] <= value[3]
    )


def _boxes(path, name, rows):
    try:
        array = np.array(rows, np.float64) if rows != [] else np.zeros((0, 4))
        fine = array.ndim == 2 and array.shape[1] in (4, 5) and (np.abs(array) < LARGEST).all()
        fine = fine and (array[:, :2] <= array[:, 2:4]).all()
    except (ValueError, TypeError, OverflowError):
        fine = False
    if not fine:
        raise UserError(
            f"{path}: the boxes of {name!r:.60} should be lists of xmin, ymin, xmax, ymax (and perhaps a score) in pixels"
        )
    if array.shape[1] == 5:
        array = array[np.argsort(-array[:, 4], kind="stable")]
    return np.ascontiguousarray(array[:, :4], np.float32)


def whole_first(boxes, size):
    """`boxes` (R, 4), cut to a picture of `size` (width, height), empty ones left out, the whole picture first.

    A box that covers nearly all of it is taken for the whole.
    """
    size = np.array(size, np.float32)
    cut = np.clip(np.asarray(boxes, np.float32).reshape(-1, 4), 0, np.tile(size, 2))
    sides = cut[:, 2:] - cut[:, :2]
    kept = (sides > 0).all(axis=1) & ~(sides >= WHOLE * size).all(axis=1)
    return np.concatenate([[[0, 0, *size]], cut[kept]]).astype(np.float32)
