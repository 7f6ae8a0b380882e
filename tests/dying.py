"""A process that kills itself at its n-th dealing with the file system, for sudden_death.py.

A dealing is a file opened for writing, a piece written, a sync, a rename, a removal, a change of mode or a folder made: where
one can be caught before it happens. A piece that is written can also be torn: half of it is, and then the process is dead.
Writes of libraries in C (HDF5, NumPy's tofile) aren't seen; the renames around them are.
"""

import builtins
import io
import mmap
import os
import pathlib
import random
import signal
import struct
import sys
import time

PHASES = ("start", "step", "evaluation", "last checkpoint", "best checkpoint", "older file kept", "status", "end")
DEALINGS = ("nothing", "open", "write", "sync", "rename", "remove", "mode", "folder", "lock")
_AUDITED = {
    "os.rename": "rename", "os.remove": "remove", "os.rmdir": "remove", "os.chmod": "mode", "os.mkdir": "folder",
    "os.truncate": "write", "fcntl.flock": "lock",
}  # fmt: skip


class Notes:
    """What a child tells its parent, in memory that both have: dealings so far, the last one, the phase of training; and all."""

    def __init__(self):
        self._memory = mmap.mmap(-1, 1 << 16)

    def write(self, count, dealing, phase):
        self._memory[:16] = struct.pack("<qII", count, dealing, phase)
        if count:
            self._memory[14 + 2 * count : 16 + 2 * count] = bytes([dealing, phase])

    def enter(self, phase):
        self._memory[12:16] = struct.pack("<I", phase)

    def kinds(self):
        """{(phase, dealing): numbers of the dealings that were of this kind}"""
        kinds = {}
        for number in range(1, self.read()[0] + 1):
            dealing, phase = self._memory[14 + 2 * number : 16 + 2 * number]
            kinds.setdefault((PHASES[phase], DEALINGS[dealing]), []).append(number)
        return kinds

    def read(self):
        """-> number of dealings, name of the last one, phase."""
        count, dealing, phase = struct.unpack("<qII", self._memory[:16])
        return count, DEALINGS[dealing], PHASES[phase]


class Watch:
    """Counts the dealings of this process with files below a folder, and kills it at number `die_at` (None: never)."""

    def __init__(self, folder, notes, die_at=None):
        self.folder, self.notes, self.die_at = os.path.realpath(folder) + os.sep, notes, die_at
        self.count, self.phase, self.last = 0, 0, 0
        notes.write(0, 0, 0)
        self._patch_files()
        self._patch_training()
        sys.addaudithook(self._heard)

    def happens(self, dealing, before_death=None):
        """A dealing is next."""
        self.count += 1
        self.last = DEALINGS.index(dealing)
        self.notes.write(self.count, self.last, self.phase)
        if self.count == self.die_at:
            if before_death is not None and random.Random(self.die_at).random() < 0.7:
                before_death()
            os.kill(os.getpid(), signal.SIGKILL)

    def _heard(self, event, arguments):
        dealing = _AUDITED.get(event)
        if event == "open":
            flags = arguments[2]
            dealing = "open" if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else None
        if dealing and (isinstance(arguments[0], int) or self._ours(arguments[0])):
            self.happens(dealing)

    def _ours(self, path):
        try:
            return os.path.abspath(os.fspath(path)).startswith(self.folder)
        except (TypeError, ValueError):
            return False

    def _patch_files(self):
        watch, plain_open, sync = self, builtins.open, os.fsync

        class Torn(io.FileIO):
            def write(self, data):
                with memoryview(data) as view:
                    half = bytes(view.cast("B")[: view.nbytes // 2])
                watch.happens("write", lambda: super(Torn, self).write(half))
                return super().write(data)

        def open_watched(file, mode="r", *rest, **more):
            if "b" in mode and set(mode) & set("wax+") and not rest and not more and watch._ours(file):
                raw = Torn(file, mode.replace("b", ""))
                return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return plain_open(file, mode, *rest, **more)

        def sync_watched(descriptor):
            watch.happens("sync")
            sync(descriptor)

        builtins.open, os.fsync = open_watched, sync_watched

    def _patch_training(self):
        from neuraltalk.train import checkpoint, trainer
        from neuraltalk.train.status import StatusFile

        Trainer = trainer.Trainer
        self._in_phase(Trainer, "step", lambda *a: "step")
        self._in_phase(Trainer, "_evaluate", lambda *a: "evaluation")
        self._in_phase(checkpoint, "save_checkpoint", lambda path, *a: f"{'last' if '.last.' in path.name else 'best'} checkpoint")
        self._in_phase(trainer, "keep_previous", lambda *a: "older file kept")
        self._in_phase(StatusFile, "write", lambda *a: "status")
        run = Trainer.run

        def run_and_end(trainer):
            try:
                return run(trainer)
            finally:
                self._enter(PHASES.index("end"))

        Trainer.run = run_and_end

    def _in_phase(self, owner, name, phase_of):
        function = getattr(owner, name)

        def watched(*arguments, **more):
            before = self.phase
            self._enter(PHASES.index(phase_of(*arguments)))
            try:
                return function(*arguments, **more)
            finally:
                self._enter(before)

        setattr(owner, name, watched)

    def _enter(self, phase):
        self.phase = phase
        self.notes.enter(phase)


class Child:
    """A fork of this process that runs a function in a folder; what it prints goes to the file `log`."""

    def __init__(self, function, folder, log, die_at=None):
        self.notes, self.began = Notes(), time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                os.chdir(folder)
                output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
                os.dup2(output, 1)
                os.dup2(output, 2)
                Watch(folder, self.notes, die_at)
                code = function()
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        """-> exit code; minus the signal that killed it."""
        _, status = os.waitpid(self.pid, 0)
        self.seconds = time.monotonic() - self.began
        return os.waitstatus_to_exitcode(status)


def whole_tree(folder):
    """{relative path: bytes} of all files below a folder."""
    folder = pathlib.Path(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
