"""Several ranks under mpiexec: what one process gives, to rounding or to the bit; one voice; all end when one fails."""

import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from typing import NamedTuple

import numpy as np
import pytest
import ranked_training
from test_alignment_training import make_toy
from test_vision import SMALL
from tiny_models import make_pictures

from neuraltalk.data.batches import Part, Rows, make_alignment_batch, make_batch
from neuraltalk.data.pairs import Pairs
from neuraltalk.errors import UserError
from neuraltalk.layers.dropout import bytes_of_rows, dropout_backward, dropout_forward, random_bytes
from neuraltalk.layers.twins import numpy_only
from neuraltalk.ranks import ALONE, _wait_until_read, launched, world
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.train.flat_sum import FlatSum
from neuraltalk.vision.kmeans import KMeansExtractor

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


class Sum(NamedTuple):
    cost: float
    grads: dict
    pairs: int


@pytest.mark.parametrize("flags", [(False, False), (False, True), (True, True)])
def test_a_rank_without_a_part_adds_nothing(flags):
    """In place of another rank: what it adds to the buffer."""
    theirs = [0.5, 1.0, 1.5, 2.0, 7.0, 3.0, float(flags[1])]  # two gradients, cost, pairs, flag
    ranks = types.SimpleNamespace(add=lambda buffer: np.add(buffer, theirs, out=buffer))
    total = FlatSum(ranks, Sum, {"a": np.ones((1, 3)), "b": np.ones(1)})
    both, stop = total(Sum(1.0, {"a": np.full((1, 3), 9.0), "b": np.full(1, 9.0)}, 5), flags[0])
    assert (both.cost, both.pairs, both.grads["a"].tolist(), both.grads["b"].tolist()) == (8, 8, [[9.5, 10, 10.5]], [11])
    alone, _ = total(None, flags[0])
    assert (alone.cost, alone.pairs, alone.grads["a"].tolist(), alone.grads["b"].tolist()) == (7, 3, [[0.5, 1, 1.5]], [2])
    assert stop is any(flags)


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
    pairs = Pairs.of(pairs)
    whole = make(features, pairs)
    assert whole.part == Part()
    seen = {"sentences": [], "words": [], "regions": []}
    for k in range(4):
        part = make(features, pairs, k, 4)
        own = part.part
        assert own.sizes(len(own.sentences.chosen)) == (11, len(own.sentences.chosen) / 11)
        for what, numbers, wholes in (
            ("words", part.sentences[0], whole.sentences[0]),
            ("regions", part.regions.features, whole.regions.features)
            if kind == "alignment"
            else ("sentences", part.features, whole.features),
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
    wanted = random_bytes(whole, 400 * width).reshape(400, width)[chosen]
    assert bytes_of_rows(part, width, Rows(np.array(chosen, dtype=np.int64), 400)).tobytes() == wanted.tobytes()
    assert whole.bytes(24) == part.bytes(24)


def test_rows_are_dropped_as_in_the_whole():
    x = np.random.default_rng(0).random((300, 3, 4))
    y, cache = dropout_forward(x, 0.4, np.random.default_rng(1))
    rows = Rows(np.arange(2, 300, 50), 300)
    own, own_cache = dropout_forward(x[rows.chosen], 0.4, np.random.default_rng(1), rows)
    np.testing.assert_array_equal(own, y[rows.chosen])
    np.testing.assert_array_equal(dropout_backward(x[rows.chosen], own_cache), dropout_backward(x, cache)[rows.chosen])
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


# Whole commands


TRAIN = [ROOT / "driver.py", "-d", "toy", "--word_count_threshold", "1", "-b", "6", "--dtype", "float64"]
CAPTIONER = [*TRAIN, "--hidden_size", "8", "--word_encoding_size", "8", "--image_encoding_size", "8", "--eval_batch_size", "4"]
ALIGNER = [*TRAIN, "--model", "alignment", "--hidden_size", "8", "--word_encoding_size", "8", "--embedding_size", "8"]


def python(*arguments, cwd):
    """The same as launch(), without a launcher."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=True
    )


def files(folder):
    """Name -> content of the files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def place(tmp_path):
    """A working folder with a data set of regions and whole images."""
    folder = make_toy(tmp_path / "data" / "toy")
    np.save(folder / "features.npy", np.random.default_rng(0).random((30, 6), dtype=np.float32))
    return tmp_path


@needs_mpi
def test_a_run_on_two_ranks_resumed_on_three_and_on_one(place):
    straight = place / "straight"
    python(*CAPTIONER, "-m", "3", "--checkpoint_output_directory", straight, cwd=place)
    done = launch(2, *CAPTIONER, "-m", "1", cwd=place)
    assert done.returncode == 0 and done.stdout.count("best validation perplexity") == 1
    assert done.stderr.count("vocabulary  ") == done.stderr.count("epoch 1.00: perplexity") == 1
    assert "ranks       2, each with a part of every batch; BLAS threads of the first: 1\n" in done.stderr
    assert len(list((place / "status").iterdir())) == 1
    assert launch(3, *CAPTIONER, "-m", "2", "--resume", cwd=place).returncode == 0
    python(*CAPTIONER, "-m", "3", "--resume", cwd=place)
    assert sorted(path.name for path in (place / "cv").iterdir()) == ["toy_lstm_baseline.last.p", "toy_lstm_baseline.p"]
    a, b = (load_checkpoint(folder / "toy_lstm_baseline.last.p") for folder in (straight, place / "cv"))
    assert a.it == b.it == 18
    for name in a.model:
        np.testing.assert_allclose(b.model[name], a.model[name], rtol=1e-9, atol=1e-10)
    assert [entry["val_ppl2"] for entry in b.history] == pytest.approx([entry["val_ppl2"] for entry in a.history], rel=1e-10)


INTERRUPTED = """
import pathlib, sys, time
from neuraltalk.cli import train

class Slow(train.Watcher):
    def stepped(self, trainer, step):
        super().stepped(trainer, step)
        if trainer.it >= 9:
            pathlib.Path("now").touch()
            time.sleep(0.05)

train.Watcher = Slow
sys.exit(train.main(sys.argv[1:]))
"""


@needs_mpi
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_everything_is_saved_and_the_same_ranks_continue_to_the_bit(place, number):
    command = [*map(str, CAPTIONER), "-m", "8", "--eval_period", "3"]
    (place / "program.py").write_text(INTERRUPTED, encoding="utf-8")
    where = {"cwd": place, "env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([MPIEXEC, "-n", "2", sys.executable, "program.py", *command[1:]], text=True, **where) as running:
        while not (place / "now").exists() and running.poll() is None:
            time.sleep(0.02)
        running.send_signal(number)
        told, _ = running.communicate(timeout=60)
    assert running.returncode == 130 and told.count("everything is saved. To continue:\n    mpiexec -n 2 neuraltalk train --resume ") == 1
    assert 9 <= load_checkpoint(place / "cv" / "toy_lstm_baseline.last.p").it < 48
    if number == signal.SIGTERM:
        return  # one of them will do
    assert launch(2, *command, "--resume", cwd=place).returncode == 0
    assert launch(2, *command, "--checkpoint_output_directory", "straight", cwd=place).returncode == 0
    for name in ("toy_lstm_baseline.p", "toy_lstm_baseline.last.p"):
        a, b = load_checkpoint(place / "straight" / name), load_checkpoint(place / "cv" / name)
        assert a.history == b.history and a.it == b.it
        for key in a.model:
            np.testing.assert_array_equal(a.model[key], b.model[key])


FAILING = """
import os, signal, sys, time
from neuraltalk import ranks as processes
from neuraltalk.cli import console
from neuraltalk.cli.on_ranks import on_ranks
from neuraltalk.errors import UserError
from neuraltalk.ranks import world

@on_ranks
@console.command
def main(argv=None):
    ranks, (mode,) = world(), sys.argv[1:]
    if mode in ("one", "bug", "last"):
        processes.PATIENCE = 0.3  # nobody else will fail
    print("hello", flush=True)
    console.say("hello")
    ranks.wait()
    if mode == "all":
        raise UserError("a mistake")
    if mode == "one" and ranks.rank == 1:
        raise UserError("a mistake of rank 1")
    if mode == "two" and ranks.rank >= 1:
        raise UserError(f"a mistake of rank {ranks.rank}")
    if mode == "bug" and ranks.rank == 2:
        raise ValueError("a bug of rank 2")
    if mode == "killed" and ranks.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "first":
        with ranks.rank_0_first():
            if ranks.rank == 0:
                raise UserError("a mistake of the first")
    if mode == "mapped":
        ranks.map(lambda job: complain() if job == 4 else job, range(6))
    if mode == "differing":
        ranks.check_same(lambda: ranks.rank // 2, "weights")
    if mode == "last" and ranks.rank == 0:
        raise UserError("a mistake when the others are done")
    if mode not in ("last", "fine"):
        ranks.wait()

def complain():
    raise UserError("a mistake in a job")

sys.exit(main())
"""


@needs_mpi
@pytest.mark.parametrize(
    "mode, code, said",
    [
        ("fine", 0, ""),
        ("all", 2, "error: a mistake\n"),
        ("one", 2, "error: a mistake of rank 1\n"),
        ("two", 2, "error: a mistake of rank 1\n"),
        ("first", 2, "error: a mistake of the first\n"),
        ("mapped", 2, "error: a mistake in a job\n"),
        ("differing", 2, "error: rank 2 has other weights than rank 0; every machine needs the same data, code and options\n"),
        ("last", 2, "error: a mistake when the others are done\n"),
        ("bug", 1, "ValueError: a bug of rank 2\n"),
        ("killed", None, ""),
    ],
)
def test_a_rank_that_fails_ends_all_with_one_reason(tmp_path, mode, code, said):
    program = tmp_path / "program.py"
    program.write_text(FAILING, encoding="utf-8")
    done = launch(3, program, mode)
    if code is None:  # the launcher tells, and may lose what was said before
        assert done.returncode != 0
        return
    assert done.returncode == code
    assert done.stdout.startswith("hello\n") and done.stdout.count("hello") == done.stderr.count("hello") == 1
    after = done.stderr.partition("hello\n")[2]
    if code == 1:
        assert after.startswith("Traceback") and after.count("Traceback") == 1 and said in after
    else:
        assert said in after and after.count("error: ") == (code == 2)


@pytest.mark.skipif(os.name == "nt", reason="Windows can't tell what is left in a pipe")
def test_the_reason_is_given_time_to_leave_the_pipe(tmp_path):
    """A launcher that hears of the abort first doesn't read it any more."""
    reader, writer = os.pipe()
    os.write(writer, b"error: a mistake")
    later = threading.Timer(0.1, os.read, (reader, 100))
    later.start()
    with open(tmp_path / "file", "wb") as file:
        _wait_until_read(file.fileno(), writer)
    assert later.finished.is_set()
    os.close(reader)
    os.close(writer)
    _wait_until_read(writer)  # closed: nothing to wait for


@needs_mpi
def test_a_killed_rank_leaves_what_was_saved(place):
    """... and its run can be resumed on fewer ranks."""
    program = place / "program.py"
    program.write_text(
        """
import os, signal, sys
from neuraltalk.cli import train
from neuraltalk.ranks import world
from neuraltalk.train import trainer

class Killing(trainer.Watcher):
    def stepped(self, trainer, step):
        if trainer.it == 9:
            os.kill(os.getpid(), signal.SIGKILL)

if world().rank == 1:
    trainer.Watcher = Killing
sys.exit(train.main(sys.argv[1:]))
""",
        encoding="utf-8",
    )
    done = launch(2, program, *CAPTIONER[1:], "-m", "2", cwd=place)
    assert done.returncode != 0 and "best validation" not in done.stdout
    python(*CAPTIONER, "-m", "2", "--resume", cwd=place)
    assert load_checkpoint(place / "cv" / "toy_lstm_baseline.last.p").it == 12


@needs_mpi
def test_the_alignment_model_is_trained_and_evaluated(place):
    assert launch(2, *ALIGNER, "-m", "1", cwd=place).returncode == 0
    check_evaluation(place, 3, ["cv/toy_alignment_baseline.p", "-s", "train"])


@needs_mpi
def test_evaluation_on_ranks_writes_what_one_process_writes(place, monkeypatch):
    python(*CAPTIONER, "-m", "1", cwd=place)
    check_evaluation(place, 2, ["cv/toy_lstm_baseline.p", "-s", "train", "-b", "1,3", "--human", "--nearest"])


def check_evaluation(place, ranks, options):
    """eval_sentence_predictions.py alone and on some ranks: the same to stdout, and the same files."""
    # Blocks of images are made small, so that there are several.
    program = place / "evaluate.py"
    program.write_text(
        "import sys\nfrom neuraltalk.cli import evaluate\nfrom neuraltalk.decode import beam_search\n"
        "from neuraltalk.train import retrieval\n"
        "beam_search.SCORES_AT_ONCE = 100\nretrieval.IMAGES_AT_ONCE = 4\nretrieval.image_blocks.__defaults__ = (4,)\n"
        "sys.exit(evaluate.main(sys.argv[1:]))\n",
        encoding="utf-8",
    )
    one = python(program, *options, "-o", "results", cwd=place)
    alone = files(place / "results")
    shutil.rmtree(place / "results")
    several = launch(ranks, program, *options, "-o", "results", cwd=place)
    assert (several.returncode, several.stdout) == (0, one.stdout)
    assert files(place / "results") == alone and len(alone) >= 2


@needs_mpi
def test_extraction_on_ranks_writes_what_one_process_writes(tmp_path):
    """9 pictures are two batches: a rank has none. One picture can't be read."""
    names = [f"{k:02}.png" for k in range(9)]
    make_pictures(tmp_path / "pictures", names)
    (tmp_path / "pictures" / names[3]).write_bytes(b"no picture")
    (tmp_path / "boxes.json").write_text(json.dumps({name: [[1, 2, 20, 15], [k, 0, 30, 24]] for k, name in enumerate(names)}))
    readable = [tmp_path / "pictures" / name for name in names[4:]]
    dictionary = KMeansExtractor.learn(readable, np.random.default_rng(0), SMALL, patches=400, iterations=2)
    dictionary.save(tmp_path / "extractor.npz")
    command = ["-m", "neuraltalk.cli.extract", "pictures", "--features", "extractor.npz", "--regions", "--boxes", "boxes.json", "-o"]
    one = python(*command, "alone", cwd=tmp_path)
    several = launch(3, *command, "together", cwd=tmp_path)
    assert (several.returncode, several.stdout) == (0, one.stdout.replace("alone", "together"))
    assert several.stderr.count("skipped: ") == 1
    alone = files(tmp_path / "alone")
    assert files(tmp_path / "together") == alone and {"features.npy", "region_feats.mat"} <= alone.keys()
    assert launch(2, *command, "together", "-j", "2", cwd=tmp_path).stderr.startswith("error: --jobs 2 starts processes")
