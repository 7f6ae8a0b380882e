"""Reading captions and their references from files of the kinds that people have; the manual of `neuraltalk score` tells them.

A file of captions gives a list of (key, text, own references): the key is the image's id, or None where the place in the file
stands for the image. References come as a list, by place, or as a dict, by id. Ids are COCO's, but for a result_struct, which has imgids.
"""

import pathlib
from typing import NamedTuple

from neuraltalk.data.importers import is_number_of_image
from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_json, read_text
from neuraltalk.wording import plural

WHAT_CAPTIONS = (
    "a result_struct.json, COCO results [{image_id, caption}], an object with lists candidates and references, or a text file"
)
WHAT_REFERENCES = "COCO annotations, a dataset.json, an object with a list references, or text files"


class Captioned(NamedTuple):
    """What one file says of N images, matched with the references."""

    path: str
    texts: list  # N
    references: list  # N lists of texts
    unused: int  # images with references that the file says nothing of


def read_system(path, reference_paths=()):
    """One file of captions with its references, its own or those of other files -> Captioned; UserError in one line."""
    entries, ids = read_captions(path)
    if not entries:
        raise UserError(f"{path}: no captions in it")
    twice = first_repeated(key for key, _, _ in entries if key is not None)
    if twice is not None:
        raise UserError(f"{path}: image {twice} has two captions or more, and one is scored; leave one")
    unused = 0
    if not reference_paths:
        if all(own is None for _, _, own in entries):
            raise UserError(f"{path} has no references; give them with -r ({WHAT_REFERENCES})")
        references = [own for _, _, own in entries]
    else:
        given = read_references(reference_paths, ids)
        named = ", ".join(map(str, reference_paths))
        if isinstance(given, dict):
            references = [by_id(given, key, place, path, named) for place, (key, _, _) in enumerate(entries, 1)]
            unused = len(given) - len(entries)
        else:
            if len(given) != len(entries):
                captions = plural(len(entries), "caption")
                raise UserError(f"{path} has {captions} and {named} has references for {len(given):,}; both go by place")
            references = given
    for place, ((key, _, _), own) in enumerate(zip(entries, references), 1):
        if not own:
            name = f"image {key}" if key is not None else f"caption {place}"
            raise UserError(f"{path}: {name} has no reference to be compared with; give it one, or leave the caption out")
    return Captioned(str(path), [text for _, text, _ in entries], references, unused)


def by_id(given, key, place, path, named):
    """The references of an image by its id."""
    if key is None:
        raise UserError(f"{path} has no image ids and {named} goes by them; give references as text files, one caption a line")
    if key not in given:
        raise UserError(f"{path}: image {key} (caption {place}) isn't in {named}; take the references of this split")
    return given[key]


def read_captions(path):
    """Of a file of any kind: [(key or None, text, own references or None)], and the ids that keys are, "imgid" or "cocoid"."""
    if pathlib.Path(path).suffix.lower() != ".json":
        return [(None, line[0], [text for text in line[1:] if text.strip()] or None) for line in table(path)], "cocoid"
    document = read_json(path)
    if isinstance(document, dict) and "imgblobs" in document:
        from neuraltalk.pages.results import read_result

        blobs = read_result(path)["imgblobs"]
        nameless = [blob for blob in blobs if known_id(blob.get("imgid")) is None]
        twice = first_repeated((blob["img_path"], *(blob.get("box") or ())) for blob in nameless)
        if twice is not None:
            raise UserError(f"{path}: {twice[0]!r:.100} has two captions or more, and one is scored; leave one")
        return [
            (known_id(blob.get("imgid")), blob["candidate"]["text"], [own["text"] for own in blob["references"]] or None)
            for blob in blobs
        ], "imgid"
    if isinstance(document, dict) and "candidates" in document:
        texts = document["candidates"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UserError(f'{path}: "candidates" should be a list of texts')
        references = lists_of_texts(document["references"], path) if "references" in document else [None] * len(texts)
        if len(references) != len(texts):
            raise UserError(f"{path}: {plural(len(texts), 'candidate')}, but references for {len(references):,}")
        return [(None, text, own) for text, own in zip(texts, references)], "cocoid"
    if isinstance(document, list):
        return [(*id_and_caption(record, f"{path}: entry {place}"), None) for place, record in enumerate(document, 1)], "cocoid"
    raise UserError(f"{path}: no captions in it; expected {WHAT_CAPTIONS}")


def read_references(paths, ids="cocoid"):
    """References by place (a list) or by image id (a dict), from one file or several text files of a line for each image.

    ids: which of an image's two ids a dataset.json should give, "cocoid" (if all images have one) or "imgid".
    """
    if len(paths) == 1 and pathlib.Path(paths[0]).suffix.lower() == ".json":
        return references_of_json(paths[0], ids)
    for path in paths:
        if pathlib.Path(path).suffix.lower() == ".json":
            raise UserError(f"-r {path}: one JSON file holds all references; several files are text, a line for each image")
    if len(paths) == 1:
        return [[text for text in line if text.strip()] for line in table(paths[0])]
    columns = [[" ".join(line) for line in table(path)] for path in paths]
    for path, column in zip(paths, columns):
        if len(column) != len(columns[0]):
            raise UserError(
                f"{path} has {plural(len(column), 'line')} and {paths[0]} has {len(columns[0]):,}; each should have one for each image "
                "(empty where it has no reference)"
            )
    return [[text for text in line if text.strip()] for line in zip(*columns)]


def references_of_json(path, ids="cocoid"):
    """COCO annotations, a dataset.json or lists."""
    document = read_json(path)
    found = {}
    if isinstance(document, dict) and isinstance(document.get("annotations"), list):
        images = document.get("images")
        for image in images if isinstance(images, list) else []:
            if isinstance(image, dict) and known_id(image.get("id")) is not None:
                found[image["id"]] = []
        for place, record in enumerate(document["annotations"], 1):
            image, caption = id_and_caption(record, f'{path}: "annotations", entry {place}')
            found.setdefault(image, []).append(caption)
        return found
    if isinstance(document, dict) and isinstance(document.get("references"), list):
        return lists_of_texts(document["references"], path)
    if isinstance(document, dict) and isinstance(document.get("images"), list):
        from neuraltalk.data.dataset import find_faults

        for fault in find_faults(document, path):
            raise UserError(fault)
        images = document["images"]
        key = ids if all(known_id(image.get(ids)) is not None for image in images) else "imgid"
        twice = first_repeated(image[key] for image in images)
        if twice is not None:
            raise UserError(f"{path}: two images have the {key} {twice}; each needs its own")
        return {image[key]: [s.get("raw") or " ".join(s["tokens"]) for s in image["sentences"]] for image in images}
    raise UserError(f"{path}: no references in it; expected {WHAT_REFERENCES}")


def known_id(value):
    """An image's id, a number or a text; None for anything else."""
    return value if isinstance(value, str) or is_number_of_image(value) else None


def id_and_caption(record, where):
    """(image_id, caption) of an entry of COCO's results or annotations."""
    if not isinstance(record, dict) or not isinstance(record.get("caption"), str) or known_id(record.get("image_id")) is None:
        raise UserError(f'{where} should have an "image_id" and a "caption", as COCO\'s files do, not {record!r:.60}')
    return record["image_id"], record["caption"]


def lists_of_texts(value, path):
    """[[text, ...], ...], checked."""
    if not isinstance(value, list) or not all(isinstance(own, list) and all(isinstance(text, str) for text in own) for own in value):
        raise UserError(f'{path}: "references" should be a list with a list of texts for each candidate')
    return value


def table(path):
    """The lines of a text file, each cut at tabs."""
    text = read_text(path)
    return [line.rstrip("\r").split("\t") for line in text.removesuffix("\n").split("\n")] if text else []


def first_repeated(keys):
    """The first key that was there before, or None."""
    seen = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None
