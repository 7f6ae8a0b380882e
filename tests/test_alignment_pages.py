"""The pages of an alignment model: boxes in place, words on their boxes, links that lead somewhere, texts that stay texts."""

import re

import numpy as np
import pytest
from PIL import Image
from test_alignment_evaluation import make_aligner, place, refused, run  # noqa: F401 - place is a fixture
from test_pages import HOSTILE, Reader, opened

from neuraltalk.cli import evaluate, search
from neuraltalk.cli.alignment_pages import PICTURES_SHOWN, align, score_all
from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.regions import open_regions
from neuraltalk.pages.alignment import alignment_page, box_numbers
from neuraltalk.pages.html import link
from neuraltalk.pages.regions import regions_page
from neuraltalk.pages.retrieval import best, rank, retrieval_page
from neuraltalk.train.checkpoint import load_checkpoint

BOXES = [[0, 0, 40, 30], [10, 6, 20, 12], [0, 15, 30, 30], [35, 0, 40, 30]]


def word(text, region=None, score=None, alone=None):
    return {"text": text, "region": region, "score": score, "alone": region if alone is None else alone}


def entry(*words, img_path="0.png", imgid=7, boxes=BOXES, score=1.5):
    return {"img_path": img_path, "imgid": imgid, "boxes": boxes, "words": list(words), "score": score}


DOG = entry(
    word("a", 2, 0.25), word("dog", 2, 1.0), word("zyx"), word("on", 0, -0.004), word("it", 1, 0.5, alone=3), word("runs", 2, 0.1)
)


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        Image.new("RGB", (40, 30), (80 * k, 100, 150)).save(tmp_path / f"{k}.png")
    return tmp_path


def with_class(reader, name):
    """The attributes of the elements that have a class."""
    return [attributes for _, attributes in reader.elements if name in attributes.get("class", "").split()]


def buttons_of(reader):
    """The attributes of the words that are buttons."""
    return [attributes for tag, attributes in reader.elements if tag == "button" and "data-region" in attributes]


def found_places(text):
    """What a page links to within itself -> what isn't there."""
    reader = Reader(text)
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    return {href[1:] for href in reader.all("a", "href") if href.startswith("#")} - set(ids)


def test_boxes_lie_in_percent_of_the_whole_picture(folder):
    reader = Reader(alignment_page([DOG], "t", folder, folder))
    boxes = {attributes["data-region"]: attributes for attributes in with_class(reader, "box")}
    assert sorted(boxes) == ["0", "1", "2", "3"]
    assert boxes["1"]["style"] == "left:25.00%;top:20.00%;width:25.00%;height:20.00%"
    assert boxes["0"]["style"] == "left:0.00%;top:0.00%;width:100.00%;height:100.00%"
    assert "other" in boxes["3"]["class"] and "other" not in boxes["2"]["class"]
    order = [attributes["data-region"] for attributes in with_class(reader, "box")]
    assert order == ["3", "0", "2", "1"]  # what words chose lies on top, small boxes on large ones
    shifted = entry(word("a", 1, 1), boxes=[[1, 1, 41, 31], [-5, 1, 21, 99]])  # counted from 1, and a box that hangs over
    styles = [attributes["style"] for attributes in with_class(Reader(alignment_page([shifted], "t", folder, folder)), "box")]
    assert styles[1] == "left:0.00%;top:0.00%;width:50.00%;height:100.00%"


def test_words_tell_their_boxes_and_scores(folder):
    text = alignment_page([DOG], "My title", folder, folder, [("R@1", "20.6")], ["a note"], links=[("other", "b.html")])
    reader = Reader(text)
    shown = " ".join(reader.texts)
    for part in ("My title", "a note", "R@1", "20.6", "dog", "zyx", "1.00", "0.00", "score 1.50", "Phrases (4)", "0.png"):
        assert part in shown
    assert "\u22120.00" not in shown
    buttons = {attributes["aria-label"]: attributes for attributes in buttons_of(reader)}
    assert list(buttons) == [
        "a, box 1, score 0.25",
        "dog, box 1, score 1.00",
        "on, the whole picture, score 0.00",
        "it, box 2, score 0.50, on its own it would choose another box",
        "runs, box 1, score 0.10",
    ]
    classes = [attributes["class"] for attributes in buttons.values()]
    assert classes == ["word c1", "word c1", "word c0", "word c2 moved", "word c1"]
    assert [attributes["style"] for attributes in buttons.values()] == [f"--t:{t}%" for t in (14, 40, 6, 23, 9)]
    assert [nav["class"] for nav in reader.all("nav")] == ["links"] and reader.all("a", "href") == ["b.html"]
    assert box_numbers(DOG["words"]) == {0: 0, 2: 1, 1: 2}


def test_a_sentence_is_laid_out_the_way_it_is_read(browser, folder):
    words = (word("\u05db\u05dc\u05d1", 1, 1), word("3"), word("\u05d7\u05d5\u05dd", 0, 1))
    with opened(browser, folder, alignment_page([entry(*words), DOG], "t", folder, folder)) as page:
        places = "[...document.querySelectorAll('.card:nth-child({}) .word')].map((word) => word.getBoundingClientRect().x)"
        hebrew, english = (page.evaluate(places.format(k)) for k in (1, 2))
        assert hebrew == sorted(hebrew, reverse=True) and english[:3] == sorted(english[:3])
        page.evaluate("document.querySelector('button.word').focus()")
        page.press("ArrowLeft")
        assert page.evaluate(FOCUSED).startswith("\u05d7\u05d5\u05dd")


def test_more_boxes_than_colours_keep_their_own_numbers(folder):
    boxes = [BOXES[0]] + [[k, 0, k + 1, 5] for k in range(12)]
    text = alignment_page([entry(*(word("w", k, 1) for k in range(1, 13)), boxes=boxes)], "t", folder, folder)
    buttons = buttons_of(Reader(text))
    assert [button["class"] for button in buttons][7:9] == ["word c8", "word c1"]
    assert "box 9" in buttons[8]["aria-label"]


def test_alignment_of_nothing_known_and_without_pictures(folder):
    strange = [entry(word("zyx"), word("q")), entry(img_path="gone.png", boxes=[[0, 0, 0, 0]], score=0.0)]
    shown = " ".join(Reader(alignment_page(strange, "t", folder, folder)).texts)
    assert "zyx" in shown and "(no words)" in shown and "no picture here" in shown and "Phrases" not in shown
    assert Reader(alignment_page([DOG], "t", folder, folder, pictures="none")).all("img") == []
    assert "0 pictures" in " ".join(Reader(alignment_page([], "t", folder, folder)).texts)
    for function in (lambda: alignment_page([], "t", folder, folder, pictures="big"), lambda: pages(folder, pictures="big")):
        with pytest.raises(ValueError, match="pictures is 'big'"):
            function()


def pages(folder, texts=("a dog", "a cat", "two dogs"), names=("0.png", "1.png"), scores=((3.0, 1, 2), (1.0, 1, 1)), **more):
    """A retrieval page of two pictures and three sentences, of which the last is of picture 1."""
    images = [{"img_path": name, "imgid": 40 + k} for k, name in enumerate(names)]
    sentences = [{"text": text, "image": int(k == 2)} for k, text in enumerate(texts)]
    return retrieval_page(images, sentences, scores, more.pop("title", "t"), folder, folder, **more)


def test_best_and_rank():
    assert best([1, 3, 2, 3], 3) == [1, 3, 2] and best([], 3) == []
    assert rank(np.array([3.0, 2, 1]), np.array([False, True, True])) == 2
    assert rank(np.array([1.0, 1, 1]), np.array([True, False, False])) == 3  # a model that can't tell gets the last rank
    assert rank(np.array([1.0]), np.array([False])) is None


def test_each_answer_leads_on(folder):
    text = pages(folder, links=[("Pictures", "#pictures"), ("Sentences", "#sentences")], more=("more", "b.html#p{imgid}"))
    reader = Reader(text)
    assert found_places(text) == set()
    hrefs = reader.all("a", "href")
    assert hrefs == [
        *("#pictures", "#sentences"),
        *("#s0", "#s2", "#s1", "b.html#p40", "#s0", "#s1", "#s2", "b.html#p41"),
        *("#p40", "#p41", "#p40", "#p40", "#p41", "#p40", "#p40", "#p41", "#p41"),
    ]
    shown = " ".join(" ".join(reader.texts).split())
    assert "own sentence first at rank 1" in shown and "own sentence first at rank 3" in shown
    assert "its picture at rank 2" in shown
    labels = [attributes["aria-label"] for attributes in with_class(reader, "thumb")]
    assert labels[:2] == ["picture 0.png, score 3.00, the right one", "picture 1.png, score 1.00"]
    with pytest.raises(ValueError, match="expected \\(2, 3\\)"):
        pages(folder, scores=((1, 2),))


def test_retrieval_page_names_each_thumbnail_once(folder):
    text = pages(folder)
    assert text.count("data:image/jpeg") == 4 and text.count("background-image") == 2  # two cards, two thumbnails
    assert not Reader(text).all("script") and not re.search(r"https?:|@import", text)
    text = pages(folder, names=("0.png", "gone.png"))
    assert text.count("background-image") == 1 and "no picture here" in text and "thumb none" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(folder, text):
    words = (word(text, 1, 0.5), word(text), word(text, 2, 1, alone=1))
    attacked = entry(*words, img_path=text)
    plain = entry(*(word("a", *(w["region"], w["score"], w["alone"])) for w in words), img_path="gone.png")
    options = {"figures": [(text, text)], "notes": [text], "links": [(text, text)], "more": (text.replace("{", ""), text)}
    harmless = {"figures": [("a", "a")], "notes": ["a"], "links": [("a", "a")], "more": ("a", "a")}
    pairs = [
        (alignment_page([attacked], text, folder, folder, **options), alignment_page([plain], "a", folder, folder, **harmless)),
        (
            pages(folder, [text] * 3, [text] * 2, title=text, **options),
            pages(folder, ["a"] * 3, ["gone.png"] * 2, title="a", **harmless),
        ),
    ]
    kept = "".join(letter if letter.isprintable() or letter == "\u200d" else " " for letter in text)
    for page, calm in pairs:
        reader = Reader(page)
        assert [tag for tag, _ in reader.elements] == [tag for tag, _ in Reader(calm).elements]
        names = {name for _, attributes in reader.elements for name in attributes}
        assert not [name for name in names if name.startswith("on")]
        assert " ".join(reader.texts).count(kept) >= 6


def test_hostile_file_names_are_found_and_quoted(tmp_path):
    names = ["a b'c#d?e%20&.png", "\u00e9\U0001f600);}.png"]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    text = pages(tmp_path, names=names, pictures="linked")
    assert Reader(text).all("img", "src") == [link(name) for name in names]
    assert re.findall(r'background-image: url\("(.*)"\)', text) == [link(name) for name in names]
    entries = [entry(word("a", 1, 1), img_path=name) for name in names]
    assert Reader(alignment_page(entries, "t", tmp_path, tmp_path, pictures="linked")).all("img", "src") == list(map(link, names))


def test_evaluation_writes_both_pages(place, capsys):  # noqa: F811
    code, _, err = run(capsys, evaluate, "-m", 4, "--beta", 0, "--page_pictures", "none")
    assert code == 0 and "alignment.html" in err and "retrieval.html" in err
    alignment = (place / "results" / "alignment.html").read_text(encoding="utf-8")
    retrieval = (place / "results" / "retrieval.html").read_text(encoding="utf-8")
    assert found_places(retrieval) == set() and alignment.count("<article") == 4 <= PICTURES_SHOWN
    ids = {f"p{image.imgid}" for image in load_dataset("data/toy").split("test")[:4]}
    for page, other in ((alignment, retrieval), (retrieval, alignment)):
        name = "retrieval.html#" if page is alignment else "alignment.html#"
        assert {href.split("#")[1] for href in Reader(page).all("a", "href") if href.startswith(name)} == ids
        assert ids <= {attributes.get("id") for _, attributes in Reader(other).elements}
        assert "phrases, IoU" in page and "toy, test" in page
    assert "beta = 0, which took 0 of" in alignment
    assert "pictures and their 8 sentences rank among themselves" in retrieval


def test_words_choose_their_boxes(place):  # noqa: F811
    """The model of the toy knows its things, so each stands on its own box; with a large beta all words share one."""
    checkpoint = load_checkpoint("cv/toy_alignment_baseline.p")
    dataset, regions = load_dataset("data/toy"), open_regions("data/toy")
    images = [image for image in dataset.split("test") if len(regions.boxes_of(image.imgid)) > 2]
    parts = checkpoint.aligner(), checkpoint.vocabulary, regions, images, [image.filename for image in images]
    for image, aligned in zip(images, align(*parts, 0.0), strict=True):
        assert [word["text"] for word in aligned["words"]] == image.sentences[0].tokens
        known = [word for word in aligned["words"] if word["region"] is not None]
        things = [word for word in known if word["score"] > 0]
        assert len(things) == 2 and things[0]["region"] != things[1]["region"]
        assert all(word["alone"] == word["region"] for word in known)
        assert aligned["score"] == pytest.approx(sum(word["score"] for word in known), abs=1e-4)
        assert aligned["boxes"] == regions.boxes_of(image.imgid).tolist()
    for aligned in align(*parts, 1e6):
        assert len({word["region"] for word in aligned["words"]} - {None}) == 1
    unknown = images[0]._replace(sentences=[images[0].sentences[0]._replace(tokens=["zyx", "q"])])
    (nothing,) = align(*parts[:3], [unknown], ["0.png"], 0.3)
    assert [word["region"] for word in nothing["words"]] == [None, None] and nothing["score"] == 0


def test_a_pair_has_one_score_everywhere(place, capsys):  # noqa: F811
    """On both pages, whose cards lead to each other, and in what `neuraltalk search` prints: counted in margins."""
    sizes = dict.fromkeys(("embedding_size", "word_encoding_size", "hidden_size"), 6)
    path = make_aligner(place / "cv" / "toy_alignment_baseline.p", params={"model": "alignment", "dataset": "toy", "margin": 0.5, **sizes})
    checkpoint = load_checkpoint(path)
    dataset, regions = load_dataset("data/toy"), open_regions("data/toy")
    images = dataset.split("test")
    parts = checkpoint.aligner(), checkpoint.vocabulary, regions, images, [image.filename for image in images]
    own = [aligned["score"] for aligned in align(*parts, 0.0)]
    _, sentences, scores = score_all(*parts)
    first = [[sentence["image"] for sentence in sentences].index(k) for k in range(len(images))]
    assert [scores[k, n] for k, n in enumerate(first)] == pytest.approx(own, abs=1e-4) and max(own) > 0
    code, out, _ = run(capsys, search, "--picture", images[0].filename, "-s", "test", "-n", len(sentences))
    printed = {line[12:].removesuffix("   (its own)"): float(line[:10]) for line in out.splitlines()}
    assert code == 0 and printed[images[0].sentences[0].raw] == pytest.approx(own[0], abs=0.01)


def test_mistakes(place, capsys):  # noqa: F811
    assert "--beta: 'much' should be a number" in refused(capsys, evaluate, "--beta", "much")
    assert "--beta: 'inf' should be a number" in refused(capsys, evaluate, "--beta", "inf")


ON = "[...document.querySelectorAll('.on')].map((part) => part.dataset.region + part.tagName[0]).join()"
FOCUSED = "document.activeElement.getAttribute('aria-label')"


def test_words_and_boxes_point_at_each_other_in_a_browser(browser, folder):
    hostile = entry(*(word(text, 1, 1) for text in HOSTILE), img_path="1.png", imgid=8)
    with opened(browser, folder, alignment_page([DOG, hostile], "calm", folder, folder)) as page:
        page.point("button.word:nth-of-type(2)")
        assert page.evaluate(ON) == "2S,2B,2B,2B"
        page.point('.box[data-region="1"]')
        assert page.evaluate(ON) == "1S,1B"
        page.point("h1")
        assert page.evaluate(ON) == ""
        page.evaluate("document.querySelector('button.word').focus()")
        assert page.evaluate(ON) == "2S,2B,2B,2B"
        page.press("ArrowRight", "ArrowRight", "ArrowRight")
        assert page.evaluate(FOCUSED).startswith("it, box 2")
        page.press("ArrowLeft")
        assert page.evaluate(ON) == "0S,0B"
        page.press("End", "ArrowRight")
        assert page.evaluate(FOCUSED).startswith("runs")
        page.press("Escape")
        assert page.evaluate(ON) == ""
        page.press("Tab", "Tab")  # to the list of phrases, to the next card: a sentence is one stop
        assert page.evaluate("document.activeElement.closest('.card').id") == "p8"
        page.press("Escape")
        page.click("#all-boxes")
        assert page.evaluate("getComputedStyle(document.querySelector('.box.other')).display") == "block"
        places = page.evaluate(
            """["img", '.box[data-region="1"]'].map((which) => document.querySelector(which).getBoundingClientRect())
               .map((box) => [box.x, box.y, box.width, box.height])"""
        )
        (x, y, width, height), box = places
        assert [(box[0] - x) / width, (box[1] - y) / height, box[2] / width] == pytest.approx([0.25, 0.2, 0.25], abs=0.01)
        page.click("#find")
        page.type("onerror")
        page.until("document.querySelector('#count').value === '1 of 2 pictures'")
        assert page.evaluate("document.title") == "calm" and page.messages == []


@pytest.mark.parametrize("pictures", ["embedded", "linked"])
def test_retrieval_in_a_browser(browser, folder, pictures):
    """Links go where they say, and the thumbnails are pictures; also of names that need quoting."""
    (folder / "0.png").rename(folder / "a #1%20'b.png")
    text = pages(folder, HOSTILE[:3], ["a #1%20'b.png", "1.png"], title="calm", pictures=pictures)
    with opened(browser, folder, text) as page:
        page.until("[...document.images].map((image) => image.naturalWidth).join() === '40,40'")
        thumbs = """[...document.querySelectorAll(".shot")].map((shot) => getComputedStyle(shot).backgroundImage.slice(5, -2))"""
        load = "(src) => { const image = new Image(); image.src = src; return image.decode(); }"
        assert page.evaluate(f"Promise.all([...new Set({thumbs})].map({load})).then((found) => found.length)") == 2
        page.click('a[href="#s2"]')
        page.until("document.querySelector(':target')?.id === 's2' && location.hash === '#s2'")
        page.click('#s2 a[href="#p40"]')
        page.until("document.querySelector(':target')?.id === 'p40' && location.hash === '#p40'")
        assert page.evaluate("document.title") == "calm" and page.messages == []


def test_regions_in_a_browser(browser, folder):
    """A sentence and its box light up together; they're found by their words and ordered by how sure the model is."""
    regions = [
        {"box": [0, 0, 20, 30], "text": HOSTILE[1], "confidence": 0.5, "verdict": "true"},
        {"box": [22, 10, 40, 30], "text": "on the beach", "confidence": 0.7, "verdict": "false"},
    ]
    entries = [{"img_path": "0.png", "size": (40, 30), "regions": regions}]
    entries.append({"img_path": HOSTILE[0], "size": (40, 30), "regions": [regions[0] | {"confidence": 0.9}]})
    with opened(browser, folder, regions_page(entries, "calm", folder, folder)) as page:
        page.point("li:nth-of-type(2)")
        assert page.evaluate(ON) == "2S,2L"
        page.point('.box[data-region="1"]')
        assert page.evaluate(ON) == "1S,1L"
        page.point("h1")
        page.evaluate("document.querySelector('#order').focus()")
        page.press("Tab")  # a card's sentences are one stop; arrows go on
        assert page.evaluate(ON) == "1S,1L"
        page.press("ArrowDown", "ArrowDown")
        assert page.evaluate(ON) == "2S,2L"
        page.press("Tab")
        assert page.evaluate("document.activeElement.closest('.card') === document.querySelectorAll('.card')[1]")
        page.choose("#order", "0 down")
        assert page.all(".card li bdi")[0] == HOSTILE[1] and len(page.all(".card:first-child li")) == 1
        page.click("#find")
        page.type("beach")
        page.until("document.querySelector('#count').value === '1 of 2 pictures'")
        assert ("article", "picture 0.png") in page.names()
        assert page.evaluate("document.title") == "calm" and page.messages == []


def test_links_lead_to_cards_that_arent_there_yet(browser, folder):
    entries = [entry(word(f"w{k}", 1, 1), imgid=k) for k in range(200)]
    (folder / "page.html").write_text(alignment_page(entries, "t", folder, folder, pictures="none"), encoding="utf-8")
    with browser.open((folder / "page.html").as_uri() + "#p150") as page:
        page.until("document.querySelector(':target') !== null")
        assert page.evaluate("document.querySelector(':target').id") == "p150" and len(page.all(".card")) >= 151
        page.until("Math.abs(document.querySelector(':target').getBoundingClientRect().top - 80) < 300")
        page.evaluate("location.hash = '#p199'")
        page.until("document.querySelector(':target')?.id === 'p199'")
        page.evaluate("location.hash = '#p1000'")  # isn't there at all
        assert len(page.all(".card")) == 200 and page.messages == []
