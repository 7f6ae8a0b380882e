"""The corpus of attacks (attacks.py): the closed unpickler refuses each and has no effect, and Python's own shows that most would.

Every loading happens in a process of its own: what an attack does must not reach the tests.
"""

import concurrent.futures
import io
import json
import subprocess
import sys
import zipfile

import attacks
import numpy as np
import pytest
from PIL import Image

from neuraltalk.cli.main import main as neuraltalk
from neuraltalk.data.features import open_features
from neuraltalk.errors import UserError
from neuraltalk.vision.extractors import load_extractor
from neuraltalk.vision.proposals.classifier import read_classifier
from neuraltalk.vision.weights.vgg16 import read_weights


def load(what, folder, *only):
    """Run attacks.py -> (its exit code, its report or None)."""
    command = [sys.executable, "-W", "ignore", attacks.__file__, what, str(folder), *only]
    code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300).returncode
    report = folder / "report.json"
    return code, json.loads(report.read_text()) if report.exists() else None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """All attacks."""
    return attacks.corpus(tmp_path_factory.mktemp("corpus"))


def test_the_corpus_is_large_and_leaves_no_instruction_out(corpus):
    assert len({attack.name for attack in corpus}) == len(corpus) >= 200
    assert sum(len(attack.variants()) for attack in corpus) >= 500
    named = " ".join(attack.name for attack in corpus)
    for code in (
        "GLOBAL",
        "STACK_GLOBAL",
        "INST",
        "OBJ",
        "NEWOBJ",
        "NEWOBJ_EX",
        "REDUCE",
        "BUILD",
        "EXT1",
        "EXT2",
        "EXT4",
        "PERSID",
        "BINPERSID",
        "NEXT_BUFFER",
        "READONLY_BUFFER",
        "SETITEM",
        "SETITEMS",
        "APPEND",
        "APPENDS",
        "ADDITEMS",
    ):
        assert code == "REDUCE" or code in named


def test_the_corpus_has_teeth(corpus, tmp_path):
    """Python's own unpickler is brought to what each attack says of itself."""
    code, report = load("plain", tmp_path)
    assert code == 0
    for attack in corpus:
        if not attack.deadly:
            effects = {"secret" if effect == "secret" else "state" for effect in report[attack.name]}
            effects |= {"file"} if attacks.left_traces(tmp_path, attack) else set()
            assert attack.works in effects if attack.works else not effects, (attack.name, effects)
    assert sum(attack.works is not None for attack in corpus) >= 120


@pytest.mark.skipif(attacks.WINDOWS, reason="memory and time of a process can't be limited there")
def test_deadly_attacks_are_deadly(corpus, tmp_path):
    """In processes with little memory and time, Python's own unpickler dies of them."""

    def dies(attack):
        folder = tmp_path / attacks.slug(attack.name)
        folder.mkdir()
        code, report = load("plain", folder, attack.name)
        return code != 0 and report is None

    deadly = [attack for attack in corpus if attack.deadly]
    assert len(deadly) >= 12
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for attack, died in zip(deadly, pool.map(dies, deadly)):
            assert died, attack.name


def test_the_closed_unpickler_refuses_all_of_it(corpus, tmp_path):
    """As a pickle, a checkpoint, both forms of PyTorch's files, and a pickle of weights: one line, and no effect.

    Nothing is imported, opened, compiled, run: the interpreter tells of all that (audit events). Time and memory stay small.
    """
    code, report = load("ours", tmp_path)
    assert code == 0
    expected = {attack.name: attack.said for attack in corpus}
    assert {entry["attack"] for entry in report if entry["door"] == "a pickle"} == expected.keys()
    assert len({entry["door"] for entry in report}) == 5 and len(report) > 1200
    for entry in report:
        case = f"{entry['attack']}, protocol {entry['protocol']}, {entry['door']}"
        assert entry["said"] is not None, (case, entry["instead"])
        assert (
            entry["said"].startswith(str(tmp_path / "evil."))
            and entry["said"].isprintable()
            and len(entry["said"]) < 300 + len(str(tmp_path))
        ), case
        assert entry["door"] not in ("a pickle", "a checkpoint") or expected[entry["attack"]] in entry["said"], (case, entry["said"])
        assert not entry["events"] and not entry["changes"], (case, entry)
        assert entry["seconds"] < 20 and entry["peak"] < 4e6 + 50 * entry["size"], (case, entry)
    assert not [attack.name for attack in corpus if attacks.left_traces(tmp_path, attack)]


# ---- arrays of objects, which NumPy's formats hold as pickles


def npy(payload):
    """A .npy of one object."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    return file.getvalue() + payload


def npz(names, member):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", member)
    return file.getvalue()


@pytest.mark.parametrize("name", ["eval", "getattr", "BUILD calls __setstate__", "numpy.load"])
def test_arrays_of_objects_stay_closed(tmp_path, name):
    attack = next(attack for attack in attacks.corpus(tmp_path) if attack.name == name)
    payload = list(attack.variants().values())[-1]
    layers = [f"conv{block}_{k}_{key}" for block in range(1, 6) for k in range(1, 4) for key in "Wb"]
    for read, names in (
        (open_features, ["feats"]),
        (load_extractor, ["name", "fingerprint"]),
        (lambda path: read_classifier(path, 1), ["W", "b"]),
        (read_weights, layers),
    ):
        for data in (npz(names, npy(payload)), npy(payload), payload):
            path = tmp_path / "evil.npz"
            path.write_bytes(data)
            with pytest.raises(UserError, match="evil.npz") as caught:
                read(path)
            assert str(caught.value).isprintable()
    assert not attacks.left_traces(tmp_path, attack)


# ---- commands


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "evil.p", "-r", "."],
        ["eval", "evil.p"],
        ["eval", "-d", ".", "evil.p"],
        ["train", "--resume", "evil.p"],
        ["share", "evil.p", "small.p"],
        ["train", "--init_model_from", "evil.p"],
        ["search", "evil.p", "a dog"],
        ["align", "evil.p", "1"],
        ["phrases", "evil.p"],
        ["extract", ".", "--features", "evil.p"],
        ["eval", "--compare", "evil.p", "evil.p"],
    ],
)
def test_commands_refuse_in_one_line(tmp_path, monkeypatch, capsys, command):
    attack = next(attack for attack in attacks.corpus(tmp_path) if attack.name == "os.system")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.p").write_bytes(attack.variants()[2])
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert neuraltalk(command) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: evil.p: refused ") and ".system'" in err and err.count("\n") == 1
    assert not attacks.left_traces(tmp_path, attack)
