"""Files are written beside their target and renamed: a reader sees the old file or the new one, never a part.

    .NAME.xxxxxxxx.unfinished   what is being written, locked by its writer; without a living writer it is removed by the next
                                process that writes into the folder
    .NAME.xxxxxxxx.removed      a folder on its way out, which anybody may remove
    .NAME.xxxxxxxx.building     a folder that is being made, by whoever has the folder's lock
    .NAME.lock                  held by the one process that may write NAME; says which

Locks are the operating system's, so they end with their process, however that ends: a file that a kill left behind holds
nobody up. Where a file system knows no locks there are none, and what is unfinished is left alone.
"""

import contextlib
import functools
import glob
import json
import os
import pathlib
import platform
import re
import shutil
import tempfile
import time

from neuraltalk.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

UNFINISHED, REMOVED, BUILDING = ".unfinished", ".removed", ".building"
_LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}(\.unfinished|\.removed)")  # mkstemp's eight letters
_WAIT = 0.2  # seconds between looks at a lock that somebody else has
_FAR = 1 << 20  # where Windows locks a byte: a locked one can't be read


# Whole files


@contextlib.contextmanager
def write_atomically(path):
    """Open a binary file that takes the place of `path` when the block ends without an error.

    The bytes are on the disk before the rename, so neither a kill nor a power cut leaves half a file. On an error the
    temporary file is removed and `path` stays as it was. Missing parent folders are made.
    """
    with replaced(path) as temporary, open(temporary, "wb") as file:
        yield file


@contextlib.contextmanager
def replaced(path):
    """The same for writers that want a name: the block gets that of an empty file beside `path`, and leaves it closed.

    An OSError, a full disk for one, names `path`.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    descriptor = temporary = None
    try:
        descriptor, temporary = _new_file(path)
        yield temporary
        os.fsync(descriptor)
        os.chmod(temporary, 0o666 & ~umask())
        if fcntl is None:  # Windows renames no open file
            os.close(descriptor)
            descriptor = None
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as fault:
        if isinstance(fault, OSError) and fault.errno and fault.filename in (None, temporary):
            fault.filename = str(path)
        if descriptor is not None:
            os.close(descriptor)
            descriptor = None
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _new_file(path):
    """A new, locked file beside `path` -> descriptor, name."""
    while True:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
        if fcntl is not None:
            _lock(descriptor, wait=True)
        if _is_at(descriptor, temporary):
            return descriptor, temporary
        os.close(descriptor)  # somebody took it for a leftover before it was locked


def _sync_folder(folder):
    """Have a rename on the disk, too."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def umask():
    """The process's file mode mask (mkstemp ignores it and makes files private)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path, text):
    """Write `text` to `path` as UTF-8, atomically."""
    with write_atomically(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path, value, indent=None):
    """Write `value` to `path` as JSON in UTF-8, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=indent))


def copy_file(source, target):
    """Let `target` have the content of `source`, too. Raises FileNotFoundError if there is no `source`."""
    with open(source, "rb") as reading, write_atomically(target) as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


def remove_folder(folder):
    """Remove a folder and what is in it. At no instant is a part of it there under its name."""
    folder = pathlib.Path(folder)
    remove_leftovers(folder.parent)
    if not folder.is_dir():
        return
    place = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=REMOVED))
    os.replace(folder, place / folder.name)
    shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def replaced_folder(folder):
    """Make a folder that takes the place of `folder` when the block ends without an error; the block gets an empty one.

    The caller has the lock lock_beside(folder). Killed between two renames at the end, this leaves no `folder` at all.
    """
    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent)
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.????????{BUILDING}"):
        shutil.rmtree(left, ignore_errors=True)
    building = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=BUILDING))
    try:
        yield building
        os.chmod(building, 0o777 & ~umask())
        aside = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=REMOVED))
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder, aside / folder.name)
        os.replace(building, folder)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)


# What a kill left behind


def remove_leftovers(folder):
    """Remove what killed writers left in a folder; each process looks once. What somebody is writing stays."""
    _remove_leftovers(os.path.abspath(folder))


@functools.cache
def _remove_leftovers(folder):
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            kind = _LEFTOVER.fullmatch(entry.name)
            if kind is None:
                continue
            if kind[1] == REMOVED:
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.is_file(follow_symlinks=False):
                _remove_if_dead(entry.path)


def _remove_if_dead(path):
    with contextlib.suppress(OSError):
        if fcntl is None:
            os.unlink(path)  # Windows refuses this for a file that somebody has open
            return
        descriptor = os.open(path, os.O_RDWR)
        try:
            if _lock(descriptor):
                os.unlink(path)  # still locked: its writer, if it is just beginning, looks whether it is there
        finally:
            os.close(descriptor)


# One writer


def lock_beside(path):
    """The lock file of a file, or of a folder that is replaced as a whole."""
    path = pathlib.Path(path)
    return path.with_name(f".{path.name}.lock")


def lock_inside(folder):
    """The lock file of a folder whose files are written one by one."""
    return pathlib.Path(folder) / ".neuraltalk.lock"


@contextlib.contextmanager
def locked(lock, about, remedy="", waiting=None):
    """Hold a lock file, made if need be, during the block.

    about    what it protects, and remedy: what else one can do, for the message
    waiting  None: raise UserError if another process has it; else called with a line, once, before waiting for it
    """
    lock, told = pathlib.Path(lock), False
    folder_is_new = not lock.parent.is_dir()
    lock.parent.mkdir(parents=True, exist_ok=True)
    while (descriptor := _open_lock(lock)) is None:
        if waiting is None:
            raise UserError(f"{about}: {_holder(lock)} is writing there; {remedy}")
        if not told:
            waiting(f"{about}: {_holder(lock)} is writing there, waiting for it")
            told = True
        time.sleep(_WAIT)
    try:
        yield
    finally:
        if fcntl is None:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(lock)
        if fcntl is not None:  # only now: whoever gets the lock of a removed file looks, and opens another
            os.close(descriptor)
        if folder_is_new:
            with contextlib.suppress(OSError):  # only if nothing came into it
                lock.parent.rmdir()


def _open_lock(lock):
    """Open and lock a lock file, and write into it who has it -> descriptor; None if another process has it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        if _lock(descriptor) is False:
            os.close(descriptor)
            return None
        if _is_at(descriptor, lock):
            break
        os.close(descriptor)  # its last holder has just removed it
    with contextlib.suppress(OSError):  # a full disk: then nobody knows who has it
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node() or 'this machine'}".encode())
    return descriptor


def _holder(lock):
    """Who has a lock, by what it wrote there."""
    with contextlib.suppress(OSError):
        with open(lock, "rb") as file:
            text = file.read(300).decode("utf-8", "replace")
        if text.startswith("process ") and text.isprintable():
            return text
    return "another process"


def _is_at(descriptor, path):
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(descriptor, wait=False):
    """Lock an open file -> True; False if another process has it (unless wait); None if that can't be known here."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        else:
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    except BlockingIOError:
        return False
    except PermissionError:
        return False if fcntl is None else None
    except OSError:
        return None
