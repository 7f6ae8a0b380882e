"""Fetching one large file: resumed after an interruption, checked by size and SHA-256, put in its place at the end.

What has come so far is NAME.part; beside it NAME.part.json says from where, and the mark (ETag) of the version, by which
the server decides whether the rest still belongs to it. Without such a mark a part is continued only if a SHA-256 will
tell in the end whether it was right.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import shutil
import time

from neuraltalk import files
from neuraltalk.errors import UserError
from neuraltalk.vision.weights import web

BLOCK = 1 << 18
RETRIES = 4  # in a row without a byte gained
PAUSE = 1.0  # seconds before the first retry; twice as long before each further one


class Interrupted(Exception):
    """The connection ended before the file did."""


def fetch(address, target, sha256="", access=None, progress=None):
    """Fetch `address` to the path `target`; returns its SHA-256.

    sha256: what it has to be, in hex; a prefix will do (torchvision publishes eight digits, in the file's name).
    progress(done, total): called with bytes; total is None if the server doesn't tell.
    Raises UserError if it can't be reached, ends early (what has come is kept), if the disk is full, or if the file
    isn't the one that was meant (it is removed then), or if another process is fetching it.
    """
    target = pathlib.Path(target)
    with files.locked(files.lock_beside(target), target, "wait until it has come"):
        return _fetch(address, target, sha256, access, progress)


def _fetch(address, target, sha256, access, progress):
    part = target.with_name(target.name + ".part")
    idle, before = 0, -1
    while True:
        try:
            digest = _fetch_rest(address, part, sha256, access, progress)
            break
        except (Interrupted, *web.FAULTS) as fault:
            refused = getattr(fault, "code", 0) in range(400, 500)
            have = part.stat().st_size if part.exists() else 0
            idle = 0 if have > before else idle + 1
            before = have
            if refused or idle >= RETRIES or not isinstance(fault, Interrupted) and have == 0:
                kept = f"; {have:,} bytes are kept, the same command continues from there" if have else ""
                raise UserError(f"{web.shown(address)}: {web.told(fault)}{kept}") from None
            time.sleep(PAUSE * 2**idle)
    if not digest.startswith(sha256.lower()):
        size = part.stat().st_size
        _remove(part)
        raise UserError(
            f"{web.shown(address)}: not the file that was meant: SHA-256 {digest[:16]}... of {size:,} bytes instead of "
            f"{sha256[:16]}...; it was removed. Try again, or another address"
        )
    os.replace(part, target)
    _remove(part)
    return digest


def _fetch_rest(address, part, sha256, access, progress):
    """Fetch what is missing of `part` -> SHA-256 of the whole. Raises Interrupted if the connection ends early."""
    have, headers = _continuation(address, part, sha256)
    try:
        response = web.open_address(address, headers, access)
    except OSError as fault:
        if getattr(fault, "code", None) != 416:  # the part is as long as the file, or longer
            raise
        _remove(part)
        have, response = 0, web.open_address(address, (), access)
    with response:
        if have and not _continues(response, have):
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        _check_room(part, total, have)
        digest = hashlib.sha256()
        with _faults_of_the_disk(part), open(part, "r+b" if have else "wb") as file:
            files.write_json(_record(part), {"address": web.shown(address), "mark": _mark(response)})
            while file.tell() < have:
                digest.update(file.read(min(BLOCK, have - file.tell())))
            while block := response.read(BLOCK):
                file.write(block)
                digest.update(block)
                have += len(block)
                if progress is not None:
                    progress(have, total)
            file.flush()
            os.fsync(file.fileno())  # it gets its name next
    if total is not None and have < total:
        raise Interrupted(f"the connection ended after {have:,} of {total:,} bytes")
    return digest.hexdigest()


def _continuation(address, part, sha256):
    """How many bytes of `part` can stay, and the headers that ask for the rest."""
    try:
        have = part.stat().st_size
        record = json.loads(_record(part).read_text(encoding="utf-8"))
        mark = str(record["mark"])
        usable = record["address"] == web.shown(address) and (mark or sha256)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return 0, ()
    if not have or not usable or not (mark.isprintable() and mark.isascii()):
        return 0, ()
    return have, (("Range", f"bytes={have}-"), *([("If-Range", mark)] if mark else []))


def _continues(response, have):
    """Whether a response is the rest from byte `have` on; a server may send all of it again instead."""
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _mark(response):
    """What tells versions of a file apart: a strong ETag, or the time of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _record(part):
    return part.with_name(part.name + ".json")


def _remove(part):
    for path in (part, _record(part)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _check_room(part, total, have):
    free = shutil.disk_usage(part.parent).free
    if total is not None and free < total - have:
        raise UserError(
            f"{part.parent}: {free / 1e6:,.0f} MB are free, {(total - have) / 1e6:,.0f} MB are needed; make room, or set "
            "NEURALTALK_CACHE to a folder elsewhere"
        )


@contextlib.contextmanager
def _faults_of_the_disk(part):
    """Tell them apart from those of the network, after which another try makes sense."""
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise UserError(
                f"{part}: the disk is full; what has come is kept. Make room and give the same command again, or set "
                "NEURALTALK_CACHE to a folder elsewhere"
            ) from None
        if fault.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EIO, errno.EISDIR):
            raise UserError(f"{part}: can't be written ({fault.strerror})") from None
        raise
