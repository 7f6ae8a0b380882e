"""The file formats that features come in: MATLAB 5 and 7.3, NumPy's .npy and .npz, HDF5.

Each reader finds one variable and returns it as a Stored matrix of N rows (images) by D columns, without reading its
numbers: mapped into memory where the file has them as they are, else as a function that decodes them block by block.
What a file is, its first bytes say, not its name.

A format's own orientation: MATLAB keeps a D x N matrix column by column, which are the same bytes as N x D row by row
(and as which HDF5 shows MATLAB 7.3's); .npy, .npz and .h5 are N x D as they are shaped.

Files come from elsewhere, so sizes that they claim are believed only as far as there are bytes to back them.
"""

import itertools
import math
import pathlib
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats import hdf5, matlab5
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.formats.npy import npy_header
from neuraltalk.formats.zips import open_zip

BLOCK_BYTES = 1 << 24  # decoded at a time
HIGHEST_BLOCK = 16  # times that, of an HDF5 file's pieces
WIDEST = 1 << 24  # numbers of a row that has to be unpacked: features of an image are thousands
LARGEST_CHUNK = 1 << 29  # bytes of an HDF5 file's pieces, each of which is unpacked as a whole


class Stored(NamedTuple):
    """A matrix in a file: `array` is mapped, or None and `blocks()` yields it in (n, D) arrays, of any numeric type."""

    shape: tuple  # (N, D)
    array: np.ndarray | None
    blocks: object
    turned: bool = False  # the matrix that is meant is this one's transpose


def open_stored(path, variable="feats"):
    """Find `variable` in a file -> Stored.

    Raises UserError if the file can't be read, is of none of the formats or cut short, or if the variable is missing
    (the message lists those that are there) or isn't a matrix of real numbers.
    """
    path = pathlib.Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(hdf5.START)
        if start.startswith(b"\x93NUMPY"):
            return _open_npy(path)
        if start.startswith(b"PK\3\4"):
            return _open_npz(path, variable)
        if hdf5.is_hdf5(start):
            return _open_hdf5(path, variable)
        if matlab5.is_matlab5(start):
            return _open_matlab5(path, variable)
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from None
    raise UserError(f"{path}: neither MATLAB 5 or 7.3 (save with -v7 or -v7.3), nor .npy, .npz or HDF5")


def _matrix_shape(path, variable, shape, kind):
    """The shape of a matrix; n numbers in a row are n x 1. kind is NumPy's letter ("f" float, "i", "u" integers).

    Raises UserError for anything but a matrix of real numbers.
    """
    if kind not in "fiu":
        kind = {"O": "objects", "U": "text", "S": "text", "c": "complex", "b": "true and false", "V": "records"}.get(
            kind, kind
        )
        raise UserError(f"{path}: {variable} should hold real numbers, not {kind}")
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise UserError(f"{path}: {variable} should be a matrix (rows x columns), but its shape is {_by(shape)}")
    return shape if len(shape) == 2 else (*shape, 1)


def _missing(path, variable, there):
    """The error for a variable that isn't there. `there`: name -> shape."""
    listed = ", ".join(f"{name!r:.60} ({_by(shape)})" for name, shape in list(there.items())[:20])
    return UserError(f"{path}: no variable {variable!r}; there {'is' if len(there) == 1 else 'are'} {listed or 'none'}")


def _by(shape):
    return " x ".join(map(str, shape)) or "a single value"


def _map(path, dtype, offset, shape):
    """Map a C-ordered matrix at a byte offset of a file."""
    if offset + math.prod(shape) * dtype.itemsize > path.stat().st_size:
        raise damaged(path)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape))


# NumPy


def _open_npy(path):
    with open(path, "rb") as file:
        shape, fortran, dtype = _npy_header(path, file)
        shape = _matrix_shape(path, "the array", shape, dtype.kind)
        shape = shape[::-1] if fortran else shape
        return Stored(shape, _map(path, dtype, file.tell(), shape), None, fortran)


def _open_npz(path, variable):
    try:
        with open_zip(path) as archive:
            there = {}
            for name in archive.namelist()[:1000]:
                if name.endswith(".npy"):
                    with archive.open(name) as file:
                        there[name[:-4]] = _npy_header(path, file)
            if variable not in there:
                raise _missing(path, variable, {name: header[0] for name, header in there.items()})
            shape, fortran, dtype = there[variable]
            shape = _matrix_shape(path, variable, shape, dtype.kind)
            size = archive.getinfo(f"{variable}.npy").file_size
    except (OSError, *DAMAGED):  # or encrypted
        raise damaged(path) from None
    if math.prod(shape) * dtype.itemsize > size:
        raise damaged(path)
    shape = shape[::-1] if fortran else shape

    def blocks():
        try:
            with open_zip(path) as archive, archive.open(f"{variable}.npy") as file:
                _npy_header(path, file)
                yield from _row_blocks(path, file, dtype, shape)  # with the last one zipfile compares the checksum
        except (OSError, *DAMAGED):
            raise damaged(path) from None

    return Stored(shape, None, blocks, fortran)


def _npy_header(path, file):
    """Read a .npy header -> shape, whether in Fortran's order, dtype; the file stands at the numbers then."""
    try:
        return npy_header(file)
    except (OSError, *DAMAGED):
        raise damaged(path) from None


def _check_width(path, D):
    """Refuse rows that take much memory once they are unpacked; a packed file can be a thousandth of what is in it."""
    if D > WIDEST:
        raise UserError(f"{path}: packed rows of {D:,} numbers can't be features of images; save it unpacked")


def _row_blocks(path, file, dtype, shape):
    """Read a C-ordered matrix from a stream, as many rows at a time as fit a block."""
    N, D = shape
    _check_width(path, D)
    rows_at_once = max(1, BLOCK_BYTES // (D * dtype.itemsize))
    for start in range(0, N, rows_at_once):
        wanted = min(rows_at_once, N - start) * D * dtype.itemsize
        data = file.read(wanted)
        if len(data) < wanted:
            raise damaged(path)
        yield np.frombuffer(data, dtype=dtype).reshape(-1, D)


# HDF5, MATLAB 7.3 included


def _open_hdf5(path, variable):
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = _hdf5_datasets(file, h5py)
            if variable not in found:
                raise _missing(path, variable, {name: found[name].shape or () for name in found})
            data = found[variable]
            dtype = data.dtype
            shape = _matrix_shape(path, variable, data.shape or (), dtype.kind)
            if data.is_virtual or data.external:
                raise UserError(f"{path}: {variable} points to other files; put its numbers into one file")
            stored = data.id.get_storage_size()
            if stored * 2000 < math.prod(shape) * dtype.itemsize:  # deflate can't do better than 1 : 1032
                raise damaged(path)
            offset, chunks = data.id.get_offset(), data.chunks
        if chunks is None and offset is not None:
            return Stored(shape, _map(path, dtype, offset, shape), None)
    except (OSError, *DAMAGED) as error:
        raise damaged(path, error) from None

    N, D = shape
    _check_width(path, D)
    if chunks and math.prod(chunks) * dtype.itemsize > LARGEST_CHUNK:
        raise UserError(f"{path}: its chunks are of {_by(chunks)} numbers, too large to be unpacked; save it with smaller ones")

    def blocks():
        rows_at_once = max(1, BLOCK_BYTES // (D * 4))
        if chunks:  # whole chunks, so that none is unpacked twice, unless they are as high as the matrix
            whole = max(chunks[0], rows_at_once // chunks[0] * chunks[0])
            rows_at_once = min(whole, HIGHEST_BLOCK * rows_at_once)
        try:
            with h5py.File(path, "r") as file:
                floats = file[variable].astype(np.float32)  # HDF5 converts while it reads
                for start in range(0, N, rows_at_once):
                    yield floats[start : start + rows_at_once].reshape(-1, D)
        except (OSError, *DAMAGED) as error:
            raise damaged(path, error) from None

    return Stored(shape, None, blocks)


def _hdf5_datasets(file, h5py):
    """The datasets at the top of an HDF5 file by name; links (they may lead to other files) aren't followed."""
    return {
        name: file[name]
        for name in list(file)[:1000]
        if hdf5.has(file, name, h5py.Dataset)
    }


# MATLAB 5

_CLASSES = {matlab5.CELL: "cell", matlab5.STRUCT: "struct", matlab5.OBJECT: "object", matlab5.CHAR: "char", matlab5.SPARSE: "sparse"}


def _open_matlab5(path, variable):
    there = {}
    with open(path, "rb") as file:
        for position, stream, header in itertools.islice(matlab5.matrices(file, path), 1000):
            there[header.name] = header.shape
            if header.name == variable:
                kind = _CLASSES.get(header.matrix_class, "complex" if header.is_complex else "f")
                return _matlab5_numbers(path, position, stream, _matrix_shape(path, variable, header.shape, kind))
    raise _missing(path, variable, there)


def _matlab5_numbers(path, position, stream, shape):
    """The numbers of the D x N matrix whose header `stream` has just passed, as N x D."""
    kind, size, _ = matlab5.sub_tag(stream)
    D, N = shape
    if kind not in matlab5.NUMBERS or size != D * N * int(matlab5.NUMBERS[kind][1]):
        raise damaged(path)
    dtype = np.dtype(stream.byte_order + matlab5.NUMBERS[kind])
    if isinstance(stream, matlab5.Exactly):
        return Stored((N, D), _map(path, dtype, stream.file.tell(), (N, D)), None)

    def blocks():
        with open(path, "rb") as file:
            _, again, _ = matlab5.open_element(file, position, path, stream.byte_order)
            matlab5.read_header(again)
            matlab5.sub_tag(again)
            yield from _row_blocks(path, again, dtype, (N, D))
            again.finish()

    return Stored((N, D), None, blocks)
