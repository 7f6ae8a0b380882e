"""The alignment model: every equation in plain loops, gradients of every option, odd batches, planted mistakes."""

import dataclasses
import math

import numpy as np
import pytest

from neuraltalk.data.batches import AlignmentBatch
from neuraltalk.data.packing import pack_words, rows_of_sentences
from neuraltalk.data.regions import RegionBlock
from neuraltalk.layers import alignment_score
from neuraltalk.layers.box_geometry import box_geometry
from neuraltalk.layers.brnn import turn
from neuraltalk.layers.ranking_loss import ranking_loss
from neuraltalk.models import aligner as module
from neuraltalk.models.aligner import Aligner, AlignerOptions
from neuraltalk.train.gradient_check import MODEL_BOUND, check_aligner, check_gradient
from neuraltalk.train.solver import Solver

SMALL = AlignerOptions(embedding_size=7, word_encoding_size=4, hidden_size=6,
                       drop_prob_region=0, drop_prob_word=0, drop_prob_sentence=0)
D, V = 5, 9
SENTENCES = [[3, 1, 3], [7], [2, 8, 4, 5, 1], [6, 6]]
REGIONS = [2, 4, 1, 3]                  # of each image, in the order of the sentences


def make(sentences=SENTENCES, regions=REGIONS, seed=0, dtype=np.float64, **options):
    """A small aligner and a batch of images with these numbers of regions."""
    rng = np.random.default_rng(seed)
    aligner = Aligner.initialise(dataclasses.replace(SMALL, **options), D, V, rng, dtype)
    for array in aligner.params.values():
        array[...] = rng.uniform(-0.7, 0.7, size=array.shape)
    packed = pack_words(sentences)
    offsets = np.concatenate([[0], np.cumsum([regions[k] for k in packed.order])])
    features = rng.uniform(-1, 1, size=(offsets[-1], D)).astype(dtype)
    return aligner, AlignmentBatch(RegionBlock(features, offsets, boxes(offsets, rng)), packed)


def boxes(offsets, rng):
    """Boxes in images of 200 x 100, the first of each image all of it."""
    corners = np.sort(rng.uniform(0, 1, size=(offsets[-1], 2, 2)), axis=1)
    corners[offsets[:-1]] = [[0, 0], [1, 1]]
    return (corners * [200, 100]).reshape(-1, 4).astype(np.float32)


def slow_model(params, images, sentences, score="max", normalise=False, margin=1.0):
    """Eq 1-9 word by word, region by region: images a list of lists of (features, geometry or []). Returns S and C / K."""
    def f(x):
        return [max(0.0, number) for number in x]

    def times(x, W, b):
        return [sum(x[i] * W[i, j] for i in range(len(x))) + b[0, j] for j in range(W.shape[1])]

    def plus(*vectors):
        return [sum(numbers) for numbers in zip(*vectors)]
    p = params
    H = len(p["Wf"])
    vs = [[plus(times(f, p["Wm"], p["bm"]), times(g, p["Wg"], np.zeros_like(p["bm"])) if g else [0.0] * len(p["bm"][0]))
           for f, g in regions] for regions in images]                                            # eq 1
    ss = []
    for words in sentences:
        e = [f(times(p["Ww"][word], p["We"], p["be"])) for word in words]                         # eq 2, 3
        n = len(e)
        hf, hb = [[0.0] * H] * (n + 2), [[0.0] * H] * (n + 2)                                     # words are 1 .. n
        for t in range(1, n + 1):
            hf[t] = f(plus(e[t - 1], times(hf[t - 1], p["Wf"], p["bf"])))                         # eq 4
        for t in range(n, 0, -1):
            hb[t] = f(plus(e[t - 1], times(hb[t + 1], p["Wb"], p["bb"])))                         # eq 5
        ss.append([f(times(plus(hf[t], hb[t]), p["Wd"], p["bd"])) for t in range(1, n + 1)])      # eq 6
    K, N = len(images), len(sentences)
    S = np.zeros((K, N))
    for k in range(K):
        for l in range(N):
            for s in ss[l]:
                products = [sum(a * b for a, b in zip(v, s)) for v in vs[k]]
                S[k, l] += max(products) if score == "max" else sum(f(products))                  # eq 8, eq 7
            if normalise and ss[l]:
                S[k, l] /= len(ss[l])
    C = sum(max(0.0, S[k, l] - S[k, k] + margin) + max(0.0, S[l, k] - S[k, k] + margin)           # eq 9
            for k in range(K) for l in range(N) if l != k) if K == N else 0.0
    return S, C / K


def of_images(batch):
    """The regions of each image as lists, in the packed order."""
    features, offsets, _ = batch.regions
    return [[(f, []) for f in features[a:b].tolist()] for a, b in zip(offsets, offsets[1:])]


def with_geometry(batch):
    """The same with each region's geometry, the images being 200 x 100."""
    def geometry(xmin, ymin, xmax, ymax):
        shares = xmin / 200, ymin / 100, xmax / 200, ymax / 100, (xmax - xmin) / 200, (ymax - ymin) / 100
        return [0.15 * math.cos(k * math.pi * share) for share in shares for k in (1, 2, 3, 4)]

    left = iter(batch.regions.boxes.tolist())
    return [[(f, geometry(*next(left))) for f, _ in image] for image in of_images(batch)]


ODD = {"usual": (SENTENCES, REGIONS), "one image": ([[3, 1]], [3]), "one word": ([[4], [2]], [2, 3]),
       "only whole images": (SENTENCES, [1, 1, 1, 1]), "more regions than words": ([[1], [2, 3]], [9, 6]),
       "a sentence without known words": ([[1, 2], [], [3]], [2, 1, 2]), "no known word at all": ([[], []], [2, 3])}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("score, normalise", [("max", 0), ("max", 1), ("sum", 0), ("sum", 1)])
def test_is_its_slow_transcription(odd, score, normalise, both_twins):
    sentences, regions = ODD[odd]
    aligner, batch = make(sentences, regions, score=score, length_normalisation=normalise, margin=0.3, regc=0.0)
    in_order = [sentences[k] for k in batch.sentences.order]
    S, C = slow_model(aligner.params, of_images(batch), in_order, score, normalise, 0.3)
    loss = aligner.loss(batch)
    assert loss.total_cost == loss.loss_cost == pytest.approx(C, rel=1e-10, abs=1e-12)
    assert set(loss.grads) == set(aligner.params) and loss.pairs == len(sentences)
    assert all(np.isfinite(g).all() and g.shape == aligner.params[name].shape for name, g in loss.grads.items())
    v, s = aligner.embed_regions(batch.regions), aligner.embed_words(batch.sentences)
    found = aligner.scores(v, batch.regions.offsets, s, batch.sentences)                                # columns as the sentences came
    np.testing.assert_allclose(found[:, batch.sentences.order], S, rtol=1e-10, atol=1e-12)


def test_with_box_geometry_is_its_slow_transcription():
    aligner, batch = make(margin=0.3, regc=0.0, box_geometry=1)
    S, C = slow_model(aligner.params, with_geometry(batch), [SENTENCES[k] for k in batch.sentences.order], margin=0.3)
    assert aligner.loss(batch).total_cost == pytest.approx(C, rel=1e-10)
    v, s = aligner.embed_regions(batch.regions), aligner.embed_words(batch.sentences)
    found = aligner.scores(v, batch.regions.offsets, s, batch.sentences)
    np.testing.assert_allclose(found[:, batch.sentences.order], S, rtol=1e-10, atol=1e-12)


def test_box_geometry_knows_no_unit_and_nothing_outside():
    batch = make()[1].regions
    whole = box_geometry(batch.boxes, batch.offsets)
    assert whole.shape == (10, 24) and whole.dtype == np.float32 and np.abs(whole).max() <= 0.15
    np.testing.assert_allclose(box_geometry(3 * batch.boxes + 7, batch.offsets), whole, atol=1e-5)
    outside = batch.boxes.copy()
    outside[1], outside[2] = [-5, 20, 90, 101], [0, 20, 90, 100]
    cut = box_geometry(outside, np.array([0, 3, 10]))
    np.testing.assert_allclose(cut[1], cut[2], atol=1e-6)
    nothing = box_geometry(np.full((2, 4), 5, np.float32), np.array([0, 2]))
    assert np.isfinite(nothing).all()


def test_one_image_costs_nothing():
    aligner, batch = make([[3, 1, 2]], [4], regc=0.0)
    loss = aligner.loss(batch)
    assert (loss.total_cost, loss.violated, loss.pairs) == (0, 0, 1)
    assert not any(g.any() for g in loss.grads.values())


@pytest.mark.parametrize("margin", [1e-6, 1.0, 1e6])
def test_violated_is_the_share_of_terms_inside_the_margin(margin):
    aligner, batch = make(margin=margin)
    v, s = aligner.embed_regions(batch.regions), aligner.embed_words(batch.sentences)
    S = aligner.scores(v, batch.regions.offsets, s, batch.sentences)[:, batch.sentences.order]
    inside = [S[pair] > S[k, k] - margin for k in range(4) for n in range(4) if n != k for pair in ((k, n), (n, k))]
    assert aligner.loss(batch).violated == np.mean(inside) and any(inside)


def test_a_sentence_without_words_scores_zero_with_every_image():
    aligner, batch = make([[1, 2], [], [3]], [2, 1, 2])
    v, s = aligner.embed_regions(batch.regions), aligner.embed_words(batch.sentences)
    assert not aligner.scores(v, batch.regions.offsets, s, batch.sentences)[:, 1].any()


def test_reading_backwards_keeps_places():
    packed = pack_words(SENTENCES)
    turned = turn(packed.sizes)
    backwards = pack_words([sentence[::-1] for sentence in SENTENCES])
    np.testing.assert_array_equal(packed.words[turned], backwards.words)
    np.testing.assert_array_equal(turned[turned], np.arange(len(turned)))
    assert rows_of_sentences(packed)[1].tolist() == [3]


VARIANTS = [{}, {"score": "sum"}, {"length_normalisation": 1}, {"score": "sum", "length_normalisation": 1, "margin": 3.0},
            {"train_word_vectors": 0}, {"box_geometry": 1}]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_coordinate_with_dropout_on(options, both_twins):
    results, _ = check_aligner(AlignerOptions(**options))
    assert ("Ww" in results) == options.get("train_word_vectors", True)
    for name, (_, worst) in results.items():
        assert worst.error < MODEL_BOUND, (name, worst)


def test_ranking_loss_by_hand_and_by_differences():
    S = np.array([[3.0, 2.5, 0.0], [1.0, 2.0, 0.5], [2.5, 0.0, 4.0]])
    # rows: 2.5 - 3 + 1 = 0.5, 0 | 0, 0 | 0, 0; columns: 0, 2.5 - 3 + 1 = 0.5 | 2.5 - 2 + 1 = 1.5, 0 | 0, 0
    loss = ranking_loss(S, 1.0, 0.5)
    assert loss.cost == pytest.approx(0.5 * (0.5 + 0.5 + 1.5)) and loss.violations == 3
    np.testing.assert_array_equal(loss.dS, 0.5 * np.array([[-2, 2, 0], [0, -1, 0], [1, 0, 0]]))
    S = np.random.default_rng(1).uniform(-1, 1, size=(5, 5))
    assert check_gradient(lambda: ranking_loss(S, 1.0, 0.2).cost, S, ranking_loss(S, 1.0, 0.2).dS).error < 1e-7


def test_equal_regions_give_the_gradient_to_the_first(both_twins):
    v, s = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[0.5, 1.0]])
    w, cache = alignment_score.best_region_forward(v, np.array([0, 2]), s)
    dv, ds = alignment_score.best_region_backward(np.array([[3.0]]), cache)
    assert w.tolist() == [[2.5]] and dv.tolist() == [[1.5, 3.0], [0.0, 0.0]] and ds.tolist() == [[3.0, 6.0]]


def test_nan_is_not_hidden(both_twins):
    for score in ("max", "sum"):
        aligner, batch = make(score=score)
        batch.regions.features[4] = np.nan       # the middle one of the third image
        v, s = aligner.embed_regions(batch.regions), aligner.embed_words(batch.sentences)
        assert np.isnan(aligner.scores(v, batch.regions.offsets, s, batch.sentences)[2]).all()
        assert np.isnan(aligner.loss(batch).total_cost)     # training stops by it


def test_scoring_in_blocks_is_scoring_at_once(monkeypatch):
    aligner, batch = make()
    v, s = aligner.embed_regions(batch.regions), aligner.embed_words(batch.sentences)
    whole = aligner.scores(v, batch.regions.offsets, s, batch.sentences)
    for room in (1, 3 * len(s), 5 * len(s), 8 * len(s)):
        monkeypatch.setattr(module, "PRODUCTS_IN_MEMORY", room)
        np.testing.assert_allclose(aligner.scores(v, batch.regions.offsets, s, batch.sentences), whole, rtol=1e-12)


def test_single_precision_stays_single_and_agrees():
    options = {"drop_prob_region": 0.3, "drop_prob_word": 0.3, "drop_prob_sentence": 0.3, "regc": 0.1}
    one, double = [aligner.loss(batch, np.random.default_rng(5)) for aligner, batch in
                   (make(dtype=dtype, **options) for dtype in (np.float32, np.float64))]
    assert one.total_cost == pytest.approx(double.total_cost, rel=1e-5)
    for name, g in one.grads.items():
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, double.grads[name], rtol=1e-3, atol=1e-4)


def test_the_start_is_neither_silent_nor_loud():
    """Vectors of length near 1, half of the rectifiers open, nearly every hinge active, a gradient for every parameter."""
    rng = np.random.default_rng(0)
    options = AlignerOptions(embedding_size=200, word_encoding_size=60, hidden_size=50)
    aligner = Aligner.initialise(options, 300, 40, rng, region_scale=3.0)
    packed = pack_words([rng.integers(1, 40, size=n).tolist() for n in (5, 12, 9, 7)])
    offsets = np.arange(0, 21, 5)
    batch = AlignmentBatch(RegionBlock(3 * rng.standard_normal((20, 300), dtype=np.float32), offsets, boxes(offsets, rng)), packed)
    v, s = aligner.embed_regions(batch.regions), aligner.embed_words(packed)
    assert 0.8 < np.linalg.norm(v, axis=1).mean() < 1.2 and 0.5 < np.linalg.norm(s, axis=1).mean() < 1.5
    assert 0.3 < (s > 0).mean() < 0.7
    loss = aligner.loss(batch, rng)
    assert loss.violated > 0.7 and all(g.any() for g in loss.grads.values())


def test_a_tiny_set_is_learned_by_heart():
    _, batch = make(dtype=np.float32)
    aligner = Aligner.initialise(SMALL, D, V, np.random.default_rng(2))
    solver, first = Solver("vanilla", momentum=0.9), aligner.loss(batch)
    for _ in range(300):
        solver.step(aligner.trained(), aligner.loss(batch).grads, 0.02)
    assert first.violated > 0.5 and aligner.loss(batch).violated == 0


def test_fixed_word_vectors_are_kept():
    vectors = np.random.default_rng(3).standard_normal((V, 4))
    options = dataclasses.replace(SMALL, train_word_vectors=0)
    aligner = Aligner.initialise(options, D, V, np.random.default_rng(0), word_vectors=vectors)
    _, batch = make(dtype=np.float32)
    loss = aligner.loss(batch)
    np.testing.assert_array_equal(aligner.params["Ww"], vectors.astype(np.float32))
    assert set(aligner.trained()) == set(loss.grads) == set(aligner.params) - {"Ww"}


def planted(monkeypatch, name, change):
    """Replace a function of the model by one whose result is changed; True if the check finds it."""
    real = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments, **more: change(*real(*arguments, **more)))
    return any(not worst.error < MODEL_BOUND for _, worst in check_aligner(AlignerOptions())[0].values())


def test_finds_a_wrong_recurrent_gradient(monkeypatch):
    assert planted(monkeypatch, "brnn_backward", lambda de, dWf, dbf, dWb, dbb: (de, dWf, dbf, 1.001 * dWb, dbb))


def test_the_transcription_finds_what_differences_do_not(monkeypatch):
    """Reading both times from left to right is wrong, but consistently so."""
    monkeypatch.setattr("neuraltalk.layers.brnn.turn", lambda sizes: np.arange(int(sum(sizes))))
    assert all(worst.error < MODEL_BOUND for _, worst in check_aligner(AlignerOptions())[0].values())
    aligner, batch = make()
    _, C = slow_model(aligner.params, of_images(batch), [SENTENCES[k] for k in batch.sentences.order])
    assert aligner.loss(batch).loss_cost != pytest.approx(C, rel=1e-6)


def test_finds_a_region_that_gets_its_neighbours_gradient(monkeypatch):
    forward, backward = alignment_score.WORD_SCORES["max"]

    def defective(dw, cache):
        return backward(dw, cache._replace(chosen=np.maximum(cache.chosen - 1, 0)))
    monkeypatch.setitem(module.WORD_SCORES, "max", (forward, defective))
    assert any(not worst.error < MODEL_BOUND for _, worst in check_aligner(AlignerOptions())[0].values())


def test_finds_a_forgotten_own_pair(monkeypatch):
    def defective(cost, dS, violations):
        return cost, dS * (1 - np.eye(len(dS))), violations
    assert planted(monkeypatch, "ranking_loss", defective)
