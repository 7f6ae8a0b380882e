"""Commands that an MPI launcher may start several times: one of them talks, and one that fails ends all."""

import contextlib
import functools
import io
import traceback

from neuraltalk.cli import console
from neuraltalk.ranks import launched, world

REMEMBERED = 10_000  # characters of what a silent process said last


def on_ranks(command):
    """Decorator of a console.command that works under `mpiexec -n 4` too, as one of ranks.world().

    Only rank 0 is heard. If a rank fails, all end, with its exit code and one telling of why: that of the lowest rank that
    failed.
    """

    @functools.wraps(command)
    def wrapped(argv=None):
        if launched()[0] == 1:
            return command(argv)
        ranks, code = join()
        if ranks is None:
            return code
        with silent(ranks.rank > 0) as said:
            try:
                code = command(argv)
            except Exception:
                code = 1
                said.write(traceback.format_exc())
        if code:
            ranks.failed(code, said.last())
        ranks.wait()  # another may fail yet
        return code

    return wrapped


def join():
    """The ranks.world() and 0, or None and an exit code after an error message."""
    found = []

    @console.command
    def main(argv):
        found.append(world())

    with silent(launched()[1] > 0):
        code = main()
    return (found[0] if found else None), code


@contextlib.contextmanager
def silent(wanted):
    """Nothing that is printed in the block is seen, if `wanted`; yields a Remembered that hears stderr."""
    said = Remembered()
    if not wanted:
        yield said
        return
    with contextlib.redirect_stdout(Remembered()), contextlib.redirect_stderr(said):
        yield said


class Remembered(io.TextIOBase):
    """Takes any text and keeps the end of it."""

    text = ""

    def write(self, text):
        self.text = (self.text + text)[-REMEMBERED:]
        return len(text)

    def last(self):
        """What was said last: a traceback, an error message, or else a line."""
        text = "\n" + self.text.rstrip()
        start = max(text.rfind("\nTraceback (most recent"), text.rfind("\nerror: "))
        return text[1 + (start if start >= 0 else text.rfind("\n")) :]
