"""The README's commands are commands of this version: scripts exist, options parse, files that it names are there.

The first run that it promises is made by .ci/run, in a fresh copy of the tree.
"""

import importlib
import pathlib
import re
import shlex

import pytest

from neuraltalk.cli.main import COMMANDS

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARSERS = {"driver.py": "train", "predict_on_images.py": "predict", "eval_sentence_predictions.py": "evaluate"}
SUB_COMMANDS = {name: module.rpartition(".")[2] for name, (module, _) in COMMANDS.items()}


def commands():
    """Every command in the code blocks and in the tables, as a list of words."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.S) + re.findall(r"`((?:python|neuraltalk) [^`]+)`", README)
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return sorted({tuple(shlex.split(line, comments=True)) for line in lines if line})


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command(words):
    if words[:2] == ("pip", "install") or words[:3] == ("python", "-m", "pytest"):
        return
    if words[0] == "python":
        script, arguments = words[1], list(words[2:])
        assert (ROOT / script).is_file()
        if script not in PARSERS:
            return
        module = PARSERS[script]
    else:
        assert words[0] == "neuraltalk"
        module, arguments = SUB_COMMANDS[words[1]], list(words[2:])
    parser = importlib.import_module(f"neuraltalk.cli.{module}").build_parser()
    if "-h" not in arguments:
        parser.parse_args(arguments)


def test_files_that_it_names_exist():
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
    folder = None
    for path in re.findall(r"`([\w/]+\.py)`", README):
        candidates = [ROOT / path] + ([folder / path] if folder else [])
        found = [candidate for candidate in candidates if candidate.is_file()]
        found += list((ROOT / "neuraltalk" / "data" / "scenes").glob(path))
        assert found, path
        folder = found[0].parent
