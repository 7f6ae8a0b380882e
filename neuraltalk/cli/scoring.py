"""From sentences and references to a System of the table: what scoring files and evaluating models share."""

import math
import pathlib

from neuraltalk.cli import places
from neuraltalk.cli.arguments import whole
from neuraltalk.cli.score_table import System
from neuraltalk.errors import UserError
from neuraltalk.wording import plural

MULTI_BLEU = "without the penalty, as the original's multi-bleu"


def add_table_options(parser):
    """Options of whatever prints a table of scores."""
    group = parser.add_argument_group("scores and table")
    group.add_argument("--meteor", action="store_true", help="METEOR too; needs pycocoevalcap and Java (20 s for 1000 captions)")
    group.add_argument("--spice", action="store_true", help="SPICE too; the same, and it downloads its parser at the first call")
    group.add_argument("--human", action="store_true", help="people beside it: each sentence of an image in turn against its others")
    group.add_argument(
        "--draws",
        type=whole(),
        default=1000,
        metavar="N",
        help="of the bootstrap, for the intervals; 0: no intervals (default: 1000)",
    )
    group.add_argument("--seed", type=whole(), default=0, metavar="N", help="of those draws (default: 0)")
    group.add_argument("--json", metavar="FILE", help="write the table as JSON")
    group.add_argument("--csv", metavar="FILE", help="write the table as CSV, a line for each system")


def check_table_options(options, inputs):
    """Refuse before any work what couldn't be done after it, and a table over one of the files that are read (inputs) or the other."""
    from neuraltalk.metrics import java_scores

    for name in java_names(options):
        java_scores.check(name)
    for option in ("json", "csv"):
        path = getattr(options, option)
        if path is not None:
            if pathlib.Path(path).is_dir():
                raise UserError(f"--{option} {path} is a folder; give the name of a file")
            taken = [*inputs, *([options.json] if option == "csv" and options.json else [])]
            if pathlib.Path(path).resolve() in [pathlib.Path(other).resolve() for other in taken]:
                raise UserError(f"--{option} {path} would replace a file of this very command; give another name")
            places.check_output_folder(pathlib.Path(path).parent, f"--{option}")


def java_names(options):
    """Which of the scores in Java are wanted."""
    return [name for name, wanted in (("METEOR", options.meteor), ("SPICE", options.spice)) if wanted]


def measure(label, texts, references, options, cut, training=None, verdicts=None, perplexity=None):
    """Score one system's sentences -> (System without intervals, its metrics.scores.Scores).

    texts         a sentence for each image
    references    for each image its references, texts
    cut           text -> words, for the scores; length, distinct and novel captions go by what stands between spaces
    training      the training set's sentences as token lists: then the share of novel captions is told
    verdicts      for each image whether the sentence is true, where that is known
    perplexity    of the model, if it is one
    """
    from neuraltalk.metrics import java_scores
    from neuraltalk.metrics.bleu import multi_bleu
    from neuraltalk.metrics.diversity import distinct_share
    from neuraltalk.metrics.scores import score

    words = [text.split() for text in texts]
    known = None if training is None else set(map(tuple, training))
    values = {"mean length": list(map(len, words))}
    if known is not None:
        values["novel captions"] = [tuple(own) not in known for own in words]
    if verdicts:
        values["true captions"] = [verdict == "true" for verdict in verdicts]
    scores = score(texts, references, cut).with_values(values)
    figures = {"perplexity": perplexity if perplexity is not None and math.isfinite(perplexity) else None, **scores.figures()}
    for name in java_names(options):
        figures[name], _ = java_scores.java_score(name, texts, references, cut)
    bare = multi_bleu(words, [[text.split() for text in own] for own in references])
    figures |= {f"multi-bleu-{n}": value for n, value in enumerate(bare, 1)}
    figures["distinct captions"] = distinct_share(words)
    figures = {name: value for name, value in figures.items() if value is not None}
    counts = [len(own) for own in references]
    notes = {
        "BLEU-1": "coco-caption's: whole set, closest reference length, brevity penalty on",
        "BLEU-2": f"{counts_text(counts)} each",
        "BLEU-4": f"{MULTI_BLEU}: {' / '.join(f'{100 * value:.1f}' for value in bare)}",
        "CIDEr": "times 100, as papers have it",
        "mean length": f"words; of the references {mean_words(references):.1f}",
        "novel captions": "not among the data set's training sentences",
    }
    return System(label, figures, notes=notes), scores


def people(references, cut):
    """People's sentences against each other's -> (System, Scores).

    Images of a single sentence are left out.
    """
    from neuraltalk.metrics.diversity import distinct_share, mean_length
    from neuraltalk.metrics.scores import human_agreement

    references = [own for own in references if len(own) > 1]
    if not references:
        raise UserError("--human needs images with two references or more, and here each has one; leave it out")
    scores = human_agreement(references, cut)
    turns = [[own[turn].split() for own in references] for turn in range(min(map(len, references)))]
    figures = {
        **scores.figures(),
        "mean length": mean_length([words for turn in turns for words in turn]),
        "distinct captions": sum(map(distinct_share, turns)) / len(turns),
    }
    label = f"people: each sentence against the image's others ({counts_text([len(own) - 1 for own in references])})"
    return System(label, figures), scores


def add_intervals(measured, options):
    """Give each System its intervals, and mark what differs from the first's. measured: [(System, Scores, comparable)]."""
    if not options.draws:
        return
    from neuraltalk.metrics.bootstrap import interval, resampled

    first = None
    for system, scores, comparable in measured:
        drawn = resampled(scores, options.draws, options.seed)
        system.intervals = {name: interval(values) for name, values in drawn.items()}
        if first is None:
            first = drawn
        elif comparable:
            differences = {name: interval(values - first[name]) for name, values in drawn.items() if name in first}
            system.differs = {name for name, (low, high) in differences.items() if low > 0 or high < 0}


def counts_text(counts):
    """How many references, in words.

    >>> counts_text([5, 5]), counts_text([1]), counts_text([4, 6])
    ('5 references', '1 reference', '4 to 6 references')
    """
    if min(counts) == max(counts):
        return plural(counts[0], "reference")
    return f"{min(counts)} to {max(counts)} references"


def mean_words(references):
    """The mean number of words of all references."""
    from neuraltalk.metrics.diversity import mean_length

    return mean_length([text.split() for own in references for text in own])
