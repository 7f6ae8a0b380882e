"""The file of ranges of a sweep: which options of driver.py are searched, where, and which are fixed.

A JSON object with the names of `python driver.py -h`; what stands behind a name says what becomes of it:

    "dataset": "scenes"                                      a number or a text: fixed
    "solver": ["adam", "rmsprop"]                            a list: one of these
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}    any number between, evenly on the logarithmic scale
    "drop_prob_decoder": {"low": 0, "high": 0.5, "step": 0.1}    these steps only
    "word_encoding_size": {"same_as": "image_encoding_size"}     what that option has

All of it is checked before anything starts. What can't be known from the options one by one, such as two sizes that have to
be equal, is refused run by run.
"""

import dataclasses
import difflib
import json
import math
import pathlib
from typing import NamedTuple

from neuraltalk.cli.options import RECORDS, allowed_values, checked_value, defaults_of
from neuraltalk.cli.presets import PRESETS
from neuraltalk.errors import UserError

LARGEST = 1 << 20  # bytes of a file that is read
DIGITS = 4  # of a number drawn from an interval: what the table shows is what was used

# What the runs of a sweep have in common, or their figures couldn't be compared; and what the sweep sets itself.
FIXED_ONLY = {
    "model": "two models have different figures",
    "preset": "it stands for many options; search some of those",
    "dataset": "figures of two data sets can't be compared",
    "word_count_threshold": "perplexities over two vocabularies can't be compared",
    "eval_max_images": "figures over different images can't be compared",
    "eval_period": "runs are compared evaluation by evaluation",
}
OWN = {
    "fappend": "the sweep names its runs, see --name",
    "checkpoint_output_directory": "that is an option of the sweep",
    "worker_status_output_directory": "that is an option of the sweep",
    "write_checkpoint_ppl_threshold": "the sweep keeps the best",
    "resume": "the same command again continues a sweep",
    "extractor": "train one model with it first, it is then recorded beside the features",
    "do_grad_check": "python driver.py does that",
}


class Choices(NamedTuple):
    """One of these values."""

    values: tuple


class Interval(NamedTuple):
    """A number from low to high, both of them possible; in steps unless step is None."""

    low: float
    high: float
    log: bool
    step: float
    whole: bool  # an integer


@dataclasses.dataclass(frozen=True)
class Ranges:
    """A file of ranges, checked."""

    path: pathlib.Path
    content: dict  # as it stands in the file, for comparison with other workers'
    model: str
    fixed: dict  # option -> value
    searched: dict  # option -> Choices or Interval, in the file's order
    tied: dict  # option -> the option whose value it has

    def given(self, drawn):
        """The options of a run, as if they stood on the command line. drawn: a value for each option that is searched."""
        given = {**self.fixed, **{name: _readable(drawn[name], wanted) for name, wanted in self.searched.items()}}
        for name, other in self.tied.items():
            given[name] = given[other]
        return given


def _readable(value, wanted):
    """A number drawn from an interval with few digits, never beyond the interval's ends."""
    if isinstance(wanted, Interval) and not wanted.whole:
        return min(max(float(f"{value:.{DIGITS}g}"), wanted.low), wanted.high)
    return value


def read_ranges(path):
    """Read and check a file -> Ranges. Raises UserError for the first thing that is wrong with it."""
    path = pathlib.Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: {path.stat().st_size / 1e6:.0f} MB, too large for a file of ranges")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise UserError(f"{path}: can't be read ({fault.strerror}); give a file of ranges, docs/sweep.md shows one") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text in UTF-8; a file of ranges is JSON, docs/sweep.md shows one") from None
    try:
        content = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refused_constant)
    except (ValueError, RecursionError) as fault:
        raise UserError(f"{path}: not JSON that can be used ({' '.join(str(fault).split())[:120]})") from None
    return check_ranges(content, path)


def _without_twins(pairs):
    names = [name for name, _ in pairs]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise ValueError(f"{twin!r:.50} stands there twice")
    return dict(pairs)


def _refused_constant(text):
    raise ValueError(f"{text} is no number of JSON")


def check_ranges(content, path):
    """The Ranges of a file's content. Raises UserError."""
    if not isinstance(content, dict):
        raise UserError(f'{path}: expected an object such as {{"learning_rate": {{"low": 1e-4, "high": 1e-2, "log": true}}}}')
    model = content.get("model", "captioner")
    if not isinstance(model, str) or model not in RECORDS:
        raise UserError(f"{path}: model {model!r:.50} is unknown; there are {', '.join(RECORDS)}")
    fixed, searched, tied = {}, {}, {}
    for name, wanted in content.items():
        try:
            _check_name(name, model)
            if isinstance(wanted, dict) and "same_as" in wanted:
                tied[name] = _tie(name, wanted, content)
            elif isinstance(wanted, (dict, list)):
                if name in FIXED_ONLY:
                    raise UserError(f"{name} can only be fixed: {FIXED_ONLY[name]}")
                searched[name] = _choices(name, wanted) if isinstance(wanted, list) else _interval(name, wanted)
            else:
                fixed[name] = _value(name, wanted)
        except UserError as fault:
            raise UserError(f"{path}: {fault}") from None
    if not searched:
        raise UserError(f"{path}: nothing to search: give at least one option a list or an interval, docs/sweep.md shows how")
    return Ranges(path, content, model, fixed, searched, tied)


def _check_name(name, model):
    """Refuse what is no option of this model's runs."""
    if name in OWN:
        raise UserError(f"{name} has no place here: {OWN[name]}")
    if name in ("model", "preset"):
        return
    owners = list(defaults_of(name))
    if not owners:
        known = [*allowed_values(), "model", "preset"]
        near = difflib.get_close_matches(name, [option for option in known if option not in OWN], 1)
        hint = f"did you mean {near[0]}?" if near else "python driver.py -h names them all"
        raise UserError(f"driver.py has no option {name!r:.50}; {hint}")
    if model not in owners:
        raise UserError(f'{name} is an option of "model": "{owners[0]}", and this sweep\'s is {model}; leave it out')


def _value(name, value):
    """A value with the type that the option has. Raises UserError if it can't have it."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UserError(f"{name} is {json.dumps(value):.50}; expected a number or a text, a list of them, or an interval")
    if isinstance(value, int) and abs(value) > 2**63:
        raise UserError(f"{name} {value:.3e} is out of range" if abs(value) < 10**300 else f"{name} is out of range")
    if name == "model":
        return value
    if name == "preset":
        if value not in (*PRESETS, "none"):
            raise UserError(f"preset {value!r:.50} is unknown; there are {', '.join(PRESETS)}, none")
        return value
    kind = type(next(iter(defaults_of(name).values())))
    return checked_value(name, value, kind, allowed_values()[name])


def _choices(name, values):
    if not values:
        raise UserError(f"{name} has an empty list; give it values to choose from")
    values = tuple(_value(name, value) for value in values)
    twin = next((value for value in values if values.count(value) > 1), None)
    if twin is not None:
        raise UserError(f"{name} has {twin!r:.50} twice; name each value once")
    return Choices(values)


def _interval(name, wanted):
    kind = type(next(iter(defaults_of(name).values())))
    allowed = allowed_values()[name]
    if kind is str or isinstance(allowed, tuple):
        raise UserError(f"{name} has no values between others; give a list to choose from")
    surplus = sorted(set(wanted) - {"low", "high", "log", "step"})
    if surplus:
        raise UserError(f'{name} has {surplus[0]!r:.50}; an interval has "low", "high" and, if need be, "log" or "step"')
    for end in ("low", "high"):
        if end not in wanted:
            raise UserError(f'{name} has no "{end}"; an interval has "low" and "high"')
    low, high = _value(name, wanted["low"]), _value(name, wanted["high"])
    if not low < high:
        raise UserError(f'{name}: "low" {low:g} is not below "high" {high:g}')
    log, step = wanted.get("log", False), wanted.get("step")
    if not isinstance(log, bool):
        raise UserError(f'{name}: "log" is {json.dumps(log):.50}; expected true or false')
    if log and low <= 0:
        raise UserError(f'{name}: a logarithmic scale has no {low:g}; raise "low", or leave "log" out')
    if step is not None:
        _check_step(name, step, low, high, log, kind)
    return Interval(low, high, log, step, kind is int)


def _check_step(name, step, low, high, log, kind):
    if log:
        raise UserError(f'{name} has "log" and "step"; leave one of them out, or give a list to choose from')
    number = type(step) is int or (kind is float and type(step) is float)
    if not number or not 0 < step <= high - low:
        what = "a whole number" if kind is int else "a number"
        raise UserError(f'{name}: "step" is {json.dumps(step):.50}; expected {what} above 0 and up to {high - low:g}')
    count = (high - low) / step
    if abs(count - round(count)) > 1e-8 * max(count, 1) or not math.isfinite(count):
        raise UserError(f'{name}: steps of {step:g} lead from {low:g} past {high:g}; change "high" or "step"')


def _tie(name, wanted, content):
    other = wanted["same_as"]
    if name in FIXED_ONLY or set(wanted) != {"same_as"}:
        raise UserError(f'{name}: expected {{"same_as": "another option"}} and nothing else, of an option that can be searched')
    target = content.get(other) if isinstance(other, str) else None
    if target is None or other == name or (isinstance(target, dict) and "same_as" in target):
        raise UserError(f'{name}: "same_as" {other!r:.50} is not among the options here that have values of their own')
    kinds = {type(next(iter(defaults_of(each).values()), None)) for each in (name, other)}
    if len(kinds) > 1 or allowed_values()[name] != allowed_values().get(other):
        raise UserError(f"{name} can't have the values of {other}: they are of another kind")
    return other


def difference(before, now):
    """What two files' contents differ in, in a few words, or None.

    >>> difference({"a": 1, "b": [1]}, {"a": 1, "b": [1, 2]}), difference({"a": 1}, {"a": 1.0})
    ('b was [1], is [1, 2]', None)
    """
    for name in dict.fromkeys([*before, *now]):
        if name not in before or name not in now or before[name] != now[name]:
            was, is_ = (json.dumps(each[name]) if name in each else "not there" for each in (before, now))
            return f"{name} was {was:.80}, is {is_:.80}"
    return None
