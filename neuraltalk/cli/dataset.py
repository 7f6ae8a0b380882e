"""`neuraltalk dataset`: a data set's folder from pictures and captions, or a check of one that is there."""

import pathlib
import re

from neuraltalk.cli import console
from neuraltalk.cli.arguments import Parser, whole
from neuraltalk.errors import UserError
from neuraltalk.files import lock_inside, locked
from neuraltalk.wording import are, plural

MANUAL = """\
Make a data set's folder from pictures and captions, ready to train on:

    neuraltalk dataset data/mine captions.csv --pictures ~/photos --extract
    python driver.py -d mine

or tell what is wrong with one:

    neuraltalk dataset data/mine --check

CAPTIONS is recognised by its content; UTF-8, several files may be given:

  a table      CSV, TSV, ; or | between the columns. With a header line, columns named like file, image
               or filename, like caption, sentence or comment, and split are used. Without one, the first
               column has file names and all others captions. A picture may have any number of lines.
  Flickr8K     Flickr8k.token.txt (name.jpg#0, a tab, the caption). The lists Flickr_8k.trainImages.txt,
               devImages and testImages are used if they lie beside it (or name others: --split-file).
  COCO         captions_train2014.json and the like.

Write train=FILE, val=FILE or test=FILE to put all pictures of a file into that split, as in

    neuraltalk dataset data/coco train=captions_train2014.json captions_val2014.json \\
        --pictures ~/coco --split val=5000,test=5000

Captions become lower-case words of letters and digits. A picture's name may begin with folders above --pictures, lack
its own folder or its extension, or be in another case. Pictures that are missing, or have no captions, are
counted, told and left out. Pictures are not copied: dataset.json records their folder (see --copy).
"""

EPILOG = """Exit codes: 0 done, 1 --check found faults, 2 a mistake in options or files, 130 interrupted."""


def build_parser():
    """The options of `neuraltalk dataset`."""
    parser = Parser(prog="neuraltalk dataset", description=MANUAL, epilog=EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="the data set's folder; data/NAME is found by `-d NAME`")
    parser.add_argument(
        "captions", metavar="CAPTIONS", nargs="*", help="files of captions: FILE, or train=FILE, val=FILE, test=FILE"
    )
    parser.add_argument(
        "--check", action="store_true", help="only check the data set in FOLDER, its features, regions and phrases: each fault in a line"
    )

    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--pictures",
        metavar="DIR",
        help="where they are, sub-folders included (default: FOLDER/imgs if there is "
        "one, else the folder of the first CAPTIONS)",
    )
    group.add_argument(
        "--copy", action="store_true", help="copy them to FOLDER/imgs, so that FOLDER can be moved or given away"
    )
    group.add_argument(
        "--without-pictures", action="store_true", help="don't look for them: for features that are there already"
    )
    group.add_argument(
        "--extract",
        action="store_true",
        help="also compute features from the pixels, by a k-means dictionary "
        "learned from the training pictures: FOLDER/features.npy and extractor.npz "
        "(neuraltalk extract: by VGG-16, better for photographs)",
    )

    group = parser.add_argument_group("splits")
    group.add_argument(
        "--split",
        metavar="RULE",
        help="how many of the pictures without a split to draw for each, like "
        "val=1000,test=1000 or val=10%%,test=10%%; the rest trains (default: val=10%%,test=10%% if no "
        "picture has a split)",
    )
    group.add_argument(
        "--split-file",
        metavar="SPLIT=FILE",
        action="append",
        default=[],
        help="a list of the picture names of a split, one a line; pictures in no list are left out",
    )
    group.add_argument("--seed", type=whole(), default=0, metavar="N", help="of the draw, and of the dictionary (default: 0)")

    group = parser.add_argument_group("result")
    group.add_argument("--name", help="the data set's name (default: that of FOLDER)")
    group.add_argument(
        "--force",
        action="store_true",
        help="replace a dataset.json (and, with --extract, a features.npy) that is there",
    )
    return parser


@console.command
def main(argv=None):
    """Make or check a data set; returns the exit code (1: the check found faults)."""
    parser = build_parser()
    options = parser.parse_args(argv)
    folder = pathlib.Path(options.folder)
    if options.check:
        return check(folder)
    if not options.captions:
        parser.error("CAPTIONS is missing: give a file of captions, or --check")
    if options.without_pictures and (options.pictures or options.copy or options.extract):
        parser.error("--without-pictures can't be combined with --pictures, --copy or --extract")
    from neuraltalk.data.assemble import check_folder

    check_folder(folder)
    with locked(lock_inside(folder), folder, "wait until it has ended, or make another FOLDER"):
        make(folder, options)
    return 0


def make(folder, options):
    """Make the data set and say what became of it."""
    import numpy as np

    from neuraltalk.data import assemble, features

    there = [name for name in features.NAMES if (folder / name).exists()]
    in_the_way = [name for name in there if name != "features.npy" or not options.force]
    if options.extract and in_the_way:
        raise UserError(
            f"{folder / in_the_way[0]}: is there already; remove it, or leave out --extract to keep it"
            + (" (--force replaces features.npy)" if in_the_way == ["features.npy"] else "")
        )

    described, skipped = _read_all(options)
    pictures = None if options.without_pictures else _picture_folder(folder, options)
    with console.Progress(len(described), "pictures", unit="picture") as progress:

        def show(done, total):
            progress.total = total
            progress.update(done)

        report = assemble.assemble(
            folder,
            described,
            np.random.default_rng(options.seed),
            pictures=pictures,
            splits=options.split,
            name=options.name,
            copy=options.copy,
            force=options.force,
            open_all=options.extract,
            outdated=("features.npy", "extractor.npz") if options.extract else (),
            progress=show,
        )
    for line in skipped + report.skipped:
        console.say(f"left out: {line}")
    splits = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
    print(
        f"{report.path}: {plural(report.images, 'image')} ({splits}), "
        f"{plural(report.sentences, 'sentence')}, {plural(report.words, 'different word')}"
    )
    if options.extract:
        _extract(folder, options.seed)
    elif there:
        console.say(
            f"{folder / there[0]} was there before: its features must follow the images of the new dataset.json"
        )
    else:
        console.say(
            f"still needed to train: features. neuraltalk extract {folder} makes them by VGG-16, --extract here by k-means; or put "
            "vgg_feats.mat or features.npy there, a row for each imgid"
        )


def check(folder):
    """Print every fault of a data set (the first 100); returns 1 if there are any. UserError for its features, regions, phrases."""
    from neuraltalk.data import dataset, features, regions
    from neuraltalk.data.phrases import load_phrases
    from neuraltalk.formats.whole import read_json

    path = folder / "dataset.json"
    faults = dataset.find_faults(read_json(path), path)
    count = 0
    for count, fault in enumerate(faults, 1):
        if count <= 100:
            print(fault)
    if count:
        print(plural(count, "fault"))
        return 1
    found = dataset.load_dataset(folder)
    splits = ", ".join(f"{name} {len(found.split(name)):,}" for name in ("train", "val", "test"))
    missing = [image for image in found.images if not found.picture_path(image).is_file()]
    print(f"{path}: {plural(len(found.images), 'image')} ({splits}), no faults")
    if missing:
        print(
            f"{plural(len(missing), 'picture')} {are(len(missing))}n't there (needed only to be shown): {found.picture_path(missing[0])}"
            + (" ..." if len(missing) > 1 else "")
        )
    opened = features.open_features(folder, progress=console.counted("converting features", "image"))
    features.check_features(opened, found)
    print(f"{opened.path}: {opened.dimension} numbers for each image, no faults")
    if any((folder / name).is_file() for name in regions.NAMES):
        opened = regions.open_regions(folder, len(found.images), progress=console.counted("converting features", "region"))
        regions.check_regions(opened, found)
        print(f"{opened.path}: {opened.dimension} numbers for each of {plural(len(opened.boxes), 'region')}, no faults")
    phrases = load_phrases(folder, len(found.images))
    if phrases is not None:
        print(f"{folder / 'phrases.json'}: {plural(sum(map(len, phrases)), 'phrase')}, no faults")
    return 0


def _read_all(options):
    """The pictures of all caption files, with the splits that files give -> (pictures, lines about others)."""
    from neuraltalk.data import importers, splits

    described = []
    for source in options.captions:
        split, path = _split_and_path(source)
        for picture in importers.read_captions(path):
            described.append(picture._replace(split=split) if split else picture)
    lists = dict(_split_and_path(source) for source in options.split_file)
    if None in lists:
        raise UserError(f"--split-file {lists[None]}: should be SPLIT=FILE, as in train=list.txt")
    if not lists and options.split is None:
        lists = _flickr_lists(pathlib.Path(_split_and_path(options.captions[0])[1]))
    if not lists:
        return described, []
    return splits.use_split_files(
        described, {split: importers.read_split_file(path) for split, path in lists.items()}
    )


def _split_and_path(source):
    """ "train=FILE" -> ("train", FILE); "FILE" -> (None, FILE)."""
    from neuraltalk.data.splits import split_name

    match = re.fullmatch(r"(\w+)=(.+)", source)
    if not match or pathlib.Path(source).exists():
        return None, source
    return split_name(match[1], source), match[2]


def _flickr_lists(path):
    """Flickr8K's three lists, if they lie beside its token file."""
    if not path.name.endswith(".token.txt"):
        return {}
    lists = {
        split: next(iter(sorted(path.parent.glob(f"*.{name}Images.txt"))), None)
        for split, name in (("train", "train"), ("val", "dev"), ("test", "test"))
    }
    return lists if all(lists.values()) else {}


def _picture_folder(folder, options):
    if options.pictures:
        return pathlib.Path(options.pictures).expanduser()
    if (folder / "imgs").is_dir():
        return folder / "imgs"
    return pathlib.Path(_split_and_path(options.captions[0])[1]).parent


def _extract(folder, seed):
    """Learn a k-means extractor from the training pictures; write it, and the features of all pictures."""
    from neuraltalk.cli import extract, extraction
    from neuraltalk.data import dataset

    found = dataset.load_dataset(folder)
    extractor = extract.kmeans_extractor(found, seed)
    pictures = [extraction.Picture(extract.name_of(image), found.picture_path(image)) for image in found.images]
    extraction.extract(pictures, folder, extractor, jobs=extract.jobs(None, len(pictures), extractor), restart=True)
    print(f"{folder / 'features.npy'}: {extractor.dimension} numbers for each image, by the extractor {folder / 'extractor.npz'}")
