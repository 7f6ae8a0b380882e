"""Boxes in the scenes, as an object detector would give them, with features of the pixels in them.

Each picture has the whole of it first, then 19 boxes in an order that says nothing: each thing found once or more, not
quite exactly; parts of things; several things in one box; and false alarms.
"""

import json
import pathlib

import numpy as np

from neuraltalk.data.scenes.render import SIDE
from neuraltalk.files import write_atomically

DETECTIONS = 19
SMALLEST = 8  # pixels: no detector sees less


def detections(scene, rng, count=DETECTIONS):
    """Boxes for a scene (with the boxes of its things) -> (1 + count, 4) float32, the whole picture first."""
    things = [np.array(thing["box"]) for thing in scene["things"]]
    found = [_jitter(box, rng, 0.04) for box in things]
    makers = (
        lambda: _jitter(things[rng.integers(len(things))], rng, 0.12),
        lambda: _part(things[rng.integers(len(things))], rng),
        lambda: _union([things[i] for i in rng.choice(len(things), 2)]),
        lambda: _anywhere(rng),
    )
    while len(found) < count:
        box = _cut(makers[rng.choice(4, p=(0.3, 0.25, 0.1, 0.35))]())
        if not any(np.abs(box - other).max() < 1 for other in found):
            found.append(box)
    found = [found[i] for i in rng.permutation(len(found))[:count]]
    return np.array([[0, 0, SIDE, SIDE], *map(_cut, found)], np.float32)


def write_regions(folder, seed=0, progress=None):
    """Write `region_feats.npz` into a built folder of scenes: feats (D x M), boxes (4 x M), image (1 x M).

    The features are half-precision numbers (46 000 regions would be 750 MB otherwise). `progress(done, total)` counts
    pictures. Raises UserError if the folder has no readable extractor.
    """
    from neuraltalk.data.scenes.build import REGIONS
    from neuraltalk.vision.extractors import load_extractor

    folder = pathlib.Path(folder)
    extractor = load_extractor(folder / "extractor.npz")
    scenes = json.loads((folder / "scenes.json").read_text(encoding="utf-8"))
    M = len(scenes) * (1 + DETECTIONS)
    feats = np.empty((M, extractor.region_dimension), np.float16)  # a region's numbers lie together
    boxes = np.empty((M, 4), np.float32)
    for k, scene in enumerate(scenes):
        rows = slice(k * (1 + DETECTIONS), (k + 1) * (1 + DETECTIONS))
        boxes[rows] = detections(scene, np.random.default_rng((seed, scene["imgid"], REGIONS)))
        feats[rows] = extractor.regions(folder / "imgs" / scene["filename"], boxes[rows])
        if progress is not None:
            progress(k + 1, len(scenes))
    image = np.repeat(np.array([scene["imgid"] for scene in scenes]), 1 + DETECTIONS)[None]  # (1, M)
    with write_atomically(folder / "region_feats.npz") as file:
        np.savez(file, feats=feats.T, boxes=boxes.T, image=image)


def _size(box):
    return np.tile(box[2:] - box[:2], 2)


def _jitter(box, rng, share):
    return box + rng.uniform(-share, share, 4) * _size(box)


def _part(box, rng):
    """A piece of a box, between 0.35 and 0.7 of each side."""
    size = (box[2:] - box[:2]) * rng.uniform(0.35, 0.7, 2)
    corner = box[:2] + rng.uniform(0, 1, 2) * (box[2:] - box[:2] - size)
    return np.concatenate([corner, corner + size])


def _union(boxes):
    boxes = np.array(boxes)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _anywhere(rng):
    size = rng.uniform(0.12, 0.6, 2) * SIDE
    corner = rng.uniform(0, 1, 2) * (SIDE - size)
    return np.concatenate([corner, corner + size])


def _cut(box):
    """Inside the picture, and not smaller than SMALLEST."""
    corner = np.clip(box[:2], 0, SIDE - SMALLEST)
    return np.concatenate([corner, np.clip(np.maximum(box[2:], corner + SMALLEST), 0, SIDE)])
