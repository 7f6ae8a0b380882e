"""Batches: the packed layouts against plain loops, and a sampler that continues to the bit."""

import copy
import pickle
from collections import namedtuple

import numpy as np
import pytest

from neuraltalk.data.batches import make_alignment_batch, make_batch
from neuraltalk.data.packing import pack_sentences, pack_words, rows_of_sentences
from neuraltalk.data.pairs import Pairs
from neuraltalk.data.samplers import ImageSampler, PairSampler


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
    batch = make_batch(Rows(), Pairs.of([(5, [1]), (9, [2, 3, 4]), (7, []), (9, [5, 6])]))
    assert batch.features.tolist() == [[9] * 3, [9] * 3, [5] * 3, [7] * 3]
    assert batch.sentences.order.tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize(
    "sentences", [[[1, 2, 3], [4, 5], []], [[]], [[7]], [[], []], [[1, 2], [3, 4], [5, 6, 7], [], [8, 9]]]
)
def test_words_alone_match_the_loop(sentences):
    packed = pack_words(sentences)
    order = sorted(range(len(sentences)), key=lambda k: -len(sentences[k]))
    steps = range(max(1, max(map(len, sentences))))  # without any word, one step of no rows
    assert packed.order.tolist() == order
    assert packed.lengths.tolist() == [len(sentences[k]) for k in order]
    assert packed.sizes.tolist() == [sum(len(sentence) > t for sentence in sentences) for t in steps]
    assert packed.words.tolist() == [sentences[k][t] for t in steps for k in order if len(sentences[k]) > t]
    assert [part.dtype for part in packed] == [np.int32, np.int64, np.int64, np.int64]
    assert [packed.words[rows].tolist() for rows in rows_of_sentences(packed)] == sentences


def test_packing_no_words_at_all_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="at least one sentence"):
        pack_words([])


class Regions:
    """Image k has k regions, filled with k."""

    Block = namedtuple("Block", "features offsets")

    def of(self, imgids):
        rows = np.repeat(np.asarray(imgids, dtype=np.float32), imgids)
        return self.Block(rows[:, None], np.concatenate([[0], np.cumsum(imgids)]))


def test_an_alignment_batch_has_each_sentence_beside_its_regions():
    batch = make_alignment_batch(Regions(), Pairs.of([(2, [1]), (1, [2, 3, 4]), (3, []), (4, [5, 6])]))
    assert batch.regions.features[:, 0].tolist() == [1, 4, 4, 4, 4, 2, 2, 3, 3, 3]
    assert batch.regions.offsets.tolist() == [0, 1, 5, 7, 10]
    assert batch.sentences.words.tolist() == [2, 5, 1, 3, 6, 4]


def test_an_image_twice_in_an_alignment_batch_is_refused():
    with pytest.raises(ValueError, match="image 3 comes 2 times"):
        make_alignment_batch(Regions(), Pairs.of([(3, [1]), (2, [2]), (3, [4])]))


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


IMAGES = np.repeat([4, 0, 7, 9, 2, 5, 1], [1, 2, 5, 3, 5, 1, 2])  # of 19 pairs, 7 images; in order of the pairs


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 100])
@pytest.mark.parametrize("images", [IMAGES, np.random.default_rng(1).permutation(IMAGES), np.arange(7), np.zeros(3, int)])
def test_no_image_comes_twice_in_a_batch(images, size):
    """... though each pass draws each image once, and batches reach from one pass into the next."""
    K = len(set(images.tolist()))
    sampler = ImageSampler(images, size, np.random.default_rng(0))
    batches = [sampler.draw() for _ in range(30 * K)]
    assert {len(batch) for batch in batches} == {min(K, size)}
    assert all(len(set(images[batch].tolist())) == len(batch) for batch in batches)
    passes = images[np.concatenate(batches)[: 30 * K]].reshape(30, K)
    assert (np.sort(passes, axis=1) == np.unique(images)).all()
    assert K < 3 or len({tuple(one_pass) for one_pass in passes}) > 20


def test_images_that_wait_come_as_soon_as_the_batch_is_full():
    """Behind the batch that reaches into a pass, the pass goes on in the order that was drawn for it."""
    sampler, drawn = ImageSampler(np.arange(7), 5, np.random.default_rng(0)), []
    for _ in range(30):
        drawn += sampler.draw().tolist()
        state, rng = sampler.state(), np.random.default_rng()
        rng.bit_generator.state = state["before_pass"]
        left = [image for image in rng.permutation(7).tolist() if image not in drawn[len(drawn) - state["position"] :]]
        own = min(5, len(left))
        assert copy.deepcopy(sampler).draw().tolist()[:own] == left[:own]


@pytest.mark.parametrize("size", [3, 7])
def test_an_image_shows_each_sentence_before_one_again(size):
    sampler = ImageSampler(IMAGES, size, np.random.default_rng(0))
    drawn = np.concatenate([sampler.draw() for _ in range(70)])
    for image in set(IMAGES.tolist()):
        own = np.flatnonzero(IMAGES == image)
        shown = drawn[IMAGES[drawn] == image]
        for n in range(0, len(shown) - len(own), len(own)):
            assert sorted(shown[n : n + len(own)]) == own.tolist()
    starts = {ImageSampler(np.zeros(5), 1, np.random.default_rng(seed)).draw()[0] for seed in range(30)}
    assert starts == set(range(5))


def test_an_epoch_of_images_is_as_many_pairs():
    sampler = ImageSampler(IMAGES, 4, np.random.default_rng(0))
    epochs = [(sampler.draw(), sampler.epoch)[1] for _ in range(19)]
    assert epochs == pytest.approx(np.arange(1, 20) * 4 / 19)


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("drawn", [0, 1, 2, 3, 4, 11])
def test_a_restored_image_sampler_continues_to_the_bit(drawn, size):
    rng = np.random.default_rng(3)
    sampler = ImageSampler(IMAGES, size, rng)
    for _ in range(drawn):
        sampler.draw()
        rng.random(5)
    state = pickle.loads(pickle.dumps(sampler.state()))
    before = copy.deepcopy(state)
    expected = [(sampler.draw().tolist(), rng.random()) for _ in range(12)]

    other = np.random.default_rng(99)
    restored = ImageSampler(IMAGES, size, other)
    restored.restore(state)
    assert restored.epoch == pytest.approx(drawn * size / 19)
    assert restored.state() == state == before
    assert [(restored.draw().tolist(), other.random()) for _ in range(12)] == expected
    assert state == before


def test_a_state_of_other_images_is_refused():
    state = ImageSampler(IMAGES, 4, np.random.default_rng(0)).state()
    with pytest.raises(ValueError, match="from 19 sentences; here are 18"):
        ImageSampler(IMAGES[:-1], 4, np.random.default_rng(0)).restore(state)
    with pytest.raises(ValueError, match="batches of 4 from 7 pairs; here are 5"):
        ImageSampler(IMAGES.clip(2), 4, np.random.default_rng(0)).restore({**state, "sentences": len(IMAGES)})
    with pytest.raises(ValueError, match="at least one pair"):
        ImageSampler([], 4, np.random.default_rng(0))
