"""Reads pickles without running anything: arrays, containers, numbers and strings, and nothing else.

A pickle is a program for a small stack machine. Python's own machine has instructions that import any function and
call it, so whoever wrote the file could run anything here. Ours (pickle_machine.py) has no instruction that imports: the
name of a function is only compared with a short list (`PLAIN` at the end), and what stands there is done by a few
lines here. Whatever else a file asks for is refused, by name, in one line. A kind of file that needs other names brings
a Dialect of its own.
"""

import struct
import warnings

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_whole
from neuraltalk.pickles.pickle_machine import (
    EMPTY_SET,
    Dialect,
    Machine,
    Name,
    Python2String,
    Refused,
    StandIn,
    as_text,
    refuse_name,
    shown,
)

MAX_DEPTH = 50
MAX_SIDES = 8  # dimensions of an array
MOST_REPEATED = 1 << 26  # letters of a value that are there more than once
ARRAY_SHOWN = 1000  # letters; NumPy shortens what is longer

# Element types that an array may have: booleans, integers, floats. Never "O", whose elements are Python objects.
_ELEMENTS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


def load_pickle(path):
    """Read a pickle file of plain values.

    Returns what the file holds: None, bool, int, float, str, bytes, list, tuple, dict, set and NumPy arrays (in native
    byte order, C-contiguous, writable). NumPy scalars become Python numbers; defaultdict and OrderedDict become dict.
    Raises UserError for a file that is missing, damaged, no pickle, or that asks for anything else.
    """
    return loads(read_whole(path), path)


def loads(data, path="pickle", dialect=None):
    """The same for bytes; `path` names them in errors; dialect: what they may contain, PLAIN by default."""
    return load_next(data, 0, path, dialect)[0]


def load_next(data, position, path, dialect=None):
    """The same for a pickle that begins within `data`, at `position` -> what it holds, the position after it."""
    machine = Machine(data, dialect or PLAIN, position)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes and digits in a damaged file: they are refused or harmless
            return _Finisher(len(data)).finish(machine.run())[0], machine.position
    except Refused as fault:
        raise UserError(f"{path}: {fault}") from None
    except MemoryError:
        raise UserError(f"{path}: needs more memory than this machine has") from None
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, struct.error) as fault:
        what = "no pickle at all" if machine.position <= position + 1 else "a damaged pickle"
        detail = " ".join(str(fault).split())[:80]
        raise UserError(f"{path}: {what}: byte {machine.position} of {len(data)} makes no sense ({detail})") from None


class _Array(StandIn):
    """An array between its creation and the BUILD instruction that fills it. The memo may point here meanwhile."""

    value = None

    def build(self, machine, state):
        self.value = _make_array(machine, *state[-4:])


class _Dtype(StandIn):
    """An element type; BUILD adds the byte order."""

    def __init__(self, code):
        if code not in _ELEMENTS:
            raise Refused(f"refused an array of {shown(code)}: only booleans, integers and floats are read")
        self.code, self.order = code, "="

    def build(self, machine, state):
        order = as_text(state[1])
        if order not in ("<", ">", "|", "="):
            raise ValueError("unknown byte order")
        self.order = order


class _Finisher:
    """Walks over the finished value: arrays for their stand-ins, `str` for the strings of Python 2.

    A value that is used in many places stays one, and is walked once. Whoever prints or compares the whole meets it in each of
    them, so its size counts there, too: by and large the letters that it takes to write all of it down.
    """

    def __init__(self, size):
        self.done = {}  # id -> (before, after, size)
        self.open = set()
        self.most = size + min(64 * size, MOST_REPEATED) + 65536  # an honest file repeats short strings by a few bytes each

    def finish(self, value, depth=0):
        """-> (the value, its size)"""
        if type(value) is _Array:
            if value.value is None:
                raise Refused("has an array without content")
            return value.value, min(30 + 25 * value.value.size, ARRAY_SHOWN)
        if type(value) is Name:
            refuse_name(value.name)
        if type(value) is _Dtype:
            refuse_name("numpy.dtype")
        if type(value) not in (list, tuple, dict, set, Python2String):
            return value, _letters(value)
        if id(value) in self.done:
            return self.done[id(value)][1:]
        if type(value) is Python2String:
            self.done[id(value)] = (value, as_text(value), len(value))
            return self.done[id(value)][1:]
        if type(value) is set:
            self.done[id(value)] = (value, value, sum(map(_letters, value)))
            return self.done[id(value)][1:]
        if id(value) in self.open or depth > MAX_DEPTH:
            raise Refused(f"is nested more than {MAX_DEPTH} deep, or contains itself")
        self.open.add(id(value))
        size, after = 1, []
        for item in value.values() if type(value) is dict else value:
            item, letters = self.finish(item, depth + 1)
            after.append(item)
            size += 1 + letters
        if type(value) is dict:
            size += sum(map(_letters, value))
            value.update(zip(list(value), after))
            after = value
        elif type(value) is tuple:
            after = tuple(after)
        if size > self.most:
            raise Refused("repeats its parts so often that they would fill the memory")
        self.open.discard(id(value))
        self.done[id(value)] = (value, after, size)
        return after, size


def _letters(value):
    """About how many letters it takes to write down a value that has no parts."""
    if isinstance(value, (str, bytes)):
        return len(value)
    return value.bit_length() // 3 if isinstance(value, int) else 8


def _make_array(machine, shape, dtype, fortran, raw):
    """An array from its bytes, checked before anything is allocated."""
    if type(dtype) is not _Dtype or not isinstance(raw, bytes):
        raise Refused("refused an array that is not made of plain numbers")
    if len(shape) > MAX_SIDES:
        raise ValueError("an array of too many dimensions")
    kind = np.dtype(dtype.order + dtype.code)
    size = kind.itemsize
    for length in shape:
        if type(length) is not int or not 0 <= length < 2**40:
            raise ValueError("an impossible shape")
        size *= length
    if size != len(raw):
        raise ValueError("shape and bytes of an array don't match")
    machine.charge(2 * size)
    flat = np.frombuffer(raw, dtype=kind).astype(kind.newbyteorder("="))  # a copy of our own, writable
    return np.ascontiguousarray(flat.reshape(shape, order="F" if fortran else "C")).reshape(shape)


def _call_reconstruct(machine, kind, shape=(0,), code=b"b"):
    if type(kind) is not Name or kind.name != "numpy.ndarray":
        raise Refused("refused an array of a class of its own")
    return _Array()


def _call_dtype(machine, code, align=False, copy=True):
    return _Dtype(as_text(code))


def _call_scalar(machine, dtype, raw):
    return _make_array(machine, (), dtype, False, raw).item()


def _call_frombuffer(machine, raw, dtype, shape, order="C", axis_order=None):
    if axis_order is not None or order not in ("C", "F"):
        raise ValueError("an array with its axes in another order")
    array = _Array()
    array.value = _make_array(machine, shape, dtype, order == "F", raw)
    return array


def _call_encode(machine, text, encoding="latin1"):
    """Bytes, as protocols 0 to 2 of Python 3 write them."""
    if type(text) is not str or as_text(encoding) not in ("latin1", "latin-1"):
        raise ValueError("an encoding other than latin1")
    machine.charge(len(text))
    return text.encode("latin-1")


def _call_bytes(machine, text="", encoding="latin1"):
    if type(text) is bytes:
        return text
    return _call_encode(machine, text, encoding)


def _call_set(machine, items=()):
    if type(items) not in (list, tuple):
        raise TypeError("a set of something that is no list")
    machine.charge(EMPTY_SET + 64 * len(items))
    return {machine.key(item) for item in items}


def _call_dict(machine, items=()):
    """defaultdict(int) and OrderedDict([(key, value), ...]), both as a plain dict."""
    if type(items) is Name:  # the factory of a defaultdict
        return {}
    machine.charge(64 * len(items))
    return {machine.key(key): value for key, value in items}


CALLS = {  # every name that may occur in a file, and what stands in for it (None: only ever an argument)
    "numpy.ndarray": None,
    "numpy.dtype": _call_dtype,
    "_codecs.encode": _call_encode,
    "collections.defaultdict": _call_dict,
    "collections.OrderedDict": _call_dict,
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 1 and NumPy 2
    CALLS[f"{_core}.multiarray._reconstruct"] = _call_reconstruct
    CALLS[f"{_core}.multiarray.scalar"] = _call_scalar
    CALLS[f"{_core}.numeric._frombuffer"] = _call_frombuffer
for _builtins in ("builtins", "__builtin__"):  # Python 3 and Python 2
    CALLS.update({f"{_builtins}.{_kind}": None for _kind in ("int", "long", "float", "list", "dict", "str")})
    CALLS.update({f"{_builtins}.{_kind}": _call_set for _kind in ("set", "frozenset")})
    CALLS.update({f"{_builtins}.{_kind}": _call_bytes for _kind in ("bytes", "bytearray")})
PLAIN = Dialect(CALLS)
