"""The stack machine that a pickle is a program for, without the instructions that could run anything.

    STACK   values under construction; MARKS: stack heights where an open tuple, list or dict began
    MEMO    values that the file refers to again by number

All protocols (0 to 5) are read, those of Python 2 too: there a text and a run of bytes are one type, so such a string
stays bytes as long as an array may want it, and becomes a `str` when it ends up as a key here or a value in
unpickler.py.

Time and memory stay in proportion to the file: a length that reaches beyond the end of the file is an error before
anything is allocated; instructions and the bytes made from other bytes are limited; only keys that can't be made to
collide go into a dict, the memo included. Nothing here looks into a value that was referred to more than once: pairs of
pairs of pairs are few bytes, but endless to compare, to hash or to print.
"""

import codecs
import struct
from typing import NamedTuple

MAX_INSTRUCTIONS = 2_000_000  # COCO's checkpoint needs about 100,000
MAX_DIGITS = 1000
MAX_KEY = 1000  # bytes
MAX_ARGUMENTS = 16  # of a call: more would be copied at each of a million calls
EMPTY_SET = 216  # bytes of memory, for an instruction of one
ADMITTED = "such a file holds arrays, containers, numbers and strings, and calls nothing"


class Dialect(NamedTuple):
    """What a kind of file may contain. Everything that isn't listed is refused."""

    calls: dict  # name -> what does its work, a function of the machine and the file's arguments; None: only an argument
    classes: frozenset = frozenset()  # those of the names that NEWOBJ may ask for, which is the same as calling them
    persistent: object = None  # what does the work of BINPERSID: a function of the machine and the file's id
    attributed: bool = False  # whether a dict may have attributes (which are dropped)


class Refused(Exception):
    """A fault told in our words; unpickler.py puts the file's name before it."""


class Python2String(bytes):
    """A string of Python 2: bytes in an array, text elsewhere."""


class Name:
    """The name of a function or class. It is never looked up; `call` does what the real one would do."""

    def __init__(self, name, call):
        self.name, self.call = name, call


class StandIn:
    """A value that a later BUILD instruction completes, by `build(machine, state)`."""


def shown(name):
    """A name from the file, fit to be printed: short, on one line."""
    text = ascii(name)[1:-1] if isinstance(name, str) else ascii(name)
    return f"'{text if len(text) <= 80 else text[:77] + '...'}'"


def refuse_name(name):
    raise Refused(f"refused {shown(name)}: {ADMITTED}")


def as_text(value):
    """A str from a string of either Python. Python 2 wrote UTF-8 or, rarely, Latin-1."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Python2String):
        raise TypeError("a string was expected")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


class Machine:
    """The stack machine. One method an instruction; `_INSTRUCTIONS` says which byte means which.

    data: the file's bytes; position: where the pickle begins, and after run() where it has ended.
    """

    def __init__(self, data, dialect, position=0):
        self.data, self.dialect, self.position = data, dialect, position
        self.stack, self.marks, self.memo = [], [], {}
        self.budget = 4 * len(data) + 65536  # bytes that arrays and decoded strings may take together

    def run(self):
        instructions, data = _INSTRUCTIONS, self.data
        for _ in range(MAX_INSTRUCTIONS):
            if self.position >= len(data):
                raise Refused("ends in the middle: the file was cut off" if data else "is empty")
            code = data[self.position]
            self.position += 1
            if code == 0x2E:  # STOP
                return self.stack.pop()
            if code not in instructions:
                raise ValueError(f"no instruction {bytes([code])!r}")
            method, argument = instructions[code]
            if argument is None:
                method(self)
            else:
                method(self, argument)
        raise Refused(f"has more than {MAX_INSTRUCTIONS} instructions: no honest file does")

    # ---- reading the file

    def take(self, size):
        """The next `size` bytes."""
        begin = self.position
        if size < 0 or size > len(self.data) - begin:
            raise Refused(
                f"ends in the middle: byte {begin} announces {size} bytes, {len(self.data) - begin} are there"
            )
        self.position = begin + size
        return self.data[begin : begin + size]

    def number(self, layout):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self):
        """The rest of a line, as protocol 0 has it."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise Refused("ends in the middle of a line: the file was cut off")
        line = self.data[self.position : end]
        self.position = end + 1
        return line

    def digits(self):
        line = self.line()
        if len(line) > MAX_DIGITS:
            raise ValueError("a number too long")
        return line.decode("ascii")

    def charge(self, size):
        """Count bytes that are about to be made from others; the same bytes can be referred to again and again."""
        self.budget -= size
        if self.budget < 0:
            raise Refused("asks for far more memory than the file has bytes")

    # ---- numbers and strings

    def constant(self, value):
        self.stack.append(value[0])

    def integer(self, layout):
        self.stack.append(self.number(layout))

    def integer_line(self):
        line = self.digits()
        self.stack.append({"00": False, "01": True}[line] if line in ("00", "01") else int(line))

    def long_line(self):
        self.stack.append(int(self.digits().rstrip("L")))

    def long_bytes(self, layout):
        size = self.number(layout)
        if size > MAX_DIGITS // 3:
            raise ValueError("a number too long")
        self.stack.append(int.from_bytes(self.take(size), "little", signed=True))

    def float_line(self):
        self.stack.append(float(self.digits()))

    def quoted(self):
        line = self.line().strip()
        if len(line) < 2 or line[:1] not in b"'\"" or line[:1] != line[-1:]:
            raise ValueError("a string without quotes")
        self.stack.append(Python2String(codecs.escape_decode(line[1:-1])[0]))

    def string(self, layout):
        self.stack.append(Python2String(self.take(self.number(layout))))

    def bytes_(self, layout):
        self.stack.append(self.take(self.number(layout)))

    def unicode(self, layout):
        self.stack.append(self.take(self.number(layout)).decode("utf-8"))

    def unicode_line(self):
        text = self.line().decode("raw-unicode-escape")  # narrow builds of Python 2 wrote pairs of surrogates
        self.stack.append(text.encode("utf-16", "surrogatepass").decode("utf-16"))

    # ---- containers

    def mark(self):
        self.marks.append(len(self.stack))

    def since_mark(self):
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def empty(self, kind):
        if kind is set:
            self.charge(EMPTY_SET)
        self.stack.append(kind())

    def collect(self, kind):
        self.stack.append(kind(self.since_mark()))

    def collect_dict(self):
        items = self.since_mark()
        self.stack.append({})
        self.set_items(items)

    def collect_frozenset(self):
        self.charge(EMPTY_SET)
        self.stack.append({self.key(item) for item in self.since_mark()})

    def short_tuple(self, size):
        if len(self.stack) < size:
            raise IndexError("stack underflow")
        items = tuple(self.stack[-size:])
        self.stack[-size:] = [items]

    def append(self):
        item = self.stack.pop()
        self.extend([item])

    def appends(self):
        self.extend(self.since_mark())

    def extend(self, items):
        if type(self.stack[-1]) is not list:
            raise TypeError("appends to something that is no list")
        self.stack[-1].extend(items)

    def add_items(self):
        items = self.since_mark()
        if type(self.stack[-1]) is not set:
            raise TypeError("adds to something that is no set")
        self.stack[-1].update(self.key(item) for item in items)

    def set_item(self):
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def set_many(self):
        self.set_items(self.since_mark())

    def set_items(self, items):
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise TypeError("sets keys of something that is no dict")
        for key, value in zip(items[::2], items[1::2]):
            target[self.key(key)] = value

    def key(self, value):
        """A value fit to be a key: a string or a small integer, whose hashes nobody can make collide."""
        if type(value) is Python2String:
            if len(value) > MAX_KEY:  # it would be decoded anew for each use
                raise ValueError("a key too long")
            return as_text(value)
        if type(value) in (str, bytes, bool, type(None)) or type(value) is int and -(2**31) <= value < 2**31:
            return value
        raise TypeError("a key that is neither a string nor a small integer")

    # ---- the stack and the memo

    def pop(self):
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()  # Python's machine keeps marks on the stack itself, so POP can take one away
        else:
            self.stack.pop()

    def duplicate(self):
        self.stack.append(self.stack[-1])

    def put(self, layout):
        self.memo[self.memo_number(layout)] = self.stack[-1]

    def memoize(self):
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, layout):
        self.stack.append(self.memo[self.memo_number(layout)])

    def memo_number(self, layout):
        number = int(self.digits()) if layout == "line" else self.number(layout)
        if not 0 <= number < 2**32:
            raise ValueError("an impossible place in the memo")
        return number

    def nothing(self, size):
        """PROTO and FRAME: what they announce follows by itself."""
        self.take(size)

    # ---- names and calls

    def global_lines(self):
        module, name = self.line(), self.line()
        self.push_name(module.decode("utf-8", "replace") + "." + name.decode("utf-8", "replace"))

    def global_stack(self):
        name, module = as_text(self.stack.pop()), as_text(self.stack.pop())
        self.push_name(module + "." + name)

    def push_name(self, name):
        if name not in self.dialect.calls:
            refuse_name(name)
        self.stack.append(Name(name, self.dialect.calls[name]))

    def reduce(self):
        arguments, name = self.stack.pop(), self.stack.pop()
        if type(name) is not Name or type(arguments) is not tuple:
            raise TypeError("calls something that is no function")
        if name.call is None:
            refuse_name(name.name)
        if len(arguments) > MAX_ARGUMENTS:
            raise ValueError(f"calls {name.name} with {len(arguments)} arguments")
        self.stack.append(name.call(self, *arguments))

    def new_object(self, code):
        name = self.stack[-2]
        if type(name) is not Name or name.name not in self.dialect.classes:
            self.refuse(f"an object of a class ({code})")
        self.reduce()

    def from_outside(self):
        if self.dialect.persistent is None:
            self.refuse("a reference to something outside the file (BINPERSID)")
        self.stack.append(self.dialect.persistent(self, self.stack.pop()))

    def build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is dict and self.dialect.attributed:
            return
        if not isinstance(target, StandIn):
            raise Refused("refused an object with attributes (BUILD): only arrays have a state")
        target.build(self, state)

    def refuse(self, what):
        raise Refused(f"refused {what}: {ADMITTED}")

    def refuse_instance(self):
        module, name = self.line(), self.line()
        refuse_name(module.decode("utf-8", "replace") + "." + name.decode("utf-8", "replace"))


_M = Machine
_INSTRUCTIONS = {  # pickle's byte -> (method, its argument); the comments are pickletools' names
    ord(code): entry
    for code, entry in {
        "\x80": (_M.nothing, 1),  # PROTO
        "\x95": (_M.nothing, 8),  # FRAME
        "N": (_M.constant, (None,)),  # NONE
        "\x88": (_M.constant, (True,)),  # NEWTRUE
        "\x89": (_M.constant, (False,)),  # NEWFALSE
        "I": (_M.integer_line, None),  # INT
        "L": (_M.long_line, None),  # LONG
        "F": (_M.float_line, None),  # FLOAT
        "J": (_M.integer, "<i"),  # BININT
        "K": (_M.integer, "<B"),  # BININT1
        "M": (_M.integer, "<H"),  # BININT2
        "G": (_M.integer, ">d"),  # BINFLOAT
        "\x8a": (_M.long_bytes, "<B"),  # LONG1
        "\x8b": (_M.long_bytes, "<i"),  # LONG4
        "S": (_M.quoted, None),  # STRING
        "T": (_M.string, "<i"),  # BINSTRING
        "U": (_M.string, "<B"),  # SHORT_BINSTRING
        "V": (_M.unicode_line, None),  # UNICODE
        "X": (_M.unicode, "<I"),  # BINUNICODE
        "\x8c": (_M.unicode, "<B"),  # SHORT_BINUNICODE
        "\x8d": (_M.unicode, "<Q"),  # BINUNICODE8
        "B": (_M.bytes_, "<I"),  # BINBYTES
        "C": (_M.bytes_, "<B"),  # SHORT_BINBYTES
        "\x8e": (_M.bytes_, "<Q"),  # BINBYTES8
        "\x96": (_M.bytes_, "<Q"),  # BYTEARRAY8
        "(": (_M.mark, None),  # MARK
        "t": (_M.collect, tuple),  # TUPLE
        "l": (_M.collect, list),  # LIST
        "d": (_M.collect_dict, None),  # DICT
        ")": (_M.empty, tuple),  # EMPTY_TUPLE
        "]": (_M.empty, list),  # EMPTY_LIST
        "}": (_M.empty, dict),  # EMPTY_DICT
        "\x8f": (_M.empty, set),  # EMPTY_SET
        "\x85": (_M.short_tuple, 1),  # TUPLE1
        "\x86": (_M.short_tuple, 2),  # TUPLE2
        "\x87": (_M.short_tuple, 3),  # TUPLE3
        "a": (_M.append, None),  # APPEND
        "e": (_M.appends, None),  # APPENDS
        "s": (_M.set_item, None),  # SETITEM
        "u": (_M.set_many, None),  # SETITEMS
        "\x90": (_M.add_items, None),  # ADDITEMS
        "\x91": (_M.collect_frozenset, None),  # FROZENSET
        "0": (_M.pop, None),  # POP
        "1": (_M.since_mark, None),  # POP_MARK
        "2": (_M.duplicate, None),  # DUP
        "p": (_M.put, "line"),  # PUT
        "q": (_M.put, "<B"),  # BINPUT
        "r": (_M.put, "<I"),  # LONG_BINPUT
        "\x94": (_M.memoize, None),  # MEMOIZE
        "g": (_M.get, "line"),  # GET
        "h": (_M.get, "<B"),  # BINGET
        "j": (_M.get, "<I"),  # LONG_BINGET
        "c": (_M.global_lines, None),  # GLOBAL
        "\x93": (_M.global_stack, None),  # STACK_GLOBAL
        "R": (_M.reduce, None),  # REDUCE
        "b": (_M.build, None),  # BUILD
        "i": (_M.refuse_instance, None),  # INST
        "o": (_M.refuse, "an object of a class (OBJ)"),
        "\x81": (_M.new_object, "NEWOBJ"),
        "\x92": (_M.refuse, "an object of a class (NEWOBJ_EX)"),
        "P": (_M.refuse, "a reference to something outside the file (PERSID)"),
        "Q": (_M.from_outside, None),  # BINPERSID
        "\x82": (_M.refuse, "a name from the extension registry (EXT1)"),
        "\x83": (_M.refuse, "a name from the extension registry (EXT2)"),
        "\x84": (_M.refuse, "a name from the extension registry (EXT4)"),
        "\x97": (_M.refuse, "a buffer outside the file (NEXT_BUFFER)"),
        "\x98": (_M.refuse, "a buffer outside the file (READONLY_BUFFER)"),
    }.items()
}
