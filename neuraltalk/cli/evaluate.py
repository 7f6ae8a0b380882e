"""`python eval_sentence_predictions.py`, `neuraltalk eval`: how good a model is, by the sentences that people wrote."""

import pathlib

from neuraltalk.cli import alignment_pages, captioning, console
from neuraltalk.errors import UserError

MANUAL = """Score a model on a data set's split: of a captioner the sentences that it writes, of an alignment model how it finds
sentences and images by each other.

After `python driver.py` a run that ends within seconds:

    python eval_sentence_predictions.py

Another checkpoint, split or data set:

    python eval_sentence_predictions.py cv/flickr8k_lstm_baseline.p -s val -b 20
    python eval_sentence_predictions.py cv/flickr8k_lstm_baseline.p -d data/flickr30k

Perplexity counts the words that the vocabulary has, and the end of each sentence. BLEU-1..4 are coco-caption's:
over all images together, reference length the closest, brevity penalty on, in percent; words as the data set's tokens
have them. For the embedded pictures, whose truth is known, the share of captions that are true is told as well.

Of a captioner of regions (neuraltalk phrases makes their data set): the same against what people said of each region,
where phrases.json told it, beside the nearest training region's snippet and, with --compare, a captioner of whole images.

Of an alignment model: R@1, R@5, R@10 (in how many of a hundred cases the right answer is among the first 1, 5, 10) and
median rank, of the closest of an image's own sentences among all, and of a sentence's image among all. Where the data
set has phrases.json, also how many phrases choose a region that overlaps theirs by half or more (IoU), and one whose
centre lies in theirs; beside what chance, the largest box and the whole image would give."""

EPILOG = """Writes result_struct.json into --output; for a captioner in the original's schema, and with a page of the same
name, .html; for an alignment model with alignment.html, the words of sentences on the boxes that they chose, and
retrieval.html, what finds what. Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted (nothing written)."""


def build_parser():
    """The options of eval_sentence_predictions.py."""
    parser = captioning.Parser(
        description=MANUAL,
        epilog=EPILOG,
        formatter_class=captioning.argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", nargs="?", help="the model (default: the newest best one in cv/)"
    )
    data = parser.add_argument_group("data and files")
    data.add_argument(
        "-d",
        "--dataset",
        metavar="NAME",
        help="a folder below data/, or the path of one (default: what the model was trained on)",
    )
    data.add_argument(
        "-s", "--split", choices=("train", "val", "test"), default="test", help="which images (default: test)"
    )
    data.add_argument(
        "-m", "--max_images", type=int, default=-1, metavar="N", help="the first N of them; -1: all (default: -1)"
    )
    data.add_argument(
        "--result_struct_filename", default="result_struct.json", metavar="NAME", help="(default: result_struct.json)"
    )
    data.add_argument(
        "-o", "--output", default="results", metavar="FOLDER", help="where the result goes (default: results)"
    )
    captioning.add_page_option(data)
    captioning.add_search_options(parser, "search of a captioner")
    described = parser.add_argument_group("captioner of regions (neuraltalk phrases)")
    described.add_argument(
        "--compare",
        metavar="CHECKPOINT",
        help="a captioner of whole images, to be scored beside it on the same regions, each cut out as a picture",
    )
    alignment = parser.add_argument_group("alignment model")
    alignment.add_argument(
        "--folds",
        type=int,
        default=1,
        metavar="N",
        help="rank within N groups of images, in the data set's order, and give the means: 5 for the published figures "
        "on 1000 of COCO's 5000 images (default: 1)",
    )
    alignment.add_argument(
        "--beta",
        type=alignment_pages.number,
        default=alignment_pages.BETA,
        metavar="B",
        help="on the alignment page, what two neighbouring words gain if they choose the same region: 0 leaves each word to "
        f"itself, a large one puts the sentence on one region (default: {alignment_pages.BETA:g})",
    )
    return parser


# The options that one kind of model has and the other hasn't
OWN = {
    "captioner": ("compare", "beam_size", "nbest", "max_length", "length_normalization"),
    "alignment": ("folds", "beta"),
}


def check_own(options, parser, checkpoint):
    """Refuse options of the other kind of model, as far as they were changed."""
    for kind, names in OWN.items():
        for name in names:
            if kind != checkpoint.kind and getattr(options, name) != parser.get_default(name):
                raise UserError(
                    f"--{name} is an option for --model {kind}, and {checkpoint.path} is of --model {checkpoint.kind}; "
                    "leave it out"
                )


@console.command
def main(argv=None):
    """Score a model. Returns 0, or raises UserError."""
    parser = build_parser()
    options = parser.parse_args(argv)
    captioning.check_search_options(options)
    name = pathlib.PurePath(options.result_struct_filename)
    if name.name != options.result_struct_filename or name.suffix != ".json":
        raise UserError(
            f"--result_struct_filename {options.result_struct_filename} should be a file name with .json; its folder is --output"
        )
    checkpoint = captioning.open_checkpoint(options.checkpoint)
    check_own(options, parser, checkpoint)
    dataset = open_dataset(options.dataset, checkpoint)
    if checkpoint.kind == "captioner" and dataset.regions_of is not None:
        from neuraltalk.cli import evaluate_regions

        return evaluate_regions.evaluate(options, checkpoint, dataset)
    if options.compare is not None:
        raise UserError(f"--compare is about regions, and {dataset.folder} holds whole images; name a data set of regions (-d)")
    images = choose_images(dataset, options.split, options.max_images)
    if checkpoint.kind == "alignment":
        from neuraltalk.cli.evaluate_alignment import evaluate

        return evaluate(options, checkpoint, dataset, images, check_words(dataset, images, checkpoint))
    return evaluate_captioner(options, checkpoint, dataset, images)


def evaluate_captioner(options, checkpoint, dataset, images):
    """Describe the images, print the figures, write result and page. Returns the exit code."""
    features = open_features(dataset, images, checkpoint)
    skipped = check_words(dataset, images, checkpoint)
    captioning.check_output_folder(options.output)

    from neuraltalk.train.perplexity import encode_pairs, perplexity

    captioner, vocabulary = checkpoint.captioner(), checkpoint.vocabulary
    captions = captioning.describe_images(captioner, features.rows([image.imgid for image in images]), options)
    blobs = [
        captioning.blob(
            path_to_show(dataset, image), found, vocabulary, [" ".join(s.tokens) for s in image.sentences], image.imgid
        )
        for image, found in zip(images, captions, strict=True)
    ]
    gtppl = perplexity(captioner, features, encode_pairs(images, vocabulary)).perplexity
    training = [sentence.tokens for image in dataset.split("train") for sentence in image.sentences]
    truth = captioning.load_truth(dataset.folder)
    verdicts = captioning.judge_blobs(blobs, truth) if truth else []
    rows = [
        (
            "perplexity",
            f"{gtppl:.2f}",
            f"{len(vocabulary):,} vocabulary entries, {100 * skipped:.2f} % of the words skipped",
        ),
        *score(blobs, training),
        *judged(verdicts),
    ]

    print(
        f"{dataset.name}, {options.split} split: {len(images):,} images, "
        f"{sum(len(image.sentences) for image in images):,} sentences; "
        f"{'greedy' if options.beam_size == 1 else f'beam {options.beam_size}'}"
    )
    for label, value, note in rows:
        print(f"  {label:<18}{value:>8}   {note}".rstrip())
    result = captioning.result_struct(options, checkpoint, blobs, gtppl)
    json_path = pathlib.Path(options.output) / options.result_struct_filename
    page_path = json_path.with_suffix(".html")
    captioning.write_result(
        result,
        json_path,
        page_path,
        f"{dataset.name}, {options.split}",
        dataset.folder,
        options,
        [(label, value) for label, value, _ in rows],
        [captioning.search_note(checkpoint, options), BLEU_NOTE],
    )
    console.say(f"result      {json_path}")
    console.say(f"page        {page_path}  (open it in a browser)")
    return 0


BLEU_NOTE = "BLEU in percent, as coco-caption has it: whole set, closest reference length, brevity penalty on."


def open_dataset(name, checkpoint):
    """The data set to score on: `name`, or what the checkpoint was trained on. The embedded one is drawn if it is absent."""
    from neuraltalk.data.dataset import find_dataset, load_dataset

    name = name or checkpoint.params.get("dataset")
    if not name:
        raise UserError(f"{checkpoint.path} doesn't tell what it was trained on; name a data set with -d")
    if name == "scenes" and not (captioning.DATA / "scenes" / "dataset.json").exists():
        from neuraltalk.cli.train import draw_scenes

        draw_scenes(captioning.DATA / "scenes")
    return load_dataset(find_dataset(name, captioning.DATA))


def choose_images(dataset, split, most):
    """The images to describe: those of the split that have sentences, the first `most` of them (-1: all)."""
    if most == 0 or most < -1:
        raise UserError(f"--max_images {most} makes no sense; give how many images to use, or -1 for all")
    everything = dataset.split(split)
    images = [image for image in everything if image.sentences]
    if not images:
        there = ", ".join(
            f"{name} {count:,}"
            for name in ("train", "val", "test")
            if (count := sum(bool(image.sentences) for image in dataset.split(name)))
        )
        raise UserError(
            f"{dataset.folder}/dataset.json: no image with sentences in its {split} split, so nothing to compare with; it has "
            f"{there or 'none in any'} (-s chooses)"
        )
    if len(images) < len(everything):
        console.say(f"{len(everything) - len(images):,} images of the {split} split have no sentences and are left out")
    return images if most == -1 else images[:most]


def open_features(dataset, images, checkpoint):
    """The data set's features, known to be of the model's kind; made from the pictures if the folder has none."""
    from neuraltalk.data import features as feature_files

    if checkpoint.extractor is not None and not any((dataset.folder / name).is_file() for name in feature_files.NAMES):
        return Extracted(dataset, images, captioning.own_extractor(checkpoint))
    features = feature_files.open_features(
        dataset.folder, images=len(dataset.images), progress=console.counted("converting features", "image")
    )
    feature_files.check_features(features, dataset)
    captioning.check_features(checkpoint, features, dataset.folder)
    return features


class Extracted:
    """Features of some images of a data set, computed from their pictures; stands in for data.features.Features."""

    def __init__(self, dataset, images, extractor):
        paths = [dataset.picture_path(image) for image in images]
        self._features, readable = captioning.extract(extractor, paths)
        if len(readable) < len(paths):
            raise UserError(
                f"{dataset.folder}: {len(paths) - len(readable)} of {len(paths)} pictures can't be read (see above) and there is "
                "no feature file; mend them, or take them out of dataset.json"
            )
        self._row = {image.imgid: row for row, image in enumerate(images)}

    def rows(self, imgids):
        """As Features.rows, for the images given at the start."""
        return self._features[[self._row[int(imgid)] for imgid in imgids]]


def check_words(dataset, images, checkpoint):
    """The share (0..1) of the images' words that the model doesn't know; refuses a vocabulary that shares none."""
    skipped = checkpoint.vocabulary.skipped_share(sentence for image in images for sentence in image.sentences)
    if skipped == 1:
        raise UserError(
            f"{checkpoint.path} knows none of the words in {dataset.folder}/dataset.json (such as "
            f"{images[0].sentences[0].tokens[0]!r:.40}); take a checkpoint trained on this language and tokenisation"
        )
    if skipped > 0.2:
        console.say(
            f"note: {100 * skipped:.0f} % of the words in {dataset.folder} are unknown to the model; its figures say little"
        )
    return skipped


def path_to_show(dataset, image):
    """Where an image's picture lies, relative to the data set's folder if it is below it."""
    path = dataset.picture_path(image)
    return path.relative_to(dataset.folder) if path.is_relative_to(dataset.folder) else path.resolve()


def score(blobs, training):
    """Scores of the captions against their references -> rows (name, value, note). training: token lists."""
    from neuraltalk.metrics.bleu import corpus_bleu
    from neuraltalk.metrics.diversity import distinct_share, mean_length, novel_share

    candidates = [entry["candidate"]["text"].split() for entry in blobs]
    references = [[reference["text"].split() for reference in entry["references"]] for entry in blobs]
    bleu, bare = corpus_bleu(candidates, references), corpus_bleu(candidates, references, brevity_penalty=None)
    notes = [
        "coco-caption's: whole set, closest reference length, brevity penalty on",
        "",
        "",
        f"without the penalty, as the original's multi-bleu: {' / '.join(f'{100 * b:.1f}' for b in bare)}",
    ]
    counts = [len(own) for own in references]
    notes[1] = (
        f"{min(counts)} references each" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} references"
    )
    return [
        *((f"BLEU-{n + 1}", f"{100 * bleu[n]:.1f}", notes[n]) for n in range(4)),
        (
            "mean length",
            f"{mean_length(candidates):.1f}",
            f"words; of the references {mean_length([r for own in references for r in own]):.1f}",
        ),
        ("distinct captions", f"{100 * distinct_share(candidates):.1f} %", ""),
        (
            "novel captions",
            f"{100 * novel_share(candidates, training):.1f} %",
            "not among the data set's training sentences",
        ),
    ]


def judged(verdicts):
    """Rows about the truth of captions, where it is known: all, and apart those with combinations never trained on."""
    if not verdicts:
        return []
    odd = sum(verdict == "not a sentence" for verdict, _ in verdicts)
    rows = [
        (
            "true captions",
            f"{100 * captioning.true_share(verdicts):.1f} %",
            f"{100 * odd / len(verdicts):.1f} % aren't sentences of this world",
        )
    ]
    for held_out, label in ((False, "  seen pairings"), (True, "  new pairings")):
        part = [verdict for verdict in verdicts if verdict[1] == held_out]
        if part and len(part) < len(verdicts):
            what = (
                "has a combination that training never showed"
                if held_out
                else "has only combinations that training showed"
            )
            rows.append((label, f"{100 * captioning.true_share(part):.1f} %", f"{len(part)} pictures, each {what}"))
    return rows


if __name__ == "__main__":
    import sys

    sys.exit(main())
