"""Grounding: whether a phrase's best region is the thing that it speaks of, where the truth is known.

    R    regions of an image, with boxes (R, 4): xmin, ymin, xmax, ymax in pixels
    T    known words of a sentence, each with a score for each region: (T, R)

A phrase is a run among the known words of its sentence. It chooses the region with the largest sum of scores over the run,
the first of equals. The choice is held against the true boxes of the phrase, and any of them will do:

    overlap     the intersection over the union (IoU) of the chosen box and a true one is 0.5 or more
    pointing    the centre of the chosen box lies in a true one

Beside it stand what needs no model: a region drawn at random, each with the same chance; the largest box, where the box
of the whole image, the first of each image, does not count; and the whole image.
"""

from typing import NamedTuple

import numpy as np

IOU = 0.5


class Phrase(NamedTuple):
    """A phrase, where it stands, and what it refers to."""

    sentence: int  # number of the sentence among its image's
    text: str  # in lower case
    start: int  # words start .. stop - 1 of the sentence's known words
    stop: int
    boxes: np.ndarray  # (n, 4) float64: the true boxes, one or more


class Grounding(NamedTuple):
    """Shares (0..1) of phrases that hit; the mean over phrases."""

    phrases: int
    overlap: float
    pointing: float
    chance_overlap: float
    chance_pointing: float
    largest_overlap: float
    largest_pointing: float
    whole_overlap: float
    whole_pointing: float


def find_phrases(entries, sentences, encode):
    """The phrases of one image that can be scored -> list of Phrase, in the order of their first entries.

    entries    the image's entries in phrases.json: {"sentence", "phrase", "box"}. Those of the same sentence and phrase,
               in upper or lower case, are one phrase with several boxes
    sentences  the known words of each of its sentences, as numbers
    encode     function of a list of words -> the numbers of the known ones

    A phrase without known words is left out, and one whose run isn't in its sentence; of several runs the first counts.
    """
    boxes = {}
    for entry in entries:
        boxes.setdefault((entry["sentence"], entry["phrase"].lower()), []).append(entry["box"])
    phrases = []
    for (sentence, text), true_boxes in boxes.items():
        run = encode(text.split())
        start = find_run(run, sentences[sentence]) if sentence < len(sentences) else None
        if start is not None:
            true_boxes = np.array(true_boxes, dtype=np.float64)
            phrases.append(Phrase(sentence, text, start, start + len(run), true_boxes))
    return phrases


def find_run(run, words):
    """Where `run` first stands in `words` as one piece; None if it doesn't, or is empty.

    >>> find_run([5, 6], [4, 5, 5, 6])
    2
    """
    if not run:
        return None
    return next((k for k in range(len(words) - len(run) + 1) if words[k : k + len(run)] == run), None)


def narrow(phrases, is_noun, sentences):
    """Phrases cut down to their last noun, for scoring words instead: "a red ball" becomes "ball".

    is_noun    function of a word's number -> whether it names a thing
    sentences  as find_phrases() had them

    Phrases without a noun are left out.
    """
    narrowed = []
    for phrase in phrases:
        words = sentences[phrase.sentence]
        nouns = [k for k in range(phrase.start, phrase.stop) if is_noun(words[k])]
        if nouns:
            narrowed.append(phrase._replace(start=nouns[-1], stop=nouns[-1] + 1))
    return narrowed


def chosen_region(phrase, word_scores):
    """The region for a phrase, by the scores (T, R) of its sentence's known words."""
    return int(np.argmax(word_scores[phrase.start : phrase.stop].sum(axis=0)))


def hits(boxes, true_boxes):
    """For each box (R, 4) whether it matches any of the true ones (n, 4) -> overlap (R,) bool, pointing (R,) bool."""
    boxes, true_boxes = np.asarray(boxes, dtype=np.float64), np.asarray(true_boxes, dtype=np.float64)
    x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2  # (R,)
    xmin, ymin, xmax, ymax = true_boxes.T[:, :, None]  # (n, 1)
    inside = (xmin <= x) & (x <= xmax) & (ymin <= y) & (y <= ymax)  # (n, R)
    return (overlaps(boxes, true_boxes) >= IOU).any(axis=1), inside.any(axis=0)


def overlaps(boxes, others):
    """The area that two boxes share / the area of both together: (A, 4), (B, 4) -> (A, B) in 0..1.

    Two boxes without area share nothing, even if they are the same.

    >>> overlaps([[0, 0, 2, 2]], [[0, 0, 2, 1], [1, 1, 3, 3], [2, 0, 4, 2]]).round(3).tolist()
    [[0.5, 0.143, 0.0]]
    """
    a, b = np.asarray(boxes, dtype=np.float64)[:, None], np.asarray(others, dtype=np.float64)[None]
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)  # (A, B, 2)
    shared = sides.prod(axis=-1)
    return shared / np.maximum(areas(a) + areas(b) - shared, np.finfo(np.float64).tiny)


def areas(boxes):
    """(..., 4) boxes -> their areas (...)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def largest_box(boxes):
    """The number of the largest of an image's boxes (R, 4), the first of equals.

    Box 0, the whole image, counts only if it is alone; it is the whole image that the others are cut from.
    """
    return 1 + int(np.argmax(areas(np.asarray(boxes)[1:]))) if len(boxes) > 1 else 0


def grounding(choices):
    """Score choices -> Grounding.

    choices  for each phrase (the chosen region's number, the image's boxes (R, 4), the phrase's true boxes (n, 4));
             any iterable

    Raises ValueError if there are none.
    """
    rows = []
    for region, boxes, true_boxes in choices:
        largest = largest_box(boxes)
        overlap, pointing = hits(boxes, true_boxes)
        rows.append(
            [part for hit in (overlap, pointing) for part in (hit[region], hit.mean(), hit[largest], hit[0])]  # 4 + 4
        )
    if not rows:
        raise ValueError("grounding of no phrases at all")
    means = np.mean(rows, axis=0).reshape(2, 4).T  # (choice, chance, largest, whole; overlap, pointing)
    return Grounding(len(rows), *means.ravel().tolist())
