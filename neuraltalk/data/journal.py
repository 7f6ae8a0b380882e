"""A journal: finished pieces of long work in one growing file, which a kill at any instant can't spoil.

    file      RECORD RECORD RECORD ...
    RECORD    length of the key, length of the value, CRC-32 of both   three 32-bit numbers, the least byte first
              key (UTF-8), value (bytes)

Records are only ever added. A kill, or a power cut, can leave half a record at the end; `open_journal` finds it by its
length or checksum and cuts it off. Values stay in the file, only where they lie is remembered: 100 bytes a record.
"""

import contextlib
import os
import pathlib
import struct
import time
import zlib

_HEAD = struct.Struct("<III")
SYNC_SECONDS = 5.0  # so much work may a power cut undo; a killed process loses none


class Journal:
    """The records of the file `path` by their keys; a key's last record counts."""

    def __init__(self, path):
        """Open the file, made if it isn't there, and cut off an unfinished record."""
        self.path = pathlib.Path(path)
        self._file = open(self.path, "a+b")
        self._places = {}  # key -> offset, length of the value
        size = self._file.seek(0, os.SEEK_END)
        end = 0
        self._file.seek(0)
        while (record := self._read_record(size)) is not None:
            key, value = record
            end = self._file.tell()
            self._places[key] = (end - len(value), len(value))
        self._file.truncate(end)
        self._synced = time.monotonic()

    def _read_record(self, size):
        """The (key, value) at the file's place; None if no whole record is left."""
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        key_length, value_length, checksum = _HEAD.unpack(head)
        if key_length == 0:  # the zeros that some file systems leave after a power cut would be records otherwise
            return None
        if self._file.tell() + key_length + value_length > size:
            return None
        data = self._file.read(key_length + value_length)
        if zlib.crc32(data) != checksum:
            return None
        try:
            return data[:key_length].decode("utf-8"), data[key_length:]
        except UnicodeDecodeError:  # nobody's record
            return None

    def __contains__(self, key):
        return key in self._places

    def __len__(self):
        return len(self._places)

    def __getitem__(self, key):
        """The value of a key, bytes."""
        offset, length = self._places[key]
        self._file.seek(offset)
        return self._file.read(length)

    def add(self, key, value):
        """Add a record at the end. It is with the operating system when this returns. An OSError names the file."""
        try:
            self._add(key, value)
        except OSError as fault:
            fault.filename = str(self.path)
            raise

    def _add(self, key, value):
        key_bytes = key.encode("utf-8")
        data = key_bytes + value
        self._file.seek(0, os.SEEK_END)
        self._file.write(_HEAD.pack(len(key_bytes), len(value), zlib.crc32(data)) + data)
        self._file.flush()
        self._places[key] = (self._file.tell() - len(value), len(value))
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self):
        with contextlib.suppress(OSError):  # what couldn't be written, add() has told
            self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
