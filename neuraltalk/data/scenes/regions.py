"""Boxes in the scenes, as an object detector would give them, with features of the pixels in them.

Each picture has the whole of it first, then 19 boxes in an order that says nothing: each thing found once or more, not
quite exactly; parts of things; several things in one box; and false alarms.
"""

import contextlib
import functools
import pathlib

import numpy as np

from neuraltalk.data.scenes.build import BLOCK, REGIONS, extractor_in
from neuraltalk.data.scenes.render import SIDE
from neuraltalk.data.scenes.truth import read_scenes
from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically, write_json
from neuraltalk.parallel import spread
from neuraltalk.vision.reduced import DIMENSION, ReducedRegions, contrasted

DETECTIONS = 19
SAMPLE = 300  # training pictures whose regions the components are learned from
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


def write_regions(folder, seed=0, progress=None, dimension=DIMENSION):
    """Write into a built folder of scenes what the alignment model needs, once; the captioner does without.

        region_feats.npz       feats (D x M), boxes (4 x M), image (1 x M); half-precision numbers
        region_extractor.npz   what made the features: the folder's extractor, then the first `dimension` principal
                               components of the regions of SAMPLE training pictures (vision/reduced.py)
        unseen/boxes.json      the boxes of each unseen picture, as region proposals for new pictures are given

    Many pictures are measured by as many processes as there are cores. `progress(done, total)` counts pictures. Raises
    UserError if the folder has no readable extractor, or takes no file.
    """
    folder = pathlib.Path(folder)
    base_file, extractor_file = folder / "extractor.npz", folder / "region_extractor.npz"
    extractor_in.cache_clear()  # this process may have read earlier files of these names
    base = extractor_in(base_file)
    scenes = read_scenes(folder, numbered=True)
    sample = [scene for scene in scenes if scene["split"] == "train"]
    sample = sample[:: max(1, -(-len(sample) // SAMPLE))]
    steps, R = len(sample) + len(scenes), 1 + DETECTIONS
    progress = progress or (lambda done, total: None)

    def jobs(some):
        found = [(folder / "imgs" / scene["filename"], _boxes_of(scene, seed)) for scene in some]
        return [found[start : start + BLOCK] for start in range(0, len(found), BLOCK)]

    seen = []
    for block in spread(functools.partial(_contrasted, base_file), jobs(sample)):
        seen.append(block)
        progress(sum(len(whole) for _, whole in seen) // R, steps)
    features, whole = map(np.concatenate, zip(*seen))
    extractor = ReducedRegions.learn(base, features, whole, np.random.default_rng((seed, REGIONS)), dimension)

    feats = np.empty((len(scenes) * R, extractor.region_dimension), np.float16)  # a region's numbers lie together
    boxes = np.concatenate([_boxes_of(scene, seed) for scene in scenes])
    image = np.repeat(np.array([scene["imgid"] for scene in scenes]), R)[None]  # (1, M)
    with _telling_where(folder):
        extractor.save(extractor_file)
        _write_unseen_boxes(folder / "unseen", len(scenes), seed)
    extractor_in.cache_clear()
    done = 0
    for block in spread(functools.partial(_reduced, extractor_file), jobs(scenes)):
        feats[done : done + len(block)] = block
        done += len(block)
        progress(len(sample) + done // R, steps)
    with _telling_where(folder), write_atomically(folder / "region_feats.npz") as file:  # last: with it everything is there
        np.savez(file, feats=feats.T, boxes=boxes.T, image=image)


@contextlib.contextmanager
def _telling_where(folder):
    """A file that can't be written is the user's to mend."""
    try:
        yield
    except OSError as fault:
        raise UserError(f"{folder}: can't write the regions there ({fault.strerror}); make room, or let it be written") from None


def _contrasted(base_file, block):
    """What components are learned from: what `contrasted` gives of the boxes in some pictures, a list of (path, boxes (R, 4))."""
    features, whole = zip(*(contrasted(extractor_in(base_file), *one) for one in block))
    return np.concatenate(features), np.concatenate(whole)


def _reduced(extractor_file, block):
    """Features of the boxes in some pictures, in half precision."""
    return np.concatenate([extractor_in(extractor_file).regions(*one) for one in block]).astype(np.float16)


def _boxes_of(scene, seed, imgid=None):
    """The detections of a scene, from random numbers of its own."""
    return detections(scene, np.random.default_rng((seed, scene["imgid"] if imgid is None else imgid, REGIONS)))


def _write_unseen_boxes(folder, first, seed):
    """Boxes for the pictures of no split; they are numbered behind the others, as in build.py."""
    if (folder / "scenes.json").is_file():
        scenes = read_scenes(folder)
        boxes = {scene["filename"]: _boxes_of(scene, seed, first + k).tolist() for k, scene in enumerate(scenes)}
        write_json(folder / "boxes.json", boxes)


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
