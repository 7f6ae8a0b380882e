"""The runs of a sweep as a table: on the terminal, as CSV and as JSON; and the command that repeats the best one."""

import csv
import io
import shlex

from neuraltalk.cli import console
from neuraltalk.train.study import REFUSED, TRAINING, WAITING

MOST_FAULTS = 5  # told below the table
NAMES = {"perplexity": "perplexity", "recall": "mean R@10"}  # of the figure, as people read it


def ordered(study):
    """The runs as the table has them: those that have ended, the best first, then the others by number; refused ones last."""
    ranked = study.ranked()
    place = {run.number: k for k, run in enumerate(ranked)}
    last = {TRAINING: 1, WAITING: 2, REFUSED: 3}
    return sorted(study.runs(), key=lambda run: (last.get(run.state, 0), place.get(run.number, len(place)), run.number))


def lines(runs, ranges, figure):
    """The table on the terminal. figure: "perplexity" or "recall"."""
    names = list(ranges.searched)
    hosts = len({run.host for run in runs if run.host}) > 1
    table = [["run", "state", NAMES[figure], "epochs", "time", *(["machine"] if hosts else []), *names]]
    for run in runs:
        if run.state == REFUSED:
            continue
        value = "" if run.figure is None else f"{100 * run.figure:.1f} %" if figure == "recall" else f"{run.figure:.2f}"
        epochs = "" if run.epochs is None else f"{run.epochs:.2f}"
        host = [run.host or ""] if hosts else []
        time = console.format_duration(run.seconds) if run.seconds else ""
        table.append([str(run.number), run.state, value, epochs, time, *host, *(option(run, name) for name in names)])
    widths = [max(len(line[k]) for line in table) for k in range(len(table[0]))]
    body = [
        "  " + "  ".join(cell.ljust(width) if k == 1 else cell.rjust(width) for k, (cell, width) in enumerate(zip(line, widths)))
        for line in table
    ]
    faults = [f"  run {run.number} {run.state}: {run.fault}" for run in runs if run.fault]
    more = [f"  and {len(faults) - MOST_FAULTS} more such"] if len(faults) > MOST_FAULTS else []
    return [line.rstrip() for line in body] + faults[:MOST_FAULTS] + more


def option(run, name):
    """An option's value as text, as it was used; "" before that is known."""
    value = run.options.get(name, run.drawn.get(name, ""))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def heading(runs, name, limit=None):
    """How far a sweep is, in one line."""
    counts = {}
    for run in runs:
        counts[run.state] = counts.get(run.state, 0) + 1
    tried = sum(run.state != REFUSED for run in runs)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    return f"{name}: {tried} run{'s' * (tried != 1)}" + (f" of {limit}" if limit else "") + (f" ({told})" if told else "")


def importance_lines(shares):
    """Which options explain the figures, most first."""
    if not shares:
        return []
    told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in sorted(shares.items(), key=lambda pair: -pair[1]))
    return [f"  what explains the figures of the finished runs (PED-ANOVA): {told}"]


def command_of(run):
    """The driver.py command that trains a run again."""
    words = ["python", "driver.py"]
    for name, value in run.options.items():
        if (name, value) != ("model", "captioner"):
            words += [f"--{name}", str(int(value) if isinstance(value, float) and value.is_integer() else value)]
    return shlex.join(words)


def as_csv(runs, ranges, figure):
    """A line for each run."""
    names = list(ranges.searched)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "state", figure, "epochs", "seconds", "machine", "fault", *names])
    for run in runs:
        values = [run.number, run.state, run.figure, run.epochs, run.seconds, run.host, run.fault]
        values += [run.options.get(name, run.drawn.get(name)) for name in names]
        writer.writerow("" if value is None else value for value in values)
    return text.getvalue()


def as_record(runs, plan, shares, best, result):
    """What the JSON holds."""
    return {
        "sweep": plan.name,
        "model": plan.ranges.model,
        "ranges": plan.ranges.content,
        "figure": plan.task.figure,
        "runs": [
            {
                "run": run.number,
                "state": run.state,
                plan.task.figure: run.figure,
                "epochs": run.epochs,
                "seconds": run.seconds,
                "machine": run.host,
                "fault": run.fault,
                "options": run.options,
            }
            for run in runs
        ],
        "importances": shares,
        "best": best and {"run": best.number, "checkpoint": result and str(result), "command": command_of(best)},
    }
