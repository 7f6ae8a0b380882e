"""A data set: a folder with images, their sentences and (features.py) what a network saw in them.

    FOLDER/dataset.json    {"dataset": name, "images": [{"imgid", "filename", "split", "sentences": [...]}, ...]},
                           each sentence {"tokens": [...], "raw", "sentid"}
    FOLDER/imgs/           the pictures, needed only to show them

This is the layout of Karpathy's published Flickr8K, Flickr30K and COCO files, in UTF-8. An image's imgid is its row
in the features, so imgids number the images 0 .. N-1 (in any order in the file). COCO adds "filepath", a folder below
imgs/; "pictures", beside "images", may name another folder than imgs/ (relative ones start from FOLDER).

A data set of regions (region_pairs.py) is one, too: each of its images is a part of a picture, "box" (xmin, ymin, xmax,
ymax in pixels), "source" is the picture's imgid in the data set whose folder is "regions_of", beside "images".

The file is checked completely before anything uses it: what is wrong there would surface hours later, as a caption for
the wrong picture.
"""

import itertools
import pathlib
from typing import NamedTuple

from neuraltalk.data.boxes import is_box
from neuraltalk.data.collecting import without_garbage_collection
from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_json
from neuraltalk.wording import plural

SPLITS = ("train", "val", "test", "restval")  # COCO's restval: validation images that train


class Sentence(NamedTuple):
    """One description of an image."""

    tokens: list  # of str: the words that models see
    raw: str  # the sentence as a person wrote it
    sentid: int


class Image(NamedTuple):
    """One image with its sentences (possibly none)."""

    imgid: int  # its row in the features
    filename: str
    filepath: str  # "", or COCO's folder below imgs/
    split: str  # one of SPLITS
    sentences: list  # of Sentence
    box: tuple = None  # of a region: xmin, ymin, xmax, ymax in pixels of its picture
    source: int = None  # of a region: its picture's imgid in the data set that it comes from


class Dataset:
    """Images in the order of their imgids: images[k].imgid == k.

    regions_of    None, or of a data set of regions the folder of the one whose pictures they are parts of
    """

    def __init__(self, name, folder, images, pictures="imgs", regions_of=None):
        self.name = name
        self.folder = pathlib.Path(folder)
        self.images = images
        self.pictures = self.folder / pictures
        self.regions_of = None if regions_of is None else self.folder / regions_of

    def split(self, name):
        """The images of "train" (COCO's restval included), "val" or "test"; possibly none."""
        names = ("train", "restval") if name == "train" else (name,)
        return [image for image in self.images if image.split in names]

    def picture_path(self, image):
        """Where an image's picture should be (it may be missing: models need only its features)."""
        nested = self.pictures / image.filepath / image.filename
        flat = self.pictures / image.filename  # as people unpack it who have all in one folder
        return flat if image.filepath and not nested.exists() and flat.exists() else nested


def load_dataset(folder):
    """Read and check FOLDER/dataset.json -> Dataset.

    Raises UserError with the first fault: the file, the image (its place in the file and its filename) and the field.
    """
    folder = pathlib.Path(folder)
    path = folder / "dataset.json"
    with without_garbage_collection():
        document = read_json(path)
        for fault in find_faults(document, path):
            raise UserError(fault)
        images = sorted((_image(record) for record in document["images"]), key=lambda image: image.imgid)
    return Dataset(
        document.get("dataset") or folder.resolve().name, folder, images, document.get("pictures", "imgs"), document.get("regions_of")
    )


def find_dataset(name, root="data"):
    """The folder of a data set: `name` below `root`, or a path to a folder.

    Raises UserError listing the data sets below `root` if there is none.
    """
    candidates = (pathlib.Path(root) / name, pathlib.Path(name))
    for folder in candidates:
        if (folder / "dataset.json").is_file():
            return folder
    there = sorted(path.parent.name for path in pathlib.Path(root).glob("*/dataset.json"))
    listed = f"{root} has: {', '.join(there)}" if there else f"{root} has no data set yet"
    without = next((f"the folder {folder} has no dataset.json" for folder in candidates if folder.is_dir()), "")
    raise UserError(
        f"no data set {str(name)!r}{': ' + without if without else ''}; {listed}. Give one of their names, or a folder "
        "with a dataset.json"
    )


def find_faults(document, path="dataset.json"):
    """Yield what is wrong in a parsed dataset.json, a line each; nothing if it can be used.

    Real files have images without sentences, and splits without images, so those aren't faults.
    """
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        yield f'{path}: should be an object with a list "images", as Karpathy\'s data set files are'
        return
    for key in ("dataset", "pictures", "regions_of"):
        if not _is_text(document.get(key, "")):
            yield f"{path}: {key!r} should be a text, not {_shown(document[key])}"
    images = document["images"]
    if not images:
        yield f'{path}: "images" is empty'

    known_words = set()
    places = {}  # imgid -> place in the file
    for place, record in enumerate(images):
        if not isinstance(record, dict):
            yield f"{path}: image {place} should be an object, not {_shown(record)}"
            continue
        for fault in itertools.chain(_image_faults(record, len(images), places), _sentence_faults(record, known_words)):
            yield f"{path}: image {place} ({_shown(record.get('filename', 'no filename'))}): {fault}"
        imgid = record.get("imgid")
        if type(imgid) is int and 0 <= imgid < len(images):
            places.setdefault(imgid, place)


def _image_faults(record, N, places):
    """The faults of one image's own fields."""
    imgid = record.get("imgid")
    if "imgid" not in record:
        yield "imgid is missing (it is the image's row in the features)"
    elif type(imgid) is not int:
        yield f"imgid should be a whole number, not {_shown(imgid)}"
    elif imgid in places:
        yield f"imgid {imgid} is also that of image {places[imgid]}"
    elif not 0 <= imgid < N:
        yield f"imgid is {imgid}, but the {plural(N, 'image')} should be numbered 0 to {N - 1}, as the rows of their features are"
    if not isinstance(record.get("split"), str) or record["split"] not in SPLITS:
        yield f"split should be one of {', '.join(SPLITS)}, not {_shown(record.get('split'))}"
    filename, filepath = record.get("filename"), record.get("filepath", "")
    if not _is_text(filename) or not filename:
        yield f"filename should be the picture's file name, not {_shown(filename)}"
    elif not _is_below(filename):
        yield f"filename should stay below the folder of pictures, {_shown(filename)} doesn't"
    if not _is_text(filepath) or not _is_below(filepath):
        yield f"filepath should be a folder below the pictures, not {_shown(filepath)}"
    box, source = record.get("box"), record.get("source")
    if box is not None and not is_box(box):
        yield f"box should be [xmin, ymin, xmax, ymax] in pixels, not {_shown(box)}"
    if source is not None and (type(source) is not int or source < 0):
        yield f"source should be an imgid, not {_shown(source)}"


def _sentence_faults(record, known_words):
    """The faults of an image's sentences. `known_words` collects the words looked at: they are few, tokens are many."""
    sentences = record.get("sentences")
    if not isinstance(sentences, list):
        yield f"sentences should be a list, not {_shown(sentences)}"
        return
    for place, sentence in enumerate(sentences):
        if not isinstance(sentence, dict):
            yield f"sentence {place} should be an object, not {_shown(sentence)}"
            continue
        tokens = sentence.get("tokens")
        if not isinstance(tokens, list):
            yield f"sentence {place}: tokens should be a list of words, not {_shown(tokens)}"
        elif not tokens:
            yield f"sentence {place}: tokens is empty (remove the sentence, or give it words)"
        elif not set(map(type, tokens)) <= {str} or not known_words.issuperset(tokens):
            for token in tokens:
                if not isinstance(token, str) or (
                    token not in known_words and (not token.strip() or not _is_text(token))
                ):
                    yield f"sentence {place}: tokens should be words, not {_shown(token)}"
                    break
                known_words.add(token)
        if not _is_text(sentence.get("raw", "")):
            yield f"sentence {place}: raw should be a text, not {_shown(sentence['raw'])}"
        if type(sentence.get("sentid", 0)) is not int:
            yield f"sentence {place}: sentid should be a whole number, not {_shown(sentence['sentid'])}"


def _image(record):
    """An Image from a record without faults."""
    sentences = [
        Sentence(
            sentence["tokens"],
            sentence["raw"] if "raw" in sentence else " ".join(sentence["tokens"]),
            sentence.get("sentid", place),
        )
        for place, sentence in enumerate(record["sentences"])
    ]
    box = record.get("box")
    return Image(
        record["imgid"],
        record["filename"],
        record.get("filepath", ""),
        record["split"],
        sentences,
        None if box is None else tuple(box),
        record.get("source"),
    )


def _is_text(value):
    """Whether value is a string that can be written: JSON can spell halves of characters that no file can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_below(path):
    """Whether a relative path stays below the folder that it starts from, on any system."""
    parts = path.replace("\\", "/").split("/")
    return not (path.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in path)


def _shown(value):
    """A short, printable, one-line form of any value."""
    if value is None:
        return "nothing"
    text = ascii(value) if not _is_text(value) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
