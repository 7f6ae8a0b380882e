"""From pixels to feature files: many pictures, by any extractor, in bounded memory, resumable after a kill at any instant.

    workers     each opens some pictures, proposes boxes, measures; what it found is a picture's record
    journal     OUTPUT/extract.partial/ grows by a record at a time (data/journal.py); a later run continues it
    assembly    when every picture has its record, they are copied into the files in the pictures' order, and the folder goes

A record is found again by the picture's name, size and time of change, so pictures may be added or mended in between.
"""

import functools
import hashlib
import json
import math
import pathlib
from typing import NamedTuple

import numpy as np

from neuraltalk.cli import console
from neuraltalk.errors import UserError
from neuraltalk.files import remove_folder, write_json, write_text
from neuraltalk.ranks import ALONE
from neuraltalk.wording import are, plural

PARTIAL = "extract.partial"
BATCH = 8  # pictures that a worker has in hand at once,
PIXELS = 8_000_000  # or fewer, as soon as they have this many
TOLD = 20  # unreadable pictures, a line each
DETECTIONS = 19  # regions besides the whole picture, as in the paper


class Picture(NamedTuple):
    name: str  # in messages, journals and JSON files of boxes
    path: pathlib.Path


class Regions(NamedTuple):
    """How the regions of a picture are found."""

    most: int = DETECTIONS  # besides the whole picture
    classifier: str = None  # None: objectness ranks; "fc8": the network's own classes; else the file of a classifier
    candidates: int = 200  # the best by objectness, which the classifier looks at


class Plan(NamedTuple):
    """What is measured of each picture."""

    extractor: object  # or the file that it is to be loaded from, by each process for itself
    weights_file: str  # of a pretrained extractor; None: where they are found
    whole: bool  # features of the whole picture
    regions: Regions  # None: no regions


class Record(NamedTuple):
    """What was measured of a picture; `fault` says why nothing was."""

    features: np.ndarray = None  # (D,) float32
    boxes: np.ndarray = None  # (R, 4) float32, the whole picture first
    regions: np.ndarray = None  # (R, d) float32
    fault: str = None


# What a worker does


def measure(plan, batch):
    """Records of some pictures, as [(key, bytes)]; batch: [(key, path, boxes of a detector or None)]."""
    from neuraltalk.vision.pictures import open_picture

    extractor = _extractor(plan)
    records, images, boxes = {}, {}, {}

    def measure_images():
        if images:
            records.update(zip(images, measured(plan, extractor, list(images.values()), list(boxes.values()))))
            images.clear()
            boxes.clear()

    for key, path, given in batch:
        try:
            images[key], boxes[key] = open_picture(path), given
        except UserError as fault:
            records[key] = Record(fault=str(fault))
        if sum(image.width * image.height for image in images.values()) > PIXELS:
            measure_images()
    measure_images()
    return [(key, pack(record)) for key, record in records.items()]


def measured(plan, extractor, images, given):
    """Yield the Record of each of some PIL images; given: of each a detector's boxes, or None."""
    from neuraltalk.vision.extractors import features_and_regions

    if plan.regions is None:
        yield from (Record(features) for features in extractor.features(images))
        return
    boxes = [choose_boxes(plan, extractor, image, own) for image, own in zip(images, given)]
    if plan.whole:
        features, regions = features_and_regions(extractor, images, boxes)
        yield from map(Record, features, boxes, regions)
    else:
        yield from (Record(None, own, extractor.regions(image, own)) for image, own in zip(images, boxes))


def find_boxes(image, given=None, most=DETECTIONS):
    """The regions of a PIL image: the whole of it, then a detector's boxes, or else the best proposals -> (R, 4) float32."""
    from neuraltalk.data.boxes import whole_first
    from neuraltalk.vision.proposals.proposing import propose

    boxes = propose(np.asarray(image), 1 + most) if given is None else given
    return whole_first(boxes, image.size)[: 1 + most]


def choose_boxes(plan, extractor, image, given):
    """The same for a Plan, which may have a classifier choose among proposals."""
    from neuraltalk.data.boxes import whole_first

    most, classifier = plan.regions.most, _classifier(plan)
    if given is not None or classifier is None:
        return find_boxes(image, given, most)
    boxes = find_boxes(image, most=plan.regions.candidates)[1:]
    if len(boxes):
        boxes = boxes[classifier.best(boxes, extractor.regions(image, boxes), most)]
    return whole_first(boxes, image.size)


@functools.cache
def _extractor(plan):
    from neuraltalk.vision.extractors import load_extractor

    if not isinstance(plan.extractor, pathlib.Path):
        return plan.extractor
    extractor = load_extractor(plan.extractor)
    if plan.weights_file is not None:
        extractor.weights_file = plan.weights_file
    return extractor


@functools.cache
def _classifier(plan):
    from neuraltalk.vision.proposals.classifier import fc8_classifier, read_classifier

    if plan.regions.classifier is None:
        return None
    extractor = _extractor(plan)
    if plan.regions.classifier == "fc8":
        return fc8_classifier(extractor)
    return read_classifier(plan.regions.classifier, extractor.region_dimension)


def pack(record):
    """A Record as bytes: a line of JSON with the arrays' shapes, then their numbers."""
    arrays = [record.features, record.boxes, record.regions]
    head = {"fault": record.fault, "shapes": [None if array is None else array.shape for array in arrays]}
    numbers = [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays if array is not None]
    return b"".join([json.dumps(head).encode(), b"\n", *numbers])


def unpack(data):
    """bytes -> Record. Raises UserError for what `pack` doesn't give."""
    try:
        line, _, numbers = data.partition(b"\n")
        head, arrays, done = json.loads(line), [], 0
        for shape, sides in zip(head["shapes"], (1, 2, 2), strict=True):
            count = 0 if shape is None else math.prod(shape)
            arrays.append(None if shape is None else np.frombuffer(numbers, "<f4", count, done).reshape(shape))
            if shape is not None and (len(shape) != sides or min(shape) < 0):
                raise ValueError("an array of another kind")
            done += 4 * count
        return Record(*arrays, head["fault"])
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        raise UserError(f"{PARTIAL}: holds a record that isn't one of features; --restart begins anew") from None


# What the command does


def detections(path, pictures):
    """A detector's boxes by the pictures' names; those that it doesn't know get proposals."""
    from neuraltalk.data.boxes import read_boxes

    boxes = read_boxes(path)
    missing = [picture.name for picture in pictures if picture.name not in boxes]
    if len(missing) == len(pictures):
        raise UserError(f"{path}: names none of the {plural(len(pictures), 'picture')}; expected file names such as {pictures[0].name}")
    if missing:
        console.say(f"{path} has no boxes for {len(missing):,} of {plural(len(pictures), 'picture')}, which get proposals: {missing[0]}")
    return boxes


def extract(pictures, output, extractor, *, whole=True, regions=None, boxes=None, weights_file=None, jobs=1, restart=False, keep_rows=True,
            ranks=ALONE):
    """Measure pictures and write what was measured into the folder `output` -> [(Picture, fault)] of the unreadable ones.

    pictures    list of Picture, different names
    whole       write vgg_feats.mat (features.npy of an extractor that isn't pretrained), a row for each picture
    regions     a Regions, to write region_feats.mat; or None
    boxes       {name: boxes (R, 4)} of a detector, in place of proposals; or None
    jobs        processes; 1 is this one
    restart     forget what an earlier run has measured
    keep_rows   an unreadable picture has a row of zeros; otherwise none, and FILE.pictures.txt beside each file names those that have one
    ranks       share the pictures, each rank with jobs=1; rank 0 writes all that is written

    extractor.npz says what made the features, region_extractor.npz the same of regions. Raises UserError if an earlier,
    unfinished run measured something else.
    """
    from neuraltalk.data.journal import Journal
    from neuraltalk.parallel import spread_unordered

    if ranks.rank > 0:
        return assist(ranks, Plan(extractor, weights_file, whole, regions))
    output = pathlib.Path(output)
    partial = output / PARTIAL
    if restart:
        remove_folder(partial)
    partial.mkdir(parents=True, exist_ok=True)
    check_same_work(partial / "plan.json", extractor, whole, regions, boxes)
    with Journal(partial / "records") as journal:
        keys = [key_of(picture) for picture in pictures]
        batches = unmeasured(pictures, keys, boxes, journal)
        done = sum(key in journal for key in keys)
        if done:
            console.say(f"{done:,} of {plural(len(pictures), 'picture')} {are(done)} measured already, from {partial}")
        jobs = min(jobs, len(batches) or 1)
        if jobs > 1:
            extractor.save(partial / "extractor.npz")
        plan = Plan(extractor if jobs == 1 else partial / "extractor.npz", weights_file, whole, regions)
        work = functools.partial(measure, plan)
        if ranks.size > 1:
            results = ranks.map_unordered(work, ranks.share(batches))
        else:
            results = spread_unordered(work, batches, jobs)
        with console.Progress(len(pictures), "measuring: picture", "picture", started=done) as progress:
            collect(results, journal, progress)
        faults = [(picture, fault) for key, picture in zip(keys, pictures) if (fault := unpack_fault(journal[key])) is not None]
        if len(faults) == len(pictures):
            raise UserError(f"none of the {plural(len(pictures), 'picture')} can be read: {faults[0][1]}")
        names = None
        if not keep_rows:
            unreadable = {picture.name for picture, _ in faults}
            keys = [key for key, picture in zip(keys, pictures) if picture.name not in unreadable]
            names = [picture.name for picture in pictures if picture.name not in unreadable]
        assemble(journal, keys, output, extractor, whole, regions, names)
    remove_folder(partial)  # at once: records without the plan beside them could be taken for another's
    return ranks.share(faults)


def unmeasured(pictures, keys, boxes, journal):
    """What is left to do, in batches: [[(key, path, boxes of a detector or None)]]."""
    everything = [(key, picture.path, None if boxes is None else boxes.get(picture.name)) for key, picture in zip(keys, pictures)]
    # Always the same pictures together: what else is in a matrix product decides about the last bits of a row.
    batches = [everything[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
    return [batch for batch in batches if any(key not in journal for key, _, _ in batch)]


def collect(results, journal, progress):
    """Note the records as they come, and tell of the first unreadable pictures."""
    done, skipped = progress.started, 0
    for found in results:
        for key, data in found:
            if key in journal:  # by a run that was killed in the middle of a batch
                continue
            journal.add(key, data)
            done += 1
            if (fault := unpack_fault(data)) is not None:
                skipped += 1
                if skipped <= TOLD:
                    progress.say(f"skipped: {fault}" + (" (further ones are only counted)" if skipped == TOLD else ""))
        progress.update(done)


def assist(ranks, plan):
    """What extract() is on a rank that isn't 0: measure its share of the pictures, and hear how it ended."""
    for _ in ranks.map_unordered(functools.partial(measure, plan), ranks.share()):
        pass
    return ranks.share()


def check_same_work(path, extractor, whole, regions, boxes):
    """Note what is measured, or refuse to go on with what an earlier run measured otherwise."""
    digest = None
    if boxes is not None:
        texts = (f"{name} {boxes[name].tolist()}" for name in sorted(boxes))
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    work = {
        "extractor": extractor.fingerprint,
        "whole": whole,
        "regions": None if regions is None else list(regions),
        "boxes": digest,
    }
    if path.is_file():
        from neuraltalk.formats.whole import read_json

        if read_json(path) != work:
            raise UserError(
                f"{path.parent}: an unfinished run with another extractor or other options is there; give the same ones to "
                "continue it, or --restart to begin anew"
            )
    write_json(path, work)


def key_of(picture):
    """What a picture's record is found by."""
    try:
        status = picture.path.stat()
        return f"{picture.name}\n{status.st_size} {status.st_mtime_ns}"
    except OSError:
        return picture.name


def unpack_fault(data):
    """Why a record's picture couldn't be read, or None. Raises UserError as `unpack` does."""
    return unpack(data).fault


def file_names(extractor, whole, regions):
    """The files that are written for an extractor, those with features first."""
    from neuraltalk.vision.extractors import PRETRAINED

    features = "vgg_feats.mat" if extractor.name in PRETRAINED else "features.npy"
    return [features] * whole + ["region_feats.mat"] * (regions is not None)


def assemble(journal, keys, output, extractor, whole, regions, names=None):
    """Copy the records of `keys`, in this order, into the files; the pictures' `names`, if given, stand beside them."""
    from neuraltalk.data.feature_writer import names_beside, write_feature_rows, write_region_rows

    for name in file_names(extractor, whole, regions):
        (output / name).unlink(missing_ok=True)  # before what tells of it is replaced, should this be interrupted
        names_beside(output / name).unlink(missing_ok=True)
        if names is not None:
            write_text(names_beside(output / name), "".join(f"{name}\n" for name in names))
    if whole:
        extractor.save(output / "extractor.npz")
        nothing = np.zeros(extractor.dimension, np.float32)
        rows = (unpack(journal[key]).features for key in keys)
        name = file_names(extractor, whole, None)[0]
        write_feature_rows(output / name, (nothing if row is None else row for row in rows), len(keys), extractor.dimension)
    if regions is not None:
        extractor.save(output / "region_extractor.npz")
        nothing = np.array([[0, 0, 1, 1]], np.float32), np.zeros((1, extractor.region_dimension), np.float32)
        counts = [1 if (boxes := unpack(journal[key]).boxes) is None else len(boxes) for key in keys]
        records = (unpack(journal[key]) for key in keys)
        parts = (nothing if record.boxes is None else (record.boxes, record.regions) for record in records)
        write_region_rows(output / "region_feats.mat", parts, sum(counts), extractor.region_dimension)

