"""The pictures of README.md and docs/gallery.md, made from the pages of real runs.

    python docs/screenshots.py [FOLDER] [--only NAME ...]

FOLDER (default: the project's) is where the runs were made, with data/, cv/ and status/. Each picture needs a model:

    python driver.py                                          captions, scores, compare
    python driver.py --model alignment -d scenes              alignment, retrieval
    neuraltalk phrases && python driver.py -d scenes_regions  regions
    neuraltalk sweep docs/sweeps/scenes.json                  monitor (or any other training)

What can't be made, because its model isn't there, is told and stays as it was. Needs Chromium, and some minutes.
"""

import argparse
import io
import os
import pathlib
import sys
import tempfile
from typing import NamedTuple

from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from browser import CHROMIUM, Browser  # noqa: E402 - it lies with the tests

from neuraltalk.cli.main import main as neuraltalk  # noqa: E402

MOST_BYTES = 150_000  # of a picture, which gets fewer colours until it fits
COLOURS = (256, 192, 128, 96, 64, 48, 32)
CAPTIONER, ALIGNER, REGIONS = (
    f"cv/{name}_baseline.p" for name in ("scenes_lstm", "scenes_alignment", "scenes_regions_lstm")
)
WIDE, PHONE = {"width": 1180, "height": 820}, {"width": 390, "height": 920, "phone": True, "scale": 1.5}


class Picture(NamedTuple):
    """A screenshot."""

    name: str  # docs/NAME.png
    needs: str  # a file or folder of the runs
    commands: list  # of the command line, that make the page
    page: str
    how: dict  # the window's, as browser.Page takes it
    act: str = ""  # JavaScript to run before


def eval_command(checkpoint, folder, *more):
    return ["eval", checkpoint, "-d", "scenes", "-o", folder, *more]


SEEN = ["predict", CAPTIONER, "--nbest", "3", "-o", "unseen"]
SCORED = eval_command(CAPTIONER, "scored", "--nbest", "5")
GREEDY = eval_command(CAPTIONER, "greedy", "-b", "1")
COMPARED = ["page", "greedy/result_struct.json", "scored/result_struct.json", "-o", "compared.html"]
COMPARED += ["--label", "greedy", "--label", "beam 7"]
ALIGNED = eval_command(ALIGNER, "aligned")
SPOKEN = ["predict", REGIONS, "-r", "data/scenes_regions", "-o", "regions"]
WATCHED = ["monitor", "status", "-o", "runs.html"]
OPEN = "document.querySelectorAll('.card:nth-child(-n+4) details:last-of-type').forEach((part) => { part.open = true; }); scrollTo(0, 0)"
DIFFERENT = """const show = document.getElementById("verdict");
    show.value = "differ"; show.dispatchEvent(new Event("change"))"""
TOUCH = "document.querySelectorAll('.card')[1].querySelectorAll('button.word')[1].focus({ preventScroll: true }); scrollTo(0, 0)"
PICTURES = [
    Picture("captions", CAPTIONER, [SEEN], "unseen/result.html", {"width": 1300, "height": 1175}),
    Picture("gallery/captions-phone", CAPTIONER, [SEEN], "unseen/result.html", PHONE | {"dark": True}),
    Picture("gallery/scores", CAPTIONER, [SCORED], "scored/result_struct.html", WIDE | {"height": 1100}, OPEN),
    Picture("gallery/compare", CAPTIONER, [SCORED, GREEDY, COMPARED], "compared.html", {"width": 1300, "height": 900}, DIFFERENT),
    Picture("gallery/alignment", ALIGNER, [ALIGNED], "aligned/alignment.html", WIDE | {"height": 1000}, TOUCH),
    Picture("gallery/retrieval", ALIGNER, [ALIGNED], "aligned/retrieval.html", WIDE | {"height": 1000}),
    Picture("gallery/regions", REGIONS, [SPOKEN], "regions/result.html", WIDE | {"height": 880, "dark": True}),
    Picture("gallery/monitor", "status", [WATCHED], "runs.html", WIDE | {"height": 1060}),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=HERE.parent, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="such as captions, alignment")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if CHROMIUM is None:
        sys.exit("error: there is no Chromium here to take the pictures with")
    wanted = [picture for picture in PICTURES if not options.only or picture.name.split("/")[-1] in options.only]
    with tempfile.TemporaryDirectory() as scratch, Browser() as browser:
        # Pages tell the paths of their models, so these should look as they do to everyone: the runs' folders, linked.
        os.chdir(scratch)
        for name in ("data", "cv", "status"):
            os.symlink(folder / name, name)
        done = []
        for picture in wanted:
            if not os.path.exists(picture.needs):
                print(f"{picture.name}: left as it is, {folder / picture.needs} isn't there")
                continue
            for command in picture.commands:
                if command not in done and neuraltalk(command):
                    sys.exit(f"error: neuraltalk {' '.join(command)} failed")
                done.append(command)
            take(browser, picture)


def take(browser, picture):
    """Open the page, act, and write the picture."""
    with browser.open(pathlib.Path(picture.page).resolve(), **picture.how) as page:
        page.evaluate(f"{{ {picture.act} }}")
        page.until("[...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight)")
        assert page.messages == [], page.messages
        picture_file = HERE / f"{picture.name}.png"
        picture_file.parent.mkdir(exist_ok=True)
        data = reduced(page.screenshot())
        picture_file.write_bytes(data)
        print(f"{picture_file.relative_to(HERE.parent)}: {len(data) / 1000:.0f} kB")


def reduced(png):
    """The PNG with as many colours as keep it small."""
    full = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in COLOURS:
        buffer = io.BytesIO()
        full.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    return buffer.getvalue()


if __name__ == "__main__":
    main()
