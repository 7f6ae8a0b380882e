"""The model as a whole: its start, its learning, its steps, and the options it refuses."""

import numpy as np
import pytest

from neuraltalk.cli.records import TrainingOptions
from neuraltalk.data.batches import Batch
from neuraltalk.data.packing import pack_sentences
from neuraltalk.errors import UserError
from neuraltalk.models.captioner import Captioner, CaptionerOptions
from neuraltalk.train.solver import Solver


def small(generator="lstm", **options):
    return CaptionerOptions(generator=generator, image_encoding_size=12, word_encoding_size=12, hidden_size=12, **options)


def some_batch(rng, V=9):
    sentences = [[1, 2, 3], [4, 5], [6, 7, 8, 1, 2], [3, 3], []]
    packed = pack_sentences(sentences)
    return Batch(rng.standard_normal((5, 20)).astype(np.float32), packed), sentences


@pytest.mark.parametrize("generator", ["lstm", "rnn"])
def test_first_loss_is_near_log_V(generator):
    rng = np.random.default_rng(0)
    batch, _ = some_batch(rng)
    loss = Captioner.initialise(small(generator), 20, np.zeros(9), rng).loss(batch)
    assert -loss.log_likelihood / loss.words == pytest.approx(np.log(9), rel=0.1)
    assert loss.words == sum(len(s) + 1 for s in [[1, 2, 3], [4, 5], [6, 7, 8, 1, 2], [3, 3], []])


@pytest.mark.parametrize("generator, of_decoder", [("lstm", 0.1), ("rnn", 0.01)])
def test_where_weights_start(generator, of_decoder):
    """Uniform in [-0.1, 0.1], the RNN's Wd in a tenth of that; biases at 0 but bd, which has the words' frequencies."""
    frequencies = np.log([1, 0.5, 0.25, 0.125])
    params = Captioner.initialise(small(generator), 20, frequencies, np.random.default_rng(0)).params
    for name, array in params.items():
        if name == "bd":
            np.testing.assert_array_equal(array, [frequencies.astype(np.float32)])
        elif name.startswith("b"):
            assert not array.any()
        else:
            limit = of_decoder if name == "Wd" else 0.1
            assert -limit <= array.min() < -0.8 * limit and 0.8 * limit < array.max() <= limit


def test_image_scale_is_a_factor_of_the_features():
    rng = np.random.default_rng(6)
    batch, _ = some_batch(rng)
    plain = Captioner.initialise(small(), 20, np.zeros(9), rng)
    scaled = Captioner(small(image_scale=0.25), plain.params)
    smaller = batch._replace(features=batch.features / 4)
    assert scaled.loss(batch).total_cost == plain.loss(smaller).total_cost != plain.loss(batch).total_cost
    np.testing.assert_array_equal(scaled.begin(batch.features)[0], plain.begin(smaller.features)[0])


def test_options_have_the_defaults_of_the_command():
    assert CaptionerOptions() == CaptionerOptions.of(TrainingOptions())


def test_features_of_another_precision_become_the_models():
    captioner = Captioner.initialise(small(), 20, np.zeros(9), np.random.default_rng(0))
    assert {array.dtype for array in captioner.begin(np.ones((2, 20), np.float64))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("generator", ["lstm", "rnn"])
def test_memorises_a_tiny_set(generator):
    rng = np.random.default_rng(1)
    batch, sentences = some_batch(rng)
    options = small(generator, drop_prob_encoder=0.0, drop_prob_decoder=0.0)
    captioner, solver = Captioner.initialise(options, 20, np.zeros(9), rng), Solver("adam")
    for _ in range(300):
        solver.step(captioner.params, captioner.loss(batch).grads, 0.01)
    assert captioner.loss(batch).loss_cost < 0.05
    state, words = captioner.begin(batch.features), np.zeros(5, dtype=int)
    said = [[] for _ in range(5)]
    for _ in range(6):              # greedy, without a beam search
        scores, state = captioner.advance(state, np.arange(5), words)
        words = scores.argmax(axis=1)
        for k in range(5):
            said[k].append(int(words[k]))
    for place, k in enumerate(batch.sentences.order):
        assert said[place][:len(sentences[k]) + 1] == [*sentences[k], 0]


@pytest.mark.parametrize("options", [small(), small(tanhC_version=1), small("rnn"), small("rnn", rnn_feed_once=1, rnn_relu_encoders=1)])
def test_step_by_step_equals_the_batch(options):
    rng = np.random.default_rng(2)
    batch, _ = some_batch(rng)
    captioner = Captioner.initialise(options, 20, rng.standard_normal(9), rng, dtype=np.float64)
    whole, (inputs, _, sizes, _) = captioner.scores(batch), batch.sentences
    state, start = captioner.begin(batch.features), 0
    for n in sizes:
        scores, state = captioner.advance(state, np.arange(n), inputs[start:start + n])
        np.testing.assert_allclose(scores, whole[start:start + n], rtol=1e-6, atol=1e-9)
        start += n


@pytest.mark.parametrize("options", [small(), small("rnn")])
def test_rows_of_one_parent_go_on_from_it(options):
    """Beams divide: what a row gives depends on its parent and its word, not on who shares them."""
    rng = np.random.default_rng(5)
    batch, _ = some_batch(rng)
    captioner = Captioner.initialise(options, 20, np.zeros(9), rng, dtype=np.float64)
    _, state = captioner.advance(captioner.begin(batch.features), np.arange(5), np.zeros(5, int))
    parent, words = np.array([3, 1, 1, 3, 1]), np.array([2, 2, 5, 2, 0])
    scores, after = captioner.advance(state, parent, words)
    for r in range(5):
        alone, state_alone = captioner.advance(tuple(array[parent[[r]]] for array in state), np.zeros(1, int), words[[r]])
        np.testing.assert_allclose(scores[[r]], alone, rtol=1e-12, atol=1e-12)
        for ours, theirs in zip(after, state_alone):
            np.testing.assert_allclose(ours[[r]], theirs, rtol=1e-12, atol=1e-12)


def test_float32_stays_float32_and_near_float64():
    losses = {}
    for dtype in (np.float32, np.float64):
        rng = np.random.default_rng(3)
        batch, _ = some_batch(rng)
        loss = Captioner.initialise(small(), 20, np.zeros(9), rng, dtype=dtype).loss(batch, np.random.default_rng(4))
        assert {array.dtype.type for array in loss.grads.values()} == {dtype}
        losses[dtype] = loss.total_cost
    assert losses[np.float32] == pytest.approx(losses[np.float64], rel=1e-5)


def test_the_penalty_covers_the_weight_matrices_only():
    rng = np.random.default_rng(5)
    batch, _ = some_batch(rng)
    captioner = Captioner.initialise(small(regc=2.0), 20, np.zeros(9), rng, dtype=np.float64)
    squares = sum((captioner.params[name] ** 2).sum() for name in ("We", "Ws", "WLSTM", "Wd"))
    assert captioner.loss(batch).reg_cost == pytest.approx(2.0 / 2 * squares / 5, rel=1e-12)


def test_sizes_that_do_not_fit_are_refused():
    for options, fault in ((CaptionerOptions(word_encoding_size=8), "same input"),
                           (CaptionerOptions(generator="rnn", hidden_size=8), "hidden state")):
        with pytest.raises(UserError, match=fault):
            Captioner.initialise(options, 20, np.zeros(9), np.random.default_rng(0))
    Captioner.initialise(CaptionerOptions(hidden_size=8), 20, np.zeros(9), np.random.default_rng(0))
    Captioner.initialise(CaptionerOptions(generator="rnn", word_encoding_size=8), 20, np.zeros(9), np.random.default_rng(0))
