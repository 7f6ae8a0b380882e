"""Grounding: boxes against plain loops, phrases found as the rule says, the choices that need no model; phrases.json."""

import json
import pathlib

import numpy as np
import pytest

from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.phrases import load_phrases
from neuraltalk.data.regions import open_regions
from neuraltalk.data.vocabulary import Vocabulary, build_vocabulary
from neuraltalk.errors import UserError
from neuraltalk.metrics import grounding
from neuraltalk.metrics.grounding import chosen_region, find_phrases, hits, largest_box, narrow, overlaps

VOCABULARY = Vocabulary("a the red big ball dog man two dogs on beach".split())


def known(*sentences):
    return [VOCABULARY.encode(sentence.split()) for sentence in sentences]


def entry(sentence, phrase, *box):
    return {"sentence": sentence, "phrase": phrase, "types": ["x"], "box": list(box or (0, 0, 1, 1))}


def pixels(box):
    """The whole pixels in a box with whole corners."""
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


def test_overlaps_are_shares_of_pixels():
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.integers(0, 12, (30, 2, 2)), axis=1).reshape(30, 4)
    found = overlaps(boxes[:12], boxes[12:])
    for i, a in enumerate(boxes[:12].tolist()):
        for k, b in enumerate(boxes[12:].tolist()):
            both = pixels(a) | pixels(b)
            assert found[i, k] == pytest.approx(len(pixels(a) & pixels(b)) / len(both) if both else 0)


def test_hits_count_any_true_box_and_its_edges():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4.9], [20, 0, 30, 10], [4, 4, 6, 6], [50, 50, 60, 60]]
    overlap, pointing = hits(boxes, [[0, 0, 10, 10], [22, 0, 30, 10]])
    assert overlap.tolist() == [True, True, False, True, False, False]  # half of it is enough
    assert pointing.tolist() == [True, True, True, True, True, False]
    assert hits([[0, 0, 10, 10]], [[5, 5, 9, 9]])[1].tolist() == [True]  # the centre on the corner
    assert hits([[3, 3, 3, 3]], [[3, 3, 3, 3]])[0].tolist() == [False]  # no area, no overlap


def test_phrases_are_found_as_runs_of_known_words():
    sentences = known("the purple dog on the beach", "a dog on the beach")
    entries = [
        entry(0, "The zebra dog"),  # unknown words are skipped on both sides
        entry(1, "the dog"),  # isn't a run there
        entry(1, "On the BEACH", 1, 2, 3, 4),
        entry(1, "purple zebra"),  # nothing known
        entry(1, "on the beach", 5, 6, 7, 8),  # the same phrase again: one phrase with two boxes
        entry(2, "a dog"),  # there is no such sentence
    ]
    first, second = find_phrases(entries, sentences, VOCABULARY.encode)
    assert (first.sentence, first.text, first.start, first.stop) == (0, "the zebra dog", 0, 2)
    assert (second.sentence, second.text, second.start, second.stop) == (1, "on the beach", 2, 5)
    assert second.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_nouns_of_phrases():
    sentences = known("a big red ball on the beach", "two dogs on the red", "the dog ball on the beach")
    entries = [entry(0, "a big red ball"), entry(1, "two dogs"), entry(1, "the red"), entry(0, "the beach"), entry(2, "the dog ball")]
    phrases = find_phrases(entries, sentences, VOCABULARY.encode)
    nouns = set(VOCABULARY.encode("ball dogs dog man".split()))
    found = narrow(phrases, nouns.__contains__, sentences)
    assert [(phrase.text, phrase.start, phrase.stop) for phrase in found] == [
        ("a big red ball", 3, 4), ("two dogs", 1, 2), ("the dog ball", 2, 3),
    ]  # fmt: skip


def test_the_choice_is_the_largest_sum_and_the_first_of_equals():
    (phrase,) = find_phrases([entry(0, "big red")], known("a big red ball"), VOCABULARY.encode)
    scores = np.array([[9.0, 0, 0, 0], [0, 5, 3, 4], [0, -2, 1, 0], [9, 0, 0, 0]])
    assert chosen_region(phrase, scores) == 2  # 0, 3, 4, 4
    assert chosen_region(phrase, np.zeros((4, 3))) == 0


def test_the_largest_box_is_not_the_whole_image():
    assert largest_box(np.array([[0, 0, 9, 9], [0, 0, 1, 3], [1, 1, 5, 5], [2, 2, 6, 6]])) == 2
    assert largest_box(np.array([[0, 0, 9, 9]])) == 0


def test_hand_worked_scores():
    """Regions: all, the left half, a spot within it, the right half. Two phrases: the left half and everything."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 6, 10], [1, 1, 2, 2], [6, 0, 10, 10]])
    left, whole = np.array([[0, 0, 5, 10]]), np.array([[0, 0, 10, 10]])
    # left: all overlaps by exactly 0.5, region 1 by 5/6; the centres (5, 5), (3, 5), (1.5, 1.5) lie in it
    # whole: regions 0 and 1 overlap (1, 0.6), all point at it
    result = grounding.grounding([(2, boxes, left), (1, boxes, whole)])
    assert result._asdict() == {
        "phrases": 2,
        "overlap": 0.5,
        "pointing": 1.0,
        "chance_overlap": 0.5,
        "chance_pointing": (0.75 + 1) / 2,
        "largest_overlap": 1.0,
        "largest_pointing": 1.0,
        "whole_overlap": 1.0,
        "whole_pointing": 1.0,
    }
    with pytest.raises(ValueError, match="no phrases"):
        grounding.grounding([])


def test_choosing_right_and_wrong():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 80, (20, 2))
    boxes = np.concatenate([corner, corner + 10], axis=1)
    right = grounding.grounding((k, boxes, boxes[[k]]) for k in range(20))
    assert right.overlap == right.pointing == 1 and right.chance_overlap == pytest.approx(0.05, abs=0.02)
    wrong = grounding.grounding((k, boxes, boxes[[k]] + 200) for k in range(20))
    assert wrong[1:] == (0,) * 8


# phrases.json


def test_phrases_are_read_by_image(tmp_path):
    document = [[], [entry(0, "a dog", 1, 2, 3.5, 4)]]
    (tmp_path / "phrases.json").write_text(json.dumps(document), encoding="utf-8")
    assert load_phrases(tmp_path, images=2) == load_phrases(tmp_path) == document


def test_a_folder_without_phrases(tmp_path):
    assert load_phrases(tmp_path) is None


@pytest.mark.parametrize(
    "document, message",
    [
        ({}, "should be a list with a list of phrases for each image"),
        ([[]], "has phrases of 1 image, but there are 2"),
        ([[], 3], "image 1 should have a list of phrases, not 3"),
        ([[], [3]], "image 1, phrase 0: should be an object"),
        ([[], [entry(-1, "a")]], "phrase 0: sentence should be a number from 0, not -1"),
        ([[], [entry(0, None)]], "phrase should be a text, not None"),
        ([[], [entry(0, "a"), entry(0, "a", 1, 2, 3)]], "image 1, phrase 1: box should be"),
        ([[], [entry(0, "a", 3, 2, 1, 4)]], r"box should be .* not \[3, 2, 1, 4\]"),
        ([[], [entry(0, "a", 1, 2, float("nan"), 4)]], "box should be .*nan"),
        ([[], [entry(0, "a", 1, 2, "3", 4)]], "box should be .*'3'"),
    ],
)
def test_faulty_phrases_are_refused_in_one_line(tmp_path, document, message):
    (tmp_path / "phrases.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        load_phrases(tmp_path, images=2)
    assert str(error.value).startswith(str(tmp_path / "phrases.json")) and "\n" not in str(error.value)


FLICKR8K = pathlib.Path(__file__).resolve().parent.parent / "data" / "flickr8k"


@pytest.mark.skipif(not (FLICKR8K / "phrases.json").exists(), reason="Flickr8K isn't here")
def test_flickr8k_has_the_phrases_of_the_reference_figures():
    dataset = load_dataset(FLICKR8K)
    vocabulary = build_vocabulary(sentence for image in dataset.split("train") for sentence in image.sentences)
    regions = open_regions(FLICKR8K, len(dataset.images))
    phrases = load_phrases(FLICKR8K, len(dataset.images))
    choices = []
    for image in dataset.split("val")[:400]:
        sentences = [vocabulary.encode(sentence.tokens) for sentence in image.sentences]
        entries, boxes = phrases[image.imgid], regions.boxes_of(image.imgid)
        choices += [(0, boxes, phrase.boxes) for phrase in find_phrases(entries, sentences, vocabulary.encode)]
    result = grounding.grounding(choices)
    assert result.phrases == 1938
    assert result.chance_overlap == pytest.approx(0.125, abs=0.001)
    assert result.overlap == result.whole_overlap and result.pointing == result.whole_pointing
