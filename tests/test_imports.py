"""What is imported when: help comes at once, and nothing waits for a compiler or a file format that it doesn't use."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEAVY = ("numba", "llvmlite", "scipy", "h5py", "PIL", "matplotlib", "nltk", "mpi4py", "optuna", "multiprocessing.pool")


def run(code, *arguments):
    """Run a program in a fresh interpreter -> the JSON that it prints."""
    process = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


LISTS = f"""
import contextlib, io, json, sys
def heavy():
    return [name for name in {HEAVY} if name in sys.modules]
def call(arguments):
    from neuraltalk.cli.main import main
    sys.argv[0] = "neuraltalk"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(arguments) == 0, arguments
"""


def test_the_package_imports_nothing():
    assert run(LISTS + "import neuraltalk; print(json.dumps(heavy() + ['numpy'] * ('numpy' in sys.modules)))") == []


def test_help_imports_nothing_heavy():
    """All commands one after the other, in one process: the first that brings something in is named."""
    code = LISTS + "\n".join([
        "from neuraltalk.cli.main import COMMANDS",
        "seen = {}",
        "for name in ['-h', *COMMANDS]:",
        "    call([name] if name == '-h' else [name, '-h'])",
        "    seen[name] = heavy()",
        "print(json.dumps({name: found for name, found in seen.items() if found}))",
    ])
    assert run(code) == {}


def test_driver_help_needs_no_numpy():
    assert run(LISTS + "call(['train', '-h']); print(json.dumps('numpy' in sys.modules))") is False


def test_pages_need_no_compiler(tmp_path):
    result = {"imgblobs": [{"img_path": "a.png", "candidate": {"text": "a dog", "logprob": -1.0}, "references": [{"text": "a cat"}]}]}
    (tmp_path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    code = LISTS + "\n".join([
        "folder = sys.argv[1]",
        "call(['page', folder + '/result.json', '--pictures', 'none', '-o', folder + '/result.html'])",
        "from neuraltalk.train.status import StatusFile",
        "status = StatusFile(folder + '/status', 'run', {}, ('train_ppl2', 'smooth_train_ppl2', 'val_ppl2'))",
        "status.add(1, 2, 0.5, 1.0, 0.1, 9.0, 9.0, 8.0, True, True)",
        "call(['monitor', folder + '/status', '--output', folder + '/runs.html'])",
        "print(json.dumps(heavy()))",
    ])
    assert run(code, tmp_path) == []


@pytest.mark.parametrize("switch, compiled", [("0", False), ("1", True)])
def test_kernels_are_compiled_unless_the_environment_says_no(switch, compiled):
    code = LISTS + "\n".join([
        "import os; os.environ['NEURALTALK_KERNELS'] = sys.argv[1]",
        "import numpy as np",
        "from neuraltalk.layers.weight_decay import weight_decay",
        "weight_decay(np.ones((2, 2)), np.zeros((2, 2)), 1.0)",
        "print(json.dumps('numba' in sys.modules))",
    ])
    assert run(code, switch) is compiled


def test_data_is_read_without_a_compiler(tmp_path):
    """From dataset.json to a batch: numba belongs to the first kernel, h5py to HDF5 files."""
    words = ["a", "dog", "runs"]
    images = [
        {"imgid": k, "filename": f"{k}.png", "split": "train" if k else "val", "sentences": [{"tokens": words, "raw": "", "sentid": k}]}
        for k in range(6)
    ]
    (tmp_path / "dataset.json").write_text(json.dumps({"images": images}), encoding="utf-8")
    code = LISTS + "\n".join([
        "import numpy as np",
        "from neuraltalk.cli.models import KINDS",
        "from neuraltalk.cli.options import resolve",
        "from neuraltalk.cli.train import load_data",
        "from neuraltalk.data.batches import make_batch",
        "np.save(sys.argv[1] + '/features.npy', np.ones((6, 4), np.float32))",
        "data = load_data(resolve({'dataset': sys.argv[1]}), KINDS['captioner'])",
        "make_batch(data.features, data.train_pairs[:3])",
        "print(json.dumps(heavy()))",
    ])
    assert run(code, tmp_path) == []
