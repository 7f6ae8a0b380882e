"""The solver: Adam as it was published, clipping, what it remembers. The original's rules are held to its numbers in test_original.py."""

import numpy as np
import pytest

from neuraltalk.train.solver import MEMORIES, Solver

pytestmark = pytest.mark.usefixtures("both_twins")


def steps(solver, gradients, rate=0.1, dtype=np.float64):
    """Where a weight matrix of ones comes to by some gradients (n, 2, 3)."""
    params = {"W": np.ones((2, 3), dtype)}
    for g in gradients:
        solver.step(params, {"W": g.astype(dtype)}, rate)
    return params["W"]


def some_gradients(n=6):
    return np.random.default_rng(0).normal(0, 2, size=(n, 2, 3))


def test_adam_is_the_published_algorithm():
    """Kingma and Ba 2015, algorithm 1; epsilon is large, so that where it stands matters."""
    w, m, s = np.ones((2, 3)), 0.0, 0.0
    for t, g in enumerate(some_gradients(), 1):
        m = 0.9 * m + 0.1 * g
        s = 0.99 * s + 0.01 * g**2
        w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.99**t)) + 0.3)
    found = steps(Solver("adam", grad_clip=0, decay_rate=0.99, smooth_eps=0.3), some_gradients())
    np.testing.assert_allclose(found, w, rtol=1e-12)


@pytest.mark.parametrize("rule", MEMORIES)
def test_gradients_are_clipped_element_by_element(rule):
    gradients = some_gradients()
    clipped = steps(Solver(rule, grad_clip=0.5), gradients)
    np.testing.assert_array_equal(clipped, steps(Solver(rule, grad_clip=0), np.clip(gradients, -0.5, 0.5)))
    assert not np.array_equal(clipped, steps(Solver(rule, grad_clip=0), gradients))


@pytest.mark.parametrize("rule", MEMORIES)
def test_goes_on_from_its_state(rule):
    gradients = some_gradients()
    straight, first, second = (Solver(rule, momentum=0.5) for _ in range(3))
    params = {"W": steps(first, gradients[:3])}
    second.restore(first.state())
    for g in gradients[3:]:
        second.step(params, {"W": g}, 0.1)
    np.testing.assert_array_equal(params["W"], steps(straight, gradients))


@pytest.mark.parametrize("rule", MEMORIES)
def test_no_gradient_moves_nothing_and_nan_is_not_hidden(rule):
    assert (steps(Solver(rule), np.zeros((3, 2, 3)), dtype=np.float32) == 1).all()
    assert np.isnan(steps(Solver(rule), np.full((1, 2, 3), np.nan))).all()
