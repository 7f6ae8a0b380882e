"""`neuraltalk page`: a page of the captions in any result_struct.json, or of several beside each other."""

import os
import pathlib

from neuraltalk.cli import captioning, console, places
from neuraltalk.cli.arguments import Parser
from neuraltalk.errors import UserError
from neuraltalk.wording import are, plural

MANUAL = """Make a page for the browser of the captions in a result_struct.json: of this program's, or of the original's from years ago.

After `python driver.py` and `python eval_sentence_predictions.py`:

    neuraltalk page results/result_struct.json

Several results on the same pictures stand beside each other on each card, to be ordered by where they differ:

    neuraltalk page lstm/result_struct.json rnn/result_struct.json -o comparison.html

The page finds sentences by their words and orders pictures by log probability and by each score that the file holds. It is
one file that fetches nothing."""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted (nothing written)."""
HEAVY = 20  # MB: pages beyond are told how to become lighter


def build_parser():
    """The options of neuraltalk page."""
    parser = Parser(usage="%(prog)s [options] RESULT.json [RESULT2.json ...]", description=MANUAL, epilog=EPILOG)
    parser.add_argument("results", metavar="RESULT.json", nargs="+", type=pathlib.Path, help="what predicting or evaluating wrote")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=pathlib.Path,
        help="the page (default: beside the first result, with its name and .html; of several, comparison.html)",
    )
    captioning.add_page_option(parser, "--pictures")
    parser.add_argument(
        "--root",
        metavar="FOLDER",
        type=pathlib.Path,
        help="where the paths of pictures start (default: where most are found, of the result's folder, this one, the folder "
        "that was predicted on, and the data set's)",
    )
    parser.add_argument("--title", metavar="TEXT", help="the heading (default: the data set and split)")
    parser.add_argument(
        "--label",
        metavar="TEXT",
        action="append",
        default=[],
        help="the name of a result on the page; once for each of several (default: of their file names what differs)",
    )
    return parser


@console.command
def main(argv=None):
    """Make the page. Returns 0, or raises UserError."""
    from neuraltalk.pages.results import about, read_result, same_order

    options = build_parser().parse_args(argv)
    paths = options.results
    if options.label and len(options.label) != len(paths):
        given = f"{plural(len(options.label), 'time')} for {plural(len(paths), 'result')}"
        raise UserError(f"--label is given {given}; give one for each, or none")
    if options.root and not pathlib.Path(options.root).is_dir():
        raise UserError(f"--root {options.root}: no such folder; give the one where the paths of pictures start")
    output = page_path(paths, options.output)
    results = [read_result(path) for path in paths]
    if len(results) > 1:
        results, left_out = same_order(results, paths)
        if left_out:
            console.say(f"{plural(left_out, 'picture')} that {are(left_out)}n't in all of the results {are(left_out)} left out")
    told = [about(result) for result in results]
    root = find_root(results[0]["imgblobs"], [pathlib.Path(options.root)] if options.root else likely_roots(paths[0].parent, told[0]))
    labels = options.label or labels_of(paths)
    places.check_output_folder(output.parent)
    captioning.write_page(
        list(zip(labels, results)),
        output,
        options.title or title_of(told[0], paths[0]),
        root,
        options.pictures,
        figures_of(results, told),
        [each["model"] for each in told if each["model"] and not results[1:]],  # of several, the figures tell it
    )
    size = output.stat().st_size / 1e6
    lighter = f", {size:.0f} MB; --pictures linked makes a light one" if size > HEAVY and options.pictures == "embedded" else ""
    console.say(f"page        {output}  (open it in a browser{lighter})")
    return 0


def page_path(paths, given):
    """Where the page goes; never over something else."""
    if given is None:
        return paths[0].with_suffix(".html") if len(paths) == 1 else paths[0].with_name("comparison.html")
    places.check_page_name(given)
    return given


def likely_roots(folder, told):
    """Where the pictures may lie: in the result's own `folder`, in this one, or where the result tells."""
    candidates = [folder, pathlib.Path(".")]
    candidates += [pathlib.Path(told["folder"])] if told["folder"] else []
    candidates += [places.DATA / told["dataset"], pathlib.Path(told["dataset"])] if told["dataset"] else []
    return candidates


def find_root(blobs, candidates):
    """The folder below which most of the pictures lie."""
    some = [blob["img_path"] for blob in blobs[:: max(1, len(blobs) // 20)]]
    there = [sum(os.path.isfile(root / path) for path in some) for root in candidates]
    if some and not any(there):
        tried = ", ".join(dict.fromkeys(str(root) for root in candidates))
        console.say(f"no picture found, such as {some[0]!r:.80} (in {tried}); --root names their folder")
    return candidates[there.index(max(there))]


def labels_of(paths):
    """Names of results: as many of the last parts of their paths as it takes to tell them apart.

    >>> labels_of([pathlib.Path("lstm/result_struct.json"), pathlib.Path("rnn/result_struct.json")])
    ['lstm/result_struct', 'rnn/result_struct']
    >>> labels_of([pathlib.Path("a.json"), pathlib.Path("b.json")])
    ['a', 'b']
    """
    parts = [path.resolve().with_suffix("").parts for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(each[-count:]) for each in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [path.stem for path in paths]


def title_of(told, path):
    """Which pictures these are."""
    if told["dataset"] and told["split"]:
        return f"{pathlib.Path(told['dataset']).name}, {told['split']}"
    return f"Captions for {pathlib.Path(told['folder']).name}" if told["folder"] else f"Captions in {path.name}"


def figures_of(results, told):
    """What the head of the page shows: (name, value for each result)."""
    blobs = [result["imgblobs"] for result in results]
    verdicts = [[blob["verdict"] for blob in each if blob.get("verdict")] for each in blobs]
    rows = [
        ("model", [each["model"] if results[1:] else None for each in told], "{}"),
        ("pictures", [len(each) for each in blobs], "{:,}"),
        ("perplexity", [each["perplexity"] for each in told], "{:.2f}"),
        ("true captions", [100 * each.count("true") / len(each) if each else None for each in verdicts], "{:.1f} %"),
    ]
    return [
        (name, *("" if value is None else shown.format(value) for value in values))
        for name, values, shown in rows
        if any(value is not None for value in values)
    ]
