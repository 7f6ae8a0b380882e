"""The `neuraltalk` command: `neuraltalk train ...` does what driver.py does, and so on. Each command is a module."""

import difflib
import importlib
import sys

from neuraltalk.cli import console
from neuraltalk.cli.arguments import columns, fitted
from neuraltalk.errors import UserError

# name -> (module with main(argv) -> exit code, one line of help). Imported only when called: help comes at once.
COMMANDS = {
    "train": ("neuraltalk.cli.train", "train a model (driver.py)"),
    "predict": ("neuraltalk.cli.predict", "caption a folder of pictures (predict_on_images.py)"),
    "eval": ("neuraltalk.cli.evaluate", "score a checkpoint on a data set (eval_sentence_predictions.py)"),
    "score": ("neuraltalk.cli.score", "score any captions against any references: BLEU, ROUGE-L, CIDEr"),
    "page": ("neuraltalk.cli.page", "a page of the captions in any result_struct.json, or in several"),
    "sweep": ("neuraltalk.cli.sweep", "search settings: many runs, bad ones ended early, the best kept"),
    "monitor": ("neuraltalk.cli.monitor", "watch runs in a browser: curves, options, time left"),
    "plot": ("neuraltalk.cli.plot", "the curves of runs as a figure for a paper"),
    "search": ("neuraltalk.cli.search", "find pictures by a text, or sentences by a picture"),
    "align": ("neuraltalk.cli.align", "which words of a sentence belong to which box of a picture"),
    "phrases": ("neuraltalk.cli.phrases", "pairs of regions and snippets of text, as a data set"),
    "share": ("neuraltalk.cli.share", "a copy of a checkpoint, small enough to hand on"),
    "weights": ("neuraltalk.cli.weights", "fetch pretrained VGG-16, for features from pixels"),
    "extract": ("neuraltalk.cli.extract", "features of a data set's or a folder's pictures, from pixels"),
    "dataset": ("neuraltalk.cli.dataset", "make a data set from pictures and captions"),
}


def usage():
    """The page that `neuraltalk -h` prints."""
    lines = [
        "usage: neuraltalk COMMAND [options]",
        "",
        "Describe images in sentences: train a model, caption pictures, score it.",
        "",
        "A first run, some minutes from nothing to captions:",
        "",
        "    neuraltalk train        draw pictures, train on them, save the model",
        "    neuraltalk predict      caption pictures that the model never saw",
        "",
        "commands:",
    ]
    lines += [f"  {name:<10} {help_line}" for name, (_, help_line) in COMMANDS.items()]
    lines += ["", "`neuraltalk COMMAND -h` explains one; neuraltalk --version tells the version."]
    return "\n".join(fitted("\n".join(lines), columns()))


@console.command
def main(argv=None):
    """Dispatch to a sub-command; returns its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0 if argv else console.USER_ERROR
    if argv[0] in ("-V", "--version"):
        from neuraltalk import __version__

        print(__version__)
        return 0
    if argv[0] not in COMMANDS:
        alike = difflib.get_close_matches(argv[0], COMMANDS, 1)
        hint = f"did you mean {alike[0]}? There" if alike else "there"
        raise UserError(f"no command {argv[0]!r:.60}; {hint} are {', '.join(COMMANDS)}. See neuraltalk -h")
    sys.argv[0] = f"neuraltalk {argv[0]}"  # argparse shows it in the usage line
    return importlib.import_module(COMMANDS[argv[0]][0]).main(argv[1:])


if __name__ == "__main__":
    sys.exit(main())
