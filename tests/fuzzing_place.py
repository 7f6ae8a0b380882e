"""An honest file of every kind that is read, for fuzzing.py to damage: made in a folder, with the functions that read them."""

import gzip
import json
import os
import pathlib
import sys
import warnings

import h5py
import numpy as np
import scipy.io
from PIL import Image

VOCABULARY = ["a", "dog", "cat", "runs", "sits", "the", "one", "here"]
SIZES = [
    "--image_encoding_size",
    "5",
    "--word_encoding_size",
    "5",
    "--hidden_size",
    "4",
    "--word_count_threshold",
    "1",
    "-b",
    "4",
    "-m",
    "1",
]

# What is damaged, below the place, and the command that meets it
COMMANDS = [
    ("cv/tiny.p", ["predict", "cv/tiny.p", "-r", "pictures", "-b", "2"]),
    ("pictures/a.jpg", ["predict", "cv/tiny.p", "-r", "pictures", "-b", "2"]),
    ("measured/vgg_feats.mat", ["predict", "cv/plain.p", "-r", "measured", "-b", "2"]),
    ("measured/tasks.txt", ["predict", "cv/plain.p", "-r", "measured", "-b", "2"]),
    ("cv/tiny.p", ["eval", "cv/tiny.p", "-s", "val", "-b", "2"]),
    ("data/tiny/dataset.json", ["eval", "cv/tiny.p", "-s", "val", "-b", "2"]),
    ("data/tiny/features.npy", ["eval", "cv/tiny.p", "-s", "val", "-b", "2"]),
    ("data/tiny/extractor.npz", ["eval", "cv/tiny.p", "-s", "val", "-b", "2"]),
    ("cv/toy_alignment_baseline.p", ["eval", "cv/toy_alignment_baseline.p", "-s", "val"]),
    ("data/toy/dataset.json", ["eval", "cv/toy_alignment_baseline.p", "-s", "val"]),
    ("data/toy/region_feats.npz", ["eval", "cv/toy_alignment_baseline.p", "-s", "val"]),
    ("data/toy/phrases.json", ["eval", "cv/toy_alignment_baseline.p", "-s", "val"]),
    ("cv/toy_alignment_baseline.p", ["search", "cv/toy_alignment_baseline.p", "a dog"]),
    ("cv/toy_alignment_baseline.p", ["phrases", "cv/toy_alignment_baseline.p"]),
    ("data/toy/region_feats.npz", ["phrases", "cv/toy_alignment_baseline.p"]),
    ("data/tiny/dataset.json", ["train", "-d", "tiny", *SIZES]),
    ("data/tiny/features.npy", ["train", "-d", "tiny", *SIZES]),
    ("cv/tiny_lstm_baseline.last.p", ["train", "--resume", "cv/tiny_lstm_baseline.last.p", "-m", "2"]),
    ("cv/tiny_lstm_baseline.last.p", ["share", "cv/tiny_lstm_baseline.last.p", "small.p"]),
    (
        "vectors.txt",
        [
            "train",
            "--model",
            "alignment",
            "-d",
            "toy",
            "--word_vectors",
            "vectors.txt",
            "--word_encoding_size",
            "4",
            "--hidden_size",
            "4",
            "--embedding_size",
            "5",
            "-m",
            "0.2",
            "--word_count_threshold",
            "1",
        ],
    ),
    ("results/result_struct.json", ["page", "results/result_struct.json"]),
    ("results/result_struct.json", ["score", "results/result_struct.json"]),
    ("status/host_toy_status.json", ["monitor", "status", "--once"]),
    ("status/host_toy_status.json", ["plot", "status", "-o", "curves.svg"]),
    ("captions.csv", ["dataset", "data/new", "captions.csv", "--pictures", "pictures"]),
    ("pictures/extract.partial/records", ["extract", "pictures", "--features", "data/tiny/extractor.npz"]),
    ("pictures/extract.partial/plan.json", ["extract", "pictures", "--features", "data/tiny/extractor.npz"]),
    (
        "pictures/boxes.json",
        ["extract", "pictures", "--features", "data/tiny/extractor.npz", "--regions_only", "--boxes", "pictures/boxes.json", "--restart"],
    ),
]


def make(place):
    """Fill the folder `place`, which doesn't exist yet."""
    place = pathlib.Path(place).resolve()
    place.mkdir(parents=True)
    before, arguments = os.getcwd(), sys.argv
    os.chdir(place)
    sys.argv = ["neuraltalk"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries that write old formats
            _make_world(place)
            _make_files(place)
    finally:
        os.chdir(before)
        sys.argv = arguments


def _make_world(place):
    """What commands work on."""
    import tiny_models
    from test_alignment_evaluation import WORDS, make_aligner
    from test_alignment_training import make_toy
    from test_runs import entry, write

    from neuraltalk.cli import extraction
    from neuraltalk.files import write_json
    from neuraltalk.train.checkpoint import load_checkpoint

    tiny_models.make_pictures(place / "pictures", ["a.jpg", "b.png", "c.gif"])
    extractor = tiny_models.make_extractor(place / "pictures")
    tiny_models.make_dataset(place / "data" / "tiny", extractor)
    (place / "cv").mkdir()
    tiny_models.make_checkpoint(place / "cv" / "tiny.p", extractor)
    tiny_models.make_checkpoint(place / "cv" / "plain.p", dimension=7)
    tiny_models.make_pictures(place / "measured", ["a.png", "b.png", "c.png"])
    scipy.io.savemat(place / "measured" / "vgg_feats.mat", {"feats": np.random.default_rng(0).random((7, 3))})
    (place / "measured" / "tasks.txt").write_text("c.png\na.png\nb.png\n")
    make_toy(place / "data" / "toy", 12)
    phrases = [
        [{"sentence": 0, "phrase": "a dog", "box": [1, 1, 15, 15]}, {"sentence": 1, "phrase": "the cat", "box": [0, 0, 40, 30]}]
    ] * 12
    write_json(place / "data" / "toy" / "phrases.json", phrases)
    make_aligner(place / "cv" / "toy_alignment_baseline.p", WORDS)
    tiny_models.make_pictures(place / "data" / "toy" / "imgs", [f"{k}.png" for k in range(12)])
    _run(["train", "-d", "tiny", *SIZES])
    (place / "cv" / "tiny_lstm_baseline.p").replace(place / "cv" / "trained.p")
    history = [entry(it, minutes=it / 10) for it in range(0, 20, 4)] + [
        entry(20 * e, 30 - 2 * e, minutes=2 * e, evaluated=True) for e in range(1, 5)
    ]
    write(place / "status", "host_toy", history, state="finished", params={"dataset": "toy", "batch_size": 100, "learning_rate": 0.01})
    _run(["eval", "cv/tiny.p", "-s", "val", "-b", "2"])
    (place / "captions.csv").write_text(
        'file,caption,split\na.jpg,"a dog, running",train\nb.png,a cat,train\nc.gif,"one ""big"" dog",val\n'
    )
    vectors = np.random.default_rng(0).standard_normal((len(WORDS), 4)).round(4)
    (place / "vectors.txt").write_text("".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in zip(WORDS, vectors)))
    write_json(place / "pictures" / "boxes.json", {"a.jpg": [[0, 0, 10, 10], [5, 5, 20, 20]], "b.png": [[1, 2, 3.5, 9]], "c.gif": []})
    assemble, extraction.assemble = extraction.assemble, _stop
    try:
        _run(["extract", "pictures", "--features", "data/tiny/extractor.npz"], code=2)
    finally:
        extraction.assemble = assemble
    assert (place / "pictures" / "extract.partial" / "records").stat().st_size and load_checkpoint("cv/tiny_lstm_baseline.last.p").training


def _stop(*arguments):
    from neuraltalk.errors import UserError

    raise UserError("stopped")


def _run(argv, code=0):
    import contextlib
    import io

    from neuraltalk.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        found = main(argv)
    assert found == code, (argv, said.getvalue())


def _make_files(place):
    """Files for the readers, a folder for each kind."""
    import tiny_models
    import weight_files as weights

    from neuraltalk.data.feature_writer import write_feature_rows, write_region_rows
    from neuraltalk.files import write_json

    rng = np.random.default_rng(1)
    folder = {
        name: place / "files" / name
        for name in (
            "checkpoints",
            "features",
            "regions",
            "weights",
            "pictures",
            "vectors",
            "captions",
            "json",
            "boxes",
            "results",
            "scored",
            "npz",
        )
    }
    for own in folder.values():
        own.mkdir(parents=True)
    for path in (place / "cv").glob("*.p"):
        (folder["checkpoints"] / path.name).write_bytes(path.read_bytes())
    python2 = pathlib.Path(__file__).parent / "data" / "neuraltalk_python2.p"
    (folder["checkpoints"] / python2.name).write_bytes(python2.read_bytes())

    feats = rng.random((6, 7), dtype=np.float32)
    own = folder["features"]
    scipy.io.savemat(own / "plain5.mat", {"other": np.eye(2), "feats": feats.T})
    scipy.io.savemat(own / "packed5.mat", {"feats": feats.T.astype("f8")}, do_compression=True)
    write_feature_rows(own / "seven.mat", iter(feats), *feats.shape)
    np.save(own / "a.npy", feats)
    np.save(own / "fortran.npy", np.asfortranarray(feats.astype("f8")))
    np.savez(own / "a.npz", feats=feats, other=np.arange(3))
    np.savez_compressed(own / "packed.npz", feats=feats)
    for name, more in (("a.h5", {}), ("chunked.h5", {"chunks": (2, 7), "compression": "gzip", "shuffle": True, "fletcher32": True})):
        with h5py.File(own / name, "w") as file:
            file.create_dataset("feats", data=feats, **more)
            file.create_group("group").attrs["note"] = "x"
    with h5py.File(own / "latest.h5", "w", libver="latest") as file:
        file.create_dataset("feats", data=feats, chunks=(2, 7), compression="gzip", maxshape=(None, 7))

    own = folder["regions"]
    columns = {
        "feats": rng.random((5, 6), dtype=np.float32),
        "boxes": np.array([[0, 0, 40, 30], [1, 1, 9, 9]] * 3, "f4").T,
        "image": np.array([[0, 0, 1, 1, 2, 2]]),
    }
    np.savez(own / "a.npz", **columns)
    with h5py.File(own / "rows.h5", "w") as file:
        for name, array in {**columns, "image": columns["image"][0]}.items():
            file.create_dataset(name, data=array.T, chunks=True)
    scipy.io.savemat(own / "five.mat", columns, do_compression=True)
    scipy.io.savemat(own / "plain.mat", columns)
    boxes = columns["boxes"].T.reshape(3, 2, 4)
    write_region_rows(own / "seven.mat", zip(boxes, columns["feats"].T.reshape(3, 2, 5)), 6, 5)

    own, layers = folder["weights"], weights.thin_layers()
    weights.write_npz(own / "a.npz", layers, classes=np.array(weights.CLASSES), source=np.array("x"))
    weights.write_tensorflow_npz(own / "tf.npz", weights.convolutions(layers))
    weights.write_matconvnet(own / "a.mat", layers, compressed=True)
    weights.write_matconvnet(own / "old.mat", layers, old=True)
    weights.write_matlab73(own / "v73.mat", layers)
    weights.write_caffe(own / "a.caffemodel", layers)
    weights.write_caffe(own / "new.caffemodel", weights.convolutions(layers), old=False)
    weights.write_keras(own / "a.h5", layers)
    weights.write_keras(own / "later.h5", layers, published=False)
    weights.write_torch_zip(own / "a.pth", layers)
    weights.write_torch_stream(own / "stream.pth", layers)
    weights.write_torch_stream(own / "parameters.pth", layers, parameter="REDUCE")
    weights.write_lpips(own / "a.ckpt", layers)

    own = folder["pictures"]
    picture = Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(own / "a.png")
    picture.convert("P").save(own / "palette.png", transparency=3)
    Image.fromarray(rng.integers(0, 65535, (30, 40)).astype("u2")).save(own / "grey.png")
    picture.save(own / "a.jpg", exif=exif)
    picture.save(own / "progressive.jpg", progressive=True)
    picture.convert("CMYK").save(own / "cmyk.jpg")
    picture.save(own / "a.gif", save_all=True, append_images=[picture.rotate(9)])
    for name, more in (("a.tif", {}), ("lzw.tif", {"compression": "tiff_lzw"}), ("jpeg.tif", {"compression": "jpeg"})):
        picture.save(own / name, **more)
    for name in ("a.bmp", "a.webp", "a.ppm", "a.tga", "a.ico", "a.jp2", "a.pcx", "a.sgi", "a.dds", "a.im", "a.icns"):
        _save_picture(picture, own / name)
    picture.convert("F").save(own / "float.tif")

    own = folder["vectors"]
    words = [*VOCABULARY, *(f"w{k}" for k in range(20))]
    numbers = rng.standard_normal((len(words), 4)).astype("<f4")
    lines = "".join(f"{word} {' '.join(f'{x:.4f}' for x in row)}\n" for word, row in zip(words, numbers))
    (own / "glove.txt").write_text(lines)
    (own / "word2vec.txt").write_text(f"{len(words)} 4\n{lines}")
    binary = f"{len(words)} 4\n".encode() + b"".join(word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(words, numbers))
    (own / "word2vec.bin").write_bytes(binary)
    (own / "word2vec.bin.gz").write_bytes(gzip.compress(binary, mtime=0))

    own = folder["captions"]
    (own / "a.csv").write_bytes((place / "captions.csv").read_bytes())
    (own / "b.tsv").write_text("name\tcaption 1\tcaption 2\na.png\ta dog\ta cat\nb.png\tone\ttwo\n")
    (own / "Flickr8k.token.txt").write_text("".join(f"{k}.jpg#{n}\tA dog number {n} .\n" for k in range(4) for n in range(3)))
    coco = {
        "images": [{"id": k, "file_name": f"{k}.jpg"} for k in range(4)],
        "annotations": [{"image_id": k % 4, "caption": "a dog", "id": k} for k in range(8)],
    }
    write_json(own / "captions_val.json", coco)

    write_json(folder["scored"] / "coco.json", [{"image_id": k, "caption": "a dog runs"} for k in range(4)])
    write_json(
        folder["scored"] / "lists.json", {"candidates": ["a dog", "a cat"], "references": [["a dog runs"], ["the cat", "a cat sits"]]}
    )
    (folder["scored"] / "lines.txt").write_text("a dog\ta dog runs\na cat\tthe cat\n")
    write_json(folder["scored"] / "references.json", coco)
    (folder["scored"] / "dataset.json").write_bytes((place / "data" / "tiny" / "dataset.json").read_bytes())

    own = folder["results"]
    result = json.loads((place / "results" / "result_struct.json").read_text())
    write_json(own / "a.json", result)
    blob = {
        "img_path": "imgs/0.png",
        "candidate": {"text": "a dog", "logprob": -3.5},
        "candidates": [{"text": "a dog", "logprob": -3.5}],
        "references": [{"text": "a"}],
        "imgid": 0,
        "box": [0, 0, 5, 5],
        "verdict": "true",
        "scores": {"BLEU-4": 12.5},
    }
    write_json(
        own / "b.json",
        {
            "params": {"dataset": "tiny", "beam_size": 3, "root_path": "x"},
            "checkpoint_params": {"generator": "lstm"},
            "imgblobs": [blob] * 3,
            "gtppl": 4.5,
        },
    )
    write_json(folder["boxes"] / "boxes.json", {f"{k}.png": [[0, 0, 10, 10], [5, 5, 20, 20.5]] for k in range(4)})
    write_json(folder["boxes"] / "scored.json", {f"{k}.png": [[0, 0, 10, 10, 0.5], [5, 5, 20, 20.5, 1]] for k in range(4)})

    own = folder["json"]
    regions = [
        {
            "imgid": k,
            "filename": f"{k // 2}.png",
            "split": "train",
            "source": k // 2,
            "box": [0, 0, 5.5, 9],
            "sentences": [{"tokens": ["a", "dog"], "raw": "a dog", "sentid": k}],
        }
        for k in range(4)
    ]
    document = {"dataset": "r", "regions_of": "../tiny", "pictures": "../tiny/imgs", "whole_image": False, "images": regions}
    for name, value in (("regions", document), ("coco", {**json.loads((place / "data/tiny/dataset.json").read_text())})):
        (own / name).mkdir()
        write_json(own / name / "dataset.json", value)
    write_json(own / "truth.json", [["a dog"], [], ["x", "y"], ["z"]])
    write_json(own / "phrases.json", json.loads((place / "data" / "toy" / "phrases.json").read_text()))
    (own / "scenes.json").write_text(json.dumps(_scenes()))
    write_json(own / "part.json", {"address": "https://example.org/a", "mark": '"abc"'})
    (folder["npz"] / "extractor.npz").write_bytes((place / "data" / "tiny" / "extractor.npz").read_bytes())
    tiny_models.make_pictures(place / "files" / "judged", ["0.png"])
    np.savez(folder["npz"] / "classifier.npz", W=rng.random((7, 3)), b=np.zeros(3))


def _save_picture(picture, path):
    try:
        picture.save(path)
    except (OSError, KeyError, ValueError):  # a codec that this Pillow lacks
        path.unlink(missing_ok=True)


def _scenes():
    """Truths of a few embedded pictures."""
    from neuraltalk.data.scenes.compose import compose

    rng = np.random.default_rng(0)
    return [{"filename": f"{k}.png", **compose(rng)} for k in range(3)]


# ---- reading


def readers(place):
    """name -> (glob of the files, function of a path that reads one as the commands do)"""
    from neuraltalk.cli import captioning, model_features, score_files
    from neuraltalk.data import importers
    from neuraltalk.data.boxes import read_boxes
    from neuraltalk.data.dataset import load_dataset
    from neuraltalk.data.vocabulary import Vocabulary, build_vocabulary
    from neuraltalk.data.word_vectors import read_word_vectors
    from neuraltalk.pages.monitor import monitor_page
    from neuraltalk.train.checkpoint import half_precision, load_checkpoint
    from neuraltalk.train.runs import RunFolders
    from neuraltalk.vision.extractors import load_extractor
    from neuraltalk.vision.pictures import open_picture, picture_size
    from neuraltalk.vision.proposals.classifier import read_classifier

    place = pathlib.Path(place)
    vocabulary = Vocabulary(VOCABULARY)

    def checkpoint(path):
        from neuraltalk.decode.beam_search import beam_search

        found = load_checkpoint(path)
        half_precision(found)
        if found.kind == "alignment":
            found.aligner()
            return
        model_features.own_extractor(found)
        beam_search(found.captioner(), np.zeros((2, found.image_dimension), np.float32), 2, 5, 1, 0.0, lambda done: None)

    def features(path):
        from neuraltalk.data.features import open_features

        found = open_features(path)
        if 6 in (found.count, found.dimension):
            found.orient(6)
        found.check()
        found.rows(range(min(found.count, 6)))

    def regions(path):
        from neuraltalk.data.regions import open_regions

        found = open_regions(path, 3)
        found.check()
        found.of(range(3))

    def weights(path):
        import weight_files

        from neuraltalk.vision.weights.vgg16 import read_weights

        read_weights(path, widths=weight_files.WIDTHS)

    def dataset(path):
        if path.name != "dataset.json":
            path = path.rename(path.with_name("dataset.json"))
        found = load_dataset(path.parent)
        for image in found.images:
            found.picture_path(image)
        build_vocabulary([sentence for image in found.images for sentence in image.sentences], 1)

    def truth(path):
        from types import SimpleNamespace

        from neuraltalk.data.region_pairs import load_truth

        load_truth(SimpleNamespace(folder=path.parent, images=[None] * 4))

    def phrases(path):
        from neuraltalk.data.phrases import load_phrases

        load_phrases(path.parent, 12)

    def scenes(path):
        found = captioning.load_truth(path.parent)
        captioning.judge_blobs([{"img_path": f"{k}.png", "candidate": {"text": "a dog runs on the beach"}} for k in range(3)], found)

    def status(path):
        import datetime

        from neuraltalk.pages.monitor import monitor_data
        from neuraltalk.train.status import StatusFile

        runs, faults = RunFolders([path.parent]).read()
        monitor_page(monitor_data(runs, faults, datetime.datetime.now().astimezone()), "x")
        file = StatusFile(path.parent, "x", {}, ("train_ppl2", "smooth_train_ppl2", "val_ppl2"))
        file.path = path
        file.resume(60, [])
        if not runs:
            from neuraltalk.errors import UserError

            raise UserError(faults[0])

    def results(path):
        code = _page(path)
        if code:
            from neuraltalk.errors import UserError

            raise UserError("refused")

    def scored(path):
        if path.name in ("references.json", "dataset.json"):
            score_files.read_references([path])
        else:
            score_files.read_system(path, [place / "files/scored/references.json"] if path.name == "coco.json" else ())

    def picture(path):
        open_picture(path)
        picture_size(path)

    def npz(path):
        read_classifier(path, 7) if path.name.startswith("classifier") else load_extractor(path)

    def part(path):
        from neuraltalk.vision.weights import fetch

        path.with_suffix("").write_bytes(b"abc")
        fetch._continuation("https://example.org/a", path.with_suffix(""), None)

    def journal(path):
        _journal(path)

    return {
        "checkpoints": ("files/checkpoints/*", checkpoint),
        "features": ("files/features/*", features),
        "weights": ("files/weights/*", weights),
        "pictures": ("files/pictures/*", picture),
        "data sets": ("**/dataset.json", dataset),
        "status files": ("status/*.json", status),
        "regions": ("files/regions/*", regions),
        "checkpoints to resume": ("cv/*.last.p", _resume),
        "results": ("files/results/*", results),
        "word vectors": ("files/vectors/*", lambda path: read_word_vectors(path, vocabulary)),
        "captions": ("files/captions/*", importers.read_captions),
        "scored captions": ("files/scored/*", scored),
        "boxes": ("files/boxes/*", read_boxes),
        "truth.json": ("files/json/truth.json", truth),
        "phrases.json": ("files/json/phrases.json", phrases),
        "scenes.json": ("files/json/scenes.json", scenes),
        "extractors and classifiers": ("files/npz/*", npz),
        "journals": ("pictures/extract.partial/records", journal),
        "interrupted downloads": ("files/json/part.json", part),
    }


def _page(path):
    """neuraltalk page -> its exit code"""
    import contextlib
    import io

    from neuraltalk.cli.main import main

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return main(["page", str(path), "--root", "."])


def _journal(path):
    """What extraction reads of a journal, before it writes files."""
    from neuraltalk.cli import extraction
    from neuraltalk.data.journal import Journal

    with Journal(path) as journal:
        for key in list(journal._places):
            extraction.unpack_fault(journal[key])
            extraction.unpack(journal[key])


def _resume(path):
    """neuraltalk train --resume, up to the first step."""
    from neuraltalk.cli import models, train
    from neuraltalk.cli.options import resolve
    from neuraltalk.train import trainer as training
    from neuraltalk.train.checkpoint import load_checkpoint
    from neuraltalk.train.schedule import generators

    resumed = load_checkpoint(path)
    options = resolve({"max_epochs": 2.0, "resume": str(path)}, resumed.params)
    kind = models.KINDS[options.model]
    kind.check(options)
    data = train.load_data(options, kind)
    train.check_same_data(resumed, data)
    model = kind.initialise(options, data, generators(options.seed)[0])
    training.Trainer(model, options, data, path.with_name("again.p"), None).restore(resumed)
