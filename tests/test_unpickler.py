"""The closed unpickler: reads every protocol and both Pythons, and answers damage with one line. test_attacks.py attacks it."""

import collections
import io
import pathlib
import pickle
import random

import numpy as np
import pytest

from neuraltalk.errors import UserError
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


@pytest.mark.parametrize(
    "program",
    [
        b"(0N.",  # POP takes a mark away if nothing lies on it
        b"K\x01(0.",
        b"K\x01(K\x020K\x03t\x86.",  # and else a value
        b"(K\x01K\x021K\x03.",  # POP_MARK
        b"K\x072\x86.",  # DUP
        b"]\x94K\x01ah\x00\x86.",  # MEMOIZE, BINGET
        b"(K\x01K\x02l.",
        b"(K\x01K\x02d.",
        b"}K\x01K\x02s.",
    ],
)
def test_rare_instructions_do_what_python_s_machine_does(program):
    assert_same(loads(program), pickle.loads(program))


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
        (b"h\x05.", "damaged"),  # a memo that isn't there
        (b".", "damaged|no pickle"),
        (b"t.", "damaged|no pickle"),
        (b"a.", "damaged|no pickle"),
        (b"]]a]a}a", "cut off"),
        (b"cbuiltins\nset\n(" + b"N" * 17 + b"tR.", "calls builtins.set with 17 arguments"),
        (b"}](K\x01es.", "damaged"),  # a list as a key
        (b"}" + b"\x8a\x10" + b"\xff" * 15 + b"\x7f" + b"K\x01s.", "small integer"),
    ],
)
def test_damaged_files(data, said):
    with pytest.raises(UserError, match=said) as caught:
        loads(data, "x.p")
    assert str(caught.value).startswith("x.p: ")
    assert "\n" not in str(caught.value)


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


def test_what_the_same_bytes_are_used_for_again_is_read():
    """Honest repetition: sharing costs nothing."""
    texts = loads(b"T" + (1000).to_bytes(4, "little") + b"x" * 1000 + b"\x940](" + b"h\x00" * 100 + b"e.")
    assert len({id(text) for text in texts}) == 1 and len(texts) == 100
    entries = [{"epoch": k, "perplexity": 1.5, "a name of some length": None, "another name of some length": True} for k in range(20_000)]
    assert loads(pickle.dumps(entries)) == entries


def test_what_is_endless_to_print_is_refused():
    """2^40 ways through the same 41 lists are walked once here; whoever compares, prints or converts them would walk them all."""
    doubling = b"]" + b"\x94" + b"".join(b"](h" + bytes([k]) + b"h" + bytes([k]) + b"e\x94" for k in range(40)) + b"."
    with pytest.raises(UserError, match="repeats its parts"):
        loads(doubling)
    few = b"]" + b"\x94" + b"".join(b"](h" + bytes([k]) + b"h" + bytes([k]) + b"e\x94" for k in range(10)) + b"."
    assert len(repr(loads(few))) > 2**11
    with pytest.raises(UserError, match="repeats its parts"):
        loads(b"T" + (100_000).to_bytes(4, "little") + b"x" * 100_000 + b"\x940](" + b"h\x00" * 100_000 + b"e.")


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
