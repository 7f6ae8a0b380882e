"""A short run of fuzzing.py, and what its long runs found."""

import contextlib
import io
import json
import pickle
import shutil
import struct
import sys
import time
import warnings
import zipfile
import zlib

import fuzzing
import fuzzing_place
import h5py
import numpy as np
import pytest
import tiny_models
import weight_files
from PIL import Image

from neuraltalk.cli import extraction, folders
from neuraltalk.cli.score_files import read_references, read_system
from neuraltalk.data.boxes import read_boxes
from neuraltalk.data.dataset import find_faults
from neuraltalk.data.feature_files import open_stored
from neuraltalk.data.importers import read_coco
from neuraltalk.data.journal import Journal
from neuraltalk.data.phrases import load_phrases
from neuraltalk.data.scenes.truth import read_scenes
from neuraltalk.errors import UserError
from neuraltalk.formats.npy import read_npz
from neuraltalk.formats.whole import read_whole
from neuraltalk.metrics.tokenizer import tokenize
from neuraltalk.pages.results import read_result
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.vision.extractors import load_extractor
from neuraltalk.vision.pictures import open_picture
from neuraltalk.vision.proposals.classifier import read_classifier
from neuraltalk.vision.weights.vgg16 import read_weights

COUNT = 300


def test_damaged_files_are_loaded_or_refused():
    """python tests/fuzzing.py does the same, 20,000 times."""
    reports = fuzzing.fuzz(COUNT)
    assert [report for report in reports if report["fault"]] == []
    assert len(reports) == COUNT == len({report["n"] for report in reports})
    outcomes = [report["outcome"] for report in reports]
    assert outcomes.count("loaded") > COUNT // 10 and outcomes.count("refused") > COUNT // 3
    assert len({report["door"] for report in reports}) > 30


def test_honest_files_are_loaded(monkeypatch, tmp_path):
    """Else the damage would never be reached."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["neuraltalk"])
    with fuzzing.honest_files() as template, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fuzzer = fuzzing.Fuzzer(template, 0)
        try:
            for door in fuzzer.commands + fuzzer.doors:
                files = [path for path in template.glob(door.files) if path.is_file()]
                assert files, door.name
                for path in files:
                    target = fuzzer.place / (door.at or f"damaged/{path.name}")
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(path.read_bytes())
                    door.open(target)  # raises UserError if it is refused
                    fuzzer._restore()
        finally:
            monkeypatch.chdir(tmp_path)
            shutil.rmtree(fuzzer.place)


# ---- what was found


def refused(read, path, said=""):
    """The one line in which a file is refused."""
    with pytest.raises(UserError) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text and said in text and text.isprintable()


def test_errors_are_one_line_whatever_they_quote():
    assert str(UserError("a\nb\x1b[2J\u2028c é")) == "a b\\x1b[2J\\u2028c é"
    assert str(UserError("plain")) == "plain"


def test_a_device_is_not_read(tmp_path):
    (tmp_path / "x.p").symlink_to("/dev/zero")
    refused(read_whole, tmp_path / "x.p", "a device")
    refused(read_whole, tmp_path, "can't be read")


def npy(header, content=b"", version=2):
    layout = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(layout, len(header)) + header + content


def packed(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"


@pytest.mark.parametrize(
    "member",
    [
        npy(bytes(1 << 24)),  # 16 kilobytes of file, a header of 16 megabytes
        npy(HEADER % b"100000000,", bytes(1 << 20)),
        npy(HEADER % b"4194304,", bytes(1 << 24)),
        npy(HEADER % b"-1,"),
        npy(HEADER.replace(b"<f4", b"|O") % b"1,", pickle.dumps([1])),
        npy(b"(" * 5000),
        npy(b"{'descr': '<f4',\n"),
        b"",
    ],
)
def test_bombs_in_an_npz(tmp_path, member):
    path = tmp_path / "a.npz"
    path.write_bytes(packed(W=member, feats=member, conv1_1_W=member))
    tracemalloc = pytest.importorskip("tracemalloc")
    tracemalloc.start()
    refused(lambda path: read_npz(path, 1 << 20), path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    refused(load_extractor, path)
    refused(lambda path: read_classifier(path, 3), path)
    if member[:100] != npy(HEADER % b"4194304,", bytes(1 << 24))[:100]:
        refused(open_stored, path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_zips_of_unusual_kinds(tmp_path, method):
    """Their decoders ask for as much memory as a field of the file says, and fail with errors of their own."""
    path = tmp_path / "a.npz"
    for members in (["W.npy", "feats.npy", "conv1_1_W.npy"], ["a/data.pkl"]):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in members:
                archive.writestr(name, npy(HEADER % b"900,", bytes(3600)))
        for read in (open_stored, load_extractor, lambda path: read_classifier(path, 3), read_weights):
            refused(read, path)


@pytest.mark.parametrize("text", [b"|S0", b"<U0"])
def test_texts_of_no_letters_by_the_billion(tmp_path, text):
    (tmp_path / "a.npz").write_bytes(packed(name=npy(HEADER.replace(b"<f4", text) % b"2147483648,")))
    refused(lambda path: read_npz(path, 1 << 20), tmp_path / "a.npz", "larger than it should be")


@pytest.mark.parametrize("header", [b"1if 1 else " * 800 + b"1", b"{'descr': '<f4', 'shape': (1L,), 'fortran_order': 0or 1}", b"'\\d'"])
def test_headers_that_python_warns_of(tmp_path, header):
    (tmp_path / "a.npz").write_bytes(packed(feats=npy(header)))
    refused(lambda path: read_npz(path, 1 << 20), tmp_path / "a.npz")
    refused(open_stored, tmp_path / "a.npz")


def test_packed_rows_too_wide_for_any_feature(tmp_path):
    zeros = packed(feats=npy(HEADER % b"1, 33554432", bytes(4 << 25)))
    (tmp_path / "a.npz").write_bytes(zeros)
    assert len(zeros) < 200_000
    refused(lambda path: list(open_stored(path).blocks()), tmp_path / "a.npz", "packed rows of 33,554,432 numbers")


def test_pieces_of_an_hdf5_file_too_large_to_unpack(tmp_path):
    path, large = tmp_path / "a.h5", (1 << 14, 1 << 14)
    with h5py.File(path, "w") as file:
        feats = file.create_dataset("feats", large, "f4", chunks=large, compression="gzip")
        feats.id.write_direct_chunk((0, 0), bytes(1 << 20))
    refused(open_stored, path, "too large to be unpacked")


def matlab5(kind, shape, content):
    """A packed variable `layers`, which `content` (sub-elements) follows."""

    def element(kind, data):
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    matrix = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", *shape)) + element(1, b"layers") + content
    data = zlib.compress(element(14, matrix), 9)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(data)) + data


def test_cells_by_the_million(tmp_path):
    """Empty places are 8 bytes each and pack a thousandfold, but each takes its time."""
    path, places = tmp_path / "a.mat", 1_000_000
    path.write_bytes(matlab5(1, (places, 1), struct.pack("<II", 14, 0) * places))
    assert path.stat().st_size < 20_000
    refused(read_weights, path, "more than there should be")


def test_letters_by_the_million(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        text = file.create_dataset("layers", (1, 600_000_000), "u1", chunks=(1, 1 << 20))  # none of which is in the file
        text.attrs["MATLAB_class"] = np.bytes_("char")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\0\2IM")
    refused(read_weights, path, "more than there should be")


def test_a_jpeg_of_scans_without_end(tmp_path):
    """Each goes over the whole picture: 100 bytes of the file are as much work as all pixels."""
    path = tmp_path / "a.jpg"
    Image.new("RGB", (64, 64), "red").save(path, progressive=True)
    data = path.read_bytes()
    scan = data[data.rindex(b"\xff\xda") : -2]
    open_picture(path)
    path.write_bytes(data[:-2] + scan * 300 + data[-2:])
    refused(open_picture, path, "scans")


def test_a_tiff_of_tiles_larger_than_itself(tmp_path):
    path, side = tmp_path / "a.tif", 8192
    for tile in (64, side):
        pixels = zlib.compress(bytes(tile**2), 9)
        tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: 146, 325: len(pixels)}
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(16) + pixels)
        if tile < side:
            assert open_picture(path).size == (16, 16)
    refused(open_picture, path, "tiles of 8192 x 8192 pixels")


def test_fits_is_not_read(tmp_path):
    path = tmp_path / "a.fits"
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END"]
    path.write_bytes("".join(card.ljust(80) for card in cards).ljust(2880).encode())
    refused(open_picture, path, "not a picture")


def test_npz_comes_back(tmp_path):
    given = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.array("text"),
        "c": np.asfortranarray(np.eye(3, 2, dtype="f4")),
        "d": np.zeros((0, 3)),
        "e": np.array(""),
    }
    np.savez_compressed(tmp_path / "a.npz", **given)
    found = read_npz(tmp_path / "a.npz", 1000)
    assert found.keys() == given.keys()
    for name, array in given.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
    assert read_npz(tmp_path / "a.npz", 1000, ("b",)).keys() == {"b"}
    refused(lambda path: read_npz(path, 50), tmp_path / "a.npz", "larger than it should be")


def test_bombs_in_a_torch_file(tmp_path):
    path = tmp_path / "a.pth"
    weight_files.write_torch_zip(path, weight_files.thin_layers())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content, said in (("vgg16/byteorder", bytes(1 << 24), "byte order"), ("vgg16/data/0", members["vgg16/data/0"], "compressed")):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, data in {**members, name: content}.items():
                archive.writestr(key, data)
        refused(lambda path: read_weights(path, widths=weight_files.WIDTHS), path, said)


@pytest.mark.parametrize("name", ["a.npz", "a.pth"])
def test_a_directory_of_a_zip_that_points_before_the_file(tmp_path, name):
    path = tmp_path / name
    (weight_files.write_npz if name == "a.npz" else weight_files.write_torch_zip)(path, weight_files.thin_layers())
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    (place,) = struct.unpack("<I", data[end + 16 : end + 20])
    data[end + 16 : end + 20] = struct.pack("<I", place + 1000)  # everything seems to lie a thousand bytes before
    path.write_bytes(data)
    refused(lambda path: read_weights(path, widths=weight_files.WIDTHS), path)


def test_boxes_beyond_all_numbers(tmp_path):
    path = tmp_path / "boxes.json"
    for number in ("1e308", "1" + "0" * 400, "NaN", "Infinity", "[1]"):
        path.write_text(f'{{"a.png": [[0, 0, {number}, {number}]]}}')
        refused(read_boxes, path, "should be lists of xmin")


def test_numbers_of_hundreds_of_digits(tmp_path):
    huge = "9" * 400
    (tmp_path / "phrases.json").write_text(f'[[{{"sentence": 0, "phrase": "a", "box": [0, 0, 1, {huge}]}}]]')
    refused(lambda path: load_phrases(path.parent), tmp_path / "phrases.json", "box should be")
    (tmp_path / "r.json").write_text(
        f'{{"imgblobs": [{{"img_path": "a", "candidate": {{"text": "b", "logprob": {huge}}}}}], "gtppl": -{huge}}}'
    )
    assert read_result(tmp_path / "r.json")["imgblobs"][0]["candidate"]["logprob"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"setting": None},
        {"time": 3},
        {"things": 0},
        {"things": [{}]},
        {"relations": [[0, "on", 5]]},
        {"relations": [[-1, "on", 0]]},
        {"relations": [["a"]]},
        {"filename": None},
        {"relations": {}},
    ],
)
def test_truths_of_pictures_that_are_none(tmp_path, change):
    thing = {"kind": "dog", "colour": "brown", "size": None, "does": ["run"], "box": [0, 0, 9, 9]}
    scene = {"filename": "a.png", "setting": "beach", "time": "day", "things": [thing], "relations": []}
    (tmp_path / "scenes.json").write_text(json.dumps([scene]))
    assert read_scenes(tmp_path) == [scene]
    (tmp_path / "scenes.json").write_text(json.dumps([scene, {**scene, **change}]))
    refused(lambda path: read_scenes(path.parent), tmp_path / "scenes.json", "scene 1: no ")
    (tmp_path / "scenes.json").write_text(json.dumps([scene]))
    refused(lambda path: read_scenes(path.parent, numbered=True), tmp_path / "scenes.json", "no imgid")


def test_ids_that_are_none(tmp_path):
    (tmp_path / "a.json").write_text('{"images": 5, "annotations": [{"image_id": 1, "caption": "a"}]}')
    assert read_references([tmp_path / "a.json"]) == {1: ["a"]}
    (tmp_path / "a.json").write_text('{"images": [{"id": [1]}, {"id": {}}], "annotations": [{"image_id": 1, "caption": "a"}]}')
    assert read_references([tmp_path / "a.json"]) == {1: ["a"]}
    (tmp_path / "b.json").write_text(
        '{"imgblobs": [{"img_path": "x", "imgid": [1], "candidate": {"text": "a"}, "references": [{"text": "a"}]}]}'
    )
    assert read_system(tmp_path / "b.json").texts == ["a"]


def test_ids_that_look_the_same_to_a_dict(tmp_path):
    """Multiples of 2^61 - 1 have one hash: 40,000 of them would take a minute."""
    path, ids = tmp_path / "a.json", [k * (2**61 - 1) for k in range(40_000)]
    images = [{"id": k, "file_name": f"{k}.jpg", "imgid": k} for k in ids]
    path.write_text(json.dumps({"images": images, "annotations": [{"image_id": k, "caption": "a"} for k in ids]}))
    refused(read_coco, path, 'a number "image_id"')
    refused(lambda path: read_references([path]), path, "image_id")
    began = time.process_time()
    assert len(list(find_faults({"images": images}))) > len(ids) and time.process_time() - began < 10


@pytest.mark.parametrize("stretch", ["+", "1%", "a.", "&amp;", "a-", "http://a", "1,", "@a", "'", "<a", "é"])
def test_captions_without_a_space(stretch):
    """Rules that try again from each letter would take an hour for a megabyte of it."""
    began = time.process_time()
    words = tokenize(stretch * 30_000)
    assert time.process_time() - began < 10 and len("".join(words)) <= 4 * len(stretch) * 30_000


@pytest.mark.parametrize("change", [{"fingerprint": np.zeros(0)}, {"name": None}, {"fingerprint": 5}])
def test_extractors_whose_names_are_none(tmp_path, change):
    path = tmp_path / "a.p"
    tiny_models.make_checkpoint(path, dimension=4)
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**content, "extractor": {"name": "kmeans", "fingerprint": "abc", **change}}))
    refused(load_checkpoint, path, "no name or no fingerprint")


def test_models_that_are_arrays(tmp_path):
    path = tmp_path / "a.p"
    tiny_models.make_checkpoint(path, dimension=4)
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**content, "params": {**content["params"], "model": np.full((9, 9), np.inf)}}))
    refused(load_checkpoint, path, "holds a model of the kind array(")


def test_zeros_at_the_end_are_no_records(tmp_path):
    """Some file systems leave them after a power cut."""
    with Journal(tmp_path / "records") as journal:
        journal.add("one", b"1")
    size = (tmp_path / "records").stat().st_size
    with open(tmp_path / "records", "ab") as file:
        file.write(bytes(4096))
    with Journal(tmp_path / "records") as journal:
        assert len(journal) == 1
    assert (tmp_path / "records").stat().st_size == size


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}\n",
        b"[]\n",
        b'{"fault": null}\n',
        b'{"fault": null, "shapes": []}\n',
        b'{"fault": null, "shapes": [[9], null, null]}\n1234',
        b'{"fault": null, "shapes": [[-1], null, null]}\n1234',
        b'{"fault": null, "shapes": [[1, 1], null, null]}\n1234',
        b'{"fault": null, "shapes": [[1e400], null, null]}\n1234',
        b'{"fault": null, "shapes": ["a", null, null]}\n1234',
        b"[" * 100_000,
        b"\xff\n",
    ],
)
def test_records_that_are_no_features(record):
    for read in (extraction.unpack, extraction.unpack_fault):
        with pytest.raises(UserError, match="--restart"):
            read(record)
    found = extraction.unpack(b'{"fault": null, "shapes": [[1], null, null]}\n\0\0\x80?')
    assert (found.features.tolist(), found.boxes, found.fault) == ([1.0], None, None)


@pytest.mark.parametrize("name", ["W", "b"])
def test_classifiers_beyond_32_bits(tmp_path, name):
    arrays = {"W": np.ones((3, 2)), "b": np.ones(2)}
    arrays[name].flat[0] = 1e300
    np.savez(tmp_path / "a.npz", **arrays)
    refused(lambda path: read_classifier(path, 3), tmp_path / "a.npz", "finite")


HUGE = [("f4", 1e30), ("f4", -1e37), ("f8", 1e300), ("f8", -1e300)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What the commands of fuzzing_place.py work on."""
    folder = tmp_path_factory.mktemp("huge") / "place"
    fuzzing_place.make(folder)
    return folder


@pytest.mark.parametrize("dtype, factor", HUGE)
@pytest.mark.parametrize(
    "file, argv",
    [
        ("cv/tiny.p", ["predict", "cv/tiny.p", "-r", "pictures", "-b", "2"]),
        ("cv/tiny.p", ["eval", "cv/tiny.p", "-s", "val", "-b", "2"]),
        ("cv/toy_alignment_baseline.p", ["eval", "cv/toy_alignment_baseline.p", "-s", "val"]),
        ("cv/toy_alignment_baseline.p", ["search", "cv/toy_alignment_baseline.p", "a dog"]),
        ("cv/toy_alignment_baseline.p", ["align", "cv/toy_alignment_baseline.p", "1"]),
        ("cv/toy_alignment_baseline.p", ["phrases", "cv/toy_alignment_baseline.p"]),
        ("cv/tiny_lstm_baseline.last.p", ["train", "--resume", "cv/tiny_lstm_baseline.last.p", "-m", "2"]),
    ],
)
def test_weights_that_are_finite_but_whose_products_are_not(place, monkeypatch, file, argv, dtype, factor):
    """A command may find captions all the same, or it says in one line that it can't; numpy's warnings would be errors here."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["neuraltalk"])
    whole = (place / file).read_bytes()
    content = pickle.loads(whole)
    limit = np.finfo(dtype).max
    content["model"] = {name: np.clip(array.astype("f8") * factor, -limit, limit).astype(dtype) for name, array in content["model"].items()}
    (place / file).write_bytes(pickle.dumps(content, 2))
    try:
        with contextlib.suppress(UserError):
            fuzzing.command_of(argv)(None)
    finally:
        (place / file).write_bytes(whole)


@pytest.mark.parametrize(
    "argv, key, value",
    [
        (["eval", "cv/toy_alignment_baseline.p"], "dataset", 3),
        (["eval", "cv/tiny.p"], "dataset", ["tiny"]),
        (["eval", "cv/tiny.p"], "dataset", "x" * 100_000),
        (["eval", "cv/tiny.p"], "dataset", "a\0b"),
        (["train", "--resume", "cv/tiny_lstm_baseline.last.p"], "worker_status_output_directory", "a\0b"),
        (["train", "--resume", "cv/tiny_lstm_baseline.last.p"], "preset", b"x"),
        (["train", "--resume", "cv/tiny_lstm_baseline.last.p"], "generator", np.zeros(3)),
    ],
)
def test_options_in_checkpoints_that_nobody_gave(place, monkeypatch, argv, key, value):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["neuraltalk"])
    path = place / argv[-1]
    whole = path.read_bytes()
    content = pickle.loads(whole)
    path.write_bytes(pickle.dumps({**content, "params": {**content["params"], key: value}}))
    try:
        with pytest.raises(UserError):
            fuzzing.command_of(argv)(None)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("key", ["perplexity", "epoch", "it"])
def test_figures_beyond_all_numbers(tmp_path, key):
    path = tmp_path / "a.p"
    tiny_models.make_checkpoint(path, dimension=4)
    path.write_bytes(pickle.dumps({**pickle.loads(path.read_bytes()), key: 10**400}))
    refused(load_checkpoint, path, "a number of 1329 bits")


def test_long_names_are_quoted_in_part(tmp_path):
    (tmp_path / "tasks.txt").write_bytes(b"a.png\n../" + b"\0x" * 5000)
    refused(folders.read_tasks, tmp_path / "tasks.txt", "outside the folder")
    with pytest.raises(UserError) as caught:
        folders.read_tasks(tmp_path / "tasks.txt")
    assert len(str(caught.value)) < 300 + 2 * len(str(tmp_path))


def test_records_that_nobody_wrote(tmp_path):
    """A record whose checksum is right and whose key is no text ends the journal, as half a record does."""
    with Journal(tmp_path / "records") as journal:
        journal.add("one", b"1")
    with open(tmp_path / "records", "ab") as file:
        file.write(struct.pack("<III", 2, 1, zlib.crc32(b"\xff\xfex")) + b"\xff\xfex")
    with Journal(tmp_path / "records") as journal:
        assert len(journal) == 1 and journal["one"] == b"1"
