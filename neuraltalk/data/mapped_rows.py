"""Rows of a mapped file, fetched together.

Touched one by one, rows that aren't in memory yet come one after the other, and each with all that lies around it: 128 KB
by default, on some systems 8 MB, for a row of 16 KB. Told beforehand, the system fetches them at once and nothing else.
"""

import contextlib
import mmap

import numpy as np

_KNOWN = hasattr(mmap, "MADV_WILLNEED") and hasattr(mmap, "MADV_RANDOM")  # not on Windows


class MappedRows:
    """The file behind a C-contiguous matrix (N, D); of one in memory, nothing is done."""

    def __init__(self, array):
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        self._file = base if _KNOWN and isinstance(base, mmap.mmap) else None
        if self._file is not None:
            self._begin = array.ctypes.data - np.frombuffer(base, dtype=np.uint8).ctypes.data
            self._row_bytes = array.shape[1] * array.itemsize
            self._advise(mmap.MADV_RANDOM)

    def fetch(self, rows):
        """Begin to read some rows, (n,) whole numbers; returns at once. Those that follow each other are one piece."""
        if self._file is None:
            return
        for first, count in runs(rows):
            start = self._begin + first * self._row_bytes
            before = start % mmap.PAGESIZE  # advice begins at a page
            self._advise(mmap.MADV_WILLNEED, start - before, count * self._row_bytes + before)

    def _advise(self, *advice):
        with contextlib.suppress(OSError):  # a file system without it
            self._file.madvise(*advice)


def runs(rows):
    """Pieces of rows that follow each other: a list of (first, count).

    >>> runs([4, 5, 6, 2, 3, 9])
    [(4, 3), (2, 2), (9, 1)]
    """
    rows = np.asarray(rows, dtype=np.int64)
    begins = np.flatnonzero(np.diff(rows, prepend=rows[:1] - 2) != 1)
    return list(zip(rows[begins].tolist(), np.diff(begins, append=len(rows)).tolist()))
