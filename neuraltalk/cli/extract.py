"""`neuraltalk extract`: feature files of a data set's pictures, or of a folder of pictures."""

import contextlib
import os
import pathlib

from neuraltalk.cli import captioning, console, model_features, places
from neuraltalk.cli.arguments import Parser, count, whole
from neuraltalk.cli.extraction import DETECTIONS, PARTIAL, Picture, Regions, detections, extract, file_names
from neuraltalk.cli.folders import pictures_of
from neuraltalk.cli.on_ranks import on_ranks
from neuraltalk.errors import UserError
from neuraltalk.files import lock_inside, locked
from neuraltalk.ranks import world
from neuraltalk.vision.extractors import PRETRAINED
from neuraltalk.vision.vgg.pictures import RESIZES
from neuraltalk.wording import are, plural

MANUAL = """\
Compute features from pixels, for training and captioning:

    neuraltalk extract flickr8k                                vgg_feats.mat beside data/flickr8k/dataset.json
    neuraltalk extract ~/photos --features cv/scenes_lstm_baseline.p -o /tmp/features
    neuraltalk extract flickr8k --regions                      and region_feats.mat, for the alignment model

WHERE is a data set (a name below data/, or its folder) or a folder of pictures. Ctrl-C or a crash loses
nothing: the same command goes on where it stopped. Under `mpiexec -n 4` the pictures are split over processes and
machines. Unreadable pictures are told and skipped: in a data set their rows are zeros, in a folder they have none;
FILE.pictures.txt beside each file names the pictures that do.
"""

EPILOG = """\
Regions are R-CNN's way: boxes are proposed from the pixels (selective search), ranked, and the best 19 measured
behind the whole picture. Boxes of a detector of yours take the proposals' place:

    neuraltalk extract flickr8k --regions --boxes detections.json

    {"a.jpg": [[xmin, ymin, xmax, ymax], ...], ...}     in pixels; with a score behind each four, in any order

Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted (the same command continues).
"""


REGION_OPTIONS = ("boxes", "classifier", "score", "count", "candidates")


def build_parser():
    """The options of `neuraltalk extract`."""
    parser = Parser(prog="neuraltalk extract", description=MANUAL, epilog=EPILOG)
    parser.add_argument("where", metavar="WHERE", help="a data set, or a folder of pictures")
    parser.add_argument(
        "--features",
        metavar="KIND",
        default="vgg16-conv5",
        help=f"what computes them: {', '.join(PRETRAINED)}; kmeans: a dictionary of the data set's own, learned from its "
        "training pictures unless its folder has one; or a checkpoint or extractor.npz, for the same kind as theirs "
        "(default: %(default)s, which needs the convolutions of VGG-16 only)",
    )
    parser.add_argument("--weights", metavar="FILE", help="weights of VGG-16 (default: where `neuraltalk weights` puts them)")
    parser.add_argument(
        "--resize",
        choices=RESIZES,
        help="how VGG-16's input becomes 224 x 224: by Pillow's bicubic or as Matlab's imresize, which differ within two pixels of "
        "the border and by a grey level elsewhere (default: pillow; of a checkpoint or extractor.npz: as it says)",
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where the files go (default: WHERE)")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--restart", action="store_true", help="forget what an unfinished run has measured")
    parser.add_argument(
        "-j",
        "--jobs",
        type=count,
        metavar="N",
        help="processes, each with weights of its own (default: one for each core, but 1 for few pictures, and for VGG-16, "
        "whose matrix products use all cores)",
    )
    parser.add_argument("--seed", type=whole(), default=0, metavar="N", help="of a new k-means dictionary (default: 0)")

    group = parser.add_argument_group("regions")
    group.add_argument("--regions", action="store_true", help="also write region_feats.mat: boxes and their features")
    group.add_argument("--regions_only", action="store_true", help="write that file and no other")
    group.add_argument(
        "--count",
        type=count,
        default=DETECTIONS,
        metavar="N",
        help="boxes a picture besides the whole of it, at most (default: %(default)s, as in the paper)",
    )
    group.add_argument("--boxes", metavar="FILE", help="a detector's boxes, JSON as below")
    group.add_argument(
        "--score",
        choices=("objectness", "classes"),
        default="objectness",
        help="what ranks proposals: how much they look like things, or how sure VGG-16 is of a class in them "
        "(needs --features vgg16-fc7) (default: objectness)",
    )
    group.add_argument(
        "--classifier", metavar="FILE", help="rank by classes of your own: an .npz with W (numbers of a region x classes) and b"
    )
    group.add_argument(
        "--candidates",
        type=count,
        default=200,
        metavar="N",
        help="proposals that classes are asked about, the best by objectness (default: %(default)s)",
    )
    return parser


@on_ranks
@console.command
def main(argv=None):
    """Extract features. Returns 0, or raises UserError."""
    parser = build_parser()
    options, ranks = parser.parse_args(argv), world()
    if ranks.size > 1 and options.jobs is not None:
        raise UserError(f"--jobs {options.jobs} starts processes, and mpiexec has started {ranks.size}; leave --jobs out")
    whole, regions = not options.regions_only, region_options(parser, options)
    dataset, pictures = find_pictures(options.where)
    source = dataset.folder if dataset is not None else pathlib.Path(options.where).expanduser()
    output = source if options.output is None else pathlib.Path(options.output).expanduser()
    boxes = None if options.boxes is None else detections(options.boxes, pictures)
    places.check_output_folder(output)
    with ranks.rank_0_first():  # it may learn a dictionary
        extractor = find_extractor(options, dataset)
    if regions is not None:
        check_classifier(regions, extractor)
    only = locked(lock_inside(output), output, "wait until it has ended, or write elsewhere with -o")
    with only if ranks.rank == 0 else contextlib.nullcontext():
        if ranks.rank == 0:
            check_free(output, file_names(extractor, whole, regions), whole, regions, options.force)
        faults = extract(
            pictures,
            output,
            extractor,
            whole=whole,
            regions=regions,
            boxes=boxes,
            weights_file=options.weights,
            jobs=jobs(options.jobs, len(pictures), extractor) if ranks.size == 1 else 1,
            restart=options.restart,
            keep_rows=dataset is not None,
            ranks=ranks,
        )
    tell(pictures, output, extractor, whole, regions, faults, dataset)
    return 0


def region_options(parser, options):
    """How regions are found, or None if none are wanted."""
    if not options.regions and not options.regions_only:
        given = [name for name in REGION_OPTIONS if getattr(options, name) != parser.get_default(name)]
        if given:
            raise UserError(f"--{given[0]} is about regions; add --regions (or --regions_only)")
        return None
    if options.classifier and options.score == "classes":
        raise UserError("--classifier and --score classes are two ways to rank proposals; choose one")
    if options.boxes and (options.classifier or options.score != "objectness"):
        raise UserError("--boxes come ranked by their scores, or best first; leave out --classifier and --score")
    classifier = "fc8" if options.score == "classes" else options.classifier
    return Regions(options.count, classifier, max(options.candidates, options.count))


def find_pictures(where):
    """The Dataset (None for a plain folder) and the pictures of WHERE, in the order of their rows."""
    from neuraltalk.data.dataset import find_dataset, load_dataset

    folder = pathlib.Path(where).expanduser()
    if not (places.DATA / where / "dataset.json").is_file() and not (folder / "dataset.json").is_file():
        if not folder.is_dir():
            try:
                find_dataset(where, places.DATA)
            except UserError as fault:  # with a list of those that are there
                raise UserError(f"{fault}, or a folder of pictures") from None
        pictures = [Picture(path.relative_to(folder).as_posix(), path) for path in pictures_of(folder)]
        for picture in pictures:
            if [line.strip() for line in picture.name.splitlines()] != [picture.name]:
                raise UserError(f"{folder}: a picture is named {picture.name!r}, which no line of a text can hold; rename it")
        return None, pictures
    dataset = load_dataset(find_dataset(where, places.DATA))
    if dataset.regions_of is not None:
        raise UserError(f"{dataset.folder} is a data set of regions; extract {dataset.regions_of}, whose pictures they are parts of")
    pictures = [Picture(name_of(image), dataset.picture_path(image)) for image in dataset.images]
    missing = [picture.name for picture in pictures if not picture.path.is_file()]
    if len(missing) == len(pictures):
        everything = plural(len(pictures), "picture")
        raise UserError(f"{dataset.pictures}: none of the {everything} is there, such as {pictures[0].name}; put them there")
    if missing:
        absent = f"{len(missing):,} of {plural(len(pictures), 'picture')} {are(len(missing))}n't there"
        console.say(f"{absent}, and will have rows of zeros: {missing[0]}")
    return dataset, pictures


def name_of(image):
    """An image's name in messages and files of boxes, its folder before it if it has one."""
    return f"{image.filepath}/{image.filename}" if image.filepath else image.filename


def find_extractor(options, dataset):
    """The extractor of --features."""
    from neuraltalk.vision.extractors import load_extractor, pretrained_extractor

    kind = options.features
    if kind in PRETRAINED:
        return pretrained_extractor(kind, options.weights, options.resize or RESIZES[0])
    if options.resize:
        raise UserError(f"--resize {options.resize} is for --features {' and '.join(PRETRAINED)}; {kind} has its own way, so leave it out")
    if kind == "kmeans":
        if dataset is None:
            raise UserError("--features kmeans: a folder has no dictionary; give a checkpoint or extractor.npz that has one")
        return kmeans_extractor(dataset, options.seed)
    if not pathlib.Path(kind).is_file():
        known = ", ".join((*PRETRAINED, "kmeans"))
        raise UserError(f"--features {kind}: expected one of {known}, or the file of a checkpoint or an extractor.npz")
    if pathlib.Path(kind).suffix == ".npz":
        return load_extractor(kind)
    checkpoint = captioning.open_checkpoint(kind)
    if checkpoint.extractor is None:
        raise UserError(f"{kind} was trained on features from elsewhere and doesn't say how they were made; name their kind")
    return model_features.carried_extractor(checkpoint)


def kmeans_extractor(dataset, seed):
    """The k-means extractor of a data set: the one in its folder, or one learned from its training pictures."""
    import numpy as np

    from neuraltalk.vision.extractors import load_extractor
    from neuraltalk.vision.kmeans import KMeansExtractor

    path = dataset.folder / "extractor.npz"
    if path.is_file():
        extractor = load_extractor(path)
        if extractor.name.startswith(KMeansExtractor.name):
            return extractor
    console.say("learning a dictionary from the training pictures ...")
    train = [dataset.picture_path(image) for image in dataset.split("train")]
    extractor = KMeansExtractor.learn(train, np.random.default_rng(seed))
    extractor.save(path)
    return extractor


def check_classifier(regions, extractor):
    """Refuse a classifier that doesn't fit the extractor."""
    from neuraltalk.vision.proposals.classifier import fc8_classifier, read_classifier

    if regions.classifier == "fc8":
        fc8_classifier(extractor)
    elif regions.classifier is not None:
        read_classifier(regions.classifier, extractor.region_dimension)


def check_free(output, names, whole, regions, force):
    """Refuse to replace files unasked, and to write beside others that would be taken for these."""
    from neuraltalk.data import features
    from neuraltalk.data import regions as region_files

    if (output / PARTIAL).is_dir():
        return  # an unfinished run has been here, and passed
    known = features.NAMES * whole + region_files.NAMES * (regions is not None)
    for name in known:
        if (output / name).exists() and not (force and name in names):
            hint = "--force replaces it" if name in names else "move it away"
            if name in names and name not in region_files.NAMES and regions is not None:
                hint = "--regions_only keeps it, --force replaces it"
            raise UserError(f"{output / name}: is there already; {hint}, or write elsewhere with -o")


def jobs(wanted, pictures, extractor):
    """How many processes: starting one takes as long as some pictures, and the networks use all cores by themselves."""
    alone = pictures < 50 or extractor.name in PRETRAINED
    return wanted or (1 if alone else os.cpu_count() or 1)


def tell(pictures, output, extractor, whole, regions, faults, dataset):
    """Say what was written."""
    from neuraltalk.data.feature_writer import names_beside

    count = plural(len(pictures) - (0 if dataset is not None else len(faults)), "picture")
    names = file_names(extractor, whole, regions)
    for name in names:
        what = f"{extractor.region_dimension} numbers a region" if name.startswith("region") else f"{extractor.dimension} numbers each"
        print(f"{output / name}: {count}, {what}, by {extractor.name}")
    if faults:
        rows = "their rows are zeros" if dataset is not None else f"{names_beside(output / names[0])} names the others"
        print(f"{len(faults):,} of {plural(len(pictures), 'picture')} couldn't be read; {rows}: {faults[0][1]}")


if __name__ == "__main__":
    import sys

    sys.exit(main())
