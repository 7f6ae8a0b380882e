"""Several ranks under mpiexec: what one process gives, to rounding or to the bit; one voice; all end when one fails."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import ranked_training

from neuraltalk.data.batches import Part, Rows, make_alignment_batch, make_batch
from neuraltalk.errors import UserError
from neuraltalk.layers.dropout import bytes_of_rows, dropout_forward
from neuraltalk.layers.twins import numpy_only
from neuraltalk.ranks import ALONE, launched, world
from neuraltalk.train.checkpoint import load_checkpoint

TESTS = pathlib.Path(__file__).parent
ROOT = TESTS.parent
# The launcher beside this Python comes with the same MPI as its mpi4py does, if both are from the package index.
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", "")]))
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None, reason='needs mpiexec and mpi4py: pip install -e ".[mpi]"'
)
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PMI", "OMPI_COMM_WORLD", "MPI_"))},
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "error",
    "OPENBLAS_NUM_THREADS": "1",
    "NEURALTALK_KERNELS": "0",  # nothing to load: processes start in half the time
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",  # more ranks than cores: MPICH is to sleep while it waits
    "OMPI_ALLOW_RUN_AS_ROOT": "1",  # Open MPI wants to be told; others don't look
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def launch(ranks, *arguments, cwd=None, **environment):
    """Run a Python program on some ranks, to its end."""
    return subprocess.run(
        [MPIEXEC, "-n", str(ranks), sys.executable, *map(str, arguments)],
        cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=120,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of the runs of ranked_training.py by one process."""
    folder = tmp_path_factory.mktemp("alone")
    with numpy_only():
        for name in ranked_training.RUNS:
            ranked_training.make_trainer(name, folder, ALONE).run()
    return folder


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 3])
def test_training_on_ranks_is_training_alone(tmp_path, alone, ranks):
    """Both models, dropout on; batches that don't divide evenly, and batches of fewer sentences than there are ranks."""
    done = launch(ranks, TESTS / "ranked_training.py", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ranked_training.RUNS:
        a, b = load_checkpoint(alone / f"{name}.last.p"), load_checkpoint(tmp_path / f"{name}.last.p")
        for own, other in ((a.model, b.model), (a.training["solver"]["memory"], b.training["solver"]["memory"])):
            assert own.keys() == other.keys()
            for key in own:
                np.testing.assert_allclose(other[key], own[key], rtol=1e-10, atol=1e-10, err_msg=f"{name}: {key}")
        for own, other in zip(a.history, b.history, strict=True):
            assert own == pytest.approx(other, rel=1e-10)
        random = [{**checkpoint.training["random"], "uinteger": 0} for checkpoint in (a, b)]  # what was kept of a number half used
        assert random[0] == random[1]
        assert a.training["sampler"] == b.training["sampler"]


@pytest.mark.parametrize("kind", ["captioner", "alignment"])
def test_parts_of_a_batch_are_rows_of_the_whole(kind):
    rng = np.random.default_rng(1)
    array = np.round(rng.random((160, 7)), 3)
    pairs = [(imgid, rng.integers(1, 6, rng.integers(0, 5)).tolist()) for imgid in rng.permutation(40)[:11].tolist()]
    if kind == "captioner":
        features, make = ranked_training.Rows(array), make_batch
    else:
        features, make = ranked_training.ToyRegions(array), make_alignment_batch
    whole = make(features, pairs)
    assert whole.part == Part()
    seen = {"sentences": [], "words": [], "regions": []}
    for k in range(4):
        part = make(features, pairs, k, 4)
        own = part.part
        assert own.sizes(len(own.sentences.chosen)) == (11, len(own.sentences.chosen) / 11)
        for what, numbers, wholes in (
            ("words", part.sentences[0], whole.sentences[0]),
            ("regions" if kind == "alignment" else "sentences", part[0], whole[0]),
        ):
            rows = getattr(own, what)
            np.testing.assert_array_equal(wholes[rows.chosen], numbers)
            assert rows.total == len(wholes) and (np.diff(rows.chosen) > 0).all()
            seen[what] += rows.chosen.tolist()
        seen["sentences"] += own.sentences.chosen.tolist() if kind == "alignment" else []
        if kind == "alignment":
            assert own.whole.sizes.tolist() == whole.sentences.sizes.tolist()
            assert own.whole.lengths.tolist() == whole.sentences.lengths.tolist()
            np.testing.assert_array_equal(own.whole.words[k], own.words.chosen)
    assert sorted(seen["sentences"]) == list(range(11))
    assert sorted(seen["words"]) == list(range(len(whole.sentences[0])))


@pytest.mark.parametrize("source", [np.random.PCG64, np.random.MT19937])
@pytest.mark.parametrize("width", [2, 8, 64, 512])
@pytest.mark.parametrize("chosen", [[], [0], [399], [7, 8, 350], list(range(0, 400, 3))])
def test_random_numbers_of_some_rows(source, width, chosen):
    """By skipping or by drawing all: the same numbers, and the same afterwards."""
    whole, part = np.random.Generator(source(5)), np.random.Generator(source(5))
    wanted = np.frombuffer(whole.bytes(400 * width), np.uint8).reshape(400, width)[chosen]
    assert bytes_of_rows(part, width, Rows(np.array(chosen, dtype=np.int64), 400)) == wanted.tobytes()
    assert whole.bytes(24) == part.bytes(24)


def test_rows_are_dropped_as_in_the_whole():
    x = np.random.default_rng(0).random((300, 3, 4))
    y, mask = dropout_forward(x, 0.4, np.random.default_rng(1))
    rows = Rows(np.arange(2, 300, 50), 300)
    own, own_mask = dropout_forward(x[rows.chosen], 0.4, np.random.default_rng(1), rows)
    np.testing.assert_array_equal(own, y[rows.chosen])
    np.testing.assert_array_equal(own_mask, mask[rows.chosen])
    assert dropout_forward(x, 0.0, np.random.default_rng(1), rows) == (x, None)


def test_how_launchers_are_recognised():
    assert launched({}) == (1, 0)
    assert launched({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}) == (4, 3)
    assert launched({"PMI_SIZE": "2", "PMI_RANK": "0"}) == (2, 0)
    assert launched({"MV2_COMM_WORLD_SIZE": "2", "MV2_COMM_WORLD_RANK": "1"}) == (2, 1)
    assert launched({"SLURM_STEP_NUM_TASKS": "8", "PMIX_RANK": "5"}) == (8, 5)
    assert launched({"SLURM_STEP_NUM_TASKS": "8"}) == (1, 0)  # started without MPI
    assert launched({"PMI_SIZE": "many", "PMI_RANK": "0"}) == (1, 0)


def test_without_a_launcher_nothing_is_imported():
    code = "import sys; from neuraltalk.cli import train; from neuraltalk.ranks import world; world(); sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT).returncode == 0


def test_without_mpi4py_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UserError, match=r'2 processes were launched.*pip install -e "\.\[mpi\]".*openmpi-bin') as caught:
        world.__wrapped__()
    assert "\n" not in str(caught.value)
