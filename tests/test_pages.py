"""The captions page: everything shown, nothing taken for markup, nothing fetched; in a browser where there is one."""

import base64
import html.parser
import io
import json
import os
import re

import pytest
from PIL import Image

from neuraltalk.pages.captions import captions_page
from neuraltalk.pages.html import escape, link, page
from neuraltalk.pages.thumbnails import thumbnail

HOSTILE = [
    "<script>document.title = 'taken'</script>",
    "\"><img src=x onerror=document.title='taken'>",
    "</style></title></p></article> & &lt; &amp;",
    "' onmouseover='alert(1)",
    "\u202egnp.exe \u05d0\u05d1\u05d2 \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "caf\u00e9 \U0001f600\u200d\U0001f525 \u4e2d\u6587",
    "a\tb\nc\x00d\x1b[31m",
]
VOID = {"meta", "img", "input", "br", "link", "hr"}


class Reader(html.parser.HTMLParser):
    """Collects the elements and texts of a page, and checks that every element is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag, name=None):
        found = [attributes for element, attributes in self.elements if element == tag]
        return found if name is None else [attributes[name] for attributes in found if name in attributes]


def result(*captions, **more):
    return {
        "imgblobs": [
            {"img_path": f"{k}.png", "candidate": {"text": text, "logprob": -1.5 - k}, "references": [], **more}
            for k, text in enumerate(captions)
        ]
    }


def one(*captions, **more):
    """The results of a page with one side."""
    return [("", result(*captions, **more))]


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        Image.new("RGB", (40, 30), (80 * k, 100, 150)).save(tmp_path / f"{k}.png")
    return tmp_path


def test_page_shows_everything(folder):
    document = result(
        "a dog",
        "a cat",
        candidates=[{"text": "a dog", "logprob": -1.5}, {"text": "two dogs", "logprob": -2.25}],
        verdict="true",
    )
    document["imgblobs"][0]["references"] = [{"text": "the dog of a person"}, {"text": "a brown dog"}]
    text = captions_page([("", document)], "My title", folder, folder, [("BLEU-4", "17.0")], ["a note"])
    shown = " ".join(Reader(text).texts)
    for part in (
        "My title",
        "a note",
        "BLEU-4",
        "17.0",
        "a dog",
        "two dogs",
        "\u22122.25",
        "the dog of a person",
        "a brown dog",
        "\u2713 true",
        "People wrote (2)",
        "Other sentences (1)",
        "1.png",
        "2 pictures",
    ):
        assert part in shown
    assert text.startswith("<!DOCTYPE html>") and '<html lang="en">' in text


def test_a_page_tells_what_its_figures_mean(folder):
    def told(*arguments):
        return Reader(captions_page(*arguments)).texts

    plain = told(one("a"), "t", folder, folder)
    assert "log p" in plain and "perplexity" not in plain and "marked words" not in plain
    results = [("x", result("a", verdict="true")), ("y", result("b", scores={"CIDEr": 1}))]
    both = told(results, "t", folder, folder, [("perplexity", "9", "8")])
    assert {"What the figures mean", "true, false", "BLEU, ROUGE-L, CIDEr", "perplexity", "marked words"} <= set(both)


def test_page_is_one_file_that_fetches_nothing(folder):
    text = captions_page(one("a", "b", "c"), "t", folder, folder)
    reader = Reader(text)
    sources = reader.all("img", "src")
    assert len(sources) == 3 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    picture = Image.open(io.BytesIO(base64.b64decode(sources[0].split(",")[1])))
    assert picture.size == (40, 30)
    assert (
        not reader.all("link") and not reader.all("script", "src") and not reader.all("a") and not reader.all("iframe")
    )
    assert not re.search(r"https?:|@import|url\(", text)
    assert "default-src 'none'; img-src data:;" in reader.all("meta", "content")[0]
    assert all(attributes["loading"] == "lazy" and attributes["alt"] for attributes in reader.all("img"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(folder, text):
    plain, attacked = result("a"), result(text, candidates=[{"text": text, "logprob": -1}] * 2, verdict=text)
    attacked["imgblobs"][0].update(img_path=text, references=[{"text": text}])
    plain["imgblobs"][0].update(
        candidates=[{"text": "a", "logprob": -1}] * 2, references=[{"text": "a"}], verdict="other"
    )
    reader = Reader(captions_page([("", attacked)], text, folder, folder, [(text, text)], [text]))
    harmless = Reader(captions_page([("", plain)], "t", folder, folder, [("a", "b")], ["c"]))
    tags = [tag for tag, _ in reader.elements]
    without_picture = [tag for tag, _ in harmless.elements if tag != "img"]
    assert [tag for tag in tags if tag != "span"] == [tag for tag in without_picture if tag != "span"]
    assert not [
        attributes
        for _, attributes in reader.elements
        if any(name.startswith("on") for name in attributes)
    ]
    shown = " ".join(reader.texts)
    kept = "".join(letter if letter.isprintable() or letter == "\u200d" else " " for letter in text)
    assert shown.count(kept) >= 5


def test_hostile_file_names_are_found_and_quoted(tmp_path):
    names = ["a b'c#d?e%20&.png", "\u00e9\U0001f600.png", '<b>".png' if os.name != "nt" else "x.png"]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    document = {"imgblobs": [{"img_path": name, "candidate": {"text": "x", "logprob": -1}} for name in names]}
    reader = Reader(captions_page([("", document)], "t", tmp_path, tmp_path, pictures="linked"))
    assert reader.all("img", "src") == [link(name) for name in names]
    assert link("a b'c#d?e%20&.png") == "a%20b%27c%23d%3Fe%2520%26.png"
    assert all(re.fullmatch(r"[\w%./~-]+", source) for source in reader.all("img", "src"))


def test_linked_pictures_are_relative_to_the_page(folder):
    (folder / "pages").mkdir()
    reader = Reader(captions_page(one("a"), "t", folder, folder / "pages", pictures="linked"))
    assert reader.all("img", "src") == ["../0.png"]


def test_pictures_that_are_missing_broken_or_unwanted_leave_a_frame(folder):
    (folder / "1.png").write_bytes(b"not a picture")
    text = captions_page(
        [("", {"imgblobs": [{"img_path": name, "candidate": {"text": "x", "logprob": -1}} for name in ("none.png", "1.png")]})],
        "t",
        folder,
        folder,
    )
    assert Reader(text).all("img") == [] and text.count("no picture here") == 2
    assert Reader(captions_page(one("a"), "t", folder, folder, pictures="none")).all("img") == []
    with pytest.raises(ValueError, match="pictures is 'big'"):
        captions_page(one("a"), "t", folder, folder, pictures="big")


@pytest.mark.parametrize("pictures", ["embedded", "linked"])
def test_a_name_too_long_for_a_file_leaves_a_frame(folder, pictures):
    document = {"imgblobs": [{"img_path": 5000 * "a" + ".png", "candidate": {"text": "x", "logprob": -1}}]}
    assert "no picture here" in captions_page([("", document)], "t", folder, folder, pictures=pictures)


def test_old_results_without_our_keys_open(folder):
    """The original wrote no log probability for some images and no references for others."""
    old = {
        "params": {},
        "checkpoint_params": {},
        "imgblobs": [
            {"img_path": "0.png", "candidate": {"text": "", "logprob": None}},
            {"img_path": "1.png", "candidate": {"text": "a dog"}, "references": None},
        ],
    }
    shown = " ".join(Reader(captions_page([("", json.loads(json.dumps(old)))], "t", folder, folder)).texts)
    assert "(no words)" in shown and "a dog" in shown
    assert "0 pictures" in " ".join(Reader(captions_page([("", {"imgblobs": []})], "t", folder, folder)).texts)


def test_thumbnails_shrink_but_never_grow():
    url, width, height = thumbnail(Image.new("RGB", (2000, 1000)))
    assert (width, height) == (360, 180) and len(url) < 20000
    assert thumbnail(Image.new("RGB", (20, 10)))[1:] == (20, 10)


def test_escape_and_frame():
    assert escape("<a href='x'>\"&\n\x00") == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;  "
    assert "<title>&lt;x&gt;</title>" in page("<x>", "<p>body</p>")


def opened(browser, folder, text, **how):
    """A page in the browser."""
    (folder / "page.html").write_text(text, encoding="utf-8")
    return browser.open(folder / "page.html", **how)


NAMES = "querySelector('.name').textContent"


def test_in_a_browser(browser, folder):
    """Hostile texts do nothing, the script runs without a word on the console: it orders, finds and counts."""
    with opened(browser, folder, captions_page(one(*HOSTILE[:3]), "calm", folder, folder)) as page:
        assert page.evaluate("document.title") == "calm"
        page.until("[...document.images].every((image) => image.complete && image.naturalWidth === 40)")  # they load lazily
        page.choose("#order", "0 up")
        assert page.all(".card", NAMES) == ["2.png", "1.png", "0.png"]
        page.press("/")
        page.type("onerror")
        page.until("document.querySelector('#count').value === '1 of 3 pictures'")
        assert page.all(".card", NAMES) == ["1.png"]
        page.press("Escape")
        page.until("document.querySelector('#count').value === '3 pictures'")
        assert page.messages == []


def test_linked_pictures_load_in_a_browser(browser, folder):
    """The page's policy lets them through, also for a name that needs quoting."""
    (folder / "0.png").rename(folder / "a #1%20'b.png")
    document = {"imgblobs": [{"img_path": "a #1%20'b.png", "candidate": {"text": "x", "logprob": -1}}]}
    with opened(browser, folder, captions_page([("", document)], "t", folder, folder, pictures="linked")) as page:
        page.until("document.images[0].naturalWidth === 40")
        assert page.messages == []
