"""The data set of scenes, built from a seed into a folder in Karpathy's layout.

    dataset.json            splits and sentences; "features" names the extractor and its fingerprint
    imgs/                   the pictures
    scenes.json             the truth: for each imgid the scene (see world.py), with the boxes of its things
    phrases.json            for each imgid: which thing a phrase of a sentence refers to, and its box
    vgg_feats.npy           features of the pictures (float32, images x 4096); extractor.npz: what computes them
    unseen/                 pictures that are in no split, for captioning, with their own scenes.json

The same seed gives the same bytes on the same versions of NumPy and Pillow: each picture has random numbers of its own,
seeded by (seed, imgid, purpose).
"""

import functools
import pathlib

import numpy as np

from neuraltalk.data.scenes.compose import compose
from neuraltalk.data.scenes.describe import describe
from neuraltalk.data.scenes.render import SIDE, render
from neuraltalk.errors import UserError
from neuraltalk.files import replaced_folder, write_atomically, write_json
from neuraltalk.parallel import spread

TRAIN, VAL, TEST, UNSEEN = 10000, 150, 150, 20
HELD_OUT_EVERY = 25  # one test picture in 25 has a combination that training never shows
BLOCK = 10  # pictures measured at a time by one process
COMPOSE, DESCRIBE, RENDER, LEARN, REGIONS = range(5)


def build_scenes(folder, seed=0, train=TRAIN, val=VAL, test=TEST, unseen=UNSEEN, features=True, progress=None):
    """Make the whole data set in `folder`, which must not exist, be empty, or be an earlier build (it is replaced).

    Everything is written to a folder beside it that is renamed at the end: an interrupted build leaves nothing that looks
    complete. `progress(done, total)` is called as it goes; a picture is two steps, drawn and then measured. With
    features=False only pictures, sentences and truth are made. Only one process may do this at a time, the one that has
    lock_beside(folder) (files.py). Raises UserError if `folder` holds something else.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; the scenes need a folder. Remove it, or pass another folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / "scenes.json").exists():
        raise UserError(f"{folder} holds other files than the scenes data set. Move them away, or pass another folder.")
    counts = {"train": train, "val": val, "test": test}
    with replaced_folder(folder) as building:
        _build(building, folder.name, seed, counts, unseen, features, progress or (lambda done, total: None))
    return folder


def _build(folder, name, seed, counts, unseen, features, progress):
    splits = [split for split, count in counts.items() for _ in range(count)]
    (folder / "imgs").mkdir()
    (folder / "unseen").mkdir()
    steps = len(splits) * (2 if features else 1)
    first_test = counts["train"] + counts["val"]
    jobs = [(f"imgs/scene_{imgid:05}.png", imgid, split == "test" and (imgid - first_test) % HELD_OUT_EVERY == 0)
            for imgid, split in enumerate(splits)]
    images, scenes, phrases = [], [], []
    for scene, written in spread(functools.partial(_draw, folder, seed), jobs):
        imgid = len(scenes)
        filename, split = f"scene_{imgid:05}.png", splits[imgid]
        scenes.append({"imgid": imgid, "filename": filename, "split": split, **scene})
        images.append(_image_entry(imgid, filename, split, written))
        phrases.append(_phrase_entries(scene, written))
        progress(imgid + 1, steps)
    others = []
    for k in range(unseen):
        filename = f"unseen_{k:02}.png"
        scene, _ = _draw(folder, seed, (f"unseen/{filename}", len(splits) + k, False))
        others.append({"filename": filename, **scene})
    write_json(folder / "unseen" / "scenes.json", others)
    dataset = {"dataset": name, "seed": seed}
    if features:
        paths = [folder / "imgs" / image["filename"] for image in images]
        dataset["features"] = _write_features(folder, seed, paths, counts["train"],
                                              lambda done: progress(len(paths) + done, steps))
    write_json(folder / "phrases.json", phrases)
    write_json(folder / "scenes.json", scenes)
    write_json(folder / "dataset.json", {**dataset, "images": images})


def _draw(folder, seed, job):
    """Draw one picture into its file; job is (file below folder, imgid, held_out) -> scene, [(tokens, phrases)]."""
    filename, imgid, held_out = job
    scene, picture, written = make_picture(seed, imgid, held_out)
    picture.save(folder / filename, compress_level=3)
    return scene, written


def make_picture(seed, imgid, held_out=False):
    """One picture of the world -> scene (dict with boxes), PIL picture, [(tokens, phrases)] as describe.py has them."""
    scene = compose(np.random.default_rng((seed, imgid, COMPOSE)), held_out)
    picture, boxes = render(scene, (seed, imgid, RENDER))
    for thing, box in zip(scene["things"], boxes):
        thing["box"] = box
    return scene, picture, describe(scene, np.random.default_rng((seed, imgid, DESCRIBE)))


def _image_entry(imgid, filename, split, written):
    first = imgid * len(written)
    sentences = [{"tokens": tokens, "raw": " ".join(tokens).capitalize() + ".", "imgid": imgid, "sentid": first + k}
                 for k, (tokens, _) in enumerate(written)]
    sentids = [sentence["sentid"] for sentence in sentences]
    return {"imgid": imgid, "filename": filename, "split": split, "sentids": sentids, "sentences": sentences}


def _phrase_entries(scene, written):
    """One entry for each phrase and thing that it refers to; a place is the whole picture."""
    entries = []
    for number, (tokens, phrases) in enumerate(written):
        for start, end, family, things in phrases:
            boxes = [scene["things"][i]["box"] for i in things] or [[0, 0, SIDE, SIDE]]
            for box in boxes:
                entries.append({"sentence": number, "phrase": " ".join(tokens[start:end]), "types": [family], "box": box,
                                "things": things})
    return entries


def _write_features(folder, seed, paths, train, progress):
    """Learn an extractor from the training pictures, save it and all features -> what dataset.json says of them."""
    from neuraltalk.vision.kmeans import KMeansExtractor

    extractor = KMeansExtractor.learn(paths[:train], np.random.default_rng((seed, LEARN)))
    extractor.save(folder / "extractor.npz")
    blocks = [paths[start:start + BLOCK] for start in range(0, len(paths), BLOCK)]
    features = np.empty((len(paths), extractor.dimension), np.float32)
    done = 0
    for block in spread(functools.partial(_measure, folder / "extractor.npz"), blocks):
        features[done:done + len(block)] = block
        done += len(block)
        progress(done)
    with write_atomically(folder / "vgg_feats.npy") as file:
        np.save(file, features)
    return {"extractor": extractor.name, "fingerprint": extractor.fingerprint}


def _measure(extractor_file, paths):
    """Features of some pictures, by the extractor in a file (which each process reads once)."""
    return extractor_in(extractor_file).features(paths)


@functools.cache
def extractor_in(file):
    """The extractor in a file, read once by each process."""
    from neuraltalk.vision.extractors import load_extractor

    return load_extractor(file)
