"""One battery for all layers: each case gives arrays, a forward and a backward over them.

    case(rng, dtype) -> (arrays, forward, backward)     forward() -> (output, cache), backward(doutput, cache) -> {name: gradient}

All sizes differ, sentences have unequal lengths, the initial states and the upstream gradients are random.
"""

import numpy as np
import pytest

from neuraltalk.layers.affine import affine_backward, affine_forward
from neuraltalk.layers.alignment_score import WORD_SCORES, sentence_sum_backward, sentence_sum_forward
from neuraltalk.layers.brnn import brnn_backward, brnn_forward
from neuraltalk.layers.dropout import dropout_backward, dropout_forward
from neuraltalk.layers.embedding import embedding_backward, embedding_forward
from neuraltalk.layers.lstm import input_weights, lstm_backward, lstm_forward, lstm_step, recurrent_weights
from neuraltalk.layers.rectified_affine import rectified_affine_backward, rectified_affine_forward
from neuraltalk.layers.relu import relu_backward, relu_forward
from neuraltalk.layers.rnn import rnn_backward, rnn_forward, rnn_step
from neuraltalk.layers.softmax import log_softmax, softmax_cross_entropy
from neuraltalk.train.gradient_check import KinkCrossed, check_gradient

pytestmark = pytest.mark.usefixtures("both_twins")

SIZES = np.array([4, 3, 3, 1])      # four sentences, of 4, 3, 3 and 1 steps
N, M, T = 4, 11, 4


def weights(rng, *shape):
    return rng.uniform(0.3, 0.7, size=shape) * rng.choice([-1, 1], size=shape)


def affine(rng, dtype):
    a = {"x": weights(rng, 5, 3), "W": weights(rng, 3, 4), "b": weights(rng, 1, 4)}
    a = {k: v.astype(dtype) for k, v in a.items()}
    return a, lambda: affine_forward(a["x"], a["W"], a["b"]), lambda dy, c: dict(zip(("x", "W", "b"), affine_backward(dy, c)))


def relu(rng, dtype):
    a = {"x": weights(rng, 5, 3).astype(dtype)}
    return a, lambda: relu_forward(a["x"]), lambda dy, c: {"x": relu_backward(dy, c)}


def dropout(rng, dtype):
    a, seed = {"x": weights(rng, 5, 3).astype(dtype)}, int(rng.integers(1000))
    return a, lambda: dropout_forward(a["x"], 0.4, np.random.default_rng(seed)), lambda dy, c: {"x": dropout_backward(dy, c)}


def embedding(rng, dtype):
    a, words = {"W": weights(rng, 6, 3).astype(dtype)}, np.array([2, 0, 2, 5, 2, 1, 0], dtype=np.int32)
    return a, lambda: embedding_forward(words, a["W"]), lambda dx, c: {"W": embedding_backward(dx, c)}


def lstm(tanh_c):
    def case(rng, dtype):
        a = {"x": weights(rng, M, 3), "W": weights(rng, 1 + 3 + 5, 20), "h0": weights(rng, N, 5), "c0": weights(rng, N, 5)}
        a = {k: v.astype(dtype) for k, v in a.items()}

        def backward(dh, cache):
            return dict(zip(("x", "W", "h0", "c0"), lstm_backward(dh, cache)))
        return a, lambda: lstm_forward(a["x"], SIZES, a["W"], tanh_c, a["h0"], a["c0"]), backward
    return case


def rnn(rng, dtype):
    a = {"a": weights(rng, M, 5), "Whh": weights(rng, 5, 5), "bhh": weights(rng, 1, 5), "h0": weights(rng, N, 5)}
    a = {k: v.astype(dtype) for k, v in a.items()}
    return (a, lambda: rnn_forward(a["a"], SIZES, a["Whh"], a["bhh"], a["h0"]),
            lambda dh, cache: dict(zip(("a", "Whh", "bhh", "h0"), rnn_backward(dh, cache))))


def rectified_affine(rng, dtype):
    a = {"x": weights(rng, 5, 3), "W": weights(rng, 3, 4), "b": weights(rng, 1, 4)}
    a = {k: v.astype(dtype) for k, v in a.items()}
    return (a, lambda: rectified_affine_forward(a["x"], a["W"], a["b"]),
            lambda dy, c: dict(zip(("x", "W", "b"), rectified_affine_backward(dy, c))))


def brnn(rng, dtype):
    shapes = {"e": (M, 5), "Wf": (5, 5), "bf": (1, 5), "Wb": (5, 5), "bb": (1, 5)}
    a = {name: weights(rng, *shape).astype(dtype) for name, shape in shapes.items()}
    return a, lambda: brnn_forward(a["e"], SIZES, *list(a.values())[1:]), lambda dh, c: dict(zip(a, brnn_backward(dh, c)))


def word_scores(kind):
    def case(rng, dtype):
        """Three images of 5, 1 and 2 regions; some gradients are 0, as those of satisfied hinges are."""
        a = {"v": weights(rng, 8, 3).astype(dtype), "s": weights(rng, M, 3).astype(dtype)}
        forward, backward = WORD_SCORES[kind]
        counts = (rng.uniform(size=(3, M)) < 0.7).astype(dtype)

        def masked():
            w, cache = forward(a["v"], np.array([0, 5, 6, 8]), a["s"])
            return w * counts, cache
        return a, masked, lambda dw, c: dict(zip(("v", "s"), backward(dw * counts, c)))
    return case


def sentence_sum(normalise):
    def case(rng, dtype):
        """Five sentences, the last without words."""
        a = {"w": weights(rng, 3, M).astype(dtype)}
        lengths = np.array([4, 3, 3, 1, 0])
        return (a, lambda: sentence_sum_forward(a["w"], SIZES, lengths, normalise),
                lambda dS, c: {"w": sentence_sum_backward(dS, c)})
    return case


CASES = {"affine": affine, "relu": relu, "dropout": dropout, "embedding": embedding, "lstm": lstm(False), "lstm tanh": lstm(True),
         "rnn": rnn, "rectified affine": rectified_affine, "brnn": brnn,
         "best region": word_scores("max"), "positive regions": word_scores("sum"),
         "sentence sum": sentence_sum(False), "sentence mean": sentence_sum(True)}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtype_are_kept_and_inputs_untouched(case, dtype):
    rng = np.random.default_rng(0)
    arrays, forward, backward = case(rng, dtype)
    before = {name: array.copy() for name, array in arrays.items()}
    output, cache = forward()
    upstream = rng.standard_normal(output.shape).astype(dtype)
    kept = upstream.copy()
    first, second = backward(upstream, cache), backward(upstream, cache)
    assert output.dtype == dtype
    np.testing.assert_array_equal(upstream, kept)
    assert set(first) == set(arrays)
    for name, array in arrays.items():
        assert first[name].shape == array.shape and first[name].dtype == dtype, name
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_backward_is_linear(case):
    rng = np.random.default_rng(1)
    _, forward, backward = case(rng, np.float64)
    output, cache = forward()
    one, other = rng.standard_normal(output.shape), rng.standard_normal(output.shape)
    both = backward(2 * one - 3 * other, cache)
    for name, gradient in backward(one, cache).items():
        np.testing.assert_allclose(both[name], 2 * gradient - 3 * backward(other, cache)[name], rtol=1e-9, atol=1e-11)


def test_gradients_of_every_coordinate(case):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        arrays, forward, backward = case(rng, np.float64)
        output, cache = forward()
        upstream = rng.standard_normal(output.shape)
        gradients = backward(upstream, cache)
        try:
            for name, array in arrays.items():
                worst = check_gradient(lambda: forward()[0] * upstream, array, gradients[name])
                assert worst.error < 1e-7, (name, worst)
            return
        except KinkCrossed:
            continue
    pytest.fail("no seed without a crossed kink")


def test_softmax_cross_entropy_gradient_and_numbers():
    rng = np.random.default_rng(2)
    scores, b, targets = weights(rng, 5, 4), weights(rng, 1, 4), np.array([3, 0, 0, 2, 1])
    log_likelihood, dscores, db = softmax_cross_entropy(scores.copy(), b, targets, 0.25)
    for m in range(5):              # the slow transcription of eq 15
        exponentials = [np.exp(scores[m, v] + b[0, v]) for v in range(4)]
        assert log_likelihood[m] == pytest.approx(np.log(exponentials[targets[m]] / sum(exponentials)), rel=1e-12)

    def loss():
        return -0.25 * softmax_cross_entropy(scores.copy(), b, targets, 0.25)[0]
    assert check_gradient(loss, scores, dscores).error < 1e-7
    assert check_gradient(loss, b, db).error < 1e-7


def test_softmax_survives_huge_scores():
    for dtype in (np.float32, np.float64):
        scores = np.array([[1e4, -1e4, 0], [-1e30, 0, 0], [-200, -200, -1e4]], dtype=dtype)
        log_likelihood, dscores, _ = softmax_cross_entropy(scores, np.zeros((1, 3), dtype), np.array([0, 1, 1]))
        np.testing.assert_allclose(log_likelihood, [0, -np.log(2), -np.log(2)], atol=2e-5)     # float32 has 8e-6 at 200
        assert np.isfinite(dscores).all()


def test_nan_is_not_hidden():
    scores = np.array([[0.0, np.nan, 1.0]], dtype=np.float32)
    assert np.isnan(softmax_cross_entropy(scores, np.zeros((1, 3), np.float32), np.array([0]))[0]).all()
    x, W = np.full((1, 2), np.nan, np.float32), np.ones((1 + 2 + 1, 4), np.float32)
    assert np.isnan(lstm_forward(x, np.array([1]), W)[0]).all()


def test_gates_far_out_are_closed_without_a_warning():
    gates, recurrent, c0, W = (np.full(*how, np.float32) for how in (((1, 4), -1e4), ((1, 4), 0), ((1, 1), 1), ((3, 4), 0)))
    h, c = lstm_step(gates, recurrent, c0, W)
    assert abs(h[0, 0]) < 1e-30 and abs(c[0, 0]) < 1e-30


def test_lstm_by_hand():
    """One unit, one step: i = s(1), f = s(2), o = s(-1), g = tanh(0.5), from x = 1, h = 0, c = 2."""
    W = np.zeros((3, 4))
    W[1] = [1, 2, -1, 0.5]
    h, c = lstm_step(np.ones((1, 1)) @ input_weights(W), np.zeros((1, 4)), np.full((1, 1), 2.0), W)
    assert c[0, 0] == pytest.approx(0.8807970779778823 * 2 + 0.7310585786300049 * 0.46211715726000973, rel=1e-12)
    assert h[0, 0] == pytest.approx(0.2689414213699951 * c[0, 0], rel=1e-12)


def test_rnn_is_its_slow_transcription():
    rng = np.random.default_rng(3)
    a, forward, _ = rnn(rng, np.float64)
    h = forward()[0]
    starts = np.concatenate([[0], np.cumsum(SIZES)])
    for k in range(N):
        state = a["h0"][k]
        for t in range(T):
            if k < SIZES[t]:
                state = np.array([max(0.0, a["a"][starts[t] + k][j] + sum(state[i] * a["Whh"][i, j] for i in range(5))
                                      + a["bhh"][0, j]) for j in range(5)])
                np.testing.assert_allclose(h[starts[t] + k], state, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("tanh_c", [False, True])
def test_step_by_step_equals_the_whole_sequence(tanh_c):
    rng = np.random.default_rng(4)
    a, forward, _ = lstm(tanh_c)(rng, np.float64)
    whole, h, c, start = forward()[0], a["h0"], a["c0"], 0
    for n in SIZES:
        h, c = lstm_step(a["x"][start:start + n] @ input_weights(a["W"]), h[:n] @ recurrent_weights(a["W"]), c[:n], a["W"], tanh_c)
        np.testing.assert_allclose(whole[start:start + n], h, rtol=1e-12)
        start += n
    b, forward, _ = rnn(rng, np.float64)
    whole, h, start = forward()[0], b["h0"], 0
    for n in SIZES:
        h = rnn_step(b["a"][start:start + n], h[:n] @ b["Whh"], b["bhh"])
        np.testing.assert_allclose(whole[start:start + n], h, rtol=1e-12)
        start += n


def test_nothing_passes_where_the_rectifier_is_at_zero():
    y, cache = relu_forward(np.array([-1.0, 0.0, 2.0]))
    assert y.tolist() == [0, 0, 2] and relu_backward(np.ones(3), cache).tolist() == [0, 0, 1]


def test_dropout_keeps_its_share_and_the_mean():
    x = np.ones((300, 400), dtype=np.float32)
    y, _ = dropout_forward(x, 0.3, np.random.default_rng(5))
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.005)
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert dropout_forward(x, 0.3, None) == (x, None)


def test_log_softmax_sums_to_one():
    scores = np.random.default_rng(6).standard_normal((3, 5)) * 50
    np.testing.assert_allclose(np.exp(log_softmax(scores)).sum(axis=1), 1)
