"""neuraltalk score: every kind of file gives the same figures; tables, JSON and CSV agree; every mistake in one line."""

import csv
import json

import pytest

from neuraltalk.cli import main as neuraltalk
from neuraltalk.cli import score_table
from neuraltalk.cli.score_files import read_system
from neuraltalk.metrics.scores import human_agreement, score

CANDIDATES = ["A dog runs.", "", "two cats sit on a mat"]
REFERENCES = [["a dog runs", "The dog (brown) isn't slow"], ["a man", "one man"], ["two cats", "cats on a mat"]]


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of a run."""
    code = neuraltalk.main(["score", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys, *arguments):
    """The error of a run that must end with one line and code 2, nothing printed."""
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == "" and err.count("error: ") == 1 and err.splitlines()[-1].startswith("error: ")
    return err


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The same captions in every kind of file; the working directory is there."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lists.json", {"candidates": CANDIDATES, "references": REFERENCES})
    write(tmp_path / "references.json", {"references": REFERENCES})
    write(
        tmp_path / "result_struct.json",
        {
            "imgblobs": [
                {"img_path": f"{k}.jpg", "candidate": {"text": text}, "references": [{"text": own} for own in REFERENCES[k]]}
                for k, text in enumerate(CANDIDATES)
            ]
        },
    )
    write(tmp_path / "results.json", [{"image_id": 10 + k, "caption": text} for k, text in reversed(list(enumerate(CANDIDATES)))])
    annotations = [{"image_id": 10 + k, "id": 2 * k + n, "caption": text} for k, own in enumerate(REFERENCES) for n, text in enumerate(own)]
    write(tmp_path / "coco.json", {"images": [{"id": 10 + k} for k in range(4)], "annotations": annotations})
    images = [
        {
            "imgid": k,
            "cocoid": 10 + k,
            "filename": f"{k}.jpg",
            "split": "test",
            "sentences": [{"tokens": text.lower().split(), "raw": text} for text in own],
        }
        for k, own in enumerate(REFERENCES)
    ]
    write(tmp_path / "dataset.json", {"images": images})
    (tmp_path / "captions.txt").write_text("".join(text + "\n" for text in CANDIDATES), encoding="utf-8")
    (tmp_path / "both.tsv").write_text("".join("\t".join([t, *own]) + "\r\n" for t, own in zip(CANDIDATES, REFERENCES)), encoding="utf-8")
    (tmp_path / "references.tsv").write_text("".join("\t".join(own) + "\n" for own in REFERENCES), encoding="utf-8")
    for n in (0, 1):
        (tmp_path / f"people{n}.txt").write_text("\n".join(own[n] for own in REFERENCES), encoding="utf-8")
    return tmp_path


def write(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("lists.json",),
        ("result_struct.json",),
        ("both.tsv",),
        ("lists.json", "-r", "references.json"),
        ("results.json", "-r", "coco.json"),
        ("results.json", "-r", "dataset.json"),
        ("captions.txt", "-r", "references.json"),
        ("captions.txt", "-r", "references.tsv"),
        ("captions.txt", "-r", "people0.txt", "people1.txt"),
    ],
    ids=" ".join,
)
def test_every_kind_of_file_gives_the_same(place, capsys, arguments):
    code, out, err = run(capsys, *arguments, "--json", "table.json")
    assert code == 0 and out.startswith("3 captions, 6 references; " + arguments[0])
    table = json.loads((place / "table.json").read_text(encoding="utf-8"))
    (system,) = table["systems"]
    for name, value in score(CANDIDATES, REFERENCES).figures().items():
        assert system["figures"][name] == pytest.approx(value)
        assert f"  {name:<18}{100 * value:8.1f} " in out
    assert system["figures"]["mean length"] == 3 and system["figures"]["distinct captions"] == 1
    assert ("says nothing of 1 image with references" in err) == ("coco.json" in arguments)


def test_references_of_several_files_add_up(place, capsys):
    assert "3 captions, 6 references" in run(capsys, "captions.txt", "-r", "people0.txt", "-r", "people1.txt")[1]


def test_a_result_goes_by_imgid(place, capsys):
    """... where COCO's files go by COCO's ids, which may be the imgids of other images."""
    document = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
    for image, cocoid in zip(document["images"], (2, 0, 1)):
        image["cocoid"] = cocoid
    write(place / "dataset.json", document)
    blobs = [{"img_path": f"{k}.jpg", "imgid": k, "candidate": {"text": own[0]}} for k, own in enumerate(REFERENCES)]
    write(place / "result.json", {"imgblobs": blobs})
    write(place / "coco_result.json", [{"image_id": cocoid, "caption": REFERENCES[k][0]} for k, cocoid in enumerate((2, 0, 1))])
    for name in ("result.json", "coco_result.json"):
        run(capsys, name, "-r", "dataset.json", "--json", "table.json")
        assert json.loads((place / "table.json").read_text(encoding="utf-8"))["systems"][0]["figures"]["BLEU-1"] == pytest.approx(1)
    document["images"][1]["cocoid"] = 2
    write(place / "dataset.json", document)
    assert "dataset.json: two images have the cocoid 2; each needs its own" in refused(capsys, "coco_result.json", "-r", "dataset.json")


def test_empty_cells_are_no_references(place, capsys):
    (place / "ragged.tsv").write_text("a dog\ta dog\ta cat\na cat\tthe cat\t\n", encoding="utf-8")
    assert "2 captions, 3 references" in run(capsys, "ragged.tsv")[1]
    (place / "bare.tsv").write_text("a dog\t\na cat\tthe cat\n", encoding="utf-8")
    assert "bare.tsv: caption 1 has no reference" in refused(capsys, "bare.tsv")


def test_systems_beside_each_other(place, capsys):
    write(place / "poor.json", {"candidates": ["x", "y", "z"], "references": REFERENCES})
    code, out, err = run(capsys, "lists.json", "poor.json", "--human", "--csv", "out/table.csv", "--draws", 50)
    assert code == 0 and "can't be compared" not in err
    with open(place / "out" / "table.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows][:2] == ["lists.json", "poor.json"] and rows[2]["system"].startswith("people: each sentence")
    assert float(rows[0]["CIDEr low"]) <= float(rows[0]["CIDEr"]) <= float(rows[0]["CIDEr high"])
    assert float(rows[2]["ROUGE-L"]) == pytest.approx(human_agreement(REFERENCES).figures()["ROUGE-L"])
    assert "  A   lists.json" in out and "  B   poor.json" in out and "±" in out and "1 reference)" in out
    (line,) = (line for line in out.splitlines() if line.startswith("  ROUGE-L"))
    assert line.split()[3] == "0.0"


def test_stars_mark_what_differs(place, capsys):
    good, bad = ["a b c d e"] * 20, ["a b x y z"] * 20
    for name, candidates in (("good", good), ("bad", bad)):
        write(place / f"{name}.json", {"candidates": candidates, "references": [["a b c d e"]] * 20})
    _, out, _ = run(capsys, "good.json", "bad.json")
    assert "±0.0*" in out.split("ROUGE-L")[1].splitlines()[0] and "*" not in out.split("mean length")[1].splitlines()[0]
    _, out, _ = run(capsys, "good.json", "bad.json", "--draws", 0)
    assert "±" not in out and "*" not in out
    write(place / "other.json", {"candidates": bad, "references": [["x"]] * 20})
    _, out, err = run(capsys, "good.json", "other.json")
    assert "note: other.json isn't on the same references" in err and "*" not in out


def test_words_may_be_cut_already(place, capsys):
    write(place / "odd.json", {"candidates": ["isn't it"], "references": [["isn't"]]})
    for words, length in (("spaces", 2), ("ptb", 3)):
        run(capsys, "odd.json", "--words", words, "--json", "odd_table.json")
        figures = json.loads((place / "odd_table.json").read_text(encoding="utf-8"))["systems"][0]["figures"]
        assert figures["BLEU-1"] == pytest.approx((length - 1) / length, abs=1e-6)


def test_mistakes_are_one_line(place, capsys):
    assert "nowhere.txt: can't be read" in refused(capsys, "nowhere.txt")
    assert "captions.txt has no references; give them with -r" in refused(capsys, "captions.txt")
    write(place / "twice.json", [{"image_id": 10, "caption": "a"}, {"image_id": 10, "caption": "b"}])
    assert "twice.json: image 10 has two captions or more" in refused(capsys, "twice.json", "-r", "coco.json")
    blob = {"img_path": "a.jpg", "candidate": {"text": "a"}, "references": [{"text": "a"}]}
    write(place / "one_picture.json", {"imgblobs": [blob, blob]})
    assert "one_picture.json: 'a.jpg' has two captions or more" in refused(capsys, "one_picture.json")
    write(place / "unknown.json", [{"image_id": 99, "caption": "a"}])
    assert "image 99 (caption 1) isn't in coco.json" in refused(capsys, "unknown.json", "-r", "coco.json")
    write(place / "bare.json", [{"image_id": 13, "caption": "a"}])
    assert "image 13 has no reference" in refused(capsys, "bare.json", "-r", "coco.json")
    write(place / "bare_list.json", {"candidates": ["a", "b"], "references": [["a"], []]})
    assert "caption 2 has no reference" in refused(capsys, "bare_list.json")
    assert "no image ids" in refused(capsys, "captions.txt", "-r", "coco.json")
    assert "3 captions and people0.txt has references for 3" not in run(capsys, "captions.txt", "-r", "people0.txt")[2]
    (place / "short.txt").write_text("a dog\n", encoding="utf-8")
    assert "captions.txt has 3 captions and short.txt has references for 1" in refused(capsys, "captions.txt", "-r", "short.txt")
    assert "short.txt has 1 line and people0.txt has 3" in refused(capsys, "captions.txt", "-r", "people0.txt", "short.txt")
    assert "one JSON file holds all references" in refused(capsys, "captions.txt", "-r", "people0.txt", "coco.json")
    assert "results.json: no references in it" in refused(capsys, "captions.txt", "-r", "results.json")
    assert "coco.json: no captions in it" in refused(capsys, "coco.json")
    write(place / "wrong.json", [{"image_id": 10, "text": "a"}])
    assert 'entry 1 should have an "image_id" and a "caption"' in refused(capsys, "wrong.json", "-r", "coco.json")
    write(place / "numbers.json", {"candidates": [1]})
    assert '"candidates" should be a list of texts' in refused(capsys, "numbers.json", "-r", "coco.json")
    write(place / "strings.json", {"candidates": ["a"], "references": ["a"]})
    assert "a list of texts for each candidate" in refused(capsys, "strings.json")
    write(place / "uneven.json", {"candidates": ["a"], "references": []})
    assert "1 candidate, but references for 0" in refused(capsys, "uneven.json")
    (place / "empty.txt").write_text("", encoding="utf-8")
    assert "empty.txt: no captions in it" in refused(capsys, "empty.txt", "-r", "coco.json")
    (place / "latin.txt").write_bytes(b"caf\xe9\n")
    assert "latin.txt: is not UTF-8 (byte 3)" in refused(capsys, "latin.txt")
    write(place / "single.json", {"candidates": ["a"], "references": [["a"]]})
    assert "--human needs images with two references" in refused(capsys, "single.json", "--human")
    assert "--json . is a folder" in refused(capsys, "single.json", "--json", ".")
    before = (place / "single.json").read_bytes()
    assert "would replace a file of this very command" in refused(capsys, "single.json", "--json", place / "single.json")
    assert "--csv coco.json would replace" in refused(capsys, "results.json", "-r", "coco.json", "--csv", "coco.json")
    assert "--csv ./t.json would replace" in refused(capsys, "single.json", "--json", "t.json", "--csv", "./t.json")
    assert (place / "single.json").read_bytes() == before and not (place / "t.json").exists()
    (place / "file").write_text("")
    assert "choose another folder with --csv" in refused(capsys, "single.json", "--csv", "file/table.csv")
    assert "'-1' should be a whole number" in refused(capsys, "single.json", "--draws=-1")


def test_java_scores_must_be_there_before_any_work(place, capsys, monkeypatch):
    from neuraltalk.metrics import java_scores

    monkeypatch.setitem(java_scores.MODULES, "METEOR", ("no_such_package.meteor", "Meteor"))
    monkeypatch.setitem(java_scores.MODULES, "SPICE", ("no_such_package.spice", "Spice"))
    assert "METEOR needs the package pycocoevalcap" in refused(capsys, "lists.json", "--meteor")
    assert "SPICE needs the package pycocoevalcap" in refused(capsys, "lists.json", "--spice")
    monkeypatch.setattr(java_scores, "check", lambda name: None)
    monkeypatch.setattr(java_scores, "java_score", lambda name, texts, references, cut: (0.25, [0.25] * len(texts)))
    assert "METEOR                25.0" in run(capsys, "lists.json", "--meteor")[1]


def test_an_empty_line_is_an_empty_caption_but_no_reference(place):
    (place / "some.txt").write_text("\na dog\n", encoding="utf-8")
    (place / "one.txt").write_text("a\n\n", encoding="utf-8")
    (place / "two.txt").write_text("b\nc\n", encoding="utf-8")
    own = read_system("some.txt", ["one.txt", "two.txt"])
    assert own.texts == ["", "a dog"] and own.references == [["a", "b"], ["c"]]


def test_letters_and_footnotes():
    assert [score_table.letter_of(k) for k in (0, 25, 26, 53)] == ["A", "Z", "A2", "B3"]
    assert score_table.footnotes([score_table.System("x", {})]) == []
    assert score_table.as_csv([score_table.System("a,b", {"x": 1.5}), score_table.System("c", {"y": None})]) == (
        'system,x,y\n"a,b",1.5,\nc,,\n'
    )
