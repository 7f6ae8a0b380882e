"""Regions: every format gives the same blocks, any number of regions an image; every fault is one line."""

import pathlib
import tracemalloc

import h5py
import numpy as np
import pytest
import scipy.io

from neuraltalk.data.dataset import Dataset, Image
from neuraltalk.data.regions import check_regions, open_regions
from neuraltalk.errors import UserError

COUNTS = [3, 1, 4, 2]
M, D = sum(COUNTS), 6


@pytest.fixture
def arrays():
    """feats (M, D), boxes (M, 4) and image (M,), in rows."""
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.uniform(0, 50, (M, 2, 2)), axis=1).reshape(M, 4).astype(np.float32)
    boxes[np.cumsum([0] + COUNTS[:-1])] = (0, 0, 50, 50)
    feats = rng.uniform(0, 9, (M, D)).astype(np.float32)
    return {"feats": feats, "boxes": boxes, "image": np.repeat(np.arange(len(COUNTS)), COUNTS).astype(np.int32)}


def write(path, arrays, kind):
    """Write the arrays with regions in columns, as the format has it, or ("rows") as they are."""
    columns = {name: np.atleast_2d(array.T) for name, array in arrays.items()}
    if kind == "mat5":
        scipy.io.savemat(path, columns)
    elif kind == "mat5 compressed":
        scipy.io.savemat(path, {name: array.astype(np.float64) for name, array in columns.items()}, do_compression=True)
    elif kind == "mat7.3":  # which h5py shows transposed
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, array in columns.items():
                file.create_dataset(name, data=array.T.astype(np.float64), chunks=True, compression="gzip")
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(128))
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            for name, array in columns.items():
                file[name] = array.T
    elif kind == "npz":
        np.savez(path, **{name: np.ascontiguousarray(array) for name, array in columns.items()})
    elif kind == "npz, image in a row":
        np.savez(path, **{**{name: np.ascontiguousarray(array) for name, array in columns.items()}, "image": arrays["image"]})
    elif kind == "npz fortran":
        np.savez_compressed(path, **{name: np.asfortranarray(array) for name, array in columns.items()})
    else:
        np.savez(path, **{name: np.ascontiguousarray(array.T) for name, array in columns.items()})


KINDS = {
    "mat5": ".mat",
    "mat5 compressed": ".mat",
    "mat7.3": ".mat",
    "h5": ".h5",
    "npz": ".npz",
    "npz, image in a row": ".npz",
    "npz fortran": ".npz",
    "npz rows": ".npz",
}


def expected(arrays, imgids):
    """What of() means, image by image."""
    rows = [np.flatnonzero(arrays["image"] == imgid) for imgid in imgids]
    offsets = np.cumsum([0] + [len(own) for own in rows])
    rows = np.concatenate(rows)
    return arrays["feats"][rows], offsets, arrays["boxes"][rows]


def check_block(block, arrays, imgids):
    for part, wanted in zip(block, expected(arrays, imgids)):
        np.testing.assert_array_equal(part, wanted)
    assert [part.dtype for part in block] == [np.float32, np.int64, np.float32]
    assert block.features.flags.c_contiguous


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_regions(tmp_path, arrays, kind):
    path = tmp_path / f"region_feats{KINDS[kind]}"
    write(path, arrays, kind)
    for _ in range(2):  # the second time, converted features come from the cache
        regions = open_regions(tmp_path, images=4)
        assert (regions.count, regions.dimension, regions.path) == (4, D, path)
        check_block(regions.of([2, 0, 2, 1]), arrays, [2, 0, 2, 1])
        np.testing.assert_array_equal(regions.boxes_of(2), arrays["boxes"][4:8])
        regions.check()


@pytest.mark.parametrize("kind", KINDS)
def test_square_arrays_have_their_regions_where_the_format_has_them(tmp_path, arrays, kind):
    if kind == "npz rows":
        pytest.skip("taken for columns")
    few = {"feats": arrays["feats"][3:7, :4], "boxes": arrays["boxes"][3:7], "image": np.array([0, 1, 1, 1])}
    few["boxes"][1] = (0, 0, 50, 50)
    path = tmp_path / f"region_feats{KINDS[kind]}"
    write(path, few, kind)
    check_block(open_regions(path).of([1, 0]), few, [1, 0])


def test_regions_of_an_image_may_lie_apart(tmp_path, arrays):
    """In a file in any order, an image's own regions keep theirs."""
    order = np.array([3, 4, 0, 1, 8, 5, 9, 2, 6, 7])
    mixed = {name: array[order] for name, array in arrays.items()}
    write(tmp_path / "region_feats.mat", mixed, "mat5")
    regions = open_regions(tmp_path)
    for imgids in ([0], [3, 1, 2, 0], [1]):
        check_block(regions.of(imgids), arrays, imgids)
    np.testing.assert_array_equal(regions.boxes_of(3), arrays["boxes"][8:])


def test_features_are_mapped_and_never_read_whole(tmp_path):
    image = np.repeat(np.arange(1000), 20)
    boxes = np.tile(np.array([[0, 0, 9, 9]], dtype=np.float32), (20000, 1))
    feats = np.arange(20000 * 100, dtype=np.float32).reshape(20000, 100)  # 8 MB
    write(tmp_path / "region_feats.mat", {"feats": feats, "boxes": boxes, "image": image}, "mat5")
    open_regions(tmp_path).of([0])  # what is imported on the way doesn't count
    tracemalloc.start()
    try:
        block = open_regions(tmp_path).of([7, 999])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(block.features, np.concatenate([feats[140:160], feats[19980:]]))
    assert peak < 3e6


def change(arrays, **changes):
    """The arrays with some of them replaced: by an array, or what a function makes of it in place."""
    arrays = {name: array.copy() for name, array in arrays.items()}
    for name, value in changes.items():
        if callable(value):
            arrays[name] = arrays[name].astype(np.float64)
            value(arrays[name])
        elif value is None:
            del arrays[name]
        else:
            arrays[name] = value
    return arrays


def put(place, value):
    def change_one(array):
        array[place] = value

    return change_one


FAULTS = {
    "no boxes": ({"boxes": None}, r"no variable 'boxes'; there are 'feats' \(6 x 10\), 'image' \(1 x 10\)"),
    "no image": ({"image": None}, "no variable 'image'"),
    "no feats": ({"feats": None}, "no variable 'feats'"),
    "fewer feats": ({"feats": np.ones((9, D))}, "feats is 9 x 6, but image names 10 regions"),
    "fewer boxes": ({"boxes": np.ones((9, 4))}, "boxes should be 4 x 10, .* it is 9 x 4"),
    "image a matrix": ({"image": np.ones((10, 2))}, "image should be a row of imgids.*10 x 2"),
    "half an imgid": ({"image": put(3, 0.5)}, "image holds 0.5 for region 3; expected imgids"),
    "a negative imgid": ({"image": put(3, -1)}, "image holds -1.0 for region 3"),
    "imgids from 1": ({"image": np.repeat(np.arange(len(COUNTS)), COUNTS) + 1}, "counts the images from 1; .* so subtract 1"),
    "no imgid": ({"image": put(3, np.nan)}, "image holds nan for region 3"),
    "an imgid too large": ({"image": put(9, 10)}, "holds the imgid 10, but there are only 10 regions"),
    "an image without": ({"image": put(3, 2)}, r"image 1 has no region \(1 of 4 images has none\)"),
    "corners exchanged": ({"boxes": put(5, (9, 0, 3, 4))}, r"boxes, region 5 \(of image 2\) is \(9, 0, 3, 4\)"),
    "not a box": ({"boxes": put((5, 2), np.nan)}, r"region 5 \(of image 2\) is \(.*nan"),
    "an infinite box": ({"boxes": put((5, 2), 1e300)}, r"region 5 \(of image 2\) is \(.*inf"),
    "the whole elsewhere": (
        {"boxes": put(8, (0, 0, 30, 30))},
        r"first box of image 3, \(0, 0, 30, 30\), should be the whole image, but its region 9 is",
    ),
    "a box beyond": ({"boxes": put(1, (0, 0, 50, 51.5))}, "first box of image 0, .* its region 1 is"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["mat5", "npz fortran"])
def test_faults_are_one_line(tmp_path, arrays, fault, kind):
    changes, message = FAULTS[fault]
    path = tmp_path / f"region_feats{KINDS[kind]}"
    write(path, change(arrays, **changes), kind)
    with pytest.raises(UserError, match=message) as error:
        open_regions(tmp_path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_a_pixel_beyond_the_whole_and_a_box_without_area_are_accepted(tmp_path, arrays):
    arrays["boxes"][1] = (-0.5, 0, 51, 50)
    arrays["boxes"][2] = (7, 7, 7, 9)
    write(tmp_path / "region_feats.mat", arrays, "mat5")
    np.testing.assert_array_equal(open_regions(tmp_path).of([0]).boxes, arrays["boxes"][:3])


def test_an_image_with_only_its_whole(tmp_path):
    write(
        tmp_path / "region_feats.npz",
        {"feats": np.ones((1, 3)), "boxes": np.array([[0, 0, 5, 5]]), "image": np.array([0])},
        "npz",
    )
    block = open_regions(tmp_path).of([0, 0])
    assert block.offsets.tolist() == [0, 1, 2] and block.features.shape == (2, 3)


@pytest.mark.parametrize("kind", ["mat5", "npz", "npz rows"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused_by_region(tmp_path, arrays, value, kind):
    """A .npz is converted when it is opened, a mapped file read when it is asked for."""
    write(tmp_path / f"region_feats{KINDS[kind]}", change(arrays, feats=put((6, 2), value)), kind)
    with pytest.raises(UserError, match="the features of (region 6 .of image 2.|number 2) aren't all finite"):
        open_regions(tmp_path).of([0, 2])
    if kind == "mat5":
        open_regions(tmp_path).of([0, 1, 3])
        with pytest.raises(UserError, match=r"region 6 \(of image 2\)"):
            open_regions(tmp_path).check()


def dataset_of(count):
    return Dataset("x", ".", [Image(k, f"{k}.jpg", "", "train", []) for k in range(count)])


def test_regions_of_other_images_are_refused(tmp_path, arrays):
    write(tmp_path / "region_feats.mat", arrays, "mat5")
    regions = open_regions(tmp_path)
    check_regions(regions, dataset_of(4))
    with pytest.raises(UserError, match="regions of 4 images, but there are 5: image 4 has no region"):
        check_regions(regions, dataset_of(5))
    with pytest.raises(UserError, match=r"holds the imgid 3, but there are only 3 images \(0 to 2\)"):
        open_regions(tmp_path, images=3)
    write(tmp_path / "region_feats.mat", change(arrays, image=arrays["image"] + 1), "mat5")
    with pytest.raises(UserError, match="counts the images from 1"):
        open_regions(tmp_path, images=4)
    with pytest.raises(UserError, match="image 0 has no region"):  # the first of five images is missing
        open_regions(tmp_path, images=5)


def test_no_regions_in_a_folder(tmp_path):
    with pytest.raises(UserError, match=r"no region features; expected one of region_feats\.mat"):
        open_regions(tmp_path)
    (tmp_path / "region_feats.mat").write_text("not a matrix")
    with pytest.raises(UserError, match="neither MATLAB 5 or 7.3"):
        open_regions(tmp_path)


FLICKR8K = pathlib.Path(__file__).resolve().parent.parent / "data" / "flickr8k" / "region_feats.mat"


@pytest.mark.skipif(not FLICKR8K.exists(), reason="Flickr8K isn't here")
def test_flickr8k_regions():
    regions = open_regions(FLICKR8K, images=7000)
    assert (regions.count, regions.dimension) == (7000, 512)
    block = regions.of([6999, 17])
    assert block.offsets.tolist() == [0, 20, 40] and block.boxes[0].tolist() == [0, 0, 224, 224]
    np.testing.assert_array_equal(block.features[20:], regions.of([17]).features)
