"""Trains some tiny models on as many ranks as it was launched on: python ranked_training.py FOLDER. Used by test_ranks.py."""

import pathlib
import sys

import numpy as np

from neuraltalk.cli.models import KINDS
from neuraltalk.cli.options import resolve
from neuraltalk.data.pairs import Pairs
from neuraltalk.data.regions import RegionBlock
from neuraltalk.data.vocabulary import Vocabulary
from neuraltalk.ranks import world
from neuraltalk.train.schedule import generators
from neuraltalk.train.trainer import Trainer, TrainingData

WORDS = Vocabulary(["a", "b", "c", "d", "e"], np.log([1, 0.9, 0.8, 0.7, 0.6, 0.5]))
SIZES = {"word_encoding_size": 4, "hidden_size": 4, "dtype": "float64", "regc": 1e-2}
LSTM = {**SIZES, "image_encoding_size": 4, "max_epochs": 0.7}
ALIGNMENT = {
    **SIZES, "model": "alignment", "embedding_size": 6, "margin": 1.0, "solver": "vanilla", "momentum": 0.9, "learning_rate": 0.01,
    "max_epochs": 0.5, "word_vectors": "random", "box_geometry": 1,
}
RUNS = {
    "lstm": {**LSTM, "batch_size": 7, "eval_batch_size": 5, "average_decay": 0.9, "eval_period": 0.4},
    "rnn": {**LSTM, "generator": "rnn", "batch_size": 8, "solver": "adam", "grad_clip": 0.01},
    "two sentences": {**LSTM, "batch_size": 2, "max_epochs": 0.1},
    "one sentence": {**LSTM, "batch_size": 1, "max_epochs": 0.05},
    "alignment": {**ALIGNMENT, "batch_size": 5},
    "sum": {**ALIGNMENT, "batch_size": 6, "score": "sum", "length_normalisation": 1, "region_scaling": "centred"},
    "two images": {**ALIGNMENT, "batch_size": 2, "train_word_vectors": 0, "max_epochs": 0.1},
}


class Rows:
    """Features of images in memory, an image's own number being its row."""

    path = "memory"

    def __init__(self, array):
        self.array, self.dimension = array, array.shape[1]

    def rows(self, imgids):
        return np.ascontiguousarray(self.array[imgids])


class ToyRegions(Rows):
    """One to four regions of each image, numbers that depend on the image only."""

    def counts(self, imgids):
        return 1 + np.asarray(imgids, dtype=np.int64) % 4

    def of(self, imgids):
        counts = self.counts(imgids)
        rows = np.concatenate([np.arange(count) * 40 + imgid for imgid, count in zip(imgids, counts)])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        boxes = np.stack([rows % 7, rows % 5, 10 + rows % 11, 10 + rows % 13], axis=1).astype(np.float32)
        boxes[offsets[:-1]] = [0, 0, 30, 30]
        return RegionBlock(self.rows(rows), offsets, boxes)


def make_trainer(name, folder, ranks):
    """A Trainer of one of RUNS; 40 images, of which each fourth is for validation."""
    rng = np.random.default_rng(5)
    options = resolve(dict(RUNS[name]))
    kind = KINDS[options.model]
    array = rng.random((160, 7))
    features = ToyRegions(array) if options.model == "alignment" else Rows(array)
    pairs = [(k // 2, rng.integers(1, 6, rng.integers(0, 7)).tolist()) for k in range(80)]
    training, validating = ([pair for pair in pairs if bool(pair[0] % 4) == trains] for trains in (True, False))
    data = TrainingData(features, WORDS, Pairs.of(training), Pairs.of(validating), None)
    model = kind.initialise(options, data, generators(options.seed)[0])
    return Trainer(model, options, data, pathlib.Path(folder) / f"{name}.p", ranks=ranks)


def main(folder):
    for name in RUNS:
        trainer = make_trainer(name, folder, world())
        assert trainer.run() == "finished"


if __name__ == "__main__":
    main(sys.argv[1])
