"""`neuraltalk phrases`: from an alignment model and a data set to pairs of regions and snippets, a data set of its own."""

import pathlib

from neuraltalk.cli import captioning, console, places
from neuraltalk.cli.arguments import Parser, count, number
from neuraltalk.cli.model_data import open_dataset, open_regions
from neuraltalk.cli.presets import BY_DATASET
from neuraltalk.errors import UserError
from neuraltalk.files import lock_inside, locked
from neuraltalk.wording import plural

MANUAL = """Let an alignment model divide the sentences of a data set among the regions of their images, and write the regions
with their snippets of text as a data set, on which the captioner then learns to describe regions:

    python driver.py --model alignment
    neuraltalk phrases -o data/scenes_regions
    python driver.py -d scenes_regions
    python eval_sentence_predictions.py

Each word would like its best region, and neighbours gain --beta if they share one; the best division of a sentence is
found exactly. A table shows what a few values of beta do to the snippets, before their ends are trimmed. Of one
region's words only runs of known words count; the words that the model doesn't know are left out. Splits stay. Where
the data set has phrases.json, the phrases that people gave to a box go into truth.json, as references for the
evaluation only."""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted."""

TABLE = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # values of beta whose effect is shown
BETA = 0.3


def build_parser():
    """The options of neuraltalk phrases."""
    parser = Parser(
        description=MANUAL,
        epilog=EPILOG,
    )
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", nargs="?", help="the model (default: the newest best alignment model in cv/)"
    )
    parser.add_argument(
        "-d", "--dataset", metavar="NAME", help="its sentences and regions (default: what the model was trained on)"
    )
    parser.add_argument(
        "--beta",
        type=number(),
        default=BETA,
        metavar="B",
        help=f"gained by neighbouring words on one region, in margins of the model (default: {BETA:g})",
    )
    parser.add_argument(
        "--min_words",
        type=count,
        default=1,
        metavar="N",
        help="leave out snippets of fewer known words (default: 1, all stay)",
    )
    parser.add_argument(
        "--trim",
        type=int,
        choices=(0, 1),
        default=1,
        help="1: leave out words at a snippet's ends that only lead over to its neighbours, such as in, the, is "
        "(English; default: 1)",
    )
    parser.add_argument(
        "--whole_image",
        action="store_true",
        help="put the whole image's features beside the region's: twice as many numbers",
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="the new data set (default: data/NAME_regions)"
    )
    parser.add_argument("--force", action="store_true", help="replace a data set of regions that is there")
    return parser


@console.command
def main(argv=None):
    """Write the pairs. Returns 0, or raises UserError."""
    from neuraltalk.data import region_pairs

    options = build_parser().parse_args(argv)
    checkpoint = captioning.open_checkpoint(options.checkpoint, "alignment")
    dataset = open_dataset(options.dataset, checkpoint)
    target = pathlib.Path(options.output or places.DATA / f"{dataset.folder.resolve().name}_regions")
    region_pairs.check_target(target, options.force)
    places.check_output_folder(target.parent)
    with locked(lock_inside(target), target, "wait until it has ended, or name another folder with --output"):
        return write(options, checkpoint, dataset, target)


def write(options, checkpoint, dataset, target):
    """Divide the sentences and write what comes of it into the folder `target`; the exit code."""
    from neuraltalk.cli.models import KINDS
    from neuraltalk.data import region_pairs
    from neuraltalk.data.phrases import load_phrases
    from neuraltalk.decode.snippets import snippets

    regions = open_regions(dataset, checkpoint)
    phrases = load_phrases(dataset.folder, len(dataset.images))

    encode = checkpoint.vocabulary.encode
    encoded = [
        (image.imgid, [encode(sentence.tokens) for sentence in image.sentences]) for image in dataset.images
    ]
    betas = [options.beta, *(beta for beta in TABLE if beta != options.beta)]
    records, counts = [], {beta: [0, 0] for beta in betas}  # segments, words
    with console.Progress(len(encoded), "dividing sentences: image", "image") as progress:
        found = snippets(checkpoint.aligner(), regions, encoded, betas, progress.update)
        for image, (_, sentences), of_betas in zip(dataset.images, encoded, found):
            for beta, pieces in zip(betas, of_betas):
                counts[beta][0] += len(pieces)
                counts[beta][1] += sum(piece.stop - piece.start for _, piece in pieces)
            entries = phrases[image.imgid] if phrases is not None else ()
            records += records_of(image, sentences, of_betas[0], entries, regions, checkpoint.vocabulary, options)
    if not any(record.snippets for record in records):
        raise UserError(
            f"{dataset.folder}: no snippet of {plural(options.min_words, 'word')} or more is left; lower --min_words, or take a "
            "checkpoint that knows this data set's words"
        )
    names = KINDS["alignment"].extractor_files
    extractor = next((dataset.folder / name for name in names if (dataset.folder / name).is_file()), None)
    region_pairs.write_region_pairs(
        target,
        dataset,
        regions,
        records,
        extractor,
        options.whole_image,
        [("beta", options.beta), ("alignment", str(checkpoint.path))],
        console.counted("writing features, region"),
    )
    show(counts, options.beta)
    report(target, dataset, regions, records)
    return 0


def records_of(image, sentences, pieces, entries, regions, vocabulary, options):
    """The RegionRecords of one image: regions that have a snippet, and outside train those that people spoke of."""
    from neuraltalk.data.region_pairs import RegionRecord, trim
    from neuraltalk.metrics.region_truth import true_phrases

    boxes = regions.boxes_of(image.imgid)
    own = [[] for _ in boxes]
    for sentence, piece in pieces:
        tokens = [vocabulary.words[word] for word in sentences[sentence][piece.start : piece.stop]]
        tokens = trim(tokens) if options.trim else tokens
        if len(tokens) >= options.min_words:
            own[piece.region].append(tokens)
    truth = true_phrases(entries, [sentence.tokens for sentence in image.sentences], boxes)
    training = image.split in ("train", "restval")
    return [
        RegionRecord(image, region, own[region], truth[region])
        for region in range(len(boxes))
        if own[region] or (truth[region] and not training)
    ]


def show(counts, chosen):
    """The table of what beta does."""
    print(f"{'beta':>8}{'snippets':>12}{'words each':>13}")
    for beta in sorted(counts):
        segments, words = counts[beta]
        mark = "   (written)" if beta == chosen else ""
        print(f"{beta:8g}{segments:12,}{words / max(segments, 1):13.2f}{mark}")


def report(target, dataset, regions, records):
    """What was written."""
    used = [record for record in records if record.snippets]
    pairs = sum(len(record.snippets) for record in used)
    words = sum(len(tokens) for record in used for tokens in record.snippets)
    everything = sum(len(regions.boxes_of(image.imgid)) for image in dataset.images)
    print(
        f"{target}: {plural(pairs, 'pair')} of region and snippet, {words / pairs:.2f} words each, on {plural(len(used), 'region')} "
        f"({100 * len(used) / everything:.1f} % of {everything:,})"
    )
    known = sum(bool(record.truth) for record in records if record.image.split in ("val", "test"))
    if known:
        print(f"  truth of {plural(known, 'region')} of val and test, for the evaluation")
    name = target.name if target.resolve().parent == places.DATA.resolve() else target.as_posix()
    known = ("captioner", name) in BY_DATASET  # then driver.py takes the preset by itself
    preset = " --preset scenes" if (dataset.folder / "scenes.json").is_file() and not known else ""
    console.say(f"next        python driver.py -d {name}{preset}")
