"""Kills, full disks, folders that can't be written, and two writers of one thing: nothing is lost, and one line says what to do."""

import errno
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from test_alignment_evaluation import make_aligner
from test_alignment_training import make_toy
from test_extract import draw, small_extractor  # noqa: F401 (a fixture)

from neuraltalk import files
from neuraltalk.cli.main import main as neuraltalk
from neuraltalk.files import lock_beside, lock_inside, locked
from neuraltalk.train.checkpoint import load_checkpoint

ROOT = pathlib.Path(__file__).parent.parent
SIZES = "--image_encoding_size 4 --word_encoding_size 4 --hidden_size 4 -b 6 --word_count_threshold 1".split()
TRAIN = ["train", "-d", "toy", *SIZES, "-m", "3"]
BEST, LAST = "cv/toy_lstm_baseline.p", "cv/toy_lstm_baseline.last.p"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the data set toy, whose pictures are there, and an aligner."""
    monkeypatch.chdir(tmp_path)
    make_toy(tmp_path / "data" / "toy")
    np.save("data/toy/features.npy", np.random.default_rng(3).random((30, 7), dtype=np.float32))
    draw(tmp_path / "pictures", 4)
    make_aligner(tmp_path / "cv" / "toy_alignment_baseline.p")
    pathlib.Path("captions.csv").write_text("".join(f"{k:03}.png,a box {k}\n" for k in range(4)))
    return tmp_path


DATASET = ["dataset", "data/mine", "captions.csv", "--pictures", "pictures", "--split", "val=1,test=1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks what it kills")
def test_killed_at_some_instants():
    """The short version of `python tests/sudden_death.py --kills 100`."""
    command = [sys.executable, str(ROOT / "tests" / "sudden_death.py"), "--kills", "6", "--points", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing lost\n") and "eval alignment: 1 kills at" in done.stdout


def fill_disk(monkeypatch, room):
    """Only so many files more can be written."""
    left, sync = [room], os.fsync

    def full(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            return sync(descriptor)
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)


@pytest.mark.parametrize("room, said", [
    (0, "nothing was trained yet; make room there, or name another --checkpoint_output_directory"),
    (5, f"is safe in {LAST}; make room, and continue with --resume {LAST}"),
    (6, f"is safe in {LAST}; make room, and continue with --resume {LAST}"),
    (7, f"is safe in {LAST}; make room, and continue with --resume {LAST}"),
])  # fmt: skip
def test_training_on_a_full_disk(place, monkeypatch, capsys, room, said):
    assert neuraltalk([*TRAIN, "--checkpoint_output_directory", "straight"]) == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        fill_disk(patch, room)
        assert neuraltalk(TRAIN) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: cv/toy_lstm_baseline.") and "No space left on device; " in error and error.endswith(said)
    left = pathlib.Path(LAST).exists()
    assert left == bool(room)
    if left:
        assert load_checkpoint(LAST).training
    assert neuraltalk(["train", "--resume"] if left else TRAIN) == 0
    for path in (BEST, LAST):
        ours, theirs = (load_checkpoint(folder / pathlib.Path(path).name) for folder in (pathlib.Path("cv"), pathlib.Path("straight")))
        assert ours.history == theirs.history
        assert all(np.array_equal(ours.model[name], theirs.model[name]) for name in ours.model)
    assert not [name for name in os.listdir("cv") if name.startswith(".")]


def test_a_full_disk_under_the_status_file_ends_no_run(place, monkeypatch, capsys):
    def full(status):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "status/a.json")

    monkeypatch.setattr("neuraltalk.train.status.StatusFile.write", full)
    assert neuraltalk(TRAIN) == 0
    assert capsys.readouterr().err.count("status/a.json: No space left on device; the run goes on without its status file") == 1
    assert load_checkpoint(LAST).epoch == 3


@pytest.mark.parametrize("arguments", [DATASET, ["phrases"], ["eval", "cv/toy_alignment_baseline.p"]])
def test_other_writers_on_a_full_disk(place, monkeypatch, capsys, arguments):
    with monkeypatch.context() as patch:
        fill_disk(patch, 0)
        assert neuraltalk(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "No space left on device; make room and give the same command again" in error
    assert not pathlib.Path("data/mine/dataset.json").exists() and not pathlib.Path("data/toy_regions/dataset.json").exists()
    assert neuraltalk(arguments) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_extraction_on_a_full_disk_and_on(place, small_extractor, capsys):  # noqa: F811
    """HDF5's library would crash the interpreter there."""
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (limit := int(sys.argv.pop(1)), limit))\n"
        "from neuraltalk.cli.extract import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["pictures", "--features", str(small_extractor), "--regions", "--count", "4", "-o"]
    assert neuraltalk(["extract", *arguments, "straight"]) == 0
    largest = os.path.getsize("straight/region_feats.mat")
    for limit in (1000, largest - 1):  # inside the records, inside the assembly
        command = [sys.executable, "-c", limited, str(limit), *arguments, "out"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert done.returncode == 2, done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: out/") and "File too large" in done.stderr
        assert not pathlib.Path("out/region_feats.mat").exists()
    assert neuraltalk(["extract", *arguments, "out"]) == 0
    for name in ("features.npy", "region_feats.mat", "extractor.npz", "region_extractor.npz"):
        assert pathlib.Path("out", name).read_bytes() == pathlib.Path("straight", name).read_bytes()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_behind_the_terminal():
    program = (
        "import sys\nfrom neuraltalk.cli import console\n@console.command\ndef main(argv=None):\n"
        " with console.Progress(2, 'x') as progress:\n  progress.say('begins'); progress.update(2)\n console.say('done')\n"
        " print('result')\nsys.exit(main())"
    )
    for streams, code, told in (({"stdout": "/dev/full"}, 2, b"standard output: No space left"), ({"stderr": "/dev/full"}, 0, b"result")):
        with open("/dev/full", "wb") as full:
            pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE) | dict.fromkeys(streams, full)
            buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
            done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=buffered, **pipes)
        assert done.returncode == code and told in (done.stdout or b"") + (done.stderr or b"")
        assert b"Traceback" not in (done.stderr or b"")


@pytest.mark.parametrize("lock, arguments, said", [
    (lock_beside(BEST), TRAIN, "wait until it has ended, or give this run another name by --fappend"),
    (lock_beside(BEST), ["train", "--resume", LAST], "--fappend"),
    (lock_inside("out"), ["extract", "pictures", "-o", "out"], "wait until it has ended, or write elsewhere with -o"),
    (lock_inside("data/mine"), DATASET, "wait until it has ended, or make another FOLDER"),
    (lock_inside("data/toy_regions"), ["phrases"], "wait until it has ended, or name another folder with --output"),
])  # fmt: skip
def test_two_writers(place, small_extractor, capsys, lock, arguments, said):  # noqa: F811
    assert neuraltalk(TRAIN) == 0
    before = {path: path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
    arguments = [*arguments, "--features", str(small_extractor)] if arguments[0] == "extract" else arguments
    capsys.readouterr()
    with locked(lock, "this test"):
        assert neuraltalk(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"process {os.getpid()} on " in error and " is writing there; " in error and error.endswith(said)
    assert before == {path: path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("process 1 on a machine that is no more")  # a kill left it
    assert neuraltalk(arguments) == 0 and not lock.exists()


def test_two_runs_at_once_of_which_one_trains(place):
    """Two processes under one name: the one that comes second is told so, and the other's files are as if it were alone."""
    command = [sys.executable, "-m", "neuraltalk.cli.main", *TRAIN, "-m", "40"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate()[1] for process in running]
    codes = sorted(process.returncode for process in running)
    assert codes in ([0, 2], [0, 0])  # on a busy machine the one may be through before the other begins
    if codes == [0, 2]:
        assert sum("is writing there; wait until" in error for error in errors) == 1
    assert load_checkpoint(LAST).epoch == 40 and load_checkpoint(BEST).figure is not None
    [status] = pathlib.Path("status").iterdir()
    assert json.loads(status.read_text(encoding="utf-8"))["state"] == "finished"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of another kind")
@pytest.mark.parametrize("arguments", [TRAIN, ["train", "--resume"], DATASET, ["phrases"], ["eval", BEST], ["extract", "pictures"]])
def test_a_folder_that_can_not_be_written(place, monkeypatch, capsys, arguments, small_extractor):  # noqa: F811
    """Patched, since a superuser may write anywhere."""
    assert neuraltalk(TRAIN) == 0
    before = {path: path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
    plain = os.open

    def read_only(path, flags, *rest, **more):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return plain(path, flags, *rest, **more)

    arguments = [*arguments, "--features", str(small_extractor)] if arguments[0] == "extract" else arguments
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        capsys.readouterr()
        assert neuraltalk(arguments) == 2
    error = capsys.readouterr().err
    assert "Read-only file system" in error.splitlines()[-1] and "another" in error.splitlines()[-1] and "Traceback" not in error
    assert before == {path: path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
    assert neuraltalk(arguments) == 0


def test_who_wants_the_embedded_pictures_waits_for_who_draws_them(place, capsys):
    import threading

    from neuraltalk.cli.drawing import draw_absent_scenes

    folder, held = pathlib.Path("data/scenes"), threading.Event()

    def draw_slowly():
        with locked(lock_beside(folder), folder):
            held.set()
            while "waiting for it" not in "".join(told):
                told.append(capsys.readouterr().err)
            folder.mkdir()
            (folder / "dataset.json").write_text("{}")

    told, drawing = [], threading.Thread(target=draw_slowly)
    drawing.start()
    held.wait()
    draw_absent_scenes(folder)
    drawing.join()
    assert f"data/scenes: process {os.getpid()} on " in "".join(told) and "drawing the embedded" not in "".join(told)
    assert (folder / "dataset.json").read_text() == "{}"
