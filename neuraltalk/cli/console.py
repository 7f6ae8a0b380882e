"""What every command shares: exit codes, one-line errors, and progress that suits a terminal as well as a log file.

A command is a function `main(argv=None)` under the decorator `command`. It returns its exit code (None counts as 0),
prints results to stdout and everything else to stderr:

    @console.command
    def main(argv=None):
        options = build_parser().parse_args(argv)
        with console.Progress(1000, "captions", unit="image") as progress:
            for k in range(1000):
                ...
                progress.update(k + 1)
"""

import contextlib
import errno
import functools
import os
import sys
import time

USER_ERROR = 2  # argparse's code for bad options, used for every mistake that a user can mend
INTERRUPTED = 130  # what shells report for Ctrl-C: 128 + SIGINT
CLOSED_PIPE = 141  # 128 + SIGPIPE: `neuraltalk ... | head` ended before we did

# The world's faults rather than the program's: these are told in one line, any other OSError keeps its traceback.
_FAULTS_OF_THE_PLACE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    getattr(errno, "EDQUOT", errno.ENOSPC),
}
_REMEDIES = {
    errno.ENOSPC: "; make room and give the same command again",
    errno.EROFS: "; name another place, or let it be written",
}


def command(main):
    """Decorator: give `main(argv=None)` the exit codes and one-line errors of the command line.

    The wrapped function always returns an int and raises only programmer mistakes, so a test can call it. argparse's
    own exits (-h, bad options) become return values too.
    """

    @functools.wraps(main)
    def wrapped(argv=None):
        from neuraltalk.errors import UserError

        for stream in (sys.stdout, sys.stderr):  # a caption may hold letters that the terminal's encoding lacks
            with contextlib.suppress(AttributeError, ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = main(argv)
            try:
                sys.stdout.flush()
            except OSError as fault:
                fault.filename = "standard output"
                raise
            return code or 0
        except UserError as fault:
            return _fail(str(fault))
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                print("interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            _silence(sys.stdout)
            return CLOSED_PIPE
        except SystemExit as ending:
            if ending.code is None or isinstance(ending.code, int):
                return ending.code or 0
            return _fail(str(ending.code))
        except OSError as fault:
            if not is_fault_of_the_place(fault):
                raise
            return _fail(told(fault) + _REMEDIES.get(fault.errno, ""))
        finally:
            for stream in (sys.stdout, sys.stderr):
                if not _flushes(stream):
                    _silence(stream)

    return wrapped


def is_fault_of_the_place(fault):
    """Whether an OSError is the world's doing: a full disk, a folder that can't be written, a name that is a folder's."""
    return fault.errno in _FAULTS_OF_THE_PLACE


def told(fault):
    """Such an error for people: which file, and what is the matter."""
    return f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror


def _fail(text):
    """Print one line `error: ...` and return the exit code of a user's mistake."""
    with contextlib.suppress(BrokenPipeError):
        _print("error: " + " ".join(text.split()))
    return USER_ERROR


def _silence(stream):
    """Point it at nothing, or the interpreter meets the closed pipe or full disk behind it once more when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _flushes(stream):
    """Whether what was printed got where it should."""
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return False
    return True


def say(text):
    """One line to the person at the terminal (stderr), at once."""
    _print(text)


def _print(text, stream=None, end="\n"):
    """Print for people. A log on a full disk is no reason to end a run: it lacks some lines then."""
    try:
        print(text, end=end, file=sys.stderr if stream is None else stream, flush=True)
    except OSError as fault:
        if not is_fault_of_the_place(fault):
            raise


def format_duration(seconds):
    """Seconds for people.

    >>> format_duration(7.2), format_duration(83), format_duration(3 * 3600 + 120)
    ('7s', '1m23s', '3h02m')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds // 60 % 60:02d}m"


class Progress:
    """How far a loop over `total` things has come: one bar line on a terminal, now and then a plain line elsewhere.

    A bar is redrawn at most ten times a second; plain lines come every `interval` seconds. Nothing shorter than a plain
    interval leaves more than its last line, so logs stay short. The last state is always shown.

    total: number of things; label: what is being done; unit: one thing's name, for the speed ("" shows no speed).
    started: how many were done before this run (a resumed one), which the speed and the time left leave out.
    """

    def __init__(self, total, label, unit="", stream=None, interval=10.0, started=0, clock=time.monotonic):
        self.total, self.label, self.unit = max(int(total), 1), label, unit
        self.stream = sys.stderr if stream is None else stream
        self.on_terminal = bool(getattr(self.stream, "isatty", lambda: False)())
        self.clock, self.interval = clock, 0.1 if self.on_terminal else interval
        self.done = self.started = started
        self.note, self.amount = "", 0
        self.began = self.drawn = clock()
        self.width_drawn = 0
        self.shown = None  # what the last line said, so that it isn't said twice

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.close()

    def update(self, done, note=None, amount=None):
        """`done` things of `total` are through. note: a few words to show after the numbers; amount: units done, when
        the speed is counted in something else than the things themselves (sentences where the loop counts batches)."""
        self.done = done
        self.amount = done - self.started if amount is None else amount
        if note is not None:
            self.note = note
        now = self.clock()
        if now - self.drawn >= self.interval:
            self._draw(now)

    def say(self, text):
        """A line of its own that stays; the bar moves on below it."""
        self._wipe()
        _print(text, self.stream)
        if self.on_terminal:
            self._draw(self.clock())

    def close(self):
        """Show the last state and leave it standing."""
        if self.done > self.started and self.shown != self.done:
            self._draw(self.clock())
        if self.width_drawn:
            _print("", self.stream)
            self.width_drawn = 0

    def _draw(self, now):
        self.drawn, self.shown = now, self.done
        text = self._text(now)
        if not self.on_terminal:
            _print(text, self.stream)
            return
        columns = _columns(self.stream)
        room = columns - len(text) - 4
        if room >= 10:
            filled = round(min(room, 30) * min(self.done / self.total, 1.0))
            text = "[" + "#" * filled + "." * (min(room, 30) - filled) + "] " + text
        text = text[: columns - 1]
        _print("\r" + text.ljust(self.width_drawn), self.stream, end="")
        self.width_drawn = len(text)

    def _wipe(self):
        if self.width_drawn:
            _print("\r" + " " * self.width_drawn + "\r", self.stream, end="")
            self.width_drawn = 0

    def _text(self, now):
        elapsed, done = now - self.began, self.done - self.started
        parts = [f"{self.label} {self.done}/{self.total}"]
        if self.note:
            parts.append(self.note)
        if done > 0 and elapsed > 0:
            if self.unit:
                speed = self.amount / elapsed
                parts.append(f"{speed:,.0f} {self.unit}s/s" if speed >= 10 else f"{speed:.1f} {self.unit}s/s")
            left = (self.total - self.done) * elapsed / done
            parts.append(f"{format_duration(left)} left" if left > 0 else f"took {format_duration(elapsed)}")
        return ", ".join(parts)


def counted(label, unit="", interval=10.0):
    """A function for work that calls progress(done, total): it shows a Progress, closed when done reaches total."""
    shown = []

    def progress(done, total):
        if not shown:
            shown.append(Progress(total, label, unit, interval=interval))
        shown[0].update(done)
        if done >= total:
            shown.pop().close()

    return progress


def _columns(stream):
    """Width of the terminal behind `stream` (80 when nobody knows)."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
