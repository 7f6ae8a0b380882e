"""A data set of six pictures, an extractor and a checkpoint, small enough to make for each test."""

import json

import numpy as np
from PIL import Image
from test_vision import SMALL

from neuraltalk.models.captioner import Captioner, CaptionerOptions
from neuraltalk.train.checkpoint import save_checkpoint
from neuraltalk.vision.kmeans import KMeansExtractor

WORDS = ["a", "dog", "cat", "runs", "sits"]


def make_pictures(folder, names):
    """Small pictures of random colours, in the formats that their names say."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in names:
        Image.fromarray(rng.integers(0, 255, size=(3, 4, 3), dtype=np.uint8)).resize((32, 24)).save(folder / name)


def make_extractor(folder, seed=0):
    """An extractor learned from the pictures in a folder."""
    return KMeansExtractor.learn(
        sorted(folder.iterdir()), np.random.default_rng(seed), SMALL, patches=400, iterations=2
    )


def make_checkpoint(path, extractor=None, dimension=None, dataset="tiny", words=WORDS, **more):
    """A captioner with random weights and biases that end sentences soon."""
    dimension = extractor.dimension if dimension is None else dimension
    sizes = {"image_encoding_size": 5, "word_encoding_size": 5, "hidden_size": 4}
    captioner = Captioner.initialise(
        CaptionerOptions(**sizes), dimension, np.zeros(len(words) + 1), np.random.default_rng(1)
    )
    captioner.params["Wd"] *= 20
    save_checkpoint(
        path,
        {
            "it": 7,
            "epoch": 1.5,
            "model": captioner.params,
            "params": {"dataset": dataset, "generator": "lstm", **sizes},
            "perplexity": 4.2,
            "wordtoix": {"#START#": 0, **{word: k + 1 for k, word in enumerate(words)}},
            "ixtoword": {0: ".", **{k + 1: word for k, word in enumerate(words)}},
            "log_frequencies": np.zeros(len(words) + 1),
            "extractor": None if extractor is None else extractor.state(),
            "history": [],
            "training": None,
            **more,
        },
    )
    return path


def make_dataset(folder, extractor=None, dimension=None):
    """Two images for each split, two sentences each, with features by the extractor (recorded) or random ones."""
    names = [f"{k}.png" for k in range(6)]
    make_pictures(folder / "imgs", names)
    texts = ["a dog runs", "a cat sits", "the dog sits", "a dog", "a cat runs", "one cat sits here"]
    images = [
        {
            "imgid": k,
            "filename": name,
            "split": ("train", "val", "test")[k % 3],
            "sentences": [
                {"tokens": text.split(), "raw": text, "imgid": k, "sentid": 2 * k + n}
                for n, text in enumerate((texts[k], texts[(k + 1) % 6]))
            ],
        }
        for k, name in enumerate(names)
    ]
    (folder / "dataset.json").write_text(json.dumps({"dataset": "tiny", "images": images}), encoding="utf-8")
    if extractor is not None:
        np.save(folder / "features.npy", extractor.features([folder / "imgs" / name for name in names]))
        extractor.save(folder / "extractor.npz")
    elif dimension is not None:
        np.save(folder / "features.npy", np.random.default_rng(0).random((6, dimension), dtype=np.float32))
    return folder
