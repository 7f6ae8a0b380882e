"""Whole models against differences, every option; and planted mistakes that the check has to find."""

import io
import itertools

import numpy as np
import pytest

from neuraltalk.layers import lstm
from neuraltalk.layers.alignment_score import best_region_forward, positive_regions_forward
from neuraltalk.layers.ranking_loss import ranking_loss
from neuraltalk.layers.rectified_affine import rectified_affine_forward
from neuraltalk.layers.relu import relu_forward
from neuraltalk.layers.rnn import rnn_forward
from neuraltalk.models import captioner as captioner_module
from neuraltalk.models import rnn_generator
from neuraltalk.models.captioner import CaptionerOptions
from neuraltalk.train import gradient_check
from neuraltalk.train.gradient_check import MODEL_BOUND, check_model, run

VARIANTS = [CaptionerOptions(generator="lstm", tanhC_version=tanh, image_scale=2.0 - tanh) for tanh in (0, 1)] + [
    CaptionerOptions(generator="rnn", rnn_relu_encoders=relu, rnn_feed_once=once) for relu, once in itertools.product((0, 1), repeat=2)]


@pytest.mark.parametrize("options", VARIANTS, ids=lambda o: f"{o.generator}{o.tanhC_version}{o.rnn_relu_encoders}{o.rnn_feed_once}")
def test_every_coordinate_with_dropout_on(options):
    results, _ = check_model(options)
    for name, (_, worst) in results.items():
        assert worst.error < MODEL_BOUND, (name, worst)


def passes(options):
    return run(options, io.StringIO())


def test_finds_a_dropped_state_that_reenters_the_recurrence(monkeypatch):
    """The original's defect: the RNN's hidden gradient flows through the dropped copy as if it were the state."""
    real = captioner_module.dropout_backward
    calls = []

    def defective(dy, cache):
        calls.append(1)
        return dy if len(calls) % 3 == 1 else real(dy, cache)    # the decoder's dropout is the first of three
    monkeypatch.setattr(captioner_module, "dropout_backward", defective)
    assert not passes(CaptionerOptions(generator="rnn"))


def test_finds_a_forgotten_recurrent_gradient(monkeypatch):
    real = rnn_generator.rnn_backward

    def defective(dh, cache):
        da, dWhh, dbhh, dh0 = real(dh, cache)
        return da, 0.99 * dWhh, dbhh, dh0
    monkeypatch.setattr(rnn_generator, "rnn_backward", defective)
    assert not passes(CaptionerOptions(generator="rnn"))


def test_finds_a_wrong_gate(monkeypatch):
    real = lstm.lstm_gates_backward

    def defective(dh, gates, c, c_previous, tanh_c, dc, dgates):
        real(dh, gates, c, c_previous, tanh_c, dc, dgates)
        dgates[:, :1] *= 1.001
    monkeypatch.setattr(lstm, "lstm_gates_backward", defective)
    assert not passes(CaptionerOptions())


def test_finds_nan(monkeypatch):
    real = captioner_module.embedding_backward
    monkeypatch.setattr(captioner_module, "embedding_backward", lambda dx, cache: np.full_like(real(dx, cache), np.nan))
    assert not passes(CaptionerOptions())


ONE, OFFSETS = np.ones((1, 1)), np.array([0, 2])
KINKED = {                              # functions of x (2, 1), each with a kink where the first number is 0
    "rectifier": lambda x: relu_forward(x)[0],
    "rectified affine": lambda x: rectified_affine_forward(x, ONE, np.zeros((1, 1)))[0],
    "recurrence": lambda x: rnn_forward(x, np.array([1, 1]), ONE, np.zeros((1, 1)))[0],
    "best region": lambda x: best_region_forward(x - [[0], [x[1, 0]]], OFFSETS, ONE)[0],
    "positive regions": lambda x: positive_regions_forward(x, OFFSETS, ONE)[0],
    "ranking loss": lambda x: ranking_loss(np.array([[1.0, x[0, 0]], [-9.0, 1.0]])).cost,
}


@pytest.mark.parametrize("name", KINKED)
def test_crossed_kinks_are_told_apart(name):
    x = np.array([[1e-6], [1.0]])
    with pytest.raises(gradient_check.KinkCrossed):
        gradient_check.check_gradient(lambda: np.sum(KINKED[name](x)), x, np.ones((2, 1)))
