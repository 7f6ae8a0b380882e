"""Saying which pretrained network made a data set's features: `driver.py --extractor NAME`.

Features that came as a file tell nothing of themselves. Once the data set's folder has an extractor.npz beside them, the
checkpoints trained on them caption any folder of pictures. What is said is checked on some pictures, if there are any.
"""

import numpy as np

from neuraltalk.cli import console
from neuraltalk.errors import UserError
from neuraltalk.wording import plural

PICTURES = 4  # that are looked at
TOLERANCE = 0.1  # relative difference of features: stored coarsely 0.005, another way to resize 0.05, another network 1


def record_source(name, folder, dataset, features, kind):
    """Write extractor.npz into a data set's `folder`, saying that the pretrained extractor `name` made its `features`.

    features is what `kind` (of models.KINDS) opened there: a Features, or Regions. Raises UserError if the folder says
    otherwise, there are no weights, or the extractor gives other numbers for the data set's pictures.
    """
    from neuraltalk.vision.extractors import load_extractor, pretrained_extractor
    from neuraltalk.vision.vgg.pictures import RESIZES

    for record in (folder / file for file in kind.extractor_files):
        if record.is_file():
            recorded = load_extractor(record)
            if recorded.name != name:
                raise UserError(f"{record} says that {recorded.name} made the features, not {name}; leave out --extractor")
            return
    first = pretrained_extractor(name)
    candidates = [first, *(first.resizing(resize) for resize in RESIZES if resize != first.resize)]
    check_dimension(first, features)
    images = some_with_pictures(dataset)
    if not images:
        console.say(f"features    made by {name}, as --extractor says: no pictures in {folder} to check it on")
        chosen = first
    else:
        errors = [difference(extractor, dataset, images, features) for extractor in candidates]
        chosen, error = candidates[int(np.argmin(errors))], min(errors)
        if not error < TOLERANCE:
            raise UserError(
                f"{features.path} was not made by {name} with {first.network.weights.source}: for {images[0].filename} and "
                f"{plural(len(images) - 1, 'other')} that gives numbers that differ by {100 * error:.0f} %; leave out --extractor"
            )
        console.say(
            f"features    made by {name}, pictures resized as {chosen.resize} does: within {100 * error:.1f} % on "
            f"{plural(len(images), 'picture')}"
        )
    chosen.save(folder / "extractor.npz")


def check_dimension(extractor, features):
    """Refuse features of another length than the extractor's."""
    expected = extractor.region_dimension if hasattr(features, "boxes") else extractor.dimension
    if features.dimension != expected:
        raise UserError(
            f"{features.path} has {features.dimension}-number features, {extractor.name} gives {expected}; leave out --extractor"
        )


def some_with_pictures(dataset):
    """At most PICTURES images whose pictures are there, spread over the data set."""
    there = [image for image in dataset.images if dataset.picture_path(image).is_file()]
    return there[:: max(1, -(-len(there) // PICTURES))]


def difference(extractor, dataset, images, features):
    """The relative difference between what the extractor gives for the images' pictures and their stored features."""
    imgids = [image.imgid for image in images]
    paths = [dataset.picture_path(image) for image in images]
    if hasattr(features, "boxes"):
        stored = features.of(imgids).features
        ours = np.concatenate([extractor.regions(path, features.boxes_of(imgid)) for path, imgid in zip(paths, imgids)])
    else:
        stored, ours = features.rows(imgids), extractor.features(paths)
    return float(np.linalg.norm(ours - stored) / max(np.linalg.norm(stored), 1e-12))
