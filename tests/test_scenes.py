"""The embedded scenes: every sentence written about a picture is true of it, and the judge is not fooled."""

import hashlib
import itertools
import json

import numpy as np
import pytest

from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.scenes import world
from neuraltalk.data.scenes.build import build_scenes, make_picture
from neuraltalk.data.scenes.compose import compose, held_out_combinations
from neuraltalk.data.scenes.describe import describe
from neuraltalk.data.scenes.figures import FIGURES
from neuraltalk.data.scenes.judge import judge
from neuraltalk.data.scenes.regions import DETECTIONS, detections, write_regions
from neuraltalk.data.scenes.render import SIDE, render
from neuraltalk.errors import UserError


def thing(kind, colour=None, size=None, does=()):
    return {"kind": kind, "colour": colour, "size": size, "does": list(does)}


# A man in red rides a blue bike on the beach in the evening; a big brown dog sits beside him, a yellow bird flies above.
BEACH = {"setting": "beach", "time": "sunset",
         "relations": [[0, "ride", 1], [2, "next_to", 0], [2, "next_to", 1], [3, "above", 0]],
         "things": [thing("man", "red"), thing("bike", "blue"), thing("dog", "brown", "big", ["sit"]),
                    thing("bird", "yellow", does=["fly"])]}
# Two black cats and a white one in a room; a girl in yellow holds a green balloon, a chair behind her.
ROOM = {"setting": "room", "time": "day", "relations": [[3, "hold", 4], [0, "next_to", 1], [5, "behind", 3]],
        "things": [thing("cat", "black", does=["sleep"]), thing("cat", "black", does=["sleep"]),
                   thing("cat", "white", does=["sit"]),
                   thing("girl", "yellow", does=["stand"]), thing("balloon", "green", does=["float"]), thing("chair", "red")]}

JUDGED = [
    (BEACH, "true", """
        a man in a red shirt is riding a blue bike on the beach at sunset
        a guy riding a bicycle
        there is a person on a bike at the beach
        a big brown dog is sitting next to a man on a blue bike
        a brown dog and a man by the sea
        a man in red rides a bike and a dog is next to him
        a bird is flying over the sea
        a yellow bird flying above a man riding a blue bike
        a man on the beach is riding a blue bike
        an animal sits beside a man wearing a red shirt
        two animals on the sand
    """),
    (BEACH, "false", """
        a man in a blue shirt is riding a blue bike on the beach
        a man in a red shirt is riding a red bike on the beach
        a man in a red shirt is riding a blue bike in the snow
        a man in a red dress is riding a blue bike
        a woman in a red dress is riding a blue bike on the beach
        two men are riding a blue bike
        a man is holding a blue bike
        a dog is riding a blue bike
        a blue bike is riding a man
        a small brown dog is sitting on the beach
        a brown dog is running on the beach
        a bird next to a man on the beach
        a dog is flying over the sea
        two dogs on the beach
        three animals on the beach
        a man riding a bike on the beach at night
        a man riding a bike and a man is next to him
        a dog next to a dog on the beach
        a person and a man on the beach
        a red man riding a bike
        a dog is next to her
    """),
    (ROOM, "true", """
        two black cats are sleeping in the room
        three cats in the room
        a cat is sitting on the floor
        a girl in a yellow dress is holding a green balloon
        a child holding a balloon in front of a red chair
        a red chair is behind a girl inside the house
        a black cat next to a black cat
        a white cat and a girl in the room
    """),
    (ROOM, "false", """
        two cats are sleeping in the room
        two cats in the room
        two black cats are sitting in the room
        three black cats in the room
        a white cat next to a black cat
        a girl is holding a red balloon
        a girl behind a red chair
        a white cat and a white cat in the room
        two girls in the room
        a kid in a yellow shirt in the room
    """),
    (ROOM, "not a sentence", """
        a
        a a cat is sleeping
        a cat
        a red ball
        two black cats
        cat is sleeping
        a cat are sleeping
        two cats is sleeping
        two cat are sleeping
        a cats are sleeping
        an cat is sleeping
        a orange
        a umbrella on the floor
        a girl holding
        a girl holding a
        a girl is holding a green balloon and
        a girl is holding a green balloon in the
        a girl is holding a green balloon in the room in the room
        a girl in the room in the living room
        a green red balloon in the room
        a green big balloon in the room
        a girl holding holding a balloon
        is a girl holding a balloon
        in the room
        a girl a balloon
        a girl is is standing
        a girl standing holding a balloon
        a girl in a yellow
        a girl in yellow dress is standing
        the the girl is standing
        a cat is sleeping on a sunny day at night
        girl dress the a
    """),
]


@pytest.mark.parametrize(("scene", "verdict", "sentence"), [
    (scene, verdict, line.strip()) for scene, verdict, lines in JUDGED for line in lines.strip().splitlines()])
def test_judge(scene, verdict, sentence):
    assert judge(sentence.split(), scene) == verdict


def test_judge_takes_anything():
    words = [*world.all_words(), "zebra", ""]
    rng = np.random.default_rng(0)
    verdicts = [judge(list(rng.choice(words, rng.integers(0, 12))), BEACH) for _ in range(2000)]
    assert verdicts.count("not a sentence") > 1980 and judge([], BEACH) == "not a sentence"


@pytest.fixture(scope="module")
def written():
    """Scenes with their sentences."""
    rng = np.random.default_rng(11)
    scenes = [compose(rng, held_out=k % 10 == 0) for k in range(1500)]
    return [(scene, describe(scene, rng)) for scene in scenes]


def test_each_sentence_is_true_of_its_scene(written):
    for scene, sentences in written:
        assert len(sentences) == 5
        for tokens, phrases in sentences:
            assert judge(tokens, scene) == "true", (" ".join(tokens), scene)
            assert 4 <= len(tokens) <= 16
            assert phrases


def test_sentences_are_false_of_most_other_scenes(written):
    verdicts = [judge(tokens, other) for (_, sentences), (other, _) in itertools.pairwise(written) for tokens, _ in sentences]
    assert verdicts.count("not a sentence") == 0
    assert verdicts.count("true") < 0.01 * len(verdicts)


def test_altered_sentences_are_caught(written):
    """Another colour, or another setting, makes a sentence false wherever the scene has no such thing."""
    caught = tried = 0
    for scene, sentences in written[:300]:
        present = {t["colour"] for t in scene["things"]}
        absent = next(colour for colour in world.COLOURS if colour not in present)
        for tokens, _ in sentences:
            changed = [absent if token in world.COLOURS else token for token in tokens]
            # "in a green field" and "in front of some houses" name colours and places of their own
            if changed != tokens and "green field" not in " ".join(tokens):
                tried += 1
                caught += judge(changed, scene) == "false"
    assert tried > 500 and caught == tried


def test_phrases_refer_to_what_they_say(written):
    for scene, sentences in written[:400]:
        for tokens, phrases in sentences:
            for start, end, family, things in phrases:
                words = tokens[start:end]
                if family == "scene":
                    assert not things
                    continue
                for index in things:
                    thing = scene["things"][index]
                    assert family == "clothing" or thing["kind"] in world.NOUNS[words[-1]][0]
                    assert all(thing["colour"] == word for word in words if word in world.COLOURS)


def test_vocabulary_and_variety(written):
    words = [token for _, sentences in written for tokens, _ in sentences for token in tokens]
    assert len(set(words)) >= 120
    assert set(words) <= set(world.all_words())
    assert sum(len({tuple(tokens) for tokens, _ in sentences}) < 5 for _, sentences in written) < 15
    kinds = {thing["kind"] for scene, _ in written for thing in scene["things"]}
    assert kinds == set(world.KINDS) == set(FIGURES) and len(kinds) >= 12
    assert {scene["setting"] for scene, _ in written} == set(world.SETTINGS)
    assert {thing["colour"] for scene, _ in written for thing in scene["things"]} == {*world.COLOURS, None}
    assert {thing["size"] for scene, _ in written for thing in scene["things"]} == {"big", "small", None}
    assert len(world.COLOURS) == 8


def test_held_out_combinations_only_where_asked(written):
    for k, (scene, _) in enumerate(written):
        assert bool(scene["held_out"]) == (k % 10 == 0)
        assert scene["held_out"] == held_out_combinations(scene)


def test_boxes_hold_the_things():
    scene, picture, _ = make_picture(0, 3)
    assert picture.size == (SIDE, SIDE) and picture.mode == "RGB"
    for thing in scene["things"]:
        xmin, ymin, xmax, ymax = thing["box"]
        assert 0 <= xmin < xmax <= SIDE and 0 <= ymin < ymax <= SIDE


def test_a_thing_is_drawn_inside_its_box():
    """The picture changes where the thing is, and nowhere else."""
    for kind in world.KINDS:
        pose = {"bird": "stand", "dog": "sit", "cat": "sit", "horse": "stand"}.get(kind, "stand")
        facts = world.KINDS[kind]
        one = {"kind": kind, "colour": facts.colours[0], "size": None, "does": [], "pose": pose,
               "place": [.5, .6, facts.width, facts.height], "faces": -1, "depth": 1, "shade": 4}
        empty = {"setting": "room", "time": "day", "things": [], "relations": []}
        with_it, (box,) = render({**empty, "things": [one]}, 5)
        without, _ = render(empty, 5)
        changed = np.argwhere(np.any(np.asarray(with_it) != np.asarray(without), axis=2))
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0) + 1
        drawn = np.array([left, top, right, bottom])
        assert np.abs(drawn - box).max() <= 3, (kind, drawn, box)


def _digests(folder):
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def test_build_is_complete_valid_and_repeatable(tmp_path):
    sizes = {"train": 12, "val": 3, "test": 10, "unseen": 2, "features": False}
    done = []
    first = build_scenes(tmp_path / "a" / "scenes", seed=3, progress=lambda *step: done.append(step), **sizes)
    again = build_scenes(tmp_path / "b" / "scenes", seed=3, **sizes)
    other = build_scenes(tmp_path / "c" / "scenes", seed=4, **sizes)
    assert done[-1] == (25, 25)
    assert _digests(first) == _digests(again) != _digests(other)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["scenes"]

    dataset = load_dataset(first)
    assert [len(dataset.split(split)) for split in ("train", "val", "test")] == [12, 3, 10]
    scenes, phrases = (json.loads((first / name).read_text(encoding="utf-8")) for name in ("scenes.json", "phrases.json"))
    for image in dataset.images:
        scene = scenes[image.imgid]
        assert scene["filename"] == image.filename and scene["split"] == image.split
        assert dataset.picture_path(image).is_file()
        assert all(judge(sentence.tokens, scene) == "true" for sentence in image.sentences)
        assert bool(scene["held_out"]) <= (image.split == "test")
        for entry in phrases[image.imgid]:
            words, tokens = entry["phrase"].split(), image.sentences[entry["sentence"]].tokens
            assert any(tokens[k:k + len(words)] == words for k in range(len(tokens)))
            boxes = [scene["things"][i]["box"] for i in entry["things"]] or [[0, 0, SIDE, SIDE]]
            assert entry["box"] in boxes
    assert sum(bool(scene["held_out"]) for scene in scenes) == 1  # one test picture in ten
    unseen = json.loads((first / "unseen" / "scenes.json").read_text(encoding="utf-8"))
    assert [scene["filename"] for scene in unseen] == ["unseen_00.png", "unseen_01.png"]
    assert all((first / "unseen" / scene["filename"]).is_file() for scene in unseen)


def test_an_interrupted_build_leaves_nothing(tmp_path):
    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_scenes(tmp_path / "scenes", train=4, val=1, test=1, unseen=1, features=False, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_new_build_replaces_an_old_one_but_nothing_else(tmp_path):
    sizes = {"train": 1, "val": 1, "test": 1, "unseen": 1, "features": False}
    folder = build_scenes(tmp_path / "scenes", **sizes)
    (folder / "left.txt").write_text("old", encoding="utf-8")
    build_scenes(folder, **sizes)
    assert not (folder / "left.txt").exists()

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(UserError, match="holds other files"):
        build_scenes(mine, **sizes)
    with pytest.raises(UserError, match="is a file"):
        build_scenes(mine / "notes.txt", **sizes)
    assert (mine / "notes.txt").read_text(encoding="utf-8") == "dear"


def _overlap(box, other):
    """Intersection over union."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - shared)


def test_detections_find_all_things_and_more():
    places = []
    for imgid in range(60):
        scene, _, _ = make_picture(1, imgid)
        boxes = detections(scene, np.random.default_rng(imgid)).astype(float)
        assert boxes.shape == (1 + DETECTIONS, 4) and list(boxes[0]) == [0, 0, SIDE, SIDE]
        assert np.all(boxes >= 0) and np.all(boxes <= SIDE) and np.all(boxes[:, 2:] - boxes[:, :2] >= 7.9)
        for thing in scene["things"]:
            overlaps = [_overlap(box, np.array(thing["box"])) for box in boxes[1:]]
            assert max(overlaps) >= 0.7
            places.append(int(np.argmax(overlaps)))
        assert min(max(_overlap(box, np.array(thing["box"])) for thing in scene["things"]) for box in boxes[1:]) < 0.3
    assert np.ptp(places) == DETECTIONS - 1  # the order says nothing


def test_regions_file(tmp_path):
    from neuraltalk.data.regions import open_regions
    from neuraltalk.vision.extractors import load_extractor
    from neuraltalk.vision.kmeans import KMeansExtractor, Settings
    from neuraltalk.vision.view import View

    folder = build_scenes(tmp_path / "scenes", train=3, val=1, test=1, unseen=1, features=False)
    with pytest.raises(UserError, match="extractor"):
        write_regions(folder)
    settings = Settings(fine=View(32, 6, 2, 24, 1), coarse=View(32, 6, 2, 8, 2))
    pictures = sorted((folder / "imgs").iterdir())
    extractor = KMeansExtractor.learn(pictures, np.random.default_rng(0), settings, patches=2000, iterations=2)
    extractor.save(folder / "extractor.npz")
    before = sorted(path.name for path in folder.iterdir())
    write_regions(folder, dimension=7)
    assert sorted(path.name for path in folder.iterdir() if path.name not in before) == [
        "region_extractor.npz",
        "region_feats.npz",
    ]
    with np.load(folder / "region_feats.npz") as file:
        feats, boxes, image = file["feats"], file["boxes"], file["image"]
    M = 5 * (1 + DETECTIONS)
    assert feats.shape == (7, M) and boxes.shape == (4, M) and image.shape == (1, M)
    reduced = load_extractor(folder / "region_extractor.npz")
    expected = reduced.regions(pictures[2], boxes[:, image[0] == 2].T)
    assert np.allclose(feats[:, image[0] == 2].T, expected, rtol=1e-2, atol=1e-2)
    assert open_regions(folder, images=5) is not None
    unseen = json.loads((folder / "unseen" / "boxes.json").read_text())
    assert [np.shape(boxes) for boxes in unseen.values()] == [(1 + DETECTIONS, 4)]
    first = (folder / "region_feats.npz").read_bytes()
    write_regions(folder, dimension=7)
    assert (folder / "region_feats.npz").read_bytes() == first


def test_build_with_features(tmp_path):
    """The features of a picture don't depend on its neighbours, and the data set names what made them."""
    from neuraltalk.data.features import open_features
    from neuraltalk.vision.extractors import load_extractor

    folder = build_scenes(tmp_path / "scenes", train=10, val=2, test=2, unseen=1)
    extractor = load_extractor(folder / "extractor.npz")
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert dataset["features"] == {"extractor": "kmeans", "fingerprint": extractor.fingerprint}
    rows = open_features(folder).rows(np.array([13, 4]))
    again = extractor.features([folder / "imgs" / "scene_00013.png", folder / "imgs" / "scene_00004.png"])
    assert rows.shape == (2, 4096) and rows.min() >= 0 and np.array_equal(rows, again)
