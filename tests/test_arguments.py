"""Command lines: what a slip is told, which numbers options take, and that help fits the terminal."""

import importlib

import pytest

from neuraltalk.cli import arguments, main
from neuraltalk.cli.arguments import Bound, Parser, count, counts, fitted, number, whole
from neuraltalk.cli.options import SIZE, checked_value
from neuraltalk.errors import UserError


@pytest.fixture
def parser():
    parser = Parser(prog="it")
    parser.add_argument("file", nargs="?")
    parser.add_argument("-m", "--max_epochs", type=number(Bound(0, low_open=True)))
    parser.add_argument("--split-file")
    return parser


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--max_epoch 3", "there is no option --max_epoch; did you mean --max_epochs? it -h"),
        ("--max-epochs=3", "there is no option --max-epochs; did you mean --max_epochs? it -h"),
        ("--split_file x", "there is no option --split_file; did you mean --split-file? it -h"),
        ("--nothing", "there is no option --nothing; it -h"),
        ("a b", "unrecognized arguments: b; it -h"),
        ("-m ten", "argument -m/--max_epochs: 'ten' should be a number, above 0; it -h"),
        ("-m 0", "'0' should be a number, above 0"),
        ("-m nan", "'nan' should be a number"),
    ],
)
def test_slips(parser, line, told):
    with pytest.raises(UserError) as refusal:
        parser.parse_args(line.split())
    assert told in str(refusal.value)


def test_numbers(parser):
    assert parser.parse_args(["-m", "1e-1"]).max_epochs == 0.1
    assert (count("7"), whole()("0"), number()("-3"), counts("1, 7,1,20")) == (7, 0, -3, (1, 7, 20))
    for kind, text in ((count, "0"), (whole(), "-1"), (whole(), "1.5"), (number(), "inf"), (whole(Bound(0, 9)), "1" + 400 * "0")):
        with pytest.raises(arguments.argparse.ArgumentTypeError, match="should be a"):
            kind(text)
    with pytest.raises(UserError, match="out of range"):
        checked_value("batch_size", 10**5000, int, SIZE)


def test_commands_that_are_nearly_right(capsys):
    assert main.main(["evaluate"]) == 2
    assert "no command 'evaluate'; did you mean eval?" in capsys.readouterr().err


def test_paragraphs_and_tables_fit_and_commands_stay():
    text = """A paragraph of two lines,
this one.

    python a.py --with many words
  word    what it means, in
          two lines
  other   x"""
    assert fitted(text, 24) == [
        "A paragraph of two",
        "lines, this one.",
        "",
        "    python a.py --with many words",
        "  word    what it means,",
        "          in two lines",
        "  other   x",
    ]
    assert fitted(text, 80)[0] == "A paragraph of two lines, this one."


@pytest.mark.parametrize("name", main.COMMANDS)
@pytest.mark.parametrize("columns", [60, 200])
def test_help_fits_the_terminal(monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.argv", ["neuraltalk"])
    parser = importlib.import_module(main.COMMANDS[name][0]).build_parser()
    page = parser.format_help()
    commands = [line for text in (parser.description, parser.epilog) for line in text.splitlines() if line.startswith("  ")]
    for line in page.splitlines():
        stays = line in commands or line.strip().startswith(("usage:", "-", "["))  # what has no place to break
        assert stays or len(line) <= min(columns, arguments.WIDEST) - 2, line
    assert "Exit codes: 0 " in page


def test_the_list_of_commands_fits_the_terminal(monkeypatch):
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, main.usage().splitlines())) <= columns - 2
    assert len(main.usage().splitlines()) == len(main.COMMANDS) + 12  # at 80, none goes over two
