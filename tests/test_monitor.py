"""The monitor: its data bounded, its page harmless, its server deaf to all but this machine's readers; in a browser too."""

import datetime
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from servers import running
from test_pages import HOSTILE, Reader
from test_runs import BAD, NOON, entry, write

from neuraltalk.cli import monitor as command
from neuraltalk.pages.html import HERE
from neuraltalk.pages.monitor import MOST_FAULTS, MOST_RUNS, monitor_data, monitor_page, thin
from neuraltalk.pages.server import LoopbackServer
from neuraltalk.train.runs import RunFolders

LATER = NOON + datetime.timedelta(days=1)


def data_of(folder, now=LATER):
    return monitor_data(*RunFolders([folder]).read(), now)


def carried(text):
    """The data within a page."""
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, flags=re.S)
    return json.loads(found.group(1))


@pytest.fixture
def status(tmp_path):
    """A folder with three runs of a captioner and one of an aligner."""
    folder = tmp_path / "status"
    folder.mkdir()
    for k, rate in enumerate([0.001, 0.002, 0.002]):
        history = [entry(it, minutes=it / 10 + k) for it in range(0, 20, 4)]
        history += [entry(20 * e, 30 - 2 * e - k, minutes=2 * e + k, evaluated=True) for e in range(1, 5)]
        state = ["finished", "interrupted", "training"][k]
        params = {"dataset": "toy", "batch_size": 100, "learning_rate": rate, "solver": "adam", "fappend": str(k)}
        write(folder, f"host_toy_{'abc'[k]}", history, params=params, state=state)
    history = [
        {"time": NOON.isoformat(), "iter": [e, 3], "epoch": [e, 3], "smooth_train_cost": 90 / e, "val_recall": 0.1 * e}
        for e in (1, 2, 3)
    ]
    write(folder, "host_toy_align", history, params={"model": "alignment", "dataset": "toy"}, state="finished")
    return folder


# ---- data


def test_thin_keeps_ends_and_extremes():
    points = [(k, 100.0) for k in range(10_000)]
    points[1234], points[8000] = (1234, 3.0), (8000, 900.0)
    kept = thin(points, 50)
    assert len(kept) <= 50 and kept[0] == points[0] and kept[-1] == points[-1]
    assert (1234, 3.0) in kept and (8000, 900.0) in kept and kept == sorted(kept)
    assert thin(points[:50], 50) == points[:50]


def test_hundreds_of_long_runs_stay_bounded(tmp_path):
    """800 runs of 3000 entries each would be 100 MB."""
    path = write(tmp_path, "run0", [entry(it, 40 + it % 7, minutes=it) for it in range(1, 3000)])
    [run], _ = RunFolders([tmp_path]).read()
    runs = [run._replace(name=f"run{k}") for k in range(800)]
    data = monitor_data(runs, [f"{path}: damaged"] * 100, LATER)
    assert len(data["runs"]) == MOST_RUNS and data["hidden"] == 200 and data["runs"][-1]["name"] == "run799"
    assert len(data["faults"]) == MOST_FAULTS + 1 and data["faults"][-1] == "and 80 more"
    assert len(json.dumps(data)) < 2_000_000
    assert data["runs"][0]["val"][2] == 2999  # the page knows that the curve is thinned out
    assert data["runs"][0]["best"] == [0.35, 40.0]


def test_long_texts_are_cut(tmp_path):
    params = {f"p{k}": "x" * 5000 for k in range(1000)} | {"y" * 1000: [[1] * 1000]}
    write(tmp_path, "a", [entry(1)], params=params, checkpoint="c" * 10_000)
    assert len(json.dumps(data_of(tmp_path))) < 60_000


def test_deep_options_are_no_trouble(tmp_path):
    for depth in (100, 900, 960, 980, 985, 990, 2000, 5000, 20_000):
        text = '{"params": {"a": ' + "[" * depth + "]" * depth + '}, "history": []}'
        (tmp_path / f"r{depth}.json").write_text(text)
    data = data_of(tmp_path)
    assert len(data["runs"]) + len(data["faults"]) == 9 and data["runs"][0]["params"]["a"].startswith("[[")


# ---- page


def test_page_carries_everything(status):
    (status / "odd.json").write_text("{")
    text = monitor_page(data_of(status), "my/status", written="2026-01-31 12:00")
    data = carried(text)
    assert [run["name"] for run in data["runs"]] == ["host_toy_a", "host_toy_align", "host_toy_b", "host_toy_c"]
    assert [run["state"] for run in data["runs"]] == ["finished", "finished", "interrupted", "silent"]
    assert data["runs"][0]["val"][:2] == [[1, 2, 3, 4], [28, 26, 24, 22]] and data["runs"][0]["best"] == [4, 22]
    assert data["runs"][0]["params"]["learning_rate"] == "0.001" and "odd.json" in data["faults"][0]
    reader = Reader(text)
    assert "my/status" in " ".join(reader.texts)
    assert not reader.all("script", "src") and not reader.all("link") and "connect-src 'none'" in text
    assert not re.search(r"@import|url\((?!#)", re.sub(r"url\(#\$", "", text))


@pytest.mark.parametrize("text", [*HOSTILE, "</script><script>alert(1)</script>", "<!--<script>", "\u2028\ud800"])
def test_hostile_texts_never_leave_the_data(tmp_path, text):
    write(tmp_path, "a", [entry(1)], params={text: text, "dataset": text}, checkpoint=text)
    page = monitor_page(data_of(tmp_path) | {"faults": [text]}, "place")
    assert [tag for tag, _ in Reader(page).elements] == [tag for tag, _ in Reader(monitor_page(data_of(tmp_path), "p")).elements]
    assert text not in page or not set("<>") & set(text)
    [run] = carried(page)["runs"]
    kept = "".join(letter if letter.isprintable() or letter == "\u200d" else " " for letter in text)
    assert run["params"][kept] == kept == run["checkpoint"]
    page.encode("utf-8")


def _luminance(colour):
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear, linear @ [0.2126, 0.7152, 0.0722]


# What is left of (linear) red, green and blue without one of the three cones: Machado, Oliveira, Fernandes 2009.
SIGHTS = {
    "all three": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _oklab(linear):
    """Lightness and two colour axes in which distances are as eyes see them (Ottosson 2020)."""
    cones = np.array([[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.6806995, 0.10739696], [0.08830246, 0.28171884, 0.6299787]])
    axes = np.array([[0.21045426, 0.79361779, -0.00407205], [1.9779985, -2.42859221, 0.45059371], [0.02590404, 0.78277177, -0.80867577]])
    return axes @ np.cbrt(cones @ np.clip(linear, 0, 1))


@pytest.mark.parametrize("dark, papers", [(False, ("#ffffff", "#faf9f6", "#efede8")), (True, ("#1d1f23", "#141518", "#26282d"))])
def test_colours_stay_apart_for_all_eyes(dark, papers):
    blocks = re.findall(r"\.k0 \{.*", (HERE / "monitor.css").read_text(encoding="utf-8"))
    colours = re.findall(r"--k: (#\w{6})", blocks[dark])
    assert len(colours) == 6
    for colour in colours:
        for paper in papers[:2]:
            low, high = sorted((_luminance(colour)[1], _luminance(paper)[1]))
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, paper)
    for sight, matrix in SIGHTS.items():
        seen = [_oklab(matrix @ _luminance(colour)[0]) for colour in colours]
        nearest = min(np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[:k])
        assert nearest > 0.15, (sight, nearest)  # 0.02 is what eyes can tell side by side


def test_letters_and_fields_stand_out_from_their_ground():
    """WCAG: 4.5 for letters, 3 for the edges of fields and the ring around what has the focus; on paper, cards and wells."""
    for block in re.findall(r":root \{(.*?)\}", (HERE / "style.css").read_text(encoding="utf-8"), flags=re.S):
        colour = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for name in ("ink", "soft", "accent", "good", "bad", "odd", "edge"):
            for ground in ("paper", "card", "well")[: 2 if name == "edge" else 3]:
                low, high = sorted((_luminance(colour[name])[1], _luminance(colour[ground])[1]))
                assert (high + 0.05) / (low + 0.05) >= (3 if name == "edge" else 4.5), (name, ground)


# ---- the command


def test_export(status, tmp_path, capsys):
    assert command.main([str(status), "--output", str(tmp_path / "new" / "runs.html")]) == 0
    out, err = capsys.readouterr()
    assert "runs.html" in out and "4 in " in err
    text = (tmp_path / "new" / "runs.html").read_text(encoding="utf-8")
    assert len(carried(text)["runs"]) == 4 and 'data-live=""' in text


def test_once(status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main(["--once"]) == 0
    assert (tmp_path / "runs.html").exists()


def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.json").write_text("{")
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        port = str(taken.getsockname()[1])
        for arguments, part in [
            (["nowhere"], "nowhere: no such folder"),
            (["file"], "file: no such folder"),
            (["empty", "--output", "x_status.json"], "a page's name ends in .html"),
            (["empty", "--once"], "empty: no status files there"),
            (["bad", "--once"], "not JSON"),
            (["--once"], "status: no status files there"),
            (["--port", "70000"], "'70000' should be a whole number, from 0 to 65535"),
            (["--port", "x"], "'x' should be a whole number"),
            (["empty", "--port", port], f"port {port} can't be used"),
        ]:
            assert command.main(arguments) == 2, arguments
            err = capsys.readouterr().err
            assert err.startswith("error: ") and part in err and err.count("\n") == 1, err


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another signal there")
def test_serving_ends_by_ctrl_c(status):
    import signal

    process = subprocess.Popen(
        [sys.executable, "-m", "neuraltalk.cli.main", "monitor", str(status), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE.parent.parent,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+/", line).group()
        with urllib.request.urlopen(url) as answer:
            assert b"host_toy_a" in answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0 and "Traceback" not in err


# ---- in a browser


@pytest.fixture
def export(status, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(monitor_page(data_of(status), "status", written="2026-01-31 12:00"), encoding="utf-8")
    return path


CURVES = "[...document.querySelectorAll('#charts figure:not([hidden])')].map((f) => f.querySelectorAll('.curve:not(.swatch *)').length)"


def test_charts_table_and_choices(browser, export):
    with browser.open(export) as page:
        assert page.evaluate(CURVES) == [6, 1, 1]  # three runs, validation and training; R@10; cost
        assert page.all("tbody th bdi") == ["host_toy_a", "host_toy_align", "host_toy_b", "host_toy_c"]
        headings = page.all("thead button")
        assert headings[:4] == ["run", "state", "epoch", "best"] and headings[7:] == ["learning_rate"]
        assert page.all("tbody tr:first-child td")[2] == "22.00 at 4" and page.all("tbody tr:nth-child(2) td")[2] == "30.0 % at 3"
        states = ["finished2", "interrupted1", "silent1"]
        assert page.all("#figures div") == [*states, "best perplexity20.00host_toy_c", "best mean R@1030.0 %"]
        page.click("tbody tr:first-child label")  # hide a run
        assert page.evaluate(CURVES) == [4, 1, 1] and page.all("thead button")[7:] == []  # the others have equal options
        page.evaluate("document.querySelector('tbody tr:first-child input').focus()")
        page.press(" ")
        assert page.evaluate(CURVES) == [6, 1, 1]
        page.click("#training")
        assert page.evaluate(CURVES) == [3, 1, 1]
        page.click("#none")
        assert page.evaluate(CURVES) == [] and "None of the runs" in page.all("#nothing")[0]
        page.click("#all")
        page.press("/")
        page.type("toy_b")
        page.until("document.querySelectorAll('tbody tr').length === 1")
        assert page.evaluate(CURVES) == [1]
        page.press("Escape")
        page.until("document.querySelectorAll('tbody tr').length === 4")
        page.click("tbody tr:nth-child(3) .only")
        assert page.evaluate(CURVES) == [1]
        page.click("tbody tr:nth-child(3) .only")
        assert page.evaluate(CURVES) == [3, 1, 1]
        page.click("thead [data-column=best]")
        assert page.all("tbody th bdi") == ["host_toy_align", "host_toy_c", "host_toy_b", "host_toy_a"]
        assert page.all("thead th", "ariaSort")[3] == "ascending"
        page.click("#points summary")
        page.until(f"document.querySelectorAll('#points tr').length === {1 + 3 * (4 + 9) + 3 + 3}")
        assert page.all("#status") == ["as of 2026-01-31 12:00"] and page.messages == []


def test_scales(browser, export):
    labels = "[...document.querySelectorAll('#charts figure:first-child .axes text')].map((t) => t.textContent)"
    with browser.open(export) as page:
        logarithmic = page.evaluate(labels)
        page.choose("#scale", "linear")
        linear = page.evaluate(labels)
        page.click("#close")
        close = page.evaluate(labels)
        assert logarithmic != linear != close and "200" in linear and "200" not in close
        assert page.messages == []


def test_readout_by_pointer_and_keyboard(browser, export):
    with browser.open(export) as page:
        page.point("#charts figure:first-child .plot")
        page.until("document.querySelectorAll('.lit .curve.on').length === 2")
        assert "epoch" in page.all("#charts figure:first-child .readout")[0]
        page.evaluate("document.querySelector('.plot').focus()")
        said = []
        for key in ("Home", "ArrowRight", "End", "ArrowUp", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft"):
            page.press(key)
            said += page.all("#charts figure:first-child .readout")
        assert all(re.fullmatch(r"host_toy_[abc]epoch [\d.]+: (validation|training) [\d.]+", text) for text in said), said
        assert len(set(said)) > 4
        page.press("Escape")
        assert page.evaluate("document.querySelector('.readout').hidden") and page.messages == []


def test_named_for_screen_readers(browser, export):
    with browser.open(export) as page:
        names = page.names()
        described = page.all("#charts figure:first-child desc")[0]
        assert described.startswith("3 runs; the best validation perplexity is 20.00, of host_toy_c at epoch 4")
        assert ("checkbox", "host_toy_a") in names and ("columnheader", "best") in names
        assert any(role == "application" and "Perplexity" in name for role, name in names)
        assert all(name for role, name in names if role in ("button", "checkbox", "combobox", "searchbox"))


def test_without_script_the_page_says_what_is_missing(browser, export):
    with browser.open(export, script=False) as page:
        told = page.names()
        assert any("open it in one that does" in name for _, name in told)
        assert not [role for role, _ in told if role in ("searchbox", "table", "region")]  # nor what wouldn't work


@pytest.mark.parametrize("how", [{"width": 390, "phone": True}, {"width": 1280, "dark": True}])
def test_nothing_sticks_out(browser, export, how):
    with browser.open(export, **how) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= how["width"]
        widths = page.evaluate("[...document.querySelectorAll('tbody bdi')].map((name) => name.getBoundingClientRect().width)")
        assert min(widths) > 60  # names have room, next to columns that could take it all
        assert page.messages == []


def test_the_whole_table_goes_on_paper(browser, tmp_path):
    for k in range(2):
        write(tmp_path, f"run_with_a_long_name_{k}", [entry(1), entry(20, 9)], params={f"some_long_option_{j}": k for j in range(6)})
    (tmp_path / "page.html").write_text(monitor_page(data_of(tmp_path), "status"), encoding="utf-8")
    with browser.open(tmp_path / "page.html", width=718) as page:
        assert page.evaluate("document.querySelector('#table').scrollWidth") > 718
        page.send("Emulation.setEmulatedMedia", media="print")
        assert page.evaluate("document.querySelector('#table table').scrollWidth") <= 718
        assert page.evaluate("document.documentElement.scrollWidth") <= 718 and page.messages == []


def test_hostile_names_stay_text(browser, tmp_path):
    runs = []
    for k, text in enumerate(HOSTILE):
        path = write(tmp_path, f"r{k}", [entry(1), entry(20, 9 + k)], params={text: str(k), "dataset": text, "solver": text})
        [run, *_] = [run for run in RunFolders([tmp_path]).read()[0] if run.name == path.name.removesuffix("_status.json")]
        runs.append(run._replace(name=text, checkpoint=text))
    path = tmp_path / "page.html"
    path.write_text(monitor_page(monitor_data(runs, HOSTILE, LATER), HOSTILE[0]), encoding="utf-8")
    with browser.open(path) as page:
        page.click("#points summary")
        page.until("document.querySelectorAll('#points td').length")
        page.evaluate("document.querySelector('.plot').focus()")
        page.press("Home", "ArrowRight", "ArrowUp")
        assert page.evaluate("document.title") == "Runs" and page.messages == []
        assert page.all("tbody th bdi")[0] == HOSTILE[0] and f"left out: {HOSTILE[0]}" in page.all("#faults li")
        assert page.all("img") == [] and page.evaluate("document.scripts.length") == 4


def test_empty_and_damaged_folders(browser, tmp_path):
    for name, (text, _) in BAD.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    write(tmp_path, "began", [])
    path = tmp_path / "page.html"
    path.write_text(monitor_page(data_of(tmp_path), "status"), encoding="utf-8")
    with browser.open(path) as page:
        assert len(page.all("#faults li")) == len(BAD) and page.all("tbody th bdi") == ["began"]
        assert "None of the runs" in page.all("#nothing")[0] and page.messages == []


def test_a_run_that_has_just_begun_is_seen(browser, tmp_path):
    """Its one point, of training, has a mark, on an axis of one epoch; without any run there's nothing to open."""
    path = tmp_path / "page.html"
    for runs in (0, 1):
        if runs:
            write(tmp_path, "begun", [entry(1)], state="training")
        path.write_text(monitor_page(data_of(tmp_path), "status"), encoding="utf-8")
        with browser.open(path) as page:
            assert page.evaluate("document.querySelector('#points').hidden") == (not runs) and page.messages == []
            assert page.evaluate("document.querySelectorAll('polyline.thin[marker-end]').length") == runs
            assert [text for text in page.all(".axes text") if text == "1"] == ["1"] * runs


def test_extreme_figures_still_make_a_page(browser, tmp_path):
    """Whatever numbers a file holds, the axes have an end and the drawing has no NaN."""
    sizes = [1e-320, 1e15, 0, -5, 1e300, float("nan"), float("inf"), 17, 17 + 1e-9, 1e-9]
    for k, size in enumerate(sizes):
        history = [entry(20, size, time_per_batch=size), entry(40, sizes[k - 1], epoch=[abs(sizes[k - 2]), size]), entry(60, size)]
        write(tmp_path, f"r{k}", history, params={"batch_size": size})
    path = tmp_path / "page.html"
    path.write_text(monitor_page(data_of(tmp_path), "status"), encoding="utf-8")
    with browser.open(path) as page:
        for name in (*(f"r{k}" for k in range(len(sizes))), ""):
            page.evaluate("document.querySelector('#find').focus()")
            page.press("Escape")
            page.type(name)
            for scale in ("log", "linear"):
                page.choose("#scale", scale)
                page.click("#close")
                assert "NaN" not in page.evaluate("document.querySelector('#charts').innerHTML")
        assert page.messages == []


def test_live_page_follows_and_tells_when_the_server_is_gone(browser, status):
    with running(LoopbackServer(command.answers(RunFolders([status]), "status"), 0)) as server:
        page = browser.open(server.url)
        page.until("document.querySelector('#status').textContent.startsWith('up to date')")
        write(status, "new", [entry(1), entry(20, 5)], params={"dataset": "toy"})
        page.click("tbody tr:first-child label")
        page.until("document.querySelectorAll('tbody tr').length === 5")
        assert page.all("tbody tr:first-child", "className") == ["finished off"]  # the choice stays
        assert page.messages == []
    with page:
        page.until("document.querySelector('#status').textContent.startsWith('connection lost at ')")
        assert len(page.all("tbody tr")) == 5
