"""The training command from the outside: options, presets, messages, exit codes, files."""

import dataclasses
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from neuraltalk.cli import console, presets
from neuraltalk.cli import main as neuraltalk_command
from neuraltalk.cli import train as command
from neuraltalk.cli.options import TABLE, build_parser, checked, resolve
from neuraltalk.cli.records import RECORDS, AlignmentTrainingOptions, TrainingOptions
from neuraltalk.errors import UserError
from neuraltalk.models.aligner import AlignerOptions
from neuraltalk.models.captioner import CaptionerOptions
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.train.run_files import newest_checkpoint

ROOT = pathlib.Path(__file__).parent.parent
SMALL = [
    "--image_encoding_size",
    "4",
    "--word_encoding_size",
    "4",
    "--hidden_size",
    "4",
    "-b",
    "20",
    "-m",
    "2",
    "-d",
    "toy",
    "--word_count_threshold",
    "2",
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a data set of 30 images in data/toy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["driver.py"])
    rng = np.random.default_rng(3)
    colours, images = ["red", "green", "blue", "café"], []
    for k in range(30):
        sentences = []
        for _ in range(2):
            tokens = ["a", colours[k % 4], "ball"] + ["rolls"] * int(rng.integers(0, 3)) + (["rare"] if k == 5 else [])
            sentences.append({"tokens": tokens, "raw": " ".join(tokens), "imgid": k, "sentid": 2 * k + len(sentences)})
        images.append(
            {
                "imgid": k,
                "filename": f"{k}.jpg",
                "split": ["train", "train", "train", "val", "test"][k % 5],
                "sentids": [2 * k, 2 * k + 1],
                "sentences": sentences,
            }
        )
    folder = tmp_path / "data" / "toy"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps({"dataset": "toy", "images": images}), encoding="utf-8")
    np.save(folder / "vgg_feats.npy", np.eye(30, 8, dtype=np.float32) + 0.1 * rng.random((30, 8), dtype=np.float32))
    return tmp_path


def test_a_run(place, capsys):
    assert command.main(SMALL) == 0
    out, err = capsys.readouterr()
    assert "18 images with 36 sentences to train on, 6 with 12 to validate" in err
    assert "vocabulary" in err
    assert "% of the training words are skipped" in err
    assert "parameters in float32" in err
    assert "epoch 1.00: perplexity" in err
    assert "best validation perplexity" in out
    assert f"python predict_on_images.py {pathlib.Path('cv/toy_lstm_baseline.p')}" in out
    best = load_checkpoint("cv/toy_lstm_baseline.p")
    assert newest_checkpoint().resolve() == (place / "cv" / "toy_lstm_baseline.p").resolve()
    assert best.params["hidden_size"] == 4
    assert best.params["drop_prob_encoder"] == 0.5
    assert "café" in best.vocabulary.words
    assert "rare" in best.vocabulary.words
    [status] = (place / "status").iterdir()
    assert status.name.endswith("_toy_lstm_baseline_status.json")
    status = json.loads(status.read_text(encoding="utf-8"))
    assert status["params"]["dataset"] == "toy"
    assert status["state"] == "finished"
    assert status["checkpoint"] == str(pathlib.Path("cv/toy_lstm_baseline.p"))
    assert len(status["history"]) == 3  # the first iteration and two evaluations
    assert status["history"][0]["val_ppl2"] == -1
    assert set(status["history"][0]) == {
        "time",
        "iter",
        "epoch",
        "time_per_batch",
        "smooth_train_ppl2",
        "val_ppl2",
        "train_ppl2",
    }
    assert status["history"][-1]["iter"] == [2, 2]
    assert status["history"][-1]["epoch"] == [2, 2]
    assert status["history"][-1]["val_ppl2"] == load_checkpoint("cv/toy_lstm_baseline.last.p").perplexity


def test_interrupted_and_resumed(place, capsys, monkeypatch):
    assert command.main([*SMALL, "--average_decay", "0.9"]) == 0
    straight = pathlib.Path("cv/toy_lstm_baseline.last.p").read_bytes()
    stepped = command.Watcher.stepped
    with monkeypatch.context() as patch:
        patch.setattr(command.Watcher, "stepped", lambda *a: (stepped(*a), signal.raise_signal(signal.SIGINT)))
        capsys.readouterr()
        assert command.main([*SMALL, "--average_decay", "0.9"]) == 130
        out, _ = capsys.readouterr()
        assert f"python driver.py --resume {pathlib.Path('cv/toy_lstm_baseline.last.p')}" in out
    assert json.loads(next(pathlib.Path("status").iterdir()).read_text(encoding="utf-8"))["state"] == "interrupted"
    assert command.main(["--resume"]) == 0
    assert "continuing" in capsys.readouterr().err
    assert pathlib.Path("cv/toy_lstm_baseline.last.p").read_bytes() == straight
    assert pathlib.Path("cv/toy_lstm_baseline.last.previous.p").read_bytes() == straight
    assert command.main(["--resume", "cv/toy_lstm_baseline.last.p", "-m", "3"]) == 0  # on from a finished run
    assert load_checkpoint("cv/toy_lstm_baseline.last.p").it == 3


def test_resuming_what_can_not_be(place, capsys):
    assert command.main(SMALL) == 0

    def refused(arguments, said):
        capsys.readouterr()
        assert command.main(arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines[-1].startswith("error: ")
        assert said in lines[-1]

    refused(["--resume", "--hidden_size", "5"], "--hidden_size 5 can't be changed on --resume: the run has 4")
    refused(["--resume", "--preset", "flickr8k"], "--preset can't be changed on --resume")
    refused(["--resume", "cv/toy_lstm_baseline.p"], "holds the best weights only")
    refused(["--resume", "cv/none.p"], "cv/none.p: no such file; there are cv/")
    refused(["--resume", "-o", "other"], "nothing to resume in other")
    document = json.loads(pathlib.Path("data/toy/dataset.json").read_text(encoding="utf-8"))
    for image in document["images"]:
        for sentence in image["sentences"]:
            sentence["tokens"].append("again")
    pathlib.Path("data/toy/dataset.json").write_text(json.dumps(document), encoding="utf-8")
    refused(["--resume"], "the data set has other words now")


def test_starting_from_weights(place, capsys):
    assert command.main(SMALL) == 0
    first = load_checkpoint("cv/toy_lstm_baseline.p")
    assert (
        command.main([*SMALL, "--fappend", "second", "--init_model_from", "cv/toy_lstm_baseline.p", "-l", "1e-9"]) == 0
    )
    assert "starting from the weights of cv" in capsys.readouterr().err
    second = load_checkpoint("cv/toy_lstm_second.p")
    np.testing.assert_allclose(second.model["We"], first.model["We"], atol=1e-6)
    assert command.main([*SMALL, "--word_count_threshold", "20", "--init_model_from", "cv/toy_lstm_baseline.p"]) == 2
    assert "its vocabulary of" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["-d", "nowhere"], "no data set 'nowhere'"),
        (["--hidden_size", "0"], "--hidden_size 0 is out of range; it should be from 1 to"),
        (["--hidden_size", "many"], "'many' should be a whole number"),
        (["--drop_prob_encoder", "1"], "--drop_prob_encoder 1 is out of range; it should be from 0 to below 1"),
        (["--drop_prob_decoder", "-0.1"], "from 0 to below 1"),
        (["-l", "0"], "--learning_rate 0 is out of range; it should be above 0"),
        (["-l", "nan"], "'nan' should be a number"),
        (["-m", "0"], "--max_epochs 0"),
        (["-b", "0"], "--batch_size 0"),
        (["-p", "-1"], "--eval_period -1"),
        (["-c", "-1"], "--regc -1"),
        (["--seed", "-1"], "--seed -1"),
        (["--generator", "gru"], "invalid choice: 'gru'"),
        (["--solver", "sgd"], "invalid choice: 'sgd'"),
        (["--preset", "best"], "invalid choice: 'best'"),
        (["--tanhC_version", "2"], "invalid choice: 2"),
        (["--fappend", "a/b"], "--fappend 'a/b' becomes part of file names"),
        (["--hiden_size", "3"], "there is no option --hiden_size; did you mean --hidden_size?"),
        (["--hidden_size", "5", "--generator", "rnn"], "--image_encoding_size 4 and --hidden_size 5 differ"),
        (["--image_encoding_size", "5"], "make them equal"),
        (["--init_model_from", "cv/none.p"], "cv/none.p: no such file"),
        (["--word_count_threshold", "1000"], "lower --word_count_threshold"),
    ],
)
def test_mistakes_are_one_line_and_code_2(place, capsys, arguments, said):
    assert command.main([*SMALL, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def test_damaged_extractor(place, capsys):
    pathlib.Path("data/toy/extractor.npz").write_bytes(b"not a zip file")
    assert command.main(SMALL) == 2
    assert "extractor.npz" in capsys.readouterr().err
    pathlib.Path("data/toy").rename("data/scenes")
    assert command.main([*SMALL, "-d", "scenes"]) == 2
    assert f"remove {pathlib.Path('data/scenes')} and it is drawn anew" in capsys.readouterr().err


def test_output_folder_that_can_not_be_written(place, capsys):
    pathlib.Path("file").write_text("x")
    assert command.main([*SMALL, "-o", "file/cv"]) == 2
    assert "can't write there" in capsys.readouterr().err
    assert command.main([*SMALL, "--worker_status_output_directory", "file"]) == 2
    assert "can't write there" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "val"])
def test_empty_split(place, capsys, split):
    path = pathlib.Path("data/toy/dataset.json")
    path.write_text(
        path.read_text(encoding="utf-8").replace(f'"split": "{split}"', '"split": "test"'), encoding="utf-8"
    )
    assert command.main(SMALL) == 2
    assert f"no image with sentences in its {split} split" in capsys.readouterr().err


def test_training_that_fails_says_what_to_try(place, capsys):
    code = command.main([*SMALL, "--solver", "vanilla", "-l", "1e30", "--grad_clip", "0", "-m", "50"])
    assert code == 2
    assert "Try a lower --learning_rate (it is 1e+30)" in capsys.readouterr().err
    assert json.loads(next(pathlib.Path("status").iterdir()).read_text(encoding="utf-8"))["state"] == "stopped"


def test_gradient_check_decides_the_exit_code(monkeypatch, capsys):
    import types

    seen = []
    for outcome, code in ((True, 0), (False, 1)):
        module = types.SimpleNamespace(run=lambda options, stream, outcome=outcome: seen.append(options) or outcome)
        monkeypatch.setitem(sys.modules, "neuraltalk.train.gradient_check", module)
        import neuraltalk.train

        monkeypatch.setattr(neuraltalk.train, "gradient_check", module, raising=False)
        assert command.main(["-a", "1", "--generator", "rnn"]) == code
    assert seen[0].generator == "rnn"


def test_options_come_from_the_command_line_then_the_preset_then_the_defaults():
    assert resolve({}).preset == "scenes"
    assert resolve({"preset": "none"}) == TrainingOptions()
    assert resolve({"dataset": "scenes_regions"}).preset == "scenes"
    assert resolve({"model": "alignment"}).preset == "scenes-alignment"
    assert resolve({"dataset": "flickr8k"}) == TrainingOptions(dataset="flickr8k")
    own = presets.PRESETS["scenes"]
    assert resolve({}).max_epochs == own["max_epochs"]
    assert resolve({"max_epochs": 1.0}).max_epochs == 1
    assert resolve({"preset": "flickr8k-rnn", "dataset": "flickr8k"}).generator == "rnn"
    saved = {**vars(TrainingOptions(hidden_size=7, max_epochs=3.0)), "unknown": 1}
    assert resolve({"max_epochs": 9.0}, saved) == TrainingOptions(hidden_size=7, max_epochs=9.0)
    with pytest.raises(UserError, match="--hidden_size should be a number, not 'x'"):
        resolve({}, {"hidden_size": "x"})
    with pytest.raises(UserError, match="--generator 'gru' is unknown; there are lstm, rnn"):
        resolve({}, {"generator": "gru"})


def test_the_table_covers_every_option_and_presets_are_valid():
    named = [flags.split()[-1].lstrip("-") for rows in TABLE.values() for flags, *_ in rows]
    assert sorted([*named, "preset", "model"]) == sorted({name for record in RECORDS.values() for name in vars(record())})
    for record in RECORDS.values():
        assert checked(record()) == record()
    from neuraltalk.models.captioner import GENERATORS

    of_alignment = {name for (model, _), name in presets.BY_DATASET.items() if model == "alignment"}
    for name in presets.PRESETS:
        options = resolve({"preset": name, "model": "alignment" if name in of_alignment else "captioner"})
        if name not in of_alignment:
            GENERATORS[options.generator].check_sizes(options)
        assert name in presets.DESCRIPTIONS
    assert set(presets.BY_DATASET.values()) <= set(presets.PRESETS)


def test_defaults_are_the_original_s():
    options = vars(TrainingOptions())
    assert {
        name: options[name] for name in ("fappend", "checkpoint_output_directory", "worker_status_output_directory")
    } == {"fappend": "baseline", "checkpoint_output_directory": "cv", "worker_status_output_directory": "status"}
    expected = {
        "generator": "lstm",
        "image_encoding_size": 256,
        "word_encoding_size": 256,
        "hidden_size": 256,
        "regc": 1e-8,
        "max_epochs": 50,
        "solver": "rmsprop",
        "momentum": 0,
        "decay_rate": 0.999,
        "smooth_eps": 1e-8,
        "learning_rate": 1e-3,
        "batch_size": 100,
        "grad_clip": 5,
        "drop_prob_encoder": 0.5,
        "drop_prob_decoder": 0.5,
        "word_count_threshold": 5,
        "eval_period": 1,
        "eval_batch_size": 100,
        "eval_max_images": -1,
        "min_ppl_or_abort": -1,
        "write_checkpoint_ppl_threshold": -1,
    }
    assert {name: options[name] for name in expected} == expected
    short = build_parser().parse_args("-d x -a 0 -o y -c 1 -m 2 -l 3 -b 4 -p 5".split())
    assert (short.dataset, short.checkpoint_output_directory, short.regc, short.max_epochs) == ("x", "y", 1, 2)
    assert (short.learning_rate, short.batch_size, short.eval_period) == (3, 4, 5)


def test_records_are_those_of_the_models():
    """records.py says again what the models' options are: help comes at once, and importing a model imports Numba."""
    for record, model in ((TrainingOptions, CaptionerOptions), (AlignmentTrainingOptions, AlignerOptions)):
        types = {field.name: field.type for field in dataclasses.fields(record)}
        assert {field.name: field.type for field in dataclasses.fields(model)}.items() <= types.items()
    assert CaptionerOptions.of(TrainingOptions()) == CaptionerOptions()  # the aligner's are the paper's, the record's what search found


def test_help_pages(capsys):
    assert command.main(["-h"]) == 0
    page = capsys.readouterr().out
    assert "python driver.py --max_epochs 1" in page
    assert " ".join(page.split()).count("(default: ") == len(
        set(vars(TrainingOptions())) | set(vars(AlignmentTrainingOptions()))
    ) + 1
    for part in (
        "data and files:",
        "model:",
        "optimisation:",
        "regularisation:",
        "evaluation:",
        "--resume [CHECKPOINT]",
        "presets:",
    ):
        assert part in page
    assert neuraltalk_command.main(["-h"]) == 0
    assert "predict" in capsys.readouterr().out
    assert neuraltalk_command.main(["-V"]) == 0
    assert neuraltalk_command.main([]) == 2
    assert neuraltalk_command.main(["trian"]) == 2
    assert "no command 'trian'; did you mean train? There are train, predict" in capsys.readouterr().err


def test_neuraltalk_train_is_the_same(place, capsys):
    assert neuraltalk_command.main(["train", *SMALL, "--eval_max_images", "2"]) == 0
    out, err = capsys.readouterr()
    assert "neuraltalk predict cv" in out
    assert "2 with 4 to validate" in err


def test_killed_process_resumes(place):
    """A real process, a real SIGKILL, while it trains."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, str(ROOT / "driver.py"), *SMALL, "-m", "3000"]
    process = subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in process.stderr:
        if line.startswith("epoch 3"):
            break
    process.kill()
    process.communicate()
    seen = load_checkpoint("cv/toy_lstm_baseline.last.p")
    assert seen.it >= 3
    assert command.main(["--resume", "-m", str(seen.it + 2)]) == 0
    resumed = load_checkpoint("cv/toy_lstm_baseline.last.p")
    assert resumed.it == seen.it + 2
    assert resumed.history[: len(seen.history)] == seen.history


# ---- console


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_progress_in_a_file_is_a_line_now_and_then():
    stream, clock = io.StringIO(), Clock()
    with console.Progress(100, "working", "image", stream, interval=10.0, clock=clock) as progress:
        for k in range(100):
            clock.now += 0.5
            progress.update(k + 1, "well")
        progress.say("half way")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "working 20/100, well, 2.0 images/s, 40s left"
    assert lines[-1] == "half way"
    assert lines[-2] == "working 100/100, well, 2.0 images/s, took 50s"
    assert len(lines) == 6


def test_progress_on_a_terminal_is_one_line():
    stream, clock = Terminal(), Clock()
    with console.Progress(100, "working", "sentence", stream, clock=clock, started=50) as progress:
        for k in range(50, 100):
            clock.now += 1
            progress.update(k + 1, amount=(k - 49) * 100)
        progress.say("a line that stays")
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert "[####" in text
    assert "working 75/100, 100 sentences/s, 25s left" in text
    assert max(len(part.rstrip("\n")) for part in text.split("\r")) < 80


def test_exit_codes(capsys):
    def run(fault):
        @console.command
        def main(argv=None):
            raise fault

        return main()

    assert run(UserError("two\nlines")) == 2
    assert capsys.readouterr().err == "error: two lines\n"
    assert run(KeyboardInterrupt()) == 130
    assert run(BrokenPipeError()) == 141
    assert run(SystemExit()) == 0
    assert run(SystemExit(3)) == 3
    assert run(SystemExit("text")) == 2
    capsys.readouterr()
    assert run(OSError(28, "No space left on device", "cv/a.p")) == 2
    assert capsys.readouterr().err == "error: cv/a.p: No space left on device; make room and give the same command again\n"
    with pytest.raises(FileNotFoundError):
        run(FileNotFoundError(2, "No such file or directory"))
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError())


def test_counted_shows_and_ends(capsys):
    progress = console.counted("drawing", "picture", interval=0.0)
    for k in range(3):
        time.sleep(0.001)
        progress(k + 1, 3)
    err = capsys.readouterr().err
    assert "drawing 1/3" in err
    assert "drawing 3/3" in err
