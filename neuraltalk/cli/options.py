"""The options of training: names, bounds and help in one table, and the frozen record that a checkpoint keeps.

Names and defaults are the original driver's, wherever it had the option. A value comes from the first of: the command
line, the checkpoint that is resumed, the preset, the default here.
"""

import argparse
import dataclasses
import math
import re

from neuraltalk.cli.presets import BY_DATASET, DESCRIPTIONS, PRESETS
from neuraltalk.errors import UserError

MANUAL = """Train a model that describes images in sentences, and save it in cv/.

A first run that ends within a minute, from nothing (it draws the embedded pictures first):

    python driver.py --max_epochs 1
    python predict_on_images.py

The real thing, some minutes on two cores: the same without --max_epochs. Ctrl-C at any time saves;

    python driver.py --resume

continues as if nothing had happened. Other data: a folder data/NAME with dataset.json and features
(`neuraltalk dataset -h` makes one from pictures and captions), then python driver.py -d NAME."""

EPILOG = (
    "presets:\n"
    + "".join(f"  {name:<22}{text}\n" for name, text in DESCRIPTIONS.items())
    + """
Files: cv/DATASET_GENERATOR_FAPPEND.p is the best model so far, with .last.p the newest state, which --resume continues;
a new run keeps those of the one before as .previous.p. status/HOST_DATASET_GENERATOR_FAPPEND_status.json tells how it
goes. Exit codes: 0 trained, 1 gradient check failed, 2 a mistake in options or data or training stopped by itself,
130 interrupted (all saved)."""
)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """What a run depends on. Sizes are counts, periods epochs, probabilities 0 to 1; a checkpoint's `params`."""

    dataset: str = "scenes"
    fappend: str = "baseline"
    checkpoint_output_directory: str = "cv"
    worker_status_output_directory: str = "status"
    write_checkpoint_ppl_threshold: float = -1.0
    init_model_from: str = ""
    preset: str = ""
    generator: str = "lstm"
    image_encoding_size: int = 256
    word_encoding_size: int = 256
    hidden_size: int = 256
    tanhC_version: int = 0
    rnn_relu_encoders: int = 0
    rnn_feed_once: int = 0
    regc: float = 1e-8
    max_epochs: float = 50.0
    solver: str = "rmsprop"
    momentum: float = 0.0
    decay_rate: float = 0.999
    smooth_eps: float = 1e-8
    learning_rate: float = 1e-3
    learning_rate_decay: str = "none"
    average_decay: float = 0.0
    batch_size: int = 100
    grad_clip: float = 5.0
    drop_prob_encoder: float = 0.5
    drop_prob_decoder: float = 0.5
    word_count_threshold: int = 5
    eval_period: float = 1.0
    eval_batch_size: int = 100
    eval_max_images: int = -1
    min_ppl_or_abort: float = -1.0
    seed: int = 0
    dtype: str = "float32"


@dataclasses.dataclass(frozen=True)
class Bound:
    """Which values an option takes: low <= value <= high, an end left out if it is open."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def allows(self, value):
        if not math.isfinite(value) or value < self.low or value > self.high:
            return False
        return not (self.low_open and value == self.low or self.high_open and value == self.high)

    def __str__(self):
        if math.isinf(self.high):
            return f"above {self.low:g}" if self.low_open else f"{self.low:g} or more"
        return f"from {self.low:g} to {'below ' if self.high_open else ''}{self.high:g}"


SIZE = Bound(1, 2**31)
POSITIVE = Bound(0, low_open=True)
NOT_NEGATIVE = Bound(0)
SHARE = Bound(0, 1, high_open=True)  # dropping, forgetting or averaging everything leaves nothing
ANY = Bound()

# group -> [(flags, bound or choices or None, metavar, help)]; the field is the last flag's name
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
    "model": [
        ("--generator", ("lstm", "rnn"), None, "what reads and writes the words"),
        ("--image_encoding_size", SIZE, "N", "length of the image's vector; lstm: as words, rnn: as the hidden state"),
        ("--word_encoding_size", SIZE, "N", "length of a word's vector"),
        ("--hidden_size", SIZE, "N", "length of the hidden state"),
        ("--tanhC_version", (0, 1), None, "lstm: 1 puts a tanh on the cell before the output gate"),
        ("--rnn_relu_encoders", (0, 1), None, "rnn: 1 puts a ReLU on the image's vector and on the word input"),
        ("--rnn_feed_once", (0, 1), None, "rnn: 1 shows the image at the first step only"),
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
        ("--drop_prob_encoder", SHARE, "P", "probability of dropping each number of an image's or word's vector"),
        ("--drop_prob_decoder", SHARE, "P", "probability of dropping each number that the decoder reads"),
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
    "dataset",
    "word_count_threshold",
    "generator",
    "image_encoding_size",
    "word_encoding_size",
    "hidden_size",
    "tanhC_version",
    "rnn_relu_encoders",
    "rnn_feed_once",
    "batch_size",
    "solver",
    "seed",
    "dtype",
    "init_model_from",
)


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is one line."""

    def error(self, message):
        raise UserError(f"{message}; {self.prog} -h explains the options")


def build_parser():
    """The parser of driver.py. What wasn't given is missing in its result: presets come between it and the defaults."""
    parser = Parser(
        usage="%(prog)s [options]",
        description=MANUAL,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    defaults = TrainingOptions()
    start = parser.add_argument_group("what to do")
    start.add_argument(
        "--preset",
        choices=[*PRESETS, "none"],
        help="a named set of options; any option given beside it wins "
        "(default: scenes for the embedded pictures, else none)",
    )
    start.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="CHECKPOINT",
        help="continue a run to the bit, by default the newest .last.p in the checkpoint folder",
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
            default = getattr(defaults, flags[-1].lstrip("-"))
            choices = allowed if isinstance(allowed, tuple) else None
            shown = f"{default:g}" if isinstance(default, float) else str(default) or "none"
            group.add_argument(
                *flags,
                type=type(default),
                choices=choices,
                metavar=metavar or "{" + ",".join(map(str, choices)) + "}",
                help=f"{text} (default: {shown})".replace("%", "%%"),
            )
    return parser


def resolve(given, saved=None):
    """The options of a run -> TrainingOptions.

    given: dict of what stood on the command line (preset among it); saved: `params` of the checkpoint that is resumed,
    or None.
    Raises UserError for a value out of its bounds, and for one that a resumed run can't change.
    """
    given = {name: value for name, value in given.items() if name not in ("resume", "do_grad_check")}
    if saved is not None:
        base = {field.name: saved[field.name] for field in dataclasses.fields(TrainingOptions) if field.name in saved}
        for name in FIXED_ON_RESUME:
            if name in given and name in base and given[name] != base[name]:
                raise UserError(
                    f"--{name} {given[name]} can't be changed on --resume: the run has {base[name]}; leave it out, or "
                    "start a new run (--init_model_from takes the weights along)"
                )
        if given.get("preset", base.get("preset", "")) != base.get("preset", ""):
            raise UserError("--preset can't be changed on --resume: the run keeps its own options; leave it out")
        return checked(TrainingOptions(**{**base, **given}))
    preset = given.pop("preset", BY_DATASET.get(given.get("dataset", TrainingOptions.dataset), "none"))
    values = {**PRESETS.get(preset, {}), **given}
    return checked(TrainingOptions(**values, preset="" if preset == "none" else preset))


def checked(options):
    """The same options, each with its type and within its bounds; UserError names the first that isn't."""
    converted = {}
    for rows in TABLE.values():
        for flags, allowed, _, _ in rows:
            name = flags.split()[-1].lstrip("-")
            value, kind = getattr(options, name), type(getattr(TrainingOptions, name))
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                raise UserError(f"--{name} should be a {'text' if kind is str else 'number'}, not {value!r:.50}")
            if isinstance(allowed, tuple) and value not in allowed:
                raise UserError(f"--{name} {value!r:.50} is unknown; there are {', '.join(map(str, allowed))}")
            if isinstance(allowed, Bound) and not allowed.allows(value):
                raise UserError(f"--{name} {value:g} is out of range; it should be {allowed}")
            converted[name] = value
    if not re.fullmatch(r"[\w.+-]+", options.fappend) or options.fappend.startswith("."):
        raise UserError(
            f"--fappend {options.fappend!r:.50} becomes part of file names: use letters, digits and any of _ - + ."
        )
    return dataclasses.replace(options, **converted)
