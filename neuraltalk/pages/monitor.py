"""The monitor page: the curves of many runs over each other, what differs between them, and how far they are.

The page carries its data as JSON, so it works as a file that is sent around. Served (cli/monitor.py) it also fetches the
same JSON again and again and draws what is new. monitor.js keeps the page, chart.js draws one chart, monitor.css is theirs.

Its data, plain values all of them; texts are shown as text, whatever they say:

    faults   lines about files that are left out
    hidden   how many runs are left out, because there are more than MOST_RUNS
    runs     [{"name", "kind", "state", "checkpoint", "sweep", "params": {name: text}, "epochs": [done, all], "heard": seconds since
             1970, "left": seconds, "speed": sentences a second, "best": [epoch, figure], "train" and "val": [epochs,
             figures, their number in the file]}, ...], in the order in which they began; null where nobody knows
"""

import json
import math

from neuraltalk.pages import frames
from neuraltalk.pages.html import HERE, carried, page, printable
from neuraltalk.pages.legend import legend

MOST_RUNS = 600  # the latest ones
MOST_POINTS = 60_000  # of all curves together: about one megabyte
POINTS = (24, 400)  # of a curve: at least (if it has them), at most
MOST_PARAMS, MOST_LETTERS, MOST_FAULTS = 200, 160, 20


def monitor_data(runs, faults, now, known=None):
    """What the page shows.

    runs    train.runs.Run records
    faults  lines
    now     an aware datetime: who is silent?
    known   a dictionary that the caller keeps: curves in it that haven't changed aren't thinned out again
    """
    hidden = max(0, len(runs) - MOST_RUNS)
    runs = runs[hidden:]
    most = min(max(MOST_POINTS // max(2 * len(runs), 1), POINTS[0]), POINTS[1])
    lines = [_text(fault, 300) for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        lines.append(f"and {len(faults) - MOST_FAULTS} more")
    known = {} if known is None else known
    shown = []
    for run in runs:
        curves, before, entry = known.get(run.name, (None, None, None))
        if before != most or curves is not run.val:  # a file that is read again brings new lists
            entry = _run(run, most)
            known[run.name] = run.val, most, entry
        shown.append(entry | {"state": run.state(now)})
    return {"faults": lines, "hidden": hidden, "runs": shown}


def monitor_page(data, place, live=None, written=""):
    """The HTML of the monitor page.

    data     of monitor_data
    place    the folders' names, under the heading
    live     the URL where newer data is; None for a page that stays as it is
    written  when that was made
    """
    body = [
        frames.heading("Runs", notes=[place]),
        '<dl class="figures" id="figures"></dl>',
        legend(["perplexity", "R@10", "cost", "validation"]),
        _TOOLBAR,
        '<ul class="faults" id="faults" hidden></ul>',
        "<noscript><p>A script draws this page's charts and table, and this browser runs none; open it in one that does.</p></noscript>",
        "<main>",
        '<div class="charts" id="charts"></div>',
        '<p class="nothing" id="nothing" hidden></p>',
        '<p class="hint" id="hint" hidden>Click a name to show or hide its curves, a heading to order by it.</p>',
        '<section class="wide-table" id="table" role="region" aria-label="Runs, a table" tabindex="0" hidden></section>',
        '<details class="points" id="points" hidden><summary>The curves shown, as a table</summary><div></div></details>',
        "</main>",
        carried("data", data, f' data-live="{live or ""}" data-written="{written}"'),
    ]
    return page(
        "Runs",
        "\n".join(body),
        ["find.js", "chart.js", "monitor.js"],
        style=(HERE / "monitor.css").read_text(encoding="utf-8"),
        connect="'self'" if live else "'none'",
    )


_TOOLBAR = """<form class="toolbar" id="toolbar" role="search" aria-label="the runs of this page">
<label>Find <input id="find" type="search" placeholder="a name or a value" autocomplete="off"></label>
<label id="dataset-label" hidden>Data <select id="dataset"></select></label>
<label id="sweep-label" hidden>Sweep <select id="sweep"></select></label>
<label>Scale <select id="scale"><option value="log">logarithmic</option><option value="linear">linear</option></select></label>
<label><input type="checkbox" id="training" checked> training</label>
<label title="fits the scale to the last two thirds of the epochs"><input type="checkbox" id="close"> close-up</label>
<label id="pruned-label" title="runs that a sweep ended early" hidden><input type="checkbox" id="pruned" checked> ended early</label>
<span class="buttons"><button type="button" id="all">all</button> <button type="button" id="none">none</button></span>
<output id="status" aria-live="polite"></output>
</form>"""


def _run(run, most):
    """All of an entry but its state, which time can change."""
    epoch, epochs = run.epochs
    return {
        "name": _text(run.name),
        "kind": run.kind,
        "checkpoint": None if run.checkpoint is None else _text(run.checkpoint),
        "sweep": None if run.sweep is None else _text(run.sweep),
        "params": {_text(name): _value(value) for name, value in list(run.params.items())[:MOST_PARAMS]},
        "epochs": [_short(epoch), _short(epochs)],
        "heard": round(run.heard.timestamp()),
        "left": _short(run.left),
        "speed": _short(run.speed),
        "best": None if run.best is None else [_short(number) for number in run.best],
        "train": _curve(run.train, most),
        "val": _curve(run.val, most),
    }


def _curve(points, most):
    """A curve as two lists, and how many points it has of its own."""
    kept = thin(points, most)
    return [[_short(epoch) for epoch, _ in kept], [_short(figure) for _, figure in kept], len(points)]


def thin(points, most):
    """`most` of the points (epoch, figure) or fewer: the first, the last, and of each stretch the lowest and the highest.

    So a spike or the best evaluation never gets lost, and a line through the points looks like one through all.
    """
    if len(points) <= most:
        return points
    stretches = max((most - 2) // 2, 1)
    kept = {0, len(points) - 1}
    for k in range(stretches):
        first = k * len(points) // stretches
        figures = [figure for _, figure in points[first : (k + 1) * len(points) // stretches]]
        kept |= {first + figures.index(min(figures)), first + figures.index(max(figures))}
    return [points[i] for i in sorted(kept)]


def _short(number):
    """Six digits: more than any screen shows. None for a quotient that has got out of hand."""
    return float(f"{number:.6g}") if number is not None and math.isfinite(number) else None


def _text(value, most=MOST_LETTERS):
    text = printable(value)
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _value(value):
    """An option's value as text: numbers as people write them."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return _text(value)
    try:
        return _text(json.dumps(value, ensure_ascii=False))
    except RecursionError:  # deeper than JSON is written here, though it could be read
        return "(a deep structure)"
