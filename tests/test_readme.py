"""What the README and docs/ print are commands of this version: scripts exist, options parse, links and files are there.

The first run that the README promises is made by .ci/run, in a fresh copy of the tree.
"""

import importlib
import pathlib
import re
import shlex

import pytest

from neuraltalk.cli.main import COMMANDS

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("cv/*.md"))]
README = PAGES[0].read_text(encoding="utf-8")
PARSERS = {"driver.py": "train", "predict_on_images.py": "predict", "eval_sentence_predictions.py": "evaluate"}
SUB_COMMANDS = {name: module.rpartition(".")[2] for name, (module, _) in COMMANDS.items()}


def commands():
    """Every command in the blocks and in the running text of all pages, as a list of words from python or neuraltalk on."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        told = re.findall(r"```bash\n(.*?)```", text, flags=re.S) + re.findall(r"^ {4}(?=\w)(.*)$", text, flags=re.M)
        told += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]
        for line in "\n".join(told).replace("&&", "\n").splitlines():
            command = re.fullmatch(r"\s*(?:(?:mpiexec|srun|nice) .*?)?((?:python|neuraltalk) .+)", line)
            if command:
                found.add(tuple(shlex.split(command[1], comments=True)))
    return sorted(found)


def test_the_pages_have_commands():
    assert len(commands()) > 80


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command(words):
    if words[:3] == ("python", "-m", "pytest"):
        assert all((ROOT / word).is_file() for word in words[3:])
        return
    if words[0] == "python":
        script, arguments = words[1], list(words[2:])
        assert (ROOT / script).is_file()
        if script not in PARSERS:
            return
        module = PARSERS[script]
    else:
        if words[1] in ("-h", "COMMAND"):
            return
        module, arguments = SUB_COMMANDS[words[1]], list(words[2:])
    parser = importlib.import_module(f"neuraltalk.cli.{module}").build_parser()
    if arguments and "-h" not in arguments:  # a bare name tells of a command
        parser.parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text):
        if re.match(r"\w+:", link):
            continue
        path, _, part = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not part or part in anchors(target), link


def anchors(page):
    """The names by which a page's headings are linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}


def test_files_that_the_tour_names_exist():
    folder = None
    for path in re.findall(r"`([\w/]+\.py)`", README):
        candidates = [ROOT / path] + ([folder / path] if folder else [])
        found = [candidate for candidate in candidates if candidate.is_file()]
        found += list((ROOT / "neuraltalk" / "data" / "scenes").glob(path))
        assert found, path
        folder = found[0].parent


def test_as_short_to_read_as_it_says():
    told = re.search(r"Both models and their layers are ([\d,]+) lines.*?training and decoding are ([\d,]+) more", README, flags=re.S)
    for number, folders in zip(told.groups(), (("models", "layers"), ("train", "decode"))):
        files = [file for folder in folders for file in (ROOT / "neuraltalk" / folder).rglob("*.py")]
        lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
        assert lines == pytest.approx(int(number.replace(",", "")), abs=100)
