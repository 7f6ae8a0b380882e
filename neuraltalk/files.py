"""Files are written beside their target and renamed: a reader sees the old file or the new one, never a part."""

import contextlib
import json
import os
import pathlib
import tempfile


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
    """The same for writers that want a name: the block gets that of an empty file beside `path`, and leaves it closed."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


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
