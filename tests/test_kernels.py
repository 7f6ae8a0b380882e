"""Each kernel of the layers and the solver against its NumPy definition, and the error of the exponential."""

import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from neuraltalk.layers import alignment_score, dropout, embedding, kernels, lstm, softmax, twins, weight_decay  # noqa: F401  (they register)
from neuraltalk.train import solver  # noqa: F401


def layer_arguments(rng, dtype):
    def a(*shape, low=-2.0, high=2.0):
        return rng.uniform(low, high, size=shape).astype(dtype)

    def positive(*shape):
        return a(*shape, low=0.1)
    n, H, V = 5, 7, 9
    number = dtype
    words = np.array([3, 0, 3, 8, 2], dtype=np.int32)
    offsets = np.array([0, 3, 4, 9])
    keys = np.array([2, 5, 2, 0, 2, 5, 8])
    return {
        "layers.best_regions": lambda: (a(V, H), offsets, np.empty((3, H), dtype), np.empty((3, H), np.int32)),
        "layers.positive_sums": lambda: (a(V, H), offsets, np.empty((3, H), dtype)),
        "layers.group": lambda: (keys, np.empty(V + 1, np.int64), np.empty(len(keys), np.int64)),
        "layers.weighted_row_sums": lambda: (np.array([0, 0, 6, 7]), keys, a(len(keys)), a(V, H), np.empty((3, H), dtype)),
        "layers.decay": lambda: (a(n), number(0.3), a(n), np.ones(1)),
        "layers.drop": lambda: (a(n), np.array([0, 6, 7, 8, 65535], np.uint16), 7, number(1.5), a(n)),
        "layers.scatter_add": lambda: (a(n, H), words, a(V, H)),
        "layers.softmax_rows": lambda: (a(n, V), a(1, V), words, number(0.3), np.empty(n), np.zeros((1, V), dtype)),
        "layers.lstm_gates_forward": lambda: (a(n, 4 * H), a(n, 4 * H), a(4 * H), a(n, H), True, a(n, H), a(n, H)),
        "layers.lstm_gates_backward": lambda: (a(n, H), positive(n, 4 * H), a(n, H), a(n, H), True, a(n, H), a(n, 4 * H)),
        "train.vanilla_update": lambda: (a(n), a(n), a(n), number(0.1), number(1), number(0.9)),
        "train.adagrad_update": lambda: (a(n), a(n), positive(n), number(0.1), number(1), number(1e-8)),
        "train.rmsprop_update": lambda: (a(n), a(n), positive(n), number(0.1), number(1), number(1e-8), number(0.9)),
        "train.adadelta_update": lambda: (a(n), a(n), positive(n), positive(n), number(1), number(1e-8), number(0.9)),
        "train.adam_update": lambda: (a(n), a(n), a(n), positive(n), number(0.1), number(1), number(1e-8), number(0.9), number(0.99)),
    }


def definitions():
    return sorted(name.removeprefix("neuraltalk.") for name in twins.DEFINITIONS
                  if name.startswith(("neuraltalk.layers.", "neuraltalk.train.")))


@pytest.mark.parametrize("dtype,bound", [(np.float32, 2e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("name", definitions())
def test_kernel_equals_its_definition(name, dtype, bound):
    make = layer_arguments(np.random.default_rng(0), dtype)[name]
    arguments = make()
    ours, theirs = [[x.copy() if isinstance(x, np.ndarray) else x for x in arguments] for _ in range(2)]
    package, _, function = name.partition(".")
    getattr(importlib.import_module(f"neuraltalk.{package}.kernels"), function)(*ours)
    twins.DEFINITIONS[f"neuraltalk.{name}"](*theirs)
    for a, b in zip(ours, theirs):
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def test_exponential_in_float32():
    from numba import njit

    @njit
    def fill(x, y):
        for k in range(len(x)):
            y[k] = kernels.exponential(x[k])

    x = np.concatenate([np.linspace(-87, 88, 400_001), [0.0, -200.0, 200.0, np.nan]]).astype(np.float32)
    y = np.empty_like(x)
    fill(x, y)
    exact = np.exp(x[:-3].astype(np.float64))
    assert np.abs(y[:-3] / exact - 1).max() < 3e-7
    assert y[-3] < 2e-38 and y[-2] > 1e38 and np.isnan(y[-1])


@pytest.mark.parametrize("variable", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_the_layers_battery_without_the_jit_and_with_bounds_checking(variable, tmp_path):
    """Every layer test once more, the kernels as plain Python and with every index checked."""
    battery = pathlib.Path(__file__).with_name("test_layers.py")
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not numpy", battery],
                            env={**os.environ, variable: "1", "NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_numpy_only_ends_with_its_block():
    before = twins._kernels_run
    with pytest.raises(ZeroDivisionError), twins.numpy_only():
        assert twins._kernels_run is False
        raise ZeroDivisionError
    assert twins._kernels_run is before
