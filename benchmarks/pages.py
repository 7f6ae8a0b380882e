"""How a captions page of many pictures feels in a browser: until it can be used, from a letter to its answer, from order to order.

    python benchmarks/pages.py [--pictures 5000] [--page FILE.html]

Makes a page of made-up captions, with 5 further sentences and 5 references each and embedded pictures, and opens it in headless
Chromium. Times are milliseconds as the page's reader waits: until the document is interactive (from the start of loading), and from
an input to the next frame after it, medians of five. `none` leaves the pictures out, which tells what they cost.
"""

import argparse
import pathlib
import random
import statistics
import sys
import tempfile

from PIL import Image, ImageDraw, ImageFilter

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from browser import Browser  # it lies with the tests

from neuraltalk.pages.captions import captions_page

WORDS = "a the man woman dog cat ball red blue green runs sits in on with park street beach snow holding small two children".split()
INPUT = """new Promise((done) => {{
  const field = document.getElementById("{field}"), start = performance.now();
  field.value = "{value}";
  field.dispatchEvent(new Event("{event}"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
}})"""


def made_up(folder, count, random):
    """A result_struct of `count` pictures, which are 50 files with different names."""
    for k in range(min(count, 50)):
        picture = Image.effect_noise((320, 240), 60).filter(ImageFilter.GaussianBlur(3)).convert("RGB")
        ImageDraw.Draw(picture).ellipse((20 + 4 * k, 40, 120 + 4 * k, 140), fill=(200, 3 * k, 60))
        picture.save(folder / f"{k}.jpg", quality=80)

    def sentence():
        return " ".join(random.choices(WORDS, k=random.randint(6, 14)))

    return {
        "imgblobs": [
            {
                "img_path": f"{k % 50}.jpg",
                "candidate": {"text": sentence(), "logprob": -20 * random.random()},
                "candidates": [{"text": sentence(), "logprob": -20.0} for _ in range(6)],
                "references": [{"text": sentence()} for _ in range(5)],
                "scores": {name: random.random() for name in ("BLEU-4", "ROUGE-L", "CIDEr")},
            }
            for k in range(count)
        ]
    }


def measure(browser, path):
    """The row of a page."""
    waits = {"find": [], "order": []}
    with browser.open(path) as page:
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
        for value in ("d", "do", "dog", "dog r", ""):
            waits["find"].append(page.evaluate(INPUT.format(field="find", event="input", value=value)))
        for value in ("0 down", "1 up", "2 down", "3 up", ""):
            waits["order"].append(page.evaluate(INPUT.format(field="order", event="change", value=value)))
        assert page.messages == []
    size = path.stat().st_size / 1e6
    return f"{size:8.1f}  {ready:14.0f}  {statistics.median(waits['find']):7.0f}  {statistics.median(waits['order']):8.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000, metavar="N")
    parser.add_argument("--page", type=pathlib.Path, metavar="FILE.html", help="measure this page instead")
    options = parser.parse_args()
    print(f"{'pictures':>10}        MB  interactive ms  find ms  order ms")
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        if options.page:
            print(f"{'':>10}  {measure(browser, options.page.resolve())}")
            return
        folder = pathlib.Path(folder)
        result = made_up(folder, options.pictures, random.Random(1))
        for pictures in ("none", "linked", "embedded"):
            path = folder / f"{pictures}.html"
            path.write_text(captions_page([("", result)], "Made up", folder, folder, pictures=pictures), encoding="utf-8")
            print(f"{pictures:>10}  {measure(browser, path)}", flush=True)


if __name__ == "__main__":
    main()
