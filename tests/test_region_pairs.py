"""neuraltalk phrases: regions with snippets as a data set, which loads, trains, and says what went wrong in one line."""

import dataclasses
import json
import pathlib
import types

import numpy as np
import pytest
from test_alignment_evaluation import make_aligner, refused, run
from test_alignment_training import make_toy

from neuraltalk.cli import phrases
from neuraltalk.cli.main import main as neuraltalk_command
from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.features import open_features
from neuraltalk.data.region_pairs import load_truth, trim
from neuraltalk.data.regions import open_regions
from neuraltalk.decode.snippets import snippets
from neuraltalk.errors import UserError
from neuraltalk.metrics.region_truth import true_phrases
from neuraltalk.train.checkpoint import load_checkpoint


@pytest.fixture
def place(tmp_path, monkeypatch):
    """data/toy and an aligner that knows its things."""
    monkeypatch.chdir(tmp_path)
    make_toy(tmp_path / "data" / "toy")
    make_aligner(tmp_path / "cv" / "toy_alignment_baseline.p")
    return tmp_path


def test_pairs_are_a_data_set(place, capsys):
    code, out, err = run(capsys, phrases, "--beta", "0", "--trim", "0")
    assert code == 0 and "0" in out and "(written)" in out and "words each, on" in out
    toy, pairs = load_dataset(place / "data" / "toy"), load_dataset(place / "data" / "toy_regions")
    assert "driver.py -d toy_regions" in err
    assert pairs.regions_of.resolve() == toy.folder.resolve() and pairs.pictures.resolve() == toy.pictures.resolve()
    regions, features = open_regions(toy.folder), open_features(pairs.folder, len(pairs.images))
    words = 0
    for image in pairs.images:
        source = toy.images[image.source]
        boxes = regions.boxes_of(image.source)
        row = int(np.flatnonzero((np.round(boxes, 2) == np.float32(image.box)).all(axis=1))[0])
        assert (image.split, image.filename) == (source.split, source.filename)
        assert np.array_equal(features.rows([image.imgid])[0], regions.of([image.source]).features[row])
        own = [" ".join(sentence.tokens) for sentence in source.sentences]
        for sentence in image.sentences:
            assert any(" ".join(sentence.tokens) in text for text in own)
        words += sum(len(sentence.tokens) for sentence in image.sentences)
    assert words == sum(len(sentence.tokens) for image in toy.images for sentence in image.sentences)
    assert load_truth(pairs) is None
    numbers = [sentence.sentid for image in pairs.images for sentence in image.sentences]
    assert numbers == list(range(len(numbers)))


def test_the_next_command_names_a_preset_only_where_it_is_needed(tmp_path, monkeypatch, capsys):
    """driver.py takes the preset of scenes_regions by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(phrases.console, "say", print)
    scenes = types.SimpleNamespace(folder=tmp_path, images=[types.SimpleNamespace(imgid=0)])
    record = types.SimpleNamespace(snippets=[["a", "dog"]], image=types.SimpleNamespace(split="train"), truth=[])
    regions = types.SimpleNamespace(boxes_of=lambda imgid: [0, 1])
    for preset, target, scene in [
        ("", "data/scenes_regions", True),
        ("", tmp_path / "data" / "scenes_regions", True),
        (" --preset scenes", "data/others", True),
        ("", "data/others", False),
    ]:
        (tmp_path / "scenes.json").unlink(missing_ok=True)
        if scene:
            (tmp_path / "scenes.json").write_text("[]")
        phrases.report(pathlib.Path(target), scenes, regions, [record])
        assert capsys.readouterr().out.endswith(f"next        python driver.py -d {pathlib.Path(target).name}{preset}\n")


def test_a_large_beta_keeps_sentences_whole(place, capsys):
    assert run(capsys, phrases, "--beta", "1e6", "--trim", "0", "-o", "data/whole")[0] == 0
    toy, pairs = load_dataset(place / "data" / "toy"), load_dataset(place / "data" / "whole")
    found = sorted(tuple(s.tokens) for image in pairs.images for s in image.sentences)
    assert found == sorted(tuple(s.tokens) for image in toy.images for s in image.sentences)


def test_whole_image_beside_the_region_and_a_second_run(place, capsys):
    assert run(capsys, phrases)[0] == 0
    assert "--force replaces it" in refused(capsys, phrases, "--whole_image")
    assert run(capsys, phrases, "--whole_image", "--force")[0] == 0  # replaces the first
    pairs = load_dataset(place / "data" / "toy_regions")
    regions, rows = open_regions("data/toy"), open_features(pairs.folder).rows(range(len(pairs.images)))
    assert rows.shape[1] == 2 * regions.dimension
    for image, row in zip(pairs.images, rows):
        assert np.array_equal(row[regions.dimension :], regions.of([image.source]).features[0])


def test_truth_of_the_regions(place, capsys):
    toy = load_dataset(place / "data" / "toy")
    regions = open_regions(toy.folder)
    entries = [[{"sentence": 0, "phrase": "A Thing", "box": regions.boxes_of(i)[-1].tolist()}] for i in range(30)]
    (toy.folder / "phrases.json").write_text(json.dumps(entries), encoding="utf-8")
    assert "truth of" in run(capsys, phrases)[1]
    pairs = load_dataset(place / "data" / "toy_regions")
    truth = load_truth(pairs)
    for split in ("val", "test"):
        told = {image.source for image in pairs.split(split) if truth[image.imgid] == ["a thing"]}
        assert told == {image.imgid for image in toy.split(split)}
    (pairs.folder / "truth.json").write_text("[]")
    with pytest.raises(UserError, match="write the data set again"):
        load_truth(pairs)
    (toy.folder / "phrases.json").unlink()
    assert run(capsys, phrases, "--force")[0] == 0
    assert load_truth(load_dataset(pairs.folder)) is None and not (pairs.folder / "truth.json").exists()  # the one before


def test_true_phrases():
    entries = [
        {"sentence": 0, "phrase": "A dog", "box": [0, 0, 10, 10]},
        {"sentence": 1, "phrase": "a dog", "box": [0, 0, 10, 10]},
        {"sentence": 1, "phrase": "two cats", "box": [0, 0, 10, 10]},
        {"sentence": 1, "phrase": "two cats", "box": [20, 0, 30, 10]},
    ]
    boxes = np.array([[0, 0, 40, 40], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 10, 4]])
    assert true_phrases(entries, [[], []], boxes) == [[], ["a dog", "a dog"], [], []]
    assert true_phrases([], [], boxes) == [[], [], [], []]
    unknown = [{"sentence": 7, "phrase": phrase, "box": [0, 0, 10, 10]} for phrase in ("a dog", "a cat")]  # of no sentence here
    assert true_phrases(unknown, [[], []], boxes) == [[], ["a dog", "a cat"], [], []]


@pytest.mark.parametrize("between, texts", [("in", ["a girl in a red dress"]), ("runs in", ["a girl", "a red dress"])])
def test_neighbouring_phrases_of_one_box_are_one(between, texts):
    entries = [{"sentence": 0, "phrase": phrase, "box": [0, 0, 9, 9]} for phrase in ("A girl", "a red dress")]
    sentence = f"A girl {between} a red dress".split()
    assert true_phrases(entries, [sentence], np.array([[0, 0, 9, 9]])) == [texts]


def test_ends_are_trimmed():
    assert trim("in the snow with".split()) == ["in", "the", "snow"]
    assert trim("is a dog and a".split()) == ["a", "dog"]
    assert trim(["the"]) == [] == trim([])


def test_the_generator_trains_on_it(place, capsys):
    assert run(capsys, phrases, "--whole_image")[0] == 0
    code = neuraltalk_command(
        ["train", "-d", "toy_regions", "-m", "1", "--word_count_threshold", "1", "--hidden_size", "8"]
        + ["--image_encoding_size", "8", "--word_encoding_size", "8", "--preset", "none"]
    )
    assert code == 0 and (place / "cv" / "toy_regions_lstm_baseline.p").is_file()


def test_mistakes_are_one_line(place, capsys):
    assert "holds something else" in refused(capsys, phrases, "-o", "data/toy")
    assert "--min_words" in refused(capsys, phrases, "--min_words", "40")
    assert "should be a number" in refused(capsys, phrases, "--beta", "much")
    (place / "file").write_text("x")
    assert "holds something else" in refused(capsys, phrases, "-o", "file")


@pytest.mark.parametrize("field, value", [("box", [3, 0, 1, 1]), ("box", "all"), ("source", -1)])
def test_a_wrong_region_is_told(place, capsys, field, value):
    assert run(capsys, phrases)[0] == 0
    path = place / "data" / "toy_regions" / "dataset.json"
    document = json.loads(path.read_text())
    document["images"][0][field] = value
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=field):
        load_dataset(path.parent)


def test_sentences_without_known_words_have_no_snippets(place):
    aligner, regions = load_checkpoint(place / "cv" / "toy_alignment_baseline.p").aligner(), open_regions("data/toy")
    done = []
    found = list(snippets(aligner, regions, [(0, [[]]), (1, []), (7, [[], [4, 5]])], [0.0, 1.0], done.append))
    assert found[:2] == [[[], []], [[], []]] and done == [3]
    assert [(sentence, (piece.region, piece.start, piece.stop)) for sentence, piece in found[2][1]] == [(1, (0, 0, 2))]
    assert list(snippets(aligner, regions, [(0, [[]])], [0.0])) == [[[]]]


def test_the_margin_is_the_unit_of_beta(place):
    """Scores and margin ten times as large are the same model: so are its snippets."""
    checkpoint = load_checkpoint("cv/toy_alignment_baseline.p")
    regions = open_regions("data/toy")
    images = [(k, [[4, 1, 5], [5, 6]]) for k in range(3)]
    found = []
    for scale in (1, 10):
        aligner = checkpoint.aligner()
        aligner.options = dataclasses.replace(aligner.options, margin=aligner.options.margin * scale)
        for name in ("Wm", "bm"):
            aligner.params[name] = aligner.params[name] * scale
        found.append(list(snippets(aligner, regions, images, [0.0, 0.4, 3.0])))
    assert found[0] == found[1]
    assert any(of_betas[0] != of_betas[2] for of_betas in found[0])
