"""Image features: one row of D numbers for each image, read where they lie.

    N    images; row k belongs to the image with imgid k
    D    numbers an image, 4096 for VGG-16's fc7

Rows are gathered as float32 when a batch asks for them: COCO's 2 GB are never loaded, let alone copied as float64.
Files whose rows can't be mapped (compressed ones, or those that keep a row's numbers apart) are converted once, block
by block, to a float32 .npy beside them: FILE.float32.npy, which is used as long as FILE keeps its size and time of
change. Where that can't be written, converted features of up to HELD_BYTES stay in memory; larger ones are refused.

Orientation: each format has its own (feature_files.py). If it doesn't fit the number of images and the transposed one
does, the matrix is turned; if both fit, the format's own holds.
"""

import errno
import json
import math
import os
import pathlib
import shutil

import numpy as np

from neuraltalk import files
from neuraltalk.data import feature_files
from neuraltalk.data.mapped_rows import MappedRows
from neuraltalk.errors import UserError
from neuraltalk.wording import plural

NAMES = [f"{stem}{suffix}" for stem in ("vgg_feats", "features") for suffix in (".mat", ".npy", ".npz", ".h5")]
FULL_CHECK_BYTES = 1 << 30  # larger mapped files are checked as rows are read; looking at a gigabyte takes 0.3 s
HELD_BYTES = 1 << 30
_STAMP_BYTES = 256


def open_features(folder_or_file, images=None, variable="feats", progress=None, row_name="image {}".format, waiting=None):
    """Open a feature file -> Features.

    folder_or_file  a file (.mat, .npy, .npz, .h5), or a folder: the first of NAMES in it
    images          the number of images, if known: decides the orientation
    variable        its name in files that have names
    progress        called with (rows done, rows) while a file is converted
    row_name        function that names a row in messages: of region features (regions.py) a row isn't an image
    waiting         called with a line, once, if another process is converting the file, before it is waited for

    Raises UserError if there is none, it can't be read, lacks the variable or doesn't fit the number of images.
    """
    path = pathlib.Path(folder_or_file)
    if path.is_dir():
        there = [path / name for name in NAMES if (path / name).is_file()]
        if not there:
            raise UserError(f"{path}: no features; expected one of {', '.join(NAMES)}, a row or column for each image")
        path = there[0]
    stored = feature_files.open_stored(path, variable)
    array = stored.array
    if array is None:
        array = _converted(path, variable, "", stored.shape, stored.blocks, progress, row_name, waiting)
    features = Features(path, variable, array.T if stored.turned else array, progress, row_name, waiting)
    if images is not None:
        features.orient(images)
    return features


class Features:
    """N rows of D numbers.

    count, dimension    N and D
    path                the file
    """

    def __init__(self, path, variable, array, progress=None, row_name="image {}".format, waiting=None):
        self.path = pathlib.Path(path)
        self.row_name = row_name
        self._variable = variable
        self._array = array  # (N, D), perhaps mapped, of any numeric type
        self._mapped = None  # MappedRows of it, from the first rows() on
        self._progress = progress
        self._waiting = waiting

    @property
    def count(self):
        return self._array.shape[0]

    @property
    def dimension(self):
        return self._array.shape[1]

    def orient(self, images):
        """Turn the matrix if only so its rows are the images; raises UserError if they are neither way."""
        if self.count == images:
            return
        if self.dimension != images:
            raise UserError(
                f"{self.path}: has features of {plural(self.count, 'image')} ({plural(self.dimension, 'number')} each), but there are "
                f"{images:,} images; extract them again, or use the file that belongs to these images"
            )
        self.turn()

    def turn(self):
        """Take the columns for the rows."""
        self._array, self._mapped = self._array.T, None

    def rows(self, imgids):
        """The features of some images: (n,) whole numbers -> (n, D) float32, C-contiguous.

        Raises UserError naming the first image whose features aren't finite numbers.
        """
        self._make_rows_contiguous()
        if self._mapped is None:
            self._mapped = MappedRows(self._array)
        self._mapped.fetch(imgids)
        block = _as_float32(np.take(self._array, imgids, axis=0))  # (n, D)
        _check_finite(block, imgids, self.path, self.row_name)
        return block

    def check(self):
        """Read all rows once (files of up to FULL_CHECK_BYTES); raises UserError as rows() does.

        What rows() has to convert is converted now.
        """
        self._make_rows_contiguous()
        if self._array.nbytes <= FULL_CHECK_BYTES:
            for start, block in _blocks_of_rows(self._array):
                _check_finite(_as_float32(block), range(start, start + len(block)), self.path, self.row_name)

    def _make_rows_contiguous(self):
        """One image's numbers side by side: gathered one by one from all over the file, a batch would take seconds."""
        if not self._array.flags.c_contiguous:
            array = self._array
            self._array = _converted(
                self.path,
                self._variable,
                "turned.",
                array.shape,
                lambda: (block for _, block in _blocks_of_rows(array)),
                self._progress,
                self.row_name,
                self._waiting,
            )


def check_features(features, dataset):
    """Check that `features` are those of a data set's images, turning them if need be (see above).

    Raises UserError if their number differs or if one isn't finite.
    """
    features.orient(len(dataset.images))
    features.check()


def _blocks_of_rows(array):
    """Yield (first row, block of rows) over a matrix."""
    rows_at_once = max(1, feature_files.BLOCK_BYTES // (array.shape[1] * array.itemsize))
    for start in range(0, len(array), rows_at_once):
        yield start, array[start : start + rows_at_once]


def _as_float32(block):
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes infinite, which is refused next
        return block.astype(np.float32, copy=False)


def _check_finite(block, rows, path, row_name):
    """Refuse NaN and infinity: one of them makes every weight NaN within a step."""
    # A sum is finite only if all its terms are, and takes a third of the time of looking at each. (It may overflow.)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(block.sum()):
            return
    row, column = np.unravel_index(np.argmin(np.isfinite(block)), block.shape)
    if not np.isfinite(block[row, column]):
        raise UserError(
            f"{path}: the features of {row_name(rows[row])} aren't all finite 32-bit numbers (number {column} is "
            f"{block[row, column]}); extract them again"
        )


def _converted(path, variable, turned, shape, blocks, progress, row_name, waiting):
    """A matrix as float32 in rows: from the cache beside `path`, made if need be.

    turned    "turned." if the variable was transposed, else ""
    blocks    function that yields the matrix in blocks of rows
    """
    status = path.stat()
    stamp = json.dumps([variable, turned, status.st_size, status.st_mtime_ns, shape]).encode().ljust(_STAMP_BYTES)
    cache = path.with_name(f"{path.name}.{'' if variable == 'feats' else variable + '.'}{turned}float32.npy")
    cached = _cached(cache, stamp, shape)
    if cached is not None:
        return cached

    def float_blocks():
        done = 0
        for block in blocks():
            block = np.ascontiguousarray(_as_float32(block))
            _check_finite(block, range(done, done + len(block)), path, row_name)
            done += len(block)
            if progress:
                progress(done, shape[0])
            yield block

    size = 4 * math.prod(shape)
    try:
        with files.locked(files.lock_beside(cache), cache, waiting=waiting or (lambda line: None)):
            cached = _cached(cache, stamp, shape)  # another process may have made it meanwhile
            if cached is not None:
                return cached
            _expect_room(cache, size)
            with files.write_atomically(cache) as file:
                np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)})
                for block in float_blocks():
                    file.write(block.astype("<f4", copy=False).data)
                file.write(stamp)  # behind the numbers: a .npy reader doesn't look there, and the file stays one
        return feature_files.open_stored(cache).array
    except OSError as fault:  # a folder or disk that takes no file: then in memory
        if size > HELD_BYTES:
            raise UserError(
                f"{path}: has to be converted once, to {size / 1e9:.2f} GB in {cache.name} beside it, which can't be written: "
                f"{fault.strerror}; make room there, or put the data set where it can be written"
            ) from None
        array = np.empty(shape, dtype=np.float32)
        done = 0
        for block in float_blocks():
            array[done : done + len(block)] = block
            done += len(block)
        return array


def _cached(cache, stamp, shape):
    """The mapped numbers of a cache with this stamp; None if there is none."""
    try:
        with open(cache, "rb") as file:
            file.seek(-_STAMP_BYTES, 2)
            if file.read() != stamp:
                return None
        array = feature_files.open_stored(cache).array
    except (OSError, UserError):
        return None
    return array if array.shape == tuple(shape) else None


def _expect_room(path, size):
    """Raise OSError if a file of `size` bytes doesn't fit on the disk of `path`: better now than after minutes."""
    files.remove_leftovers(path.parent)
    free = shutil.disk_usage(path.parent).free
    if free < size + _STAMP_BYTES:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, {free / 1e9:.2f} GB are free", str(path))
