"""MATLAB 5's .mat files (save -v7 and before): what they are made of, and their nested values.

    element     a tag of 8 bytes (type, size) and data. On the top level a matrix, or a zlib stream of one
    matrix      sub-elements: flags (with its class), shape, name, then
                    numbers: one sub-element, column by column; text: the same
                    cell: a matrix for each place
                    struct: the length of field names, the names, then a matrix for each field of each place

Sizes that a file claims are believed only as far as there are bytes to back them.
"""

import math
import os
import struct
import zlib
from typing import NamedTuple

import numpy as np

from neuraltalk.formats.damage import damaged

_COMPRESSED, _MATRIX = 15, 14
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # type -> NumPy's
_TEXTS = {1: "latin-1", 2: "latin-1", 3: "utf-16", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
CELL, STRUCT, OBJECT, CHAR, SPARSE = 1, 2, 3, 4, 5  # classes of matrix other than plain numbers
_COMPLEX = 0x0800
MAX_DEPTH = 12
MAX_FIELDS = 1 << 16  # bytes of the field names of a struct
PLACE = 4096  # what a place of a cell or struct is charged: it takes time as well, so some hundred thousand are allowed


class Header(NamedTuple):
    """What precedes the content of a matrix."""

    name: str
    shape: tuple
    matrix_class: int
    is_complex: bool


def is_matlab5(start):
    """Whether a file that begins with `start` is one."""
    return start[124:128] in (b"\0\1IM", b"\1\0MI")  # version 1; 7.3's files say 2


def matrices(file, path):
    """The matrices on the top level of an open file: yields (position, stream behind the header, Header).

    Raises UserError if the last one reaches beyond the file's end.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    byte_order = "<" if file.read(128)[126:] == b"IM" else ">"
    position = 128
    while element := open_element(file, position, path, byte_order):
        kind, stream, after = element
        if kind == _MATRIX:
            yield position, stream, read_header(stream)
        position = after
    if position > end:
        raise damaged(path)


def open_element(file, position, path, byte_order):
    """The element at a position -> its type, a stream of its data, the position after it; None at the file's end."""
    file.seek(position)
    tag = file.read(8)
    if len(tag) < 8:
        return None
    kind, size = struct.unpack(byte_order + "II", tag)
    if kind != _COMPRESSED:
        return kind, Exactly(file, path, byte_order), position + 8 + size
    stream = Inflated(file, size, path, byte_order)
    return struct.unpack(byte_order + "II", stream.read(8))[0], stream, position + 8 + size


def read_header(stream):
    """Read what precedes a matrix's content -> Header."""
    flags = _small_element(stream, 8)
    shape = _small_element(stream, 128)
    name = _small_element(stream, 4096)
    flags = struct.unpack(stream.byte_order + "I", flags[:4].ljust(4, b"\0"))[0]
    shape = struct.unpack(f"{stream.byte_order}{len(shape) // 4}i", shape[: len(shape) // 4 * 4])
    if min(shape, default=0) < 0:
        raise damaged(stream.path)
    return Header(name.decode("latin-1"), shape, flags & 0xFF, bool(flags & _COMPLEX))


def _small_element(stream, limit):
    """Read a sub-element of at most `limit` bytes."""
    _, size, padded = sub_tag(stream)
    if size > limit:
        raise damaged(stream.path)
    return stream.read(padded)[:size]


def sub_tag(stream):
    """Read a sub-element's tag -> type, bytes of data, bytes with padding; data of up to 4 bytes share the tag's 8."""
    (first,) = struct.unpack(stream.byte_order + "I", stream.read(4))
    if first >> 16:
        return first & 0xFFFF, first >> 16, 4
    (size,) = struct.unpack(stream.byte_order + "I", stream.read(4))
    return first, size, -(-size // 8) * 8


def read_value(stream, header, budget):
    """The content of a matrix whose header was just read.

    Numbers become arrays of `shape` in Fortran's order (mapped, where the file isn't compressed), texts strings, cells
    lists column by column, structs dicts (lists of dicts where there are several), and empty places None.
    budget: the bytes that all of it may take, at most. Raises what is in DAMAGED, or UserError.
    """
    return _Values(stream, budget).content(header, 0)


class _Values:
    """One walk through a nested value."""

    def __init__(self, stream, budget):
        self.stream, self.budget = stream, budget

    def charge(self, size):
        self.budget -= size
        if self.budget < 0:
            raise ValueError("more than there should be")

    def value(self, depth):
        kind, size, _ = sub_tag(self.stream)
        if kind != _MATRIX or depth > MAX_DEPTH:
            raise ValueError("no value where one should be")
        return self.content(read_header(self.stream), depth) if size else None

    def content(self, header, depth):
        places = math.prod(header.shape)
        if header.matrix_class == CELL:
            self.charge(PLACE * places)
            return [self.value(depth + 1) for _ in range(places)]
        if header.matrix_class == STRUCT:
            fields = self.fields()
            self.charge(PLACE * places * (1 + len(fields)))
            structs = [{field: self.value(depth + 1) for field in fields} for _ in range(places)]
            return structs[0] if places == 1 else structs
        if header.matrix_class == CHAR:
            return self.text()
        if header.matrix_class in (OBJECT, SPARSE) or header.matrix_class > 15 or header.is_complex:
            raise ValueError(f"a value of class {header.matrix_class}, which is not read")
        return self.numbers(header.shape)

    def fields(self):
        length = struct.unpack(self.stream.byte_order + "i", _small_element(self.stream, 4))[0]
        names = _small_element(self.stream, MAX_FIELDS)
        if not 0 < length <= MAX_FIELDS:
            raise ValueError("impossible names of fields")
        names = [names[start : start + length] for start in range(0, len(names), length)]
        return [name.split(b"\0")[0].decode("latin-1") for name in names]

    def text(self):
        kind, size, padded = sub_tag(self.stream)
        self.charge(4 * size)
        content = self.stream.read(padded)[:size]
        encoding = _TEXTS[kind]
        if encoding == "utf-16":
            encoding += "-le" if self.stream.byte_order == "<" else "-be"
        return content.decode(encoding)

    def numbers(self, shape):
        kind, size, padded = sub_tag(self.stream)
        dtype = np.dtype(self.stream.byte_order + NUMBERS[kind])
        if size != math.prod(shape) * dtype.itemsize:
            raise ValueError("shape and bytes of an array don't match")
        self.charge(size)
        return self.stream.numbers(dtype, size, padded).reshape(shape, order="F")


class Exactly:
    """A file whose read() gives all that was asked for, or raises UserError."""

    def __init__(self, file, path, byte_order):
        self.file, self.path, self.byte_order = file, path, byte_order

    def read(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise damaged(self.path)
        return data

    def numbers(self, dtype, size, padded):
        """`size` bytes of numbers, mapped rather than read; then the padding is passed."""
        if size == 0:
            return np.zeros(0, dtype)
        start = self.file.tell()
        if start + size > self.path.stat().st_size:
            raise damaged(self.path)
        self.file.seek(start + padded)
        return np.asarray(np.memmap(self.path, dtype, "r", start, (size // dtype.itemsize,)))


class Inflated:
    """The same for a zlib stream of `size` bytes that begins where the file stands; inflates only what is asked for."""

    def __init__(self, file, size, path, byte_order):
        self.file, self.left, self.path, self.byte_order = file, size, path, byte_order
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
                raise damaged(self.path) from None
            if not part and not packed:
                raise damaged(self.path)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def numbers(self, dtype, size, padded):
        return np.frombuffer(self.read(padded), dtype, size // dtype.itemsize)

    def finish(self):
        """Expect the end of the stream (padding aside), where zlib compares the checksum."""
        try:
            self.inflate.decompress(self.inflate.unconsumed_tail + self.file.read(min(self.left, 64)), 64)
        except zlib.error:
            raise damaged(self.path) from None
        if not self.inflate.eof:
            raise damaged(self.path)
