"""Plots of runs: chosen, labelled, the same bytes each time; without matplotlib one line."""

import importlib.util
import json
import re
import sys

import pytest
from PIL import Image
from test_runs import entry, write

from neuraltalk.cli import plot as command

needs_matplotlib = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib isn't installed")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with three captioners' runs and an aligner's in status/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "status").mkdir()
    for k, name in enumerate(["lstm_a", "lstm_b", "rnn_a"]):
        history = [entry(10 * e, 30 - e - k, minutes=e + 10 * k, evaluated=True) for e in range(1, 10)]
        write(tmp_path / "status", f"host_toy_{name}", history)
    history = [{"iter": [e, 3], "epoch": [e, 3], "smooth_train_cost": 90 / e, "val_recall": 0.1 * e} for e in (1, 2, 3)]
    (tmp_path / "align").mkdir()
    write(tmp_path / "align", "host_align", history)
    return tmp_path


@needs_matplotlib
@pytest.mark.parametrize("suffix", ["pdf", "svg", "png"])
def test_same_runs_same_bytes(place, suffix, capsys, monkeypatch):
    import matplotlib

    files = []
    for k in range(2):
        if k:  # somebody's own settings
            monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9)
            monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
        assert command.main(["-o", f"out{k}/curves.{suffix}", "--width", "page"]) == 0
        files.append((place / f"out{k}" / f"curves.{suffix}").read_bytes())
    assert files[0] == files[1] and len(files[0]) > 4000
    assert "lstm_a, lstm_b, rnn_a" in capsys.readouterr().out
    assert matplotlib.rcParams["lines.linewidth"] == 9  # left as they were
    assert not re.search(rb"CreationDate|dc:date|20\d\d-\d\d-\d\dT", files[0])


@needs_matplotlib
def test_size(place):
    assert command.main(["--runs", "lstm_a", "rnn", "--no_training", "-o", "a.png", "--dpi", "100"]) == 0
    with Image.open("a.png") as picture:
        assert picture.width == 340


@needs_matplotlib
def test_alignment_has_two_panels(place):
    assert command.main(["align", "-o", "a.svg"]) == 0
    text = (place / "a.svg").read_text(encoding="utf-8")
    assert text.count('<g id="axes_') == 2 and command.main(["align", "-o", "a.svg", "--no_training"]) == 0
    assert (place / "a.svg").read_text(encoding="utf-8").count('<g id="axes_') == 1


@needs_matplotlib
@pytest.mark.parametrize(("width", "size"), [("column", (340, 340)), ("page", (700, 252))])
def test_two_panels_have_room_for_their_labels(place, width, size):
    """One above the other in a column, where side by side they were cut."""
    assert command.main(["align", "-o", "a.png", "--dpi", "100", "--width", width]) == 0
    with Image.open("a.png") as picture:
        assert picture.size == size


@needs_matplotlib
def test_a_pattern_is_of_a_part_of_the_name(place, capsys):
    assert command.main(["--runs", "lstm_*", "r*a=RNN", "-o", "b.png", "--dpi", "100"]) == 0
    assert "curves      b.png: lstm_a, lstm_b, RNN" in capsys.readouterr().out


@needs_matplotlib
@pytest.mark.parametrize("label", ["$x^", "_hidden", "a\\frac{", "\U0001f600 \u05d0", "<script>&", "100 %"])
def test_labels_are_text(place, label):
    """Also what would be a formula, what a legend would leave out, and letters that the font lacks."""
    assert command.main(["--runs", f"lstm_a={label}", "lstm_b", "-o", "a.svg"]) == 0
    text = (place / "a.svg").read_text(encoding="utf-8")
    comments = re.findall(r"<!-- (.*?) -->", text)
    if label.isascii() and label != "<script>&":
        assert label in comments
    assert "<script>" not in text


def test_short_names():
    assert command.short_names(["a_b"]) == ["a_b"] and command.short_names(["a_b", "a_b"]) == ["a_b", "a_b"]
    assert command.short_names(["a_b", "a_b_c"]) == ["b", "b_c"]
    assert command.short_names(["h_x_end", "h_y_end", "g_y_end"]) == ["h_x", "h_y", "g_y"]


@needs_matplotlib
@pytest.mark.parametrize(
    "arguments, part",
    [
        (["-o", "a.jpg"], "a.jpg: can't write such a file"),
        (["-o", "curves"], "can't write such a file"),
        (["--dpi", "5000"], "--dpi 5000"),
        (["--dpi", "5"], "--dpi 5 leaves no room for letters"),
        (["--dpi", "0"], "'0' should be a whole number"),
        (["nowhere"], "nowhere: no such folder"),
        (["--runs", "gru"], "--runs gru: no such run in status; there are host_toy_lstm_a"),
        (["--runs", "lstm=LSTM"], "one label for 2 runs"),
        (["status", "align"], "no figure in common"),
        (["empty"], "no run with anything to draw"),
        (["many"], "20 runs are too many"),
        (["fresh", "--no_training"], "no evaluation yet"),
    ],
)
def test_mistakes_are_one_line(place, arguments, part, capsys):
    for name in ("empty", "many", "fresh"):
        (place / name).mkdir()
    for k in range(20):
        write(place / "many", f"r{k}", [entry(1)])
    write(place / "fresh", "r", [entry(1)])
    assert command.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and part in err and err.count("\n") == 1
    assert not list(place.glob("*.*"))


@needs_matplotlib
def test_damaged_files_are_named(place, capsys):
    (place / "status" / "x.json").write_text(json.dumps([1]))
    assert command.main(["-o", "a.svg"]) == 0
    assert "left out" in capsys.readouterr().err


def test_without_matplotlib(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command.main([]) == 2
    assert "pip install matplotlib" in capsys.readouterr().err
