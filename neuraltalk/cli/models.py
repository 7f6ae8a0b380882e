"""The two models as the training command meets them: what they read, how they begin, what is said about them."""

import os

import numpy as np

from neuraltalk.cli import console
from neuraltalk.cli.drawing import draw_absent_regions
from neuraltalk.errors import UserError

SAMPLE = 500  # training images by whose regions size and direction of the features are judged
IMAGES_AT_ONCE = 20  # of them, in double precision: all together, with 20 regions each, they would be 330 MB


class CaptionerKind:
    """The captioner: whole images."""

    features_of = "an image"
    extractor_files = ("extractor.npz",)  # in a data set's folder, the first of them there: what made the features
    next_step = "caption pictures and score the model"
    next_commands = (
        ("python predict_on_images.py", "neuraltalk predict", ""),
        ("python eval_sentence_predictions.py", "neuraltalk eval", ""),
    )

    @staticmethod
    def check(options, fresh=True):
        """Refuse options that don't go together; of a model that isn't `fresh` a checkpoint brings the weights."""
        from neuraltalk.models.captioner import GENERATORS

        GENERATORS[options.generator].check_sizes(options)

    @staticmethod
    def open_features(folder, dataset):
        """What a data set's folder has for this model, checked."""
        from neuraltalk.data.features import check_features, open_features

        progress = console.counted("converting features", "image")
        features = open_features(folder, images=len(dataset.images), progress=progress, waiting=console.say)
        check_features(features, dataset)
        return features

    @staticmethod
    def initialise(options, data, rng, fresh=True):
        """A new model for a TrainingData; if it isn't `fresh` its weights don't matter, and may be cheap ones."""
        from neuraltalk.models.captioner import Captioner, CaptionerOptions

        log_frequencies = data.vocabulary.log_frequencies
        return Captioner.initialise(
            CaptionerOptions.of(options), data.features.dimension, log_frequencies, rng, options.dtype
        )

    @staticmethod
    def describe(options):
        """Its sizes, for people; also of a checkpoint's CaptionerOptions."""
        return (
            f"{options.generator}, sizes image {options.image_encoding_size}, word {options.word_encoding_size}, "
            f"hidden {options.hidden_size}"
        )


class AlignerKind:
    """The aligner: images as sets of regions."""

    features_of = "a region"
    extractor_files = ("region_extractor.npz", "extractor.npz")
    next_step = "score the model and ask it for pictures"
    next_commands = (
        ("python eval_sentence_predictions.py", "neuraltalk eval", ""),
        ("", "neuraltalk search", ' "a dog runs"'),
    )

    @staticmethod
    def check(options, fresh=True):
        if fresh and options.word_vectors not in ("sentences", "random") and not os.path.isfile(options.word_vectors):
            raise UserError(
                f"--word_vectors {options.word_vectors}: no such file; give one of word2vec's or GloVe's, or one of the words "
                "sentences and random"
            )

    @staticmethod
    def open_features(folder, dataset):
        from neuraltalk.data.regions import check_regions, open_regions

        draw_absent_regions(folder)
        regions = open_regions(folder, len(dataset.images), console.counted("converting features", "region"), console.say)
        check_regions(regions, dataset)
        return regions

    @staticmethod
    def initialise(options, data, rng, fresh=True):
        from neuraltalk.models.aligner import Aligner, AlignerOptions

        vectors = None
        if fresh and options.word_vectors != "random":
            vectors = first_word_vectors(options, data, rng)
        return Aligner.initialise(
            AlignerOptions.of(options),
            data.features.dimension,
            len(data.vocabulary),
            rng,
            options.dtype,
            vectors,
            *region_statistics(options, data),
        )

    @staticmethod
    def describe(options):
        return (
            f"aligner, sizes embedding {options.embedding_size}, word {options.word_encoding_size}, hidden "
            f"{options.hidden_size}, score {options.score}"
        )


KINDS = {"captioner": CaptionerKind, "alignment": AlignerKind}


def region_statistics(options, data):
    """What the aligner wants to know of the region features, by images spread over the training split.

    Returns the root mean square of their numbers, scaled as the options say, and their mean direction (D,).
    """
    from neuraltalk.models.aligner import directions

    imgids = np.unique(data.train_pairs.imgids)
    sample = imgids[:: max(1, len(imgids) // SAMPLE)]

    def blocks():
        for first in range(0, len(sample), IMAGES_AT_ONCE):
            yield data.features.of(sample[first : first + IMAGES_AT_ONCE]).features.astype(np.float64)

    directed, R = 0, 0  # (D,) sum of the directions; regions
    for features in blocks():
        directed = directed + directions(features).sum(axis=0)
        R += len(features)
    mean = directed / R
    squares = 0.0
    for features in blocks():
        if options.region_scaling == "centred":
            features = directions(features) - mean
        squares += np.square(features).sum()
    scale = float(np.sqrt(squares / (R * len(mean))))
    if not scale > 1e-12:
        raise UserError(f"{data.features.path}: all regions that train have the same features; extract them again")
    return scale, mean


def first_word_vectors(options, data, rng):
    """The vectors that --word_vectors asks for (V, E), of root mean square 1; a word without one has a random one."""
    from neuraltalk.data.cooccurrence import vectors_from_sentences
    from neuraltalk.data.word_vectors import read_word_vectors

    vocabulary, E = data.vocabulary, options.word_encoding_size
    if options.word_vectors == "sentences":
        vectors, found = vectors_from_sentences(data.train_pairs, len(vocabulary), E)
    else:
        vectors, found = read_word_vectors(options.word_vectors, vocabulary)
        if vectors.shape[1] != E:
            raise UserError(
                f"{options.word_vectors}: its vectors have {vectors.shape[1]} numbers; set --word_encoding_size "
                f"{vectors.shape[1]} (it is {E})"
            )
        vectors = vectors / max(float(np.sqrt(np.mean(np.square(vectors[found])))), 1e-12)
    vectors[~found] = rng.standard_normal((np.count_nonzero(~found), vectors.shape[1]))
    words, known = len(vocabulary) - 1, np.count_nonzero(found)
    others = "" if known == words else "; random for the others"
    console.say(f"vectors     from {options.word_vectors}: of {known:,} of {words:,} words{others}")
    return vectors
