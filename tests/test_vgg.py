"""VGG-16: the convolution against loops and PyTorch's numbers, the network, its input, its features as extractors."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tiny_models
from PIL import Image
from thin_vgg import thin_weights, use_weights

from neuraltalk.cli import predict, train
from neuraltalk.errors import UserError
from neuraltalk.layers.twins import numpy_only
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.vision.extractors import extractor_from_state, load_extractor, pretrained_extractor
from neuraltalk.vision.vgg import convolution, kernels
from neuraltalk.vision.vgg.conv5 import conv5_features, pool_boxes
from neuraltalk.vision.vgg.extractor import Conv5Extractor, Fc7Extractor, warp
from neuraltalk.vision.vgg.network import BATCH, VGG16
from neuraltalk.vision.vgg.pictures import cubic_weights, matlab_resize, to_input
from neuraltalk.vision.vgg.pooling import max_pool
from neuraltalk.vision.weights import vgg16
from neuraltalk.vision.weights.layout import CONNECTED, CONVOLUTIONS

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"
STORED = pathlib.Path(__file__).with_name("vgg16") / "pytorch.npz"  # what PyTorch gives in float64, and the weights


def one_line(excinfo, *parts):
    text = str(excinfo.value)
    assert "\n" not in text
    for part in parts:
        assert part in text, text


# --- Convolution ------------------------------------------------------------------------------------------------------


def convolve_slowly(x, W, b):
    N, H, width, C = x.shape
    out = np.zeros((N, H, width, len(W)))
    for n in range(N):
        for y in range(H):
            for z in range(width):
                for i in range(3):
                    for j in range(3):
                        if 0 <= y + i - 1 < H and 0 <= z + j - 1 < width:
                            out[n, y, z] += W[:, :, i, j].astype(np.float64) @ x[n, y + i - 1, z + j - 1]
    return np.maximum(out + b, 0)


SIZES = [(1, 1, 1, 1, 1), (2, 5, 7, 3, 4), (3, 9, 4, 66, 5), (2, 6, 13, 5, 65), (1, 8, 8, 64, 64), (0, 4, 4, 2, 3)]


@pytest.mark.parametrize("dtype, bound", [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("version", ["definition", "kernel", "kernel as Python"])
@pytest.mark.parametrize("N, H, W, C, K", SIZES)
def test_convolution_is_a_loop_over_its_formula(monkeypatch, version, dtype, bound, N, H, W, C, K):
    if version == "kernel as Python":
        if H * W * (C + K) > 2500:
            pytest.skip("too slow as Python")
        for name in ("transform_tiles", "finish_tiles", "times_B", "times_A", "copy"):
            function = getattr(kernels, name)
            monkeypatch.setattr(kernels, name, getattr(function, "py_func", function))
        for name in ("transform_tiles", "finish_tiles"):
            monkeypatch.setattr(convolution, name, getattr(kernels, name))
    rng = np.random.default_rng(0)
    x, filters, b = (
        rng.standard_normal(shape).astype(dtype) for shape in ((N, H, W, C), (K, C, 3, 3), (K,))
    )
    U = convolution.transform_filters(filters)
    before = x.copy(), U.copy(), b.copy()
    if version == "definition":
        with numpy_only():
            found = convolution.convolve_relu(x, U, b)
    else:
        found = convolution.convolve_relu(x, U, b)
    expected = convolve_slowly(x, filters, b)
    assert found.dtype == dtype and found.shape == (N, H, W, K)
    assert np.linalg.norm(found - expected) <= bound * max(np.linalg.norm(expected), 1)
    assert all(np.array_equal(*pair) for pair in zip(before, (x, U, b)))


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_blocks_and_threads_change_nothing(monkeypatch, threads):
    rng = np.random.default_rng(1)
    x, filters, b = (rng.standard_normal(shape) for shape in ((3, 11, 6, 4), (5, 4, 3, 3), (5,)))
    U = convolution.transform_filters(filters)
    expected = convolution.convolve_relu(x, U, b)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
    for block in (1, 5, 9):
        monkeypatch.setattr(convolution, "BLOCK", block)
        assert np.allclose(convolution.convolve_relu(x, U, b), expected, rtol=1e-12, atol=1e-12)


def test_a_map_that_is_not_contiguous():
    rng = np.random.default_rng(1)
    x, U = rng.standard_normal((2, 4, 5, 6)), convolution.transform_filters(rng.standard_normal((3, 4, 3, 3)))
    turned = x.transpose(0, 2, 3, 1)
    assert np.array_equal(
        convolution.convolve_relu(turned, U, np.zeros(3)), convolution.convolve_relu(turned.copy(), U, np.zeros(3))
    )


def test_kernels_share_the_number_of_lanes():
    assert kernels.LANES == convolution.LANES


@pytest.mark.parametrize("switch", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_convolution_without_the_jit_and_with_bounds_checks(tmp_path, switch):
    environment = {**os.environ, switch: "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    chosen = "test_convolution_is and kernel and not Python and float64" if "BOUNDS" in switch else "test_blocks"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", chosen, __file__]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_pooling_leaves_an_odd_edge_out():
    x = np.random.default_rng(0).standard_normal((2, 5, 7, 3))
    found = max_pool(x)
    assert found.shape == (2, 2, 3, 3)
    for y in range(2):
        for z in range(3):
            assert np.array_equal(found[:, y, z], x[:, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2].max(axis=(1, 2)))


# --- Network ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as file:
        return dict(file)


def test_every_layer_has_pytorchs_numbers(stored):
    layers = {name: (stored[f"{name}_W"], stored[f"{name}_b"]) for name in CONVOLUTIONS + CONNECTED}
    network = VGG16(vgg16.make_weights(layers, stored["mean"], stored["scale"]))
    names = [name for name in stored if name in network.layers()]
    assert len(names) == 22
    for name in names:
        found = network.forward(stored["pixels"], name)
        assert found.shape == stored[name].shape and found.dtype == np.float32 and found.flags.c_contiguous
        assert np.linalg.norm(found - stored[name]) < 1e-5 * np.linalg.norm(stored[name]), name


def test_every_layer_has_pytorchs_numbers_computed_now():
    torch = pytest.importorskip("torch", reason="PyTorch isn't installed")
    weights = thin_weights(side=64)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    x = torch.from_numpy((pixels.astype(np.float64) - weights.mean) * weights.scale).permute(0, 3, 1, 2)
    filters = iter(weights.convolutions)
    for name, found in VGG16(weights).activations(pixels):
        if name.startswith("pool"):
            x = torch.nn.functional.max_pool2d(x, 2)
        elif name.startswith("conv"):
            W, b = (torch.from_numpy(array).double() for array in next(filters))
            x = torch.relu(torch.nn.functional.conv2d(x, W, b, padding=1))
        else:
            break
        expected = x.permute(0, 2, 3, 1).numpy()
        assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected), name


@pytest.mark.parametrize("N, H, W, C, K", [sizes for sizes in SIZES if sizes[0]])
@pytest.mark.parametrize("dtype, bound", [(np.float32, 1e-4), (np.float64, 1e-10)])
def test_layers_have_pytorchs_numbers_at_odd_sizes(N, H, W, C, K, dtype, bound):
    functional = pytest.importorskip("torch", reason="PyTorch isn't installed").nn.functional
    from torch import from_numpy

    rng = np.random.default_rng(0)
    x, filters, b = (rng.standard_normal(shape).astype(dtype) for shape in ((N, H, W, C), (K, C, 3, 3), (K,)))
    convolved = convolution.convolve_relu(x, convolution.transform_filters(filters), b)
    y = functional.conv2d(from_numpy(x).permute(0, 3, 1, 2), from_numpy(filters), from_numpy(b), padding=1).relu()
    for found, theirs in ((convolved, y), (max_pool(convolved), functional.max_pool2d(y, 2) if min(H, W) > 1 else None)):
        if theirs is not None:
            expected = theirs.permute(0, 2, 3, 1).numpy()
            assert np.abs(found - expected).max() <= bound * np.abs(expected).max()


def test_batches_and_number_types_change_nothing():
    network = VGG16(thin_weights(side=32))
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH + 3, 32, 32, 3), dtype=np.uint8)
    together = network.forward(pixels)
    assert together.shape == (BATCH + 3, 8)
    alone = np.concatenate([network.forward(pixels[k : k + 1].astype(np.float32)) for k in range(len(pixels))])
    assert np.allclose(together, alone, rtol=1e-4, atol=1e-4)
    assert network.forward(pixels[:0]).shape == (0, 8)
    assert np.allclose(network.forward(pixels, "prob").sum(axis=1), 1)


def test_layers_that_are_not_there():
    network = VGG16(thin_weights(side=32, connected=()))
    for layer in ("fc6", "fc7", "fc8", "prob"):
        with pytest.raises(UserError) as excinfo:
            network.forward(np.zeros((1, 32, 32, 3), np.uint8), layer)
        one_line(excinfo, "thin.npz", "convolutions of VGG-16 only", layer)
    with pytest.raises(UserError) as excinfo:
        network.forward(np.zeros((1, 32, 32, 3), np.uint8), "conv6_1")
    one_line(excinfo, "no layer 'conv6_1'", "conv5_3")


# --- Input ------------------------------------------------------------------------------------------------------------


def photograph(height, width, seed=0):
    """Something smooth with edges, RGB."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    waves = sum(np.sin(a * y / height + b * x / width + c) for a, b, c in rng.uniform(0, 25, (6, 3)))
    pixels = 128 + 20 * waves[..., None] + 60 * (x[..., None] > width / 2) * np.array([1, 0, -1])
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("size", [(500, 375), (300, 224), (224, 1000), (100, 130), (224, 224), (1, 3)])
def test_pillow_and_matlab_differ_at_the_border_only(size):
    image = photograph(*size[::-1])
    ours, theirs = (to_input(image, resize).astype(int) for resize in ("pillow", "matlab"))
    assert ours.shape == theirs.shape == (224, 224, 3)
    if min(size) > 3:
        border = int(np.ceil(2 * max(1, 224 / min(size))))
        inner = slice(border, -border)
        assert np.abs(ours - theirs)[inner, inner].max() <= 1
    if size == (224, 224):
        assert np.array_equal(theirs, np.asarray(image)) and np.array_equal(ours, theirs)


def test_cubic_weights_by_hand():
    assert np.allclose(cubic_weights(224, 224), np.eye(224))
    weights = cubic_weights(10, 5)  # new pixel 2 lies between old 4 and 5; its kernel reaches 4 pixels to each side
    assert np.allclose(weights.sum(axis=1), 1)
    x = np.arange(-3.5, 4) / 2
    kernel = np.where(abs(x) <= 1, 1.5 * abs(x) ** 3 - 2.5 * x**2 + 1, -0.5 * abs(x) ** 3 + 2.5 * x**2 - 4 * abs(x) + 2)
    assert np.allclose(weights[2, 1:9], kernel / kernel.sum(), atol=1e-6)
    doubled = cubic_weights(3, 6)  # growing: the kernel keeps its width; new pixel 0 lies at -1/4, pixels -1 and -2 mirror 0 and 1
    at = np.array([-2, -1, 0, 1]) + 0.25
    taps = np.where(abs(at) <= 1, 1.5 * abs(at) ** 3 - 2.5 * at**2 + 1, -0.5 * abs(at) ** 3 + 2.5 * at**2 - 4 * abs(at) + 2)
    assert np.allclose(doubled[0], [taps[1] + taps[2], taps[0] + taps[3], 0], atol=1e-6)
    constant = np.full((37, 61, 3), 77, np.uint8)
    assert np.all(matlab_resize(constant, 24) == 77)


# --- Features from the map --------------------------------------------------------------------------------------------


def test_conv5_features_by_loops():
    maps = np.random.default_rng(0).standard_normal((2, 3, 14, 14)).astype(np.float32)
    found = conv5_features(maps)
    assert found.shape == (2, 24)
    for part, pool in enumerate((np.max, np.mean)):
        for c in range(3):
            for y in range(2):
                for x in range(2):
                    expected = pool(maps[:, c, 7 * y : 7 * y + 7, 7 * x : 7 * x + 7], axis=(1, 2))
                    assert np.allclose(found[:, part * 12 + c * 4 + y * 2 + x], expected, atol=1e-6)


def test_boxes_take_every_cell_that_they_touch():
    conv5_map = np.random.default_rng(0).standard_normal((3, 14, 14)).astype(np.float32)
    boxes = [[0, 0, 140, 280], [0, 20, 10, 40], [10, 20, 10.5, 20.5], [9.9, 39.9, 10.1, 40.1], [139.9, 279.9, 140, 280]]
    boxes += [[20, 40, 20, 40], [140, 280, 140, 280]]  # so thin that nothing is left of it in 64 bits: a cell all the same
    cells = [(0, 14, 0, 14), (1, 2, 0, 1), (1, 2, 1, 2), (1, 3, 0, 2), (13, 14, 13, 14), (2, 3, 2, 3), (13, 14, 13, 14)]
    found = pool_boxes(conv5_map, boxes, (140, 280))
    for row, (y0, y1, x0, x1) in zip(found, cells):
        assert np.array_equal(row, conv5_map[:, y0:y1, x0:x1].max(axis=(1, 2)))


# --- The real network -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "vgg16").is_dir(), reason="../shared/vgg16, the pretrained convolutions, isn't here")
def test_pretrained_network_on_photographs():
    """Largest relative error as measured 6e-6; 2 of the 8 pictures, since each takes a second on one core.

    The data set's columns were computed from the same pictures, and stored with an error of 0.5 %.
    """
    extractor = pretrained_extractor("vgg16-conv5", SHARED / "vgg16" / "vgg16_conv.npz")
    with np.load(SHARED / "vgg16" / "reference.npz") as reference:
        paths = [SHARED / "flickr8k" / "imgs" / name for name in reference["filenames"][:2]]
        maps, features = reference["conv5_3_first_two"], reference["conv5_features"][:2]
        columns = reference["image_column"][:2]
    pixels = np.stack([to_input(Image.open(path)) for path in paths])
    found = extractor.network.forward(pixels, "conv5_3")
    assert np.abs(found - maps).max() < 1e-4 * maps.max()
    found = extractor.from_activation(found)
    assert np.abs(found - 0.5 * features).max() < 1e-4 * features.max()
    with np.load(SHARED / "flickr8k" / "image_features.npz") as packed:
        stored = 0.5 * (packed["codes"][columns].astype(np.float32) / 255) ** 2 * packed["channel_max"]
    assert np.linalg.norm(extractor.features(paths) - stored) < 0.01 * np.linalg.norm(stored)


# --- Extractors -------------------------------------------------------------------------------------------------------


KINDS = {"vgg16-conv5": Conv5Extractor, "vgg16-fc7": Fc7Extractor}


@pytest.fixture
def weights(monkeypatch):
    """Thin weights that are found wherever weights are looked for."""
    thin = thin_weights()
    use_weights(monkeypatch, thin)
    return thin


@pytest.mark.parametrize("name", KINDS)
def test_features_of_pictures_and_boxes(weights, name):
    extractor = pretrained_extractor(name)
    pictures = [photograph(60, 90, seed) for seed in range(BATCH + 1)]
    seen = []
    features = extractor.features(iter(pictures), seen.append)
    assert features.shape == (BATCH + 1, extractor.dimension) and features.dtype == np.float32 and seen == [BATCH, BATCH + 1]
    assert extractor.dimension == {"vgg16-conv5": 56, "vgg16-fc7": 8}[name]
    assert np.allclose(features[3], extractor.features([pictures[3]])[0], rtol=1e-3, atol=1e-4)
    assert extractor.features([]).shape == (0, extractor.dimension)
    boxes = [[0, 0, 90, 60], [10, 10, 50, 40], [-5, 3, 100, 5]]
    regions = extractor.regions(pictures[0], boxes)
    assert regions.shape == (3, extractor.region_dimension)
    with pytest.raises(UserError, match="box 0 .* holds nothing of a picture of 90 x 60 pixels"):
        extractor.regions(pictures[0], [[90, 0, 95, 60]])


def test_conv5_is_half_of_what_the_map_gives(weights):
    extractor = pretrained_extractor("vgg16-conv5")
    image = photograph(60, 90)
    maps = VGG16(weights).forward(to_input(image)[None], "conv5_3")
    assert np.allclose(extractor.features([image]), 0.5 * conv5_features(maps))
    assert np.allclose(extractor.regions(image, [[0, 0, 45, 60]])[0], maps[0, :, :, :7].max(axis=(1, 2)))


def test_a_warped_box_shows_its_surroundings():
    pixels = np.zeros((50, 60, 3), np.uint8)
    pixels[20:32, 24:48] = 255
    part = warp(Image.fromarray(pixels), (24, 20, 48, 32), (9, 8, 7))
    assert part.size == (28, 14)  # 24 and 12, and 2 and 1 on each side
    seen = np.asarray(part.resize((224, 224), Image.Resampling.NEAREST))
    assert (seen[16:-16, 16:-16] == 255).all() and not seen[:16].any() and not seen[:, -16:].any()
    corner = np.asarray(warp(Image.fromarray(pixels), (0, 0, 24, 12), (9, 8, 7)))
    assert corner[0, 0].tolist() == [9, 8, 7] and corner[-1, -1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", KINDS)
def test_an_extractor_travels_without_weights(weights, tmp_path, name):
    extractor = pretrained_extractor(name, resize="matlab")
    extractor.save(tmp_path / "e.npz")
    assert (tmp_path / "e.npz").stat().st_size < 5000
    for other in (load_extractor(tmp_path / "e.npz"), extractor_from_state(json.loads(json.dumps(extractor.state())))):
        assert other.fingerprint == extractor.fingerprint and other.resize == "matlab"
        assert (other.dimension, other.region_dimension) == (extractor.dimension, extractor.region_dimension)
        image = photograph(30, 40)
        assert np.array_equal(other.features([image]), extractor.features([image]))
    assert pretrained_extractor(name).fingerprint != extractor.fingerprint
    for key, value in (("resize", "pillow"), ("resize", "nearest"), ("dimension", 7), ("dimension", None), ("fingerprint", "x")):
        with pytest.raises(UserError) as excinfo:
            extractor_from_state({**extractor.state(), key: value})
        one_line(excinfo, name, "altered")


def test_weights_of_another_network_are_refused_when_pixels_come(weights, monkeypatch):
    state = pretrained_extractor("vgg16-conv5").state()
    use_weights(monkeypatch, thin_weights(seed=5, source="other.npz"))
    extractor = extractor_from_state(state)
    with pytest.raises(UserError, match="other.npz is another network"):
        extractor.features([photograph(8, 8)])


def test_the_whole_network_serves_conv5_features_of_its_convolutions(weights):
    alone = thin_weights(connected=())
    assert Conv5Extractor.of(VGG16(weights)).fingerprint == Conv5Extractor.of(VGG16(alone)).fingerprint
    with pytest.raises(UserError, match="convolutions of VGG-16 only"):
        Fc7Extractor.of(VGG16(alone))


# --- From pictures to captions ----------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch, weights):
    """A data set whose features came as a file, made by the thin network."""
    monkeypatch.chdir(tmp_path)
    folder = tiny_models.make_dataset(tmp_path / "data" / "tiny")
    paths = sorted((folder / "imgs").iterdir())
    np.save(folder / "vgg_feats.npy", pretrained_extractor("vgg16-conv5").features(paths))
    tiny_models.make_pictures(tmp_path / "pictures", ["a.png", "b.jpg"])
    return tmp_path


def run(capsys, module, *arguments):
    code = module.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


TRAIN = "-d tiny --image_encoding_size 4 --word_encoding_size 4 --hidden_size 4 --max_epochs 1 --word_count_threshold 1".split()


def test_a_data_set_says_what_made_its_features(place, capsys):
    assert run(capsys, train, *TRAIN)[0] == 0
    assert load_checkpoint("cv/tiny_lstm_baseline.p").extractor is None
    assert "can't extract them" in run(capsys, predict, "-r", "pictures")[2]

    code, _, err = run(capsys, train, *TRAIN, "--extractor", "vgg16-conv5")
    assert "says that vgg16-conv5 made" in run(capsys, predict, "-r", "pictures", "--extractor", "vgg16-fc7")[2]
    assert code == 0 and "made by vgg16-conv5, pictures resized as pillow does: within 0.0 % on 3 pictures" in err
    recorded = load_extractor("data/tiny/extractor.npz")
    assert load_checkpoint("cv/tiny_lstm_baseline.p").extractor == recorded.state()
    code, out, _ = run(capsys, predict, "-r", "pictures")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["a.png", "b.jpg"]
    assert run(capsys, train, *TRAIN, "--extractor", "vgg16-conv5")[0] == 0  # it says so already
    assert "leave out --extractor" in run(capsys, train, *TRAIN, "--extractor", "vgg16-fc7")[2]


def test_matlabs_resize_is_recognised(place, capsys):
    paths = sorted((place / "data" / "tiny" / "imgs").iterdir())
    np.save("data/tiny/vgg_feats.npy", pretrained_extractor("vgg16-conv5", resize="matlab").features(paths))
    assert "resized as matlab does" in run(capsys, train, *TRAIN, "--extractor", "vgg16-conv5")[2]


def test_features_of_something_else_are_not_passed_off(place, capsys, monkeypatch, weights):
    code, _, err = run(capsys, train, *TRAIN, "--extractor", "vgg16-fc7")
    assert code == 2 and "56-number features, vgg16-fc7 gives 8" in err
    use_weights(monkeypatch, thin_weights(seed=9, source="other.npz"))
    code, _, err = run(capsys, train, *TRAIN, "--extractor", "vgg16-conv5")
    assert code == 2 and "was not made by vgg16-conv5 with other.npz" in err and not pathlib.Path("data/tiny/extractor.npz").exists()
    for path in pathlib.Path("data/tiny/imgs").iterdir():
        path.unlink()
    code, _, err = run(capsys, train, *TRAIN, "--extractor", "vgg16-conv5")
    assert code == 0 and "no pictures in data" in err  # then the user's word counts


def test_an_old_checkpoint_takes_features_of_a_pretrained_network(place, capsys, weights):
    assert run(capsys, train, *TRAIN)[0] == 0
    assert run(capsys, predict, "-r", "pictures", "--extractor", "vgg16-conv5")[0] == 0  # from the pixels
    code, _, err = run(capsys, predict, "-r", "pictures", "--extractor", "vgg16-fc7")
    assert code == 2 and "vgg16-fc7 gives 8 numbers, its model takes 56" in err
    extractor = pretrained_extractor("vgg16-conv5")
    np.save("pictures/vgg_feats.npy", extractor.features(["pictures/a.png", "pictures/b.jpg"]))
    extractor.save("pictures/extractor.npz")
    assert run(capsys, predict, "-r", "pictures")[0] == 0


def test_pictures_that_cannot_be_read_are_skipped_within_a_batch(place, capsys):
    assert run(capsys, train, *TRAIN, "--extractor", "vgg16-conv5")[0] == 0
    (place / "pictures" / "a_broken.png").write_text("no picture")
    code, out, err = run(capsys, predict, "-r", "pictures")
    assert code == 0 and "skipped: " in err and [line.split()[0] for line in out.splitlines()] == ["a.png", "b.jpg"]
