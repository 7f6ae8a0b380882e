"""Pieces of sentences held against parts of a scene."""

import numpy as np
import pytest

from neuraltalk.data.scenes.build import make_picture
from neuraltalk.data.scenes.region_judge import judge_region, names_a_thing, parse_piece

SCENE = {
    "setting": "beach",
    "time": "day",
    "things": [
        {"kind": "girl", "colour": "red", "size": "normal", "does": ["ride"], "box": [10, 10, 30, 50]},
        {"kind": "bike", "colour": "blue", "size": "normal", "does": [], "box": [5, 40, 40, 70]},
        {"kind": "dog", "colour": "white", "size": "small", "does": ["run"], "box": [90, 60, 110, 75]},
    ],
    "relations": [[0, "ride", 1], [2, "next_to", 1]],
}
GIRL, BIKE, DOG, SKY, ALL = [9, 11, 31, 49], [5, 40, 40, 70], [90, 60, 110, 75], [60, 0, 100, 30], [0, 0, 128, 128]


@pytest.mark.parametrize(
    "text, box, verdict",
    [
        ("a girl in a red dress", GIRL, "true"),
        ("a girl in a blue dress", GIRL, "false"),
        ("a girl in red is", GIRL, "true"),
        ("a girl in red", DOG, "false"),
        ("a girl is riding a bike", GIRL, "true"),
        ("a girl riding a blue bike", ALL, "true"),
        ("a girl riding a red bike", ALL, "false"),
        ("riding a blue bike", GIRL, "true"),
        ("riding a blue bike", BIKE, "true"),
        ("rides a bike in", BIKE, "true"),
        ("riding a bike", DOG, "false"),
        ("a red dress", GIRL, "true"),
        ("in red", GIRL, "true"),
        ("a blue dress", GIRL, "false"),
        ("dog", DOG, "true"),
        ("white dog running on the beach", DOG, "true"),
        ("a small white dog and", DOG, "true"),
        ("a dog", SKY, "false"),
        ("a white dog on", DOG, "true"),  # it led over to the place
        ("the beach", SKY, "true"),
        ("on the beach", SKY, "true"),
        ("in the snow", SKY, "false"),
        ("a girl and a dog", GIRL, "true"),
        ("two dogs", ALL, "false"),
        ("dog dog dog", DOG, "not a phrase"),
        ("a girl riding", GIRL, "true"),
        ("a girl in red is riding", GIRL, "true"),
        ("a dog chasing", DOG, "false"),
        ("a white dog next to", DOG, "true"),
        ("a red", GIRL, "not a phrase"),
        ("riding", GIRL, "not a phrase"),
        ("in", GIRL, "not a phrase"),
    ],
)
def test_pieces(text, box, verdict):
    assert judge_region(text.split(), SCENE, box) == verdict


def test_no_words():
    assert judge_region([], SCENE, ALL) == "not a phrase"
    assert names_a_thing("a dog".split()) and not names_a_thing("in the snow".split())


def test_what_people_say_of_things_is_true_of_their_boxes():
    """Each phrase of a described scene is true of its thing's box, and whole sentences of the whole picture."""
    for imgid in range(25):
        scene, _, written = make_picture(5, imgid)
        for tokens, phrases in written:
            assert judge_region(tokens, scene, [0, 0, 128, 128]) == "true"
            for start, end, _, things in phrases:
                piece = tokens[start:end]
                if parse_piece(tuple(piece)) and len(things) < 2:
                    box = scene["things"][things[0]]["box"] if things else [0, 0, 128, 128]
                    assert judge_region(piece, scene, box) == "true", (piece, np.round(box))
