"""eval_sentence_predictions.py and neuraltalk search with an alignment model: figures, answers, and mistakes in one line."""

import json

import numpy as np
import pytest
import tiny_models
from test_alignment_training import make_toy

from neuraltalk.cli import align, evaluate, evaluate_alignment, predict, search
from neuraltalk.cli.main import main as neuraltalk_command
from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.regions import open_regions
from neuraltalk.models.aligner import Aligner, AlignerOptions
from neuraltalk.train.checkpoint import load_checkpoint, save_checkpoint

WORDS = ["a", "and", "the", "dog", "cat", "ball", "tree", "car"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """data/toy, in which a region shows a thing, and an aligner that knows them: each thing's word has its feature."""
    monkeypatch.chdir(tmp_path)
    folder = make_toy(tmp_path / "data" / "toy")
    images = load_dataset(folder).images
    regions = open_regions(folder)
    phrases = []
    for image in images:
        boxes, tokens = regions.boxes_of(image.imgid).tolist(), image.sentences[0].tokens
        things = {tokens[1]: boxes[1 % len(boxes)], tokens[4]: boxes[-1]}
        phrases.append(
            [
                {"sentence": number, "phrase": f"{sentence.tokens[k - 1].upper()} {sentence.tokens[k]}", "box": box}
                for number, sentence in enumerate(image.sentences)
                for word, box in things.items()
                for k in [sentence.tokens.index(word) if word in sentence.tokens else None]
                if k is not None
            ]
        )
    (folder / "phrases.json").write_text(json.dumps(phrases), encoding="utf-8")
    make_aligner(tmp_path / "cv" / "toy_alignment_baseline.p")
    return tmp_path


def make_aligner(path, words=WORDS, dimension=6, **more):
    """A checkpoint whose word number 4 + k, a thing, is feature k; the other words score 0."""
    sizes = {"embedding_size": 6, "word_encoding_size": 6, "hidden_size": 6}
    aligner = Aligner.initialise(AlignerOptions(**sizes), dimension, len(words) + 1, np.random.default_rng(0))
    for name, array in aligner.params.items():
        array[...] = np.eye(*array.shape) if name in ("Wm", "We", "Wd") else 0
    for k in range(4, len(words) + 1):
        aligner.params["Ww"][k, k - 4] = 1
    content = {
        "it": 7,
        "epoch": 1.5,
        "model": aligner.params,
        "params": {"model": "alignment", "dataset": "toy", **sizes},
        "recall": 0.5,
        "wordtoix": {"#START#": 0, **{word: k + 1 for k, word in enumerate(words)}},
        "ixtoword": {0: ".", **{k + 1: word for k, word in enumerate(words)}},
        "log_frequencies": np.zeros(len(words) + 1),
        "extractor": None,
        "history": [],
        "training": None,
    }
    path.parent.mkdir(exist_ok=True)
    save_checkpoint(path, {**content, **more})
    return path


def run(capsys, command, *arguments):
    code = command.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys, command, *arguments):
    """The error of a run that must end with one line and code 2, nothing printed."""
    code, out, err = run(capsys, command, *arguments)
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2 and out == "" and len(errors) == 1 and err.splitlines()[-1] == errors[0]
    return errors[0]


def test_a_model_that_knows_grounds_and_retrieves(place, capsys):
    code, out, err = run(capsys, evaluate)
    assert code == 0
    assert out.startswith("toy, test split: 6 images, 12 sentences\n")
    assert "alignment, 9 vocabulary entries, validation mean R@10 50.0 %" in err
    result = json.loads((place / "results" / "result_struct.json").read_text(encoding="utf-8"))
    assert set(result) == {"params", "checkpoint_params", "images", "sentences", "retrieval", "grounding"}
    assert result["images"] == 6 and result["sentences"] == 12
    figures = result["grounding"]["phrases"]
    assert figures["phrases"] == 18 and figures["overlap"] == figures["pointing"] == 1
    assert figures["chance_overlap"] == pytest.approx(1 / 3)
    assert "18 phrases" in out and "this model" in out and "largest box" in out and "whole image" in out
    assert result["retrieval"]["annotation"]["at_5"] == 1 and result["retrieval"]["mean_recall_at_10"] == 1
    assert result["checkpoint_params"]["model"] == "alignment"
    rows = {line[2:22].strip(): line.split()[-4:] for line in out.splitlines()}
    assert rows["image to sentence"][2] == "100.0" and rows["mean of the R@10"][-1] == "100.0"


def test_folds_and_parts(place, capsys):
    code, out, _ = run(
        capsys, evaluate, "-s", "train", "--folds", 3, "-o", "out", "--result_struct_filename", "folds.json"
    )
    assert code == 0 and "18 images, 36 sentences; ranked within 3 folds of 6 images" in out
    folds = json.loads((place / "out" / "folds.json").read_text(encoding="utf-8"))["retrieval"]
    run(capsys, evaluate, "-s", "train", "-m", 6)
    whole = json.loads((place / "results" / "result_struct.json").read_text(encoding="utf-8"))
    assert folds["folds"] == 3 and whole["images"] == 6 and folds["annotation"] != whole["retrieval"]["annotation"]


def test_without_phrases_and_without_any_that_can_be_scored(place, capsys):
    path = place / "data" / "toy" / "phrases.json"
    path.write_text(json.dumps([[] for _ in range(30)]))
    code, out, _ = run(capsys, evaluate)
    assert code == 0 and "phrases" not in out
    path.unlink()
    assert run(capsys, evaluate)[1] == out


def test_nouns_of_the_embedded_pictures(place, capsys):
    path = place / "data" / "toy" / "phrases.json"
    phrases = json.loads(path.read_text(encoding="utf-8"))
    for entries in phrases:
        for entry in entries:
            entry["things"] = [0]
    path.write_text(json.dumps(phrases), encoding="utf-8")
    code, out, _ = run(capsys, evaluate)
    assert code == 0 and "18 phrases" in out and " nouns " in out
    assert evaluate_alignment.scene_nouns(load_checkpoint("cv/toy_alignment_baseline.p").vocabulary, phrases) >= {
        4,
        5,
        6,
    }


def test_search_by_text(place, capsys):
    code, out, err = run(capsys, search, "A zebra, a dog and a tree!", "-s", "all", "-n", 3)
    assert code == 0 and "unknown     zebra: not in the model's vocabulary" in err
    lines = out.splitlines()
    assert len(lines) == 3
    scores = [float(line.split()[0]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    images = [image for image in load_dataset("data/toy").images if image.imgid != 7]  # which has its whole image only
    both = {image.filename for image in images if {"dog", "tree"} <= set(image.sentences[0].tokens)}
    assert both and lines[0].split()[1] in both
    assert neuraltalk_command(["search", "cv/toy_alignment_baseline.p", "a dog"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_search_by_picture(place, capsys):
    picture = load_dataset("data/toy").split("test")[0]
    code, out, _ = run(capsys, search, "--picture", place / "anywhere" / picture.filename)
    assert code == 0
    best = out.splitlines()[0]
    assert set(best.split()) >= set(picture.sentences[0].tokens) and "   (its own)" in out
    assert (
        len(run(capsys, search, "cv/toy_alignment_baseline.p", "--picture", picture.filename, "-n", 4)[1].splitlines())
        == 4
    )


def test_search_by_a_picture_from_elsewhere(place, capsys):
    from test_reduced_regions import learn, make

    base, picture, _, features, whole = make()
    picture.save(place / "new.png")
    assert "has no picture 'new.png'" in refused(capsys, search, "--picture", "new.png")
    reduced = learn(base, features, whole, dimension=6)
    model = make_aligner(place / "cv" / "own.p", extractor=reduced.state())
    code, out, _ = run(capsys, search, model, "--picture", "new.png", "-n", 3)
    assert code == 0 and len(out.splitlines()) == 3 and "(its own)" not in out
    (place / "new.png").write_bytes(b"nothing")
    assert "could be read" in refused(capsys, search, model, "--picture", "new.png")


def test_mistakes_in_search(place, capsys):
    assert "nothing to search for: give a text" in refused(capsys, search)
    assert "nothing to search for with cv" in refused(capsys, search, "cv/toy_alignment_baseline.p")
    for text in ("", " ", "?!"):  # known before anything is opened
        assert "has no words; give some" in refused(capsys, search, "cv/absent.p", text)
    assert "put the text in quotes" in refused(capsys, search, "cv/toy_alignment_baseline.p", "a", "dog")
    assert "knows none of the words in 'Zebras'" in refused(capsys, search, "Zebras")
    assert "has no picture '99.png'" in refused(capsys, search, "--picture", "99.png")
    assert "'0' should be a whole number" in refused(capsys, search, "a dog", "-n", 0)
    assert "no data set 'nothing'" in refused(capsys, search, "a dog", "-d", "nothing")
    path = place / "data" / "toy" / "dataset.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"test"', '"val"'), encoding="utf-8")
    assert "nothing to search in its test split" in refused(capsys, search, "a dog")


def test_each_command_says_which_one_fits(place, capsys):
    tiny_models.make_checkpoint(place / "cv" / "toy_lstm_baseline.p", dimension=6, dataset="toy", words=WORDS)
    aligner, captioner = "cv/toy_alignment_baseline.p", "cv/toy_lstm_baseline.p"
    assert "is an alignment model, which finds sentences but writes none" in refused(
        capsys, predict, aligner, "-r", "."
    )
    assert "is a captioner, which writes sentences but finds none" in refused(capsys, search, captioner, "a dog")
    assert "--beam_size is an option for --model captioner" in refused(capsys, evaluate, aligner, "-b", 3)
    assert "--nearest is an option for --model captioner" in refused(capsys, evaluate, aligner, "--nearest")
    assert "is an alignment model" in refused(capsys, evaluate, aligner, captioner)
    assert "--folds is an option for --model alignment" in refused(capsys, evaluate, captioner, "--folds", 2)
    assert run(capsys, search, "a dog")[0] == 0  # the newest of the right kind
    (place / "cv" / "toy_alignment_baseline.p").unlink()
    assert "no checkpoint of an alignment model in cv" in refused(capsys, search, "a dog")


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "phrases.json: not JSON"),
        ("[]", "has phrases of 0 images, but there are 30"),
        ("{}", "should be a list with a list of phrases"),
        (
            json.dumps([[{"sentence": 0, "phrase": "a dog", "box": [1, 2, 3]}]] + [[]] * 29),
            "image 0, phrase 0: box should be",
        ),
    ],
)
def test_damaged_phrases(place, capsys, text, said):
    (place / "data" / "toy" / "phrases.json").write_text(text)
    assert said in refused(capsys, evaluate)


def test_mistakes_in_evaluation(place, capsys):
    assert "--folds 7 of 6 images make no sense" in refused(capsys, evaluate, "--folds", 7)
    assert "--folds 0 of 6 images" in refused(capsys, evaluate, "--folds", 0)
    wide = make_aligner(place / "wide.p", dimension=9)
    assert "was trained on 9-number features" in refused(capsys, evaluate, wide)
    german = make_aligner(place / "german.p", words=["ein", "hund"])
    assert "knows none of the words" in refused(capsys, evaluate, german)
    foreign = make_aligner(place / "foreign.p", extractor={"name": "kmeans", "fingerprint": "0123456789abcdef"})
    assert "needs its own (0123456789ab); take regions that this extractor measured" in refused(
        capsys, evaluate, foreign
    )
    (place / "data" / "toy" / "region_feats.npz").unlink()
    assert "no region features" in refused(capsys, evaluate)


def test_align_prints_scores_boxes_and_snippets(place, capsys):
    image = load_dataset(place / "data" / "toy").split("test")[0]
    text = " ".join(image.sentences[0].tokens)
    code, out, _ = run(capsys, align)
    lines = out.splitlines()
    assert code == 0 and lines[0] == f"{image.filename}: {text}"
    first, second = (next(line.split() for line in lines if line.split()[0] == image.sentences[0].tokens[k]) for k in (1, 4))
    assert first[2].endswith("*") and second[3].endswith("*")  # each thing's box, beside the whole picture's
    assert first[4:] == ["1", "1", "1", first[-1]] and second[4:] == ["2", "2", "2", second[-1]]
    assert sum(line.startswith("  beta ") for line in lines) == 4
    assert lines[-1].split() == [first[-1], *text.split()]  # a large beta: one box for all
    code, out, _ = run(capsys, align, "cv/toy_alignment_baseline.p", "a dog", "--picture", image.filename, "--beta", 2)
    assert code == 0 and out.splitlines()[0].endswith(": a dog") and out.count("  beta 2: E = ") == 1


def test_mistakes_in_align(place, capsys):
    assert "put the sentence in quotes" in refused(capsys, align, "a", "dog")
    assert "should be a number" in refused(capsys, align, "--beta", "x")
    assert "knows none of the words" in refused(capsys, align, "zebra")
    assert "has no picture 'none.png'" in refused(capsys, align, "--picture", "none.png")
    path = place / "data" / "toy" / "dataset.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["images"][4]["sentences"] = []
    path.write_text(json.dumps(document), encoding="utf-8")
    assert "has no sentence" in refused(capsys, align)
