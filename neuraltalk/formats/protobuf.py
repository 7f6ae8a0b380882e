"""The wire format of protocol buffers: a message is a row of fields, each a number, a kind and a value.

    varint      integers, 7 bits a byte, lowest first; the highest bit says that more follows
    field       varint (number << 3 | kind); kind 0: a varint, 1: 8 bytes, 5: 4 bytes, 2: a length and so many bytes

What a field means, its number says, by a schema that isn't in the file. Fields of kind 2 are given as places in the file:
texts, packed numbers or messages again, for the caller to read or to pass over.
"""

import os
from typing import NamedTuple

MAX_FIELDS = 20_000


class Span(NamedTuple):
    """Bytes of the file."""

    start: int
    stop: int


class Wire:
    """Reads messages from an open file."""

    def __init__(self, file):
        self.file = file
        self.everything = Span(0, file.seek(0, os.SEEK_END))
        self.left = MAX_FIELDS

    def fields(self, span):
        """The fields of a message: yields (number, value), an int or a Span. Raises ValueError for nonsense."""
        position = span.start
        while position < span.stop:
            self.left -= 1
            if self.left < 0:
                raise ValueError(f"more than {MAX_FIELDS} fields")
            self.file.seek(position)
            head = self.file.read(min(20, span.stop - position))
            tag, size = varint(head, 0)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                value, size = varint(head, size)
                position += size
            elif kind == 2:
                length, size = varint(head, size)
                value = Span(position + size, position + size + length)
                position = value.stop
            elif kind in (1, 5):
                value = Span(position + size, position + size + (8 if kind == 1 else 4))
                position = value.stop
            else:
                raise ValueError(f"a field of kind {kind}")
            if position > span.stop:
                raise ValueError(f"byte {span.start} and on: a field reaches beyond its message")
            yield number, value

    def bytes(self, span, limit):
        """What a span of at most `limit` bytes holds."""
        if span.stop - span.start > limit:
            raise ValueError(f"{span.stop - span.start} bytes where at most {limit} should be")
        self.file.seek(span.start)
        return self.file.read(span.stop - span.start)


def varint(data, position):
    """The varint at a position -> its value, the position after it."""
    value = 0
    for k, byte in enumerate(data[position : position + 10]):
        value |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            return value, position + k + 1
    raise ValueError("a number that doesn't end")
