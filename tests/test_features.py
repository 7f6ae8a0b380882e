"""Features: every format gives the same float32 rows, mapped or from the cache; every fault is one line."""

import os
import pathlib
import struct
import threading
import tracemalloc
import types
import warnings
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from neuraltalk.data import features as features_module
from neuraltalk.data.dataset import Dataset, Image
from neuraltalk.data.features import check_features, open_features
from neuraltalk.errors import UserError

N, D = 7, 5


@pytest.fixture
def matrix():
    return np.random.default_rng(0).uniform(0, 9, (N, D)).astype(np.float32)


def write(path, matrix, kind):
    """Write an N x D matrix in one of the formats, in the orientation that is usual there."""
    if kind.startswith("mat5"):
        dtype = {"mat5": np.float32, "mat5 double": np.float64, "mat5 compressed": np.float64}[kind]
        scipy.io.savemat(
            path,
            {"other": np.ones((3, 3)), "feats": matrix.T.astype(dtype), "name": "x"},
            do_compression=kind == "mat5 compressed",
        )
    elif kind == "mat7.3":
        with h5py.File(path, "w", userblock_size=512) as file:  # HDF5 behind MATLAB's text header
            file.create_dataset("feats", data=matrix.astype(np.float64), chunks=(2, 3), compression="gzip")
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(128))
    elif kind == "npy":
        np.save(path, matrix)
    elif kind == "npy double big-endian":
        np.save(path, matrix.astype(">f8"))
    elif kind == "npy fortran":
        np.save(path, np.asfortranarray(matrix))
    elif kind == "npy turned":
        np.save(path, np.ascontiguousarray(matrix.T))
    elif kind == "npz":
        np.savez(path, feats=matrix, more=np.ones(3))
    elif kind == "npz compressed":
        np.savez_compressed(path, feats=matrix.astype(np.float64))
    elif kind == "npz fortran":
        np.savez(path, feats=np.asfortranarray(matrix))
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("feats", data=matrix, chunks=(3, 5) if kind == "h5 chunked" else None)


KINDS = {
    "mat5": ".mat",
    "mat5 double": ".mat",
    "mat5 compressed": ".mat",
    "mat7.3": ".mat",
    "npy": ".npy",
    "npy double big-endian": ".npy",
    "npy fortran": ".npy",
    "npy turned": ".npy",
    "npz": ".npz",
    "npz compressed": ".npz",
    "npz fortran": ".npz",
    "h5": ".h5",
    "h5 chunked": ".h5",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_rows(tmp_path, matrix, kind):
    path = tmp_path / f"vgg_feats{KINDS[kind]}"
    write(path, matrix, kind)
    for _ in range(2):  # the second time, converted ones come from the cache
        features = open_features(tmp_path, images=N)
        assert (features.count, features.dimension, features.path) == (N, D, path)
        rows = features.rows([6, 0, 0, 3])
        assert rows.dtype == np.float32 and rows.flags.c_contiguous
        np.testing.assert_array_equal(rows, matrix[[6, 0, 0, 3]])
        features.check()


@pytest.mark.parametrize(
    "kind, mapped",
    [
        ("mat5", True),
        ("mat5 double", True),
        ("npy", True),
        ("h5", True),
        ("mat5 compressed", False),
        ("mat7.3", False),
        ("npz", False),
        ("npy fortran", False),
    ],
)
def test_a_cache_is_made_only_where_rows_cannot_be_mapped(tmp_path, matrix, kind, mapped):
    path = tmp_path / f"features{KINDS[kind]}"
    write(path, matrix, kind)
    open_features(path).rows([0])
    caches = [cache for cache in os.listdir(tmp_path) if cache != path.name]
    assert len(caches) == (0 if mapped else 1)
    for cache in caches:
        np.testing.assert_array_equal(np.load(tmp_path / cache), matrix)  # a .npy like any other


def test_a_changed_file_is_converted_again(tmp_path, matrix):
    path = tmp_path / "features.npz"
    np.savez(path, feats=matrix)
    open_features(path)
    np.savez(path, feats=matrix + 1)
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(open_features(path).rows([2]), matrix[[2]] + 1)


def test_a_damaged_cache_is_made_again(tmp_path, matrix):
    path = tmp_path / "features.npz"
    np.savez(path, feats=matrix)
    open_features(path)
    cache = tmp_path / "features.npz.float32.npy"
    cache.write_bytes(cache.read_bytes()[:-300])
    np.testing.assert_array_equal(open_features(path).rows([2]), matrix[[2]])
    cache.write_bytes(b"")
    np.testing.assert_array_equal(open_features(path).rows([2]), matrix[[2]])


def test_a_folder_that_takes_no_cache_keeps_them_in_memory(tmp_path, matrix, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(features_module.files, "write_atomically", refuse)
    for kind in ("npz compressed", "npy turned"):
        path = tmp_path / f"{kind}{KINDS[kind]}"
        write(path, matrix, kind)
        np.testing.assert_array_equal(open_features(path, images=N).rows(range(N)), matrix)
    assert len(os.listdir(tmp_path)) == 2


def test_large_features_are_not_held_in_memory(tmp_path, matrix, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(features_module.files, "write_atomically", refuse)
    monkeypatch.setattr(features_module, "HELD_BYTES", N * D * 4 - 1)
    np.savez(tmp_path / "features.npz", feats=matrix)
    with pytest.raises(UserError, match=r"features.npz: has to be converted once, .* Permission denied; make room"):
        open_features(tmp_path)


def test_a_conversion_that_the_disk_has_no_room_for_does_not_begin(tmp_path, matrix, monkeypatch):
    """What a killed conversion left takes no room."""
    np.savez(tmp_path / "features.npz", feats=matrix)
    left = tmp_path / ".features.npz.float32.npy.abcdefgh.unfinished"
    left.touch()
    monkeypatch.setattr(
        features_module.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=0 if left.exists() else room)
    )
    monkeypatch.setattr(features_module, "HELD_BYTES", 0)
    calls, room = [], 100
    with pytest.raises(UserError, match=r"to 0\.00 GB in features\.npz\.float32\.npy beside it.* 0\.00 GB are free"):
        open_features(tmp_path, progress=lambda *done: calls.append(done))
    assert not calls and os.listdir(tmp_path) == ["features.npz"]
    room = 10_000
    np.testing.assert_array_equal(open_features(tmp_path).rows(range(N)), matrix)


def test_two_processes_convert_once(tmp_path, matrix):
    """The second waits for the first, and takes what that made."""
    np.savez(tmp_path / "features.npz", feats=matrix)
    begun, ended, lines, converted = threading.Event(), threading.Event(), [], []

    def first(done, rows):
        begun.set()
        assert ended.wait(20)

    def told(line):
        lines.append(line)
        ended.set()

    other = threading.Thread(target=open_features, args=[tmp_path], kwargs={"progress": first})
    other.start()
    assert begun.wait(20)
    features = open_features(tmp_path, progress=lambda *done: converted.append(done), waiting=told)
    other.join()
    np.testing.assert_array_equal(features.rows(range(N)), matrix)
    assert len(lines) == 1 and "features.npz.float32.npy" in lines[0] and not converted
    assert sorted(os.listdir(tmp_path)) == ["features.npz", "features.npz.float32.npy"]


@pytest.mark.parametrize("kind", ["mat5 compressed", "mat7.3"])
def test_an_interrupted_conversion_leaves_nothing(tmp_path, matrix, kind, monkeypatch):
    def interrupt(done, rows):
        raise KeyboardInterrupt

    monkeypatch.setattr(features_module.feature_files, "BLOCK_BYTES", 3 * D * 4)
    write(tmp_path / "features.mat", matrix, kind)
    with pytest.raises(KeyboardInterrupt):
        open_features(tmp_path, progress=interrupt)
    assert os.listdir(tmp_path) == ["features.mat"]
    np.testing.assert_array_equal(open_features(tmp_path).rows(range(N)), matrix)


def test_pieces_as_high_as_the_matrix_are_read_in_parts(tmp_path, monkeypatch):
    """Such a file is N columns beside each other: whole pieces would be the whole matrix."""
    matrix = np.arange(1000.0, dtype=np.float32).reshape(500, 2)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file.create_dataset("feats", data=matrix, chunks=(500, 1), compression="gzip")
    monkeypatch.setattr(features_module.feature_files, "BLOCK_BYTES", 5 * 2 * 4)
    blocks = list(features_module.feature_files.open_stored(tmp_path / "features.h5").blocks())
    assert [len(block) for block in blocks] == [80] * 6 + [20]
    np.testing.assert_array_equal(np.concatenate(blocks), matrix)


def test_features_are_turned_before_work_begins(tmp_path, matrix, monkeypatch):
    """Whatever their size: not at the first batch."""
    monkeypatch.setattr(features_module, "FULL_CHECK_BYTES", 0)
    write(tmp_path / "features.npy", matrix, "npy turned")
    check_features(open_features(tmp_path), dataset_of(N))
    assert sorted(os.listdir(tmp_path)) == ["features.npy", "features.npy.turned.float32.npy"]


def test_a_failed_conversion_leaves_nothing(tmp_path, matrix):
    matrix[3, 2] = np.nan
    np.savez(tmp_path / "features.npz", feats=matrix)
    with pytest.raises(UserError, match="features of image 3 "):
        open_features(tmp_path)
    assert os.listdir(tmp_path) == ["features.npz"]


def test_conversion_reports_progress(tmp_path, matrix, monkeypatch):
    monkeypatch.setattr(features_module.feature_files, "BLOCK_BYTES", 3 * D * 4)
    np.savez(tmp_path / "features.npz", feats=matrix)
    calls = []
    features = open_features(tmp_path, progress=lambda done, rows: calls.append((done, rows)))
    assert calls == [(3, N), (6, N), (7, N)]
    np.testing.assert_array_equal(features.rows(range(N)), matrix)


def test_nothing_is_held_as_float64(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, (1000, 1000)).astype(np.float64)  # 8 MB
    scipy.io.savemat(tmp_path / "features.mat", {"feats": values.T}, do_compression=True)
    features_module.feature_files.BLOCK_BYTES, before = 1 << 19, features_module.feature_files.BLOCK_BYTES
    tracemalloc.start()
    try:
        rows = open_features(tmp_path).rows(np.arange(100))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        features_module.feature_files.BLOCK_BYTES = before
    np.testing.assert_array_equal(rows, values[:100])
    assert peak < 4e6


def test_matlab_stores_whole_numbers_in_small_types(tmp_path):
    """MATLAB writes a double matrix of small whole numbers as bytes: class double, data of type uint8."""
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"

    def words(*numbers):
        return np.array(numbers, dtype="<u4").tobytes()

    body = (
        words(6, 8, 6, 0)
        + words(5, 8, 2, 3)
        + words(1, 5)
        + b"feats\0\0\0"
        + words(2, 6)
        + bytes([1, 2, 3, 4, 5, 6, 0, 0])
    )
    (tmp_path / "features.mat").write_bytes(header + words(14, len(body)) + body)
    np.testing.assert_array_equal(scipy.io.loadmat(tmp_path / "features.mat")["feats"], [[1, 3, 5], [2, 4, 6]])
    np.testing.assert_array_equal(open_features(tmp_path).rows([0, 1, 2]), [[1, 2], [3, 4], [5, 6]])


def test_another_variable(tmp_path, matrix):
    scipy.io.savemat(
        tmp_path / "features.mat", {"feats": matrix.T, "boxes": np.ones((4, N), dtype=np.int32)}, do_compression=True
    )
    assert open_features(tmp_path, variable="boxes").rows([1]).tolist() == [[1, 1, 1, 1]]
    np.testing.assert_array_equal(open_features(tmp_path).rows([1]), matrix[[1]])


def dataset_of(count):
    return Dataset("x", ".", [Image(k, f"{k}.jpg", "", "train", []) for k in range(count)])


def test_orientation_follows_the_images_only_if_the_own_one_does_not_fit(tmp_path, matrix):
    np.save(tmp_path / "square.npy", matrix[:5])
    np.testing.assert_array_equal(open_features(tmp_path / "square.npy", images=5).rows([1]), matrix[[1]])
    scipy.io.savemat(tmp_path / "turned.mat", {"feats": matrix})  # N x D where MATLAB's own is D x N
    features = open_features(tmp_path / "turned.mat")
    assert features.count == D
    check_features(features, dataset_of(N))
    np.testing.assert_array_equal(features.rows([1]), matrix[[1]])


def test_features_of_another_number_of_images_are_refused(tmp_path, matrix):
    np.save(tmp_path / "features.npy", matrix)
    with pytest.raises(
        UserError, match=r"features\.npy: has features of 7 images \(5 numbers each\), but there are 8 images"
    ):
        check_features(open_features(tmp_path), dataset_of(8))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(tmp_path, matrix, value):
    matrix = matrix.astype(np.float64)
    matrix[4, 1] = value
    np.save(tmp_path / "features.npy", matrix)
    features = open_features(tmp_path)
    features.rows([0, 3])
    with pytest.raises(UserError, match=r"image 4 aren't all finite.*number 1"):
        features.rows([0, 4])
    with pytest.raises(UserError, match="image 4 "):
        features.check()


def test_large_finite_numbers_whose_sum_overflows_are_accepted(tmp_path):
    np.save(tmp_path / "features.npy", np.full((2, 2), 3e38, dtype=np.float32))
    assert open_features(tmp_path).rows([1]).tolist() == [[np.float32(3e38)] * 2]


def test_no_features_in_a_folder(tmp_path):
    with pytest.raises(UserError, match="no features; expected one of vgg_feats.mat, "):
        open_features(tmp_path)
    with pytest.raises(UserError, match="none.mat: can't be read: No such file"):
        open_features(tmp_path / "none.mat")


@pytest.mark.parametrize("name", ["x.mat", "y.mat", "x.npz", "x.h5"])
def test_a_missing_variable_lists_those_there(tmp_path, name):
    values = {"fc7": np.ones((3, 4)), "labels": np.ones((1, 2))}
    if name.endswith("mat"):
        scipy.io.savemat(tmp_path / name, values, do_compression=name == "y.mat")
    elif name.endswith("npz"):
        np.savez(tmp_path / name, **values)
    else:
        with h5py.File(tmp_path / name, "w") as file:
            for key, value in values.items():
                file[key] = value
    with pytest.raises(UserError, match=r"no variable 'feats'; there are 'fc7' \(3 x 4\), 'labels' \(1 x 2\)"):
        open_features(tmp_path / name)


@pytest.mark.parametrize(
    "value, message",
    [
        (np.ones((2, 3, 4)), r"should be a matrix \(rows x columns\), but its shape is 2 x 3 x 4"),
        (np.ones((2, 3)) + 1j, "should hold real numbers, not complex"),
        (np.array(["ab", "cd"]), "should hold real numbers, not"),
        (np.array([[1, "x"]], dtype=object), "should hold real numbers, not"),
        (np.ones((0, 3)), "its shape is"),
    ],
)
@pytest.mark.parametrize("suffix", [".mat", ".npy", ".npz"])
def test_what_is_not_a_matrix_of_numbers_is_refused(tmp_path, value, message, suffix):
    path = tmp_path / f"features{suffix}"
    if suffix == ".mat":
        scipy.io.savemat(path, {"feats": value})
    elif suffix == ".npy":
        np.save(path, value, allow_pickle=True)
    else:
        np.savez(path, feats=value)
    with pytest.raises(UserError, match=message) as error:
        open_features(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_numbers_in_a_row_are_a_column(tmp_path, suffix):
    path, values = tmp_path / f"features{suffix}", np.arange(5.0)
    if suffix == ".npy":
        np.save(path, values)
    elif suffix == ".npz":
        np.savez(path, feats=values)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("feats", data=values, chunks=(2,))
    np.testing.assert_array_equal(open_features(path, images=5).rows([4, 1]), [[4], [1]])


def test_a_cut_matlab_file_is_not_taken_for_one_without_the_variable(tmp_path):
    for name, compressed in (("whole.mat", False), ("packed.mat", True)):
        first = np.random.default_rng(0).random(500)
        scipy.io.savemat(tmp_path / name, {"first": first, "feats": np.ones((3, 4))}, do_compression=compressed)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(UserError, match="damaged or cut short"):
            open_features(tmp_path / name)


def test_hdf5_links_to_other_files_are_not_followed(tmp_path, matrix):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["feats"] = matrix
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["feats"] = h5py.ExternalLink("other.h5", "feats")
    with pytest.raises(UserError, match="no variable 'feats'"):
        open_features(tmp_path)


@pytest.mark.parametrize("elsewhere", ["external", "virtual"])
def test_numbers_in_other_files_are_not_read(tmp_path, elsewhere):
    (tmp_path / "secret").write_bytes(np.ones((3, 4), "f4").tobytes())
    with h5py.File(tmp_path / "features.h5", "w") as file:
        if elsewhere == "external":
            file.create_dataset("feats", (3, 4), "f4", external=[(str(tmp_path / "secret"), 0, 48)])
        else:
            layout = h5py.VirtualLayout((3, 4), "f4")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "feats", (3, 4))
            file.create_virtual_dataset("feats", layout)
    with pytest.raises(UserError, match="feats points to other files; put its numbers into one file"):
        open_features(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_matlab_files_of_the_other_byte_order(tmp_path, matrix, packed):
    """As MATLAB wrote them on Suns and PowerPCs."""

    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    numbers = element(9, matrix.astype(">f8").tobytes())  # N x D row by row is D x N column by column
    whole = element(14, element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", D, N)) + element(1, b"feats") + numbers)
    if packed:
        whole = struct.pack(">II", 15, len(zlib.compress(whole))) + zlib.compress(whole)
    path = tmp_path / "features.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI" + whole)
    np.testing.assert_array_equal(open_features(path, images=N).rows(range(N)), matrix)


def test_the_checksum_of_packed_numbers_may_come_in_a_block_of_its_own(tmp_path):
    """Streams are read in pieces of 64 KB: here the last one has three bytes of the checksum."""
    path = tmp_path / "features.mat"
    scipy.io.savemat(path, {"feats": np.random.default_rng(0).random((8183, 1))})
    data = path.read_bytes()
    content = data[128:]
    blocks = [content[start : start + 0xFFFF] for start in range(0, len(content), 0xFFFF)]  # deflate's, not compressed
    stored = b"".join(struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block for block in blocks)
    packed = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(content))
    assert len(packed) % (1 << 16) == 3
    for content, message in ((packed, None), (packed[:-1] + b"?", "damaged"), (packed[:-2], "damaged")):
        path.write_bytes(data[:128] + struct.pack("<II", 15, len(content)) + content)
        if message is None:
            assert open_features(path, images=1).rows([0]).shape == (1, 8183)
        else:
            with pytest.raises(UserError, match=message):
                open_features(path, images=1).rows([0])
        for cache in tmp_path.glob("*.npy"):
            cache.unlink()


def test_sizes_without_bytes_are_refused(tmp_path):
    with h5py.File(tmp_path / "features.h5", "w") as file:
        feats = file.create_dataset("feats", shape=(10**9, 4096), chunks=(1, 4096), dtype="f4")
        feats[0] = 1  # one of a billion rows is there
    with pytest.raises(UserError, match="damaged or cut short"):
        open_features(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.999, 0.7, 0.3, 0.02])
def test_cut_files_are_refused(tmp_path, kind, share):
    whole = np.random.default_rng(0).uniform(0, 9, (N, 100)).astype(np.float32)
    path = tmp_path / f"features{KINDS[kind]}"
    write(path, whole, kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    try:
        rows = open_features(path, images=N).rows(range(N))
    except UserError as error:
        assert "features" in str(error) and "\n" not in str(error)
    else:  # HDF5 and MATLAB may end with bytes that don't matter
        assert share == 0.999 and kind.startswith("mat5")
        np.testing.assert_array_equal(rows, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_altered_files_are_read_or_refused(tmp_path, kind, matrix):
    """Bytes changed at random give a UserError or numbers, and never another exception."""
    path = tmp_path / f"features{KINDS[kind]}"
    write(path, matrix, kind)
    original = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(original)
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(0, min(len(data), 700))] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert open_features(path).rows([0]).ndim == 2
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["mat5 compressed", "npz", "npz compressed"])
def test_checksums_are_compared(tmp_path, kind):
    """A changed number would be a plausible one: only the checksum tells."""
    path = tmp_path / f"features{KINDS[kind]}"
    write(path, np.ones((N, 100), dtype=np.float32), kind)
    if kind == "mat5 compressed":
        with open(path, "rb") as file:
            file.seek(128)
            end = 0
            for _ in range(2):  # the second variable is feats
                end = file.tell() + 8 + int(np.frombuffer(file.read(8), "<u4")[1])
                file.seek(end)
        position = end - 1  # in the checksum itself
    else:
        position = path.read_bytes().index(b"PK\1\2") + 16  # the checksum in the directory
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged or cut short"):
        open_features(path).rows([0])


def test_a_signalling_nan_is_refused_without_a_warning(tmp_path):
    values = np.ones((2, 2), dtype=np.float64)
    values.view(np.uint64)[1, 0] = 0x7FF0000000000001
    np.save(tmp_path / "features.npy", values)
    with pytest.raises(UserError, match="image 1 "):
        open_features(tmp_path).rows([1])


def test_text_and_folders_are_no_features(tmp_path):
    (tmp_path / "features.mat").write_text("not a matrix")
    with pytest.raises(UserError, match="neither MATLAB 5 or 7.3"):
        open_features(tmp_path)
    with zipfile.ZipFile(tmp_path / "features.npz", "w") as archive:
        archive.writestr("feats.npy", b"nonsense")
    with pytest.raises(UserError, match="damaged"):
        open_features(tmp_path / "features.npz")


FLICKR8K = pathlib.Path(__file__).resolve().parent.parent / "data" / "flickr8k" / "vgg_feats.mat"


@pytest.mark.skipif(not FLICKR8K.exists(), reason="Flickr8K isn't here")
def test_flickr8k_is_read_as_scipy_reads_it():
    features = open_features(FLICKR8K)
    assert (features.count, features.dimension) == (7000, 4096)
    rows = features.rows([0, 6999, 17])
    assert rows.min() >= 0 and 1 < rows.max() < 100
