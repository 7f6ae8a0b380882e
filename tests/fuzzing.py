"""Damaged files of every kind, by the thousand: each has to be loaded, or refused in one line, in bounded time and memory.

    python tests/fuzzing.py --count 20000               some minutes; the last line tells the counts
    python tests/fuzzing.py --only 1234 --keep FOLDER   a single one again, its file kept

Input number n is the same on every run with the same --seed. Each goes to a door: a function that reads files of its kind, as the
commands call it, or (one in twenty) a whole command by its main(argv). Doors are opened in child processes with a limit on their memory;
a child that dies, or thinks longer than LONGEST, is replaced, and what killed it is told.

What counts as a fault: any exception but UserError (or an exit code other than 0 and 2), an error of more than one line, a warning
from our own code, more memory than MEMORY or time than LONGEST, the end of the process.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import pathlib
import random
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

MEMORY = 700 << 20  # bytes beyond what the process had: a picture of 89 million pixels, which is allowed, takes 600 MB
LONGEST = 120  # seconds of the clock; the machine may be busy
SLOW = 10  # seconds of the processor
COMMANDS = 20  # one input of so many goes to a whole command
IN_WORDS = 1000  # characters of an error


class Door(NamedTuple):
    """A way in for a kind of file."""

    name: str
    files: str  # glob of the honest files, below the place
    open: object  # function of a path
    at: str = None  # where the damaged file is put, below the place; None: under its own name, into a folder of its own


def doors(place):
    """All doors that read a single kind of file; place: what tests/fuzzing_place.py made."""
    import fuzzing_place as made

    return [Door(name, files, function) for name, (files, function) in made.readers(place).items()]


def commands(place):
    """Doors that are whole commands."""
    import fuzzing_place as made

    return [Door(f"neuraltalk {argv[0]} ({file})", file, command_of(argv), file) for file, argv in made.COMMANDS]


def command_of(argv):
    """A function that runs a command, and raises if it ends in another way than it should."""
    from neuraltalk.cli.main import main
    from neuraltalk.errors import UserError

    def run(path):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(argv)
        lines = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
        if code == 2 and len(lines) == 1 and err.getvalue().endswith(lines[0] + "\n"):
            raise UserError(lines[0])
        if code != 0:
            raise AssertionError(f"exit code {code}, {len(lines)} errors: {err.getvalue()[-300:]!r}")

    return run


# ---- one input


class Fuzzer:
    """Makes the inputs and tries them, in a place of its own."""

    def __init__(self, template, seed, door=""):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="fuzzing_"))
        shutil.copytree(template, self.place, dirs_exist_ok=True)
        os.chdir(self.place)
        sys.argv = ["neuraltalk"]
        self.template, self.seed = pathlib.Path(template), seed
        self.doors, self.commands = doors(self.place), commands(self.place)
        if door:
            self.doors = self.commands = [one for one in self.doors + self.commands if door in one.name]
        self.whole = self._state()

    def input(self, n):
        """-> (Door, path of the damaged file, its bytes)"""
        import mutations

        rng = random.Random(f"{self.seed} {n}")
        some = self.commands if n % COMMANDS == COMMANDS - 1 else self.doors
        door = some[n // (COMMANDS if some is self.commands else 1) % len(some)]
        files = sorted(path for path in self.template.glob(door.files) if path.is_file())
        path = rng.choice(files)
        data = path.read_bytes()
        damaged = mutations.mutate(rng, data, [other.read_bytes() for other in files if other != path])
        return door, self.place / (door.at or f"damaged/{path.name}"), damaged

    def try_input(self, n):
        """-> what came of it, as a dict for the report."""
        from neuraltalk.errors import UserError

        door, path, data = self.input(n)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        before, began = reset_peak(), time.process_time()
        outcome, fault = "loaded", None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                door.open(path)
            except UserError as error:
                outcome, text = "refused", str(error)
                if "\n" in text or len(text) > IN_WORDS + len(str(path)) or not text.isprintable():
                    fault = f"not one line: {text!r:.200}"
            except BaseException as error:
                fault = f"{type(error).__name__} at {where(error)}: {error!s:.150}"
        own = [warning for warning in caught if "neuraltalk" in warning.filename]
        if own and not fault:
            fault = f"warning at {pathlib.Path(own[0].filename).name}:{own[0].lineno}: {own[0].message!s:.100}"
        seconds, memory = time.process_time() - began, peak() - before
        if seconds > SLOW and not fault:
            fault = f"took {seconds:.0f} s"
        if memory > MEMORY and not fault:
            fault = f"took {memory >> 20} MB"
        self._restore()
        return {
            "door": door.name,
            "file": path.name,
            "outcome": "fault" if fault else outcome,
            "fault": fault,
            "seconds": seconds,
            "memory": memory,
        }

    def _state(self):
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in self.place.rglob("*") if path.is_file()}

    def _restore(self):
        """The place as it was."""
        now = self._state()
        for path in now.keys() - self.whole.keys():
            path.unlink()
        for path, stamp in self.whole.items():
            if now.get(path) != stamp:
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.template / path.relative_to(self.place), path)


def where(error):
    """The deepest line of our own code in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "neuraltalk" in pathlib.Path(frame.filename).parts] or frames
    return f"{'/'.join(pathlib.Path(own[-1].filename).parts[-2:])}:{own[-1].lineno} ({frames[-1].name})"


def reset_peak():
    """Begin to measure this process's memory anew -> bytes that it has now; 0 where that can't be."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak():
    """The most bytes of memory since reset_peak()."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def child(template, seed, door, numbers):
    """Try inputs and print a line for each, before and after."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)  # libraries in C write there
    fuzzer = Fuzzer(template, seed, door)
    try:
        limit_memory()
        for n in numbers:
            print(json.dumps({"n": n}), file=out)
            print(json.dumps({"n": n} | fuzzer.try_input(n)), file=out)
    finally:
        shutil.rmtree(fuzzer.place, ignore_errors=True)


def limit_memory():
    """So that an input that asks for everything is refused by the system, rather than killing the machine."""
    with contextlib.suppress(ImportError, OSError):
        import resource

        used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2 * MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


# ---- many


class Worker:
    """A child process with a part of the inputs."""

    def __init__(self, template, seed, door, numbers):
        self.arguments, self.left, self.current = ["--child", str(template), "--seed", str(seed), "--door", door], list(numbers), None
        self.start()

    def start(self):
        command = [sys.executable, __file__, *self.arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(self.left))
            self.process.stdin.close()
        self.since = time.monotonic()

    def overdue(self):
        """Whether it thinks about an input for too long. (Its start can take longer on a busy machine.)"""
        return self.current is not None and time.monotonic() - self.since > LONGEST

    def line(self):
        """The next report, or None between them; raises StopIteration at the end."""
        text = self.process.stdout.readline()
        self.since = time.monotonic()
        if not text:
            return self.died()
        report = json.loads(text)
        if "door" not in report:
            self.current = report["n"]
            return None
        self.left.remove(report["n"])
        self.current = None
        return report

    def died(self, why=None):
        self.process.kill()
        code = self.process.wait()
        self.process.stdout.close()
        if self.current is None:
            if self.left:
                raise RuntimeError(f"a child ended with code {code} before its first input, or between two")
            raise StopIteration
        n, self.current = self.current, None
        self.left.remove(n)
        if self.left:
            self.start()
        report = {
            "n": n,
            "door": "?",
            "file": "?",
            "outcome": "fault",
            "fault": why or f"the process ended with code {code}",
            "seconds": 0,
            "memory": 0,
        }
        return report


@contextlib.contextmanager
def honest_files(folder=None):
    """The folder of the files that are damaged; made if it isn't there, and removed again unless it has a name."""
    import fuzzing_place

    with tempfile.TemporaryDirectory(prefix="fuzzing_") as temporary:
        template = pathlib.Path(folder or temporary).resolve() / "place"
        if not template.exists():
            fuzzing_place.make(template)
        yield template


def fuzz(count, seed=0, jobs=1, tell=lambda report, done: None, first=0, folder=None, door=""):
    """Try `count` inputs -> list of reports."""
    reports = []
    with honest_files(folder) as template:
        numbers = range(first, first + count)
        workers = [Worker(template, seed, door, numbers[k::jobs]) for k in range(jobs)]
        try:
            while workers:
                for worker in ready(workers):
                    try:
                        report = worker.died(f"no end after {LONGEST} s") if worker.overdue() else worker.line()
                    except StopIteration:
                        workers.remove(worker)
                        continue
                    if report is not None:
                        reports.append(report)
                        tell(report, len(reports))
                        if not worker.left and worker.process.poll() is not None:
                            workers.remove(worker)
        finally:
            for worker in workers:
                worker.process.kill()
    return reports


def ready(workers):
    """The workers that have something to say, or say nothing for too long."""
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        found = [key.data for key, _ in selector.select(1.0)]
    return found + [worker for worker in workers if worker not in found and worker.overdue()]


def summary(reports):
    """The counts, as lines."""
    counts = collections.Counter((report["door"], report["outcome"]) for report in reports)
    lines = []
    for door in sorted({door for door, _ in counts}):
        numbers = [counts[door, outcome] for outcome in ("loaded", "refused", "fault")]
        lines.append(f"{door:<70} {numbers[0]:6} loaded {numbers[1]:6} refused {numbers[2]:4} faults")
    total = collections.Counter(report["outcome"] for report in reports)
    slowest, largest = (max((report[what] for report in reports), default=0) for what in ("seconds", "memory"))
    lines.append(
        f"{len(reports):,} inputs: {total['loaded']:,} loaded, {total['refused']:,} refused in one line, {total['fault']:,} faults; "
        f"at most {slowest:.1f} s and {largest / 1e6:.0f} MB"
    )
    return lines


def main(argv=None):
    """Returns 0 if there was no fault, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--door", default="", metavar="TEXT", help="only doors with this in their names: weights, pictures, predict ...")
    parser.add_argument("--only", type=int, metavar="N", help="this input alone, in this process, with its traceback")
    parser.add_argument("--keep", metavar="FOLDER", type=pathlib.Path, help="where to put the file of --only")
    parser.add_argument("--place", metavar="FOLDER", help="where the honest files stay, to be used again (default: made anew each time)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        child(options.child, options.seed, options.door, json.load(sys.stdin))
        return 0
    if options.only is not None:
        return try_one(options)
    faults = {}

    def tell(report, done):
        if report["fault"]:
            kind = report["fault"].split(": ")[0]
            faults[kind] = faults.get(kind, 0) + 1
            if faults[kind] <= 3:
                print(f"input {report['n']}, {report['door']}, {report['file']}: {report['fault']}", flush=True)
        if done % 1000 == 0:
            print(f"{done:,} of {options.count:,}", file=sys.stderr, flush=True)

    reports = fuzz(options.count, options.seed, options.jobs, tell, options.first, options.place, options.door)
    print("\n".join([*(f"{number:6} times: {kind}" for kind, number in faults.items()), *summary(reports)]))
    return 1 if faults else 0


def try_one(options):
    """A single input, as it is."""
    keep = options.keep and options.keep.resolve()
    with honest_files(options.place) as template:
        fuzzer = Fuzzer(template, options.seed, options.door)
        door, path, data = fuzzer.input(options.only)
        print(f"{door.name}: {path.name}, {len(data)} bytes")
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / path.name).write_bytes(data)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        try:
            door.open(path)
        except Exception:
            traceback.print_exc()
        print({key: value for key, value in fuzzer.try_input(options.only).items() if key != "door"})
        os.chdir(HERE)
        shutil.rmtree(fuzzer.place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
