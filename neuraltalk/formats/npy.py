"""NumPy's formats, believed only as far as they are reasonable: a .npy's header, and the arrays of an .npz.

NumPy's own readers allocate what a header says, and read a header of any length: a packed file of a few kilobytes could
ask for all memory.
"""

import io
import math
import struct
import warnings

import numpy as np

from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.formats.zips import open_zip

LONGEST_HEADER = 10_000  # bytes; NumPy's own limit, which it looks at only when it has read all of it
KINDS = "biufUS"  # numbers and texts; never objects, which are pickles


def npy_header(file):
    """Read it -> shape, whether in Fortran's order, dtype; the file stands at the numbers then. Raises what is in DAMAGED."""
    version = np.lib.format.read_magic(file)
    layout, read_header = {
        (1, 0): ("<H", np.lib.format.read_array_header_1_0),
        (2, 0): ("<I", np.lib.format.read_array_header_2_0),
    }[version]
    length = file.read(struct.calcsize(layout))
    if struct.unpack(layout, length)[0] > LONGEST_HEADER:
        raise ValueError("a header too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python's parser, about what only a damaged header has
        return read_header(io.BytesIO(length + file.read(struct.unpack(layout, length)[0])))


def read_npz(path, most, names=None):
    """The arrays of numbers and texts in an .npz, name -> array; of `names` alone, if given.

    most: the bytes that they may take together. Raises UserError for a file that is damaged, or of another kind; OSError for one that
    can't be opened.
    """
    with open(path, "rb") as opened:
        try:
            with open_zip(opened) as archive:
                members = [member for member in archive.namelist() if member.endswith(".npy")]
                arrays = {}
                for member in members:
                    if names is None or member[:-4] in names:
                        arrays[member[:-4]], most = _member(archive, member, most)
                return arrays
        except (OSError, *DAMAGED) as fault:
            raise damaged(path, fault) from None


def _member(archive, member, most):
    """An array, and how many bytes are left for others."""
    with archive.open(member) as file:
        shape, fortran, dtype = npy_header(file)
        if dtype.kind not in KINDS or min(shape, default=0) < 0:
            raise ValueError(f"{member:.60} holds neither numbers nor texts")
        size = math.prod(shape) * dtype.itemsize
        if math.prod(shape) * max(dtype.itemsize, 1) > most:  # texts of no letters take some memory, too
            raise ValueError(f"{member:.60} is larger than it should be")
        content = file.read(size + 1)  # to its end, where zipfile compares the checksum
        if len(content) != size:
            raise ValueError(f"{member:.60} has {len(content)} bytes of numbers where {size} should be")
    array = np.frombuffer(bytearray(content), dtype, math.prod(shape)) if dtype.itemsize else np.zeros(math.prod(shape), dtype)
    return array.reshape(shape, order="F" if fortran else "C"), most - size
