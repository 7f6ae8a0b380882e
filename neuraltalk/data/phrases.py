"""Which box a phrase of a sentence refers to: FOLDER/phrases.json. Models are scored with it; none trains on it.

A list aligned with the imgids, of a list for each image:

    {"sentence": its number among the image's, "phrase": text, "types": [...], "box": [xmin, ymin, xmax, ymax] in pixels}

A phrase that refers to several things has an entry for each. More keys may follow ("things" in the scenes).
"""

import pathlib

from neuraltalk.data.boxes import is_box
from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_json
from neuraltalk.wording import plural

NAME = "phrases.json"


def load_phrases(folder, images=None):
    """Read and check FOLDER/phrases.json -> a list of lists of entries by imgid, or None if there is no such file.

    images  the number of images, if known

    Raises UserError with the first fault: the file, the image, the entry.
    """
    path = pathlib.Path(folder) / NAME
    if not path.is_file():
        return None
    document = read_json(path)
    if not isinstance(document, list):
        raise UserError(f"{path}: should be a list with a list of phrases for each image")
    if images is not None and len(document) != images:
        raise UserError(
            f"{path}: has phrases of {plural(len(document), 'image')}, but there are {images:,}; use the file that belongs to them"
        )
    for imgid, entries in enumerate(document):
        if not isinstance(entries, list):
            raise UserError(f"{path}: image {imgid} should have a list of phrases, not {entries!r:.40}")
        for place, entry in enumerate(entries):
            fault = _fault(entry)
            if fault:
                raise UserError(f"{path}: image {imgid}, phrase {place}: {fault}")
    return document


def _fault(entry):
    """What is wrong with an entry; None if it can be used."""
    if not isinstance(entry, dict):
        return f"should be an object, not {entry!r:.40}"
    if type(entry.get("sentence")) is not int or entry["sentence"] < 0:
        return f"sentence should be a number from 0, not {entry.get('sentence')!r:.40}"
    if not isinstance(entry.get("phrase"), str):
        return f"phrase should be a text, not {entry.get('phrase')!r:.40}"
    if not is_box(entry.get("box")):
        return f"box should be [xmin, ymin, xmax, ymax] in pixels, not {entry.get('box')!r:.60}"
    return None
