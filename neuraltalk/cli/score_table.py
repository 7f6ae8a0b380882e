"""Scores of one system or several beside each other: as a table on the terminal, as JSON and as CSV.

A system is whatever wrote a sentence about each image: a model with its way of searching, people, a baseline. Files hold the
figures as coco-caption prints them, shares as 0 to 1; the terminal shows both times a hundred, as papers do.
"""

import csv
import dataclasses
import io

from neuraltalk.cli import console
from neuraltalk.files import write_json, write_text

HUNDREDFOLD = 100
# figure -> (factor, decimals, unit) on the terminal, in this order; others come after these, as they are
SHOWN = {
    "perplexity": (1, 2, ""),
    "vocabulary": (1, 0, ""),
    "skipped words": (HUNDREDFOLD, 2, " %"),
    **{f"BLEU-{n}": (HUNDREDFOLD, 1, "") for n in (1, 2, 3, 4)},
    "METEOR": (HUNDREDFOLD, 1, ""),
    "ROUGE-L": (HUNDREDFOLD, 1, ""),
    "CIDEr": (HUNDREDFOLD, 1, ""),
    "SPICE": (HUNDREDFOLD, 1, ""),
    "multi-bleu-4": (HUNDREDFOLD, 1, ""),
    "mean length": (1, 1, ""),
    "distinct captions": (HUNDREDFOLD, 1, " %"),
    "novel captions": (HUNDREDFOLD, 1, " %"),
    "true captions": (HUNDREDFOLD, 1, " %"),
    "seen pairings": (HUNDREDFOLD, 1, " %"),
    "new pairings": (HUNDREDFOLD, 1, " %"),
}
IN_NOTES = {"vocabulary", "skipped words", "multi-bleu-4", "seen pairings", "new pairings"}  # of a single system: told beside others
HIDDEN = {f"multi-bleu-{n}" for n in (1, 2, 3)}  # in the files only


@dataclasses.dataclass
class System:
    """What one system reached."""

    label: str
    figures: dict  # name -> number
    intervals: dict = dataclasses.field(default_factory=dict)  # name -> (low, high), 95 %
    differs: set = dataclasses.field(default_factory=set)  # names of figures that surely differ from the first system's
    notes: dict = dataclasses.field(default_factory=dict)  # name -> a few words, shown where there is one system
    below: list = dataclasses.field(default_factory=list)  # further rows (name, value, note), likewise


def cell(system, name):
    """A figure as text, "" if the system has none."""
    if system.figures.get(name) is None:
        return ""
    factor, decimals, unit = SHOWN.get(name, (1, 3, ""))
    return f"{factor * system.figures[name]:.{decimals}f}{unit}"


def spread(system, name):
    """Half the width of a figure's interval as text, "" if it has none."""
    if name not in system.intervals:
        return ""
    factor, decimals, _ = SHOWN.get(name, (1, 3, ""))
    low, high = system.intervals[name]
    return f"±{factor * (high - low) / 2:.{decimals}f}"


def rows(systems):
    """The names of the figures to show, in order."""
    there = dict.fromkeys(name for system in systems for name in system.figures)
    left_out = HIDDEN | IN_NOTES if len(systems) == 1 else HIDDEN
    return [name for name in [*SHOWN, *(n for n in there if n not in SHOWN)] if name in there and name not in left_out]


def lines(systems):
    """The table on the terminal: figures with notes for one system, a column for each of several."""
    if len(systems) == 1:
        (system,) = systems
        told = [
            (name, cell(system, name), spread(system, name), system.notes.get(name, "")) for name in rows(systems)
        ] + [(name, value, "", note) for name, value, note in system.below]
        return [f"  {name:<18}{value:>8} {pm:>6}  {note}".rstrip() for name, value, pm, note in told]
    letters = [letter_of(k) for k in range(len(systems))]
    legend = [f"  {letter:<3} {system.label}" for letter, system in zip(letters, systems)]
    table = [[""] + [f"{letter}        " for letter in letters]]
    for name in rows(systems):
        table.append([name] + [marked(system, name) for system in systems])
    widths = [max(len(line[k]) for line in table) for k in range(len(table[0]))]
    body = ["  " + "  ".join([line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]) for line in table]
    return [*legend, *(line.rstrip() for line in body)]


def marked(system, name):
    """A cell with its spread, both of fixed width, and a star where it surely differs from the first system's."""
    return f"{cell(system, name)} {spread(system, name):>6}{'*' if name in system.differs else ' '}" if cell(system, name) else ""


def letter_of(k):
    """A, B, ..., Z, A2, B2, ..."""
    return chr(ord("A") + k % 26) + (str(k // 26 + 1) if k >= 26 else "")


def footnotes(systems):
    """What the signs mean, as far as they are there."""
    told = []
    if any(system.intervals for system in systems):
        told.append("±: half the 95 % interval, by drawing images again (bootstrap)")
    if any(system.differs for system in systems):
        told.append("*: differs from A's by more than chance, on the same draws")
    return [f"  {'; '.join(told)}"] if told else []


def page_figures(systems):
    """(name, value for each system): what a page shows under its heading."""
    return [(name, *(cell(system, name) for system in systems)) for name in rows(systems)]


def show(heading, systems, options, about):
    """Print the table, and write it as files where the options --json and --csv say so. about: what all systems share, for the JSON."""
    print(heading)
    for line in [*lines(systems), *footnotes(systems)]:
        print(line)
    if options.json:
        write_json(options.json, {**about, "systems": [record(system) for system in systems]}, indent=1)
    if options.csv:
        write_text(options.csv, as_csv(systems))
    for path in filter(None, (options.json, options.csv)):
        console.say(f"table       {path}")


def record(system):
    """A system as JSON holds it."""
    return {
        "system": system.label,
        "figures": system.figures,
        "intervals": {name: list(interval) for name, interval in system.intervals.items()},
        "differs from the first": [name for name in system.figures if name in system.differs],
    }


def as_csv(systems):
    """A line for each system; a figure's interval in the two columns behind it."""
    names = list(dict.fromkeys(name for system in systems for name in system.figures))
    with_interval = {name for system in systems for name in system.intervals}
    header = ["system"]
    for name in names:
        header += [name, f"{name} low", f"{name} high"] if name in with_interval else [name]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for system in systems:
        line = [system.label]
        for name in names:
            line.append(system.figures.get(name, ""))
            if name in with_interval:
                line += system.intervals.get(name, ("", ""))
        writer.writerow("" if value is None else value for value in line)
    return text.getvalue()
