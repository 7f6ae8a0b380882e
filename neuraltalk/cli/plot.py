"""`neuraltalk plot`: the curves of chosen runs as a figure for a paper, by matplotlib.

The same status files always give the same bytes: no dates, no random ids, nobody's own matplotlib settings. Curves differ by
dash and mark as well as by a shade that survives a grey printer.
"""

import fnmatch
import io
import itertools
import pathlib
import warnings

from neuraltalk.cli import console, places
from neuraltalk.cli.arguments import Parser, count
from neuraltalk.cli.monitor import add_folders, open_folders
from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically

MANUAL = """Draw the curves of runs for a paper: perplexity over epochs (of an alignment model: mean R@10, and the cost in training).

After two trainings:

    neuraltalk plot --runs lstm_baseline=LSTM rnn_baseline=RNN -o curves.pdf

It needs matplotlib: pip install matplotlib."""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files."""

FORMATS = (".pdf", ".svg", ".png")
WIDTHS = {"column": 3.4, "page": 7.0}  # inches: of one column, of a page with two
MOST = 12  # runs that a figure can tell apart
DASHES = ("-", (0, (5, 2)), (0, (3, 1.5, 1, 1.5)), (0, (1.5, 1.5)))
MARKS = "osD^vPX*<>pH"
LABELS = {  # kind -> (which curve, factor, label of its axis) for each panel
    "captioner": [(("val", "train"), 1, "perplexity")],
    "alignment": [(("val",), 100, "mean R@10 (%)"), (("train",), 1, "ranking cost in training")],
}
# What the bytes would otherwise depend on, besides sizes in points that suit a printed page.
SETTINGS = {
    "font.size": 8,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "text.parse_math": False,  # a run's name is no formula
    "svg.hashsalt": "neuraltalk",
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
}
METADATA = {
    ".pdf": {"Creator": "neuraltalk plot", "Producer": None, "CreationDate": None},
    ".svg": {"Creator": "neuraltalk plot", "Date": None},
    ".png": {"Software": "neuraltalk plot"},
}


def build_parser():
    """The options of neuraltalk plot."""
    parser = Parser(description=MANUAL, epilog=EPILOG)
    add_folders(parser)
    parser.add_argument(
        "-r",
        "--runs",
        nargs="+",
        metavar="NAME[=LABEL]",
        help="which, in this order; a part of the name, or of it a pattern, as scenes*rnn; LABEL is for the legend (default: all)",
    )
    parser.add_argument(
        "-o", "--output", default="curves.pdf", metavar="FILE", help=f"{', '.join(FORMATS)} (default: curves.pdf)"
    )
    parser.add_argument("--width", choices=tuple(WIDTHS), default="column", help="of a paper (default: column, 3.4 inches)")
    parser.add_argument("--scale", choices=("log", "linear"), default="log", help="of perplexity and cost (default: log)")
    parser.add_argument(
        "--no_training", dest="training", action="store_false", help="leave the curves of training out"
    )
    parser.add_argument("--dpi", type=count, default=300, metavar="N", help="dots an inch, of .png (default: 300)")
    return parser


@console.command
def main(argv=None):
    """Draw. Returns 0, or raises UserError."""
    options = build_parser().parse_args(argv)
    target = pathlib.Path(options.output)
    if target.suffix.lower() not in FORMATS:
        raise UserError(f"--output {target}: can't write such a file; name one that ends with {', '.join(FORMATS)}")
    if options.dpi < 10:
        raise UserError(f"--dpi {options.dpi} leaves no room for letters; 100 is a screen's, 10 the least")
    if options.dpi > 1200:
        raise UserError(f"--dpi {options.dpi} makes a picture that nothing can show; 300 is print's, 1200 the most")
    check_matplotlib()
    found, faults = open_folders(options.folders).read()
    for fault in faults:
        console.say(f"left out    {fault}")
    runs = choose(found, options.runs, ", ".join(options.folders) or "status")
    places.check_output_folder(target.parent)
    picture = draw(runs, target.suffix.lower(), options)
    with write_atomically(target) as file:
        file.write(picture)
    print(f"curves      {target}: {', '.join(label for label, _ in runs)}")
    return 0


def check_matplotlib():
    """Refuse to begin without it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(
            'neuraltalk plot draws by matplotlib, which isn\'t installed: pip install matplotlib, or pip install -e ".[plot]"'
        ) from None


def choose(found, wanted, place):
    """[(label, Run)] of the runs that are asked for. Raises UserError if there are none, too many, or of two kinds."""
    if wanted:
        runs = {}
        for text in wanted:
            name, _, label = text.partition("=")
            hits = [run for run in found if name in run.name or fnmatch.fnmatchcase(run.name, f"*{name}*")]
            if not hits:
                raise UserError(f"--runs {name}: no such run in {place}; there {_listed([run.name for run in found])}")
            if label and len(hits) > 1:
                raise UserError(f"--runs {text}: one label for {len(hits)} runs, which {_listed([run.name for run in hits])}; name one")
            for run in hits:
                runs.setdefault(run.name, (label, run))
        runs = list(runs.values())
    else:
        runs = [("", run) for run in found]
    runs = [(label, run) for label, run in runs if run.val or run.train]
    if not runs:
        raise UserError(f"{place}: no run with anything to draw; name a folder with status files")
    if len(runs) > MOST:
        raise UserError(f"{len(runs)} runs are too many for one figure; choose up to {MOST} by --runs, or see all in neuraltalk monitor")
    kinds = {run.kind: run.name for _, run in runs}
    if len(kinds) > 1:
        raise UserError(
            f"{kinds['captioner']} is a captioner's and {kinds['alignment']} an alignment model's: they have no figure in common; "
            "choose by --runs"
        )
    return [(label or short, run) for (label, run), short in zip(runs, short_names([run.name for _, run in runs]))]


def _listed(names, most=6):
    """
    >>> _listed(["a", "b"]), _listed([])
    ('are a, b', 'are none')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"are {', '.join(names[:most]) or 'none'}{more}"


def short_names(names):
    """The names without the parts that all begin and all end with.

    >>> short_names(["vm_flickr8k_lstm_baseline", "vm_flickr8k_rnn_baseline"]), short_names(["vm_a_b"])
    (['lstm', 'rnn'], ['vm_a_b'])
    """
    parts = [name.split("_") for name in names]
    if len(set(names)) < 2:
        return names
    shortest = min(map(len, parts)) - 1  # something stays
    first = len(list(itertools.takewhile(lambda k: len({tuple(p[: k + 1]) for p in parts}) == 1, range(shortest))))
    last = len(list(itertools.takewhile(lambda k: len({tuple(p[-1 - k :]) for p in parts}) == 1, range(shortest - first))))
    return ["_".join(p[first : len(p) - last]) for p in parts]


def draw(runs, suffix, options):
    """The bytes of the figure. runs: [(label, Run)], of one kind."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = LABELS[runs[0][1].kind]
    if not options.training:
        panels = [(tuple(which for which in curves if which == "val"), *rest) for curves, *rest in panels]
    panels = [panel for panel in panels if any(getattr(run, which) for which in panel[0] for _, run in runs)]
    if not panels:
        raise UserError("these runs have no evaluation yet; draw them without --no_training")
    width, stacked = WIDTHS[options.width], options.width == "column"  # beside each other there, their labels would be cut
    height = width * ((0.62 if len(panels) < 2 else 1) if stacked else (0.42 if len(panels) < 2 else 0.36))
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks become boxes
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        figure = Figure(figsize=(width, height), layout="constrained")
        for axes, panel in zip(figure.subplots(*((len(panels), 1) if stacked else (1, len(panels))), squeeze=False).flat, panels):
            draw_panel(axes, runs, *panel, options.scale)
        if len(runs) > 1:  # in the last panel: its upper right is free, costs and perplexities fall
            add_legend(axes, [name for name, _ in runs])
        file = io.BytesIO()
        figure.savefig(file, format=suffix[1:], dpi=options.dpi, metadata=METADATA[suffix])
    return file.getvalue()


def draw_panel(axes, runs, curves, factor, label, scale):
    """One figure over epochs. curves: "val" and "train", the first with marks."""
    from matplotlib import colormaps
    from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

    for k, (_, run) in enumerate(runs):
        style = {"color": colormaps["cividis"](0.75 * k / max(len(runs) - 1, 1)), "linestyle": DASHES[k % len(DASHES)]}
        for which in curves:
            points = getattr(run, which)
            mark = {"marker": MARKS[k], "markevery": max(len(points) // 12, 1)} if which == curves[0] else {"alpha": 0.45, "linewidth": 0.8}
            axes.plot([x for x, _ in points], [factor * y for _, y in points], **style, **mark)
    axes.set_xlabel("epoch" if len(curves) < 2 else "epoch (with marks: validation, without: training)")
    axes.set_ylabel(label)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=(1, 2, 5, 10), integer=True))
    if scale == "log" and factor == 1:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", linewidth=0.3, alpha=0.6)


def add_legend(axes, names):
    """One line for each run: those of the panel that carry marks, in the runs' order."""
    handles = [line for line in axes.get_lines() if line.get_marker() != "None"]
    legend = axes.legend(handles, ["run"] * len(names), frameon=False, ncols=1 + (len(names) > 6))
    for text, name in zip(legend.get_texts(), names):
        text.set_text(name)  # afterwards: a legend leaves out what begins with an underscore
