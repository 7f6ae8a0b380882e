"""The data set that a model is asked about: its images, features of the model's kind, the words that both know."""

import functools

from neuraltalk.cli import captioning, console, model_features
from neuraltalk.cli.drawing import dataset_folder
from neuraltalk.errors import UserError
from neuraltalk.ranks import ALONE
from neuraltalk.wording import are, plural

EXTRACTED_AT_ONCE = 64  # pictures that one of several ranks looks at, a multiple of what extractors take together


def open_dataset(name, checkpoint):
    """The data set to score on: `name`, or what the checkpoint was trained on. The embedded one is drawn if it is absent."""
    from neuraltalk.data.dataset import load_dataset

    name = name or checkpoint.params.get("dataset")
    if not name or not isinstance(name, str):
        raise UserError(f"{checkpoint.path} doesn't tell what it was trained on; name a data set with -d")
    return load_dataset(dataset_folder(name))


def choose_images(dataset, split, most):
    """The images to describe: those of the split that have sentences, the first `most` of them (-1: all)."""
    everything = dataset.split(split)
    images = [image for image in everything if image.sentences]
    if not images:
        there = ", ".join(
            f"{name} {count:,}"
            for name in ("train", "val", "test")
            if (count := sum(bool(image.sentences) for image in dataset.split(name)))
        )
        raise UserError(
            f"{dataset.folder}/dataset.json: no image with sentences in its {split} split, so nothing to compare with; it has "
            f"{there or 'none in any'} (-s chooses)"
        )
    if len(images) < len(everything):
        without = plural(len(everything) - len(images), "image")
        console.say(f"{without} of the {split} split without sentences {are(len(everything) - len(images))} left out")
    return images if most == -1 else images[:most]


def open_features(dataset, images, checkpoint, ranks=ALONE):
    """The data set's features, known to be of the model's kind; made from the pictures if the folder has none."""
    from neuraltalk.data import features as feature_files

    if checkpoint.extractor is not None and not any((dataset.folder / name).is_file() for name in feature_files.NAMES):
        return Extracted(dataset, images, model_features.own_extractor(checkpoint), ranks)
    with ranks.rank_0_first():
        features = feature_files.open_features(
            dataset.folder,
            images=len(dataset.images),
            progress=console.counted("converting features", "image"),
            waiting=console.say,
        )
        feature_files.check_features(features, dataset)
    model_features.check_features(checkpoint, features, dataset.folder)
    return features


def open_regions(dataset, checkpoint):
    """The data set's regions, known to be of the model's kind."""
    from neuraltalk.cli.models import KINDS

    regions = KINDS["alignment"].open_features(dataset.folder, dataset)
    model_features.check_features(checkpoint, regions, dataset.folder, "take regions that this extractor measured")
    return regions


class Extracted:
    """Features of some images of a data set, computed from their pictures; stands in for data.features.Features."""

    def __init__(self, dataset, images, extractor, ranks=ALONE):
        from numpy import concatenate

        paths = [dataset.picture_path(image) for image in images]
        size = len(paths) if ranks.size == 1 else EXTRACTED_AT_ONCE
        parts = ranks.map(
            functools.partial(model_features.extract, extractor), [paths[k : k + size] for k in range(0, len(paths), size)]
        )
        unreadable = len(paths) - sum(len(readable) for _, readable in parts)
        if unreadable:
            raise UserError(
                f"{dataset.folder}: {unreadable:,} of {plural(len(paths), 'picture')} can't be read (see above) and there is "
                "no feature file; mend them, or take them out of dataset.json"
            )
        self._features = parts[0][0] if len(parts) == 1 else concatenate([features for features, _ in parts])
        self._row = {image.imgid: row for row, image in enumerate(images)}

    def rows(self, imgids):
        """As Features.rows, for the images given at the start."""
        return self._features[[self._row[int(imgid)] for imgid in imgids]]


def check_words(dataset, images, checkpoint):
    """The share (0..1) of the images' words that the model doesn't know; refuses a vocabulary that shares none."""
    skipped = checkpoint.vocabulary.skipped_share(sentence for image in images for sentence in image.sentences)
    if skipped == 1:
        raise UserError(
            f"{checkpoint.path} knows none of the words in {dataset.folder}/dataset.json (such as "
            f"{images[0].sentences[0].tokens[0]!r:.40}); take a checkpoint trained on this language and tokenisation"
        )
    if skipped > 0.2:
        console.say(
            f"note: {100 * skipped:.0f} % of the words in {dataset.folder} are unknown to the model; its figures say little"
        )
    return skipped


def path_to_show(dataset, image):
    """Where an image's picture lies, relative to the data set's folder if it is below it."""
    return captioning.shown_path(dataset.picture_path(image), dataset.folder)
