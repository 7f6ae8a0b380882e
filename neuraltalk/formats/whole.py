"""Files that are read as a whole: bytes, text, JSON."""

import json
import os
import stat

from neuraltalk.errors import UserError


def read_whole(path):
    """A file's bytes. Raises UserError if it can't be read, is a device, which has no end, or doesn't fit into memory."""
    try:
        with open(path, "rb") as file:
            if stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
                raise UserError(f"{path}: can't be read: a device, not a file")
            return file.read()
    except OSError as fault:
        raise UserError(f"{path}: can't be read: {fault.strerror or fault}") from None
    except MemoryError:
        raise UserError(f"{path}: can't be read: too large for this machine's memory") from None


def read_text(path):
    """The text of a file in UTF-8, a byte order mark left out. Raises UserError as above, or if it is in another encoding."""
    data = read_whole(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"not UTF-8 (byte {fault.start})"
        raise UserError(f"{path}: is {kind}; save it as UTF-8") from None


def read_json(path):
    """Parse a JSON file, or raise UserError saying where it fails.

    COCO has 6.5 million tokens of 30 thousand words: keeping one copy of each word saves 400 MB.
    """
    text = read_text(path)
    words = {}

    def share_words(record):
        tokens = record.get("tokens")
        if isinstance(tokens, list) and set(map(type, tokens)) <= {str}:
            record["tokens"] = list(map(words.setdefault, tokens, tokens))
        return record

    try:
        return json.loads(text, object_hook=share_words)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets nested thousands deep
        raise UserError(f"{path}: not usable JSON: {error!s:.100}") from None
