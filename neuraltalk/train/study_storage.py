"""Where a sweep's study is kept: a file that workers on any machines append to, or a database.

The file is Optuna's journal, a JSON object a line. A writer locks it by a file beside it.
"""

import contextlib
import os
import pathlib

import optuna
from optuna.exceptions import OptunaError
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from neuraltalk.errors import UserError

GRACE = 10  # seconds after which a journal's lock counts as left behind
JOURNAL = b'{"op_code":'  # how Optuna's journals begin


def open_storage(storage, create):
    """Optuna's storage for the path of a file or the URL of a database; create False: it has to be there.

    Raises Absent if it isn't, UserError if it is something else.
    """
    if "://" in storage:
        kind, _, place = storage.partition("://")
        if kind.startswith("sqlite") and place.strip("/") not in ("", ":memory:"):
            path = pathlib.Path(place[1:].partition("?")[0])
            if not create and not path.exists():
                raise Absent(f"{storage}: no such file; start a sweep there first, or name the storage of one")
            path.parent.mkdir(parents=True, exist_ok=True)
            return optuna.storages.RDBStorage(storage, engine_kwargs={"connect_args": {"timeout": 60}})
        if kind.startswith("sqlite"):
            raise UserError(f"{storage}: nobody else could see it; give a file, as in sqlite:///cv/sweep.db")
        return optuna.storages.get_storage(storage)
    path = pathlib.Path(storage).resolve()
    if not create and not path.exists():
        raise Absent(f"{storage}: no such file; start a sweep there first, or name the storage of one by --storage")
    if path.exists():
        with open(path, "rb") as file:
            head = file.read(len(JOURNAL))
        if head != JOURNAL[: len(head)]:
            raise UserError(f"{storage}: is a file of something else; name one that isn't there yet, or a sweep's")
    path.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(JournalFileBackend(str(path), JournalLock(str(path))))


class Absent(UserError):
    """A storage, or a sweep in it, that should be there and isn't."""


class JournalLock(JournalFileOpenLock):
    """The lock of whoever writes into a journal, a file beside it: that works on network file systems too.

    A writer that died may have left the lock, which is broken after a while, and half a line, which the next line would be
    glued to: it is taken away first.
    """

    def __init__(self, path):
        super().__init__(path, grace_period=GRACE)
        self.path = path

    def acquire(self):
        super().acquire()
        try:
            drop_half_line(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self):
        with contextlib.suppress(RuntimeError):  # it was so slow that another writer took the lock for a dead one's
            super().release()


def drop_half_line(path):
    """Cut a file behind its last line end."""
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        end = size
        while end > 0:  # the last line end, from behind
            begin = max(0, end - 65536)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                file.truncate(begin + found + 1)
                return
            end = begin
        file.truncate(0)


def storage_faults():
    """The exceptions of a storage that can't be reached."""
    from sqlalchemy.exc import SQLAlchemyError

    return OptunaError, SQLAlchemyError


@contextlib.contextmanager
def telling_storage_faults(storage):
    """In the block, a storage that can't be opened is told in one line."""
    try:
        yield
    except (*storage_faults(), OSError, ImportError, ValueError, LookupError, TypeError, AssertionError, AttributeError) as fault:
        raise UserError(
            f"{hidden_password(storage)}: can't be used as the sweep's storage ({first_line(fault)}); give the path of a file, or "
            "the URL of a database as Optuna takes it"
        ) from None


def first_line(fault):
    """What an exception says, in short."""
    lines = str(fault).strip().splitlines() or [""]
    return lines[0][:200] or type(fault).__name__


def hidden_password(storage):
    """A URL as it may be shown.

    >>> hidden_password("postgresql://me:secret@host/db"), hidden_password("cv/sweep/journal")
    ('postgresql://me:***@host/db', 'cv/sweep/journal')
    """
    kind, mark, place = storage.partition("://")
    account, at, rest = place.rpartition("@")
    if not mark or not at or ":" not in account:
        return storage
    return f"{kind}://{account.partition(':')[0]}:***@{rest}"
