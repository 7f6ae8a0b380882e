"""Whole files or none, what kills leave behind, and one writer at a time."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from neuraltalk import files
from neuraltalk.errors import UserError
from neuraltalk.files import lock_beside, lock_inside, locked, remove_folder, replaced, replaced_folder, write_atomically, write_text

HOLDS = "import sys, time; from neuraltalk.files import {0}\nwith {0}({1}) as it:\n print('in', flush=True); time.sleep(60)"
posix = pytest.mark.skipif(files.fcntl is None, reason="Windows refuses to remove open files by itself")


@pytest.fixture
def holder():
    """Start a process that stays in a block of files.py until it is killed."""
    started = []

    def start(name, arguments):
        process = subprocess.Popen([sys.executable, "-c", HOLDS.format(name, arguments)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "in\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def look_again():
    files._remove_leftovers.cache_clear()


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyError), write_atomically(tmp_path / "a.txt") as file:
        file.write(b"new")
        raise KeyError
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def test_errors_of_the_disk_name_the_file_that_was_meant(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="a.txt") as caught, write_atomically(tmp_path / "a.txt") as file:
        file.write(b"new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "a.txt") and names(tmp_path) == []

    def no_room(*arguments, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere/.a.txt.x")

    monkeypatch.setattr(files.tempfile, "mkstemp", no_room)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "a.txt", "new")


@posix
def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path, holder):
    dead, living = (holder("write_atomically", repr(str(tmp_path / name))) for name in ("dead.p", "living.p"))
    dead.kill()
    dead.wait()
    (tmp_path / ".mine.abcdefgh").write_text("a user's own")
    assert len(names(tmp_path)) == 3
    look_again()
    write_text(tmp_path / "a.txt", "x")
    left = names(tmp_path)
    assert len(left) == 3 and left[0].startswith(".living.p.") and left[1:] == [".mine.abcdefgh", "a.txt"]
    living.kill()
    living.wait()
    look_again()
    write_text(tmp_path / "b.txt", "x")
    assert names(tmp_path) == [".mine.abcdefgh", "a.txt", "b.txt"]


@posix
def test_a_file_taken_for_a_leftover_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """Between its making and its locking another process may remove it."""
    make, made = files.tempfile.mkstemp, []

    def make_and_lose(**more):
        made.append(make(**more))
        if len(made) == 1:
            os.unlink(made[0][1])
        return made[-1]

    monkeypatch.setattr(files.tempfile, "mkstemp", make_and_lose)
    write_text(tmp_path / "a.txt", "x")
    assert len(made) == 2 and names(tmp_path) == ["a.txt"]


def test_one_writer(tmp_path, holder):
    lock = lock_beside(tmp_path / "run.p")
    process = holder("locked", f"{str(lock)!r}, 'x'")
    with pytest.raises(UserError, match=rf"run.p: process {process.pid} on .* is writing there; wait"), locked(lock, "run.p", "wait"):
        raise AssertionError("two writers")
    with locked(lock_beside(tmp_path / "other.p"), "other.p", "wait"):
        pass
    process.kill()
    process.wait()
    assert lock.exists()  # a kill leaves it; it holds nobody up
    with locked(lock, "run.p", "wait"):
        assert lock.read_text().startswith(f"process {os.getpid()} on ")
    assert names(tmp_path) == []


def test_waiting_for_the_other_writer(tmp_path, holder):
    lock, told = lock_inside(tmp_path / "data"), []
    process = holder("locked", f"{str(lock)!r}, 'x'")

    def end_it(line):
        told.append(line)
        process.send_signal(signal.SIGKILL)

    with locked(lock, "data", waiting=end_it):
        assert len(told) == 1 and f"process {process.pid} on " in told[0]
    with locked(lock_inside(tmp_path / "new"), "new"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()  # nothing came into it


@posix
def test_a_lock_that_its_holder_removes_is_made_again(tmp_path, monkeypatch):
    lock, opened, real = lock_beside(tmp_path / "run.p"), [], os.open

    def open_and_lose(path, *rest):
        opened.append(real(path, *rest))
        if path == lock and len(opened) == 1:
            os.unlink(lock)
        return opened[-1]

    monkeypatch.setattr(files.os, "open", open_and_lose)
    with locked(lock, "run.p"):
        assert len(opened) == 2 and lock.exists()


@posix
def test_without_locks_nobody_is_held_up_and_nothing_is_removed(tmp_path, monkeypatch):
    def no_locks(*arguments):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    (tmp_path / ".a.txt.abcdefgh.unfinished").write_text("perhaps somebody's")
    with locked(lock_beside(tmp_path / "b"), "b"), locked(lock_beside(tmp_path / "b"), "b"):
        write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == [".a.txt.abcdefgh.unfinished", "a.txt"]


def test_folders_come_and_go_as_a_whole(tmp_path):
    folder = tmp_path / "deep" / "data"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".data.abcdefgh.building").mkdir()
    for text in ("old", "new"):
        with replaced_folder(folder) as building:
            (building / "a.txt").write_text(text)
            assert folder.exists() == (text == "new")
        assert names(folder) == ["a.txt"] and (folder / "a.txt").read_text() == text
    with pytest.raises(KeyError), replaced_folder(folder) as building:
        raise KeyError
    assert names(folder.parent) == ["data"]
    left = tmp_path / "deep" / ".gone.abcdefgh.removed"
    left.mkdir()
    look_again()
    remove_folder(folder)
    remove_folder(folder)
    with replaced(tmp_path / "deep" / "x") as temporary:
        assert os.path.exists(temporary)
    assert names(tmp_path / "deep") == ["x"]


@posix
def test_processes_at_work_end_with_a_killed_parent(tmp_path):
    """Else they wait for its jobs for ever."""
    program = (
        "import os, time\nfrom neuraltalk import parallel\n"
        "def job(k):\n open(f'{k}-{os.getpid()}', 'w').close(); time.sleep(0.05)\n"
        "if __name__ == '__main__':\n parallel.FEW = 0\n parallel.os.cpu_count = lambda: 2\n list(parallel.spread(job, range(10_000)))\n"
    )
    (tmp_path / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(os.path.dirname(files.__file__))])}
    process = subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path, stderr=subprocess.DEVNULL, env=environment)
    while len(names(tmp_path)) < 8:
        time.sleep(0.05)
    process.kill()
    process.wait()
    workers = {int(name.split("-")[1]) for name in names(tmp_path) if "-" in name}
    assert workers and process.pid not in workers
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "they live on"
        time.sleep(0.05)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
