"""Batches: the packed layout against a plain loop, and a sampler that continues to the bit."""

import copy
import pickle

import numpy as np
import pytest

from neuraltalk.data.batches import PairSampler, make_batch, pack_sentences


def pack_with_loops(sentences):
    """What pack_sentences means, row by row."""
    order = sorted(range(len(sentences)), key=lambda k: -len(sentences[k]))
    inputs, targets, sizes = [], [], []
    for t in range(len(sentences[order[0]]) + 1):
        running = [k for k in order if len(sentences[k]) + 1 > t]
        sizes.append(len(running))
        inputs += [([0] + sentences[k])[t] for k in running]
        targets += [(sentences[k] + [0])[t] for k in running]
    return inputs, targets, sizes, order


@pytest.mark.parametrize(
    "sentences", [[[1, 2, 3], [4, 5], []], [[]], [[7]], [[], []], [[1, 2], [3, 4], [5, 6, 7], [], [8, 9]]]
)
def test_packing_matches_the_loop(sentences):
    packed = pack_sentences(sentences)
    assert tuple(part.tolist() for part in packed) == pack_with_loops(sentences)


def test_packing_matches_the_loop_at_random():
    rng = np.random.default_rng(0)
    for _ in range(20):
        sentences = [rng.integers(1, 99, rng.integers(0, 12)).tolist() for _ in range(rng.integers(1, 30))]
        packed = pack_sentences(sentences)
        assert tuple(part.tolist() for part in packed) == pack_with_loops(sentences)
        assert [part.dtype for part in packed] == [np.int32, np.int32, np.int64, np.int64]
        assert packed.sizes[0] == len(sentences) and packed.sizes.sum() == len(packed.inputs)


def test_the_example_of_the_module():
    packed = pack_sentences([[1, 2, 3], [4, 5], []])
    assert packed.inputs.tolist() == [0, 0, 0, 1, 4, 2, 5, 3]
    assert packed.targets.tolist() == [1, 4, 0, 2, 5, 3, 0, 0]
    assert packed.sizes.tolist() == [3, 2, 2, 1]


def test_packing_nothing_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="at least one sentence"):
        pack_sentences([])


class Rows:
    """Features whose row k is filled with k."""

    def rows(self, imgids):
        return np.repeat(np.asarray(imgids, dtype=np.float32)[:, None], 3, axis=1)


def test_a_batch_has_each_sentence_beside_its_image():
    batch = make_batch(Rows(), [(5, [1]), (9, [2, 3, 4]), (7, []), (9, [5, 6])])
    assert batch.features.tolist() == [[9] * 3, [9] * 3, [5] * 3, [7] * 3]
    assert batch.sentences.order.tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("pairs, size", [(10, 3), (10, 10), (10, 1), (7, 5), (4, 100)])
def test_each_pass_draws_each_pair_once(pairs, size):
    sampler = PairSampler(pairs, size, np.random.default_rng(0))
    batches = [sampler.draw() for _ in range(3 * pairs)]
    assert {len(batch) for batch in batches} == {min(pairs, size)}
    drawn = np.concatenate(batches)[: 3 * pairs].reshape(3, pairs)
    assert (np.sort(drawn, axis=1) == np.arange(pairs)).all()
    assert len({tuple(one_pass) for one_pass in drawn}) == 3  # every pass in another order


def test_epochs_are_counted_in_fractions():
    sampler = PairSampler(10, 4, np.random.default_rng(0))
    epochs = []
    for _ in range(5):
        next(sampler)
        epochs.append(sampler.epoch)
    assert epochs == [0.4, 0.8, 1.2, 1.6, 2.0]


@pytest.mark.parametrize("drawn", [0, 1, 3, 5, 6, 11])
def test_a_restored_sampler_continues_to_the_bit(drawn):
    """Also if others draw from the same generator between the batches."""
    rng = np.random.default_rng(3)
    sampler = PairSampler(10, 4, rng)
    for _ in range(drawn):
        sampler.draw()
        rng.random(5)
    state = pickle.loads(pickle.dumps(sampler.state()))
    before = copy.deepcopy(state)
    expected = [(sampler.draw().tolist(), rng.random()) for _ in range(12)]

    other = np.random.default_rng(99)
    restored = PairSampler(10, 4, other)
    restored.restore(state)
    assert state == before and restored.epoch * 10 == drawn * 4
    assert [(restored.draw().tolist(), other.random()) for _ in range(12)] == expected
    assert state == before  # what was handed over stays as it was


def test_a_state_of_other_pairs_is_refused():
    state = PairSampler(10, 4, np.random.default_rng(0)).state()
    with pytest.raises(ValueError, match="batches of 4 from 10 pairs; here are 11"):
        PairSampler(11, 4, np.random.default_rng(0)).restore(state)
    with pytest.raises(ValueError, match="at least one pair"):
        PairSampler(0, 4, np.random.default_rng(0))
