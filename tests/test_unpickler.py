"""The closed unpickler: reads every protocol and both Pythons, runs nothing, and answers damage with one line."""

import collections
import io
import os
import pathlib
import pickle
import random
import struct
import time

import numpy as np
import pytest

from neuraltalk.errors import UserError
from neuraltalk.pickles import pickle_machine
from neuraltalk.pickles.unpickler import load_pickle, loads

PYTHON2 = (
    pathlib.Path(__file__).parent / "data" / "neuraltalk_python2.p"
)  # written by Python 2.7 and NumPy 1.16, protocol 0

VALUES = {
    "numbers": [0, 1, -5, 255, 65536, -(2**31), 2**70, -(2**70), 2.5, -0.0, float("inf"), True, False, None],
    "texts": ["", "plain", "café", "😀", "a\nb'\"\\"],
    "bytes": [b"", b"\x00\xff\n", bytes(range(256))],
    "containers": [[], (), {}, (1,), (1, 2), (1, 2, 3), (1, (2, [3, {"x": ()}])), {1: 2, "k": None}, {1, "two"}],
    "arrays": [np.arange(6).reshape(2, 3).astype(dtype) for dtype in "?bBhHiIlLqQefd"],
    "shapes": [
        np.array(3.5),
        np.zeros((0, 4)),
        np.arange(24.0).reshape(2, 3, 4),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(10)[::2],
        np.arange(3, dtype=">i4"),
        np.arange(3, dtype=">f8"),
    ],
}


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.shape == b.shape
        assert a.dtype == b.dtype.newbyteorder("=")
        assert np.array_equal(a, b)
        assert a.flags.c_contiguous
        assert a.flags.writeable
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_same(x, y)
    else:
        assert a == b
        assert str(a) == str(b)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", VALUES)
def test_what_pickle_writes_comes_back(name, protocol):
    assert_same(loads(pickle.dumps(VALUES[name], protocol)), VALUES[name])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_python_s_own_pickler_in_slow_and_fast_mode(protocol):
    for fast in (False, True):
        for kind in (pickle.Pickler, pickle._Pickler)[
            : 2 if protocol < 5 else 1
        ]:  # the slow one has a bug of its own there
            file = io.BytesIO()
            pickler = kind(file, protocol)
            pickler.fast = fast
            pickler.dump(VALUES)
            assert_same(loads(file.getvalue()), VALUES)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_scalars_and_special_dicts_become_plain(protocol):
    counts = collections.defaultdict(int, {"a": 1})
    given = [
        np.float64(2.5),
        np.float32(0.5),
        np.int64(7),
        np.bool_(True),
        counts,
        collections.OrderedDict([("b", 1), ("a", 2)]),
        frozenset(["x"]),
        bytearray(b"\x00\xff"),
    ]
    assert_same(
        loads(pickle.dumps(given, protocol)), [2.5, 0.5, 7, True, {"a": 1}, {"b": 1, "a": 2}, {"x"}, b"\x00\xff"]
    )


def test_shared_values_stay_shared():
    row = [1]
    array = np.arange(3)
    back = loads(pickle.dumps({"a": row, "b": row, "x": array, "y": array}))
    assert back["a"] is back["b"]
    assert back["x"] is back["y"]


def test_checkpoint_of_python_2():
    content = load_pickle(PYTHON2)
    assert sorted(content) == ["epoch", "it", "ixtoword", "model", "params", "perplexity", "wordtoix"]
    assert content["it"] == 499
    assert content["perplexity"] == 15.75  # a NumPy scalar there
    assert content["ixtoword"] == {0: ".", 1: "a", 2: "dog", 3: "runs", 4: "café", 5: "red"}
    assert content["wordtoix"]["#START#"] == 0
    assert content["params"]["generator"] == "lstm"
    assert content["params"]["flag"] is True
    assert content["params"]["big"] == 2**40
    model = content["model"]
    assert {name: array.shape for name, array in model.items()} == {
        "We": (5, 3),
        "be": (1, 3),
        "Ws": (6, 3),
        "WLSTM": (7, 12),
        "Wd": (3, 6),
        "bd": (1, 6),
    }
    assert model["We"].dtype == np.float32
    np.testing.assert_allclose(model["bd"][0], np.log(np.arange(1, 7)))
    rng = np.random.RandomState(0)  # what wrote the file drew the same
    drawn = {
        name: rng.uniform(-0.1, 0.1, shape)
        for name, shape in (("We", (5, 3)), ("Ws", (6, 3)), ("WLSTM", (7, 12)), ("Wd", (3, 6)))
    }
    np.testing.assert_array_equal(model["We"], drawn["We"].astype(np.float32))
    for name in ("Ws", "WLSTM", "Wd"):
        np.testing.assert_array_equal(model[name], drawn[name])  # WLSTM was stored column by column


def test_texts_of_python_2():
    assert loads(b"(lp0\nS'caf\\xc3\\xa9'\naS'caf\\xe9'\naVcaf\\u00e9\naV\\ud83d\\ude00\na.") == [
        "café",
        "café",
        "café",
        "😀",
    ]
    assert loads(b"(dS'\\xc3\\xa9'\nI1\ns.") == {"é": 1}
    assert loads(b"(lI01\naI00\naI2\naL12345678901234567890L\naF-2.5\na.") == [
        True,
        False,
        2,
        12345678901234567890,
        -2.5,
    ]


class Effect:
    """Pickles as a call; the tests look for the traces that it would leave."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def write_trace(path):
    pathlib.Path(path).write_text("ran")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "function, argument, named",
    [
        (os.system, "touch {0}", os.system.__module__ + ".system"),
        (write_trace, "{0}", "test_unpickler.write_trace"),
        (eval, "open({0!r}, 'w')", "eval"),
        (exec, "open({0!r}, 'w')", "exec"),
        (getattr, "{0}", "getattr"),
        (__import__, "antigravity", "__import__"),
        (np.load, "{0}", "numpy.load"),
        (np.fromfile, "{0}", "fromfile"),
        (pickle.loads, b"cos\nsystem\n(S'true'\ntR.", "loads"),
        (open, "{0}", "open"),
        (bytearray.fromhex, "00", "getattr"),
    ],
)
def test_calls_are_refused_by_name(tmp_path, function, argument, named, protocol):
    trace = tmp_path / "trace"
    payload = Effect(function, argument.format(str(trace)) if isinstance(argument, str) else argument)
    with pytest.raises(UserError, match="refused") as caught:
        loads(pickle.dumps({"it": 1, "model": payload}, protocol), "evil.p")
    assert named in str(caught.value)
    assert str(caught.value).startswith("evil.p: ")
    assert "\n" not in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize(
    "data, said",
    [
        (b"cos\nsystem\n.", "os.system"),  # named, not even called
        (b"(ios\nsystem\nS'true'\n.", "os.system"),  # INST
        (b"(cos\nsystem\nS'true'\no.", "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"(ccollections\nOrderedDict\no.", "OBJ"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ"),
        (b"\x80\x04ccollections\nOrderedDict\n)}\x92.", "NEWOBJ_EX"),
        (b"Pfile\n.", "PERSID"),
        (b"K\x01Q.", "BINPERSID"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"K\x01\x98.", "READONLY_BUFFER"),
        (b"}}b.", "BUILD"),
        (b"ccollections\nOrderedDict\n}b.", "BUILD"),
        (b"c__builtin__\nint\n.", "__builtin__.int"),  # an argument where it is needed, never a value
        (b"c__builtin__\nint\nS'1'\n\x85R.", "__builtin__.int"),
        (b"cnumpy\nndarray\nK\x05\x85R.", "numpy.ndarray"),
        (b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.", "O8"),
        (b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR.", "numpy.dtype"),
        (b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.", "V8"),
        (b"ccopy_reg\n_reconstructor\n.", "copy_reg._reconstructor"),
        (b"cfunctools\npartial\n.", "functools.partial"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(ccollections\nOrderedDict\n(K\x00tS'b'\ntR.", "class of its own"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tS'b'\ntR.", "without content"),
        (("c" + "x" * 500 + "\n\x1b[31mname\n.").encode(), "xxx..."),
    ],
)
def test_other_ways_to_run_something_are_refused(data, said):
    with pytest.raises(UserError, match="refused|has an array") as caught:
        loads(data)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_object_arrays_are_refused():
    with pytest.raises(UserError, match="'O8'"):
        loads(pickle.dumps(np.array([{}, None], dtype=object)))
    with pytest.raises(UserError, match="refused an array of 'V12'"):
        loads(pickle.dumps(np.zeros(2, dtype=[("a", "i4"), ("b", "f8")])))
    with pytest.raises(UserError, match="refused"):
        loads(pickle.dumps(np.ma.masked_array([1, 2])))


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "is empty"),
        (b"hello, world", "no pickle at all|damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "refused|damaged"),
        (b"PK\x03\x04" + bytes(50), "damaged|refused"),
        (b"\x80\x04]", "cut off"),
        (b"S'abc", "cut off"),
        (b"I12x\n.", "damaged"),
        (b"S'abc\n.", "without quotes"),
        (b"X\xff\xff\xff\x7fabc.", "announces 2147483647 bytes"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc", "announces"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"abc", "announces"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc", "announces"),
        (b"T" + struct.pack("<i", -5) + b"abc", "announces"),
        (b"\x8b" + struct.pack("<i", 2**30) + b"abc", "too long"),
        (b"L" + b"9" * 5000 + b"L\n.", "too long"),
        (b"h\x05.", "damaged"),  # a memo that isn't there
        (b".", "damaged|no pickle"),
        (b"t.", "damaged|no pickle"),
        (b"a.", "damaged|no pickle"),
        (b"]]a]a}a", "cut off"),
        (b"}](K\x01es.", "damaged"),  # a list as a key
        (b"}" + b"\x8a\x10" + b"\xff" * 15 + b"\x7f" + b"K\x01s.", "small integer"),
        (b"]q\x00h\x00a.", "contains itself"),
        (b"]" * 60 + b"a" * 59 + b".", "deep"),
    ],
)
def test_damaged_files(data, said):
    with pytest.raises(UserError, match=said) as caught:
        loads(data, "x.p")
    assert str(caught.value).startswith("x.p: ")
    assert "\n" not in str(caught.value)


def test_memory_bombs_by_the_same_bytes_again_and_again():
    big = b"x" * 100_000
    head = b"\x80\x04B" + struct.pack("<I", len(big)) + big + b"\x940"
    kind = b"cnumpy\ndtype\n\x8c\x02u1\x89\x88\x87R\x940"
    array = b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01J" + struct.pack("<i", len(big)) + b"\x85\x8c\x01CtR0"
    assert isinstance(loads(head + kind + array[:-1] + b"."), np.ndarray)
    with pytest.raises(UserError, match="memory"):
        loads(head + kind + array * 1000 + b"N.")
    key = b"T" + struct.pack("<I", len(big)) + big + b"\x940"
    with pytest.raises(UserError, match="key too long"):
        loads(key + b"}" + b"h\x00K\x01s" * 1000 + b".")
    with_texts = loads(key + b"](" + b"h\x00" * 100_000 + b"e.")
    assert len({id(text) for text in with_texts}) == 1
    text = b"X" + struct.pack("<I", len(big)) + big + b"\x940"
    with pytest.raises(UserError, match="memory"):
        loads(text + b"c_codecs\nencode\n(h\x00\x8c\x06latin1tR0" * 1000 + b"N.")


def test_many_and_deep_things_end_soon(monkeypatch):
    monkeypatch.setattr(pickle_machine, "MAX_INSTRUCTIONS", 100_000)
    began = time.perf_counter()
    for data in (b"}" * 1_000_000, b"K\x01" + b"2" * 1_000_000, b"(" * 1_000_000):
        with pytest.raises(UserError, match="instructions"):
            loads(data)
    with pytest.raises(UserError, match="deep"):
        loads(b")" + b"\x85" * 90_000 + b".")
    doubling = b"]" + b"\x94" + b"".join(b"](h" + bytes([k]) + b"h" + bytes([k]) + b"e\x94" for k in range(40)) + b"."
    with_sharing = loads(doubling)  # 2^40 paths, 41 lists
    assert len(with_sharing) == 2
    assert time.perf_counter() - began < 20


def test_impossible_arrays():
    def array(shape, raw, code=b"f8", order=b"<"):
        return (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n("
            + shape
            + b"tcnumpy\ndtype\n(S'"
            + code
            + b"'\nI0\nI1\ntR(I3\nS'"
            + order
            + b"'\nNNNI-1\nI-1\nI0\ntbI00\nS'"
            + raw
            + b"'\ntb."
        )

    assert loads(array(b"I1\n", b"\\x00" * 8)).tolist() == [0.0]
    assert loads(array(b"", b"\\x00" * 8)).shape == ()
    for shape in (b"I2\n", b"I-1\n", b"L99999999999999999999L\n", b"S'x'\n", b"I1\n" * 80, b"F1.0\n", b"I01\n"):
        with pytest.raises(UserError):
            loads(array(shape, b"\\x00" * 8))
    for bad in ({"code": b"f3"}, {"code": b"O8"}, {"order": b"x"}, {"code": b"f8,f8"}):
        with pytest.raises(UserError):
            loads(array(b"I1\n", b"\\x00" * 8, **bad))


def test_mutated_checkpoints_are_loaded_or_refused_in_one_line():
    rng = random.Random(1)
    sources = [PYTHON2.read_bytes(), pickle.dumps(VALUES, 4), pickle.dumps(VALUES, 5)]
    refused = 0
    for k in range(1500):
        data = bytearray(sources[k % 3])
        for _ in range(rng.randint(1, 4)):
            place, what = rng.randrange(len(data)), rng.random()
            if what < 0.5:
                data[place] = rng.randrange(256)
            elif what < 0.7:
                del data[place : place + rng.randint(1, 20)]
            elif what < 0.9:
                data[place:place] = rng.randbytes(rng.randint(1, 5))
            elif place:
                del data[place:]
        try:
            loads(bytes(data))
        except UserError as fault:
            refused += 1
            assert str(fault).isprintable()
    assert refused > 500


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match=r"nope\.p: can't be read"):
        load_pickle(tmp_path / "nope.p")
    with pytest.raises(UserError, match="can't be read"):
        load_pickle(tmp_path)
