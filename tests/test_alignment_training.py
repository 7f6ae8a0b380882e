"""Training an aligner by the same command: that it resumes to the bit, its files, and whose options are whose."""

import json
import pathlib
import signal
import sys

import numpy as np
import pytest

from neuraltalk.cli import models
from neuraltalk.cli import train as command
from neuraltalk.cli.options import resolve
from neuraltalk.cli.records import AlignmentTrainingOptions
from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.packing import pack_words
from neuraltalk.data.pairs import encode_pairs
from neuraltalk.data.regions import open_regions
from neuraltalk.errors import UserError
from neuraltalk.layers.box_geometry import box_geometry
from neuraltalk.metrics.retrieval import retrieval
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.train.retrieval import pairs_by_image, retrieve
from neuraltalk.train.run_files import newest_checkpoint

SIZES = ["--embedding_size", "12", "--word_encoding_size", "6", "--hidden_size", "8"]
SMALL = [
    "--model",
    "alignment",
    "-d",
    "toy",
    *SIZES,
    "--margin",
    "1",
    "-l",
    "1e-3",
    "-b",
    "6",
    "-m",
    "2",
    "--word_count_threshold",
    "1",
    "-l",
    "0.003",
]
THINGS = ["dog", "cat", "ball", "tree", "car"]


def make_toy(folder, images=30):
    """Pictures of two things each, in which the features of a region say which thing it shows; a fifth are test images."""
    rng = np.random.default_rng(7)
    records, feats, boxes, owners = [], [], [], []
    for k in range(images):
        things = rng.permutation(len(THINGS))[:2]
        texts = [f"a {THINGS[things[0]]} and a {THINGS[things[1]]}", f"the {THINGS[things[1]]}"]
        records.append(
            {
                "imgid": k,
                "filename": f"{k}.png",
                "split": ["train", "train", "train", "val", "test"][k % 5],
                "sentences": [{"tokens": t.split(), "raw": t, "sentid": 2 * k + n} for n, t in enumerate(texts)],
            }
        )
        thing_boxes = [[0, 0, 40, 30], [1, 1, 15, 15], [20, 10, 38, 28]][
            : 1 if k == 7 else 3
        ]  # one has its whole image only
        for n, box in enumerate(thing_boxes):
            shown = np.eye(len(THINGS) + 1)[things[n - 1] if n else len(THINGS)] + 0.1 * rng.random(len(THINGS) + 1)
            feats.append(shown)
            boxes.append(box)
            owners.append(k)
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps({"dataset": "toy", "images": records}), encoding="utf-8")
    arrays = {
        "feats": np.array(feats, np.float32).T,
        "boxes": np.array(boxes, np.float32).T,
        "image": np.array([owners]),
    }
    np.savez(folder / "region_feats.npz", **arrays)
    return folder



@pytest.mark.parametrize("scaling", ["none", "centred"])
def test_what_the_model_wants_to_know_of_the_features(tmp_path, scaling, monkeypatch):
    """Block by block as from all at once."""
    make_toy(tmp_path / "toy")
    options = resolve({"model": "alignment", "dataset": str(tmp_path / "toy"), "region_scaling": scaling})
    data = command.load_data(options, models.KINDS["alignment"])
    monkeypatch.setattr(models, "SAMPLE", 9)
    monkeypatch.setattr(models, "IMAGES_AT_ONCE", 2)
    imgids = np.unique([imgid for imgid, _ in data.train_pairs])
    assert len(imgids) == 18
    features = data.features.of(imgids[::2]).features.astype(np.float64)
    directed = features / np.linalg.norm(features, axis=1, keepdims=True)
    scaled = directed - directed.mean(axis=0) if scaling == "centred" else features
    scale, mean = models.region_statistics(options, data)
    np.testing.assert_allclose(mean, directed.mean(axis=0), rtol=1e-12)
    assert scale == pytest.approx(np.sqrt(np.mean(np.square(scaled))), rel=1e-12)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["driver.py"])
    make_toy(tmp_path / "data" / "toy")
    return tmp_path


def test_a_run(place, capsys):
    no_dropout = [text for part in ("region", "word", "sentence") for text in (f"--drop_prob_{part}", "0")]
    assert command.main([*SMALL, "-m", "60", *no_dropout]) == 0
    out, err = capsys.readouterr()
    assert "6 numbers a region" in err
    assert "aligner, sizes embedding 12, word 6, hidden 8, score max" in err
    assert "epoch 1.00: mean R@10 100.0 % on the validation split, cost" in err
    assert "best validation mean R@10" in out
    assert f"python eval_sentence_predictions.py {pathlib.Path('cv/toy_alignment_baseline.p')}" in out
    assert "neuraltalk search" in out
    best, last = load_checkpoint("cv/toy_alignment_baseline.p"), load_checkpoint("cv/toy_alignment_baseline.last.p")
    assert best.kind == "alignment" and best.params["model"] == "alignment" and best.perplexity is None
    assert best.recall == best.figure == max(entry["val_recall"] for entry in last.history)
    assert last.history[-1]["train_cost"] < 0.6 * last.history[0]["train_cost"]
    assert set(last.history[0]) == {"it", "epoch", "train_cost", "smooth_train_cost", "val_recall", "learning_rate"}
    [status] = (place / "status").iterdir()
    entry = json.loads(status.read_text(encoding="utf-8"))["history"][-1]
    assert entry["val_recall"] == last.recall and entry["iter"] == [360, 360]


def test_validation_is_retrieval_by_the_whole_matrix(place):
    assert command.main(SMALL) == 0
    checkpoint = load_checkpoint("cv/toy_alignment_baseline.last.p")
    aligner, regions = checkpoint.aligner(), open_regions("data/toy")
    imgids, sentences = pairs_by_image(encode_pairs(load_dataset("data/toy").split("train"), checkpoint.vocabulary))
    assert len(imgids) == 18 and [len(own) for own in sentences] == [2] * 18
    S = np.empty((18, 36))
    for k, imgid in enumerate(imgids):
        v = aligner.embed_regions(regions.of([imgid]))
        for n, words in enumerate(words for own in sentences for words in own):
            S[k, n] = (aligner.embed_words(pack_words([words])) @ v.T).max(axis=1).sum()
    seen = []
    result = retrieve(aligner, regions, imgids, sentences, watch=lambda done, total: seen.append((done, total)))
    assert result == retrieval(lambda images, own: S[images, own], [2] * 18)
    assert seen == [(0, 1)]
    folds = retrieve(aligner, regions, imgids, sentences, folds=3)
    assert folds == retrieval(lambda images, own: S[images, own], [2] * 18, 6)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["--solver", "vanilla", "--score", "sum", "--length_normalisation", "1"],
        ["--average_decay", "0.9", "--train_word_vectors", "0"],
    ],
)
def test_interrupted_and_resumed_to_the_bit(place, monkeypatch, changes):
    assert command.main([*SMALL, *changes]) == 0
    (place / "cv").rename("straight")
    stepped = command.Watcher.stepped
    with monkeypatch.context() as patch:
        patch.setattr(command.Watcher, "stepped", lambda *a: (stepped(*a), signal.raise_signal(signal.SIGINT)))
        assert command.main([*SMALL, *changes]) == 130
        for _ in range(3):
            assert command.main(["--resume"]) == 130
    assert command.main(["--resume", "cv/toy_alignment_baseline.last.p"]) == 0
    for name in ("toy_alignment_baseline.p", "toy_alignment_baseline.last.p"):
        assert (place / "straight" / name).read_bytes() == (place / "cv" / name).read_bytes()
    memory = load_checkpoint("cv/toy_alignment_baseline.last.p").training["solver"]["memory"]
    assert any(key.endswith("/Ww") for key in memory) == ("--train_word_vectors" not in changes)


def test_given_word_vectors(place, capsys):
    lines = [f"{word} " + " ".join(["0.5" if word == "dog" else "-0.25"] * 6) for word in ("dog", "cat", "and")]
    (place / "vectors.txt").write_text("\n".join(lines), encoding="utf-8")
    fixed = [*SMALL, "--word_vectors", "vectors.txt", "--train_word_vectors", "0", "--dtype", "float64"]
    assert command.main(fixed) == 0
    assert "of 3 of 8 words; random for the others" in capsys.readouterr().err
    checkpoint = load_checkpoint("cv/toy_alignment_baseline.p")
    vectors = {
        word: checkpoint.model["Ww"][checkpoint.vocabulary.index[word]] for word in ("dog", "cat", "and", "tree")
    }
    np.testing.assert_allclose(vectors["dog"], -2 * vectors["cat"])
    np.testing.assert_allclose(np.mean([vectors[word] ** 2 for word in ("dog", "cat", "and")]), 1)
    assert vectors["tree"].std() > 0.1
    (place / "vectors.txt").unlink()  # a checkpoint has them
    assert command.main(["--resume", "-m", "3"]) == 0
    start = [*fixed, "--fappend", "second", "--init_model_from", "cv/toy_alignment_baseline.p"]
    assert command.main(start) == 0
    assert "vectors " not in capsys.readouterr().err
    np.testing.assert_array_equal(load_checkpoint("cv/toy_alignment_second.p").model["Ww"], checkpoint.model["Ww"])
    (place / "vectors.txt").write_text("\n".join(lines), encoding="utf-8")
    assert command.main([*fixed, "--word_encoding_size", "5"]) == 2
    assert "its vectors have 6 numbers; set --word_encoding_size 6 (it is 5)" in capsys.readouterr().err


def test_starting_from_weights(place, capsys):
    assert command.main(SMALL) == 0
    again = [*SMALL, "--fappend", "second", "--init_model_from", "cv/toy_alignment_baseline.p", "-l", "1e-9"]
    assert command.main(again) == 0
    assert "starting from the weights of cv" in capsys.readouterr().err
    first, second = load_checkpoint("cv/toy_alignment_baseline.p"), load_checkpoint("cv/toy_alignment_second.p")
    np.testing.assert_allclose(second.model["Wm"], first.model["Wm"], atol=1e-6)
    np.save("data/toy/vgg_feats.npy", np.ones((30, 4), np.float32))
    assert command.main(["-d", "toy", "--word_count_threshold", "1", *again[-4:-2]]) == 2
    assert "is of --model alignment, and this run of --generator lstm" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            ["--generator", "rnn"],
            "--generator is an option of --model captioner, and this run's is alignment; leave it out",
        ),
        (["--drop_prob_encoder", "0.1"], "is an option of --model captioner"),
        (["--min_ppl_or_abort", "3"], "is an option of --model captioner"),
        (["--preset", "flickr8k"], "--preset flickr8k is not for --model alignment"),
        (["--embedding_size", "0"], "--embedding_size 0 is out of range"),
        (["--score", "mean"], "invalid choice: 'mean'"),
        (["--margin", "0"], "--margin 0 is out of range; it should be above 0"),
        (["-b", "1"], "--batch_size 1 leaves nothing to compare"),
        (["--model", "rnn"], "invalid choice: 'rnn'"),
        (["--word_vectors", "none.txt"], "--word_vectors none.txt: no such file"),
    ],
)
def test_mistakes_are_one_line_and_code_2(place, capsys, arguments, said):
    assert command.main([*SMALL, *arguments]) == 2
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert out == "" and len(errors) == 1 and err.splitlines()[-1] == errors[0] and said in errors[0]
    assert len(err.splitlines()) == 1


def test_options_of_the_other_model(place, capsys):
    assert command.main(["-d", "toy", "--margin", "1"]) == 2
    assert "--margin is an option of --model alignment, and this run's is captioner" in capsys.readouterr().err
    assert command.main(SMALL) == 0
    capsys.readouterr()
    for arguments, said in (
        (["--model", "captioner"], "--model captioner can't be changed on --resume: the run has alignment"),
        (["--embedding_size", "13"], "--embedding_size 13 can't be changed on --resume: the run has 12"),
        (["--generator", "lstm"], "--generator is an option of --model captioner"),
    ):
        assert command.main(["--resume", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert resolve({"model": "alignment", "preset": "none"}) == AlignmentTrainingOptions()
    with pytest.raises(UserError, match="--score 'x' is unknown; there are max, sum"):
        resolve({}, {"model": "alignment", "score": "x"})


def test_data_that_can_not_be_trained_on(place, capsys):
    path = place / "data" / "toy" / "dataset.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for image in document["images"][1:]:
        image["split"] = "val"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert command.main(SMALL) == 2
    assert "the train split has only one image with sentences" in capsys.readouterr().err
    (place / "data" / "toy" / "region_feats.npz").unlink()
    assert command.main(SMALL) == 2
    assert "no region features; expected one of region_feats.mat" in capsys.readouterr().err


def test_more_sentences_in_a_batch_than_images(place, capsys):
    assert command.main([*SMALL, "-b", "100"]) == 0
    assert "2 epochs of 2 batches of 18" in capsys.readouterr().err


def test_training_that_fails_says_what_to_try(place, capsys):
    assert command.main([*SMALL, "--solver", "vanilla", "-l", "1e30", "--grad_clip", "0", "-m", "50"]) == 2
    err = capsys.readouterr().err
    assert "Try a lower --learning_rate (it is 1e+30)" in err and "driver.py --model alignment --do_grad_check 1" in err


@pytest.mark.parametrize("scaling", ["centred", "none"])
def test_region_features_are_scaled(place, scaling):
    """Equations by hand: f / |f| - m, m the mean direction in training; first scores are below the margin either way."""
    assert command.main([*SMALL, "--region_scaling", scaling, "-l", "1e-12", "-m", "0.1", "--dtype", "float64"]) == 0
    checkpoint = load_checkpoint("cv/toy_alignment_baseline.p")
    aligner, model = checkpoint.aligner(), checkpoint.model
    regions, train = open_regions("data/toy"), load_dataset("data/toy").split("train")
    block = regions.of([image.imgid for image in train])
    raw = block.features.astype(np.float64)
    expected = raw
    if scaling == "centred":
        directions = raw / np.sqrt((raw**2).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(model["m"][0], directions.mean(axis=0), atol=1e-7)
        expected = directions - directions.mean(axis=0)
    assert ("m" in model) == (scaling == "centred")
    v = aligner.embed_regions(block)
    g = box_geometry(block.boxes.astype(np.float64), block.offsets)
    np.testing.assert_allclose(v, expected @ model["Wm"] + g @ model["Wg"] + model["bm"], atol=1e-6)
    assert 0.3 < np.sqrt((v**2).sum(axis=1).mean()) < 3


def test_gradient_check(capsys):
    assert command.main(["-a", "1", "--model", "alignment", "--score", "sum", "--drop_prob_region", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "aligner (score sum)" in out and "\nWm " in out and "passed" in out


def test_checkpoints_tell_their_kind(place):
    assert command.main(SMALL) == 0
    checkpoint = load_checkpoint("cv/toy_alignment_baseline.p")
    assert checkpoint.image_dimension == 6
    assert checkpoint.aligner(np.float64).params["Wm"].dtype == np.float64
    with pytest.raises(
        UserError, match="is an alignment model, which finds sentences but writes none: use python eval_"
    ):
        checkpoint.captioner()
    assert newest_checkpoint("cv", "alignment").name == "toy_alignment_baseline.p"
    pathlib.Path("cv/toy_alignment_baseline.p").rename("cv/mine.p")  # what is in a file counts, not its name
    pathlib.Path("cv/toy_alignment_baseline.last.p").unlink()
    assert newest_checkpoint("cv", "alignment").name == "mine.p"
    with pytest.raises(UserError, match="no checkpoint of a captioner in cv"):
        newest_checkpoint("cv", "captioner")


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda content: content["model"].pop("Wm"), "the model has no array 'Wm'"),
        (lambda content: content["model"].update(Wx=np.zeros((1, 1))), "arrays that an aligner has not: Wx"),
        (lambda content: content["model"].update(We=np.zeros((2, 2))), "model array 'We' has shape"),
        (lambda content: content["params"].update(model="gan"), "holds a model of the kind 'gan'; there are"),
        (lambda content: content["params"].update(score="mean"), "score 'mean' is unknown"),
        (lambda content: content["params"].update(margin="wide"), "option margin is 'wide'"),
        (lambda content: content["params"].update(margin=0.0), "margin 0 makes no sense"),
        (lambda content: content.update(recall="high"), "'recall' is a str"),
    ],
)
def test_damaged_checkpoints(place, damage, said):
    from neuraltalk.pickles.unpickler import load_pickle
    from neuraltalk.train.checkpoint import save_checkpoint

    assert command.main([*SMALL, "-m", "1"]) == 0
    content = load_pickle("cv/toy_alignment_baseline.p")
    damage(content)
    save_checkpoint(pathlib.Path("cv/damaged.p"), content)
    with pytest.raises(UserError, match="damaged.p") as caught:
        load_checkpoint("cv/damaged.p")
    assert said in str(caught.value)
