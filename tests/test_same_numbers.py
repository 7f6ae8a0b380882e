"""The same seed gives the same bytes, with the same number of BLAS threads; Numba's don't matter. See docs/trust.md."""

import pytest
from same_numbers import MODELS, difference, make_data, train
from test_cli_train import SMALL, place  # noqa: F401 (a fixture)

from neuraltalk.cli.main import main as neuraltalk
from neuraltalk.train.trainer import Trainer


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    make_data(folder / "data" / "made")
    more = {"dtypes": ("float32", "float64")}
    return folder, {threads: train(folder / "{}-{}".format(*threads), *threads, **more) for threads in ((2, 1), (2, 2), (1, 1))}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", list(MODELS))
def test_same_seed_same_bytes(runs, kind, dtype):
    folder, found = runs
    assert found[2, 1][kind, dtype] == found[2, 2][kind, dtype]
    assert difference(folder / "2-1", folder / "1-1", kind, dtype) < (5e-3 if dtype == "float32" else 1e-7)


def test_who_resumes_with_other_threads_is_told(place, monkeypatch, capsys):  # noqa: F811
    assert neuraltalk(["train", *SMALL, "-m", "1"]) == 0
    assert neuraltalk(["train", "--resume", "-m", "2"]) == 0
    assert "but for rounding" not in capsys.readouterr().err
    before = Trainer.threads
    monkeypatch.setattr(Trainer, "threads", lambda trainer: [1, before(trainer)[1] + 3])
    assert neuraltalk(["train", "--resume", "-m", "3"]) == 0
    assert "the run goes on as it would have, but for rounding" in capsys.readouterr().err
