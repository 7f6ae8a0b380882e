"""Pictures of every mode, the k-means dictionary, the features and their extractor's state."""

import os
import pathlib
import struct
import subprocess
import sys
import zlib

import fuzzing
import numpy as np
import pytest
from PIL import Image

from neuraltalk.errors import UserError
from neuraltalk.layers.twins import numpy_only
from neuraltalk.vision import dictionary, kernels, kmeans, pictures
from neuraltalk.vision.extractors import extractor_from_state, load_extractor
from neuraltalk.vision.kmeans import KMeansExtractor, Settings
from neuraltalk.vision.pictures import list_pictures, open_picture, to_rgb
from neuraltalk.vision.triangle import triangle_pool
from neuraltalk.vision.view import View, activations, learn_view, pool_boxes, pool_grid, to_canvas

COLOURS = {"red": (220, 40, 40), "blue": (40, 90, 220), "green": (40, 160, 70), "black": (30,) * 3, "white": (245,) * 3}


def shape_picture(rng, colour, side=48):
    """A square of one colour on a noisy grey ground."""
    pixels = rng.integers(110, 150, (side, side, 1)).repeat(3, axis=2).astype(np.uint8)
    y, x = rng.integers(0, side - 16, 2)
    pixels[y : y + 16, x : x + 16] = COLOURS[colour]
    return Image.fromarray(pixels)


def shape_pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    names = [list(COLOURS)[i] for i in rng.integers(0, len(COLOURS), count)]
    return [shape_picture(rng, name) for name in names], names


SMALL = Settings(
    fine=View(canvas=32, patch=5, stride=3, words=40, grid=1, kept=20),
    coarse=View(canvas=16, patch=4, stride=2, words=10, grid=2, kept=12),
)


@pytest.fixture(scope="module")
def extractor():
    return KMeansExtractor.learn(shape_pictures(40)[0], np.random.default_rng(3), settings=SMALL, patches=2000)


def one_line(excinfo, *parts):
    text = str(excinfo.value)
    assert "\n" not in text and len(text) < 400
    for part in parts:
        assert part in text, text


# --- Pictures ---------------------------------------------------------------------------------------------------------


def colour_of(path, at=(2, 2)):
    image = open_picture(path)
    assert image.mode == "RGB"
    return image.getpixel(at)


@pytest.mark.parametrize(
    "mode, colour, name, seen",
    [
        ("RGB", (10, 200, 30), "a.png", (10, 200, 30)),
        ("L", 77, "a.png", (77, 77, 77)),
        ("1", 1, "a.png", (255, 255, 255)),
        ("LA", (100, 0), "a.png", (255, 255, 255)),
        ("RGBA", (255, 0, 0, 0), "a.png", (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), "a.png", (204, 204, 204)),
        ("RGBA", (9, 8, 7, 255), "a.webp", None),
        ("CMYK", (0, 255, 255, 0), "a.tif", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "a.jpg", None),
        ("YCbCr", (128, 128, 128), "a.jpg", (128, 128, 128)),
        ("I;16", 65535, "a.png", (255, 255, 255)),
        ("I;16", 257 * 100, "a.tif", (100, 100, 100)),
        ("I", 200, "a.tif", (200, 200, 200)),
        ("I", 257 * 30, "a.tif", (30, 30, 30)),
        ("F", 0.2, "a.tif", (51, 51, 51)),
        ("F", 90.0, "a.tif", (90, 90, 90)),
    ],
)
def test_any_mode_becomes_rgb(tmp_path, mode, colour, name, seen):
    path = tmp_path / name
    Image.new(mode, (5, 4), colour).save(path)
    found = colour_of(path)
    if seen is not None:
        assert np.abs(np.subtract(found, seen)).max() <= 1


def test_modes_that_no_file_above_has():
    for mode in ("PA", "HSV", "La", "RGBa", "RGBX", "1", "YCbCr"):
        assert to_rgb(Image.new(mode, (3, 2))).mode == "RGB"
    assert to_rgb(Image.new("LAB", (3, 2), (255, 128, 128))).getpixel((0, 0)) >= (250, 250, 250)
    original = Image.new("RGB", (2, 2), "red")
    assert to_rgb(original) is not original


def whole(image):
    """What to_rgb gives, made of the whole image at once."""
    if image.mode[0] in "IF":
        values = np.nan_to_num(np.asarray(image).astype("f8"), posinf=0, neginf=0)
        low, high = values.min(), values.max()
        if image.mode == "F" and 0 <= low and high <= 1:
            low, high = 0, 1
        elif image.mode != "F" and image.mode != "I":
            low, high = 0, 65535
        elif 0 <= low and high <= 65535:
            low, high = 0, 255 if high <= 255 else 65535
        return Image.fromarray(np.round((values - low) * (255 / max(high - low, 1e-12))).astype("u1")).convert("RGB")
    image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def odd_images():
    """name -> image of a mode that is converted strip by strip; 23 rows of 9 pixels, the extremes in different rows."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (23, 9, 4), dtype=np.uint8))
    found = {mode: noise.convert("RGBA").convert(mode) for mode in ("LA", "RGBA", "RGBa")}
    found["La"], found["PA"] = found["LA"].convert("La"), noise.convert("PA")
    for mode, key in (("P", 3), ("P", bytes(range(256))), ("L", 77), ("RGB", (1, 2, 3)), ("1", 0)):
        image = found[f"{mode} with transparency, {type(key).__name__}"] = noise.convert("RGB").convert(mode)
        image.info["transparency"] = key
    for name, values in (
        ("I", rng.integers(-70_000, 2**31, (23, 9), "i4")),
        ("I of 8 bits", rng.integers(0, 256, (23, 9), "i4")),
        ("I of 16 bits", rng.integers(0, 65536, (23, 9), "i4")),
        ("I;16", rng.integers(0, 65536, (23, 9), "u2")),
        ("F", rng.standard_normal((23, 9), "f4") * 1e6),
        ("F of a probability", rng.random((23, 9), "f4")),
        ("F of 8 bits", rng.random((23, 9), "f4") * 255),
        ("F without a range", np.full((23, 9), -3, "f4")),
        ("F with what is no number", np.where(rng.random((23, 9)) < 0.1, [[np.nan] * 5 + [np.inf, -np.inf] * 2], 5).astype("f4")),
    ):
        found[name] = Image.fromarray(values)
    found["I;16B"] = Image.frombytes("I;16B", (9, 23), rng.bytes(9 * 23 * 2))
    return found


@pytest.mark.parametrize("name", odd_images())
@pytest.mark.parametrize("strip", [1, 40, 10_000])
def test_strips_give_the_pixels_of_the_whole(monkeypatch, name, strip):
    monkeypatch.setattr(pictures, "STRIP", strip)
    image = odd_images()[name]
    assert image.mode == name.split()[0]
    before = image.tobytes()
    found = to_rgb(image)
    assert (found.mode, found.size) == ("RGB", (9, 23)) and np.array_equal(found, whole(image))
    assert image.tobytes() == before


@pytest.mark.parametrize("mode", ["F", "I", "I;16", "LA", "RGBA", "P"])
def test_a_large_picture_takes_its_own_memory_twice(tmp_path, mode):
    """Once as it is stored and once as RGB, each of 4 bytes a pixel, however it is converted; and that of a strip."""
    if not fuzzing.reset_peak():
        pytest.skip("this system doesn't tell how much memory was taken")
    side, more = 3000, {"transparency": 1} if mode == "P" else {}
    Image.new(mode, (side, side)).save(tmp_path / ("a.png" if mode == "P" else "a.tif"), **more)
    before = fuzzing.reset_peak()
    assert open_picture(next(tmp_path.iterdir())).size == (side, side)
    assert fuzzing.peak() - before < 8 * side**2 + 80e6


def test_palette_with_a_transparent_colour_is_laid_on_white(tmp_path):
    image = Image.new("P", (6, 6), 0)
    image.putpalette([0, 0, 0, 0, 255, 0])
    image.putpixel((2, 2), 1)
    for name, transparency in (("a.png", 0), ("a.gif", 0), ("b.png", bytes([0, 255]))):
        image.save(tmp_path / name, transparency=transparency)
        assert colour_of(tmp_path / name) == (0, 255, 0)
        assert colour_of(tmp_path / name, (0, 0)) == (255, 255, 255)


def test_photographs_are_turned_as_exif_says(tmp_path):
    image = Image.new("RGB", (8, 4), "black")
    image.paste((255, 255, 255), (0, 0, 4, 4))  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    image.save(tmp_path / "a.png", exif=exif)
    turned = open_picture(tmp_path / "a.png")
    assert turned.size == (4, 8)
    assert turned.getpixel((1, 1)) == (255, 255, 255) and turned.getpixel((1, 6)) == (0, 0, 0)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tif", "a.webp"])
def test_an_animation_gives_its_first_frame(tmp_path, name):
    frames = [Image.new("RGB", (5, 5), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert min(colour_of(tmp_path / name)) >= 250


def test_the_format_is_recognised_by_content(tmp_path):
    Image.new("RGB", (4, 4), (0, 0, 255)).save(tmp_path / "a.bin", format="png")
    assert colour_of(tmp_path / "a.bin") == (0, 0, 255)


def huge_png():
    """A well-formed PNG header that promises 40000 x 40000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_what_is_not_a_readable_picture_says_so_in_one_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("cut.png", "cut.jpg", "cut.gif", "cut.bmp", "cut.tif", "cut.webp"):
        Image.fromarray(noise).save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(UserError) as excinfo:
            open_picture(tmp_path / name)
        one_line(excinfo, name)
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    for name in ("text.png", "empty.jpg", "page.eps"):
        with pytest.raises(UserError) as excinfo:
            open_picture(tmp_path / name)
        one_line(excinfo, name, "not a picture")
    (tmp_path / "bomb.png").write_bytes(huge_png())
    with pytest.raises(UserError) as excinfo:
        open_picture(tmp_path / "bomb.png")
    one_line(excinfo, "bomb.png", "million pixels")
    for missing in (tmp_path / "none.png", tmp_path):
        with pytest.raises(UserError) as excinfo:
            open_picture(missing)
        one_line(excinfo, "no such picture")


def test_a_picture_above_the_limit_but_below_pillows_error_is_refused(tmp_path, monkeypatch):
    Image.new("1", (100, 50)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)  # Pillow only warns up to twice its limit
    with pytest.raises(UserError) as excinfo:
        open_picture(tmp_path / "a.png")
    one_line(excinfo, "a.png", "million pixels")


@pytest.mark.parametrize("orientation", range(10))
def test_the_size_is_that_of_the_turned_picture(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (6, 4), "red").save(tmp_path / "a.jpg", exif=exif)
    assert pictures.picture_size(tmp_path / "a.jpg") == open_picture(tmp_path / "a.jpg").size


def test_a_damaged_exif_tag_does_not_hide_the_picture(tmp_path):
    damaged = b"Exif\0\0" + b"II*\0\xff\xff\xff\xff" + b"\x12\x01" * 20
    Image.new("RGB", (6, 6), "red").save(tmp_path / "a.jpg", exif=damaged)
    assert open_picture(tmp_path / "a.jpg").size == (6, 6)


def test_pictures_of_a_folder_are_listed_in_a_stable_order(tmp_path):
    for name in "b.PNG a.jpeg a10.gif a2.webp .hidden.png notes.txt feats.h5 page.eps feats.mat".split():
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["a.jpeg", "a10.gif", "a2.webp", "b.PNG"]
    assert list_pictures(str(tmp_path / "folder.png")) == []
    with pytest.raises(UserError) as excinfo:
        list_pictures(tmp_path / "absent")
    one_line(excinfo, "absent", "no such folder")


# --- Dictionary -------------------------------------------------------------------------------------------------------


def test_windows_are_the_patches_of_the_picture():
    canvas = np.random.default_rng(0).random((11, 14, 3)).astype(np.float32)
    windows = dictionary.patch_windows(canvas, 4, 3)
    assert windows.shape == (3, 4, 4, 4, 3)
    for y in range(3):
        for x in range(4):
            assert np.array_equal(windows[y, x], canvas[3 * y : 3 * y + 4, 3 * x : 3 * x + 4])


def test_descriptors_forget_contrast_and_keep_brightness():
    rng = np.random.default_rng(1)
    patch = rng.random((5, 27)).astype(np.float32)
    described = dictionary.describe_patches(patch, 0.0, 2.0)
    assert described.shape == (5, 28) and described.dtype == np.float32
    assert np.allclose(described[:, :-1].mean(axis=1), 0, atol=1e-6)
    assert np.allclose(described[:, :-1].std(axis=1), 1, atol=1e-5)
    assert np.allclose(described[:, -1], 2 * (patch.mean(axis=1) - 0.5), atol=1e-6)
    weaker = dictionary.describe_patches(0.5 * patch, 0.0, 2.0)
    assert np.allclose(weaker[:, :-1], described[:, :-1], atol=1e-5)
    flat = dictionary.describe_patches(np.full((1, 27), 0.25, np.float32), 0.1, 2.0)
    assert np.allclose(flat[0, :-1], 0) and np.isclose(flat[0, -1], -0.5)


def test_whitening_gives_unit_covariance():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(5000, 6)) @ rng.normal(size=(6, 6)) + 3
    mean, matrix = dictionary.learn_whitening(x, 1e-9, 6)
    white = (x - mean) @ matrix
    assert np.allclose(np.cov(white.T, bias=True), np.eye(6), atol=1e-6)
    assert (matrix.sum(axis=0) >= 0).all()  # of a direction and its opposite always the same one
    _, fewer = dictionary.learn_whitening(x, 1e-9, 2)
    assert np.array_equal(fewer, matrix[:, :2])  # the directions of most variance come first


def test_nearest_words_is_brute_force():
    rng = np.random.default_rng(3)
    x, words = rng.normal(size=(5000, 4)), rng.normal(size=(7, 4))
    words[5] = words[2]  # a tie goes to the first
    expected = ((x[:, None] - words) ** 2).sum(axis=2).argmin(axis=1)
    assert np.array_equal(dictionary.nearest_words(x, words), expected)
    assert 5 not in dictionary.nearest_words(x, words)


def test_words_find_the_clusters_and_each_is_the_mean_of_its_patches():
    rng = np.random.default_rng(4)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float64)
    x = centres[rng.integers(0, 4, 400)] + rng.normal(size=(400, 2)) * 0.3
    words = dictionary.learn_words(x, 8, 30, np.random.default_rng(0))
    nearest = dictionary.nearest_words(x, words)
    for k in np.unique(nearest):
        assert np.allclose(words[k], x[nearest == k].mean(axis=0), atol=0.2)
    assert np.abs(x - words[nearest]).max() < 3
    assert np.array_equal(words, dictionary.learn_words(x, 8, 30, np.random.default_rng(0)))


def test_a_word_without_patches_starts_again_from_a_patch():
    x = np.repeat(np.array([[0.0, 0], [1, 1], [5, 5]]), 10, axis=0)
    words = dictionary.learn_words(x, 6, 20, np.random.default_rng(1))
    assert np.isfinite(words).all()
    assert all((word == x).all(axis=1).any() for word in words)


# --- Triangle activation ----------------------------------------------------------------------------------------------


def triangle_example(dtype=np.float32, seed=0, Y=3, X=5, K=7, G=2, D=4):
    rng = np.random.default_rng(seed)
    x, words = rng.normal(size=(Y, X, D)).astype(dtype), rng.normal(size=(K, D)).astype(dtype)
    x[0, 0] = words[K // 2]  # a distance of zero, where rounding may go below
    columns = np.arange(X) * G // X
    return x, words, columns, np.full((Y, G, K), 9, dtype)


def triangle_slowly(x, words, columns, G):
    Y, X, _ = x.shape
    out = np.zeros((Y, G, len(words)))
    for y in range(Y):
        for i in range(X):
            z = [np.sqrt(((x[y, i] - word).astype(np.float64) ** 2).sum()) for word in words]
            for k in range(len(words)):
                out[y, columns[i], k] += max(0, sum(z) / len(z) - z[k]) ** 4
    return out


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-3), (np.float64, 1e-7)])
@pytest.mark.parametrize("version", ["definition", "kernel", "kernel as Python"])
def test_triangle_agrees_with_a_loop_over_its_formula(version, dtype, tolerance):
    for seed, sizes in enumerate([{}, {"Y": 1, "X": 1, "G": 1, "K": 1}, {"X": 4, "G": 4, "K": 33}, {"Y": 6, "G": 1}]):
        x, words, columns, out = triangle_example(dtype, seed, **sizes)
        arguments = (x @ words.T, (x * x).sum(2), (words * words).sum(1), columns, out)
        if version == "definition":
            with numpy_only():
                triangle_pool(*arguments)
        else:
            (kernels.triangle_pool if version == "kernel" else kernels.triangle_pool.py_func)(*arguments)
        assert out.dtype == dtype
        assert np.allclose(out, triangle_slowly(x, words, columns, out.shape[1]), atol=tolerance)


@pytest.mark.parametrize("switch", ["NUMBA_DISABLE_JIT=1", "NUMBA_BOUNDSCHECK=1", "NEURALTALK_KERNELS=0"])
def test_features_are_the_same_without_jit_and_with_bounds_checks(tmp_path, extractor, switch):
    switch = dict([switch.split("=")])
    picture = shape_pictures(1, 5)[0][0]
    picture.save(tmp_path / "a.png")
    extractor.save(tmp_path / "e.npz")
    program = (
        "import sys, numpy as np\n"
        "from neuraltalk.vision.extractors import load_extractor\n"
        "e = load_extractor(sys.argv[1] + '/e.npz')\n"
        "np.savez(sys.argv[1] + '/out.npz', f=e.features([sys.argv[1] + '/a.png']),\n"
        "         r=e.regions(sys.argv[1] + '/a.png', [[3, 4, 40, 30]]))\n"
    )
    root = pathlib.Path(__file__).parent.parent
    # A cache of its own: what is compiled with bounds checks must not meet what is compiled without them.
    environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(tmp_path / "cache"), **switch}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, check=True, cwd=root)
    with np.load(tmp_path / "out.npz") as out:
        assert np.allclose(out["f"], extractor.features([picture]), atol=2e-3)
        assert np.allclose(out["r"], extractor.regions(picture, [[3, 4, 40, 30]]), atol=2e-3)


# --- Extractor --------------------------------------------------------------------------------------------------------


def test_the_default_features_are_laid_out_like_fc7():
    pictures, _ = shape_pictures(12)
    extractor = KMeansExtractor.learn(pictures, np.random.default_rng(0), patches=3000, iterations=2)
    features = extractor.features(pictures)
    assert extractor.name == "kmeans" and extractor.dimension == 4096
    assert features.shape == (12, 4096) and features.dtype == np.float32 and features.flags.c_contiguous
    assert features.min() >= 0 and np.isfinite(features).all()
    norms = np.linalg.norm(features, axis=1)
    assert 20 < norms.mean() < 100
    regions = extractor.regions(pictures[0], [[0, 0, 48, 48], [1, 2, 20, 30]])
    assert regions.shape == (2, extractor.region_dimension) and regions.dtype == np.float32


def test_learning_is_decided_by_the_generator(extractor):
    pictures, _ = shape_pictures(40)
    again = KMeansExtractor.learn(iter(pictures), np.random.default_rng(3), settings=SMALL, patches=2000)
    other = KMeansExtractor.learn(pictures, np.random.default_rng(4), settings=SMALL, patches=2000)
    assert again.fingerprint == extractor.fingerprint != other.fingerprint
    assert np.array_equal(again.features(pictures), extractor.features(pictures))
    few = KMeansExtractor.learn(pictures, np.random.default_rng(3), settings=SMALL, patches=200, max_pictures=5)
    assert few.fingerprint != extractor.fingerprint


def test_many_pictures_are_sampled_in_their_order(monkeypatch):
    pictures, looked_at = shape_pictures(40)[0], []
    monkeypatch.setattr(kmeans, "to_canvas", lambda image, view: looked_at.append(image) or to_canvas(image, view))
    KMeansExtractor.learn(pictures, np.random.default_rng(3), settings=SMALL, patches=200, max_pictures=5)
    numbers = [next(n for n, picture in enumerate(pictures) if picture is image) for image in looked_at[::2]]
    assert len(numbers) == 5 and numbers == sorted(set(numbers)) and numbers[-1] > 20  # not the first ones


def test_noise_of_a_column_that_hardly_changes_stays_small():
    pooled = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32) * np.float32([1, 1, 1, 1e-5])
    mean, scale = kmeans._standardiser(pooled, -0.5)
    np.testing.assert_allclose(((pooled - mean) * scale).std(axis=0), [1, 1, 1, 1e-4], rtol=0.5)
    np.testing.assert_allclose(pooled.mean(axis=0) - mean, 0.5 / scale, atol=1e-4)


def test_a_row_depends_on_its_picture_only(extractor, tmp_path):
    pictures, _ = shape_pictures(5, seed=9)
    together = extractor.features(pictures)
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i}.png")
        assert np.array_equal(extractor.features([tmp_path / f"{i}.png"])[0], together[i])
    assert np.array_equal(extractor.features(picture for picture in pictures), together)
    assert extractor.features([]).shape == (0, extractor.dimension)
    assert np.array_equal(extractor.features([pictures[0].convert("RGBA")])[0], together[0])


def test_progress_counts_the_pictures(extractor):
    seen = []
    extractor.features(shape_pictures(3)[0], progress=seen.append)
    assert seen == [1, 2, 3]


def test_any_size_and_flat_pictures_work(extractor):
    pictures = [Image.new("RGB", size, "grey") for size in ((1, 1), (3, 200), (500, 2), (32, 32))]
    features = extractor.features(pictures)
    assert np.isfinite(features).all()
    assert np.allclose(features, features[0], atol=1e-3)


def test_features_tell_colours(extractor):
    (train, names), (test, truth) = shape_pictures(300, seed=1), shape_pictures(100, seed=2)
    x, y = extractor.features(train), np.array(names)[:, None] == np.array(list(COLOURS))
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ (y - y.mean(axis=0)))
    guess = [list(COLOURS)[i] for i in (extractor.features(test) @ weights + y.mean(axis=0)).argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(guess, truth)]) > 0.9


def test_regions_match_features_on_the_whole_picture_and_see_only_their_box(extractor):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    inside, changed = [[4, 6, 30, 28]], pixels.copy()
    changed[40:, 50:] = 0
    first, second = (extractor.regions(Image.fromarray(p), inside) for p in (pixels, changed))
    assert np.array_equal(first, second)
    assert not np.allclose(*(extractor.regions(Image.fromarray(p), [[30, 20, 80, 60]]) for p in (pixels, changed)))
    # Two boxes together give what each gives alone.
    boxes = np.array([[4, 6, 30, 28], [0, 0, 80, 60], [70.5, 50, 71, 59]])
    together = extractor.regions(Image.fromarray(pixels), boxes)
    for box, row in zip(boxes, together):
        assert np.allclose(extractor.regions(Image.fromarray(pixels), [box])[0], row, atol=1e-4)


def test_a_box_pools_its_share_of_the_patches():
    view = View(canvas=14, patch=4, stride=2, words=5, grid=1, kept=10)
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8)) for _ in range(4)]
    canvases = [to_canvas(picture, view) for picture in pictures]
    arrays = learn_view(canvases, view, 100, 5, np.random.default_rng(0))
    # 6 x 6 patches; patch i stands for pixels 1 + 2i .. 3 + 2i
    maps = activations(canvases[0], view, arrays, np.arange(6))
    boxes = np.array([[1.0, 1, 13, 13], [3, 5, 7, 9], [4, 5, 6, 7], [0, 0, 0.2, 0.2]])
    pooled = pool_boxes(canvases[0], view, arrays, boxes) ** 4
    assert np.allclose(pooled[0], maps.mean(axis=(0, 1)), rtol=1e-4)
    assert np.allclose(pooled[0], pool_grid(canvases[0], view, arrays) ** 4, rtol=1e-4)
    assert np.allclose(pooled[1], maps[2:4, 1:3].mean(axis=(0, 1)), rtol=1e-4)
    assert np.allclose(pooled[2], maps[2, 1:3].mean(axis=0), rtol=1e-4)  # half of each of two patches
    assert np.allclose(pooled[3], maps[0, 0], rtol=1e-4)  # thinner than a patch: widened to one
    for corner, patch in (([0, 0, 0.2, 0.2], 0), ([13.8, 13.8, 14, 14], 5)):  # beyond the outer patches' pixels
        cells = pool_boxes(canvases[0], view._replace(grid=2), arrays, np.array([corner])).reshape(4, 5) ** 4
        assert np.allclose(cells, maps[patch, patch], rtol=1e-4)
    quarters = pool_grid(canvases[0], view._replace(grid=2), arrays).reshape(2, 2, 5) ** 4
    assert np.allclose(quarters[1, 0], maps[3:, :3].mean(axis=(0, 1)), rtol=1e-4)


def test_boxes_outside_the_picture_or_malformed_are_named(extractor):
    picture = Image.new("RGB", (40, 30))
    for boxes in ([[0, 0, 5, 5], [50, 0, 60, 5]], [[0, 0, 5, 5], [5, 5, 5, 9]], [[0, 0, 5, 5], [0, 0, np.nan, 5]]):
        with pytest.raises(UserError) as excinfo:
            extractor.regions(picture, boxes)
        one_line(excinfo, "box 1", "40 x 30")
    with pytest.raises(UserError) as excinfo:
        extractor.regions(picture, [0, 0, 5, 5])
    one_line(excinfo, "(R, 4)")
    assert extractor.regions(picture, np.zeros((0, 4))).shape == (0, extractor.region_dimension)
    assert np.array_equal(extractor.regions(picture, [[-5, -5, 99, 99]]), extractor.regions(picture, [[0, 0, 40, 30]]))


def test_learning_from_nothing_or_from_a_bad_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError) as excinfo:
        KMeansExtractor.learn([], np.random.default_rng(0))
    one_line(excinfo, "no pictures")
    (tmp_path / "bad.png").write_text("x")
    with pytest.raises(UserError) as excinfo:
        KMeansExtractor.learn([tmp_path / "bad.png"], np.random.default_rng(0))
    one_line(excinfo, "bad.png")


# --- State ------------------------------------------------------------------------------------------------------------


def test_state_and_file_bring_back_the_same_extractor(extractor, tmp_path):
    state = extractor.state()
    assert all(isinstance(value, (str, int, float, np.ndarray)) for value in state.values())
    extractor.save(tmp_path / "extractor.npz")
    pictures, _ = shape_pictures(2, seed=7)
    for other in (extractor_from_state(state), load_extractor(tmp_path / "extractor.npz")):
        assert other.fingerprint == extractor.fingerprint and other.settings == extractor.settings
        assert np.array_equal(other.features(pictures), extractor.features(pictures))
    big_endian = {key: v.astype(">f4") if isinstance(v, np.ndarray) else v for key, v in state.items()}
    assert extractor_from_state(big_endian).fingerprint == extractor.fingerprint


def test_the_fingerprint_covers_settings_and_every_array(extractor):
    seen = {extractor.fingerprint}
    for key in extractor.arrays:
        arrays = {**extractor.arrays, key: extractor.arrays[key].copy()}
        arrays[key].flat[0] += 1
        seen.add(KMeansExtractor(extractor.settings, arrays).fingerprint)
    seen.add(KMeansExtractor(extractor.settings._replace(threshold=0.2), extractor.arrays).fingerprint)
    assert len(seen) == len(extractor.arrays) + 2
    assert all(len(one) == 64 for one in seen)


def test_malformed_and_altered_states_are_refused_in_one_line(extractor):
    state = extractor.state()
    nan = state["fine_dictionary"].copy()
    nan[0, 0] = np.nan
    faults = [
        (None, "dictionary"),
        ({}, "name"),
        ({"name": "vgg99"}, "'vgg99'"),
        ({**state, "fine_dictionary": state["fine_dictionary"] * 2}, "fingerprint"),
        ({**state, "fine_contrast_floor": 0.5}, "fingerprint"),
        ({**state, "fingerprint": "0"}, "fingerprint"),
        ({**state, "fine_dictionary": state["fine_dictionary"][:-1]}, "dictionary"),
        ({**state, "fine_dictionary": nan}, "dictionary"),
        ({**state, "fine_dictionary": "text"}, "dictionary"),
        ({**state, "mean": None}, "mean"),
        ({**state, "fine_words": 10**9}, "words"),
        ({**state, "fine_words": "many"}, "words"),
        ({**state, "fine_stride": 0}, "stride"),
        ({**state, "fine_noise": float("nan")}, "noise"),
        ({**state, "fine_patch": 99}, "canvas"),
        ({**state, "fine_grid": 50}, "canvas"),
        ({key: value for key, value in state.items() if key != "coarse_canvas"}, "canvas"),
    ]
    for fault, word in faults:
        with pytest.raises(UserError) as excinfo:
            extractor_from_state(fault)
        one_line(excinfo, word)


def test_unreadable_extractor_files_are_refused_in_one_line(tmp_path, extractor):
    extractor.save(tmp_path / "e.npz")
    data = (tmp_path / "e.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "objects.npz", name=np.array([{}], dtype=object))
    for name in ("cut.npz", "text.npz", "array.npy", "other.npz", "objects.npz", "absent.npz"):
        with pytest.raises(UserError) as excinfo:
            load_extractor(tmp_path / name)
        one_line(excinfo, name)
