"""Checkpoints: one pickle file with everything that a model needs to be used, and to be trained further.

The original's keys, so that files go both ways:

    it          iterations done                        epoch       passes over the training pairs done
    model       name -> array, the weights to use      params      the options of training, under the original's names
    perplexity  on the validation split (None before   wordtoix    word -> number, "#START#" -> 0
                the first evaluation)                  ixtoword    number -> word, 0 -> "."

Beside them ours:

    version          of this layout, 1
    log_frequencies  (V,) of the words in training, where the decoder's bias started
    extractor        what made the features out of pictures: a plain dict with "name" and "fingerprint", or None
    history          one dict an evaluation: it, epoch, the figures that tasks.py names, learning_rate
    training         None in the best checkpoint; in the last one all that --resume needs, see trainer.py

An aligner's params say so ("model": "alignment"; the captioner's have no such entry, as in the original), and in the
place of perplexity it has

    recall           the mean of R@10 in both directions on the validation split (0..1), or None

Equal content gives equal bytes. Where a run's checkpoints lie is told in run_files.py.
"""

import dataclasses
import os
import pathlib
import pickle

import numpy as np

from neuraltalk.data import vocabulary as vocabularies
from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically
from neuraltalk.pickles.unpickler import load_pickle

VERSION = 1
ORIGINAL_KEYS = ("model", "params", "wordtoix", "ixtoword")  # without these there is nothing to predict with


@dataclasses.dataclass
class Checkpoint:
    """A checkpoint's content, checked."""

    path: pathlib.Path
    it: int
    epoch: float
    model: dict  # name -> array, all of one floating dtype
    params: dict  # the options as they were saved
    options: object  # CaptionerOptions or AlignerOptions that fit the model
    perplexity: float  # None: never evaluated, or an aligner
    recall: float  # None: never evaluated, or a captioner
    vocabulary: object  # data.vocabulary.Vocabulary
    extractor: dict  # None: unknown, as in files of the original
    history: list
    training: dict  # None: can't be resumed

    @property
    def kind(self):
        """ "captioner" or "alignment"."""
        return self.params.get("model", "captioner")

    @property
    def figure(self):
        """What it reached on the validation split: recall of an aligner, perplexity of a captioner; or None."""
        return self.recall if self.kind == "alignment" else self.perplexity

    @property
    def image_dimension(self):
        """D, the numbers per image, or per region, that the model expects."""
        return len(self.model["Wm" if self.kind == "alignment" else "We"])

    def check_kind(self, kind):
        """Raise UserError, saying what the checkpoint is good for, if it is of the other kind."""
        if self.kind != kind:
            raise UserError(f"{self.path} is {OTHER_USES[self.kind]}")

    def captioner(self, dtype=None):
        """The model, ready to describe images; dtype None keeps the one it was saved in. UserError if it is an aligner."""
        from neuraltalk.models.captioner import Captioner

        self.check_kind("captioner")
        return Captioner(self.options, self._arrays(dtype))

    def aligner(self, dtype=None):
        """The model, ready to score images with sentences; dtype as above. UserError if it is a captioner."""
        from neuraltalk.models.aligner import Aligner

        self.check_kind("alignment")
        return Aligner(self.options, self._arrays(dtype))

    def _arrays(self, dtype):
        return self.model if dtype is None else {name: array.astype(dtype) for name, array in self.model.items()}


OTHER_USES = {
    "captioner": "a captioner, which writes sentences but finds none: use python predict_on_images.py or "
    "eval_sentence_predictions.py, or name a checkpoint of driver.py --model alignment",
    "alignment": "an alignment model, which finds sentences but writes none: use python eval_sentence_predictions.py or "
    "neuraltalk search, or name a captioner's checkpoint",
}


def kind_of(options):
    """The option that makes a model what it is, for messages: "--generator rnn" or "--model alignment"."""
    return f"--generator {options.generator}" if hasattr(options, "generator") else "--model alignment"


def save_checkpoint(path, content):
    """Write the dict `content` (the keys above) atomically. Equal content gives equal bytes, whatever it shares."""
    plain = _plain({"version": VERSION, **content}, "checkpoint")
    with write_atomically(path) as file:
        pickler = pickle.Pickler(file, protocol=4)
        pickler.fast = True  # no references between equal objects: they would depend on how the content came about
        pickler.dump(plain)


def is_saved(path, content):
    """Whether a checkpoint of the same history and weights is there."""
    try:
        saved = load_checkpoint(path)
    except (UserError, OSError):
        return False
    model = content["model"]
    return (saved.it, saved.history) == (content["it"], content["history"]) and all(
        np.array_equal(array, model.get(name)) for name, array in saved.model.items()
    )


def half_precision(checkpoint):
    """The content of a small copy for others: weights of 16 bits each, nothing to resume with. UserError if one is too large."""
    largest = np.finfo(np.float16).max
    for name, array in checkpoint.model.items():
        if np.abs(array).max(initial=0) > largest:
            raise UserError(f"{checkpoint.path}: model array {name!r} has weights beyond {largest:.0f}, too large for half precision")
    vocabulary = checkpoint.vocabulary
    return {
        "it": checkpoint.it,
        "epoch": checkpoint.epoch,
        "model": {name: array.astype(np.float16) for name, array in checkpoint.model.items()},
        "params": checkpoint.params,
        "recall" if checkpoint.kind == "alignment" else "perplexity": checkpoint.figure,
        "wordtoix": vocabulary.wordtoix,
        "ixtoword": vocabulary.ixtoword,
        "log_frequencies": vocabulary.log_frequencies,
        "extractor": checkpoint.extractor,
        "history": checkpoint.history,
        "training": None,
    }


def _plain(value, where):
    """A copy of plain types only: NumPy scalars as numbers, arrays in C order; what unpickler.py reads back."""
    if isinstance(value, np.generic):  # first: a float64 is a float, too
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"{where}: arrays of {value.dtype} don't go into a checkpoint")
        return np.asarray(value, order="C")
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, f"{where}[{k}]") for k, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    raise TypeError(f"{where}: a {type(value).__name__} doesn't go into a checkpoint")


def load_checkpoint(path):
    """Read and check a checkpoint, ours or the original's (Python 2 wrote those) -> Checkpoint.

    Raises UserError if the file is damaged, asks for anything but plain values, or if its parts don't fit together:
    arrays against the sizes in the options, against each other and against the vocabulary; every weight finite.
    """
    path = pathlib.Path(path)
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; {_checkpoints_near(path)}")
    content = load_pickle(path)
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: not a checkpoint: it holds a {type(content).__name__}, expected a dict with model, params, ..."
        )
    for key in ORIGINAL_KEYS:
        if not isinstance(content.get(key), dict):
            raise UserError(f"{path}: not a checkpoint: its {key!r} is {_described(content.get(key))}, expected a dict")
    model = _checked_model(content["model"], path)
    kind = content["params"].get("model", "captioner")
    if not isinstance(kind, str) or kind not in READERS:
        raise UserError(f"{path}: holds a model of the kind {kind!r:.50}; there are {', '.join(READERS)}")
    words, read_options = READERS[kind]
    options = read_options(content["params"], model, path)
    vocabulary = _vocabulary(content, len(model[words]), path)
    return Checkpoint(
        path=path,
        it=_typed(content, "it", int, 0, path),
        epoch=_typed(content, "epoch", (int, float), 0.0, path),
        model=model,
        params=content["params"],
        options=options,
        perplexity=_figure(content, "perplexity", path),
        recall=_figure(content, "recall", path),
        vocabulary=vocabulary,
        extractor=_extractor(content, path),
        history=_typed(content, "history", list, [], path),
        training=_typed(content, "training", dict, None, path),
    )


def _checkpoints_near(path):
    """What could have been meant by a path that isn't there."""
    folders = dict.fromkeys((path.parent, pathlib.Path("cv")))
    there = [str(other) for folder in folders for other in sorted(folder.glob("*.p")) if ".previous." not in other.name]
    if not there:
        return "train a model first (python driver.py)"
    return f"there {'are' if there[1:] else 'is'} {', '.join(there[:9])}{', ...' if there[9:] else ''}"


def _described(value):
    if isinstance(value, int) and abs(value) >= 2**63:
        return f"a number of {value.bit_length()} bits"
    return "missing" if value is None else f"a {type(value).__name__}"


def _typed(content, key, kind, default, path):
    value = content.get(key)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool) or isinstance(value, int) and abs(value) >= 2**63:
        raise UserError(f"{path}: the checkpoint's {key!r} is {_described(value)}, which makes no sense there")
    return value


def _extractor(content, path):
    """What made the features: the dict isn't looked into here, but everybody compares its name and fingerprint."""
    extractor = _typed(content, "extractor", dict, None, path)
    if extractor is not None and not all(isinstance(extractor.get(key), str) for key in ("name", "fingerprint")):
        raise UserError(f"{path}: the checkpoint's extractor has no name or no fingerprint; take another copy of the file")
    return extractor


def _figure(content, key, path):
    value = _typed(content, key, (int, float), None, path)
    return None if value is None else float(value)


def _checked_model(model, path):
    """The weights: matrices of finite floating-point numbers, all of one dtype."""
    for name, array in model.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f":
            raise UserError(f"{path}: model entry {name!r:.50} should be a matrix of floating-point numbers")
        if not np.isfinite(array).all():
            raise UserError(
                f"{path}: model array {name!r:.50} has entries that are not finite: the training of it failed, "
                "take an earlier checkpoint"
            )
    dtypes = {array.dtype for array in model.values()}
    dtype = np.float32 if np.dtype(np.float32) in dtypes and len(dtypes) == 1 else np.float64
    if dtypes == {np.dtype(np.float16)}:
        dtype = np.float32
    return {name: array.astype(dtype, copy=False) for name, array in model.items()}


def _captioner_options(params, model, path):
    """The options that define the model. Old files lack some: then arrays tell sizes, the rest has its default."""
    from neuraltalk.models.captioner import GENERATORS, CaptionerOptions, parameter_shapes

    _check_present(model, ("We", "Ws", "Wd"), path)
    sizes = {
        "image_encoding_size": model["We"].shape[1],
        "word_encoding_size": model["Ws"].shape[1],
        "hidden_size": model["Wd"].shape[0],
    }
    given = {"generator": "lstm", **sizes, **{key: value for key, value in params.items() if value is not None}}
    if not isinstance(given["generator"], str) or given["generator"] not in GENERATORS:
        raise UserError(f"{path}: generator {given['generator']!r:.50} is unknown; there are {', '.join(GENERATORS)}")
    _check_types(CaptionerOptions, given, path)
    for name, size in sizes.items():
        if given[name] != size:
            raise UserError(f"{path}: its options say {name} {given[name]}, its arrays {size}")
    options = CaptionerOptions.of({**given, **sizes})  # sizes may have been saved as 256.0
    shapes = parameter_shapes(options, len(model["We"]), len(model["Ws"]))
    _check_arrays(model, shapes, f"an {options.generator} captioner", path)
    return options


def _aligner_options(params, model, path):
    """The options that define an aligner."""
    from neuraltalk.layers.alignment_score import WORD_SCORES
    from neuraltalk.models.aligner import AlignerOptions, parameter_shapes

    _check_present(model, ("Wm", "Ww"), path)
    _check_types(AlignerOptions, params, path)
    options = AlignerOptions.of(params)
    if options.region_scaling not in ("none", "centred"):
        raise UserError(f"{path}: region_scaling {options.region_scaling!r:.50} is unknown; there are none, centred")
    if options.score not in WORD_SCORES:
        raise UserError(f"{path}: score {options.score!r:.50} is unknown; there are {', '.join(WORD_SCORES)}")
    if options.margin <= 0:
        raise UserError(f"{path}: margin {options.margin:g} makes no sense: scores are counted in margins")
    _check_arrays(model, parameter_shapes(options, len(model["Wm"]), len(model["Ww"])), "an aligner", path)
    return options


READERS = {"captioner": ("Ws", _captioner_options), "alignment": ("Ww", _aligner_options)}  # its word vectors, its options


def _check_types(record, given, path):
    """The entries of `given` have the types that the record asks for, and numbers are of this world."""
    for field in dataclasses.fields(record):
        value = given.get(field.name, field.default)
        if not (isinstance(value, str) if field.type in (str, "str") else isinstance(value, (int, float)) and abs(value) < 2**63):
            raise UserError(f"{path}: option {field.name} is {value!r:.50}, which makes no sense")


def _check_present(model, names, path):
    """The model has the arrays that tell its sizes."""
    for name in names:
        if name not in model:
            raise UserError(f"{path}: the model has no array {name!r}; it has {', '.join(sorted(model)) or 'none'}")


def _check_arrays(model, shapes, what, path):
    """The model has the arrays that its options ask for, and no others; the first that doesn't fit is named."""
    for name, shape in shapes.items():
        if name not in model:
            raise UserError(f"{path}: the model has no array {name!r}; its options ask for one of shape {shape}")
        if model[name].shape != shape:
            raise UserError(f"{path}: model array {name!r} has shape {model[name].shape}, but its options ask for {shape}")
    surplus = set(model) - set(shapes)
    if surplus:
        raise UserError(f"{path}: the model has arrays that {what} has not: {', '.join(sorted(surplus))}")


def _vocabulary(content, size, path):
    frequencies = content.get("log_frequencies")
    if frequencies is not None and not (isinstance(frequencies, np.ndarray) and frequencies.dtype.kind == "f"):
        raise UserError(
            f"{path}: the checkpoint's log_frequencies is {_described(frequencies)}, expected an array of numbers"
        )
    try:
        vocabulary = vocabularies.from_checkpoint(content["wordtoix"], content["ixtoword"], frequencies)
    except UserError as fault:
        raise UserError(f"{path}: {fault}") from None
    if len(vocabulary) != size:
        raise UserError(f"{path}: {len(vocabulary)} words in its vocabulary, but its model has {size}")
    return vocabulary
