"""`python predict_on_images.py`, `neuraltalk predict`: from a folder of pictures to a page of captions."""

import pathlib

from neuraltalk.cli import captioning, console, model_features, places, predict_regions
from neuraltalk.cli.arguments import Bound, Parser, count, number
from neuraltalk.cli.folders import pictures_of, rows_of
from neuraltalk.errors import UserError
from neuraltalk.vision.extractors import PRETRAINED
from neuraltalk.wording import are, plural

MANUAL = """Describe the pictures in a folder, print the sentences and write a page that shows them.

After `python driver.py` a run that ends within seconds, on pictures the model never saw:

    python predict_on_images.py

Your own pictures, in any format:

    python predict_on_images.py cv/scenes_lstm_baseline.p -r ~/photos --nbest 3

Features are computed from the pixels by the extractor that the checkpoint carries, or by the pretrained network that
it names (neuraltalk weights fetches it). For a checkpoint that knows of neither, such as the original's, say what it
was trained on by --extractor, or put a feature file into the folder, vgg_feats.mat or the like; its columns follow the
lines of tasks.txt (a file name each), or, without tasks.txt, the pictures sorted by name; those of neuraltalk extract
know their pictures by name. With tasks.txt only the pictures that it lists are described, in its order.

A checkpoint that was trained on regions (neuraltalk phrases) writes a sentence on each region that it is confident
about. The regions are proposed from the pixels; or put boxes of a detector into the folder, boxes.json
({file name: [[xmin, ymin, xmax, ymax], ...]}), or region_feats.mat with features as well; -r data/NAME_regions takes those
of the data set's test pictures."""

EPILOG = """Writes result_struct.json (the original's schema) and result.html into the folder of pictures, or --output.

Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted (nothing written)."""


def build_parser():
    """The options of predict_on_images.py."""
    parser = Parser(description=MANUAL, epilog=EPILOG)
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", nargs="?", help="the model (default: the newest best captioner in cv/)"
    )
    files = parser.add_argument_group("pictures and files")
    files.add_argument(
        "-r",
        "--root_path",
        metavar="FOLDER",
        help="the pictures (default: data/scenes/unseen, embedded pictures of no split)",
    )
    files.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        help="where the result goes (default: beside the pictures; results/ if that can't be written)",
    )
    files.add_argument(
        "--extractor",
        choices=PRETRAINED,
        help="what made the features that the model was trained on, for a checkpoint that doesn't say, such as the original's "
        "(its features were vgg16-fc7)",
    )
    captioning.add_page_option(files)
    captioning.add_search_options(parser)
    regions = parser.add_argument_group("captioner of regions")
    regions.add_argument(
        "--confidence",
        type=number(Bound(0, 1)),
        default=0.6,
        metavar="P",
        help="speak of a region if the words of its sentence have this probability, by their geometric mean (default: 0.6)",
    )
    regions.add_argument(
        "--regions", type=count, default=5, metavar="N", help="of a picture at most (default: 5)"
    )
    return parser


@console.command
def main(argv=None):
    """Describe pictures. Returns 0, or raises UserError."""
    parser = build_parser()
    options = parser.parse_args(argv)
    captioning.check_search_options(options)
    if options.checkpoint:
        check_is_no_place_of_pictures(pathlib.Path(options.checkpoint))
    root = pictures_folder(options.root_path)
    checkpoint = captioning.open_checkpoint(options.checkpoint, "captioner")
    if options.extractor:
        model_features.name_extractor(checkpoint, options.extractor)
    if predict_regions.is_of_regions(checkpoint):
        if predict_regions.data_set_of_regions(root) is not None:
            paths, output = None, output_folder(root, options.output or "results")
        else:
            paths, output = pictures_of(root), output_folder(root, options.output)
        return predict_regions.predict(options, root, checkpoint, paths, output)
    for name in ("confidence", "regions"):
        if getattr(options, name) != parser.get_default(name):
            raise UserError(f"--{name} is for captioners of regions, and {checkpoint.path} describes whole images; leave it out")
    return predict(options, root, checkpoint)


def predict(options, root, checkpoint):
    """Describe the pictures in `root`, print and write the sentences. Returns the exit code."""
    paths, features = gather(root, checkpoint)
    output = output_folder(root, options.output)

    if features is None:
        features, readable = model_features.extract(model_features.own_extractor(checkpoint), paths)
        paths = [paths[position] for position in readable]
        if not paths:
            raise UserError(f"{root}: none of its pictures could be read (see above)")
    captions = captioning.describe_images(checkpoint.captioner(), features, options)
    blobs = [
        captioning.blob(path.relative_to(root), found, checkpoint.vocabulary, imgid=number)
        for number, (path, found) in enumerate(zip(paths, captions, strict=True))
    ]
    truth = captioning.load_truth(root)
    verdicts = captioning.judge_blobs(blobs, truth) if truth else []
    show(blobs)

    figures = [("pictures", f"{len(blobs):,}")]
    if verdicts:
        figures.append(("true captions", f"{100 * captioning.true_share(verdicts):.0f} %"))
    result = captioning.result_struct(options, checkpoint, blobs)
    page = output / "result.html"
    title = "Pictures never seen in training" if options.root_path is None else f"Captions for {root.resolve().name}"
    captioning.write_result(
        result,
        output / "result_struct.json",
        page,
        title,
        root,
        options,
        figures,
        [captioning.search_note(checkpoint, options)],
    )
    if verdicts:
        true = sum(verdict == "true" for verdict, _ in verdicts)
        console.say(f"{true} of {plural(len(verdicts), 'caption is true of its picture', 'captions are true of their pictures')}")
    console.say(f"page        {page}  (open it in a browser)")
    return 0


def check_is_no_place_of_pictures(path):
    """Refuse a folder or a picture in the place of a checkpoint."""
    from neuraltalk.vision.pictures import picture_extensions

    if path.is_dir() or path.suffix.lower() in picture_extensions():
        what = "folder" if path.is_dir() else "picture"
        raise UserError(f"{path} is a {what}, where a checkpoint should be named; a folder of pictures goes behind -r")


def pictures_folder(given):
    """The folder of pictures, checked."""
    if given is not None:
        root = pathlib.Path(given).expanduser()
        if not root.is_dir():
            what = "a file, not a folder" if root.exists() else "no such folder"
            raise UserError(f"{root}: {what}; give the folder that holds the pictures")
        return root
    root = places.DATA / "scenes" / "unseen"
    if not root.is_dir():
        raise UserError(
            f"{root}: the embedded pictures aren't drawn yet; run python driver.py first, or name a folder of pictures with -r"
        )
    return root


def gather(root, checkpoint):
    """What to describe -> (paths, features (N, D) or None if they are to be extracted). Everything checked."""
    from neuraltalk.data.features import NAMES, open_features

    tasks, paths = root / "tasks.txt", pictures_of(root)
    if any((root / name).is_file() for name in NAMES):
        features = open_features(root, progress=console.counted("converting features", "image"))
        paths, rows, count = rows_of(features.path, paths)
        features.orient(count)
        model_features.check_features(checkpoint, features, root)
        return paths, features.rows(rows)
    if checkpoint.extractor is None:
        raise UserError(
            f"{checkpoint.path} was trained on features from elsewhere and can't extract them; put theirs into {root} as "
            f"{NAMES[0]} ({checkpoint.image_dimension} numbers a picture), or say with --extractor what made them"
        )
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"{tasks}: {missing[0].name} isn't in {root}"
            + (f", nor {are(len(missing) - 1)} {plural(len(missing) - 1, 'other')}" if missing[1:] else "")
            + "; correct the list, or remove it to describe all pictures there"
        )
    return paths, None


def output_folder(root, given):
    """Where the result goes, known to be writable."""
    if given is not None:
        output = pathlib.Path(given).expanduser()
        places.check_output_folder(output)
        return output
    try:
        places.check_output_folder(root)
        return root
    except UserError:
        output = pathlib.Path("results")
        places.check_output_folder(output)
        console.say(f"{root} can't be written, so the result goes to {output}")
        return output


def show(blobs):
    """The sentences on stdout, a line each: file name, sentence."""
    width = min(max(len(entry["img_path"]) for entry in blobs), 40)
    for entry in blobs:
        for rank, candidate in enumerate(entry.get("candidates", [entry["candidate"]])):
            name = entry["img_path"] if rank == 0 else ""
            verdict = f"   ({entry['verdict']})" if rank == 0 and entry.get("verdict", "true") != "true" else ""
            print(f"{captioning.printable(name):<{width}}  {candidate['text'] or '(no words)'}{verdict}")
