"""predict_on_images.py with a captioner of regions: which regions, and what it says if there are none."""

import json
import pathlib

import numpy as np
import pytest
from test_alignment_evaluation import make_aligner, refused, run
from test_alignment_training import make_toy
from test_region_evaluation import SMALL

from neuraltalk.cli import phrases, predict
from neuraltalk.cli.main import main as neuraltalk_command
from neuraltalk.cli.predict_regions import beside, confident, is_of_regions, propose
from neuraltalk.data.regions import open_regions
from neuraltalk.decode.beam_search import Caption
from neuraltalk.train.checkpoint import load_checkpoint

MODEL = "cv/toy_regions_lstm_baseline.p"


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_toy(tmp_path / "data" / "toy")
    make_aligner(tmp_path / "cv" / "toy_alignment_baseline.p")
    assert run(capsys, phrases, "--whole_image")[0] == 0
    assert neuraltalk_command(["train", "-d", "toy_regions", *SMALL]) == 0
    folder = tmp_path / "new"
    folder.mkdir()
    from PIL import Image

    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30), "red").save(folder / name)
    capsys.readouterr()
    return tmp_path


def test_regions_of_a_data_set(place, capsys):
    assert is_of_regions(load_checkpoint(MODEL)) and not is_of_regions(load_checkpoint("cv/toy_alignment_baseline.p"))
    code, out, _ = run(capsys, predict, MODEL, "-r", "data/toy_regions", "--confidence", "0", "-b", "1")
    assert code == 0 and out
    result = json.loads((place / "results" / "result_struct.json").read_text(encoding="utf-8"))
    assert {"box", "confidence", "candidate"} <= set(result["imgblobs"][0])


def test_new_pictures_with_region_features(place, capsys):
    feats = open_regions("data/toy").of([0, 1]).features
    boxes = np.array([[0, 0, 40, 30], [1, 1, 15, 15], [20, 10, 38, 28]] * 2, np.float32)
    np.savez(place / "new" / "region_feats.npz", feats=feats.T, boxes=boxes.T, image=np.repeat([0, 1], 3)[None])
    code, out, _ = run(capsys, predict, MODEL, "-r", "new", "--confidence", "0", "-b", "1")
    assert code == 0 and out.startswith("a.png")
    checkpoint, paths = load_checkpoint(MODEL), [pathlib.Path("new/a.png"), pathlib.Path("new/b.png")]
    first, second = propose(pathlib.Path("new"), checkpoint, paths)
    (place / "new" / "region_feats.npz.pictures.txt").write_text("b.png\na.png\n")  # then by name, not by place
    of_a, of_b = propose(pathlib.Path("new"), checkpoint, paths)
    assert [of_a.path, of_b.path] == paths and not np.array_equal(first.features, second.features)
    assert np.array_equal(of_a.features, second.features) and np.array_equal(of_b.features, first.features)
    page = (place / "new" / "result.html").read_text(encoding="utf-8")
    assert page.count('<article class="card"') == 2 and "Regions of new" in page and "data:image/jpeg" in page
    assert "lower --confidence" in refused(capsys, predict, MODEL, "-r", "new", "--confidence", "1")


def test_new_pictures_without_regions_are_told(place, capsys):
    assert "has no region proposals; put region_feats.mat there" in refused(capsys, predict, MODEL, "-r", "new")
    assert "from 0 to 1" in refused(capsys, predict, MODEL, "-r", "new", "--confidence", "2")
    feats = np.ones((9, 2), np.float32)
    boxes = np.array([[0, 0, 40, 30]] * 2, np.float32)
    np.savez(place / "new" / "region_feats.npz", feats=feats, boxes=boxes.T, image=np.arange(2)[None])
    assert "numbers a region" in refused(capsys, predict, MODEL, "-r", "new")


def test_confident_regions():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]], np.float64)
    words = [[1, 0], [2, 0], [1, 0], [3, 0], [4, 5, 6, 0]]
    logs = [-0.2, -0.4, -0.6, -4.0, -1.2]
    captions = [[Caption(log, own)] for log, own in zip(logs, words)]
    chosen = confident(captions, boxes, 0.5, 5)
    assert [region for region, _ in chosen] == [0, 4]  # 1 overlaps 0, 2 says the same, 3 isn't sure
    assert chosen[1][1] == pytest.approx(np.exp(-0.3))
    assert len(confident(captions, boxes, 0.0, 1)) == 1 and confident(captions, boxes, 1.0, 5) == []


def test_whole_image_beside():
    features = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(beside(features, 2)[:, 2:], [[0, 1]] * 3) and beside(features, 1) is features


def test_boxes_measured_by_the_checkpoint_of_the_embedded_pictures(tmp_path, monkeypatch, capsys):
    from test_reduced_regions import learn, make

    from neuraltalk.errors import UserError

    base, picture, boxes, features, whole = make()
    reduced = learn(base, features, whole)

    class Model:
        path, extractor, image_dimension = "model.p", reduced.state(), 10

    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "b.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    own, _ = propose(tmp_path, Model, paths)  # from the pixels
    assert own.boxes[0].tolist() == [0, 0, *picture.size] and 1 < len(own.boxes) <= 20 and own.features.shape[1] == 10
    (tmp_path / "boxes.json").write_text(json.dumps({"a.png": boxes[:3].tolist()}))
    proposal, other = propose(tmp_path, Model, paths)
    assert "has no boxes for 1 of 2 pictures, which get proposals: b.png" in capsys.readouterr().err
    assert np.array_equal(other.boxes, own.boxes)
    found = reduced.regions(picture, proposal.boxes)
    assert np.allclose(proposal.features, np.hstack([found, [found[0]] * len(found)]), atol=1e-4)
    for content, message in (("[]", "an object"), ('{"c.png": []}', "names none of the 2 pictures"), ('{"a.png": [[1]]}', "lists of")):
        (tmp_path / "boxes.json").write_text(content)
        with pytest.raises(UserError, match=message):
            propose(tmp_path, Model, paths)


def test_pictures_of_which_none_can_be_read(tmp_path, capsys):
    from test_reduced_regions import make

    from neuraltalk.errors import UserError

    class Model:
        path, extractor, image_dimension = "model.p", make()[0].state(), make()[0].region_dimension

    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match="none of the 1 picture could be read"):
        propose(tmp_path, Model, [tmp_path / "a.png"])
    assert "skipped: " in capsys.readouterr().err


def test_a_captioner_of_regions_does_not_see_whole_pictures():
    from test_reduced_regions import learn, make

    from neuraltalk.cli.model_features import own_extractor
    from neuraltalk.errors import UserError

    base, _, _, features, whole = make()

    class Model:
        path, image_dimension = "model.p", 5
        extractor = learn(base, features, whole).state()

    with pytest.raises(UserError, match="model.p describes regions"):
        own_extractor(Model)


def test_a_region_file_of_another_kind_is_refused(tmp_path):
    """As many numbers of another network would give fluent sentences about nothing."""
    from test_reduced_regions import learn, make

    from neuraltalk.errors import UserError

    base, _, boxes, features, whole = make()
    own = learn(base, features, whole)
    other = learn(base, 2 * features[1:], whole[1:])

    class Model:
        path, extractor, image_dimension = "model.p", own.state(), 5

    region = np.zeros((5, 1), np.float32)
    np.savez(tmp_path / "region_feats.npz", feats=region, boxes=np.array([[0], [0], [9], [9]], np.float32), image=[[0]])
    with pytest.raises(UserError, match="doesn't tell what made it"):
        propose(tmp_path, Model, [tmp_path / "a.png"])
    other.save(tmp_path / "region_extractor.npz")
    with pytest.raises(UserError, match="was made by another extractor"):
        propose(tmp_path, Model, [tmp_path / "a.png"])
    own.save(tmp_path / "region_extractor.npz")
    assert len(propose(tmp_path, Model, [tmp_path / "a.png"])) == 1


def test_the_page_says_only_text(tmp_path):
    from neuraltalk.pages.regions import regions_page

    region = {"box": [0, 0, 5, 5], "text": "<b>dog", "confidence": 0.5, "verdict": "true"}
    entries = [{"img_path": "none & such.png", "size": (10, 10), "regions": [region]}]
    page = regions_page(entries, "A <title>", tmp_path, tmp_path)
    assert "&lt;b&gt;dog" in page and "<b>dog" not in page and "no picture here" in page and "✓ true" in page
    assert "left:0.00%;top:0.00%;width:50.00%;height:50.00%" in page
