"""Files of VGG-16's weights: every format gives the same network, and nothing but the network."""

import functools
import io
import pathlib
import pickle
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import weight_files as files

from neuraltalk.errors import UserError
from neuraltalk.formats import matlab73, protobuf
from neuraltalk.vision.weights import layout, vgg16
from neuraltalk.vision.weights.vgg16 import make_weights, read_weights

SHARED = pathlib.Path(__file__).parent.parent.parent / "shared" / "vgg16" / "vgg16_conv.npz"
LAYERS = files.thin_layers()
CAFFE = {
    "layer.caffemodel": functools.partial(files.write_caffe, old=False),
    "layers.caffemodel": files.write_caffe,
    "published.h5": files.write_keras,
    "later.h5": functools.partial(files.write_keras, published=False),
    "now.mat": files.write_matconvnet,
    "old.mat": functools.partial(files.write_matconvnet, old=True),
    "packed.mat": functools.partial(files.write_matconvnet, compressed=True),
    "v73.mat": files.write_matlab73,
    "tensorflow.npz": files.write_tensorflow_npz,
    "own.npz": functools.partial(files.write_npz, mean=layout.CAFFE_INPUT[0], scale=layout.CAFFE_INPUT[1]),
}
TORCH = {
    "zip.pth": files.write_torch_zip,
    "stream.pth": files.write_torch_stream,
    "parameters.pth": functools.partial(files.write_torch_stream, parameter="REDUCE"),
    "objects.pth": functools.partial(files.write_torch_stream, parameter="NEWOBJ"),
    "own-torch.npz": files.write_npz,
}
ALL = {**CAFFE, **TORCH}


def refused(path, said, **options):
    with pytest.raises(UserError, match=said) as caught:
        read_weights(path, **{"widths": files.WIDTHS, **options})
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize("name", ALL)
def test_every_format_gives_the_same_network(tmp_path, name):
    ALL[name](tmp_path / name, LAYERS)
    weights = read_weights(tmp_path / name, widths=files.WIDTHS)
    expected = make_weights(LAYERS, *(layout.CAFFE_INPUT if name in CAFFE else layout.TORCH_INPUT))
    for layer, (W, b), (expected_W, expected_b) in zip(
        layout.LAYERS, weights.convolutions + weights.connected, LAYERS.values()
    ):
        np.testing.assert_array_equal(W, expected_W, layer)
        np.testing.assert_array_equal(b, expected_b, layer)
        assert W.dtype == b.dtype == np.float32
    assert all(W.flags.c_contiguous for W, _ in weights.convolutions)
    np.testing.assert_array_equal(weights.mean, expected.mean)
    np.testing.assert_array_equal(weights.scale, expected.scale)
    assert weights.fingerprint == expected.fingerprint
    assert weights.convolutions_fingerprint == expected.convolutions_fingerprint != expected.fingerprint
    assert weights.classes == (files.CLASSES if name.endswith(".mat") else ())
    assert "VGG-16" in weights.source


@pytest.mark.parametrize("name", [*ALL, "vgg16.ckpt"])
def test_convolutions_alone(tmp_path, name):
    write = ALL.get(name, files.write_lpips)
    for k, layers in enumerate((LAYERS, files.convolutions(LAYERS))):
        write(tmp_path / f"{k}{name}", layers)
    whole = read_weights(tmp_path / f"0{name}", connected=False, widths=files.WIDTHS)
    part = read_weights(tmp_path / f"1{name}", widths=files.WIDTHS)
    assert whole.connected == part.connected == ()
    assert whole.classes == part.classes == ()
    assert whole.fingerprint == part.fingerprint == part.convolutions_fingerprint
    layout_of_input = layout.CAFFE_INPUT if name in CAFFE else layout.TORCH_INPUT
    assert part.fingerprint == make_weights(files.convolutions(LAYERS), *layout_of_input).fingerprint


def test_all_files_of_the_original_network_give_the_same_features(tmp_path):
    from neuraltalk.vision.vgg.network import VGG16

    pixels = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    given = []
    for name in ("layers.caffemodel", "published.h5", "now.mat", "own.npz"):
        ALL[name](tmp_path / name, LAYERS)
        given.append(VGG16(read_weights(tmp_path / name, widths=files.WIDTHS)).forward(pixels, "fc7"))
    assert np.ptp(given[0]) > 0.1
    for features in given[1:]:
        np.testing.assert_allclose(features, given[0], rtol=1e-5, atol=1e-5)


def test_the_pretrained_convolutions():
    if not SHARED.is_file():
        pytest.skip("no ../shared/vgg16")
    weights = read_weights(SHARED)
    assert [W.shape for W, _ in weights.convolutions][::12] == [(64, 3, 3, 3), (512, 512, 3, 3)]
    np.testing.assert_allclose(weights.mean / 255, (0.485, 0.456, 0.406), rtol=1e-6)
    np.testing.assert_allclose(1 / weights.scale / 255, (0.229, 0.224, 0.225), rtol=1e-6)


def test_every_number_counts_for_the_fingerprint():
    found = {make_weights(LAYERS, *layout.TORCH_INPUT).fingerprint, make_weights(LAYERS, *layout.CAFFE_INPUT).fingerprint}
    for name in ("conv1_1", "conv5_3", "fc6", "fc8"):
        for k in range(2):
            pair = [array.copy() for array in LAYERS[name]]
            pair[k].flat[-1] += 1e-3
            found.add(make_weights({**LAYERS, name: pair}, *layout.TORCH_INPUT).fingerprint)
    assert len(found) == 10


def test_torchvisions_copy_of_the_original_convolutions(tmp_path):
    path = tmp_path / "vgg16_features.pth"
    blank = {name: (np.full_like(W, np.nan), np.full_like(b, np.nan)) for name, (W, b) in LAYERS.items()}
    files.write_torch_stream(path, {**blank, **files.convolutions(LAYERS)})
    weights = read_weights(path, widths=files.WIDTHS)
    assert weights.connected == ()
    np.testing.assert_allclose(weights.mean, (123, 117, 104), atol=0.01)
    assert weights.scale.tolist() == [1, 1, 1]


def test_mean_pictures(tmp_path):
    mean = np.full((4, 5, 3), layout.CAFFE_INPUT[0], "f4")
    files.write_matconvnet(tmp_path / "a.mat", LAYERS, mean=mean)
    assert read_weights(tmp_path / "a.mat", widths=files.WIDTHS).fingerprint == make_weights(LAYERS, *layout.CAFFE_INPUT).fingerprint
    mean[2, 2] += 5
    files.write_matconvnet(tmp_path / "b.mat", LAYERS, mean=mean)
    refused(tmp_path / "b.mat", "isn't of one colour")


@pytest.mark.parametrize("name", ALL)
def test_other_networks_are_refused(tmp_path, name):
    path = tmp_path / name
    W, b = LAYERS["conv3_2"]
    ALL[name](path, {**LAYERS, "conv3_2": (np.concatenate([W, W]), np.concatenate([b, b]))})
    refused(path, "8 x 3 x 3 x 3 where VGG-16 has 4 x 3|3 x 3 x 3 x 8 where VGG-16 has 3 x 3 x 3 x 4")
    ALL[name](path, {key: pair for key, pair in LAYERS.items() if key != "conv5_1"})
    refused(path, "no layer conv5_1")
    W, b = LAYERS["fc8"]
    ALL[name](path, {**LAYERS, "fc8": (W[:, :-1], b[:-1])})
    refused(path, "fc8|classifier.6|predictions")
    ALL[name](path, LAYERS)
    with pytest.raises(UserError, match="where VGG-16 has"):
        read_weights(path)  # thin: not the published network


@pytest.mark.parametrize("name", [*ALL, "vgg16.ckpt"])
def test_damaged_files(tmp_path, name):
    path = tmp_path / name
    ALL.get(name, files.write_lpips)(path, LAYERS)
    whole = path.read_bytes()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for length in (0, 1, 30, *rng.integers(1, len(whole), 12), len(whole) - 8000):
        path.write_bytes(whole[: int(length)])
        refused(path, ".")
    for _ in range(15):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(data), 3000), 3):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            read_weights(path, widths=files.WIDTHS)
        except UserError as fault:
            assert str(fault).isprintable()


def test_numbers_that_are_none(tmp_path):
    W, b = LAYERS["conv2_1"]
    files.write_npz(tmp_path / "a.npz", {**LAYERS, "conv2_1": (W * np.float32(np.inf), b)})
    with np.errstate(all="ignore"):
        refused(tmp_path / "a.npz", "conv2_1 has numbers that are infinite")
    files.write_npz(tmp_path / "b.npz", {**LAYERS, "conv2_1": (W * np.float64(1e300), b)})
    refused(tmp_path / "b.npz", "conv2_1 has numbers that are infinite")


def test_files_of_other_kinds(tmp_path):
    for name, data in (("a.txt", b"hello"), ("b.png", b"\x89PNG\r\n\x1a\n" + bytes(99)), ("c", b""), ("d.zip", b"PK\3\4" + bytes(40))):
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, "no file of VGG-16's weights|damaged")
    refused(tmp_path / "nowhere.pth", "can't be read")
    refused(tmp_path, "can't be read")
    np.savez(tmp_path / "features.npz", feats=np.zeros((3, 4)))
    refused(tmp_path / "features.npz", "no layer conv1_1")


# Pickles that ask for more

STORAGE = b"\x80\x02(X\x07\x00\x00\x00storage%sX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ%stQ."


def stream_with(pickled):
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    return head + pickled + pickle.dumps([], 2)


@pytest.mark.parametrize(
    "pickled, said",
    [
        (b"\x80\x02cos\nsystem\n(S'true'\ntR.", "'os.system'"),
        (b"\x80\x02ctorch.storage\n_load_from_bytes\n(S'x'\ntR.", "_load_from_bytes"),
        (b"\x80\x02ctorch\nload\n.", "'torch.load'"),
        (b"\x80\x02cnumpy\nndarray\n.", "'numpy.ndarray'"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)\x81.", "NEWOBJ"),
        (b"\x80\x02(X\x06\x00\x00\x00moduletQ.", "damaged"),
        (STORAGE % (b"ccollections\nOrderedDict\n", b"\1\0\0\0"), "OrderedDict"),
        (STORAGE % (b"ctorch\nFloatStorage\n", b"\xff\xff\xff\x7f"), "impossible storage"),
        (b"\x80\x02]K\x01a.", "holds a list"),
        (b"\x80\x02}X\x01\x00\x00\x00aK\x01s.", "no layer conv1_1"),
    ],
)
def test_hostile_pickles_of_tensors(tmp_path, pickled, said):
    (tmp_path / "a.pth").write_bytes(stream_with(pickled))
    refused(tmp_path / "a.pth", said)
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        archive.writestr("a/data.pkl", pickled)
    refused(tmp_path / "b.pth", said)


def test_hostile_pickles_of_arrays(tmp_path):
    (tmp_path / "a.ckpt").write_bytes(b"\x80\x02cos\nsystem\n(S'true'\ntR.")
    refused(tmp_path / "a.ckpt", "refused 'os.system'")
    (tmp_path / "b.ckpt").write_bytes(pickle.dumps({"VGG16_1": {}}))
    refused(tmp_path / "b.ckpt", "has no VGG16_0")


def test_tensors_stay_within_their_storages(tmp_path):
    arrays = list(files.torch_arrays(LAYERS))
    name, array = arrays[0]
    good = files.torch_tensor(array, "0", streamed=False)
    for found, put in (
        (files.integer(0), files.integer(1)),
        (files.group(*map(files.integer, (27, 9, 3, 1))), files.group(*map(files.integer, (28, 9, 3, 1)))),
        (files.group(*map(files.integer, (27, 9, 3, 1))), files.group(*map(files.integer, (27, 9, 3, -1)))),
        (files.group(*map(files.integer, (27, 9, 3, 1))), files.group(*map(files.integer, (27, 9, 3)))),
    ):
        assert found in good
        pickled = files.torch_pickle(arrays, streamed=False).replace(good, good.replace(found, put, 1))
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
            archive.writestr("a/data.pkl", pickled)
        refused(tmp_path / "a.pth", "reaches beyond|impossible")


# Lengths that promise more than there is


def test_long_fields_of_protocol_buffers(tmp_path):
    path = tmp_path / "a.caffemodel"
    for data in (
        files.field(1, b"net") + b"\x12" + files.varint(2**40) + b"abc",
        files.field(1, b"net") + b"\x12" + b"\xff" * 12,
        files.field(1, b"net") + files.field(2, files.field(4, b"conv1_1") + b"\x32" + files.varint(1000)),
        files.field(1, b"net") + b"\x13",
        files.field(1, b"net") + files.field(2, files.field(4, b"x" * 5000)),
        files.field(1, b"net") + b"\x18\x01" * 30_000,
    ):
        path.write_bytes(data)
        refused(path, "damaged or cut short")
    blob = files.field(7, files.field(1, b"".join(map(files.varint, (2, 3, 3, 3))))) + files.field(5, b"abcd")
    rest = b"".join(files.field(100, files.field(1, name.encode()) + files.field(7, blob) * 2) for name in layout.CONVOLUTIONS)
    path.write_bytes(files.field(1, b"net") + rest)
    refused(path, "1 numbers where its shape has 54")


def test_members_of_an_npz_that_promise_too_much(tmp_path):
    path = tmp_path / "a.npz"
    files.write_npz(path, LAYERS)
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 3, 3, 3)})
    short = io.BytesIO()
    np.lib.format.write_array_header_1_0(short, {"descr": "<f4", "fortran_order": False, "shape": (2, 3, 3, 3)})
    for member, said in ((huge, "where VGG-16 has 2 x 3 x 3 x 3"), (short, "damaged"), (io.BytesIO(b"\x93NUMPY"), "damaged")):
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        content["conv1_1_W.npy"] = member.getvalue()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        refused(path, said)
    np.savez(path, **{f"{name}_{key}": np.array([{}, []], object) for name in layout.CONVOLUTIONS for key in "Wb"})
    refused(path, "where VGG-16 has")


def test_matlab_cells_that_promise_too_much(tmp_path):
    def element(kind, data):
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    def matrix(name, kind, shape, content):
        flags = element(6, struct.pack("<II", kind, 0))
        return element(14, flags + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name) + content)

    deep = b""
    for _ in range(40):
        deep = matrix(b"", 1, (1, 1), deep)
    for content in (
        matrix(b"layers", 1, (2**30, 2**30), b""),
        matrix(b"layers", 7, (2**15, 2**15), element(7, b"1234")),
        matrix(b"layers", 2, (1, 1), element(5, struct.pack("<i", 0)) + element(1, b"name")),
        matrix(b"layers", 2, (1, 1), element(5, struct.pack("<i", 32)) + element(1, b"name".ljust(32, b"\0")) + element(9, b"")),
        matrix(b"layers", 3, (1, 1), b""),
        matrix(b"layers", 1, (1, 1), deep),
    ):
        (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + content)
        refused(tmp_path / "a.mat", "damaged or cut short")
        packed = element(15, zlib.compress(content))
        (tmp_path / "b.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + packed)
        refused(tmp_path / "b.mat", "damaged or cut short")
    for name, said in ((b"feats", "no variable 'layers'"), (b"layers", "no layer conv1_1")):
        content = matrix(name, 7, (1, 1), element(7, b"1234"))
        (tmp_path / "c.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + content)
        refused(tmp_path / "c.mat", said)


def test_hdf5_that_leads_elsewhere(tmp_path):
    path = tmp_path / "a.h5"
    files.write_keras(path, LAYERS)
    with h5py.File(path, "a") as file:
        del file["block1_conv1"]
        file["block1_conv1"] = h5py.ExternalLink(str(tmp_path / "b.h5"), "block1_conv1")
    refused(path, "no layer conv1_1")
    files.write_keras(path, LAYERS)
    with h5py.File(path, "a") as file:
        del file["block1_conv1/block1_conv1_W_1:0"]
        file["block1_conv1"].create_dataset("kernel", (3, 3, 3, 2), "f4", external=[(str(tmp_path / "b"), 0, 216)])
    refused(path, "no numbers of its own")
    files.write_matlab73(tmp_path / "c.mat", LAYERS)
    with h5py.File(tmp_path / "c.mat", "a") as file:
        file["layers"][...] = np.array([[file["layers"].ref]] * len(file["layers"]), h5py.ref_dtype)  # a cell of itself
    refused(tmp_path / "c.mat", "damaged")


def test_the_fields_of_a_protocol_buffer():
    message = b"\x08\x96\x01" + b"\x11" + b"8 bytes." + b"\x1a\x02hi" + b"\x25" + b"four" + b"\xa0\x06\x07"
    wire = protobuf.Wire(io.BytesIO(message))
    fields = list(wire.fields(wire.everything))
    assert [number for number, _ in fields] == [1, 2, 3, 4, 100] and (fields[0][1], fields[4][1]) == (150, 7)
    assert [wire.bytes(value, 8) for _, value in fields[1:4]] == [b"8 bytes.", b"hi", b"four"]
    with pytest.raises(ValueError, match="8 bytes where at most 7 should be"):
        wire.bytes(fields[1][1], 7)
    for cut, fault in ((message[:8], "reaches beyond"), (b"\x0b", "kind 3"), (b"\x80" * 11, "doesn't end")):
        wire = protobuf.Wire(io.BytesIO(cut))
        with pytest.raises(ValueError, match=fault):
            list(wire.fields(wire.everything))


def test_empty_values_of_matlab_73(tmp_path):
    """MATLAB stores the shape of what is empty in place of it, and an attribute that says so."""
    with h5py.File(tmp_path / "x.mat", "w") as file:
        for name, kind in (("cells", b"cell"), ("text", b"char"), ("numbers", b"double")):
            file["meta/" + name] = np.zeros(2, np.uint64)
            file["meta/" + name].attrs.update({"MATLAB_class": np.bytes_(kind), "MATLAB_empty": 1})
    assert matlab73.read_values(tmp_path / "x.mat", ("meta", "none"), 10**6) == {
        "meta": {"cells": [], "text": "", "numbers": None}
    }


# Finding


def test_weights_are_found(tmp_path, monkeypatch):
    monkeypatch.delenv("NEURALTALK_WEIGHTS", raising=False)
    monkeypatch.setenv("NEURALTALK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="no weights of VGG-16 in .*cache.*`neuraltalk weights`.*MatConvNet") as caught:
        vgg16.candidates()
    assert str(caught.value).isprintable()
    (tmp_path / "cache").mkdir()
    for name in ("vgg16_conv.npz", "vgg16-397923af.pth"):  # the convolutions, then the whole, which goes first
        (tmp_path / "cache" / name).touch()
        assert vgg16.candidates()[0] == tmp_path / "cache" / name
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.npz").touch()
    monkeypatch.setenv("NEURALTALK_WEIGHTS", "~/mine.npz")
    assert vgg16.candidates() == [tmp_path / "mine.npz"]
    monkeypatch.setenv("NEURALTALK_WEIGHTS", str(tmp_path / "other.npz"))
    with pytest.raises(UserError, match="other.npz: no such file of weights .*NEURALTALK_WEIGHTS"):
        vgg16.candidates()
    (tmp_path / "other.npz").touch()
    assert vgg16.candidates()[0] == tmp_path / "other.npz"
    (tmp_path / "mine.npz").touch()
    assert vgg16.candidates(tmp_path / "mine.npz")[0] == tmp_path / "mine.npz"
    with pytest.raises(UserError, match="nowhere: no such file of weights. "):
        vgg16.candidates("nowhere")


def test_the_network_that_is_wanted_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "WIDTHS", files.WIDTHS)
    monkeypatch.delenv("NEURALTALK_WEIGHTS", raising=False)
    monkeypatch.setenv("NEURALTALK_CACHE", str(tmp_path))
    files.write_torch_zip(tmp_path / "vgg16-397923af.pth", LAYERS)
    files.write_matconvnet(tmp_path / "imagenet-vgg-verydeep-16.mat", LAYERS)
    files.write_npz(tmp_path / "vgg16_conv.npz", files.convolutions(files.thin_layers(1)))
    torch, original = (make_weights(LAYERS, *given) for given in (layout.TORCH_INPUT, layout.CAFFE_INPUT))
    third = make_weights(files.convolutions(files.thin_layers(1)), *layout.TORCH_INPUT)
    assert vgg16.load_weights().fingerprint == torch.fingerprint
    assert vgg16.load_weights(fingerprint=original.fingerprint).source.startswith("MatConvNet")
    found = vgg16.load_weights(fingerprint=third.fingerprint, connected=False)
    assert found.fingerprint == third.fingerprint
    assert vgg16.load_weights(fingerprint=original.convolutions_fingerprint, connected=False).connected == ()
    with pytest.raises(UserError, match="another network.*vgg16_conv.npz has only the convolutions") as caught:
        vgg16.load_weights(fingerprint=third.fingerprint)
    assert str(caught.value).isprintable() and "--whole` fetches all of VGG-16" in str(caught.value)
