"""Captions as people have them: tables (CSV, TSV and the like), Flickr8K's token file, COCO's caption JSON.

Each reader gives a list of Described: a picture's name with its captions, in the order of the file. What a file is,
its content says. Text is UTF-8 (a leading byte order mark is fine), lines end as on any system.
"""

import csv
import io
import pathlib
import re
import unicodedata
from typing import NamedTuple

from neuraltalk.data.splits import split_name
from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_json, read_text

_FILE_COLUMN = re.compile(r"(file|image|img|photo|picture)([ _-]?(name|file|path))?$|(name|path)$")
_CAPTION_COLUMN = re.compile(r"(caption|sentence|comment|description|text|raw)s?[ _-]?\d*$")


class Described(NamedTuple):
    """A picture, as its captions' file names it."""

    name: str
    captions: list  # of str, as written
    split: str | None = None  # one of dataset.SPLITS, or None: still to be drawn
    cocoid: int | None = None


def tokenize(caption):
    """The words of a caption: lower-case runs of letters and digits of any script.

    Apostrophes vanish inside a word; everything else separates. So it is in the published Flickr8K file (all but 31 of
    35,000 sentences come out the same).

    >>> tokenize("A dog's T-shirt, size 12: très chic!")
    ['a', 'dogs', 't', 'shirt', 'size', '12', 'très', 'chic']
    """
    text = unicodedata.normalize("NFC", caption).lower()
    text = re.sub(r"(?<=\w)['’](?=\w)", "", text)
    if not text.isascii():  # vowel signs (Hindi, Thai ...) are part of a word, although they aren't letters
        text = "".join(letter if unicodedata.category(letter)[0] in "LNM" else " " for letter in text)
        return text.split()
    return re.findall(r"[a-z0-9]+", text)


def read_captions(path):
    """Read a file of captions of any of the three kinds -> list of Described, one for each picture.

    Raises UserError if it can't be read as any of them.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".json":
        return read_coco(path)
    text = read_text(path)
    first = next((line for line in _lines(text) if line.strip()), None)
    if first is None:
        raise UserError(f"{path}: is empty; expected captions")
    if first.lstrip().startswith("{"):
        return read_coco(path)
    if re.match(r"[^\t]+#\d+\t", first):
        return _read_flickr(path, text)
    return _read_table(path, text)


def is_number_of_image(value):
    """Whether a value is fit to be an image's id. (Larger whole numbers can be chosen so that looking for one takes as long as for all.)"""
    return type(value) is int and abs(value) < 2**53


def read_coco(path):
    """COCO's captions_*.json: {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}.

    Images without captions are left out. Raises UserError naming the entry and the field.
    """
    document = read_json(path)
    if not isinstance(document, dict) or not all(
        isinstance(document.get(key), list) for key in ("images", "annotations")
    ):
        raise UserError(f'{path}: not a COCO caption file: it should have lists "images" and "annotations"')
    captions = {}  # image id -> captions
    for place, record in enumerate(document["annotations"]):
        if (
            not isinstance(record, dict)
            or not isinstance(record.get("caption"), str)
            or not is_number_of_image(record.get("image_id"))
        ):
            raise UserError(
                f'{path}: annotation {place} should have a number "image_id" and a text "caption"; COCO\'s are in '
                "captions_*.json (instances_*.json has none)"
            )
        captions.setdefault(record["image_id"], []).append(record["caption"])
    described = []
    for place, record in enumerate(document["images"]):
        if (
            not isinstance(record, dict)
            or not isinstance(record.get("file_name"), str)
            or not is_number_of_image(record.get("id"))
        ):
            raise UserError(f'{path}: image {place} should have a number "id" and a text "file_name"')
        if record["id"] in captions:
            described.append(Described(record["file_name"], captions.pop(record["id"]), None, record["id"]))
    if captions:
        raise UserError(
            f"{path}: {len(captions)} image_ids of its annotations aren't among its images (the first: "
            f"{next(iter(captions))})"
        )
    if not described:
        raise UserError(f"{path}: no image has a caption")
    return described


def read_split_file(path):
    """The picture names in a list of one name a line, as a set."""
    names = {line.strip() for line in _lines(read_text(path))} - {""}
    if not names:
        raise UserError(f"{path}: is empty; expected picture names, one a line")
    return names


def _lines(text):
    """Lines that end in any system's way (str.splitlines() would also split at rarer marks, inside a caption)."""
    return io.StringIO(text, newline=None).read().split("\n")


def _read_flickr(path, text):
    """Flickr8K's token file: name.jpg#0<TAB>caption."""
    captions = {}
    for number, line in enumerate(_lines(text), 1):
        if line.strip():
            name, tab, caption = line.partition("\t")
            name, mark, _ = name.rpartition("#")
            if not tab or not mark or not name.strip():
                raise UserError(f"{path}: line {number} should be 'name.jpg#0', a tab and a caption, not {line!r:.60}")
            captions.setdefault(name.strip(), []).append(caption.strip())
    return [Described(name, sentences) for name, sentences in captions.items()]


def _read_table(path, text):
    """A table: a column of file names, one or more of captions, perhaps one of splits.

    With a header line, its words say which is which. Without one, the first column has file names, all others captions.
    """
    delimiter = _delimiter(path, text)
    rows = _rows(path, text, delimiter)
    header = [cell.lower() for cell in rows[0][1]]
    file_column = next((k for k, cell in enumerate(header) if _FILE_COLUMN.match(cell)), None)
    split_column = None
    if file_column is not None:
        rows = rows[1:]
        split_column = next((k for k, cell in enumerate(header) if cell in ("split", "set", "subset")), None)
        others = [k for k in range(len(header)) if k not in (file_column, split_column)]
        caption_columns = [k for k in others if _CAPTION_COLUMN.match(header[k])] or others
        # comment_number and the like are skipped; if one caption column ends the line, unquoted commas are part of it
        joined = caption_columns == [len(header) - 1]
        width = len(header)
    else:
        file_column = 0
        widths = {len(cells) for _, cells in rows}
        # as many cells everywhere: that many captions; else the delimiter is part of the captions
        joined = len(widths) > 1
        width = 2 if joined else widths.pop()
        caption_columns = list(range(1, width))
    if not caption_columns:
        raise UserError(
            f"{path}: only one column; expected file names and captions, apart by a comma, a tab, ';' or '|'"
        )

    described = {}
    for number, cells in rows:
        if joined and len(cells) > width:
            cells = [*cells[: width - 1], (delimiter + " ").join(cells[width - 1 :])]
        if len(cells) <= file_column or not cells[file_column]:
            raise UserError(f"{path}: line {number}: no file name")
        if len(cells) > width:
            raise UserError(
                f"{path}: line {number} has {len(cells)} columns, the header {width}: put captions with "
                f"{delimiter!r} in quotes"
            )
        split = None
        if split_column is not None and split_column < len(cells) and cells[split_column]:
            split = split_name(cells[split_column], f"{path}: line {number}")
        name = cells[file_column]
        known = described.setdefault(name, Described(name, [], split))
        if known.split != split:
            raise UserError(f"{path}: line {number}: {name} is in the split {split}, but in {known.split} before")
        captions = [" ".join(cells[k].split()) for k in caption_columns if k < len(cells) and cells[k]]
        known.captions.extend(captions or [""])  # a line without any is counted as one without words
    if not described:
        raise UserError(f"{path}: has a header but no captions")
    return list(described.values())


def _delimiter(path, text):
    """What separates columns: the first of tab , ; | outside quotes in the first line."""
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    line = re.sub(r'"[^"]*"', "", next(line for line in _lines(text) if line.strip()))
    return min((mark for mark in "\t,;|" if mark in line), key=line.index, default=",")


def _rows(path, text, delimiter):
    """The lines of a table that aren't empty: (line number, list of stripped cells)."""
    if delimiter in "\t|":  # such files seldom quote, and a caption may begin with a quotation
        rows = [
            (number, [_unquoted(cell.strip()) for cell in line.split(delimiter)])
            for number, line in enumerate(_lines(text), 1)
        ]
    else:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
        except csv.Error as error:
            raise UserError(
                f'{path}: line {reader.line_num}: {error}; quote a caption as "..." with "" for a quotation mark inside'
            ) from None
    return [(number, cells) for number, cells in rows if any(cells)]


def _unquoted(cell):
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', ""):
        return cell[1:-1].replace('""', '"')
    return cell
