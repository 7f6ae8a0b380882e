"""Region proposals: segmentation, grouping, ranking; each kernel against its definition; boxes and classifiers from files."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from neuraltalk.data.boxes import read_boxes, whole_first
from neuraltalk.errors import UserError
from neuraltalk.layers import twins
from neuraltalk.metrics.grounding import overlaps
from neuraltalk.vision.proposals import classifier, colours, grouping, objectness, proposing, segmentation, suppression

THINGS = [(10, 12, 30, 40), (50, 8, 78, 30), (45, 45, 70, 62)]


def scene(size=(90, 70), noise=6, seed=0):
    """Three coloured boxes on grey, with some noise -> (H, W, 3) uint8."""
    image = Image.new("RGB", size, (120, 120, 120))
    for box, colour in zip(THINGS, ("red", "blue", "yellow")):
        ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=colour)
    pixels = np.asarray(image, np.int16) + np.random.default_rng(seed).integers(-noise, noise + 1, (size[1], size[0], 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


# Kernels


def kernel_arguments(rng):
    H, W, n, P = 6, 7, 9, 20
    pixels, others, weights = segmentation.neighbouring_pixels(rng.uniform(0, 255, (H, W, 3)).astype(np.float32))
    order = np.argsort(weights, kind="stable")
    corners = np.sort(rng.integers(0, 6, (P, 2, 2)), axis=1) + [[0, 0], [1, 1]]
    boxes = corners.reshape(P, 4)
    touch = rng.uniform(size=(n, n)) < 0.4
    touch |= np.eye(n, k=1, dtype=bool)  # all hang together
    touch = np.triu(touch, 1)
    pieces = np.sort(rng.integers(0, 50, (2 * n - 1, 2, 2)), axis=1) + [[0, 0], [1, 1]]
    labels = rng.integers(0, n, (7, 7)).astype(np.int32)
    return {
        "join_pieces": (pixels[order], others[order], weights[order], np.float32(9000), 4, np.empty(H * W, np.int32),
                        np.empty(H * W, np.int32), np.empty(H * W, np.float32)),
        "group_pieces": (np.array([1.0, 0.5, 1, 1]), touch | touch.T, rng.dirichlet(np.ones(5), n), rng.dirichlet(np.ones(8), n),
                         np.full((n, n), -1.0), pieces.reshape(-1, 4), rng.uniform(1, 90, 2 * n - 1), np.empty((2, n), np.int64)),
        "keep_apart": (boxes.astype(float), rng.permutation(P), 0.3, np.zeros(8, np.int64), np.zeros(1, np.int64)),
        "agreement": (boxes.astype(float), rng.uniform(1, 5, P), 0.4, np.empty(P)),
        "straddling": (labels, np.bincount(labels.ravel(), minlength=n), boxes, np.empty(n, np.int64), np.empty(P)),
    }


PACKAGE = "neuraltalk.vision.proposals"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(kernel_arguments(np.random.default_rng(0))))
def test_kernel_equals_its_definition(name, seed):
    arguments = kernel_arguments(np.random.default_rng(seed))[name]
    ours, theirs = [[x.copy() if isinstance(x, np.ndarray) else x for x in arguments] for _ in range(2)]
    getattr(importlib.import_module(f"{PACKAGE}.kernels"), name)(*ours)
    twins.DEFINITIONS[f"{PACKAGE}.{name}"](*theirs)
    changed = {"group_pieces": (5, 6), "straddling": (4,)}.get(name, range(len(arguments)))  # results; the rest is workspace
    for k in changed:
        np.testing.assert_allclose(ours[k], theirs[k], rtol=1e-12, atol=1e-12)


def test_every_kernel_is_tested():
    names = {name.rpartition(".")[2] for name in twins.DEFINITIONS if name.startswith(PACKAGE)}
    assert names == set(kernel_arguments(np.random.default_rng(0)))


# Segmentation and grouping


def test_segmentation_finds_what_is_of_one_colour():
    labels = segmentation.segment(scene(), 200, 250)  # the blurred borders are too small to stay
    assert labels.shape == (70, 90) and labels.dtype == np.int32
    assert set(np.unique(labels)) == set(range(labels.max() + 1)) and labels.max() + 1 == 4
    for xmin, ymin, xmax, ymax in THINGS:
        inside = labels[ymin + 1 : ymax - 1, xmin + 1 : xmax - 1]
        assert (inside == inside[0, 0]).all() and (labels == inside[0, 0]).sum() <= (xmax - xmin + 4) * (ymax - ymin + 4)


def test_no_piece_is_too_small():
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    labels = segmentation.segment(noise, 20, 15)
    assert np.bincount(labels.ravel()).min() >= 15


def test_more_k_gives_fewer_pieces():
    picture = scene(noise=40)
    counts = [segmentation.segment(picture, k, 1).max() + 1 for k in (20, 100, 500)]
    assert counts[0] > counts[1] > counts[2] >= 1


def test_weights_fit_16_bits():
    extremes = np.array([[[0, 0, 0], [255, 255, 255]], [[255, 0, 0], [0, 255, 255]]], np.float32)
    _, _, weights = segmentation.neighbouring_pixels(extremes)
    assert len(weights) == 6 and weights.max() == round(np.sqrt(3) * 255 * segmentation.STEPS)


def test_grouping_ends_with_the_whole_picture():
    picture = scene(noise=30)
    labels = segmentation.segment(picture, 100, 20)
    pieces = grouping.describe(picture.astype(np.float32), labels)
    n = labels.max() + 1
    boxes, sizes = grouping.group(pieces, (1, 1, 1, 1))
    assert boxes.shape == (2 * n - 1, 4) and boxes[-1].tolist() == [0, 0, 90, 70] and sizes[-1] == 90 * 70
    np.testing.assert_allclose(pieces.colours.sum(axis=1), 1)
    np.testing.assert_allclose(pieces.textures.sum(axis=1), 1)
    for piece in range(n):
        y, x = np.nonzero(labels == piece)
        assert boxes[piece].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1] and sizes[piece] == len(x)
    with twins.numpy_only():
        slow, _ = grouping.group(pieces, (1, 1, 1, 1))
    np.testing.assert_array_equal(slow, boxes)


def test_lab_is_that_of_the_standard():
    pixels = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]]], np.uint8)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    found = colours.lab(pixels)[0] / [2.55, 1, 1] - [0, 128, 128]
    np.testing.assert_allclose(found, expected, atol=0.1)


# Ranking


def test_suppression_by_hand():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [0, 5, 10, 15]]
    assert suppression.suppress(boxes, [1, 2, 3, 0], 0.5, 9).tolist() == [2, 1, 3]
    assert suppression.suppress(boxes, [1, 2, 3, 0], 0.95, 3).tolist() == [2, 1, 0]
    assert suppression.suppress(boxes, [1, 1, 1, 1], 0.2, 9).tolist() == [0, 2]
    assert suppression.suppress(np.zeros((0, 4)), [], 0.5, 3).tolist() == []


def test_cues_by_hand():
    labels = np.zeros((10, 20), np.int32)
    labels[2:6, 4:12] = 1
    boxes = np.array([[4, 2, 12, 6], [4, 2, 8, 6], [0, 0, 20, 10]])
    found = objectness.cues(boxes, np.array([2, 1, 1]), np.array([2, 3, 1]), labels)
    assert found["straddling"].tolist() == [1, 0, 1]  # all of a piece; half of it; everything
    np.testing.assert_allclose(np.exp(found["agreement"]), [2, 1, 1])
    assert found["sides_cut"].tolist() == [0, 0, 4] and found["off_centre_x"].tolist() == pytest.approx([0.1, 0.2, 0])
    assert set(found) == set(objectness.WEIGHTS)
    beside = np.array([[1, 1, 19, 9], [2, 2, 18, 8], [1, 2, 20, 8]])  # a pixel beside the border is at the border
    assert objectness.cues(beside, np.ones(3), np.ones(3), labels)["sides_cut"].tolist() == [4, 0, 2]


def test_proposals_find_the_things_first():
    boxes = proposing.propose(scene())
    assert boxes.dtype == np.float32 and len(boxes) <= proposing.MOST
    assert (overlaps(boxes[:8], THINGS).max(axis=0) > 0.8).all()
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [90, 70]).all() and (boxes[:, :2] < boxes[:, 2:]).all()
    np.testing.assert_array_equal(boxes, proposing.propose(scene()))


def test_large_pictures_are_shrunk_and_boxes_are_theirs():
    large = np.asarray(Image.fromarray(scene()).resize((900, 700), Image.Resampling.NEAREST))
    assert proposing.to_canvas(large).shape[:2] == (198, 254)
    boxes = proposing.propose(large)
    assert (overlaps(boxes[:8], np.array(THINGS) * 10).max(axis=0) > 0.7).all()
    for H, W in ((483, 641), (30, 6000), (7, 100000)):  # each direction by itself: a canvas has whole pixels
        assert proposing.propose(np.zeros((H, W, 3), np.uint8)).tolist() == [[0, 0, W, H]]


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (3, 2), (224, 7)])
def test_small_and_plain_pictures(size):
    boxes = proposing.propose(np.full((*size, 3), 77, np.uint8))
    assert boxes.tolist() == [[0, 0, size[1], size[0]]]
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    assert len(proposing.propose(noise, 5)) in range(1, 6)


# Classifiers


def write_classifier(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_a_classifier_ranks_by_its_surest_class(tmp_path):
    W, b = np.array([[1.0, 0], [0, 1], [0, 0]]), np.array([0.0, 0.5])
    found = classifier.read_classifier(write_classifier(tmp_path / "c.npz", W=W, b=b), 3)
    boxes = [[0, 0, 10, 10], [1, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]
    features = np.array([[3, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 1]])
    # 1 is of the same class as 0, which is surer; 2 is of another class
    assert found.best(boxes, features, 5).tolist() == [0, 2, 3]
    exclusive = found._replace(exclusive=True).scores(features)
    np.testing.assert_allclose(exclusive.sum(axis=1), 1)
    columns = write_classifier(tmp_path / "columns.npz", W=np.asfortranarray(W), b=b[None])  # as np.savez keeps a transposed W
    np.testing.assert_array_equal(classifier.read_classifier(columns, 3).W, W)


@pytest.mark.parametrize(
    "arrays,message",
    [
        ({"W": np.ones((3, 2))}, "not a classifier"),
        ({"W": np.ones((3, 2)), "b": np.ones(3)}, "expected (numbers, classes) and (classes,)"),
        ({"W": np.ones((4, 2)), "b": np.ones(2)}, "W is for features of 4 numbers; the extractor gives 3"),
        ({"W": np.full((3, 2), np.nan), "b": np.ones(2)}, "finite"),
        ({"W": np.array([["a"]]), "b": np.ones(1)}, "expected (numbers, classes)"),
    ],
)
def test_classifiers_that_do_not_fit(tmp_path, arrays, message):
    with pytest.raises(UserError) as caught:
        classifier.read_classifier(write_classifier(tmp_path / "c.npz", **arrays), 3)
    assert message in str(caught.value) and str(tmp_path / "c.npz") in str(caught.value)
    (tmp_path / "c.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a classifier"):
        classifier.read_classifier(tmp_path / "c.npz", 3)


def test_the_networks_own_classes_serve():
    from types import SimpleNamespace

    rng = np.random.default_rng(0)
    fc8 = rng.standard_normal((6, 4)).astype(np.float32), np.zeros(4, np.float32)
    network = SimpleNamespace(weights=SimpleNamespace(connected=(None, None, fc8)))
    found = classifier.fc8_classifier(SimpleNamespace(name="vgg16-fc7", network=network))
    scores = found.scores(rng.standard_normal((3, 6)).astype(np.float32))
    assert scores.shape == (3, 4) and (scores > 0).all() and scores.sum(axis=1) == pytest.approx([1, 1, 1])
    with pytest.raises(UserError, match="vgg16-conv5 has none; take --features vgg16-fc7"):
        classifier.fc8_classifier(SimpleNamespace(name="vgg16-conv5"))


# Boxes of a detector


def test_boxes_of_a_detector(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a.jpg": [[0, 0, 2, 3], [1, 1, 2, 2]], "b.jpg": [[0, 0, 2, 3, 0.1], [1, 1, 2, 2, 0.9]], "c.jpg": []}))
    found = read_boxes(path)
    assert found["a.jpg"].tolist() == [[0, 0, 2, 3], [1, 1, 2, 2]]
    assert found["b.jpg"].tolist() == [[1, 1, 2, 2], [0, 0, 2, 3]] and found["c.jpg"].shape == (0, 4)


@pytest.mark.parametrize(
    "rows",
    [[[0, 0, 1]], [[3, 0, 1, 1]], ["a"], 7, [[0, 0, 1, 1], [0, 0, 1, 1, 1]], [[0, 0, 1, None]], [[0, 0, 1, 1e400]]],
)
def test_boxes_that_are_none(tmp_path, rows):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a.jpg": rows}))
    with pytest.raises(UserError, match="the boxes of 'a.jpg' should be lists of xmin"):
        read_boxes(path)
    path.write_text("[]")
    with pytest.raises(UserError, match="should be an object"):
        read_boxes(path)


def test_the_whole_picture_comes_first_once():
    boxes = whole_first([[1, 1, 5, 5], [0, 0, 10, 20], [-5, 3, 4, 30], [12, 0, 15, 5]], (10, 20))
    assert boxes.tolist() == [[0, 0, 10, 20], [1, 1, 5, 5], [0, 3, 4, 20]]
    assert whole_first(np.zeros((0, 4)), (3, 4)).tolist() == [[0, 0, 3, 4]]
