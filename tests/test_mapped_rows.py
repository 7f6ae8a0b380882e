"""Rows of mapped files: the system is told which come next, and only those."""

import mmap

import numpy as np
import pytest

from neuraltalk.data.features import open_features
from neuraltalk.data.mapped_rows import MappedRows

pytestmark = pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="this system takes no advice on mapped files")
PAGE, D = mmap.PAGESIZE, 1500


class Noted(mmap.mmap):
    """A mapped file that writes down the advice that it gets, and takes none."""

    def madvise(self, *advice):
        self.advice = [*getattr(self, "advice", []), advice]
        raise OSError("none taken")


def test_each_piece_is_fetched_once_and_nothing_else(tmp_path):
    matrix = np.arange(60 * D, dtype=np.float32).reshape(60, D)
    path = tmp_path / "rows"
    path.write_bytes(bytes(96) + matrix.tobytes())
    with open(path, "rb") as file:
        mapped = Noted(file.fileno(), 0, access=mmap.ACCESS_READ)
    rows = MappedRows(np.asarray(np.ndarray(matrix.shape, np.float32, mapped, 96)))
    rows.fetch(np.array([7, 8, 9, 50, 3]))
    (first,), *fetched = mapped.advice
    assert first == mmap.MADV_RANDOM and {advice for advice, _, _ in fetched} == {mmap.MADV_WILLNEED}
    for (_, start, length), (begin, end) in zip(fetched, [(7, 10), (50, 51), (3, 4)], strict=True):
        assert start % PAGE == 0 and start <= 96 + begin * D * 4 < start + PAGE and start + length == 96 + end * D * 4


def test_features_are_the_same(tmp_path):
    matrix = np.random.default_rng(0).random((300, 40), dtype=np.float32)
    np.save(tmp_path / "features.npy", matrix)
    features = open_features(tmp_path, images=300)
    for rows in ([5], [299, 0, 1, 1], [], np.arange(300), range(7)):
        np.testing.assert_array_equal(features.rows(rows), matrix[np.asarray(rows, dtype=np.int64)])


def test_what_is_in_memory_needs_no_fetching():
    MappedRows(np.zeros((3, 4))).fetch([2, 0])
