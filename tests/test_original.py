"""Parity with the original NeuralTalk: six small models, and what the original computed from them, to 1e-9 in float64.

The vectors in tests/original/ are measurements of the original program; cases.json holds options, sentences, costs and
predictions, arrays.npz parameters, gradients, scores and the parameters after five steps of each solver.
"""

import json
import pathlib

import numpy as np
import pytest

from neuraltalk.data.batches import Batch
from neuraltalk.data.packing import pack_sentences
from neuraltalk.decode.beam_search import beam_search
from neuraltalk.layers.softmax import log_softmax
from neuraltalk.models.captioner import Captioner, CaptionerOptions
from neuraltalk.train.solver import Solver

pytestmark = pytest.mark.usefixtures("both_twins")

FOLDER = pathlib.Path(__file__).parent / "original"
CASES = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))
ARRAYS = np.load(FOLDER / "arrays.npz")
NAMES = sorted(CASES["cases"])
INDEX = {word: k + 1 for k, word in enumerate(CASES["vocabulary"])}


def pairs():
    """(image, word indices) of the 8 pairs in their order, unknown words skipped."""
    return [(k, [INDEX[w] for w in words if w in INDEX]) for k, image in enumerate(CASES["sentences"]) for words in image]


def whole_batch(which=slice(None)):
    images, sentences = zip(*pairs()[which], strict=True)
    packed = pack_sentences(sentences)
    return Batch(ARRAYS["features"][np.array(images)[packed.order]].astype(np.float64), packed)


def model(name):
    prefix = f"{name}/model/"
    params = {key.removeprefix(prefix): ARRAYS[key].copy() for key in ARRAYS.files if key.startswith(prefix)}
    return Captioner(CaptionerOptions.of(CASES["cases"][name]["params"]), params)


@pytest.mark.parametrize("name", NAMES)
def test_costs_and_gradients(name):
    case, captioner = CASES["cases"][name], model(name)
    loss = captioner.loss(whole_batch())
    for key in ("reg_cost", "loss_cost", "total_cost"):
        assert getattr(loss, key) == pytest.approx(case["cost"][key], rel=1e-9)
    assert 2 ** (-loss.log_likelihood / np.log(2) / loss.words) == pytest.approx(case["ppl2"], rel=1e-9)
    assert set(captioner.regularised()) == set(case["regularized"])
    assert set(loss.grads) == set(captioner.params)
    for key, grad in loss.grads.items():
        expected = ARRAYS[f"{name}/grad/{key}"]
        np.testing.assert_allclose(grad, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(), err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_scores(name):
    batch = whole_batch()
    scores, sentences = model(name).scores(batch), batch.sentences
    start = 0
    rows = {k: [] for k in range(len(sentences.order))}
    for n in sentences.sizes:
        for place in range(n):
            rows[int(sentences.order[place])].append(scores[start + place])
        start += n
    for k, found in rows.items():
        np.testing.assert_allclose(found, ARRAYS[f"{name}/scores/{k}"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_validation_perplexity(name):
    captioner, total, words = model(name), 0.0, 0
    for which in (slice(0, 5), slice(5, 8)):
        log_likelihood, count = captioner.log_likelihood(whole_batch(which))
        total, words = total + log_likelihood, words + count
    assert 2 ** (-total / np.log(2) / words) == pytest.approx(CASES["cases"][name]["val_ppl2"], rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_predictions(name):
    captioner = model(name)
    for beam_size, expected in CASES["cases"][name]["predictions"].items():
        found = beam_search(captioner, ARRAYS["features"], beam_size=int(beam_size), nbest=int(beam_size))
        for captions, image in zip(found, expected, strict=True):
            assert [list(caption.words) for caption in captions] == [words for _, words in image]
            np.testing.assert_allclose([caption.log_probability for caption in captions], [p for p, _ in image], rtol=1e-9)


@pytest.mark.parametrize("rule", ["vanilla", "momentum", "adagrad", "adadelta", "rmsprop"])
@pytest.mark.parametrize("name", ["lstm", "rnn"])
def test_five_steps_of_each_solver(name, rule):
    case = CASES["cases"][name]["solvers"][rule]
    options = dict(case["options"])
    learning_rate, captioner = options.pop("learning_rate"), model(name)
    solver = Solver(**options)
    for cost in case["total_cost_before_each_step"]:
        batch = whole_batch()
        loss = captioner.loss(batch)
        p = np.exp(log_softmax(captioner.scores(batch)))[np.arange(loss.words), batch.sentences.targets]
        floored = -np.log(p + 1e-20).sum() / len(batch.features)    # the original's costs can't pass -log 1e-20 a word;
        assert loss.reg_cost + floored == pytest.approx(cost, rel=1e-9)     # its gradients, and our costs, know no floor
        solver.step(captioner.params, loss.grads, learning_rate)
    for key, value in captioner.params.items():
        expected = ARRAYS[f"{name}/solver/{rule}/{key}"]
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(), err_msg=key)
