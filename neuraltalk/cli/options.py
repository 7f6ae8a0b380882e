"""The options of training: bounds and help in one table. The records with their defaults are in records.py.

A value comes from the first of: the command line, the checkpoint that is resumed, the preset, the model's default.
"""

import argparse
import dataclasses
import re

from neuraltalk.cli.arguments import ANY, NOT_NEGATIVE, POSITIVE, Bound, Parser, number, whole
from neuraltalk.cli.presets import BY_DATASET, DESCRIPTIONS, PRESETS
from neuraltalk.cli.records import RECORDS, field_names
from neuraltalk.errors import UserError
from neuraltalk.vision.extractors import PRETRAINED

MANUAL = """Train a model of images and sentences, and save it in cv/: a captioner, which describes images, or, with
--model alignment, an aligner, which tells the words of a sentence which regions of an image they speak of.

A first run that ends within a minute, from nothing (it draws the embedded pictures first):

    python driver.py --max_epochs 1
    python predict_on_images.py

The real thing, some minutes on two cores: the same without --max_epochs. Ctrl-C at any time saves;

    python driver.py --resume

continues as if nothing had happened. The aligner, of the same data set:

    python driver.py --model alignment
    python eval_sentence_predictions.py

Other data: a folder data/NAME with dataset.json and features
(`neuraltalk dataset -h` makes one from pictures and captions), then python driver.py -d NAME; the aligner needs
regions, too (region_feats.mat).

An option of one model is refused with the other. Defaults are the captioner's; the aligner's
follow where they differ."""

EPILOG = (
    "presets:\n"
    + "".join(f"  {name:<22}{text}\n" for name, text in DESCRIPTIONS.items())
    + """
Files: cv/DATASET_GENERATOR_FAPPEND.p is the best model so far, with .last.p the newest state, which --resume continues;
a new run keeps those of the one before as .previous.p. status/HOST_DATASET_GENERATOR_FAPPEND_status.json tells how it
goes, which `neuraltalk monitor` shows. An aligner's have "alignment" for GENERATOR.

Exit codes: 0 trained, 1 gradient check failed, 2 a mistake in options or data or training stopped by itself, 130
interrupted (all saved)."""
)

READERS = {int: whole(ANY), float: number(), str: str}  # of options' values, as they are read
FILE_PART = re.compile(r"[\w+-][\w.+-]*")  # what may become part of file names


SIZE = Bound(1, 2**31)
SHARE = Bound(0, 1, high_open=True)  # dropping, forgetting or averaging everything leaves nothing

# group -> [(flags, bound or choices or None, metavar, help)]; the field is the last flag's name. The records tell which
# model has it, its type and its default.
# fmt: off
TABLE = {
    "data and files": [
        ("-d --dataset", None, "NAME", "a folder below data/, or the path of one; scenes is drawn when it is absent"),
        ("--word_count_threshold", SIZE, "N", "words seen less often in the training sentences are skipped"),
        ("--fappend", None, "TEXT", "last part of the names of all files of this run"),
        ("-o --checkpoint_output_directory", None, "FOLDER", "where checkpoints go"),
        ("--worker_status_output_directory", None, "FOLDER", "where the status JSON goes"),
        ("--write_checkpoint_ppl_threshold", ANY, "PPL", "save the best only below this perplexity; negative: always"),
        ("--init_model_from", None, "CHECKPOINT", "start from its weights (same vocabulary and sizes)"),
    ],
    "both models": [
        ("--word_encoding_size", SIZE, "N", "length of a word's vector"),
        ("--hidden_size", SIZE, "N", "length of the hidden state"),
    ],
    "captioner": [
        ("--generator", ("lstm", "rnn"), None, "what reads and writes the words"),
        ("--image_encoding_size", SIZE, "N", "length of the image's vector; lstm: as words, rnn: as the hidden state"),
        ("--tanhC_version", (0, 1), None, "lstm: 1 puts a tanh on the cell before the output gate"),
        ("--rnn_relu_encoders", (0, 1), None, "rnn: 1 puts a ReLU on the image's vector and on the word input"),
        ("--rnn_feed_once", (0, 1), None, "rnn: 1 shows the image at the first step only"),
        ("--image_scale", POSITIVE, "FACTOR", "the image features are multiplied by it first"),
        ("--drop_prob_encoder", SHARE, "P", "probability of dropping each number of an image's or word's vector"),
        ("--drop_prob_decoder", SHARE, "P", "probability of dropping each number that the decoder reads"),
    ],
    "alignment model": [
        ("--embedding_size", SIZE, "N", "length of the vectors of regions and words in their common space"),
        ("--region_scaling", ("none", "centred"), None, "centred: features of length 1, less their mean; none: as they are"),
        ("--box_geometry", (0, 1), None, "1: a region's place and size count, too; 0: only what is in it, as in the paper"),
        ("--score", ("max", "sum"), None, "of an image with a word: of its best region, or of all that are positive"),
        ("--length_normalisation", (0, 1), None, "1: the score of a sentence is divided by its number of words"),
        ("--margin", POSITIVE, "SCORE", "by which a pair should beat all others; 1 in the paper, see docs/alignment-settings.md"),
        ("--word_vectors", None, "FROM", "begin with sentences (what stands near what there), random, or a file of word2vec's or GloVe's"),
        ("--train_word_vectors", (0, 1), None, "0: keep the word vectors as they start"),
        ("--drop_prob_region", SHARE, "P", "probability of dropping each number of a region's features"),
        ("--drop_prob_word", SHARE, "P", "probability of dropping each number of a word's vector"),
        ("--drop_prob_sentence", SHARE, "P", "probability of dropping each number that the last layer of words reads"),
    ],
    "optimisation": [
        ("-m --max_epochs", POSITIVE, "EPOCHS", "passes over the training sentences; parts of one are possible"),
        ("-b --batch_size", SIZE, "N", "sentences in a batch"),
        ("--solver", ("vanilla", "adagrad", "adadelta", "rmsprop", "adam"), None, "how gradients change weights"),
        ("-l --learning_rate", POSITIVE, "RATE", "step size"),
        ("--learning_rate_decay", ("none", "linear", "cosine"), None, "let the rate fall to zero over the run"),
        ("--momentum", SHARE, "SHARE", "vanilla: share of the last step that is kept"),
        ("--decay_rate", SHARE, "SHARE", "rmsprop, adadelta, adam: share of the squared gradients that is kept"),
        ("--smooth_eps", POSITIVE, "EPS", "all but vanilla: keeps the division finite"),
        ("--grad_clip", NOT_NEGATIVE, "LIMIT", "each gradient element is cut to +-LIMIT; 0: not at all"),
        ("--average_decay", SHARE, "SHARE", "save weights averaged over time; each batch keeps this share; 0: off"),
    ],
    "regularisation": [
        ("-c --regc", NOT_NEGATIVE, "WEIGHT", "of the squared weights in the cost"),
    ],
    "evaluation": [
        ("-p --eval_period", POSITIVE, "EPOCHS", "epochs between evaluations on the validation split"),
        ("--eval_batch_size", SIZE, "N", "sentences in a batch there"),
        ("--eval_max_images", Bound(-1), "N", "validation images to use; -1: all"),
        ("--min_ppl_or_abort", ANY, "PPL", "stop if an evaluation gives more than this; not positive: never"),
    ],
    "reproducibility": [
        ("--seed", Bound(0, 2**63), "N", "of all randomness: equal seeds give equal bits, on one machine"),
        ("--dtype", ("float32", "float64"), None, "precision of all arithmetic"),
    ],
}
# fmt: on

# What a resumed run can't change: the arrays would no longer fit, or the batches no longer be the ones that are left.
FIXED_ON_RESUME = (
    "model",
    "dataset",
    "word_count_threshold",
    "generator",
    "image_encoding_size",
    "word_encoding_size",
    "hidden_size",
    "tanhC_version",
    "rnn_relu_encoders",
    "rnn_feed_once",
    "image_scale",
    "embedding_size",
    "region_scaling",
    "box_geometry",
    "score",
    "length_normalisation",
    "word_vectors",
    "train_word_vectors",
    "batch_size",
    "solver",
    "seed",
    "dtype",
    "init_model_from",
)


def build_parser():
    """The parser of driver.py. What wasn't given is missing in its result: presets come between it and the defaults."""
    parser = Parser(
        usage="%(prog)s [options]",
        description=MANUAL,
        epilog=EPILOG,
        argument_default=argparse.SUPPRESS,
    )
    start = parser.add_argument_group("what to do")
    start.add_argument("--model", choices=tuple(RECORDS), help="what to train (default: captioner)")
    start.add_argument(
        "--preset",
        choices=[*PRESETS, "none"],
        help="a named set of options; any option given beside it wins "
        "(default: scenes for the captioner of the embedded pictures, else none)",
    )
    start.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="CHECKPOINT",
        help="continue a run to the bit, by default the newest .last.p in the checkpoint folder",
    )
    start.add_argument(
        "--extractor",
        choices=PRETRAINED,
        help="say what made a feature file that came from elsewhere: checked on some of the data set's pictures, written "
        "beside it (extractor.npz) and into the checkpoint, which can then caption any folder",
    )
    start.add_argument(
        "-a",
        "--do_grad_check",
        type=int,
        choices=(0, 1),
        help="1: compare the gradients with numerical ones, print the result and end (default: 0)",
    )
    for title, rows in TABLE.items():
        group = parser.add_argument_group(title)
        for flags, allowed, metavar, text in rows:
            flags = flags.split()
            defaults = defaults_of(flags[-1].lstrip("-"))
            choices = allowed if isinstance(allowed, tuple) else None
            group.add_argument(
                *flags,
                type=READERS[type(next(iter(defaults.values())))],
                choices=choices,
                metavar=metavar or "{" + ",".join(map(str, choices)) + "}",
                help=f"{text} (default: {_shown(defaults)})".replace("%", "%%"),
            )
    return parser


def defaults_of(name):
    """model -> default of an option, for the models that have it."""
    return {model: getattr(record, name) for model, record in RECORDS.items() if name in field_names(record)}


def _shown(defaults):
    """One default, or the first and, where it differs, the other model's."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) or "none" for value in defaults.values()]
    return texts[0] if len(set(texts)) == 1 else f"{texts[0]}; alignment: {texts[1]}"


def resolve(given, saved=None):
    """The options of a run -> a record of records.py.

    given: dict of what stood on the command line (model and preset among it); saved: `params` of the checkpoint that is
    resumed, or None.
    Raises UserError for a value out of its bounds, an option of another model, and one that a resumed run can't change.
    """
    given = {name: value for name, value in given.items() if name not in ("resume", "do_grad_check", "extractor")}
    if saved is not None:
        return _resumed(given, saved)
    model = given.pop("model", "captioner")
    record = RECORDS[model]
    preset = given.pop("preset", BY_DATASET.get((model, given.get("dataset", record.dataset)), "none"))
    values = PRESETS.get(preset, {})
    _check_model(model, given)
    if not set(values) <= set(field_names(record)):
        raise UserError(f"--preset {preset} is not for --model {model}; leave it out")
    return checked(record(**{**values, **given}, preset="" if preset == "none" else preset))


def _resumed(given, saved):
    """The options of the run that saved `saved`, and what may be given anew."""
    model = saved.get("model", "captioner")
    record = RECORDS[model]
    base = {name: saved[name] for name in field_names(record) if name in saved}
    for name, value in base.items():
        if not isinstance(value, (str, int, float)):
            raise UserError(f"--{name} can't have been {value!r:.50}: the checkpoint is damaged; take another copy of it")
    for name, before in {**base, "model": model}.items():
        if name in FIXED_ON_RESUME and given.get(name, before) != before:
            raise UserError(
                f"--{name} {given[name]} can't be changed on --resume: the run has {before}; leave it out, or "
                "start a new run (--init_model_from takes the weights along)"
            )
    if given.get("preset", base.get("preset", "")) != base.get("preset", ""):
        raise UserError("--preset can't be changed on --resume: the run keeps its own options; leave it out")
    given.pop("model", None)
    _check_model(model, given)
    return checked(record(**{**base, **given}))


def _check_model(model, given):
    """Refuse options that only the other model has."""
    for name in given:
        if name not in field_names(RECORDS[model]):
            [owner] = [other for other in RECORDS if name in field_names(RECORDS[other])]
            raise UserError(f"--{name} is an option of --model {owner}, and this run's is {model}; leave it out")


def checked(options):
    """The same options, each with its type and within its bounds; UserError names the first that isn't."""
    converted = {
        name: checked_value(name, getattr(options, name), type(getattr(type(options), name)), allowed)
        for name, allowed in {**allowed_values(), "preset": None}.items()
        if name in field_names(options)
    }
    if not FILE_PART.fullmatch(options.fappend):
        raise UserError(
            f"--fappend {options.fappend!r:.50} becomes part of file names: use letters, digits and any of _ - + ."
        )
    if options.model == "alignment" and options.batch_size < 2:
        raise UserError("--batch_size 1 leaves nothing to compare: the aligner tells images of a batch apart; give 2 or more")
    return dataclasses.replace(options, **converted)


def allowed_values():
    """Option -> its Bound, its choices (a tuple), or None for a text; in the order of `driver.py -h`."""
    return {flags.split()[-1].lstrip("-"): allowed for rows in TABLE.values() for flags, allowed, _, _ in rows}


def checked_value(name, value, kind, allowed):
    """One option's value with its type; UserError if it has another, or isn't among `allowed` (as in allowed_values)."""
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UserError(f"--{name} should be a {'text' if kind is str else 'number'}, not {value!r:.50}")
    if kind is str and "\0" in value:
        raise UserError(f"--{name} {value!r:.50} holds a zero byte, as no file's name does")
    if isinstance(allowed, tuple) and value not in allowed:
        raise UserError(f"--{name} {value!r:.50} is unknown; there are {', '.join(map(str, allowed))}")
    if isinstance(allowed, Bound) and not allowed.allows(value):
        shown = f"{value:g}" if kind is float or abs(value) < 1e300 else "with so many digits"
        raise UserError(f"--{name} {shown} is out of range; it should be {allowed}")
    return value
