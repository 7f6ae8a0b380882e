"""Status files: written whole and bounded, continued by a resumed run, read back whatever they hold."""

import datetime
import json
import os

import pytest

from neuraltalk.errors import UserError
from neuraltalk.train import runs as reading
from neuraltalk.train import status as writing
from neuraltalk.train.runs import RunFolders, read_run
from neuraltalk.train.status import StatusFile, thinned

NAMES = ("train_ppl2", "smooth_train_ppl2", "val_ppl2")
NOON = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone(datetime.timedelta(0)))


def entry(it, val=-1, minutes=0, every=100, **more):
    """An entry as the original wrote it; 20 iterations are an epoch."""
    return {
        "time": (NOON + datetime.timedelta(minutes=minutes)).isoformat(),
        "iter": [it, every],
        "epoch": [it / 20, every / 20],
        "time_per_batch": 0.5,
        "smooth_train_ppl2": 200 - it,
        "train_ppl2": 190 - it,
        "val_ppl2": val,
    } | more


def write(folder, name, history, **more):
    path = folder / f"{name}_status.json"
    path.write_text(json.dumps({"params": {"batch_size": 100}, "history": history} | more), encoding="utf-8")
    return path


# ---- writing


def test_long_histories_stay_bounded_and_keep_what_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MOST", 60)
    file = StatusFile(tmp_path, "x", {}, NAMES)
    write_now = file.write
    monkeypatch.setattr(file, "write", lambda: None)
    for it in range(1, 1001):
        evaluated = it % 20 == 0
        val = abs(it - 700) + 10.0
        file.add(it, 1000, it / 20, 50, 0.1, 1.0, 2.0, val, evaluated, evaluated and it <= 700)
    write_now()
    content = json.loads(file.path.read_text(encoding="utf-8"))
    its = [entry["iter"][0] for entry in content["history"]]
    assert len(its) <= 60 and its == sorted(its) and its[0] == 1 and its[-1] == 1000
    run = read_run(file.path)
    assert run.best == (35.0, 10.0) and len(run.val) >= 10  # the best evaluation was never thinned out
    gaps = [after - before for before, after in zip(its, its[1:])]
    assert max(gaps) <= 120


def test_thinned_leaves_short_histories_evenly():
    history = [{"iter": [it, 100]} for it in range(1, 101)]
    kept = [entry["iter"][0] for entry in thinned(history, 20)]
    assert kept == [1, 11, 21, 31, 41, 51, 61, 71, 81, 91, 100]


def test_thinned_keeps_the_best_evaluation_wherever_it_is():
    for best in range(1, 101):
        history = [{"iter": [it, 100], "evaluated": True} | ({"improved": True} if it == best else {}) for it in range(1, 101)]
        kept = [entry["iter"][0] for entry in thinned(history, 20)]
        assert best in kept and kept[0] == 1 and kept[-1] == 100 and len(kept) <= 20


@pytest.mark.parametrize("what", ["same run", "no file", "another run", "damaged", "nested too deeply"])
def test_a_resumed_run_continues_its_history(tmp_path, what):
    """From the file of before; from the checkpoint's evaluations where that is gone or tells of another run."""
    known = [{"iter": [20, 100], "epoch": [1.0, 5], "val_ppl2": 30.5, "evaluated": True}]
    before = [entry(1), entry(10), entry(20, 30.5, evaluated=True), entry(30, 30.5)]
    file = StatusFile(tmp_path, "x", {}, NAMES)
    if what == "another run":
        before[2]["val_ppl2"] = 31.0
    if what != "no file":
        texts = {"damaged": '{"history": [{"iter": 3}]}', "nested too deeply": "[" * 100_000}
        file.path.write_text(texts.get(what) or json.dumps({"params": {}, "history": before}), encoding="utf-8")
    file.resume(25, known)
    assert file.content["history"] == (before[:3] if what == "same run" else known)


def test_evaluations_that_a_kill_kept_out_of_the_file_are_added(tmp_path):
    known = [{"iter": [it, 100], "epoch": [it / 20, 5], "val_ppl2": 50.5 - it, "evaluated": True} for it in (10, 20, 30)]
    before = [entry(1), entry(10, 40.5, evaluated=True), entry(15, 40.5), entry(25, 40.5)]
    file = StatusFile(tmp_path, "x", {}, NAMES)
    file.path.write_text(json.dumps({"params": {}, "history": before}), encoding="utf-8")
    file.resume(30, known)
    assert file.content["history"] == [*before[:3], known[1], before[3], known[2]]


def test_time_carries_its_zone(tmp_path):
    file = StatusFile(tmp_path, "x", {}, NAMES)
    file.add(1, 2, 0.5, 1, None, None, float("nan"), None)
    [only] = json.loads(file.path.read_text(encoding="utf-8"))["history"]
    assert datetime.datetime.fromisoformat(only["time"]).utcoffset() is not None
    assert only["smooth_train_ppl2"] is None and only["time_per_batch"] is None and "evaluated" not in only


def test_an_entry_is_due_once_a_minute(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(writing.time, "monotonic", lambda: now[0])
    file = StatusFile(tmp_path, "x", {}, NAMES)
    assert file.due()
    file.add(1, 2, 0.5, 1, 0.1, 9.0, 9.0, None)
    assert not file.due()
    now[0] += 61
    assert file.due()


# ---- reading


def test_the_originals_file(tmp_path):
    """No zone, no state, no marks, NaN, and its last word a minute before the end."""
    history = [entry(it, val, it / 10) for it, val in ((1, -1), (20, 31.5), (30, 31.5), (40, 25.25), (60, float("nan")))]
    for one in history:
        one["time"] = one["time"].replace("+00:00", ".123456")
    run = read_run(write(tmp_path, "host-3", history))
    assert run.name == "host-3" and run.kind == "captioner" and run.declared is None
    assert run.val == [(1.0, 31.5), (2.0, 25.25)] and run.best == (2.0, 25.25)
    assert run.train == [(0.05, 199), (1.0, 180), (1.5, 170), (2.0, 160), (3.0, 140)]
    assert run.epochs == (3.0, 5.0) and run.iterations == (60, 100)
    assert run.began.utcoffset() is not None
    assert run.pace == pytest.approx(6) and run.left == pytest.approx(240) and run.speed == pytest.approx(100 / 6)


def test_marks_tell_equal_evaluations_apart(tmp_path):
    history = [entry(20, 30, evaluated=True), entry(30, 30), entry(40, 30, evaluated=True)]
    assert read_run(write(tmp_path, "a", history)).val == [(1.0, 30), (2.0, 30)]


def test_of_two_entries_of_an_epoch_the_later_counts(tmp_path):
    history = [entry(20, 30, evaluated=True), entry(20, 31, evaluated=True, smooth_train_ppl2=7)]
    run = read_run(write(tmp_path, "a", history))
    assert run.val == [(1.0, 31)] and run.train == [(1.0, 7)]


def test_an_aligners_file(tmp_path):
    history = [
        {"iter": [1, 2], "epoch": [0.5, 1], "train_cost": 100, "smooth_train_cost": 110, "val_recall": -1},
        {"iter": [2, 2], "epoch": [1, 1], "train_cost": 50, "smooth_train_cost": 60, "val_recall": 0.25, "evaluated": True},
        {"iter": [3, 2], "epoch": [1.5, 1], "train_cost": 50, "smooth_train_cost": 60, "val_recall": 0.2, "evaluated": True},
    ]
    run = read_run(write(tmp_path, "a", history, state="finished"))
    assert run.kind == "alignment" and run.best == (1, 0.25) and run.train[0] == (0.5, 110)


@pytest.mark.parametrize(
    "changes, state",
    [
        ({"state": "finished"}, "finished"),
        ({"state": "interrupted"}, "interrupted"),
        ({"state": "stopped"}, "stopped"),
        ({"state": "training"}, "silent"),
        ({"state": "<b>"}, "silent"),
        ({}, "silent"),
    ],
)
def test_states(tmp_path, changes, state):
    history = [entry(it, minutes=it / 10) for it in (0, 10, 20)]
    run = read_run(write(tmp_path, "a", history, **changes))
    late, soon = NOON + datetime.timedelta(minutes=20), NOON + datetime.timedelta(minutes=3)
    assert run.state(late) == state
    assert run.state(soon) == ("training" if state == "silent" else state)


def test_a_run_of_the_original_that_ends_near_its_end_is_not_silent(tmp_path):
    history = [entry(it, minutes=it / 10) for it in (70, 80, 90)]
    late = NOON + datetime.timedelta(days=1)
    assert read_run(write(tmp_path, "a", history)).state(late) == "ended"
    assert read_run(write(tmp_path, "b", history, state="training")).state(late) == "silent"  # ours would have said so


def test_rare_entries_are_no_silence(tmp_path):
    """Half an hour between entries: an hour without a word is nothing; three hours are."""
    run = read_run(write(tmp_path, "a", [entry(it, minutes=3 * it) for it in (0, 10, 20)], state="training"))
    assert [run.state(NOON + datetime.timedelta(hours=hours)) for hours in (2, 2.4, 4)] == ["training", "training", "silent"]


def test_pace_is_of_this_sitting(tmp_path):
    """A night between two sessions isn't time spent."""
    history = [entry(10, minutes=0), entry(20, minutes=1), entry(22, minutes=600), entry(32, minutes=601), entry(42, minutes=602)]
    assert read_run(write(tmp_path, "a", history)).pace == pytest.approx(6)
    assert read_run(write(tmp_path, "b", history[:1])).pace == 0.5  # one entry: its last batch
    assert read_run(write(tmp_path, "c", [entry(1, time_per_batch=None, time=None)])).pace is None
    compiling = [entry(1, time_per_batch=60, time=None), entry(2, time_per_batch=2, time=None)]
    assert read_run(write(tmp_path, "d", compiling)).pace == 2  # without the first batch's


def test_missing_keys_leave_gaps(tmp_path):
    run = read_run(write(tmp_path, "a", [{"iter": [5, 10]}, {"epoch": [2, 4], "val_ppl2": 8}, 3, None], params={"max_epochs": 4}))
    assert run.epochs == (2, 4) and run.val == [(2, 8)] and run.train == [] and run.speed is None
    empty = read_run(write(tmp_path, "b", [], params=[1]))
    assert (empty.params, empty.train, empty.val, empty.best, empty.left, empty.epochs) == ({}, [], [], None, None, (None, None))


HUGE = "9" * 400
BAD = {
    "empty.json": ("", "not JSON"),
    "cut.json": ('{"params": {}, "history": [{"iter"', "not JSON"),
    "list.json": ("[1]", 'has no "history"'),
    "dataset.json": ('{"images": []}', 'has no "history"'),
    "history.json": ('{"history": {"a": 1}}', 'has no "history"'),
    "loss.json": ('{"history": [{"loss": 3}]}', 'no entry with "epoch"'),
    "deep.json": ("[" * 100_000, "not JSON"),
    "digits.json": (f'{{"history": [{{"epoch": [{"9" * 5000}, 1]}}]}}', "not JSON"),
    "bytes.json": (b"\xff\xfe\x00{", "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_are_no_status_files_are_named(tmp_path, name):
    text, reason = BAD[name]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    write(tmp_path, "good", [entry(1)])
    runs, [fault] = RunFolders([tmp_path]).read()
    assert [run.name for run in runs] == ["good"]
    assert name in fault and reason in fault and "\n" not in fault


def test_odd_values_are_no_numbers(tmp_path):
    odd = [
        f'{{"epoch": [1, 1], "iter": [true, "x"], "smooth_train_ppl2": {HUGE}, "val_ppl2": 1e999, "time": 5}}',
        '{"epoch": [2, NaN], "iter": 7, "smooth_train_ppl2": "9", "val_ppl2": true, "time": "0001-01-01T00:00:00"}',
        '{"epoch": [3, 4], "iter": [], "smooth_train_ppl2": 5.5, "val_ppl2": -3, "time": "9999-12-31T23:59:59-12:00"}',
        '{"epoch": "4", "time": "now"}',
    ]
    path = tmp_path / "odd_status.json"
    path.write_text(f'{{"params": {{"batch_size": "100"}}, "history": [{", ".join(odd)}], "state": {{}}, "checkpoint": 3}}')
    run = read_run(path)
    assert run.train == [(3, 5.5)] and run.val == [] and run.speed is None and run.checkpoint is None
    run.state(datetime.datetime.now().astimezone())


def test_large_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST", 100)
    with pytest.raises(UserError, match="too large"):
        read_run(write(tmp_path, "a", [entry(1)] * 3))


def test_a_folder_is_read_again_only_where_it_changed(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(reading, "read_run", lambda path: read.append(path.name) or read_run(path))
    write(tmp_path, "a", [entry(1)])
    path = write(tmp_path, "b", [entry(1)])
    (tmp_path / ".hidden.json").write_text("{")
    folders = RunFolders([tmp_path])
    folders.read()
    folders.read()
    assert read == ["a_status.json", "b_status.json"]
    write(tmp_path, "b", [entry(1), entry(20, 9)])
    (tmp_path / "a_status.json").unlink()
    [run], _ = folders.read()
    assert read[2:] == ["b_status.json"] and run.best == (1, 9)
    path.unlink()
    assert folders.read() == ([], [])


def test_equal_names_get_their_folders(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "run", [entry(1, minutes=len(name))])
    write(tmp_path / "one", "other", [entry(1, minutes=9)])
    runs, _ = RunFolders([tmp_path / "two", tmp_path / "one", tmp_path / "absent"]).read()
    assert sorted(run.name for run in runs) == sorted([f"{(tmp_path / n).as_posix()}/run" for n in ("one", "two")] + ["other"])


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_links_out_of_the_folder_pipes_and_folders_are_left_out(tmp_path):
    folder, outside = tmp_path / "status", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    secret = write(outside, "secret", [entry(1)])
    (folder / "link.json").symlink_to(secret)
    (folder / "broken.json").symlink_to(outside / "none.json")
    (folder / "circle.json").symlink_to(folder / "circle.json")
    (folder / "inside.json").symlink_to(write(folder, "real", [entry(1)]))
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    runs, faults = RunFolders([folder]).read()
    assert {run.name for run in runs} == {"real", "inside"}
    assert len(faults) == 5 and any("link to a file elsewhere" in fault for fault in faults)
