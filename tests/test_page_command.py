"""`neuraltalk page`: results of any age open, several stand beside each other; in a browser, with thousands of cards too."""

import json
import math
import os
import time

import pytest
from PIL import Image
from test_pages import HOSTILE, NAMES, Reader, opened

from neuraltalk.cli import page as command
from neuraltalk.pages.captions import captions_page
from neuraltalk.pages.cards import FIRST
from neuraltalk.pages.results import about, read_result, same_order

COUNT = "document.querySelector('#count').value"


def blob(name, text="a dog", logprob=-1.0, **more):
    return {"img_path": name, "candidate": {"text": text, "logprob": logprob}, **more}


def write(path, *blobs, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"params": {}, "checkpoint_params": {}, "imgblobs": list(blobs), **more}), encoding="utf-8")
    return path


def run(capsys, *arguments):
    code = command.main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err


def refused(capsys, *arguments):
    code, err = run(capsys, *arguments)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1
    return err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for k in range(3):
        Image.new("RGB", (40, 30), (80 * k, 100, 150)).save(tmp_path / f"{k}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What the original wrote under Python 2: numbers that JSON doesn't have, paths from its own root, no n-best.
OLD = """{"checkpoint_params": {"dataset": "flickr8k", "generator": "lstm"}, "gtppl": 15.7,
"params": {"beam_size": 1, "checkpoint_path": "cv/old.p", "root_path": "example_images", "fappend": ""},
"imgblobs": [{"img_path": "0.png", "candidate": {"text": "a man", "logprob": -Infinity}},
{"img_path": "1.png", "candidate": {"text": "", "logprob": NaN}, "references": [{"text": "people"}]}]}"""


def test_an_old_file_opens(folder, capsys):
    (folder / "old.json").write_text(OLD, encoding="utf-8")
    code, err = run(capsys, "old.json")
    assert code == 0 and "old.html" in err and "no picture found" not in err
    reader = Reader((folder / "old.html").read_text(encoding="utf-8"))
    shown = " ".join(reader.texts)
    for part in ("Captions for example_images", "cv/old.p, lstm, greedy", "15.70", "a man", "(no words)", "people", "2 pictures"):
        assert part in shown
    assert "log p \u2212\u221e" in shown and "nan" not in shown.lower()
    assert len(reader.all("img")) == 2


def test_the_folder_of_the_pictures_is_found(folder, capsys):
    """Below the result's folder, this one, the folder that was predicted on, or the data set's; else it is told and can be named."""
    params = {"dataset": "mine", "split": "val"}
    Image.new("RGB", (8, 8)).save(folder / "x.png")
    for place in ("results", "data/mine/imgs"):
        (folder / place).mkdir(parents=True)
    os.rename("x.png", "data/mine/imgs/x.png")
    path = write(folder / "results" / "r.json", blob("imgs/x.png"), params=params)
    code, err = run(capsys, path, "--pictures", "linked")
    reader = Reader(path.with_suffix(".html").read_text(encoding="utf-8"))
    assert code == 0 and reader.all("img", "src") == ["../data/mine/imgs/x.png"] and "mine, val" in reader.texts
    write(path, blob("x.png"))
    code, err = run(capsys, path)
    assert code == 0 and "no picture found, such as 'x.png'" in err and "--root" in err
    code, err = run(capsys, path, "--root", "data/mine/imgs", "-o", "out/page.html", "--title", "Mine")
    reader = Reader((folder / "out" / "page.html").read_text(encoding="utf-8"))
    assert code == 0 and len(reader.all("img")) == 1 and "Mine" in reader.texts and "no picture" not in err
    assert "no picture found, such as 'x.png' (in results)" in run(capsys, path, "--root", "results", "-o", "out/page.html")[1]


def test_regions_are_cut_out(folder, capsys):
    """Embedded by their pixels, linked by the frame around the whole picture."""
    path = write(folder / "r.json", blob("0.png", box=[10, 5, 30, 15]), blob("0.png", box=[30, 20, 1e9, 1e9]))
    assert run(capsys, path)[0] == run(capsys, path, "--pictures", "linked", "-o", "linked.html")[0] == 0
    sizes = [(each["width"], each["height"]) for each in Reader((folder / "r.html").read_text(encoding="utf-8")).all("img")]
    assert sizes == [("20", "10"), ("10", "10")]
    style = Reader((folder / "linked.html").read_text(encoding="utf-8")).all("img", "style")[0]
    assert style == "width:200.00%;left:-50.00%;top:-50.00%;height:auto"


def test_several_results_take_one_order(folder, capsys):
    """By path, or by name where the folders differ; pictures that not all have are left out and counted."""
    first = write(folder / "a" / "result_struct.json", blob("0.png", "a dog"), blob("1.png", "a cat"), gtppl=2.5)
    second = write(
        folder / "b" / "result_struct.json", *(blob(f"/else/where/{k}.png", text) for k, text in ((2, "x"), (1, "a dog"), (0, "a dog")))
    )
    results, left_out = same_order([read_result(first), read_result(second)], [first, second])
    assert [[each["candidate"]["text"] for each in result["imgblobs"]] for result in results] == [["a dog", "a cat"], ["a dog"] * 2]
    assert left_out == 1 and [each["img_path"] for each in results[1]["imgblobs"]] == ["0.png", "1.png"]
    code, err = run(capsys, first, second, "--root", ".")
    assert code == 0 and "1 picture that isn't in all" in err and "comparison.html" in err
    text = (folder / "a" / "comparison.html").read_text(encoding="utf-8")
    shown = " ".join(Reader(text).texts)
    assert "a/result_struct" in shown and "b/result_struct" in shown and "2.50" in shown
    assert text.count("<mark>cat</mark>") == 1 and text.count("<mark>dog</mark>") == 1 and "different sentences" in shown
    write(folder / "c.json", blob("9.png"))
    assert "not about the same pictures" in refused(capsys, first, folder / "c.json")
    write(folder / "c.json", blob("0.png"), blob("0.png"))
    assert "one entry for each" in refused(capsys, first, folder / "c.json")
    with pytest.raises(ValueError, match="differ in their pictures"):
        captions_page([("", {"imgblobs": [blob("a")]}), ("", {"imgblobs": [blob("b")]})], "t", folder, folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "no captions in it"),
        ('{"imgblobs": {}}', "no captions in it"),
        ('{"imgblobs": []}', "no captions in it"),
        ('{"imgblobs": [3]}', 'entry 1: no "img_path"'),
        ('{"imgblobs": [{"img_path": 3}]}', 'entry 1: no "img_path"'),
        ('{"imgblobs": [{"img_path": "a"}]}', "None where a sentence should be"),
        ('{"imgblobs": [{"img_path": "a", "candidate": {"text": 3}}]}', "where a sentence should be"),
        ('{"imgblobs": [{"img_path": "a", "candidate": {"text": ""}, "references": 3}]}', '"references" is 3'),
        ('{"imgblobs": [{"img_path": "a", "candidate": {"text": ""}, "candidates": ["a"]}]}', '"candidates"'),
        ('{"imgblobs": [{"img_path": "a", "candidate": {"text": ""}, "box": [1, 2]}]}', '"box" is [1, 2]'),
        ('{"imgblobs": [{"img_path": "a", "candidate": {"text": ""}, "box": [1, 2, 3, Infinity]}]}', '"box" is [1, 2, 3, inf]'),
        ('{"imgblobs": [{"img_path": "a", "candidate": {"text": ""}, "scores": 3}]}', '"scores" is 3'),
        ('{"imgblobs": [{"img_path": "a", "candidate": {"text": ""}, "verdict": 3}]}', '"verdict" is 3'),
    ],
)
def test_other_files_are_refused(folder, capsys, content, message):
    (folder / "r.json").write_text(content, encoding="utf-8")
    err = refused(capsys, "r.json")
    assert message in err and "r.json" in err and not (folder / "r.html").exists()


def test_mistakes(folder, capsys):
    path = write(folder / "r.json", blob("0.png"))
    assert "nothing.json: can't be read" in refused(capsys, "nothing.json")
    assert "ends in .html" in refused(capsys, path, "-o", path)
    assert "--root nowhere: no such folder" in refused(capsys, path, "--root", "nowhere")
    assert "--label is given 1 time for 2 results" in refused(capsys, path, path, "--label", "x")
    assert "required: RESULT.json" in refused(capsys)


def test_what_is_unknown_or_odd_is_left_out(folder):
    path = write(
        folder / "r.json",
        blob("0.png", logprob="x", scores={"BLEU-4": 0.5, "CIDEr": "much", "ROUGE-L": math.nan, "True": True}),
        blob("1.png", candidates=[{"text": "a"}, {"text": "of unknown probability"}]),
        params=["not", "a", "dictionary"],
        gtppl="15",
    )
    result = read_result(path)
    assert result["imgblobs"][0]["scores"] == {"BLEU-4": 0.5} and result["imgblobs"][0]["candidate"]["logprob"] is None
    assert "of unknown probability" in captions_page([("", result)], "t", folder, folder)
    assert about(result) == dict.fromkeys(("model", "dataset", "split", "folder", "perplexity"))


def scored(texts, values, **more):
    """A result of the pictures 0.png ...: sentences with their CIDEr."""
    blobs = [blob(f"{k}.png", text, -float(k), scores={"CIDEr": value}) for k, (text, value) in enumerate(zip(texts, values))]
    return {"imgblobs": [{**each, **{name: value[k] for name, value in more.items()}} for k, each in enumerate(blobs)]}


def test_two_results_in_a_browser(browser, folder):
    """Ordered by a score of either or by how far they are apart, chosen by what they say and whether it's true; by keyboard."""
    verdicts = ["true", "false", "not a sentence"]
    one = scored(["a woman", "a man and a dog", HOSTILE[0]], [0.5, 2.0, 1.0], verdict=verdicts)
    two = scored(["a woman", "a manly dog", HOSTILE[1]], [0.75, 0.25, 3.0], verdict=["false", "true", "true"])
    text = captions_page([("one", one), ("<b>two", two)], "calm", folder, folder, [("CIDEr", "1.2", "1.3")])
    with opened(browser, folder, text) as page:
        order = lambda: [name[0] for name in page.all(".card", NAMES)]  # noqa: E731
        assert page.all("#order option", "text")[3:] == ["highest CIDEr first", "lowest CIDEr first"]
        page.choose("#order", "1 down")
        assert order() == ["1", "2", "0"]
        page.choose("#side", "1")
        assert order() == ["2", "0", "1"]
        page.choose("#side", "0 1")  # one's minus two's
        assert order() == ["1", "0", "2"]
        page.choose("#verdict", "0")
        assert order() == ["0"]  # of the first of the two
        page.choose("#side", "1")
        assert order() == ["2", "1"]
        page.choose("#verdict", "differ")
        assert order() == ["2", "1"] and page.evaluate(COUNT) == "2 of 3 pictures"
        page.choose("#verdict", "")
        page.press("/")
        assert page.evaluate("document.activeElement.id") == "find"
        finds = {"man": "1", "MAN dog": "1", "wom": "0", "1.png": "1", "<script>": "2", "(": "", "\\": "", "oman": ""}
        for typed, found in finds.items():
            page.evaluate("document.activeElement.select()")
            page.type(typed)
            page.evaluate("new Promise(requestAnimationFrame)")
            assert (typed, "".join(order())) == (typed, found)
        assert page.evaluate("getComputedStyle(document.querySelector('#nothing')).display") == "block"
        page.press("Escape", "Tab", "Tab", "Tab")  # find, order, side, verdict
        assert page.evaluate("document.activeElement.id") == "verdict" and len(order()) == 3
        page.settle()  # all of the cards are drawn again
        told = page.names()
        for role, name in (
            ("search", "the pictures of this page"),
            ("searchbox", "Find"),
            ("combobox", "Order"),
            ("combobox", "of"),
            ("combobox", "Show"),
            ("article", "picture 0.png"),
            ("region", "<b>two"),
            ("columnheader", "<b>two"),
        ):
            assert (role, name) in told
        assert ("status", "") in [(role, "") for role, _ in told] and ("image", "picture 0.png") in told
        assert page.evaluate("document.title") == "calm" and page.messages == []


def many(folder, count):
    """A page of many pictures with long lists, the last one hostile."""
    blobs = [
        blob(
            f"{k % 3}.png" if k < 3 else f"p{k:04}.png",
            f"a dog number {k} runs",
            -float(k % 97),
            candidates=[{"text": f"other {j} of {k}", "logprob": -j} for j in range(5)],
            references=[{"text": f"person {j} about {k}"} for j in range(5)],
        )
        for k in range(count)
    ]
    blobs[-1]["candidate"]["text"] = "</noscript><script>document.title = 'taken'</script>"
    return captions_page([("", {"imgblobs": blobs})], "calm", folder, folder)


def test_thousands_of_pictures_in_a_browser(browser, folder):
    """They come as the reader comes to them; whichever they are, they're found, ordered, counted; all of them go to the printer."""
    with opened(browser, folder, many(folder, 3000)) as page:
        cards = "document.querySelectorAll('.card').length"
        assert page.evaluate(COUNT) == "3,000 pictures" and FIRST <= page.evaluate(cards) < 500
        before = page.evaluate(cards)
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.until(f"{cards} > {before}")
        page.press("/")
        page.type("2345")
        page.until(f"{COUNT} === '1 of 3,000 pictures'")
        assert page.all(".card .caption") == ["a dog number 2345 runs"]
        page.press("Escape")
        page.choose("#order", "0 up")
        assert page.all(".card .caption")[0] == "a dog number 96 runs"
        page.choose("#order", "")
        assert page.all(".card .caption")[0] == "a dog number 0 runs"
        page.evaluate("document.querySelector('#more').click()")  # what the keyboard does: focus goes on with what came
        assert page.evaluate("document.activeElement.className") == "card"
        took = []
        for word in ("dog", "number 1", "other 3"):  # milliseconds from a letter to the next frame; the best of three, to be fair
            page.evaluate(f"document.querySelector('#find').value = {word!r}")
            begin = time.perf_counter()
            page.evaluate("document.querySelector('#find').dispatchEvent(new Event('input')); new Promise(requestAnimationFrame)")
            took.append(time.perf_counter() - begin)
        assert min(took) < 1
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(cards) == 3000
        assert page.all(".card:last-child .caption") == ["</noscript><script>document.title = 'taken'</script>"]
        assert page.evaluate("document.title") == "calm" and page.messages == []


def test_on_paper(browser, folder):
    """Two cards side by side, their colours printed; neither fields nor lists that are closed."""
    with opened(browser, folder, many(folder, 4), width=718) as page:
        page.send("Emulation.setEmulatedMedia", media="print")
        page.evaluate("document.querySelectorAll('.card details')[1].open = true")
        style = lambda what, name: page.all(what, f"computedStyleMap().get({name!r}).toString()")  # noqa: E731
        assert style(".toolbar", "display") == style(".legend", "display") == ["none"]
        assert style(".card:first-child details", "display") == ["none", "block"]
        first, second = page.evaluate("[...document.querySelectorAll('.card')].slice(0, 2).map((card) => card.getBoundingClientRect().y)")
        assert first == second and page.messages == []


def test_without_script_everything_is_shown(browser, folder):
    with opened(browser, folder, many(folder, 200), script=False) as page:
        nodes = page.names()
        assert sum(role == "article" for role, _ in nodes) == 200
        assert not [role for role, _ in nodes if role in ("search", "searchbox")]  # nor what wouldn't work


def test_the_policy_keeps_texts_from_running(browser, folder):
    """Would a text get past the escaping, the browser still refused to run or load it; and the tests would notice."""
    text = captions_page([("", {"imgblobs": [blob("0.png", "HERE")]})], "calm", folder, folder)
    attack = "<script>document.title = 'taken'</script><img src=http://127.0.0.1:9/x onerror=\"document.title = 'taken'\">"
    with opened(browser, folder, text.replace("HERE", attack)) as page:
        assert page.evaluate("document.title") == "calm"
        assert len([line for line in page.messages if "Content Security Policy" in line]) >= 2


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(browser, folder, dark):
    """Nothing is wider than the screen, letters stand out from their ground, fields suit fingers, names are whole."""
    long = scored(["a" * 200, "a dog " * 40, "x"], [1, 2, 3])
    long["imgblobs"][2]["img_path"] = "n" * 200 + ".png"
    text = captions_page([("one", long), ("two " * 30, long)], "t" * 100, folder, folder, [("CIDEr" * 9, "1.2", "3.4")])
    with opened(browser, folder, text, width=390, height=844, phone=True, dark=dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        ink, paper = page.evaluate("['color', 'background-color'].map((name) => getComputedStyle(document.body)[name])")
        assert page.evaluate("[...document.querySelectorAll('.name')].every((name) => name.scrollWidth <= name.clientWidth)")
        sizes = page.all("#find, #order", "computedStyleMap().get('font-size').toString()")
        assert sizes == ["16px", "16px"] and min(page.all("#find, #order", "offsetHeight")) >= 40
        assert (ink, paper) == (("rgb(233, 231, 226)", "rgb(20, 21, 24)") if dark else ("rgb(31, 30, 27)", "rgb(250, 249, 246)"))
        assert page.messages == []
