"""Command lines: a parser whose mistakes are one line and whose texts fit the terminal, and the numbers that options take.

    parser = Parser(description=MANUAL)
    parser.add_argument("--answers", type=count, default=10, metavar="N", help="how many (default: 10)")
    parser.add_argument("--minutes", type=number(POSITIVE), metavar="N", help="stop then (default: never)")
"""

import argparse
import dataclasses
import difflib
import math
import re
import shutil
import textwrap

from neuraltalk.errors import UserError

WIDEST = 100  # columns of help, however wide the terminal is


class Parser(argparse.ArgumentParser):
    """argparse, but options are written out, and a mistake is one line, a UserError."""

    def __init__(self, **how):
        super().__init__(**{"formatter_class": Formatter, "allow_abbrev": False, **how})

    def parse_args(self, args=None, namespace=None):
        options, unknown = self.parse_known_args(args, namespace)
        wrong = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        if wrong is not None:
            known = {name.replace("-", "_"): name for action in self._actions for name in action.option_strings}
            alike = difflib.get_close_matches(wrong.replace("-", "_"), known, 1)
            self.error(f"there is no option {wrong}" + (f"; did you mean {known[alike[0]]}?" if alike else ""))
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

    def error(self, message):
        raise UserError(f"{message}{'' if message.endswith('?') else ';'} {self.prog} -h explains the options")


class Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal, WIDEST at most; what is indented in a text stays as it is written."""

    def __init__(self, prog, **how):
        super().__init__(prog, **{"width": columns(), **how})

    def _fill_text(self, text, width, indent):
        return "\n".join(fitted(text, width))


def columns():
    """How wide help is."""
    return min(shutil.get_terminal_size().columns, WIDEST) - 2


def fitted(text, width):
    """A text's lines for so many columns: paragraphs filled, the second column of tables filled, commands left as they are."""
    lines, pending = [], None  # pending: (what stands before the text, the column it goes on in, the text)

    def finish():
        if pending is not None:
            before, column, words = pending
            how = {"break_on_hyphens": False, "break_long_words": False}
            lines.extend(textwrap.wrap(words, width, initial_indent=before, subsequent_indent=" " * column, **how))

    for line in text.strip("\n").splitlines():
        indent = len(line) - len(line.lstrip())
        row = re.match(r"( +\S.*? {2,})(\S.*)", line)
        if pending is not None and line.strip() and indent == pending[1]:
            pending = (*pending[:2], f"{pending[2]} {line.strip()}")
            continue
        finish()
        pending = None
        if row and len(row[1]) <= width // 2:
            pending = (row[1], len(row[1]), row[2])
        elif line and not indent:
            pending = ("", 0, line)
        else:
            lines.append(line)
    finish()
    return lines


@dataclasses.dataclass(frozen=True)
class Bound:
    """Which values an option takes: low <= value <= high, an end left out if it is open."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def allows(self, value):
        if value in (math.inf, -math.inf) or not self.low <= value <= self.high:  # which nan isn't
            return False
        return not (self.low_open and value == self.low or self.high_open and value == self.high)

    def __str__(self):
        if math.isinf(self.high):
            return f"above {self.low:g}" if self.low_open else f"{self.low:g} or more"
        return f"from {self.low:g} to {'below ' if self.high_open else ''}{self.high:g}"


ANY = Bound()
POSITIVE = Bound(0, low_open=True)
NOT_NEGATIVE = Bound(0)


def number(bound=ANY, kind=float, name="number"):
    """The `type` of an option whose value is a number within a Bound."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not bound.allows(value):
            raise argparse.ArgumentTypeError(f"{text!r:.60} should be a {name}" + ("" if bound == ANY else f", {bound}"))
        return value

    return parse


def whole(bound=NOT_NEGATIVE):
    """The same of a whole number."""
    return number(bound, int, "whole number")


count = whole(Bound(1))


def counts(text):
    """Different whole numbers of at least 1, with commas between them: a tuple."""
    return tuple(dict.fromkeys(count(part.strip()) for part in text.split(",")))
