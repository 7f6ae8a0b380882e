"""Regions with what is said of them, as a data set of its own: the generator trains on it like on any other.

    FOLDER/dataset.json    an "image" for each region; "filename" is its picture's, "box" its part of it, "source" the
                           picture's imgid in the data set "regions_of"; "sentences" are the snippets (dataset.py)
    FOLDER/features.npy    the regions' features; with whole_image, those of the picture's first region, which is all of
                           it, beside them
    FOLDER/truth.json      optional: for each imgid the list of what people said of this region, each a text of words
    FOLDER/extractor.npz   optional: what made the features of regions

The files are written into FOLDER/phrases.partial and then moved, dataset.json last: until then an earlier data set is whole,
and from then on the new one. A kill between two of the moves leaves none; then writing it again is all there is to do.
"""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.files import copy_file, lock_inside, remove_folder, write_atomically, write_json
from neuraltalk.formats.whole import read_json

TRUTH = "truth.json"
PARTIAL = "phrases.partial"
AT_ONCE = 256  # regions whose features are in memory


# Words that can't end, or begin, a snippet: they led over to the next piece of the sentence, on another region.
NO_END = frozenset("a an the and or but as while who which that of in on at to into onto with by for from over through his her "
                   "its their is are was were be being has have very some two three".split())
NO_START = frozenset("and or but while who which that of is are was were".split())


class RegionRecord(NamedTuple):
    """One region and what is said of it."""

    image: object  # the picture's Image in its own data set
    region: int  # its number among the picture's regions
    snippets: list  # of token lists; may be empty (a region of the truth)
    truth: list  # of texts; empty if unknown


def write_region_pairs(folder, dataset, regions, records, extractor=None, whole_image=False, about=(), progress=None):
    """Write RegionRecords, sorted by picture, as a data set.

    folder     doesn't exist, is empty, or holds an earlier data set of regions, which is replaced
    dataset    the Dataset of the pictures, regions its Regions, extractor the file that tells what made their features
    about      more (key, value) pairs for dataset.json
    progress   called with (regions done, regions)

    Raises UserError if the folder holds anything else.
    """
    folder = pathlib.Path(folder)
    check_target(folder, force=True)
    partial = folder / PARTIAL
    remove_folder(partial)
    partial.mkdir(parents=True)
    D = regions.dimension * (2 if whole_image else 1)
    with write_atomically(partial / "features.npy") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(records), D)}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(records), AT_ONCE):
            some = records[first : first + AT_ONCE]
            file.write(_features(regions, some, whole_image).astype("<f4").tobytes())
            if progress:
                progress(first + len(some), len(records))
    if any(record.truth for record in records):
        write_json(partial / TRUTH, [record.truth for record in records])
    if extractor is not None:
        copy_file(extractor, partial / "extractor.npz")
    images, sentid = [], 0
    for imgid, record in enumerate(records):
        images.append(_entry(imgid, record, regions, sentid))
        sentid += len(record.snippets)
    document = {
        "dataset": folder.resolve().name,
        "regions_of": _relative(dataset.folder, folder),
        "pictures": _relative(dataset.pictures, folder),
        "whole_image": whole_image,
        **dict(about),
        "images": images,
    }
    write_json(partial / "dataset.json", document)
    (folder / "dataset.json").unlink(missing_ok=True)
    for name in ("features.npy", TRUTH, "extractor.npz", "dataset.json"):
        if (partial / name).exists():
            os.replace(partial / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    remove_folder(partial)


def trim(tokens):
    """A snippet without the words at its ends that only join it to its neighbours; possibly nothing.

    >>> trim("and a girl in red is in the".split())
    ['a', 'girl', 'in', 'red']
    """
    start, stop = 0, len(tokens)
    while stop > start and tokens[stop - 1] in NO_END:
        stop -= 1
    while start < stop and tokens[start] in NO_START:
        start += 1
    return tokens[start:stop]


def check_target(folder, force=False):
    """Refuse a folder that holds anything; with `force`, anything but an earlier data set of regions."""
    folder = pathlib.Path(folder)
    if folder.is_dir() and all(path.name == lock_inside(folder).name for path in folder.iterdir()):
        return
    ours = (folder / "dataset.json").is_file() and "regions_of" in read_json(folder / "dataset.json")
    if not ours and (folder / PARTIAL).is_dir() and not (folder / "dataset.json").exists():
        return  # a killed run was here, and passed
    if folder.exists() and not ours:
        raise UserError(f"{folder} holds something else than a data set of regions; move it away, or name another folder")
    if ours and not force:
        raise UserError(f"{folder} holds a data set of regions already; --force replaces it, --output names another folder")


def load_truth(dataset):
    """truth.json of a data set of regions: for each imgid a list of texts; None if there is none. Raises UserError."""
    path = dataset.folder / TRUTH
    if not path.is_file():
        return None
    truth = read_json(path)
    fine = isinstance(truth, list) and len(truth) == len(dataset.images)
    if not fine or not all(isinstance(own, list) and all(isinstance(text, str) for text in own) for own in truth):
        raise UserError(
            f"{path}: should be a list with a list of texts for each of the {len(dataset.images)} regions; write the data "
            "set again (neuraltalk phrases)"
        )
    return truth


def _features(regions, records, whole_image):
    """The features (n, D or 2 D) of some records, which are sorted by picture."""
    imgids = sorted({record.image.imgid for record in records})
    block = regions.of(imgids)
    begin = dict(zip(imgids, block.offsets.tolist()))
    rows = block.features[[begin[record.image.imgid] + record.region for record in records]]
    if not whole_image:
        return rows
    return np.concatenate([rows, block.features[[begin[record.image.imgid] for record in records]]], axis=1)


def _entry(imgid, record, regions, sentid):
    sentences = [
        {"tokens": tokens, "raw": " ".join(tokens), "imgid": imgid, "sentid": sentid + k}
        for k, tokens in enumerate(record.snippets)
    ]
    image = record.image
    return {
        "imgid": imgid,
        "filename": image.filename,
        **({"filepath": image.filepath} if image.filepath else {}),
        "split": image.split,
        "source": image.imgid,
        "box": [round(number, 2) for number in regions.boxes_of(image.imgid)[record.region].tolist()],
        "sentids": [sentence["sentid"] for sentence in sentences],
        "sentences": sentences,
    }


def _relative(path, start):
    """`path` from `start` on, so that both can be moved together; absolute where there is no such way."""
    try:
        return pathlib.Path(os.path.relpath(pathlib.Path(path).resolve(), pathlib.Path(start).resolve())).as_posix()
    except ValueError:  # another drive of Windows
        return pathlib.Path(path).resolve().as_posix()
