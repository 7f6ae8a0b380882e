"""Evaluation of a captioner of regions: references, baselines, and mistakes in one line."""

import json

import numpy as np
import pytest
from test_alignment_evaluation import make_aligner, refused, run
from test_alignment_training import make_toy

from neuraltalk.cli import evaluate, phrases
from neuraltalk.cli.evaluate_regions import nearest_snippets
from neuraltalk.cli.main import main as neuraltalk_command
from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.features import open_features
from neuraltalk.data.regions import open_regions

SMALL = ["-m", "1", "--word_count_threshold", "1", "--hidden_size", "8", "--image_encoding_size", "8"]
SMALL += ["--word_encoding_size", "8"]


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    """data/toy, its pairs in data/toy_regions with the truth of boxes, and a captioner of them."""
    monkeypatch.chdir(tmp_path)
    folder = make_toy(tmp_path / "data" / "toy")
    make_aligner(tmp_path / "cv" / "toy_alignment_baseline.p")
    regions, images = open_regions(folder), load_dataset(folder).images
    entries = [
        [{"sentence": 0, "phrase": f"a {i.sentences[0].tokens[4]}", "box": regions.boxes_of(i.imgid)[-1].tolist()}]
        for i in images
    ]
    (folder / "phrases.json").write_text(json.dumps(entries), encoding="utf-8")
    assert run(capsys, phrases)[0] == 0
    assert neuraltalk_command(["train", "-d", "toy_regions", *SMALL]) == 0
    capsys.readouterr()
    return tmp_path


MODEL = "cv/toy_regions_lstm_baseline.p"


def test_figures(place, capsys):
    code, out, err = run(capsys, evaluate, MODEL, "-b", "1")
    assert code == 0
    assert out.startswith("toy_regions, test split: 6 regions of 6 pictures; greedy\n")
    assert "what people said of the region, 1.0 a region" in out and "nearest region" in out
    result = json.loads((place / "results" / "result_struct.json").read_text(encoding="utf-8"))
    assert len(result["imgblobs"]) == 6 and all(len(blob["box"]) == 4 for blob in result["imgblobs"])
    assert result["regions"]["nearest region"]["BLEU-1"] > 0.5  # the features tell the thing
    assert set(result["regions"]["this model"]) >= {"BLEU-4", "ROUGE-L", "CIDEr"} and "CIDEr" in out
    assert (place / "results" / "result_struct.html").is_file()


def test_without_truth_the_snippets_are_references(place, capsys):
    (place / "data" / "toy_regions" / "truth.json").unlink()
    code, out, _ = run(capsys, evaluate, MODEL, "-b", "1", "-m", "5")
    assert code == 0 and "the alignment model's snippets" in out and "5 regions of" in out


def test_beside_another_model_of_such_features(place, capsys):
    code, out, _ = run(capsys, evaluate, MODEL, "-b", "1", "--compare", MODEL)
    rows = {line[2:18].strip(): line.split()[-9:] for line in out.splitlines()}
    assert code == 0 and rows["this model"][-6:] == rows["whole images'"][-6:]


def test_nearest_snippets(place):
    dataset = load_dataset(place / "data" / "toy_regions")
    features = open_features(dataset.folder)
    train = [image for image in dataset.split("train") if image.sentences][:4]
    found = nearest_snippets(dataset, features, 3 * features.rows([image.imgid for image in train]))
    for image, tokens in zip(train, found):
        assert tokens in [sentence.tokens for sentence in image.sentences]


def test_mistakes_are_one_line(place, capsys):
    assert "--max_images 0" in refused(capsys, evaluate, MODEL, "-m", "0")
    assert "--human is for whole images" in refused(capsys, evaluate, MODEL, "--human")
    assert "several checkpoints or beam sizes are for whole images" in refused(capsys, evaluate, MODEL, "-b", "1,7")
    assert "is about regions" in refused(capsys, evaluate, MODEL, "-d", "toy", "--compare", MODEL)
    assert "is an alignment model" in refused(
        capsys, evaluate, MODEL, "--compare", "cv/toy_alignment_baseline.p"
    )
    path = place / "data" / "toy_regions" / "dataset.json"
    document = json.loads(path.read_text())
    for image in document["images"]:
        del image["box"]
    path.write_text(json.dumps(document))
    assert "no box or source" in refused(capsys, evaluate, MODEL)


def test_a_captioner_of_other_features_is_told(place, capsys):
    features = np.random.default_rng(0).random((30, 9)).astype(np.float32)
    np.save(place / "data" / "toy" / "features.npy", features)
    assert neuraltalk_command(["train", "-d", "toy", *SMALL]) == 0
    capsys.readouterr()
    message = refused(capsys, evaluate, MODEL, "--compare", "cv/toy_lstm_baseline.p")
    assert "9 numbers an image" in message
