"""`neuraltalk score`: BLEU, ROUGE-L, CIDEr and more of any captions against any references."""

from neuraltalk.cli import console, score_table, scoring
from neuraltalk.cli.arguments import Parser
from neuraltalk.cli.score_files import read_system
from neuraltalk.wording import plural

MANUAL = """Score captions against what people wrote: BLEU-1..4, ROUGE-L and CIDEr, to the digit as coco-caption computes them, without
Java; METEOR and SPICE, if asked for, by its own Java programs.

After `python eval_sentence_predictions.py`:

    neuraltalk score results/result_struct.json

Other files, and several systems beside each other:

    neuraltalk score captions_val2014_mine_results.json -r captions_val2014.json
    neuraltalk score lstm.txt rnn.txt -r people1.txt people2.txt people3.txt --csv table.csv
    neuraltalk score captions.tsv

CAPTIONS is one of
    result_struct.json    with references, as predicting and evaluating write it (the original's, too)
    COCO results          [{"image_id": 42, "caption": "a dog runs"}, ...]; references by -r
    lists                 {"candidates": ["a dog runs", ...], "references": [["a dog", "the dog runs"], ...]}, the latter or -r
    text                  a caption a line, an empty line being an empty caption; behind tabs its references, or these by -r

REFERENCES (-r) is one of
    COCO annotations      {"annotations": [{"image_id": 42, "caption": "A dog."}, ...]}
    dataset.json          Karpathy's; images by imgid for a result_struct.json, else by cocoid, if all have one
    lists                 {"references": [[...], ...]}, by place
    text                  one file, an image's references on a line, separated by tabs; or several files, a reference a line, empty
                          where an image has none

Captions may be of some of the images only, and these are scored, as coco-caption does when told so. An empty caption counts
(as nothing said). Refused are two captions of one image, a caption of an unknown image, and one without any reference."""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted."""


def build_parser():
    """The options of neuraltalk score."""
    parser = Parser(
        usage="%(prog)s CAPTIONS [CAPTIONS ...] [-r REFERENCES [REFERENCES ...]] [options]",
        description=MANUAL,
        epilog=EPILOG,
    )
    parser.add_argument("captions", metavar="CAPTIONS", nargs="+", help="one file for each system")
    parser.add_argument("-r", "--references", metavar="REFERENCES", nargs="+", action="extend", default=[], help="what people wrote")
    parser.add_argument(
        "--words",
        choices=("ptb", "spaces"),
        default="ptb",
        help="ptb: cut words as coco-caption's Penn Treebank tokeniser does, which published scores are of; spaces: captions are cut "
        "already (default: ptb)",
    )
    scoring.add_table_options(parser)
    return parser


@console.command
def main(argv=None):
    """Score files. Returns 0, or raises UserError."""
    options = build_parser().parse_args(argv)
    scoring.check_table_options(options, [*options.captions, *options.references])
    from neuraltalk.metrics.tokenizer import tokenize

    cut = tokenize if options.words == "ptb" else str.split
    read = [read_system(path, options.references) for path in options.captions]
    measured = []
    for own in read:
        if own.unused:
            console.say(f"{own.path}: says nothing of {plural(own.unused, 'image')} with references; the others are scored")
        system, scores = scoring.measure(own.path, own.texts, own.references, options, cut)
        measured.append((system, scores, own.references == read[0].references))
    if not all(comparable for _, _, comparable in measured):
        other = next(system.label for system, _, comparable in measured if not comparable)
        console.say(f"note: {other} isn't on the same references as {read[0].path}; their figures can't be compared")
    if options.human:
        measured.append((*scoring.people(read[0].references, cut), False))
    scoring.add_intervals(measured, options)

    systems = [system for system, _, _ in measured]
    captions, references = len(read[0].texts), sum(map(len, read[0].references))
    about = {"captions": captions, "references": references, "words": options.words}
    heading = f"{plural(captions, 'caption')}, {plural(references, 'reference')}" + (f"; {systems[0].label}" if len(systems) == 1 else "")
    score_table.show(heading, systems, options, about)
    return 0
