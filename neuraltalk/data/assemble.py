"""From pictures and captions to a data set's folder: find the pictures, draw the splits, write dataset.json."""

import contextlib
import pathlib
import shutil
from typing import NamedTuple

from neuraltalk import files
from neuraltalk.data.importers import tokenize
from neuraltalk.data.picture_names import Pictures
from neuraltalk.data.splits import draw_splits
from neuraltalk.errors import UserError
from neuraltalk.wording import are, have, plural, some


class Report(NamedTuple):
    """What became a data set, and what was left out."""

    path: pathlib.Path  # of dataset.json
    images: int
    splits: dict  # split -> images
    sentences: int
    words: int  # different ones
    skipped: list  # of str, a line for each reason


def assemble(
    folder,
    described,
    rng,
    *,
    pictures=None,
    splits=None,
    name=None,
    copy=False,
    force=False,
    open_all=False,
    outdated=(),
    progress=None,
):
    """Write FOLDER/dataset.json for some Described pictures -> Report.

    pictures    the folder in which the pictures are (or below it); None: don't look for them
    splits      rule for pictures without a split, such as "val=1000,test=1000" or "val=10%,test=10%"; the rest trains.
                None: splits.DEFAULT_SPLITS if no picture has a split; otherwise those without one train
    copy        copy the pictures to FOLDER/imgs; else the file records where they are
    force       replace an existing dataset.json
    open_all    leave out pictures that can't be read (takes as long as decoding them)
    outdated    names of files in FOLDER that don't belong to the new images: removed just before dataset.json is written
    progress    called with (pictures opened or copied, pictures)

    dataset.json is written last and whole. Raises UserError if there is one already, no picture is found or the rule
    doesn't fit.
    """
    folder = pathlib.Path(folder)
    path = folder / "dataset.json"
    check_folder(folder)
    if path.exists() and not force:
        raise UserError(f"{path}: is there already; give another folder, or --force to replace it")
    skipped = []
    records = _find_pictures(described, pictures, skipped) if pictures is not None else _named_only(described, skipped)
    records = _with_words(records, skipped)
    if pictures is not None and open_all:
        records = _readable(records, pathlib.Path(pictures), skipped, progress)
    draw_splits(records, splits, rng)

    document = {"dataset": name or folder.resolve().name}
    if pictures is not None and copy:
        _copy_pictures(records, pathlib.Path(pictures), folder / "imgs", progress)
    elif pictures is not None and pathlib.Path(pictures).resolve() != (folder / "imgs").resolve():
        document["pictures"] = pathlib.Path(pictures).resolve().as_posix()
    document["images"] = records
    _number(records)
    for stale in outdated:
        (folder / stale).unlink(missing_ok=True)
    files.write_json(path, document)

    counts = {
        split: sum(record["split"] == split for record in records) for split in ("train", "restval", "val", "test")
    }
    words = {token for record in records for sentence in record["sentences"] for token in sentence["tokens"]}
    return Report(
        path,
        len(records),
        {split: count for split, count in counts.items() if count},
        sum(len(record["sentences"]) for record in records),
        len(words),
        skipped,
    )


def check_folder(folder):
    """Refuse a file in the folder's place."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; give a folder for the data set")


def _find_pictures(described, pictures, skipped):
    """A record for each picture that is there; several names of one picture become one record."""
    pictures = pathlib.Path(pictures)
    if not pictures.is_dir():
        raise UserError(f"{pictures}: no such folder; give the folder of the pictures")
    there = Pictures(pictures)
    records, missing = {}, []
    for picture in described:
        found = there.find(picture.name)
        if found is None:
            missing.append(picture.name)
        else:
            _add(records, found, picture)
    if not records:
        raise UserError(
            f"{pictures}: has none of the {plural(len(described), 'picture')} that {have(len(described))} captions (the first: "
            f"{described[0].name!r}); give their folder with --pictures, or --without-pictures"
        )
    if missing:
        skipped.append(f"{plural(len(missing), 'picture')} with captions {are(len(missing))}n't in {pictures}: {some(missing)}")
    without = there.paths - set(records)
    if without:
        skipped.append(f"{plural(len(without), 'picture')} in {pictures} {have(len(without))} no captions: {some(sorted(without))}")
    return list(records.values())


def _named_only(described, skipped):
    """Records without looking for the pictures."""
    records, odd = {}, []
    for picture in described:
        path = picture.name.replace("\\", "/")
        folder, _, filename = path.rpartition("/")
        if not filename or folder.startswith("/") or ":" in folder or ".." in folder.split("/"):
            odd.append(picture.name)
        else:
            _add(records, path, picture)
    if odd:
        skipped.append(f"{plural(len(odd), 'picture')} {are(len(odd))} named by a path outside the data set: {some(odd)}")
    return list(records.values())


def _add(records, path, picture):
    """Add a Described picture to the record of its path, made if need be: an image of dataset.json, still without number and sentences."""
    if path not in records:
        folder, _, filename = path.rpartition("/")
        records[path] = {"imgid": None, "filename": filename, "split": picture.split, "captions": []}
        if folder:
            records[path]["filepath"] = folder
        if picture.cocoid is not None:
            records[path]["cocoid"] = picture.cocoid
    if records[path]["split"] != picture.split:
        raise UserError(f"{picture.name}: is in two splits, {records[path]['split']} and {picture.split}; leave it in one")
    records[path]["captions"].extend(picture.captions)


def _with_words(records, skipped):
    """The records that have sentences with words; captions become sentences."""
    wordless = 0
    for record in records:
        sentences = [(tokenize(caption), caption.strip()) for caption in record.pop("captions")]
        record["sentences"] = [{"tokens": tokens, "raw": raw} for tokens, raw in sentences if tokens]
        wordless += len(sentences) - len(record["sentences"])
    kept = [record for record in records if record["sentences"]]
    if wordless:
        skipped.append(f"{plural(wordless, 'caption')} {have(wordless)} no words")
    if len(kept) < len(records):
        skipped.append(
            f"{plural(len(records) - len(kept), 'picture')} {have(len(records) - len(kept))} no caption with words: "
            f"{some([record['filename'] for record in records if not record['sentences']])}"
        )
    if not kept:
        raise UserError("no caption has a word in it, so there is nothing to train on")
    return kept


def _readable(records, pictures, skipped, progress):
    """The records whose pictures can be decoded."""
    from neuraltalk.vision.pictures import open_picture

    kept, faults = [], []
    for done, record in enumerate(records, 1):
        try:
            open_picture(pictures / record.get("filepath", "") / record["filename"])
            kept.append(record)
        except UserError as fault:
            faults.append(str(fault))
        if progress:
            progress(done, len(records))
    if faults:
        skipped.append(f"{plural(len(faults), 'picture')} can't be read: {some(faults)}")
    if not kept:
        raise UserError(f"none of the {plural(len(records), 'picture')} can be read: {faults[0]}")
    return kept


def _number(records):
    """imgids and sentids in the order of the records."""
    sentid = 0
    for imgid, record in enumerate(records):
        record["imgid"] = imgid
        record["sentids"] = list(range(sentid, sentid + len(record["sentences"])))
        for sentence in record["sentences"]:
            sentence.update(imgid=imgid, sentid=sentid)
            sentid += 1


def _copy_pictures(records, source, target, progress):
    """Copy each picture beside its final name and rename it: no half picture stays. One that is there already stays."""
    for done, record in enumerate(records, 1):
        relative = pathlib.PurePosixPath(record.get("filepath", "")) / record["filename"]
        if (source / relative).resolve() != (target / relative).resolve():
            with open(source / relative, "rb") as reading, files.write_atomically(target / relative) as writing:
                shutil.copyfileobj(reading, writing, 1 << 20)
            with contextlib.suppress(OSError):
                shutil.copystat(source / relative, target / relative)
        if progress:
            progress(done, len(records))
