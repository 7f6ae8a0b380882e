"""`python eval_sentence_predictions.py`, `neuraltalk eval`: how good a model is, by the sentences that people wrote."""

import pathlib

from neuraltalk.cli import captioning, console, scoring
from neuraltalk.cli.arguments import Parser, number
from neuraltalk.cli.model_data import check_words, choose_images, open_dataset
from neuraltalk.cli.on_ranks import on_ranks
from neuraltalk.cli.phrases import BETA
from neuraltalk.errors import UserError
from neuraltalk.ranks import world

MANUAL = """Score a model on a data set's split: of a captioner the sentences that it writes, of an alignment model how it finds
sentences and images by each other.

After `python driver.py` a run that ends within seconds:

    python eval_sentence_predictions.py

Another checkpoint, split or data set; models, beam sizes, people and a baseline beside each other:

    python eval_sentence_predictions.py cv/flickr8k_lstm_baseline.p -s val -b 20
    python eval_sentence_predictions.py cv/flickr8k_lstm_baseline.p -d data/flickr30k
    python eval_sentence_predictions.py cv/scenes_lstm_baseline.p cv/scenes_rnn_baseline.p -b 1,7,20 --human --nearest

Perplexity counts the words that the vocabulary has, and the end of each sentence. BLEU-1..4, ROUGE-L and CIDEr are
coco-caption's, tokeniser included, of the data set's tokens; METEOR and SPICE, if asked for, are so by its own programs. For
the embedded pictures, whose truth is known, the share of captions that are true is told as well.

Of a captioner of regions (neuraltalk phrases makes their data set): the same against what people said of each region,
where phrases.json told it, beside the nearest training region's snippet and, with --compare, a captioner of whole images.

Of an alignment model: R@1, R@5, R@10 (in how many of a hundred cases the right answer is among the first 1, 5, 10) and
median rank, of the closest of an image's own sentences among all, and of a sentence's image among all. Where the data
set has phrases.json, also how many phrases choose a region that overlaps theirs by half or more (IoU), and one whose
centre lies in theirs; beside what chance, the largest box and the whole image would give."""

EPILOG = """Writes result_struct.json into --output; for a captioner in the original's schema, and with a page of the same
name, .html (of several systems result_struct_A.json and so on, and one page; what an earlier run left beside them is
renamed, .previous.json); for an alignment model with
alignment.html, the words of sentences on the boxes that they chose, and retrieval.html, what finds what.

Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted (nothing written)."""


def build_parser():
    """The options of eval_sentence_predictions.py."""
    parser = Parser(description=MANUAL, epilog=EPILOG)
    parser.add_argument(
        "checkpoints",
        metavar="CHECKPOINT",
        nargs="*",
        help="the model (default: the newest best one in cv/); several captioners are scored beside each other, on the data set of "
        "the first",
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
        "--result_struct_filename",
        default="result_struct.json",
        metavar="NAME",
        help="what the result is called (default: result_struct.json)",
    )
    data.add_argument(
        "-o", "--output", default="results", metavar="FOLDER", help="where the result goes (default: results)"
    )
    captioning.add_page_option(data)
    search = captioning.add_search_options(parser, "search of a captioner", several=True)
    search.add_argument(
        "--nearest",
        action="store_true",
        help="a baseline beside it: the first sentence of the training image whose features are most alike (cosine)",
    )
    scoring.add_table_options(parser)
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
        type=number(),
        default=BETA,
        metavar="B",
        help="on the alignment page, what two neighbouring words gain if they choose the same region: 0 leaves each word to "
        f"itself, a large one puts the sentence on one region (default: {BETA:g})",
    )
    return parser


# What only captioners of whole images have
SIDE_BY_SIDE = ("nearest", "meteor", "spice", "human", "draws", "seed", "json", "csv")
# The options that one kind of model has and the other hasn't
OWN = {
    "captioner": ("compare", "beam_size", "nbest", "max_length", "length_normalization", *SIDE_BY_SIDE),
    "alignment": ("folds", "beta"),
}


def check_own(chosen, parser, checkpoint):
    """Refuse options of the other kind of model, as far as they were changed. chosen: name -> value."""
    for kind, names in OWN.items():
        for name in names:
            if kind != checkpoint.kind and chosen[name] != parser.get_default(name):
                raise UserError(
                    f"--{name} is an option for --model {kind}, and {checkpoint.path} is of --model {checkpoint.kind}; "
                    "leave it out"
                )


@on_ranks
@console.command
def main(argv=None):
    """Score a model. Returns 0, or raises UserError."""
    parser = build_parser()
    options, ranks = parser.parse_args(argv), world()
    beams, options.beam_size = options.beam_size, min(options.beam_size)
    captioning.check_search_options(options)
    name = pathlib.PurePath(options.result_struct_filename)
    if name.name != options.result_struct_filename or name.suffix != ".json":
        raise UserError(
            f"--result_struct_filename {options.result_struct_filename} should be a file name with .json; its folder is --output"
        )
    if options.max_images == 0 or options.max_images < -1:
        raise UserError(f"--max_images {options.max_images} makes no sense; give how many images to use, or -1 for all")
    scoring.check_table_options(options, options.checkpoints)
    several = len(options.checkpoints) > 1 or len(beams) > 1
    paths, options.checkpoint = options.checkpoints or [None], " ".join(options.checkpoints) or None
    del options.checkpoints
    checkpoints = [captioning.open_checkpoint(path, "captioner" if several else None) for path in paths]
    first = checkpoints[0]
    check_own({**vars(options), "beam_size": beams}, parser, first)
    with ranks.rank_0_first():  # it may draw
        dataset = open_dataset(options.dataset, first)
    if first.kind == "captioner" and dataset.regions_of is not None:
        from neuraltalk.cli import evaluate_regions

        changed = [name for name in SIDE_BY_SIDE if getattr(options, name) != parser.get_default(name)]
        if several or changed:
            what = f"--{changed[0]} is" if changed else "several checkpoints or beam sizes are"
            raise UserError(f"{what} for whole images, and {dataset.folder} holds regions; leave it out, or take another data set (-d)")
        return evaluate_regions.evaluate(options, first, dataset, ranks)
    if options.compare is not None:
        raise UserError(f"--compare is about regions, and {dataset.folder} holds whole images; name a data set of regions (-d)")
    images = choose_images(dataset, options.split, options.max_images)
    if first.kind == "alignment":
        from neuraltalk.cli.evaluate_alignment import evaluate

        return evaluate(options, first, dataset, images, check_words(dataset, images, first), ranks)
    from neuraltalk.cli.evaluate_captioner import evaluate

    return evaluate(options, checkpoints, beams, dataset, images, ranks)
