"""The kinds of feature extractor, by the name that data sets and checkpoints record.

An extractor has `name`, `dimension`, `region_dimension`, `fingerprint`, `features(pictures, progress=None)`,
`regions(picture, boxes)`, `state()` and `save(path)`; a new kind is a file of its own and one entry in `_kinds`. The
pretrained ones give everybody the same numbers: they are made by name, with weights that are looked for.
"""

import pathlib

from neuraltalk.errors import UserError

PRETRAINED = ("vgg16-fc7", "vgg16-conv5")
MOST = 1 << 28  # bytes of an extractor; those of the embedded world have 11 million


def _kinds():
    from neuraltalk.vision.kmeans import KMeansExtractor
    from neuraltalk.vision.reduced import ReducedRegions
    from neuraltalk.vision.vgg.extractor import Conv5Extractor, Fc7Extractor

    return {kind.name: kind for kind in (KMeansExtractor, ReducedRegions, Fc7Extractor, Conv5Extractor)}


def pretrained_extractor(name, weights_file=None, resize="pillow"):
    """The extractor `name`, one of PRETRAINED, with the weights in a file, or those that load_weights finds.

    resize: how pictures are brought to the network's size, see vgg/pictures.py. Raises UserError if there are no weights,
    or they don't suffice.
    """
    return _kinds()[name].read(weights_file, resize)


def features_and_regions(extractor, images, boxes):
    """Features of N PIL images and of boxes in them, by one pass over the pixels where the extractor can do that.

    boxes: of each image (R, 4) -> features (N, dimension), list of N arrays (R, region_dimension)
    """
    if hasattr(extractor, "features_and_regions"):
        return extractor.features_and_regions(images, boxes)
    return extractor.features(images), [extractor.regions(image, own) for image, own in zip(images, boxes, strict=True)]


def extractor_from_state(state):
    """The extractor that `state` (what its `state()` returned) describes.

    Raises UserError if it isn't such a dict, is of a kind that this version doesn't know, or was altered.
    """
    kinds = _kinds()
    if not isinstance(state, dict) or "name" not in state:
        raise UserError("the feature extractor is not a dictionary with a name; build the data set or train again")
    name = str(state["name"])
    if name not in kinds:
        known = ", ".join(sorted(kinds))
        raise UserError(f"unknown kind of feature extractor {name[:40]!r}; this version knows {known}")
    return kinds[name].from_state(state)


def load_extractor(path):
    """The extractor in the `.npz` file `path`, as written by its `save`. Raises UserError naming the file."""
    from neuraltalk.formats.npy import read_npz

    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such feature extractor; build the data set again")
    try:
        arrays = read_npz(path, MOST)
    except (OSError, UserError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise UserError(f"{path}: not a readable feature extractor ({reason}); build the data set again") from None
    try:
        return extractor_from_state({key: array if array.ndim else array.item() for key, array in arrays.items()})
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
