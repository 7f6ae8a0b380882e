"""eval_sentence_predictions.py: its figures against the functions behind them; every mistake in one line."""

import json
import os

import numpy as np
import pytest
import tiny_models
from test_cli_predict import result_of

from neuraltalk.cli import evaluate, evaluate_captioner
from neuraltalk.data.dataset import load_dataset
from neuraltalk.metrics import scores
from neuraltalk.metrics.bleu import corpus_bleu
from neuraltalk.train.checkpoint import load_checkpoint


@pytest.fixture
def place(tmp_path, monkeypatch):
    """data/tiny, its extractor, and a checkpoint in cv/; the working directory is there."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "tiny"
    tiny_models.make_pictures(folder / "imgs", ["0.png", "1.png"])
    extractor = tiny_models.make_extractor(folder / "imgs")
    tiny_models.make_dataset(folder, extractor)
    (tmp_path / "cv").mkdir()
    tiny_models.make_checkpoint(tmp_path / "cv" / "tiny.p", extractor)
    return tmp_path


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of a run."""
    code = evaluate.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys, *arguments):
    """The error of a run that must end with one line and code 2, nothing printed and nothing written."""
    code, out, err = run(capsys, *arguments)
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2 and out == "" and len(errors) == 1 and err.splitlines()[-1] == errors[0]
    assert not os.path.exists("results") or not os.listdir("results")
    return errors[0]


def figures(out):
    """label -> value of a printed table."""
    return {line[2:20].strip(): line[20:28].strip().removesuffix(" %") for line in out.splitlines()[1:]}


def test_figures_are_those_of_the_result(place, capsys):
    code, out, err = run(capsys)
    assert code == 0 and out.startswith("tiny, test split: 2 images, 4 sentences; beam 7")
    table, result = figures(out), result_of_results(place)
    candidates = [blob["candidate"]["text"].split() for blob in result["imgblobs"]]
    references = [[reference["text"].split() for reference in blob["references"]] for blob in result["imgblobs"]]
    assert references == [
        [["the", "dog", "sits"], ["a", "dog"]],
        [["one", "cat", "sits", "here"], ["a", "dog", "runs"]],
    ]
    for n, value in enumerate(corpus_bleu(candidates, references)):
        assert table[f"BLEU-{n + 1}"] == f"{100 * value:.1f}"
    assert "coco-caption" in out and "brevity penalty on" in out and "multi-bleu" in out
    assert (
        table["perplexity"] == f"{result['gtppl']:.2f}" and "6 vocabulary entries, 25.00 % of the words skipped" in out
    )
    assert "note: 25 % of the words" in err
    assert float(table["distinct captions"]) == 100 * len(set(map(tuple, candidates))) / 2
    assert float(table["novel captions"]) in (0, 50, 100)
    page = (place / "results" / "result_struct.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2 and "BLEU-4" in page and "one cat sits here" in page
    assert "result_struct.html" in err


def result_of_results(place):
    return result_of(place / "results")


def test_perplexity_is_the_slow_sum(place, capsys):
    """Word by word through begin and advance: 2 to the mean of -log2 p, unknown words skipped, END counted."""
    run(capsys)
    checkpoint = load_checkpoint(place / "cv" / "tiny.p")
    captioner, features = checkpoint.captioner(np.float64), np.load(place / "data" / "tiny" / "features.npy")
    bits, count = 0.0, 0
    for image in load_dataset(place / "data" / "tiny").split("test"):
        for sentence in image.sentences:
            state, last = captioner.begin(features[image.imgid : image.imgid + 1]), 0
            for word in [*checkpoint.vocabulary.encode(sentence.tokens), 0]:
                scores, state = captioner.advance(state, np.zeros(1, int), np.array([last]))
                bits -= np.log2(np.exp(scores[0, word]) / np.exp(scores[0]).sum())
                count, last = count + 1, word
    assert result_of_results(place)["gtppl"] == pytest.approx(2 ** (bits / count), rel=1e-5)


def test_result_has_the_original_schema(place, capsys):
    run(capsys, "-s", "val", "--result_struct_filename", "val.json", "-o", "out", "-m", 1, "--nbest", 2)
    result = json.loads((place / "out" / "val.json").read_text(encoding="utf-8"))
    assert list(result) == ["params", "checkpoint_params", "imgblobs", "gtppl"]
    (blob,) = result["imgblobs"]
    assert blob["img_path"] == "imgs/1.png" and blob["imgid"] == 1 and set(blob["candidate"]) == {"text", "logprob"}
    assert len(blob["candidates"]) == 2 and set(blob["references"][0]) == {"text"}
    assert (place / "out" / "val.html").exists()


def test_another_data_set_by_name_or_folder(place, capsys):
    from neuraltalk.vision.extractors import extractor_from_state

    extractor = extractor_from_state(load_checkpoint(place / "cv" / "tiny.p").extractor)
    tiny_models.make_dataset(place / "somewhere" / "else", extractor)
    assert run(capsys, "-d", place / "somewhere" / "else")[0] == 0
    without_features = tiny_models.make_dataset(place / "data" / "bare")
    first = run(capsys, "-d", "bare")
    assert first[0] == 0 and "features: picture 2/2" in first[2]
    assert first[1].splitlines()[1:] == run(capsys)[1].splitlines()[1:]  # the same pictures, so the same features
    (without_features / "imgs" / "2.png").write_bytes(b"broken")
    assert run(capsys, "-d", "bare")[0] == 2


def test_captions_of_scenes_are_judged_and_split(place, capsys):
    scenes = [
        {
            "imgid": k,
            "filename": f"{k}.png",
            "setting": "park",
            "time": "day",
            "things": [],
            "relations": [],
            "held_out": ["red ball"] if k == 2 else [],
        }
        for k in range(6)
    ]
    (place / "data" / "tiny" / "scenes.json").write_text(json.dumps(scenes))
    code, out, _ = run(capsys)
    assert code == 0 and figures(out)["true captions"] == "0.0"
    assert "new pairings" in out and "seen pairings" in out
    assert all("verdict" in blob for blob in result_of_results(place)["imgblobs"])


def test_judged_rows():
    rows = evaluate_captioner.judged([("true", False), ("true", False), ("false", False), ("not a sentence", True)])
    assert [(label.strip(), value) for label, value, _ in rows] == [
        ("true captions", "50.0 %"),
        ("seen pairings", "66.7 %"),
        ("new pairings", "0.0 %"),
    ]
    assert len(evaluate_captioner.judged([("true", False)])) == 1 and evaluate_captioner.judged([]) == []


def test_mistakes_are_one_line(place, capsys):
    assert "nbest 2 is more than --beam_size 1" in refused(capsys, "-b", 1, "--nbest", 2)
    assert "invalid choice" in refused(capsys, "-s", "dev")
    assert "--max_images 0 makes no sense" in refused(capsys, "-m", 0)
    assert "should be a file name with .json" in refused(capsys, "--result_struct_filename", "../x.json")
    assert "no data set 'nothing'" in refused(capsys, "-d", "nothing")
    assert "nowhere.p" in refused(capsys, "nowhere.p")
    (place / "file").write_text("")
    assert "can't write there" in refused(capsys, "-o", "file/below")


def test_a_checkpoint_that_does_not_tell_its_data(place, capsys):
    path = tiny_models.make_checkpoint(place / "old.p", dimension=9, dataset=None)
    assert "doesn't tell what it was trained on" in refused(capsys, path)


def test_a_split_without_sentences(place, capsys):
    path = place / "data" / "tiny" / "dataset.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for image in document["images"]:
        if image["split"] == "test":
            image["sentences"] = []
    path.write_text(json.dumps(document), encoding="utf-8")
    message = refused(capsys)
    assert "no image with sentences in its test split" in message and "train 2, val 2" in message
    document["images"][2]["sentences"] = document["images"][0]["sentences"]
    path.write_text(json.dumps(document), encoding="utf-8")
    code, out, err = run(capsys)
    assert code == 0 and "1 image, 2 sentences" in out and "1 image of the test split without sentences is left out" in err


def test_features_and_words_must_fit_the_checkpoint(place, capsys):
    tiny_models.make_dataset(place / "data" / "vgg", dimension=9)
    assert "-number features; data" in refused(capsys, "-d", "vgg")
    dimension = load_checkpoint(place / "cv" / "tiny.p").image_dimension
    tiny_models.make_dataset(place / "data" / "vgg", dimension=dimension)
    assert "doesn't tell what made it" in refused(capsys, "-d", "vgg")
    foreign = tiny_models.make_checkpoint(place / "vgg.p", dimension=dimension, dataset="vgg")
    assert run(capsys, foreign, "-o", "elsewhere")[0] == 0
    assert "was trained on features from elsewhere" in refused(capsys, foreign, "-d", "tiny")
    german = tiny_models.make_checkpoint(place / "german.p", dimension=dimension, dataset="vgg", words=["ein", "hund"])
    assert "knows none of the words" in refused(capsys, german)


def test_systems_beside_each_other(place, capsys):
    """Two models, two beam sizes, the nearest image and people: a column for each, the same in JSON and CSV, a result for each model's."""
    from neuraltalk.vision.extractors import extractor_from_state

    extractor = extractor_from_state(load_checkpoint(place / "cv" / "tiny.p").extractor)
    tiny_models.make_checkpoint(place / "cv" / "other.p", extractor, words=["a", "dog", "cat", "runs"])
    code, out, err = run(
        capsys, "cv/tiny.p", "cv/other.p", "-b", "1,3", "--nearest", "--human", "--json", "t.json", "--csv", "t.csv", "--draws", 20
    )
    assert code == 0, err
    table = json.loads((place / "t.json").read_text(encoding="utf-8"))
    assert table["dataset"] == "tiny" and table["images"] == 2 and table["sentences"] == 4
    labels = [system["system"] for system in table["systems"]]
    assert labels[:4] == ["cv/tiny.p, greedy", "cv/tiny.p, beam 3", "cv/other.p, greedy", "cv/other.p, beam 3"]
    assert labels[4] == "the nearest training image's sentence" and labels[5].startswith("people: each sentence")
    assert [line.split()[0] for line in (place / "t.csv").read_text(encoding="utf-8").splitlines()[1:3]] == ['"cv/tiny.p,', '"cv/tiny.p,']
    assert all(f"  {letter}   {label}" in out for letter, label in zip("ABCDEF", labels))
    first, other = (table["systems"][k]["figures"] for k in (0, 2))  # perplexities are over other words: it is told beside them
    assert other["vocabulary"] == 5 < first["vocabulary"] and other["skipped words"] > first["skipped words"]
    assert "vocabulary" in (place / "t.csv").read_text(encoding="utf-8") and "\n  vocabulary " in out and "\n  skipped words " in out
    for letter, system in zip("ABCDE", table["systems"]):
        result = json.loads((place / "results" / f"result_struct_{letter}.json").read_text(encoding="utf-8"))
        captions = [blob["candidate"]["text"] for blob in result["imgblobs"]]
        own = [[reference["text"] for reference in blob["references"]] for blob in result["imgblobs"]]
        assert scores.score(captions, own).figures().items() <= system["figures"].items()
        assert [blob["scores"] for blob in result["imgblobs"]] == scores.score(captions, own).of_each()
    assert not (place / "results" / "result_struct_F.json").exists()
    assert result["imgblobs"][0]["candidate"] == {"text": nearest_by_hand(place, 2)}
    assert json.loads((place / "results" / "result_struct_B.json").read_text())["params"]["beam_size"] == 3
    page = (place / "results" / "result_struct.html").read_text(encoding="utf-8")
    assert "cv/other.p, beam 3" in page and "ROUGE-L" in page


def test_results_of_an_earlier_run_are_set_aside(place, capsys):
    """Nothing that lies there under the name of a result belongs to another run than the page."""
    def there():
        return sorted(path.name for path in (place / "results").glob("*.json"))

    assert run(capsys, "-b", "1")[0] == 0 and there() == ["result_struct.json"]
    first = (place / "results" / "result_struct.json").read_bytes()
    (place / "results" / "result_struct_of_mine.json").write_bytes(b"{}")
    code, _, err = run(capsys, "-b", "1,2,3")
    assert code == 0 and "result_struct.json of an earlier run is result_struct.previous.json now" in err
    assert there() == [*(f"result_struct{name}.json" for name in (".previous", "_A", "_B", "_C", "_of_mine"))]
    assert (place / "results" / "result_struct.previous.json").read_bytes() == first
    assert "result_struct_C.json of an earlier run" in run(capsys, "-b", "1,2")[2]
    assert run(capsys, "-b", "1")[0] == 0
    assert [name for name in there() if ".previous" not in name] == ["result_struct.json", "result_struct_of_mine.json"]


def nearest_by_hand(place, imgid):
    """The first sentence of the training image whose features have the greatest cosine."""
    features = np.load(place / "data" / "tiny" / "features.npy").astype(np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    train = load_dataset(place / "data" / "tiny").split("train")
    return " ".join(max(train, key=lambda image: unit[image.imgid] @ unit[imgid]).sentences[0].tokens)


def test_scores_of_a_result_file_are_those_of_eval(place, capsys):
    from neuraltalk.cli import score

    run(capsys, "--json", "eval.json")
    assert score.main(["results/result_struct.json", "--json", "score.json"]) == 0
    of_eval, of_score = (
        json.loads((place / name).read_text(encoding="utf-8"))["systems"][0]["figures"] for name in ("eval.json", "score.json")
    )
    assert of_score.items() <= of_eval.items() and "perplexity" in of_eval and "novel captions" in of_eval


def test_nearest_image_from_pictures_alone(place, capsys):
    (place / "data" / "tiny" / "features.npy").unlink()
    code, out, err = run(capsys, "cv/tiny.p", "cv/tiny.p", "--nearest", "-m", 1, "--draws", 0)
    assert code == 0 and err.count("features: picture 3/3") == 1 and "±" not in out


def test_mistakes_about_systems_beside_each_other(place, capsys):
    assert "3 is more than --beam_size 1" in refused(capsys, "-b", "7,1", "--nbest", 3)
    assert "'x' should be a whole number" in refused(capsys, "-b", "1,x")
    path = place / "data" / "tiny" / "dataset.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for image in document["images"]:
        image["sentences"] = image["sentences"][:1] if image["split"] == "test" else []
    path.write_text(json.dumps(document), encoding="utf-8")
    assert "no training images with sentences" in refused(capsys, "--nearest")
    assert "--human needs images with two references" in refused(capsys, "--human")
