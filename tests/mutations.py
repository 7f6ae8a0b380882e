"""Damaging files, at random but repeatably: bytes, what is inside of packed formats, and the values of JSON and pickles.

rng    a random.Random: the same one gives the same damage
"""

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib

import numpy as np

NUMBERS = (
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
LONGEST = 1 << 22  # bytes of what is made


def mutate(rng, data, others):
    """Damaged bytes of a file; others: more files of the kind, to be spliced in."""
    inside = rng.random()
    if inside < 0.4:
        packed = _inside(rng, data, others)
        if packed is not None:
            return packed[:LONGEST]
    if inside > 0.5 and data[:1] in b"[{":
        return mutate_json(rng, data)
    if inside > 0.6 and data[:1] == b"\x80":
        return mutate_pickle(rng, data)
    return mutate_bytes(rng, data, others)[:LONGEST]


# ---- bytes


def mutate_bytes(rng, data, others=()):
    """One to eight edits of bytes: flips, fields of lengths, cuts, insertions, repetitions, splices."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        place, what = _place(rng, len(data)), rng.random()
        if what < 0.25:
            data[place : place + 1] = bytes([rng.randrange(256)])
        elif what < 0.35:
            data[place : place + 1] = bytes([(data[place] if place < len(data) else 0) ^ 1 << rng.randrange(8)])
        elif what < 0.6:
            layout = rng.choice("BHIQ")
            value = rng.choice((*NUMBERS, len(data), max(0, len(data) - place), rng.getrandbits(16)))
            field = struct.pack(rng.choice("<>") + layout, value & (1 << 8 * struct.calcsize(layout)) - 1)
            data[place : place + len(field)] = field
        elif what < 0.7:
            del data[place : place + rng.choice((1, 2, 4, 8, 20, 100, 1000))]
        elif what < 0.8:
            data[place:place] = rng.choice(
                (rng.randbytes(rng.randint(1, 9)), bytes(rng.choice((1, 4, 64, 4096))), b"\xff" * rng.randint(1, 16))
            )
        elif what < 0.87:
            del data[place:]
        elif what < 0.94:
            size = rng.choice((1, 8, 64, 512, 4096))
            data[place:place] = data[place : place + size] * rng.choice((1, 1, 2, 50))
        else:
            other = rng.choice(others) if others else bytes(data)
            start = _place(rng, len(other))
            data[place : place + rng.choice((0, 16, 256, 10**9))] = other[start : start + rng.choice((4, 64, 1024, 10**9))]
        del data[LONGEST:]
    return bytes(data)


def _place(rng, size):
    """A place in a file: half of them near its ends, where headers and tables are."""
    if size < 2:
        return 0
    what = rng.random()
    return rng.randrange(min(size, 600)) if what < 0.4 else size - 1 - rng.randrange(min(size, 600)) if what < 0.5 else rng.randrange(size)


# ---- inside of packed formats: damaged there, and packed again with a checksum that fits


def _inside(rng, data, others):
    """Bytes with damage inside; None if the format isn't a packed one."""
    try:
        if data.startswith(b"PK\3\4"):
            return _inside_zip(rng, data)
        if data.startswith(b"\x1f\x8b"):
            return gzip.compress(mutate_bytes(rng, gzip.decompress(data)), 1, mtime=0)
        if data.startswith(b"\x89PNG"):
            return _inside_png(rng, data)
        if data[124:128] == b"\0\1IM" and data[128:129] == b"\x0f":
            return _inside_matlab(rng, data)
    except Exception:  # it was damaged before
        return None
    return None


def _inside_zip(rng, data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    for _ in range(rng.choice((1, 1, 2))):
        k = rng.randrange(len(members))
        name, content = members[k]
        what = rng.random()
        if what < 0.7:
            members[k] = name, mutate_pickle(rng, content) if content[:1] == b"\x80" and rng.random() < 0.3 else mutate_bytes(rng, content)
        elif what < 0.8:
            members[k] = name, bytes(rng.choice((1 << 20, 1 << 22)))
        elif what < 0.87 and len(members) > 1:
            del members[k]
        elif what < 0.94:
            members[k] = rng.choice(members)[0] + rng.choice(("", "", "x", "/")), content
        else:
            members[k] = name, rng.choice(members)[1]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name in dict(members):  # each name once
            archive.writestr(zipfile.ZipInfo(name), dict(members)[name], archive.compression)
    return file.getvalue()


def _inside_png(rng, data):
    chunks, position = [], 8
    while position < len(data):
        (size,) = struct.unpack(">I", data[position : position + 4])
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + size]))
        position += 12 + size
    k = rng.choice((0, 0, rng.randrange(len(chunks))))
    kind, content = chunks[k]
    if kind == b"IDAT" and rng.random() < 0.5:
        content = zlib.compress(mutate_bytes(rng, zlib.decompress(content)), 1)
    else:
        content = mutate_bytes(rng, content)
    chunks[k] = kind, content
    if rng.random() < 0.3:
        chunks.insert(
            rng.randrange(len(chunks)),
            (rng.choice((b"tEXt", b"zTXt", b"iCCP", b"eXIf", b"PLTE", b"tRNS", b"acTL", b"fdAT")), rng.randbytes(rng.randint(0, 60))),
        )
    return data[:8] + b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)


def _inside_matlab(rng, data):
    elements, position = [], 128
    while position < len(data):
        kind, size = struct.unpack("<II", data[position : position + 8])
        elements.append((kind, data[position + 8 : position + 8 + size]))
        position += 8 + size
    k = rng.randrange(len(elements))
    kind, content = elements[k]
    elements[k] = kind, zlib.compress(mutate_bytes(rng, zlib.decompress(content)), 1)
    return data[:128] + b"".join(struct.pack("<II", kind, len(content)) + content for kind, content in elements)


# ---- values


def strange(rng):
    """A value that nobody expects, as JSON can spell it."""
    return rng.choice(
        (
            None,
            True,
            False,
            0,
            -1,
            1,
            3,
            2**31,
            2**63,
            -(2**63),
            10**400,
            0.5,
            -0.0,
            1e308,
            -1e308,
            1e-320,
            float("inf"),
            float("nan"),
            "",
            "x",
            "0",
            "\0",
            "\ud800",
            "../../x",
            "/etc/passwd",
            "\x1b[2J\n",
            "<b>",
            "x" * 100_000,
            "é" * 300,
            [],
            {},
            [[]],
            [None],
            [0, 0],
            [[1, 2], [3]],
            {"": 0},
            {"a": {}},
            [1e308] * 4,
            [float("nan")] * 4,
            [[[[[]]]]],
            [0] * 1000,
            nested(100),
            nested(600),
        )
    )


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def mutate_value(rng, value, strange=strange):
    """The value with one to three edits anywhere inside: other types, keys removed, renamed or added, items repeated."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = []
        node = value
        while isinstance(node, (dict, list)) and node and (not path or rng.random() < 0.8):
            key = rng.choice(list(node)) if isinstance(node, dict) else rng.choice((0, len(node) - 1, rng.randrange(len(node))))
            path.append((node, key))
            node = node[key]
        if not path:
            value = strange(rng)
            continue
        parent, key = path[-1]
        what = rng.random()
        if what < 0.55:
            parent[key] = strange(rng)
        elif what < 0.75:
            del parent[key]
        elif what < 0.8:
            parent[key] = [parent[key]]
        elif what < 0.9 and isinstance(parent, dict):
            parent[rng.choice(("x", "", "\0", "model", "history", "0"))] = parent.pop(key)
        elif isinstance(parent, list):
            parent[key:key] = [parent[key]] * rng.choice((1, 2, 50))
        else:
            other = rng.choice(path)
            parent[key] = other[0][other[1]] if other[0] is not parent else strange(rng)
            if contains(parent[key], parent):
                parent[key] = strange(rng)
    return value


def contains(value, part):
    """Whether a value has `part` inside: a value must not come to contain itself."""
    if value is part:
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(contains(item, part) for item in items)


def mutate_json(rng, data):
    """A JSON document with edits of its values."""
    try:
        value = mutate_value(rng, json.loads(data))
        text = json.dumps(value, ensure_ascii=rng.random() < 0.5, default=str)
        if rng.random() < 0.1:
            place, piece = (
                rng.randrange(len(text)),
                rng.choice(("[" * 100_000, "9" * 5000, "1e999", "NaN", '"\\ud800"', "{" * 3000, '"a":1,' * 1000)),
            )
            text = text[:place] + piece + text[place:]
        return text.encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return mutate_bytes(rng, data)


def strange_in_pickle(rng):
    """The same for pickles, which hold arrays as well."""
    array = rng.choice(
        (
            np.zeros(0),
            np.zeros((0, 3)),
            np.ones(3),
            np.ones((2, 3), "f4"),
            np.full((5, 5), np.nan),
            np.full((4, 5), 1e300),
            np.float64(2.5),
            np.arange(5),
            np.zeros((2, 2, 2)),
            np.array(True),
            np.full((3, 3), np.inf, "f2"),
            np.zeros((1, 100_000), "f4"),
            b"bytes",
            (1, 2),
            2.5,
        )
    )
    return array if rng.random() < 0.5 else strange(rng)


def mutate_pickle(rng, data):
    """A pickle of plain values with edits of them."""
    try:
        value = mutate_value(rng, pickle.loads(data), strange_in_pickle)
        for place in _arrays(value)[: rng.choice((0, 0, 1))]:
            parent, key = place
            parent[key] = _mutate_array(rng, parent[key])
        return pickle.dumps(value, rng.randrange(pickle.HIGHEST_PROTOCOL + 1))
    except Exception:  # one of torch's or so, which can't be read here
        return mutate_bytes(rng, data)


def _arrays(value):
    """(parent, key) of the arrays in a value."""
    found, waiting = [], [value]
    while waiting and len(found) < 1000:
        node = waiting.pop()
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            if isinstance(node[key], np.ndarray):
                found.append((node, key))
            elif isinstance(node[key], (dict, list)):
                waiting.append(node[key])
    return found


def _mutate_array(rng, array):
    """Another shape, type, or a number that none should be."""
    what = rng.randrange(6)
    if what == 0:
        return array.T.copy()
    if what == 1:
        return array[:-1]
    if what == 2:
        return array.astype(rng.choice(("f8", "f2", "i4", "u1", "?")))
    if what == 3:
        return array * rng.choice((0, 1e30, -1e30, 1e300))
    if what == 4:
        return array.ravel()
    array = array.astype("f8")
    if array.size:
        array.flat[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, 1e300))
    return array
