"""Which images train, validate and test: by lists of picture names, or drawn by a rule."""

import re

from neuraltalk.data.dataset import SPLITS
from neuraltalk.data.picture_names import agree, keys
from neuraltalk.errors import UserError
from neuraltalk.wording import are, have, plural, some

DEFAULT_SPLITS = "val=10%,test=10%"
_NAMES = {
    "train": "train",
    "training": "train",
    "restval": "restval",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_name(name, where):
    """One of SPLITS, from any of the usual words for them."""
    if name.strip().lower() not in _NAMES:
        raise UserError(f"{where}: no split {name!r:.60}; expected one of {', '.join(SPLITS)}")
    return _NAMES[name.strip().lower()]


def use_split_files(described, names_of_splits):
    """Give splits by lists of picture names -> (Described pictures that are in one, lines about the others).

    names_of_splits    split -> set of names
    Raises UserError if a picture is in two splits, or none is in any.
    """
    listed = {}  # what a name is found by -> (name, split)
    for split, names in names_of_splits.items():
        for name in names:
            listed.setdefault(keys(name)[0], []).append((name, split))
    kept, used = [], set()
    for picture in described:
        entries = [entry for key in keys(picture.name) for entry in listed.get(key, []) if agree(entry[0], picture.name)]
        splits = sorted({split for _, split in entries}, key=SPLITS.index)
        if len(splits) > 1:
            raise UserError(f"{picture.name}: is in two splits, {splits[0]} and {splits[1]}; leave it in one")
        if splits:
            kept.append(picture._replace(split=splits[0]))
            used.update(name for name, _ in entries)
    if not kept:
        raise UserError(
            f"the split files name none of the pictures that have captions (the first: {described[0].name!r})"
        )
    skipped = []
    if len(kept) < len(described):
        pictures = plural(len(described) - len(kept), "picture")
        skipped.append(f"{pictures} with captions {are(len(described) - len(kept))} in no split file")
    unused = sorted(set().union(*names_of_splits.values()) - used)
    if unused:
        skipped.append(f"{plural(len(unused), 'picture')} in the split files {have(len(unused))} no captions: {some(unused)}")
    return kept, skipped


def draw_splits(records, rule, rng):
    """Give a split to the records (dicts with "split") that have None, in place.

    rule    such as "val=1000,test=10%", the rest trains; None: DEFAULT_SPLITS if no record has a split, otherwise those
            without one train
    Raises UserError if the rule doesn't fit.
    """
    free = [record for record in records if record["split"] is None]
    if rule is None and len(free) < len(records):
        rule = ""  # some are given: the others train
    elif rule is not None and not free:
        raise UserError(f"--split {rule}: every picture has its split already from its file; leave the option out")
    wanted = _parse(DEFAULT_SPLITS if rule is None else rule, len(free))
    order = iter(rng.permutation(len(free)).tolist())
    for split, count in wanted.items():
        for _ in range(count):
            free[next(order)]["split"] = split
    for k in order:
        free[k]["split"] = "train"


def _parse(rule, available):
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
