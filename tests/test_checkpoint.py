"""Checkpoints: what is saved comes back, equal content gives equal bytes, and what doesn't fit together is refused."""

import os
import pathlib
import pickle
import pickletools
import stat
import time
import types

import numpy as np
import pytest
from test_alignment_evaluation import make_aligner

from neuraltalk.cli import share
from neuraltalk.data.vocabulary import Vocabulary
from neuraltalk.errors import UserError
from neuraltalk.models.captioner import Captioner, CaptionerOptions
from neuraltalk.train import checkpoint as checkpoints
from neuraltalk.train import run_files
from neuraltalk.train.checkpoint import load_checkpoint, save_checkpoint
from neuraltalk.train.run_files import newest_checkpoint, newest_last

PYTHON2 = pathlib.Path(__file__).parent / "data" / "neuraltalk_python2.p"
WORDS = Vocabulary(["a", "dog", "runs", "café"], np.log([1, 0.5, 0.25, 0.125, 0.0625]))
SIZES = {"image_encoding_size": 3, "word_encoding_size": 3, "hidden_size": 3}


def make_content(generator="lstm", dtype=np.float32, **changes):
    options = CaptionerOptions(generator=generator, **SIZES)
    captioner = Captioner.initialise(options, 7, WORDS.log_frequencies, np.random.default_rng(0), dtype)
    return {
        "it": 12,
        "epoch": 1.5,
        "model": captioner.params,
        "params": vars(options),
        "perplexity": np.float64(3.25),
        "wordtoix": WORDS.wordtoix,
        "ixtoword": WORDS.ixtoword,
        "log_frequencies": WORDS.log_frequencies,
        "extractor": {"name": "kmeans", "fingerprint": "abc", "dictionary": np.ones((2, 2), np.float32)},
        "history": [{"it": 12, "val_ppl2": 3.25}],
        "training": None,
        **changes,
    }


@pytest.mark.parametrize("generator", ["lstm", "rnn"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip(tmp_path, generator, dtype):
    content = make_content(generator, dtype)
    save_checkpoint(tmp_path / "a.p", content)
    loaded = load_checkpoint(tmp_path / "a.p")
    assert (loaded.it, loaded.epoch, loaded.perplexity, loaded.image_dimension) == (12, 1.5, 3.25, 7)
    assert loaded.vocabulary.words == [".", "a", "dog", "runs", "café"]
    np.testing.assert_array_equal(loaded.vocabulary.log_frequencies, WORDS.log_frequencies)
    assert loaded.options == CaptionerOptions(generator=generator, **SIZES)
    assert loaded.params == content["params"]
    assert loaded.history == content["history"]
    assert loaded.training is None
    assert loaded.extractor["fingerprint"] == "abc"
    captioner = loaded.captioner()
    for name, array in content["model"].items():
        assert captioner.params[name].dtype == dtype
        np.testing.assert_array_equal(captioner.params[name], array)
    assert loaded.captioner(np.float64).params["We"].dtype == np.float64


def test_equal_content_gives_equal_bytes(tmp_path):
    save_checkpoint(tmp_path / "a.p", make_content())
    again = pickle.loads(pickle.dumps(make_content()))  # nothing shared as before
    again["model"] = {name: np.asfortranarray(array) for name, array in again["model"].items()}
    save_checkpoint(tmp_path / "b.p", again)
    loaded = load_checkpoint(tmp_path / "a.p")
    content = dict(
        make_content(), model=loaded.model, params=loaded.params, extractor=loaded.extractor, history=loaded.history
    )
    save_checkpoint(tmp_path / "c.p", content)
    assert (tmp_path / "a.p").read_bytes() == (tmp_path / "b.p").read_bytes() == (tmp_path / "c.p").read_bytes()


def test_what_is_saved_already_is_known_by_history_and_weights(tmp_path):
    content = make_content()
    assert not checkpoints.is_saved(tmp_path / "a.p", content)
    save_checkpoint(tmp_path / "a.p", content)
    assert checkpoints.is_saved(tmp_path / "a.p", content)
    others = {name: array + 1 for name, array in content["model"].items()}
    for change in ({"it": 13}, {"history": []}, {"model": others}):
        assert not checkpoints.is_saved(tmp_path / "a.p", {**content, **change})


def test_python_s_own_pickle_reads_it(tmp_path):
    save_checkpoint(tmp_path / "a.p", make_content())
    data = (tmp_path / "a.p").read_bytes()
    content = pickle.loads(data)
    assert content["version"] == 1 and type(content["perplexity"]) is float  # a float64 when it was saved
    np.testing.assert_array_equal(content["model"]["WLSTM"], make_content()["model"]["WLSTM"])
    assert max(opcode.proto for opcode, _, _ in pickletools.genops(data)) == 4


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.p"
    save_checkpoint(path, make_content())
    before = path.read_bytes()
    with pytest.raises(TypeError, match=r"checkpoint\['history'\]\[0\]"):
        save_checkpoint(path, make_content(history=[object()]))

    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, make_content(it=13))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.p"]


@pytest.mark.skipif(os.name == "nt", reason="file modes are POSIX")
def test_others_may_read_it(tmp_path):
    save_checkpoint(tmp_path / "a.p", make_content())
    assert stat.S_IMODE((tmp_path / "a.p").stat().st_mode) & 0o400


def test_checkpoint_of_the_original():
    loaded = load_checkpoint(PYTHON2)
    assert loaded.options == CaptionerOptions(generator="lstm", drop_prob_encoder=0.5, **SIZES)
    assert (loaded.it, loaded.epoch, loaded.perplexity) == (499, 1.25, 15.75)
    assert (loaded.extractor, loaded.training, loaded.history) == (None, None, [])
    assert loaded.vocabulary.decode([2, 4, 0]) == ["dog", "café"]
    assert {array.dtype for array in loaded.model.values()} == {np.dtype(np.float64)}  # float32 and float64 were mixed
    captioner = loaded.captioner()
    scores, _ = captioner.advance(captioner.begin(np.ones((2, 5), np.float32)), np.arange(2), np.zeros(2, np.int64))
    assert scores.shape == (2, 6)


def test_old_params_may_lack_options(tmp_path):
    content = make_content("rnn")
    content["params"] = {"generator": "rnn"}
    for key in ("perplexity", "it", "epoch", "history", "training", "extractor", "log_frequencies"):
        del content[key]
    save_checkpoint(tmp_path / "a.p", content)
    loaded = load_checkpoint(tmp_path / "a.p")
    assert loaded.options == CaptionerOptions(generator="rnn", **SIZES)
    assert loaded.perplexity is None
    content = make_content()
    content["params"] = {}
    save_checkpoint(tmp_path / "b.p", content)
    assert load_checkpoint(tmp_path / "b.p").options.generator == "lstm"


def test_a_size_that_was_saved_with_a_point_is_a_whole_number(tmp_path):
    content = make_content()
    content["params"] = {**content["params"], "hidden_size": 3.0}
    save_checkpoint(tmp_path / "a.p", content)
    captioner = load_checkpoint(tmp_path / "a.p").captioner()
    assert captioner.options == CaptionerOptions(generator="lstm", **SIZES) and type(captioner.options.hidden_size) is int
    captioner.begin(np.ones((2, 7), np.float32))  # makes arrays of that size


def with_model(**changes):
    model = {**make_content()["model"], **changes}
    return {"model": {name: array for name, array in model.items() if array is not None}}


def with_params(**changes):
    return {"params": {**make_content()["params"], **changes}}


NOT_FINITE = np.full((1, 5), np.nan, np.float32)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"model": None}, "'model' is missing, expected a dict"),
        ({"wordtoix": [1]}, "'wordtoix' is a list"),
        ({"params": "x"}, "'params' is a str"),
        (with_model(We=None), "no array 'We'"),
        (with_model(WLSTM=None), r"no array 'WLSTM'; its options ask for one of shape \(7, 12\)"),
        (
            with_model(WLSTM=np.ones((7, 13), np.float32)),
            r"'WLSTM' has shape \(7, 13\), but its options ask for \(7, 12\)",
        ),
        (with_model(bd=NOT_FINITE), "'bd' has entries that are not finite"),
        (with_model(bd=np.ones(5, np.float32)), "'bd' should be a matrix"),
        (with_model(bd=np.ones((1, 5), np.int64)), "'bd' should be a matrix"),
        (with_model(bd=[[1.0] * 5]), "'bd' should be a matrix"),
        (with_model(Wextra=np.ones((1, 5), np.float32)), "arrays that an lstm captioner has not: Wextra"),
        (with_params(generator="transformer"), "generator 'transformer' is unknown; there are lstm, rnn"),
        (with_params(generator="rnn"), "Wxh"),
        (with_params(generator=[]), "generator"),
        (with_params(hidden_size=4), "options say hidden_size 4, its arrays 3"),
        (with_params(hidden_size="x"), "option hidden_size is 'x'"),
        (with_params(drop_prob_encoder=[0.5]), "option drop_prob_encoder"),
        (with_params(image_scale=float("nan")), "option image_scale is nan"),
        (with_params(image_scale=10**400), "option image_scale is 1000"),
        ({"ixtoword": {0: "."}}, "x.p: the checkpoint's wordtoix"),
        ({"ixtoword": {0: ".", 1: "a", 2: "dog", 4: "runs", 5: "café"}}, "without a gap"),
        ({"wordtoix": {**WORDS.wordtoix, "dog": 3}}, "tables disagree"),
        (
            {"wordtoix": {"#START#": 0, "a": 1}, "ixtoword": {0: ".", 1: "a"}, "log_frequencies": None},
            "2 words in its vocabulary, but its model has 5",
        ),
        ({"log_frequencies": np.zeros(3)}, "log_frequencies have shape"),
        ({"log_frequencies": "x"}, "log_frequencies is a str"),
        ({"it": "many"}, "'it' is a str"),
        ({"perplexity": "good"}, "'perplexity' is a str"),
        ({"history": {}}, "'history' is a dict"),
        ({"training": [1]}, "'training' is a list"),
        ({"extractor": "vgg"}, "'extractor' is a str"),
    ],
)
def test_parts_that_do_not_fit(tmp_path, changes, said):
    save_checkpoint(tmp_path / "x.p", make_content(**changes))
    with pytest.raises(UserError, match=said) as caught:
        load_checkpoint(tmp_path / "x.p")
    assert str(caught.value).startswith(str(tmp_path / "x.p"))
    assert "\n" not in str(caught.value)


def test_not_even_a_dict(tmp_path):
    (tmp_path / "x.p").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="it holds a list, expected a dict with model"):
        load_checkpoint(tmp_path / "x.p")


def touch(path, age):
    path.write_bytes(b"")
    when = time.time() - age
    os.utime(path, (when, when))


def test_the_newest(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint in .*train a model first \(python driver.py\)"):
        newest_checkpoint(tmp_path / "absent")
    with pytest.raises(UserError, match="nothing to resume"):
        newest_last(tmp_path)
    touch(tmp_path / "old.last.p", 50)
    touch(tmp_path / "new.last.p", 40)
    touch(tmp_path / ".new.p.abc.p", 0)  # a temporary file
    touch(tmp_path / ".new.abc.last.p", 0)
    assert newest_checkpoint(tmp_path).name == "new.last.p"  # nothing better yet
    touch(tmp_path / "old.p", 30)
    touch(tmp_path / "new.p", 20)
    touch(tmp_path / "newest.previous.p", 10)
    touch(tmp_path / "flickr8k.p", 5)  # what travels with the project
    assert newest_checkpoint(tmp_path).name == "new.p"
    assert newest_last(tmp_path).name == "new.last.p"


def test_file_names(tmp_path):
    options = types.SimpleNamespace(dataset="flickr8k", generator="rnn", fappend="wide")
    best = run_files.best_path(tmp_path, options)
    assert best == tmp_path / "flickr8k_rnn_wide.p"
    assert run_files.last_path(best) == tmp_path / "flickr8k_rnn_wide.last.p"
    (tmp_path / "my data").mkdir()
    options.dataset = str(tmp_path / "my data")
    assert run_files.best_path("cv", options).name == "my-data_rnn_wide.p"
    options.fappend = "../a b"
    assert run_files.best_path("cv", options).name == "my-data_rnn_..-a-b.p"
    assert run_files.best_path_of_run(tmp_path / "a.last.p", options) == tmp_path / "a.p"
    assert run_files.best_path_of_run(tmp_path / "a.last.previous.p", options) == tmp_path / "a.previous.p"
    run_files.keep_previous(best)
    assert not best.with_name("flickr8k_rnn_wide.previous.p").exists()
    best.write_text("x")
    run_files.keep_previous(best)
    assert best.with_name("flickr8k_rnn_wide.previous.p").read_text() == best.read_text() == "x"


@pytest.mark.parametrize("kind", ["captioner", "alignment"])
def test_a_copy_to_share_is_half_as_large_and_predicts_alike(tmp_path, capsys, kind):
    path, copy = tmp_path / "a.p", tmp_path / "b" / "c.p"
    if kind == "captioner":
        save_checkpoint(path, make_content(training={"weights": np.ones((50, 50))}))
    else:
        make_aligner(path)
    assert share.main([str(path), str(copy)]) == 0
    assert "MB" in capsys.readouterr().out
    whole, half = load_checkpoint(path), load_checkpoint(copy)
    assert copy.stat().st_size < path.stat().st_size
    assert (half.figure, half.params, half.vocabulary.words) == (whole.figure, whole.params, whole.vocabulary.words)
    assert (half.extractor or {}).get("fingerprint") == (whole.extractor or {}).get("fingerprint")
    assert half.training is None
    for name, array in whole.model.items():
        assert half.model[name].dtype == np.float32
        np.testing.assert_allclose(half.model[name], array, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("weight", [1e5, -1e5])
def test_a_copy_never_replaces_a_file_and_says_when_half_precision_is_not_enough(tmp_path, capsys, weight):
    path, copy = tmp_path / "a.p", tmp_path / "b.p"
    content = make_content()
    content["model"]["We"][0, 0] = weight
    save_checkpoint(path, content)
    assert share.main([str(path), str(copy)]) == 2
    assert "'We' has weights beyond 65504" in capsys.readouterr().err
    assert not copy.exists()
    copy.write_text("mine")
    assert share.main([str(path), str(copy)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert copy.read_text() == "mine"


SHIPPED = pathlib.Path(__file__).parents[1] / "cv" / run_files.SHIPPED


def test_the_checkpoint_that_travels_with_the_project_is_small_and_knows_its_features():
    assert SHIPPED.stat().st_size <= 8_000_000
    shipped = load_checkpoint(SHIPPED)
    assert shipped.extractor["name"] == "vgg16-conv5" and shipped.image_dimension == 4096
    assert f"perplexity {shipped.perplexity:.2f}" in SHIPPED.with_suffix(".md").read_text(encoding="utf-8")
