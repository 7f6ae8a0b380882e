"""From pictures and captions to a data set's folder: find the pictures, draw the splits, write dataset.json."""

import contextlib
import os
import pathlib
import re
import shutil
from typing import NamedTuple

from neuraltalk import files
from neuraltalk.data.importers import split_name, tokenize
from neuraltalk.errors import UserError
from neuraltalk.wording import are, have, plural

DEFAULT_SPLITS = "val=10%,test=10%"


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
                None: DEFAULT_SPLITS if no picture has a split; otherwise those without one train
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
    _draw_splits(records, splits, rng)

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


def use_split_files(described, names_of_splits):
    """Give splits by lists of picture names -> (Described pictures that are in one, lines about the others).

    names_of_splits    split -> set of file names
    Raises UserError if a picture is in two splits, or none is in any.
    """
    split_of = {}
    for split, names in names_of_splits.items():
        for name in names:
            if split_of.setdefault(name, split) != split:
                raise UserError(f"{name}: is in two splits, {split_of[name]} and {split}; leave it in one")
    kept = [
        picture._replace(split=split_of.pop(name))
        for picture in described
        if (name := picture.name.replace("\\", "/").rpartition("/")[2]) in split_of
    ]
    if not kept:
        raise UserError(
            f"the split files name none of the pictures that have captions (the first: {described[0].name!r})"
        )
    skipped = []
    if len(kept) < len(described):
        skipped.append(f"{plural(len(described) - len(kept), 'picture')} with captions {are(len(described) - len(kept))} in no split file")
    if split_of:
        pictures = plural(len(split_of), "picture")
        skipped.append(f"{pictures} in the split files {have(len(split_of))} no captions: {_some(sorted(split_of))}")
    return kept, skipped


def _find_pictures(described, pictures, skipped):
    """A record for each picture that is there; several names of one picture become one record."""
    pictures = pathlib.Path(pictures)
    if not pictures.is_dir():
        raise UserError(f"{pictures}: no such folder; give the folder of the pictures")
    lookup = _Lookup(pictures)
    records, missing = {}, []
    for picture in described:
        found = lookup.find(picture.name)
        if found is None:
            missing.append(picture.name)
            continue
        folder, _, filename = found.rpartition("/")
        record = records.setdefault(found, _record(filename, folder, picture))
        if record["split"] != picture.split:
            raise UserError(f"{picture.name}: is in two splits, {record['split']} and {picture.split}; leave it in one")
        record["captions"].extend(picture.captions)
    if not records:
        raise UserError(
            f"{pictures}: has none of the {plural(len(described), 'picture')} that {have(len(described))} captions (the first: "
            f"{described[0].name!r}); give their folder with --pictures, or --without-pictures"
        )
    if missing:
        skipped.append(f"{plural(len(missing), 'picture')} with captions {are(len(missing))}n't in {pictures}: {_some(missing)}")
    without = lookup.paths - set(records)
    if without:
        skipped.append(f"{plural(len(without), 'picture')} in {pictures} {have(len(without))} no captions: {_some(sorted(without))}")
    return list(records.values())


class _Lookup:
    """Pictures below a folder by the names that captions may use for them."""

    def __init__(self, folder):
        from PIL import Image

        from neuraltalk.vision.pictures import readable_formats

        readable = set(readable_formats())
        extensions = {extension for extension, kind in Image.registered_extensions().items() if kind in readable}
        self.folder = folder
        self.paths = set()  # relative, with "/"
        self.by_name = {}  # file name, as it is and in lower case, with and without extension -> paths
        for place, _, names in os.walk(folder):
            relative = pathlib.Path(place).relative_to(folder)
            for name in names:
                if os.path.splitext(name)[1].lower() in extensions and not name.startswith("."):
                    path = (relative / name).as_posix()
                    self.paths.add(path)
                    for key in {name, name.lower(), os.path.splitext(name)[0]}:
                        self.by_name.setdefault(key, []).append(path)

    def find(self, name):
        """The relative path of a picture, or None. Raises UserError if several files have its name."""
        name = re.sub(r"^(\./)+", "", name.replace("\\", "/"))
        if name in self.paths:
            return name
        name = name.rpartition("/")[2]
        for key in (name, name.lower()):
            paths = self.by_name.get(key, [])
            if len(paths) > 1:
                raise UserError(
                    f"{self.folder}: has {key!r} twice, {paths[0]} and {paths[1]}; name the pictures with their folder "
                    "in the captions, or give a narrower --pictures"
                )
            if paths:
                return paths[0]
        return None


def _named_only(described, skipped):
    """Records without looking for the pictures."""
    records = []
    odd = []
    for picture in described:
        folder, _, filename = picture.name.replace("\\", "/").rpartition("/")
        if not filename or folder.startswith("/") or ":" in folder or ".." in folder.split("/"):
            odd.append(picture.name)
            continue
        records.append(_record(filename, folder, picture))
        records[-1]["captions"].extend(picture.captions)
    if odd:
        skipped.append(f"{plural(len(odd), 'picture')} {are(len(odd))} named by a path outside the data set: {_some(odd)}")
    return records


def _record(filename, folder, picture):
    """An image of dataset.json, still without number, split and sentences."""
    record = {"imgid": None, "filename": filename, "split": picture.split, "captions": []}
    if folder:
        record["filepath"] = folder
    if picture.cocoid is not None:
        record["cocoid"] = picture.cocoid
    return record


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
            f"{_some([record['filename'] for record in records if not record['sentences']])}"
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
        skipped.append(f"{plural(len(faults), 'picture')} can't be read: {_some(faults)}")
    if not kept:
        raise UserError(f"none of the {plural(len(records), 'picture')} can be read: {faults[0]}")
    return kept


def _draw_splits(records, rule, rng):
    """Give a split to the records that have none."""
    free = [record for record in records if record["split"] is None]
    if rule is None and len(free) < len(records):
        rule = ""  # some are given: the others train
    elif rule is not None and not free:
        raise UserError(f"--split {rule}: every picture has its split already from its file; leave the option out")
    wanted = _parse_splits(DEFAULT_SPLITS if rule is None else rule, len(free))
    order = iter(rng.permutation(len(free)).tolist())
    for split, count in wanted.items():
        for _ in range(count):
            free[next(order)]["split"] = split
    for k in order:
        free[k]["split"] = "train"


def _parse_splits(rule, available):
    """ "val=1000,test=10%" -> {"val": 1000, "test": a tenth of `available`}."""
    counts = {}
    for part in filter(None, (part.strip() for part in rule.split(","))):
        match = re.fullmatch(r"(\w+)\s*=\s*(\d+(?:\.\d+)?)(%?)", part, re.ASCII)
        if not match or (not match[3] and "." in match[2]):
            raise UserError(f"--split {rule}: {part!r} should be like val=1000 or val=10%")
        split = split_name(match[1], f"--split {rule}")
        if split in counts:
            raise UserError(f"--split {rule}: {split} is there twice")
        counts[split] = round(available * float(match[2]) / 100) if match[3] else int(match[2])
    wanted = sum(counts.values())
    if wanted > available or (wanted == available and "train" not in counts and available):
        raise UserError(
            f"--split {rule}: asks for {plural(wanted, 'picture')} besides those that train, but there are {available}"
        )
    return counts


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


def _some(names):
    """The first few of many names."""
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
