"""What predicting and evaluating share: the model, the search for sentences, the files that hold them."""

import json
import math
import os
import pathlib
import threading

from neuraltalk.cli import console
from neuraltalk.cli.arguments import Bound, count, counts, number
from neuraltalk.errors import UserError
from neuraltalk.files import write_text
from neuraltalk.ranks import ALONE


def add_search_options(parser, title="search", several=False):
    """The options of the search, the same wherever sentences are made. several: beam sizes may be a list, and are a tuple."""
    group = parser.add_argument_group(title)
    group.add_argument(
        "-b",
        "--beam_size",
        type=counts if several else count,
        default=(7,) if several else 7,
        metavar="N[,N...]" if several else "N",
        help="sentences in the race for each picture; 1 takes the most probable word each time, which is quicker and "
        "worse (default: 7, as in the paper; the original script's was 1)"
        + (". Several, as in 1,7,20, are scored beside each other" if several else ""),
    )
    group.add_argument(
        "--nbest",
        type=count,
        default=1,
        metavar="N",
        help="sentences to keep for each picture, at most beam_size (default: 1)",
    )
    group.add_argument(
        "--max_length",
        type=count,
        default=20,
        metavar="WORDS",
        help="longest sentence, its end counted as a word (default: 20)",
    )
    group.add_argument(
        "--length_normalization",
        type=number(Bound(0, 10)),
        default=0.0,
        metavar="ALPHA",
        help="rank sentences by log probability / length ** ALPHA; more gives longer ones (default: 0, the original's sum)",
    )
    return group


def add_page_option(parser_or_group, name="--page_pictures"):
    """How the page shows pictures."""
    parser_or_group.add_argument(
        name,
        choices=("embedded", "linked", "none"),
        default="embedded",
        help="embedded: small copies within the page, which can then be sent as one file; linked: the files "
        "where they are, for thousands of them (default: embedded)",
    )


def check_search_options(options):
    """What argparse can't see: options that don't go together."""
    if options.nbest > options.beam_size:
        raise UserError(
            f"--nbest {options.nbest} is more than --beam_size {options.beam_size}, and a search keeps no more sentences "
            f"than beams; raise --beam_size"
        )


def open_checkpoint(path, kind=None):
    """The checkpoint at `path`, or the newest best one in cv/ if that is None. Returns it after saying which it is.

    kind "captioner" or "alignment" refuses the other, in one line.
    """
    from neuraltalk.train.checkpoint import kind_of, load_checkpoint
    from neuraltalk.train.run_files import newest_checkpoint
    from neuraltalk.train.tasks import TASKS

    checkpoint = load_checkpoint(newest_checkpoint("cv", kind) if path is None else path)
    checkpoint.check_kind(kind or checkpoint.kind)
    figure, value = TASKS[checkpoint.kind].figure_text, checkpoint.figure
    console.say(
        f"model       {checkpoint.path}: {kind_of(checkpoint.options).split()[-1]}, "
        f"{len(checkpoint.vocabulary):,} vocabulary entries, "
        f"{'not evaluated' if value is None else f'validation {figure(value)}'}"
    )
    return checkpoint


def describe_images(captioner, features, options, ranks=ALONE):
    """Captions of all rows of `features`, which several ranks may share: beam_search with a progress bar."""
    from neuraltalk.decode.beam_search import beam_search

    with console.Progress(len(features), "captions: image", "image") as progress:
        # Kernels are compiled at the first image unless they were before. It takes seconds: say so if it does.
        timer = threading.Timer(2.0, progress.say, ["compiling kernels, once ..."])
        timer.daemon = True
        timer.start()

        def watch(done):
            timer.cancel()
            progress.update(done)

        try:
            return beam_search(
                captioner,
                features,
                options.beam_size,
                options.max_length,
                options.nbest,
                options.length_normalization,
                watch,
                ranks,
            )
        finally:
            timer.cancel()


def blob(img_path, captions, vocabulary, references=(), imgid=None):
    """One image's entry of a result_struct: the original's keys, and under "candidates" all captions that were kept."""
    candidates = [
        {"text": " ".join(vocabulary.decode(caption.words)), "logprob": caption.log_probability} for caption in captions
    ]
    return {
        "img_path": pathlib.PurePath(img_path).as_posix(),
        "candidate": candidates[0],
        "references": [{"text": text} for text in references],
        "imgid": imgid,
        **({"candidates": candidates} if len(candidates) > 1 else {}),
    }


def result_struct(options, checkpoint, blobs, gtppl=None):
    """The whole result in the original's schema; gtppl is the perplexity of the true sentences, where there are any."""
    known = gtppl is not None and math.isfinite(gtppl)  # JSON has no infinity
    return {
        "params": plain(options),
        "checkpoint_params": plain(checkpoint.params),
        "imgblobs": blobs,
        "gtppl": gtppl if known else None,
    }


def plain(options):
    """Options (a namespace or dict) as JSON can hold them."""
    values = options if isinstance(options, dict) else vars(options)
    return json.loads(json.dumps({str(key): value for key, value in values.items()}, default=str))


def shown_path(path, root):
    """A picture's path from the folder `root` on if it lies below, else in full."""
    return path.relative_to(root) if path.is_relative_to(root) else path.resolve()


def write_result(result, json_path, page_path, title, picture_folder, options, figures=(), notes=()):
    """Write the result_struct and its page, each whole or not at all."""
    write_struct(result, json_path)
    write_page([("", result)], page_path, title, picture_folder, options.page_pictures, figures, notes)


def write_struct(result, path):
    """Write a result_struct."""
    text = json.dumps(result, ensure_ascii=False, indent=1)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a file name that isn't UTF-8: JSON can still spell it, in ASCII
        text = json.dumps(result, indent=1)
    write_text(path, text)


def write_page(results, page_path, title, picture_folder, pictures, figures=(), notes=()):
    """Write the page of one result or several; the arguments are those of pages/captions.py."""
    from neuraltalk.pages.captions import captions_page

    with console.Progress(len(results[0][1]["imgblobs"]), "page: picture") as progress:
        page = captions_page(
            results, title, picture_folder, pathlib.Path(page_path).parent, figures, notes, pictures, progress.update
        )
    write_text(page_path, page)


def beam_text(beam):
    """The search in a word."""
    return "greedy" if beam == 1 else f"beam {beam}"


def search_note(checkpoint, options):
    """One line for the page: what wrote the sentences, and how."""
    epoch = f", epoch {checkpoint.epoch:.2f}" if checkpoint.epoch else ""
    return f"Written by {os.fspath(checkpoint.path)} ({checkpoint.options.generator}{epoch}), {beam_text(options.beam_size)}."


def printable(name):
    """A file name without what would move the cursor or break the line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def load_truth(folder):
    """file name -> scene, if `folder` has the embedded pictures' scenes.json; else None."""
    path = pathlib.Path(folder) / "scenes.json"
    if not path.is_file():
        return None
    from neuraltalk.data.scenes.truth import read_scenes

    return {scene["filename"]: scene for scene in read_scenes(folder)}


def judge_blobs(blobs, truth):
    """Write "verdict" into each blob whose picture's truth is known. Returns [(verdict, shows a held-out combination)]."""
    from neuraltalk.data.scenes.judge import judge

    verdicts = []
    for entry in blobs:
        scene = truth.get(pathlib.PurePosixPath(entry["img_path"]).name)
        if scene is not None:
            entry["verdict"] = judge(entry["candidate"]["text"].split(), scene)
            verdicts.append((entry["verdict"], bool(scene.get("held_out"))))
    return verdicts


def true_share(verdicts):
    """The share (0..1) of judged captions that are true."""
    return sum(verdict == "true" for verdict, _ in verdicts) / len(verdicts)
