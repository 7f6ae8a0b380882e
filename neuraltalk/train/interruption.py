"""Ctrl-C that lets the iteration finish, so that the state which is saved is whole."""

import contextlib
import signal
import threading


class Flag:
    """False until a signal came; `number` is the signal's."""

    number = None

    def __bool__(self):
        return self.number is not None


@contextlib.contextmanager
def interruption():
    """In the block Ctrl-C and a termination signal only raise the Flag that is yielded; a second Ctrl-C ends it."""
    flag, before = Flag(), {}

    def raise_flag(number, frame):
        flag.number = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, raise_flag)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
