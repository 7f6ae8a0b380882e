"""neuraltalk extract: files that the rest reads, by any extractor; killed and continued; pictures that can't be read."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from PIL import Image
from thin_vgg import thin_weights, use_weights

from neuraltalk.cli import extract, extraction
from neuraltalk.cli.main import main as neuraltalk_command
from neuraltalk.data.feature_writer import write_feature_rows, write_region_rows
from neuraltalk.data.features import open_features
from neuraltalk.data.journal import Journal
from neuraltalk.data.regions import open_regions
from neuraltalk.errors import UserError
from neuraltalk.vision import extractors
from neuraltalk.vision.extractors import load_extractor
from neuraltalk.vision.kmeans import KMeansExtractor, Settings
from neuraltalk.vision.view import View

SMALL = Settings(View(24, 6, 6, 8, 1), View(12, 6, 6, 4, 2))  # 24 numbers


def draw(folder, count, start=0):
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(start, start + count):
        rng = np.random.default_rng(k)
        pixels = np.full((30, 40, 3), rng.integers(0, 256, 3), np.uint8)
        y, x = rng.integers(0, 15, 2)
        pixels[y : y + 12, x : x + 15] = rng.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / f"{k:03}.png")


@pytest.fixture(scope="session")
def small_extractor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extractor")
    draw(folder, 12)
    extractor = KMeansExtractor.learn(sorted(folder.glob("*.png")), np.random.default_rng(0), SMALL, patches=200)
    extractor.save(folder / "extractor.npz")
    return folder / "extractor.npz"


@pytest.fixture
def pictures(tmp_path):
    draw(tmp_path / "pictures", 5)
    return tmp_path / "pictures"


def make_dataset(folder, count=6):
    draw(folder / "imgs", count)
    sentence = {"tokens": ["a", "box"], "raw": "A box.", "sentid": 0}
    images = [
        {"imgid": count - 1 - k, "filename": f"{k:03}.png", "split": ("train", "train", "val")[k % 3], "sentences": [sentence]}
        for k in range(count)
    ]
    (folder / "dataset.json").write_text(json.dumps({"dataset": "toy", "images": images}))


def run(*arguments):
    return extract.main([str(argument) for argument in arguments])


def refused(capsys, *arguments):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 or "error: " in error
    return error.splitlines()[-1]


# What is written


def test_a_folder_of_pictures(pictures, small_extractor, capsys):
    assert run(pictures, "--features", small_extractor, "--regions", "--count", 4) == 0
    out = capsys.readouterr().out
    assert "features.npy: 5 pictures, 24 numbers each, by kmeans" in out and "region_feats.mat: 5 pictures, 24 numbers a region" in out
    assert sorted(path.name for path in pictures.iterdir() if path.suffix != ".png") == [
        "extractor.npz", "features.npy", "features.npy.pictures.txt",
        "region_extractor.npz", "region_feats.mat", "region_feats.mat.pictures.txt",
    ]  # fmt: skip
    extractor, paths = load_extractor(small_extractor), sorted(pictures.glob("*.png"))
    np.testing.assert_array_equal(open_features(pictures, images=5).rows(range(5)), extractor.features(paths))
    regions = open_regions(pictures, 5)
    assert regions.boxes_of(2)[0].tolist() == [0, 0, 40, 30] and 2 <= len(regions.boxes_of(2)) <= 5
    np.testing.assert_allclose(regions.of([2]).features, extractor.regions(paths[2], regions.boxes_of(2)), rtol=1e-5)
    assert load_extractor(pictures / "region_extractor.npz").fingerprint == extractor.fingerprint


def test_a_data_set_follows_its_imgids(tmp_path, small_extractor):
    make_dataset(tmp_path / "toy")
    assert run(tmp_path / "toy", "--features", small_extractor, "-o", tmp_path / "out") == 0
    rows = open_features(tmp_path / "out", images=6).rows(range(6))
    extractor = load_extractor(small_extractor)
    np.testing.assert_array_equal(rows, extractor.features([tmp_path / "toy" / "imgs" / f"{5 - k:03}.png" for k in range(6)]))


def test_a_data_set_learns_its_own_dictionary(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_dataset(tmp_path / "data" / "toy")
    assert neuraltalk_command(["extract", "toy", "--features", "kmeans"]) == 0
    assert "learning a dictionary" in capsys.readouterr().err
    first = open_features("data/toy").rows(range(6))
    assert first.shape == (6, 4096)
    assert run("toy", "--features", "kmeans", "--force") == 0  # by the dictionary that is there now
    assert "learning" not in capsys.readouterr().err
    np.testing.assert_array_equal(open_features("data/toy").rows(range(6)), first)


@pytest.mark.parametrize("resize", ["pillow", "matlab"])
def test_either_way_to_resize(tmp_path, pictures, monkeypatch, resize):
    use_weights(monkeypatch, thin_weights())
    assert run(pictures, "--resize", resize, "-o", tmp_path / "out") == 0
    extractor = load_extractor(tmp_path / "out" / "extractor.npz")
    assert extractor.resize == resize
    np.testing.assert_array_equal(
        open_features(tmp_path / "out", images=5).rows(range(5)), extractor.features(sorted(pictures.glob("*.png")))
    )


def test_several_processes_give_the_same(tmp_path, small_extractor):
    draw(tmp_path / "pictures", 17)
    for jobs, name in ((1, "one"), (2, "two")):
        assert run(tmp_path / "pictures", "--features", small_extractor, "--regions", "-o", tmp_path / name, "-j", jobs) == 0
    for name in ("features.npy", "region_feats.mat"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_boxes_of_a_detector_take_the_place_of_proposals(pictures, small_extractor, tmp_path, capsys):
    boxes = {"000.png": [[1, 2, 20, 20, 0.5], [0, 0, 9, 9, 0.7]], "001.png": []}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    assert run(pictures, "--features", small_extractor, "--regions_only", "--boxes", tmp_path / "boxes.json") == 0
    assert "has no boxes for 3 of 5 pictures, which get proposals: 002.png" in capsys.readouterr().err
    regions = open_regions(pictures, 5)
    assert regions.boxes_of(0).tolist() == [[0, 0, 40, 30], [0, 0, 9, 9], [1, 2, 20, 20]]
    assert regions.boxes_of(1).tolist() == [[0, 0, 40, 30]] and len(regions.boxes_of(2)) > 1
    assert not (pictures / "features.npy").exists()


def test_a_classifier_of_ones_own_ranks(pictures, small_extractor, tmp_path):
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((24, 5)), rng.standard_normal(5)
    np.savez(tmp_path / "classes.npz", W=W, b=b)
    arguments = ("--features", small_extractor, "--regions_only", "--classifier", tmp_path / "classes.npz")
    assert run(pictures, *arguments, "--count", 3) == 0
    features = open_regions(pictures, 5).of([0]).features[1:]
    surest = (features @ W + b).max(axis=1)
    assert len(surest) <= 3 and (np.diff(surest) <= 1e-4).all()


class OnePass:
    """An extractor whose features are a picture's mean colour; a region's likewise. It counts how often it looks."""

    name, dimension, region_dimension, fingerprint = "fake", 3, 3, "f" * 64
    looks = 0

    def features_and_regions(self, images, boxes):
        OnePass.looks += len(images)
        pixels = [np.asarray(image, np.float32) for image in images]
        means = [[part[int(y) : int(Y), int(x) : int(X)].mean(axis=(0, 1)) for x, y, X, Y in own] for part, own in zip(pixels, boxes)]
        return np.stack([part.mean(axis=(0, 1)) for part in pixels]), [np.array(own, np.float32) for own in means]

    def state(self):
        return {"name": self.name, "fingerprint": self.fingerprint}

    @classmethod
    def from_state(cls, state):
        return cls()

    def save(self, path):
        np.savez(path, **self.state())


@pytest.fixture
def one_pass(tmp_path, monkeypatch):
    kinds = extractors._kinds
    monkeypatch.setattr(extractors, "_kinds", lambda: {**kinds(), "fake": OnePass})
    monkeypatch.setattr(extractors, "PRETRAINED", ("fake",))
    monkeypatch.setattr(OnePass, "looks", 0)
    OnePass().save(tmp_path / "fake.npz")
    return tmp_path / "fake.npz"


def test_one_look_serves_picture_and_regions(pictures, one_pass):
    assert run(pictures, "--features", one_pass, "--regions") == 0
    assert OnePass.looks == 5
    rows = open_features(pictures / "vgg_feats.mat", images=5).rows(range(5))  # a pretrained one's file has the usual name
    np.testing.assert_allclose(rows[1], np.asarray(Image.open(pictures / "001.png")).mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(open_regions(pictures, 5).of([1]).features[0], rows[1], rtol=1e-5)


def test_matlab_files_are_mapped_and_shown_transposed(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    write_feature_rows(tmp_path / "vgg_feats.mat", iter(rows), 4, 3)
    with open(tmp_path / "vgg_feats.mat", "rb") as file:
        assert file.read(128).startswith(b"MATLAB 7.3 MAT-file")
    with h5py.File(tmp_path / "vgg_feats.mat") as file:
        assert file["feats"].attrs["MATLAB_class"] == b"single" and file["feats"].chunks is None
    features = open_features(tmp_path, images=4)
    np.testing.assert_array_equal(features.rows([0, 3]), rows[[0, 3]])
    boxes = np.array([[0, 0, 4, 4]], np.float32)
    write_region_rows(tmp_path / "region_feats.mat", ((boxes, rows[[k]]) for k in range(4)), 4, 3)
    assert isinstance(open_regions(tmp_path, 4).features._array.base, np.memmap)
    assert not list(tmp_path.glob("*.float32.npy")) and not list(tmp_path.glob(".*"))


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        write_feature_rows(tmp_path / "vgg_feats.mat", fail(), 4, 3)
    assert list(tmp_path.iterdir()) == []


def fail():
    yield np.zeros(3, np.float32)
    raise RuntimeError


# Interrupted


def test_a_journal_loses_only_what_was_not_written_whole(tmp_path):
    path = tmp_path / "records"
    with Journal(path) as journal:
        journal.add("ä", b"one")
        first = path.stat().st_size
        journal.add("b", b"")
        journal.add("ä", b"three")
        assert journal["ä"] == b"three" and journal["b"] == b"" and len(journal) == 2 and "c" not in journal
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with Journal(path) as journal:
            whole = [end for end in (first, first + 13, len(data)) if end <= length]
            assert len(journal) == min(len(whole), 2)
            journal.add("c", b"more")
            assert journal["c"] == b"more"
        assert path.stat().st_size == (whole[-1] if whole else 0) + 17
    path.write_bytes(data[:-1] + b"!")  # a wrong checksum
    with Journal(path) as journal:
        assert journal["ä"] == b"one"
    path.write_bytes(data + bytes(40))  # what some file systems leave after a power cut
    with Journal(path) as journal:
        assert len(journal) == 2 and "" not in journal
    assert path.read_bytes() == data


SLOWLY = """
import sys, time
from neuraltalk.cli import extract, extraction
measure = extraction.measure
def slowly(plan, batch):
    time.sleep(0.3)
    return measure(plan, batch)
extraction.measure = slowly
extract.main(sys.argv[1:])
"""


def test_killed_and_continued(tmp_path, small_extractor, monkeypatch, capsys):
    draw(tmp_path / "pictures", 40)
    arguments = [str(tmp_path / "pictures"), "--features", str(small_extractor), "--regions", "--jobs", "1"]
    straight = tmp_path / "straight"
    assert run(*arguments, "-o", straight) == 0

    output = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, *arguments, "-o", str(output)], stderr=subprocess.DEVNULL)
    records = output / extraction.PARTIAL / "records"
    deadline = time.monotonic() + 60
    while not (records.is_file() and records.stat().st_size > 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    with Journal(records) as journal:
        measured = len(journal)
    assert 0 < measured < 40 and not (output / "features.npy").exists()

    left = []
    measure = extraction.measure
    monkeypatch.setattr(extraction, "measure", lambda plan, batch: left.extend(batch) or measure(plan, batch))
    capsys.readouterr()
    assert run(*arguments, "-o", output) == 0
    assert 0 <= len(left) - (40 - measured) < extraction.BATCH  # a batch is measured as a whole
    assert f"{measured} of 40 pictures are measured already" in capsys.readouterr().err
    for name in ("features.npy", "region_feats.mat", "extractor.npz"):
        assert (output / name).read_bytes() == (straight / name).read_bytes()
    assert not records.parent.exists()


def orphans(marker):
    """Processes whose command line or environment has the marker."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                if marker.encode() in file.read():
                    found.append(entry)
        except OSError:
            pass
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
def test_workers_end_with_their_killed_parent(tmp_path, small_extractor):
    draw(tmp_path / "pictures", 40)
    marker = f"ORPHANS_OF={tmp_path.name}-{os.getpid()}"
    environment = dict([*os.environ.items(), marker.split("=")])
    command = [sys.executable, "-m", "neuraltalk.cli.extract", str(tmp_path / "pictures"), "--features", str(small_extractor), "-j", "2"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 60
    while len(orphans(marker)) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while orphans(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not orphans(marker)


def test_pictures_may_change_in_between(pictures, small_extractor, monkeypatch):
    arguments = (pictures, "--features", small_extractor)
    monkeypatch.setattr(extraction, "assemble", lambda *rest: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(*arguments) == 130
    monkeypatch.undo()
    os.utime(pictures / "001.png", (0, 0))
    draw(pictures, 1, start=5)
    left = []
    measure = extraction.measure
    monkeypatch.setattr(extraction, "measure", lambda plan, batch: left.extend(batch) or measure(plan, batch))
    assert run(*arguments) == 0
    assert {"001.png", "005.png"} <= {path.name for _, path, _ in left} and open_features(pictures).count == 6


def test_an_unfinished_run_of_another_kind_is_kept(pictures, small_extractor, monkeypatch, capsys):
    arguments = (pictures, "--features", small_extractor)
    monkeypatch.setattr(extraction, "assemble", lambda *rest: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(*arguments) == 130
    monkeypatch.undo()
    assert "--restart to begin anew" in refused(capsys, *arguments, "--regions")
    assert run(*arguments, "--regions", "--restart") == 0


# Unreadable pictures


def test_unreadable_pictures_of_a_folder_are_left_out(pictures, small_extractor, capsys):
    (pictures / "001.png").write_bytes(b"not a picture")
    assert run(pictures, "--features", small_extractor, "--regions") == 0
    captured = capsys.readouterr()
    assert "skipped: " in captured.err and "001.png" in captured.err
    assert "1 of 5 pictures couldn't be read" in captured.out and "npy.pictures.txt names the others" in captured.out
    for file in ("features.npy", "region_feats.mat"):
        assert (pictures / f"{file}.pictures.txt").read_text().split() == ["000.png", "002.png", "003.png", "004.png"]
    rows = open_features(pictures, images=4).rows(range(4))
    np.testing.assert_array_equal(rows[1], load_extractor(small_extractor).features([pictures / "002.png"])[0])
    assert open_regions(pictures, 4).count == 4


def test_unreadable_pictures_of_a_data_set_have_zeros(tmp_path, small_extractor, capsys):
    make_dataset(tmp_path / "toy")
    (tmp_path / "toy" / "imgs" / "005.png").unlink()
    assert run(tmp_path / "toy", "--features", small_extractor, "--regions") == 0
    assert "their rows are zeros" in capsys.readouterr().out
    rows = open_features(tmp_path / "toy", images=6).rows(range(6))
    assert not rows[0].any() and rows[1:].any(axis=1).all()
    regions = open_regions(tmp_path / "toy", 6)
    assert len(regions.boxes_of(0)) == 1 and not regions.of([0]).features.any()


def test_of_many_missing_pictures_some_are_named(tmp_path, small_extractor, monkeypatch, capsys):
    monkeypatch.setattr(extraction, "TOLD", 2)
    make_dataset(tmp_path / "toy")
    for path in sorted((tmp_path / "toy").rglob("*.png"))[:4]:
        path.unlink()
    assert run(tmp_path / "toy", "--features", small_extractor) == 0
    captured = capsys.readouterr()
    assert "4 of 6 pictures aren't there, and will have rows of zeros: " in captured.err.splitlines()[0]
    assert captured.err.count("skipped: ") == 2 and "(further ones are only counted)" in captured.err
    assert "4 of 6 pictures couldn't be read" in captured.out


def test_none_readable(pictures, small_extractor, capsys):
    for path in pictures.glob("*.png"):
        path.write_bytes(b"")
    assert "none of the 5 pictures can be read" in refused(capsys, pictures, "--features", small_extractor)


# Mistakes


def test_nothing_is_replaced_unasked(pictures, small_extractor, capsys):
    arguments = (pictures, "--features", small_extractor)
    assert run(*arguments) == 0
    assert "features.npy: is there already; --force replaces it" in refused(capsys, *arguments)
    assert "features.npy: is there already; --regions_only keeps it, --force replaces it" in refused(capsys, *arguments, "--regions")
    (pictures / "vgg_feats.mat").touch()
    assert "vgg_feats.mat: is there already; move it away" in refused(capsys, *arguments, "--force")


@pytest.mark.parametrize(
    "arguments,message",
    [
        (("nowhere",), "no data set 'nowhere'"),
        (("nowhere",), "a dataset.json, or a folder of pictures"),
        (("pictures", "--features", "vgg19"), "expected one of vgg16-fc7, vgg16-conv5, kmeans, or the file"),
        (("pictures", "--features", "kmeans"), "a folder has no dictionary"),
        (("pictures", "--features", "vgg16-conv5", "--weights", "none.npz"), "none.npz"),
        (("pictures", "--features", "EXTRACTOR", "--boxes", "b.json"), "--boxes is about regions; add --regions"),
        (("pictures", "--features", "EXTRACTOR", "--count", "3"), "--count is about regions; add --regions"),
        (("pictures", "--features", "EXTRACTOR", "--regions", "--boxes", "b.json", "--score", "classes"), "come ranked"),
        (("pictures", "--features", "EXTRACTOR", "--regions", "--classifier", "c.npz", "--score", "classes"), "choose one"),
        (("pictures", "--features", "EXTRACTOR", "--regions", "--score", "classes"), "kmeans has none"),
        (("pictures", "--features", "EXTRACTOR", "--regions", "--classifier", "c.npz"), "c.npz: not a classifier"),
        (("pictures", "--features", "EXTRACTOR", "--regions", "--boxes", "b.json"), "names none of the 5 pictures"),
        (("pictures", "--features", "EXTRACTOR", "--resize", "matlab"), "has its own way, so leave it out"),
        (("pictures", "--count", "0"), "whole number, 1 or more"),
        (("empty",), "no pictures there"),
    ],
)
def test_mistakes(pictures, small_extractor, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "b.json").write_text('{"x.png": [[0, 0, 1, 1]]}')
    assert message in refused(capsys, *(small_extractor if part == "EXTRACTOR" else part for part in arguments))
    assert not (pictures / extraction.PARTIAL).exists()


@pytest.mark.skipif(os.name == "nt", reason="no such file names there")
@pytest.mark.parametrize("name", ["two\nlines.png", " blank.png", "separated\u2028lines.png"])
def test_names_that_a_list_cannot_hold(pictures, small_extractor, capsys, name):
    (pictures / "000.png").rename(pictures / name)
    assert f"a picture is named {name!r}" in refused(capsys, pictures, "--features", small_extractor)


def test_data_sets_without_pictures_or_of_regions(tmp_path, small_extractor, capsys):
    make_dataset(tmp_path / "toy")
    document = json.loads((tmp_path / "toy" / "dataset.json").read_text())
    (tmp_path / "toy" / "dataset.json").write_text(json.dumps({**document, "pictures": "elsewhere"}))
    assert "none of the 6 pictures is there" in refused(capsys, tmp_path / "toy", "--features", small_extractor)
    (tmp_path / "toy" / "dataset.json").write_text(json.dumps({**document, "regions_of": "../toy"}))
    assert "is a data set of regions" in refused(capsys, tmp_path / "toy", "--features", small_extractor)


def test_records_survive_packing():
    rng = np.random.default_rng(0)
    record = extraction.Record(rng.random(3, np.float32), rng.random((2, 4), np.float32), rng.random((2, 5), np.float32))
    for ours, theirs in zip(record[:3], extraction.unpack(extraction.pack(record))[:3]):
        np.testing.assert_array_equal(ours, theirs)
    assert extraction.unpack_fault(extraction.pack(extraction.Record(fault="a\nb"))) == "a\nb"
    assert extraction.unpack(extraction.pack(extraction.Record())).boxes is None


def test_errors_are_user_errors(tmp_path):
    with pytest.raises(UserError, match="another extractor"):
        (tmp_path / "plan.json").write_text("{}")
        extraction.check_same_work(tmp_path / "plan.json", OnePass(), True, None, None)
