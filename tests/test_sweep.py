"""Sweeps: ranges are checked, workers share a study, bad runs end early, nothing is lost when a worker dies."""

import csv
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_alignment_training import make_toy
from test_cli_train import place  # noqa: F401  (a fixture: a working folder with a data set of 30 images in data/toy)

from neuraltalk.cli import sweep as command
from neuraltalk.cli import train
from neuraltalk.cli.ranges import check_ranges, read_ranges
from neuraltalk.errors import UserError
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.train.run_files import newest_checkpoint
from neuraltalk.train.runs import RunFolders

ROOT = pathlib.Path(__file__).parent.parent
FIXED = {"dataset": "toy", "word_count_threshold": 2, "batch_size": 18, "max_epochs": 3, "hidden_size": 4}
SIZES = {"image_encoding_size": 4, "word_encoding_size": {"same_as": "image_encoding_size"}}
RATES = {"learning_rate": {"low": 1e-3, "high": 0.3, "log": True}}
TOY = {**FIXED, **SIZES, **RATES}


def needs_optuna():
    pytest.importorskip("optuna", reason="Optuna isn't installed")


def write_ranges(content, path="ranges.json"):
    pathlib.Path(path).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def sweep(*arguments, ranges=TOY):
    """neuraltalk sweep -> exit code."""
    return command.main([write_ranges(ranges), "--sampler", "random", *arguments])


def table(*arguments):
    """The runs of a sweep as its JSON has them, by number."""
    assert command.main(["--list", "--json", "table.json", *arguments]) == 0
    content = json.loads(pathlib.Path("table.json").read_text(encoding="utf-8"))
    return {run["run"]: run for run in content["runs"]}, content


def start(*arguments):
    """The command as a process of its own."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "neuraltalk.cli.main", "sweep", "ranges.json", "--sampler", "random", *arguments]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# ---- the file of ranges


@pytest.mark.parametrize(
    "content, said",
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "expected an object"),
        ('{"learning_rate": [1e-3], "learning_rate": [1e-2]}', "'learning_rate' stands there twice"),
        ('{"learning_rate": [NaN, 1]}', "NaN is no number"),
        ({}, "nothing to search"),
        ({"dataset": "toy"}, "nothing to search"),
        ({"model": "gru"}, "model 'gru' is unknown"),
        ({"hiden_size": [1, 2]}, "driver.py has no option 'hiden_size'; did you mean hidden_size?"),
        ({"--hidden_size": [1, 2]}, "did you mean hidden_size?"),
        ({"embedding_size": [1, 2]}, 'embedding_size is an option of "model": "alignment"'),
        ({"model": "alignment", "generator": ["lstm"]}, "this sweep's is alignment"),
        ({"fappend": "a"}, "fappend has no place here"),
        ({"resume": ""}, "resume has no place here"),
        ({"word_count_threshold": [1, 5]}, "word_count_threshold can only be fixed: perplexities over two vocabularies"),
        ({"dataset": ["scenes", "toy"]}, "dataset can only be fixed"),
        ({"preset": "best"}, "preset 'best' is unknown"),
        ({"hidden_size": [4, 0]}, "--hidden_size 0 is out of range"),
        ({"hidden_size": [4, 4.5]}, "--hidden_size should be a number, not 4.5"),
        ({"hidden_size": [4, True]}, "hidden_size is true"),
        ({"hidden_size": [4, None]}, "hidden_size is null"),
        ({"hidden_size": [10**400]}, "hidden_size is out of range"),
        ({"hidden_size": []}, "empty list"),
        ({"hidden_size": [4, 4]}, "has 4 twice"),
        ({"learning_rate": [1, 1.0]}, "twice"),
        ({"solver": ["adam", "sgd"]}, "--solver 'sgd' is unknown"),
        ({"solver": "sgd"}, "--solver 'sgd' is unknown"),
        ({"solver": {"low": 1, "high": 2}}, "give a list to choose from"),
        ({"tanhC_version": {"low": 0, "high": 1}}, "give a list to choose from"),
        ({"learning_rate": "fast"}, "should be a number, not 'fast'"),
        ({"learning_rate": {"low": 1e-3}}, 'no "high"'),
        ({"learning_rate": {"low": 1e-2, "high": 1e-3}}, "is not below"),
        ({"learning_rate": {"low": 0, "high": 1}}, "--learning_rate 0 is out of range"),
        ({"drop_prob_encoder": {"low": 0, "high": 1}}, "--drop_prob_encoder 1 is out of range"),
        ({"drop_prob_encoder": {"low": 0, "high": 0.5, "log": True}}, "a logarithmic scale has no 0"),
        ({"learning_rate": {"low": 1, "high": 2, "log": "yes"}}, '"log" is "yes"'),
        ({"learning_rate": {"low": 1, "high": 2, "log": True, "step": 1}}, '"log" and "step"'),
        ({"learning_rate": {"low": 1, "high": 2, "step": 0.3}}, "steps of 0.3 lead from 1 past 2"),
        ({"hidden_size": {"low": 1, "high": 9, "step": 0.5}}, "expected a whole number"),
        ({"hidden_size": {"low": 1, "high": 9, "step": 0}}, "above 0"),
        ({"learning_rate": {"low": 1, "high": 2, "size": 3}}, "has 'size'"),
        ({"hidden_size": {"same_as": "batch_sice"}}, "'batch_sice' is not among the options here"),
        ({"hidden_size": {"same_as": "learning_rate"}, **RATES}, "of another kind"),
        ({"hidden_size": {"same_as": "hidden_size"}}, "is not among"),
    ],
)
def test_mistakes_in_ranges_are_one_line(tmp_path, capsys, monkeypatch, content, said):
    needs_optuna()
    monkeypatch.chdir(tmp_path)
    assert sweep(ranges=content) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith("error: ranges.json: ") and said in err
    assert sorted(os.listdir()) == ["ranges.json"]  # nothing has begun


def test_drawn_values_become_options():
    ranges = check_ranges({**TOY, "drop_prob_encoder": {"low": 0, "high": 0.4, "step": 0.1}, "solver": ["adam", "rmsprop"]}, "r.json")
    given = ranges.given({"learning_rate": 0.0123456789, "drop_prob_encoder": 0.30000000000000004, "solver": "adam"})
    assert given["learning_rate"] == 0.01235 and given["drop_prob_encoder"] == 0.3 and given["word_encoding_size"] == 4
    near = check_ranges({"learning_rate": {"low": 0.00123456, "high": 0.00123459}}, "r.json")
    assert near.given({"learning_rate": 0.001234571})["learning_rate"] == 0.00123459  # few digits, but never outside


@pytest.mark.parametrize("name", ["scenes.json", "scenes-alignment.json"])
def test_examples_are_ranges(name):
    ranges = read_ranges(ROOT / "docs" / "sweeps" / name)
    assert ranges.fixed["dataset"] == "scenes" and len(ranges.searched) > 3


# ---- a sweep


def test_a_sweep(place, capsys):  # noqa: F811
    """Six runs, of which the bad ones end early; the best is kept, used, and made again by the command that is printed."""
    needs_optuna()
    assert sweep("--trials", "6", "--startup", "1", "--csv", "table.csv") == 0
    out, err = capsys.readouterr()
    runs, content = table()
    states = [run["state"] for run in runs.values()]
    assert sorted(runs) == list(range(6)) and set(states) == {"finished", "pruned"} and states.count("pruned") >= 2
    for run in runs.values():
        assert (run["epochs"] < 3) == (run["state"] == "pruned") and run["machine"] and run["seconds"] > 0
    assert "ended early, perplexity" in err and "(the best so far)" in err
    best = min(runs.values(), key=lambda run: run["perplexity"])
    assert content["best"]["run"] == best["run"]
    assert sorted(path.name for path in pathlib.Path("cv").rglob("*.p")) == [
        f"toy_lstm_sweep-{best['run']:03d}.p",
        "toy_lstm_sweep.p",
    ]
    kept = load_checkpoint("cv/toy_lstm_sweep.p")
    assert newest_checkpoint() == kept.path and kept.perplexity == best["perplexity"]
    rows = list(csv.DictReader(pathlib.Path("table.csv").read_text(encoding="utf-8").splitlines()))
    assert int(rows[0]["run"]) == best["run"] and float(rows[0]["learning_rate"]) == kept.params["learning_rate"]
    assert out.splitlines()[2].split()[0] == str(best["run"])

    words = shlex.split(next(line for line in out.splitlines() if line.startswith("    python driver.py ")))
    assert words == shlex.split(content["best"]["command"])
    assert train.main(words[2:]) == 0
    again = load_checkpoint(f"cv/toy_lstm_sweep-{best['run']:03d}.p")
    for name, array in again.model.items():
        np.testing.assert_array_equal(array, kept.model[name])

    found, faults = RunFolders(["status"]).read()
    assert not faults and sorted(run.declared for run in found) == sorted(states)
    assert {run.sweep for run in found} == {"sweep", None}  # the run made again by hand has taken its file


def test_the_same_command_joins_and_others_are_refused(place, capsys):  # noqa: F811
    needs_optuna()
    assert sweep("--trials", "2", "--keep", "2") == 0
    assert sweep("--trials", "3", "--keep", "2") == 0
    assert "2 runs of 3 (2 finished)" in capsys.readouterr().err
    assert len(table()[0]) == 3 and len(list(pathlib.Path("cv/sweep").glob("*.p"))) == 2
    assert sweep(ranges={**TOY, "batch_size": 9}) == 2
    assert "has other ranges (batch_size was 18, is 9); give another --name" in capsys.readouterr().err
    assert sweep("--trials", "1", "--name", "second", "--storage", "cv/sweep/journal", ranges={**TOY, "batch_size": 9}) == 0
    assert len(table("--name", "second", "--storage", "cv/sweep/journal")[0]) == 1
    assert command.main(["--list", "--name", "third", "--storage", "cv/sweep/journal"]) == 2
    assert "no sweep 'third' there; there are second, sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--storage", "nonsense://x/y"], "can't be used as the sweep's storage"),
        (["--storage", "sqlite://"], "nobody else could see it"),
        (["--storage", "ranges.json"], "ranges.json: is a file of something else"),
        (["--list"], "no such file; start a sweep there first"),
        (["--list", "--storage", "sqlite:///none.db"], "no such file; start a sweep there first"),
        (["--name", "a/b"], "--name 'a/b' becomes part of file names"),
        (["--minutes", "0"], "should be a number, above 0"),
        (["--trials", "0"], "--trials"),
        (["-o", "ranges.json"], "can't write there"),
        (["--csv", "ranges.json/x.csv"], "can't write there"),
    ],
)
def test_mistakes_in_options_are_one_line(place, capsys, arguments, said):  # noqa: F811
    needs_optuna()
    assert sweep(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and said in err
    assert "secret" not in err


def test_passwords_are_not_shown(place, capsys):  # noqa: F811
    needs_optuna()
    assert sweep("--storage", "nonsense://me:secret@host/db") == 2
    err = capsys.readouterr().err
    assert "nonsense://me:***@host/db" in err and "secret" not in err


def test_without_optuna(place, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert sweep() == 2
    assert 'pip install -e ".[sweep]"' in capsys.readouterr().err


def test_missing_data_is_told_before_anything_is_drawn(place, capsys):  # noqa: F811
    needs_optuna()
    assert sweep(ranges={**TOY, "dataset": "nowhere"}) == 2
    assert "no data set 'nowhere'" in capsys.readouterr().err
    assert not (place / "cv" / "sweep" / "journal").exists()
    assert sweep("--trials", "1") == 0  # the name is free for the right one
    assert len(table()[0]) == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "has other ranges"),
        (["--storage", "nonsense://x/y"], "can't be used as the sweep's storage"),
        (["--storage", "ranges.json"], "is a file of something else"),
        (["--storage", "ranges.json/journal"], "can't write there"),
    ],
)
def test_a_sweep_that_is_refused_draws_no_pictures(place, capsys, monkeypatch, arguments, said):  # noqa: F811
    needs_optuna()
    from neuraltalk.cli import drawing
    from neuraltalk.train.study import open_study

    monkeypatch.setattr(drawing, "draw_absent_scenes", lambda folder: pytest.fail("drawn"))
    open_study("cv/sweep/journal", "sweep", ranges=TOY)
    assert sweep(*arguments, ranges={**TOY, "dataset": "scenes"}) == 2
    assert said in capsys.readouterr().err


def test_a_study_that_has_no_ranges_yet(place, capsys):  # noqa: F811
    """Its maker was killed: there is nothing to list, and the next sweep takes it."""
    needs_optuna()
    from neuraltalk.train.study import open_study

    open_study("cv/sweep/journal", "sweep", ranges=None)
    for arguments in (["--list"], [write_ranges(TOY), "--list"]):
        assert command.main(arguments) == 2
        assert "sweep 'sweep' has not begun; start it first" in capsys.readouterr().err
    assert sweep("--trials", "1") == 0
    assert len(table()[0]) == 1


@pytest.mark.parametrize("ranges", ["text", 5, [1]])
def test_ranges_of_something_else(place, capsys, ranges):  # noqa: F811
    needs_optuna()
    from neuraltalk.train.study import open_study

    open_study("cv/sweep/journal", "sweep", ranges=ranges)
    for arguments in ([], ["--list"]):
        assert sweep(*arguments) == 2
        assert "'sweep' is a study of something else" in capsys.readouterr().err


def test_help_has_every_exit_code():
    for code in ("0 done or out of time", "1 a worker died (the same command continues)", "2 a mistake", "130 interrupted"):
        assert code in " ".join(command.EPILOG.split())


def test_a_list_is_of_the_ranges_that_are_named(place, capsys):  # noqa: F811
    needs_optuna()
    assert sweep("--trials", "1") == 0
    assert sweep("--list") == 0
    capsys.readouterr()
    assert sweep("--list", ranges={**TOY, "batch_size": 3}) == 2
    out, err = capsys.readouterr()
    assert out == "" and "has other ranges (batch_size was 18, is 3); give another --name" in err


def test_combinations_that_driver_refuses(place, capsys):  # noqa: F811
    """They are no runs: others take their places; where all are refused, the sweep says so."""
    needs_optuna()
    assert sweep("--trials", "3", ranges={**FIXED, "image_encoding_size": [4, 5], "word_encoding_size": 4, **RATES}) == 0
    out, err = capsys.readouterr()
    runs, _ = table()
    states = [run["state"] for run in runs.values()]
    assert states.count("refused") == len(states) - 3 > 0
    assert "image_encoding_size 5 and --word_encoding_size 4 differ" in err and "refused: --image_encoding_size 5" in out
    assert sweep("--name", "none", ranges={**FIXED, "image_encoding_size": [5, 6], "word_encoding_size": 4}) == 2
    assert "20 combinations in a row were refused" in capsys.readouterr().err


def test_runs_that_explode_are_told(place, capsys):  # noqa: F811
    needs_optuna()
    content = {**FIXED, **SIZES, "solver": "vanilla", "grad_clip": 0, "learning_rate": [1e-2, 1e30]}
    assert sweep("--trials", "3", ranges=content) == 0
    runs, _ = table()
    stopped = [run for run in runs.values() if run["state"] == "stopped"]
    assert stopped and all(run["options"]["learning_rate"] == 1e30 and "training stopped" in run["fault"] for run in stopped)
    assert "stopped: training stopped at iteration" in capsys.readouterr().out


def test_alignment_models_are_compared_by_recall(tmp_path, monkeypatch, capsys):
    needs_optuna()
    monkeypatch.chdir(tmp_path)
    make_toy(tmp_path / "data" / "toy")
    content = {
        "model": "alignment",
        "dataset": "toy",
        "word_count_threshold": 1,
        "batch_size": 6,
        "max_epochs": 2,
        "embedding_size": [6, 12],
        "word_encoding_size": 6,
        "hidden_size": 8,
        "margin": 1,
        "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
    }
    assert sweep("--trials", "3", "--pruner", "halving", "--warmup", "0", ranges=content) == 0
    runs, about = table()
    best = max(runs.values(), key=lambda run: run["recall"])
    assert about["best"]["run"] == best["run"] and "--model alignment" in about["best"]["command"]
    kept = load_checkpoint("cv/toy_alignment_sweep.p")
    assert kept.recall == best["recall"] and newest_checkpoint(kind="alignment") == kept.path
    assert "mean R@10" in capsys.readouterr().out


def test_the_best_of_two_generators_has_one_file(place):  # noqa: F811
    needs_optuna()
    assert sweep("--trials", "5", ranges={**TOY, "generator": ["lstm", "rnn"]}) == 0
    runs, about = table()
    assert {run["options"]["generator"] for run in runs.values()} == {"lstm", "rnn"}
    best = runs[about["best"]["run"]]
    assert [path.name for path in pathlib.Path("cv").glob("*.p")] == [f"toy_{best['options']['generator']}_sweep.p"]


def test_what_is_no_sweep_s_is_kept(place):  # noqa: F811
    needs_optuna()
    assert train.main(["-d", "toy", "-m", "1", "--hidden_size", "4", "--word_count_threshold", "2", "--fappend", "sweep"]) == 0
    before = pathlib.Path("cv/toy_lstm_sweep.p").read_bytes()
    assert sweep("--trials", "1") == 0
    assert pathlib.Path("cv/toy_lstm_sweep.previous.p").read_bytes() == before


# ---- workers that stop, die, and are taken for dead


def test_interrupted_and_continued(place, capsys, monkeypatch):  # noqa: F811
    """Ctrl-C in the second run: it goes on where it was, and the sweep ends as one that nobody interrupted."""
    needs_optuna()
    assert sweep("--trials", "3", "--name", "straight", "--keep", "9") == 0
    straight, _ = table("--name", "straight")
    stepped, steps = train.Watcher.stepped, []

    def interrupting(watcher, trainer, step):
        stepped(watcher, trainer, step)
        steps.append(trainer.it)
        if len(steps) == 8:
            signal.raise_signal(signal.SIGINT)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(train.Watcher, "stepped", interrupting)
        assert sweep("--trials", "3", "--keep", "9") == 130
    out, err = capsys.readouterr()
    assert "interrupted; everything is saved, 2 of 3 runs are left" in out
    assert "    neuraltalk sweep ranges.json --sampler random --trials 3 --keep 9" in out
    waiting = table()[0][1]
    assert "run 1: interrupted, saved" in err and waiting["state"] == "waiting" and waiting["epochs"] == 1 and waiting["seconds"] > 0
    capsys.readouterr()
    assert sweep("--trials", "3", "--keep", "9") == 0
    assert "continuing cv/sweep/toy_lstm_sweep-001.last.p at epoch 1.0" in capsys.readouterr().err.replace(os.sep, "/")
    runs, _ = table()
    assert [run["perplexity"] for run in runs.values()] == [run["perplexity"] for run in straight.values()]
    for number in runs:
        ours, theirs = (load_checkpoint(f"cv/{name}/toy_lstm_{name}-{number:03d}.p") for name in ("sweep", "straight"))
        assert all((array == theirs.model[name]).all() for name, array in ours.model.items())


def test_out_of_time(place, capsys, monkeypatch):  # noqa: F811
    needs_optuna()
    from neuraltalk.cli import sweep_worker

    clock = [1000.0]
    monkeypatch.setattr(sweep_worker.time, "time", lambda: clock.__setitem__(0, clock[0] + 1) or clock[0])
    assert sweep("--minutes", "0.2", "--trials", "4") == 0
    out, err = capsys.readouterr()
    assert "the time is up; everything is saved" in out and "the time is up, saved" in err
    assert sorted(run["state"] for run in table()[0].values())[-1] == "waiting"
    assert sweep("--trials", "4") == 0
    assert {run["state"] for run in table()[0].values()} <= {"finished", "pruned"} and len(table()[0]) == 4


SLOW = {**TOY, "max_epochs": 4000, "eval_period": 200}


def test_a_worker_that_was_taken_for_dead_lets_go(place, capsys, monkeypatch):  # noqa: F811
    """It writes nothing more, neither checkpoint nor status, and the run is continued (here by itself, as the next worker)."""
    needs_optuna()
    from neuraltalk.cli import sweep_worker
    from neuraltalk.train import study as studies

    monkeypatch.setattr(studies, "BEAT", 0.01)
    stepped, seen = train.Watcher.stepped, []

    def taken(watcher, trainer, step):
        stepped(watcher, trainer, step)
        if trainer.it == 3 and not seen:
            seen.append([path.read_bytes() for path in (trainer.last_file, watcher.status.path)])
            studies.open_study("cv/sweep/journal", "sweep")[0].set_aside(0)
            wait_until(lambda: watcher.sitting.lost)
        elif seen and len(seen) == 1:
            seen.append(trainer.it)

    def resumed(worker, path):
        assert [path.read_bytes() for path in (pathlib.Path("cv/sweep/toy_lstm_sweep-000.last.p"), path)] == seen[0]

    monkeypatch.setattr(train.Watcher, "stepped", taken)
    monkeypatch.setattr(sweep_worker.Worker, "_take_over_status", resumed)
    assert sweep("--trials", "1") == 0
    err = capsys.readouterr().err
    assert "run 0: another worker has taken it over" in err and "run 0: continuing cv" in err
    assert seen[1] == 3 and {number: run["state"] for number, run in table()[0].items()} == {0: "finished"}


def test_a_run_that_moved_keeps_its_status_file(place):  # noqa: F811
    """The file that it had on another machine becomes this machine's."""
    needs_optuna()
    assert sweep("--trials", "1", "--minutes", "1e-9") == 0
    assert table()[0] == {}  # no time for any run
    from neuraltalk.cli.sweep_worker import Worker

    worker = Worker.__new__(Worker)
    worker.study, worker.plan = type("", (), {"host": "here"}), type("", (), {"name": "sweep"})
    folder = pathlib.Path("status")
    for k, (name, content) in enumerate({"there": {"sweep": "sweep"}, "other": {"sweep": "x"}, "here": {"sweep": "sweep"}}.items()):
        (folder / f"{name}_toy_lstm_sweep-000_status.json").write_text(json.dumps(content | {"k": k}), encoding="utf-8")
    os.utime(folder / "here_toy_lstm_sweep-000_status.json", (1, 1))
    worker._take_over_status(folder / "here_toy_lstm_sweep-000_status.json")
    assert sorted(path.name.partition("_")[0] for path in folder.iterdir()) == ["here", "other"]
    assert json.loads((folder / "here_toy_lstm_sweep-000_status.json").read_text(encoding="utf-8"))["k"] == 0


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_killed_worker_s_run_is_continued(place, capsys):  # noqa: F811
    """A real process, a real SIGKILL: the next worker of the machine sees at once that it is gone."""
    needs_optuna()
    write_ranges(SLOW)
    process = start("--trials", "1", "--pruner", "none")
    last = pathlib.Path("cv/sweep/toy_lstm_sweep-000.last.p")
    try:
        wait_until(lambda: last.exists() and load_checkpoint(last).it > 20, process)
    finally:
        process.kill()
        process.communicate()
    assert table()[0][0]["state"] == "training"
    assert sweep("--trials", "1", "--minutes", "0.001", "--pruner", "none", ranges=SLOW) == 0
    err = capsys.readouterr().err
    assert "run 0: its worker on " in err and "run 0: continuing cv" in err and "at epoch 0.00" not in err
    runs, _ = table()
    assert list(runs) == [0] and runs[0]["state"] == "waiting"


@pytest.mark.skipif(os.name != "posix", reason="signals to other processes are POSIX's")
def test_two_workers_on_a_database(place):  # noqa: F811
    """They share the runs between them; a signal to the parent stops both, and the command goes on to the end."""
    needs_optuna()
    write_ranges(SLOW)
    process = start("--workers", "2", "--trials", "2", "--storage", "sqlite:///cv/sweep.db", "--pruner", "none")
    wait_until(lambda: len(list(pathlib.Path("cv/sweep").glob("*.last.p"))) == 2, process)
    process.terminate()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, out
    runs, _ = table("--storage", "sqlite:///cv/sweep.db")
    assert [run["state"] for run in runs.values()] == ["waiting", "waiting"]
    assert runs[0]["options"]["learning_rate"] != runs[1]["options"]["learning_rate"]
    assert "2 of 2 runs are left" in out and "Traceback" not in out


def wait_until(done, process=None):
    end = time.monotonic() + 120
    while not done():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def study(tmp_path):
    """Opens the study again and again, as workers of the same or of other machines would."""
    needs_optuna()
    from neuraltalk.train import study as studies

    def opened():
        return studies.open_study(str(tmp_path / "journal"), "s", ranges={"a": 1})[0]

    return opened


def searched():
    return check_ranges(RATES, "r.json").searched


def test_a_dead_machine_s_run_goes_to_another(study, monkeypatch):
    from neuraltalk.train import study as studies

    sitting = study().take(5, searched())
    monkeypatch.setattr(studies, "process_space", lambda: "another machine")
    with sitting:
        sitting.report(9.0, 1)
    monkeypatch.undo()
    there = study()
    assert there.recover() == ([], [(0, there.host)])  # nobody knows yet
    monkeypatch.setattr(studies, "PATIENCE", -1)
    assert there.recover() == ([(0, there.host)], [])
    monkeypatch.undo()
    assert there.recover() == ([], [])
    [run] = there.runs()
    assert (run.number, run.state, run.figure) == (0, "waiting", 9.0)
    second = there.take(1, searched())
    assert second.run == 0 and second.continues and second.drawn == sitting.drawn and second.deaths == 0
    with pytest.raises(studies.Lost):  # the first worker was alive after all
        sitting.report(8.0, 2)
    with pytest.raises(studies.Lost):
        study().finish(sitting, 8.0)
    there.finish(second, 7.0)
    assert [(run.number, run.state) for run in study().runs()] == [(0, "finished")]


def test_a_living_machine_s_run_is_left_alone(study, monkeypatch):
    from neuraltalk.train import study as studies

    sitting = study().take(5, searched())
    monkeypatch.setattr(studies, "process_space", lambda: "another machine")
    sitting.__enter__()
    monkeypatch.undo()
    there = study()
    assert there.recover()[1]
    sitting.note(seconds=77.0)  # a sign of life
    assert there.recover() == ([], [])
    sitting.__exit__(None, None, None)


def test_a_run_that_kills_its_workers_is_given_up(study, monkeypatch):
    from neuraltalk.train import study as studies

    there = study()
    for deaths in range(studies.MOST_DEATHS):
        sitting = there.take(1, searched())
        assert sitting.run == 0 and sitting.deaths == deaths
        there.set_aside(sitting.trial.number, died=True)
    assert there.take(1, searched()).deaths == studies.MOST_DEATHS


@pytest.mark.parametrize(
    "content, kept",
    [(b"", b""), (b"a\nb\n", b"a\nb\n"), (b"a\nb", b"a\n"), (b"b", b""), (b"a\n" + 200_000 * b"b", b"a\n"), (200_000 * b"b", b"")],
)
def test_what_is_behind_the_last_line_end_is_dropped(tmp_path, content, kept):
    needs_optuna()
    from neuraltalk.train.study_storage import drop_half_line

    path = tmp_path / "journal"
    path.write_bytes(content)
    drop_half_line(path)
    assert path.read_bytes() == kept


@pytest.mark.skipif(not pathlib.Path("/proc/self/stat").exists(), reason="Linux tells of processes in /proc")
def test_a_process_that_has_ended_is_none_even_if_nobody_took_note():
    needs_optuna()
    from neuraltalk.train.study import process_began

    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_began(process.pid) >= process_began(os.getpid()) and process_began(None) is None
    process.kill()
    wait_until(lambda: process_began(process.pid) is None)  # a zombie: it is still in the table
    process.communicate()


def test_of_equal_runs_the_earlier_is_the_better(study):
    there = study()
    sittings = [there.take(9, searched()) for _ in range(3)]
    for sitting, figure in zip(sittings, (2.0, 1.0, 1.0)):
        sitting.report(figure, 1)
        there.finish(sitting, figure)
    assert [run.number for run in there.ranked()] == [1, 2, 0]


def test_seconds_of_work_add_up_over_sittings(study):
    there = study()
    first = there.take(1, searched())
    first.note(seconds=50.0)
    there.set_aside(first.trial.number)
    assert 50 <= there.take(1, searched()).seconds < 60


def test_the_limit_holds_when_all_ask_at_once(study):
    first, second = study(), study()
    one = first.take(2, searched())
    assert one is not None and second.take(2, searched()) is not None
    assert second.take(2, searched()) is None
    late, looked = study(), []
    runs = late.runs
    late.runs = lambda: runs() if looked else looked.append("before the others asked") or []
    assert late.take(2, searched()) is None
    assert [run.number for run in late.runs()] == [0, 1]  # what it drew is no run


def test_a_half_written_line_of_the_journal_is_no_harm(study, tmp_path):
    study().take(5, searched())
    with open(tmp_path / "journal", "ab") as file:
        file.write(b'{"op_code": 4, "wor')
    assert len(study().runs()) == 1
    study().take(5, searched())
    assert len(study().runs()) == 2
    assert all(json.loads(line) for line in (tmp_path / "journal").read_text().splitlines())


def test_a_storage_s_password_is_never_shown(study, tmp_path, monkeypatch):
    from neuraltalk.train import study as studies
    from neuraltalk.train import study_storage

    study()
    with pytest.raises(UserError, match="can't be used as the sweep's storage") as unknown:
        studies.open_study("nothing://me:secret@host/db", "s")
    monkeypatch.setattr(studies, "open_storage", lambda storage, create: study_storage.open_storage(str(tmp_path / "journal"), True))
    with pytest.raises(UserError, match="no sweep 'other' there; there are s") as missing:
        studies.open_study("postgresql://me:secret@host/db", "other", create=False)
    for caught in (unknown, missing):
        assert "me:***@host" in str(caught.value) and "secret" not in str(caught.value)


def test_random_settings_depend_on_nothing_but_seed_and_number(study, tmp_path):
    from neuraltalk.train import study as studies

    drawn = [study().take(9, searched()).drawn for _ in range(3)]  # three workers
    alone = studies.open_study(str(tmp_path / "other"), "s", ranges={}, sampler="random")[0]
    again = studies.open_study(str(tmp_path / "again"), "s", ranges={}, sampler="random")[0]
    both = [[each.take(9, searched()).drawn for _ in range(3)] for each in (alone, again)]
    assert both[0] == both[1] and len({str(one) for one in drawn}) == len({str(one) for one in both[0]}) == 3
    other = studies.open_study(str(tmp_path / "third"), "s", ranges={}, sampler="random", seed=1)[0]
    assert other.take(9, searched()).drawn != both[0][0]


def test_settings_come_to_lie_where_good_ones_were(study):
    there, far = study(), []
    for _ in range(40):
        sitting = there.take(99, searched())
        far.append(abs(np.log(sitting.drawn["learning_rate"] / 0.02)))
        sitting.report(float(far[-1]), 1)
        there.finish(sitting, float(far[-1]))
    assert np.median(far[20:]) < 0.8  # 1.4 by chance
    assert there.ranked()[0].number == int(np.argmin(far))
    assert there.importances() == {"learning_rate": 1.0}


def test_few_runs_tell_of_no_importances(study):
    there = study()
    for figure in range(5):
        there.finish(there.take(99, searched()), float(figure))
    assert there.importances() == {}


@pytest.mark.parametrize("kind", ["median", "halving", "none"])
def test_pruners_spare_the_warm_up(study, kind):
    from neuraltalk.train.study_settings import pruner_of

    there = study()
    there.study.pruner = pruner_of(kind, warmup=2, startup=2)
    ended = []
    for figure in (1.0, 2.0, 3.0, 9.0, 0.5):
        sitting = there.take(99, searched())
        for evaluation in range(1, 10):
            sitting.report(figure, evaluation)
            if sitting.should_prune():
                break
        ended.append(evaluation)
        there.finish(sitting, figure)
    assert ended == {"median": [9, 9, 3, 3, 9], "halving": [9, 3, 3, 3, 9], "none": [9] * 5}[kind]


def test_damaged_storage_is_one_line(place, capsys):  # noqa: F811
    needs_optuna()
    for text in ("{}\n{}\n", '{"op_code": 99}\n', "\n\n", "[]\n", '{"op_code": 0, "study_name": 3}\n'):
        pathlib.Path("journal").write_text(text)
        assert sweep("--storage", "journal", "--list") == 2, text
        assert capsys.readouterr().err.startswith("error: journal: "), text
    with pytest.raises(UserError, match="storage"):
        from neuraltalk.train.study import open_study

        pathlib.Path("x.db").write_bytes(b"no database" * 100)
        open_study("sqlite:///x.db", "s", ranges={})


# ---- the monitor


def test_monitor_groups_runs_by_sweep(browser, tmp_path):
    from test_monitor import CURVES, data_of
    from test_runs import entry, write

    from neuraltalk.pages.monitor import monitor_page

    for k, (sweep_name, state) in enumerate([("rates", "finished"), ("rates", "pruned"), ("<b>sizes", "finished"), (None, "finished")]):
        more = {} if sweep_name is None else {"sweep": sweep_name}
        history = [entry(10 * e, 20 - e - k, evaluated=True) for e in range(1, 4)]
        write(tmp_path, f"host_toy_{k}", history, params={"dataset": "toy", "hidden_size": k}, state=state, **more)
    path = tmp_path / "page.html"
    path.write_text(monitor_page(data_of(tmp_path), "status"), encoding="utf-8")
    with browser.open(path) as page:
        assert page.all("#sweep option") == ["all", "<b>sizes", "rates", "runs of none"]
        assert page.all("tbody td.state") == ["finished", "ended early", "finished", "finished"]
        assert len(page.all(".chart .curve.faint")) == 2
        page.choose("#sweep", "=rates")
        assert page.all("tbody th bdi") == ["host_toy_0", "host_toy_1"] and page.evaluate(CURVES) == [4]
        page.click("#pruned")
        assert page.all("tbody th bdi") == ["host_toy_0"]
        page.choose("#sweep", "none")
        assert page.all("tbody th bdi") == ["host_toy_3"]
        assert page.messages == []
