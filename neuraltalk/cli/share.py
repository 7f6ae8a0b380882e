"""`neuraltalk share`: a checkpoint made small enough to hand on."""

import os
import pathlib

from neuraltalk.cli import console, places
from neuraltalk.cli.arguments import Parser
from neuraltalk.errors import UserError

MANUAL = """Write a small copy of a checkpoint, for others to use: weights in half precision, and nothing that only --resume needs.

    neuraltalk share cv/flickr8k_lstm_baseline.p flickr8k.p

Every command reads it like the checkpoint itself. Half precision keeps three digits of each weight, which changes hardly a
caption; eval_sentence_predictions.py with both files tells."""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted."""


def build_parser():
    """The options of neuraltalk share."""
    parser = Parser(prog="neuraltalk share", description=MANUAL, epilog=EPILOG)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the model")
    parser.add_argument("copy", metavar="FILE", help="the copy; a file that is there already is kept as it is, and named")
    return parser


@console.command
def main(argv=None):
    """Write the copy. Returns 0, or raises UserError."""
    options = build_parser().parse_args(argv)
    from neuraltalk.train.checkpoint import half_precision, load_checkpoint, save_checkpoint

    copy = pathlib.Path(options.copy)
    if copy.exists():
        raise UserError(f"{copy} is there already; name another file, or move it away")
    places.check_output_folder(copy.parent, "a path in FILE")
    checkpoint = load_checkpoint(options.checkpoint)
    save_checkpoint(copy, half_precision(checkpoint))
    before, after = (os.path.getsize(path) / 1e6 for path in (checkpoint.path, copy))
    print(f"{copy}: {after:.1f} MB, {checkpoint.path} has {before:.1f} MB")
    return 0
