"""Sentences on the regions of pictures, by a captioner that was trained on regions."""

import math
import pathlib
from typing import NamedTuple

import numpy as np

from neuraltalk.cli import captioning, console, model_features, places
from neuraltalk.cli.folders import rows_of
from neuraltalk.errors import UserError
from neuraltalk.files import write_json, write_text
from neuraltalk.wording import plural

BOXES = "boxes.json"


class Proposal(NamedTuple):
    """A picture with the regions that could be spoken of."""

    path: pathlib.Path
    boxes: np.ndarray  # (R, 4) xmin, ymin, xmax, ymax in pixels
    features: np.ndarray  # (R, D) as the model takes them


def is_of_regions(checkpoint):
    """Whether a captioner was trained on regions: its extractor measures such, or its data set holds such."""
    from neuraltalk.formats.whole import read_json

    if checkpoint.extractor is not None:
        return model_features.takes_regions(checkpoint, model_features.carried_extractor(checkpoint))
    name = checkpoint.params.get("dataset")
    path = places.DATA / str(name) / "dataset.json"
    return bool(name) and path.is_file() and "regions_of" in read_json(path)


def predict(options, root, checkpoint, paths, output):
    """Describe the regions of the pictures `paths` in `root`, print and write the sentences. Returns the exit code.

    options: those of predict_on_images.py; output: the folder of the result.
    """
    from neuraltalk.pages.regions import regions_page

    dataset = data_set_of_regions(root)
    proposals = propose(root, checkpoint, paths) if dataset is None else of_data_set(dataset, checkpoint)
    rows = np.concatenate([proposal.features for proposal in proposals])
    captions = captioning.describe_images(checkpoint.captioner(), rows, options)
    blobs, first = [], 0
    for proposal in proposals:
        own = captions[first : first + len(proposal.boxes)]
        first += len(own)
        for region, sure in confident(own, proposal.boxes, options.confidence, options.regions):
            blobs.append(
                {
                    **captioning.blob(
                        captioning.shown_path(proposal.path, root), own[region], checkpoint.vocabulary, imgid=len(blobs)
                    ),
                    "box": [round(float(number), 1) for number in proposal.boxes[region]],
                    "confidence": sure,
                }
            )
    if not blobs:
        raise UserError(
            f"no region of the {plural(len(proposals), 'picture')} in {root} has a confidence of {options.confidence:g}; lower --confidence"
        )
    verdicts = judge(blobs, root if dataset is None else dataset.regions_of)
    show(blobs)
    figures = [("pictures", f"{len(proposals):,}"), ("regions", f"{len(blobs):,}")]
    if verdicts:
        share = f"{100 * verdicts.count('true') / len(verdicts):.0f} %"
        figures.append(("true of their regions", share))
        told = plural(len(verdicts), "sentence is true of its region", "sentences are true of their regions")
        console.say(f"{verdicts.count('true')} of {told}")
    page = output / "result.html"
    result = captioning.result_struct(options, checkpoint, blobs)
    write_json(output / "result_struct.json", result, indent=1)
    entries = entries_of(proposals, blobs, root)
    with console.Progress(len(entries), "page: picture") as progress:
        text = regions_page(
            entries,
            f"Regions of {root.resolve().name}",
            root,
            output,
            figures,
            [captioning.search_note(checkpoint, options)],
            options.page_pictures,
            progress.update,
        )
    write_text(page, text)
    console.say(f"page        {page}  (open it in a browser)")
    return 0


def entries_of(proposals, blobs, root):
    """What the region page shows: pictures with a sentence, in their order."""
    own = {}
    for entry in blobs:
        own.setdefault(entry["img_path"], []).append(
            {key: entry[key] for key in ("box", "confidence", "verdict") if key in entry} | {"text": entry["candidate"]["text"]}
        )
    names = {captioning.shown_path(proposal.path, root).as_posix(): proposal for proposal in proposals}
    return [
        {"img_path": name, "size": size_of(proposal), "regions": own[name]} for name, proposal in names.items() if name in own
    ]


def size_of(proposal):
    """(width, height) of a picture; as far as its boxes reach if it can't be read."""
    from neuraltalk.vision.pictures import picture_size

    try:
        return picture_size(proposal.path)
    except UserError:
        return tuple(max(1.0, float(side)) for side in proposal.boxes[:, 2:].max(axis=0))


def data_set_of_regions(root):
    """The Dataset in a folder, if it is one of regions (neuraltalk phrases); else None."""
    from neuraltalk.data.dataset import load_dataset

    if not (root / "dataset.json").is_file():
        return None
    dataset = load_dataset(root)
    return dataset if dataset.regions_of is not None else None


def of_data_set(dataset, checkpoint):
    """Proposals of a data set of regions: those of its test pictures, or of its validation pictures if it has no test."""
    from neuraltalk.data.features import check_features, open_features

    images = [image for image in dataset.split("test") or dataset.split("val") if image.box is not None]
    if not images:
        raise UserError(f"{dataset.folder}/dataset.json: no regions in its test and val splits; write the data set again")
    progress = console.counted("converting features", "region")
    features = open_features(dataset.folder, images=len(dataset.images), progress=progress)
    check_features(features, dataset)
    model_features.check_features(checkpoint, features, dataset.folder)
    own = {}
    for image in images:
        own.setdefault(dataset.picture_path(image), []).append(image)
    return [
        Proposal(path, np.array([image.box for image in some]), features.rows([image.imgid for image in some]))
        for path, some in own.items()
    ]


def propose(root, checkpoint, paths):
    """The regions of the pictures, measured by the checkpoint's extractor: those in boxes.json, or what is proposed from their
    pixels. A region file that lies there takes their place.
    """
    from neuraltalk.cli.extraction import Picture, detections
    from neuraltalk.data.regions import NAMES, open_regions

    if (root / BOXES).is_file() and checkpoint.extractor is not None:
        pictures = [Picture(path.relative_to(root).as_posix(), path) for path in paths]
        found = detections(root / BOXES, pictures)
        return measured(paths, checkpoint, {picture.path: found[picture.name] for picture in pictures if picture.name in found})
    file = next((root / name for name in NAMES if (root / name).is_file()), None)
    if file is not None:
        paths, rows, count = rows_of(file, paths)
        regions = open_regions(root, count)
        copies = copies_of(checkpoint, regions.dimension, regions.path)
        model_features.check_kind(checkpoint, regions, root)
        proposals = []
        for row, path in zip(rows, paths):
            block = regions.of([row])
            proposals.append(Proposal(path, block.boxes, beside(block.features, copies)))
        return proposals
    if checkpoint.extractor is not None:
        return measured(paths, checkpoint)
    raise UserError(
        f"{checkpoint.path} describes regions, and {root} has no region proposals; put {NAMES[0]} there, with features of the "
        "kind that it was trained on, or take a captioner of whole images"
    )


def copies_of(checkpoint, dimension, source):
    """1 if the model takes a region's numbers, 2 if those of the whole image stand beside them."""
    for copies in (1, 2):
        if checkpoint.image_dimension == copies * dimension:
            return copies
    raise UserError(
        f"{checkpoint.path} was trained on {checkpoint.image_dimension} numbers a region; {source} has {dimension}; take "
        "regions of the kind that it was trained on"
    )


def beside(features, copies):
    """Features (R, D) -> the same, or with the first row's, the whole image's, beside each."""
    if copies == 1:
        return features
    return np.concatenate([features, np.broadcast_to(features[:1], features.shape)], axis=1)


def measured(paths, checkpoint, boxes=()):
    """Proposals of pictures by the checkpoint's extractor; unreadable ones are told. boxes: a detector's, {path: boxes (R, 4)}."""
    from neuraltalk.cli.extraction import find_boxes
    from neuraltalk.vision.pictures import open_picture

    extractor = model_features.carried_extractor(checkpoint)
    copies = copies_of(checkpoint, extractor.region_dimension, "its extractor")
    proposals = []
    with console.Progress(len(paths), "regions: picture", "picture") as progress:
        for done, path in enumerate(paths, 1):
            try:
                image = open_picture(path)
                own = find_boxes(image, boxes[path], len(boxes[path])) if path in boxes else find_boxes(image)
                proposals.append(Proposal(path, own, beside(extractor.regions(image, own), copies)))
            except UserError as fault:
                progress.say(f"skipped: {fault}")
            progress.update(done)
    if not proposals:
        raise UserError(f"none of the {plural(len(paths), 'picture')} could be read (see above)")
    return proposals


def confident(captions, boxes, least, most):
    """The regions of a picture to speak of: [(region, confidence)], the surest first.

    The confidence of a sentence is the geometric mean of its words' probabilities, END included. A region needs at
    least `least`, and must not overlap (IoU of 0.5 or more) or say the same as one that is surer; `most` are kept.
    """
    from neuraltalk.metrics.grounding import IOU, overlaps

    sure = [math.exp(own[0].log_probability / max(1, len(own[0].words))) for own in captions]
    chosen, said = [], set()
    for region in sorted(range(len(sure)), key=lambda region: -sure[region]):
        words = tuple(captions[region][0].words)
        if sure[region] < least or len(chosen) == most:
            break
        taken = [other for other, _ in chosen]
        if words in said or (taken and (overlaps(boxes[[region]], boxes[taken]) >= IOU).any()):
            continue
        chosen.append((region, sure[region]))
        said.add(words)
    return chosen


def judge(blobs, root):
    """Write "verdict" into the blobs of embedded pictures; the list of verdicts."""
    truth = captioning.load_truth(root)
    if truth is None:
        return []
    from neuraltalk.data.scenes.region_judge import judge_region

    verdicts = []
    for entry in blobs:
        scene = truth.get(pathlib.PurePosixPath(entry["img_path"]).name)
        if scene is not None:
            entry["verdict"] = judge_region(entry["candidate"]["text"].split(), scene, entry["box"])
            verdicts.append(entry["verdict"])
    return verdicts


def show(blobs):
    """The sentences on stdout, a line each: file name, box, confidence, sentence."""
    before = None
    width = min(max(len(entry["img_path"]) for entry in blobs), 40)
    for entry in blobs:
        name = "" if entry["img_path"] == before else entry["img_path"]
        before = entry["img_path"]
        box = " ".join(f"{number:4.0f}" for number in entry["box"])
        verdict = f"   ({entry['verdict']})" if entry.get("verdict", "true") != "true" else ""
        sentence = f"{entry['candidate']['text'] or '(no words)'}{verdict}"
        print(f"{captioning.printable(name):<{width}}  [{box}]  {entry['confidence']:.2f}  {sentence}")
