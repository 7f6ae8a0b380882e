"""predict_on_images.py: folders with and without tasks.txt and features; every mistake in one line."""

import json
import os
import sys

import numpy as np
import pytest
import tiny_models
from PIL import Image

from neuraltalk.cli import predict
from neuraltalk.train.checkpoint import load_checkpoint


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with pictures and cv/ with a checkpoint that carries its extractor; the working directory is there."""
    monkeypatch.chdir(tmp_path)
    tiny_models.make_pictures(tmp_path / "pictures", ["b.png", "a.jpg", "c.bmp", "d.gif"])
    extractor = tiny_models.make_extractor(tmp_path / "pictures")
    (tmp_path / "cv").mkdir()
    tiny_models.make_checkpoint(tmp_path / "cv" / "tiny.p", extractor)
    return tmp_path


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of a run."""
    code = predict.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys, *arguments):
    """The error of a run that must end with one line and code 2."""
    code, out, err = run(capsys, *arguments)
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2 and out == "" and len(errors) == 1 and err.splitlines()[-1] == errors[0]
    return errors[0]


def result_of(folder):
    return json.loads((folder / "result_struct.json").read_text(encoding="utf-8"))


def test_folder_of_pictures(place, capsys):
    code, out, err = run(capsys, "-r", "pictures")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["a.jpg", "b.png", "c.bmp", "d.gif"]
    assert "page        " in err and str(place / "pictures" / "result.html")[-10:] in err
    result = result_of(place / "pictures")
    assert set(result) == {"params", "checkpoint_params", "imgblobs", "gtppl"} and result["gtppl"] is None
    assert result["params"]["beam_size"] == 7 and result["checkpoint_params"]["generator"] == "lstm"
    for number, blob in enumerate(result["imgblobs"]):
        assert (
            set(blob) == {"img_path", "candidate", "references", "imgid"}
            and blob["imgid"] == number
            and blob["references"] == []
        )
        assert blob["candidate"]["logprob"] < 0 and set(blob["candidate"]["text"].split()) <= set(tiny_models.WORDS)
    page = (place / "pictures" / "result.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4
    assert not [name for name in os.listdir(place / "pictures") if name.startswith(".")]


def test_a_second_run_gives_the_same(place, capsys):
    assert run(capsys, "-r", "pictures")[1] == run(capsys, "-r", "pictures")[1]


def test_search_options_reach_the_search(place, capsys):
    run(capsys, "-r", "pictures", "--nbest", 3, "-b", 5)
    for blob in result_of(place / "pictures")["imgblobs"]:
        assert len(blob["candidates"]) == 3 and blob["candidates"][0] == blob["candidate"]
        scores = [candidate["logprob"] for candidate in blob["candidates"]]
        assert scores == sorted(scores, reverse=True)
    run(capsys, "-r", "pictures", "--max_length", 2)
    assert all(len(blob["candidate"]["text"].split()) <= 2 for blob in result_of(place / "pictures")["imgblobs"])


def test_unreadable_pictures_are_told_and_skipped(place, capsys):
    (place / "pictures" / "broken.png").write_bytes((place / "pictures" / "b.png").read_bytes()[:60])
    (place / "pictures" / "text.jpg").write_text("not a picture")
    (place / "pictures" / "notes.txt").write_text("no picture either, nobody asks")
    code, out, err = run(capsys, "-r", "pictures")
    assert code == 0 and len(out.splitlines()) == 4
    assert (
        sum(line.startswith("skipped: ") for line in err.splitlines()) == 2
        and "broken.png" in err
        and "text.jpg" in err
    )
    assert "notes.txt" not in err


def test_tasks_choose_and_order(place, capsys):
    (place / "pictures" / "tasks.txt").write_text("c.bmp\n\na.jpg\n", encoding="utf-8")
    code, out, err = run(capsys, "-r", "pictures")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["c.bmp", "a.jpg"]
    assert "2 of the pictures in pictures aren't in its tasks.txt, and are left out: b.png" in err


def test_features_of_elsewhere_follow_tasks(place, capsys):
    """As with the original: features in a file, columns by tasks.txt; the pictures needn't even be there."""
    path = tiny_models.make_checkpoint(place / "vgg.p", dimension=9)
    features = np.random.default_rng(0).random((3, 9), dtype=np.float32)
    (place / "pictures" / "tasks.txt").write_text("b.png\ngone.png\na.jpg\n", encoding="utf-8")
    np.save(place / "pictures" / "vgg_feats.npy", features)
    code, out, _ = run(capsys, path, "-r", "pictures", "-b", 1)
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["b.png", "gone.png", "a.jpg"]
    (place / "pictures" / "tasks.txt").write_text("a.jpg\nb.png\ngone.png\n", encoding="utf-8")
    np.save(place / "pictures" / "vgg_feats.npy", features[[2, 0, 1]])
    again = run(capsys, path, "-r", "pictures", "-b", 1)[1]
    assert sorted(again.splitlines()) == sorted(out.splitlines())


def test_features_know_their_pictures_by_name(place, capsys):
    """Pictures that came and went since neuraltalk extract: each caption is still of its own picture."""
    from neuraltalk.cli import extract

    folder = place / "pictures"

    def described():
        code, _, err = run(capsys, "-r", "pictures")
        assert code == 0
        return {blob["img_path"]: round(blob["candidate"]["logprob"], 5) for blob in result_of(folder)["imgblobs"]}, err

    before, _ = described()
    assert len(set(before.values())) == 4
    assert extract.main([str(folder), "--features", str(place / "cv" / "tiny.p")]) == 0
    (folder / "a.jpg").rename(folder / "e.jpg")  # as many as before, in another order
    after, err = described()
    assert after == {name: before[name] for name in ("b.png", "c.bmp", "d.gif")}
    assert "e.jpg was added since pictures/features.npy was made: left out (neuraltalk extract pictures --force" in err
    (folder / "tasks.txt").write_text("d.gif\ne.jpg\nb.png\n")  # chooses and orders here too
    assert list(described()[0]) == ["d.gif", "b.png"]
    (folder / "tasks.txt").write_text("e.jpg\n")
    assert "has features of other pictures than those in pictures, such as e.jpg" in refused(capsys, "-r", "pictures")
    (folder / "tasks.txt").unlink()
    assert extract.main([str(folder), "--features", str(place / "cv" / "tiny.p"), "--force"]) == 0
    assert len(described()[0]) == 4


def test_features_of_a_pretrained_network_for_a_model_that_does_not_say_its_own(place, capsys, monkeypatch):
    """Equal numbers of another network would give fluent sentences about nothing: the user is told whose they are."""
    from neuraltalk.vision import extractors

    class Conv5:
        name, fingerprint = "vgg16-conv5", "0" * 64

    monkeypatch.setattr(extractors, "load_extractor", lambda path: Conv5)
    path = tiny_models.make_checkpoint(place / "vgg.p", dimension=9)
    np.save(place / "pictures" / "vgg_feats.npy", np.random.default_rng(0).random((4, 9), dtype=np.float32))
    (place / "pictures" / "extractor.npz").touch()
    code, _, err = run(capsys, path, "-r", "pictures", "-b", 1)
    assert code == 0 and "vgg_feats.npy by vgg16-conv5; " in err and "doesn't tell what it was trained on" in err


def test_newest_checkpoint_and_embedded_pictures_are_the_default(place, capsys):
    tiny_models.make_pictures(place / "data" / "scenes" / "unseen", ["unseen_00.png"])
    code, out, err = run(capsys)
    assert code == 0 and out.startswith("unseen_00.png") and "tiny.p" in err
    assert "Pictures never seen in training" in (place / "data" / "scenes" / "unseen" / "result.html").read_text(
        encoding="utf-8"
    )


def test_output_folder(place, capsys):
    assert run(capsys, "-r", "pictures", "-o", "elsewhere/deep")[0] == 0
    assert sorted(os.listdir(place / "elsewhere" / "deep")) == ["result.html", "result_struct.json"]
    assert not (place / "pictures" / "result.html").exists()


def test_a_folder_that_cannot_be_written_sends_the_result_to_results(place, capsys, monkeypatch):
    real = predict.places.check_output_folder

    def check(folder):
        if folder.name == "pictures":
            raise predict.UserError("can't write there")
        real(folder)

    monkeypatch.setattr(predict.places, "check_output_folder", check)
    code, _, err = run(capsys, "-r", "pictures")
    assert code == 0 and (place / "results" / "result.html").exists() and "goes to results" in err


def test_hostile_file_names(place, capsys):
    names = ["a <b>&\u00e9\U0001f600.png", "x'y z.png"] + (
        ["new\nline\x1b.png", "\udcff.png"] if sys.platform == "linux" else []
    )
    tiny_models.make_pictures(place / "odd", names)
    code, out, _ = run(capsys, "-r", "odd")
    assert code == 0 and len(out.splitlines()) == len(names) and "\x1b" not in out
    assert [blob["img_path"] for blob in result_of(place / "odd")["imgblobs"]] == sorted(names)
    page = (place / "odd" / "result.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt;&amp;" in page and page.count("<img") == len(names)


def test_mistakes_are_one_line(place, capsys):
    assert "nbest 8 is more than --beam_size 7" in refused(capsys, "-r", "pictures", "--nbest", 8)
    assert "'0' should be a whole number" in refused(capsys, "-b", 0)
    for text in ("nan", "500"):
        assert "should be a number, from 0 to 10" in refused(capsys, "--length_normalization", text)
    assert "there is no option --beem" in refused(capsys, "--beem")
    assert "--confidence is for captioners of regions" in refused(capsys, "-r", "pictures", "--confidence", 0.3)
    assert "--regions is for captioners of regions" in refused(capsys, "-r", "pictures", "--regions", 2)
    assert "no such folder" in refused(capsys, "-r", "nowhere")
    assert "a file, not a folder" in refused(capsys, "-r", next((place / "pictures").iterdir()))
    assert "pictures is a folder, where a checkpoint should be named" in refused(capsys, "pictures")
    assert "is a picture, where a checkpoint" in refused(capsys, next((place / "pictures").glob("*.png")))
    assert "aren't drawn yet" in refused(capsys)
    assert "nowhere.p" in refused(capsys, "nowhere.p", "-r", "pictures")
    (place / "empty").mkdir()
    assert "no pictures there" in refused(capsys, "-r", "empty")
    (place / "empty" / "broken.png").write_bytes(b"")
    assert "none of its pictures could be read" in refused(capsys, "-r", "empty")
    assert not (place / "empty" / "result.html").exists()


def test_mistakes_in_tasks(place, capsys):
    tasks = place / "pictures" / "tasks.txt"
    tasks.write_text("a.jpg\ngone.png\n", encoding="utf-8")
    assert "gone.png isn't in pictures" in refused(capsys, "-r", "pictures")
    tasks.write_text("../secret.png\n", encoding="utf-8")
    assert "outside the folder" in refused(capsys, "-r", "pictures")
    tasks.write_bytes(b"\xff\xfe\x00")
    assert "is UTF-16; save it as UTF-8" in refused(capsys, "-r", "pictures")


def test_features_of_another_kind_or_dimension_are_refused(place, capsys):
    folder = place / "pictures"
    dimension = load_checkpoint(place / "cv" / "tiny.p").image_dimension
    np.save(folder / "vgg_feats.npy", np.ones((4, 5), np.float32))
    assert f"trained on {dimension}-number features; pictures{os.sep}vgg_feats.npy has 5" in refused(
        capsys, "-r", "pictures"
    )
    np.save(folder / "vgg_feats.npy", np.ones((4, dimension), np.float32))
    assert "doesn't tell what made it" in refused(capsys, "-r", "pictures")
    tiny_models.make_pictures(place / "others", ["x.png", "y.png"])
    tiny_models.make_extractor(place / "others", seed=5).save(folder / "extractor.npz")
    assert "made by another extractor" in refused(capsys, "-r", "pictures")
    foreign = tiny_models.make_checkpoint(place / "vgg.p", dimension=dimension)
    assert "was trained on features from elsewhere" in refused(capsys, foreign, "-r", "pictures")
    (folder / "vgg_feats.npy").unlink()
    assert "can't extract them" in refused(capsys, foreign, "-r", "pictures")
    np.save(folder / "vgg_feats.npy", np.ones((7, dimension), np.float32))
    assert "7 images" in refused(capsys, "-r", "pictures")


def test_captions_of_embedded_pictures_are_judged(place, capsys):
    folder = place / "scenes"
    tiny_models.make_pictures(folder, ["one.png"])
    scene = {"filename": "one.png", "setting": "park", "time": "day", "things": [], "relations": [], "held_out": []}
    (folder / "scenes.json").write_text(json.dumps([scene]))
    code, _, err = run(capsys, "-r", "scenes")
    assert code == 0 and "0 of 1 caption is true" in err
    assert result_of(folder)["imgblobs"][0]["verdict"] in ("false", "not a sentence")
    (folder / "scenes.json").write_text("[1]")
    assert "not the truth of embedded pictures" in refused(capsys, "-r", "scenes")


def test_pictures_of_every_mode(place, capsys):
    folder = place / "modes"
    folder.mkdir()
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        Image.new(mode, (20, 30)).save(folder / f"{mode.replace(';', '')}.png")
    Image.new("CMYK", (20, 30)).save(folder / "cmyk.jpg")
    code, out, err = run(capsys, "-r", "modes")
    assert code == 0 and len(out.splitlines()) == 7 and "skipped" not in err
