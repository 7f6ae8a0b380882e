"""The file formats that features come in: MATLAB 5 and 7.3, NumPy's .npy and .npz, HDF5.

Each reader finds one variable and returns it as a Stored matrix of N rows (images) by D columns, without reading its
numbers: mapped into memory where the file has them as they are, else as a function that decodes them block by block.
What a file is, its first bytes say, not its name.

A format's own orientation: MATLAB keeps a D x N matrix column by column, which are the same bytes as N x D row by row
(and as which HDF5 shows MATLAB 7.3's); .npy, .npz and .h5 are N x D as they are shaped.

Files come from elsewhere, so sizes that they claim are believed only as far as there are bytes to back them.
"""

import math
import pathlib
import struct
import tokenize
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError

BLOCK_BYTES = 1 << 24  # decoded at a time
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

# What NumPy, zipfile and h5py raise while they parse damaged headers (a .npy one is a Python literal)
_DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    EOFError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


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
            start = file.read(520)
        if start.startswith(b"\x93NUMPY"):
            return _open_npy(path)
        if start.startswith(b"PK\3\4"):
            return _open_npz(path, variable)
        if start.startswith(HDF5_MAGIC) or start[512:] == HDF5_MAGIC:
            return _open_hdf5(path, variable)
        if start[126:128] in (b"IM", b"MI"):
            return _open_matlab5(path, variable)
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from None
    raise UserError(f"{path}: neither MATLAB 5 or 7.3 (save with -v7 or -v7.3), nor .npy, .npz or HDF5")


def _check_matrix(path, variable, shape, kind):
    """Refuse what isn't a matrix of real numbers; kind is NumPy's letter ("f" float, "i", "u" integers)."""
    if kind not in "fiu":
        kind = {"O": "objects", "U": "text", "S": "text", "c": "complex", "b": "true and false", "V": "records"}.get(
            kind, kind
        )
        raise UserError(f"{path}: {variable} should hold real numbers, not {kind}")
    if len(shape) != 2 or min(shape) < 1:
        raise UserError(f"{path}: {variable} should be a matrix of images and features, but its shape is {_by(shape)}")


def _missing(path, variable, there):
    """The error for a variable that isn't there. `there`: name -> shape."""
    listed = ", ".join(f"{name!r:.60} ({_by(shape)})" for name, shape in list(there.items())[:20])
    return UserError(f"{path}: no variable {variable!r}; there {'is' if len(there) == 1 else 'are'} {listed or 'none'}")


def _by(shape):
    return " x ".join(map(str, shape)) or "a single value"


def _cut_short(path):
    return UserError(f"{path}: the file is damaged or cut short; copy it or make it again")


def _map(path, dtype, offset, shape):
    """Map a C-ordered matrix at a byte offset of a file."""
    if offset + math.prod(shape) * dtype.itemsize > path.stat().st_size:
        raise _cut_short(path)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape))


# NumPy


def _open_npy(path):
    with open(path, "rb") as file:
        shape, fortran, dtype = _npy_header(path, file)
        _check_matrix(path, "the array", shape, dtype.kind)
        shape = shape[::-1] if fortran else shape
        return Stored(shape, _map(path, dtype, file.tell(), shape), None, fortran)


def _open_npz(path, variable):
    try:
        with zipfile.ZipFile(path) as archive:
            there = {}
            for name in archive.namelist()[:1000]:
                if name.endswith(".npy"):
                    with archive.open(name) as file:
                        there[name[:-4]] = _npy_header(path, file)
            if variable not in there:
                raise _missing(path, variable, {name: header[0] for name, header in there.items()})
            shape, fortran, dtype = there[variable]
            _check_matrix(path, variable, shape, dtype.kind)
            size = archive.getinfo(f"{variable}.npy").file_size
    except _DAMAGED:  # or encrypted
        raise _cut_short(path) from None
    if math.prod(shape) * dtype.itemsize > size:
        raise _cut_short(path)
    shape = shape[::-1] if fortran else shape

    def blocks():
        try:
            with zipfile.ZipFile(path) as archive, archive.open(f"{variable}.npy") as file:
                _npy_header(path, file)
                yield from _row_blocks(path, file, dtype, shape)
                file.read(1)  # only at its end does zipfile compare the checksum
        except _DAMAGED:
            raise _cut_short(path) from None

    return Stored(shape, None, blocks, fortran)


def _npy_header(path, file):
    """Read a .npy header -> shape, whether in Fortran's order, dtype; the file stands at the numbers then."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(file)
    except _DAMAGED:
        raise _cut_short(path) from None


def _row_blocks(path, file, dtype, shape):
    """Read a C-ordered matrix from a stream, as many rows at a time as fit a block."""
    N, D = shape
    rows_at_once = max(1, BLOCK_BYTES // (D * dtype.itemsize))
    for start in range(0, N, rows_at_once):
        wanted = min(rows_at_once, N - start) * D * dtype.itemsize
        data = file.read(wanted)
        if len(data) < wanted:
            raise _cut_short(path)
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
            shape, dtype = data.shape or (), data.dtype
            _check_matrix(path, variable, shape, dtype.kind)
            if data.is_virtual or data.external:
                raise UserError(f"{path}: {variable} points to other files; put its numbers into one file")
            stored = data.id.get_storage_size()
            if stored * 2000 < math.prod(shape) * dtype.itemsize:  # deflate can't do better than 1 : 1032
                raise _cut_short(path)
            offset, chunks = data.id.get_offset(), data.chunks
        if chunks is None and offset is not None:
            return Stored(shape, _map(path, dtype, offset, shape), None)
    except (OSError, *_DAMAGED) as error:
        raise UserError(f"{path}: damaged or cut short: {' '.join(str(error).split()):.150}") from None

    N, D = shape

    def blocks():
        rows_at_once = max(1, BLOCK_BYTES // (D * 4))
        if chunks:  # whole chunks, so that none is unpacked twice
            rows_at_once = max(chunks[0], rows_at_once // chunks[0] * chunks[0])
        try:
            with h5py.File(path, "r") as file:
                floats = file[variable].astype(np.float32)  # HDF5 converts while it reads
                for start in range(0, N, rows_at_once):
                    yield floats[start : start + rows_at_once]
        except (OSError, *_DAMAGED) as error:
            raise UserError(f"{path}: damaged or cut short: {' '.join(str(error).split()):.150}") from None

    return Stored(shape, None, blocks)


def _hdf5_datasets(file, h5py):
    """The datasets at the top of an HDF5 file by name; links (they may lead to other files) aren't followed."""
    return {
        name: file[name]
        for name in list(file)[:1000]
        if isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(file[name], h5py.Dataset)
    }


# MATLAB 5: a 128-byte header, then elements of an 8-byte tag (type, size) and data; an element is a matrix, or a zlib
# stream of one

_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}  # type of data -> NumPy's
_CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse"}  # classes of matrix other than plain numbers
_COMPLEX = 0x0800


def _open_matlab5(path, variable):
    there = {}
    with open(path, "rb") as file:
        byte_order = "<" if file.read(128)[126:] == b"IM" else ">"
        position = 128
        while len(there) < 1000:
            file.seek(position)
            tag = file.read(8)
            if len(tag) < 8:
                break
            kind, size = struct.unpack(byte_order + "II", tag)
            stream = _Inflated(file, size, path) if kind == _COMPRESSED else _Exactly(file, path)
            if kind == _COMPRESSED:
                kind, _ = struct.unpack(byte_order + "II", stream.read(8))
            if kind == _MATRIX:
                name, shape, matrix_class, is_complex = _matlab5_header(stream, byte_order)
                there[name] = shape
                if name == variable:
                    _check_matrix(path, variable, shape, _CLASSES.get(matrix_class, "complex" if is_complex else "f"))
                    return _matlab5_numbers(path, position, stream, byte_order, shape)
            position += 8 + size
    raise _missing(path, variable, there)


def _matlab5_header(stream, byte_order):
    """Read what precedes a matrix's numbers -> name, shape, class, whether complex."""
    flags = _small_element(stream, byte_order, 8)
    shape = _small_element(stream, byte_order, 128)
    name = _small_element(stream, byte_order, 4096)
    flags = struct.unpack(byte_order + "I", flags[:4].ljust(4, b"\0"))[0]
    shape = struct.unpack(f"{byte_order}{len(shape) // 4}i", shape[: len(shape) // 4 * 4])
    if min(shape, default=0) < 0:
        raise _cut_short(stream.path)
    return name.decode("latin-1"), shape, flags & 0xFF, bool(flags & _COMPLEX)


def _small_element(stream, byte_order, limit):
    """Read a sub-element of at most `limit` bytes."""
    _, size, padded = _sub_tag(stream, byte_order)
    if size > limit:
        raise _cut_short(stream.path)
    return stream.read(padded)[:size]


def _sub_tag(stream, byte_order):
    """Read a sub-element's tag -> type, bytes of data, bytes with padding; data of up to 4 bytes share the tag's 8."""
    (first,) = struct.unpack(byte_order + "I", stream.read(4))
    if first >> 16:
        return first & 0xFFFF, first >> 16, 4
    (size,) = struct.unpack(byte_order + "I", stream.read(4))
    return first, size, -(-size // 8) * 8


def _matlab5_numbers(path, position, stream, byte_order, shape):
    """The numbers of the D x N matrix whose header `stream` has just passed, as N x D."""
    kind, size, _ = _sub_tag(stream, byte_order)
    D, N = shape
    if kind not in _NUMBERS or size != D * N * int(_NUMBERS[kind][1]):
        raise _cut_short(path)
    dtype = np.dtype(byte_order + _NUMBERS[kind])
    if isinstance(stream, _Exactly):
        return Stored((N, D), _map(path, dtype, stream.file.tell(), (N, D)), None)

    def blocks():
        with open(path, "rb") as file:
            file.seek(position)
            _, size = struct.unpack(byte_order + "II", file.read(8))
            stream = _Inflated(file, size, path)
            stream.read(8)
            _matlab5_header(stream, byte_order)
            _sub_tag(stream, byte_order)
            yield from _row_blocks(path, stream, dtype, (N, D))
            stream.finish()

    return Stored((N, D), None, blocks)


class _Exactly:
    """A file whose read() gives all that was asked for, or raises UserError."""

    def __init__(self, file, path):
        self.file, self.path = file, path

    def read(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise _cut_short(self.path)
        return data


class _Inflated:
    """The same for a zlib stream of `size` bytes that begins where the file stands; inflates only what is asked for."""

    def __init__(self, file, size, path):
        self.file, self.left, self.path = file, size, path
        self.inflate = zlib.decompressobj()

    def read(self, size):
        parts = []
        while size:
            packed = self.inflate.unconsumed_tail
            if not packed:
                packed = self.file.read(min(self.left, 1 << 16))
                self.left -= len(packed)
            try:
                part = self.inflate.decompress(packed, size)
            except zlib.error:
                raise _cut_short(self.path) from None
            if not part and not packed:
                raise _cut_short(self.path)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def finish(self):
        """Expect the end of the stream (padding aside), where zlib compares the checksum."""
        try:
            self.inflate.decompress(self.inflate.unconsumed_tail + self.file.read(min(self.left, 64)), 64)
        except zlib.error:
            raise _cut_short(self.path) from None
        if not self.inflate.eof:
            raise _cut_short(self.path)
