"""Features as a model takes them: are those that are there of its kind, and what makes them from pictures?"""

import pathlib

from neuraltalk.cli import console
from neuraltalk.errors import UserError

EXTRACT = "move the file away and the features are extracted from the pictures"


def check_features(checkpoint, features, folder, remedy=EXTRACT):
    """Refuse features that aren't what the model was trained on: of another dimension, or of another kind (see check_kind)."""
    if features.dimension != checkpoint.image_dimension:
        raise UserError(
            f"{checkpoint.path} was trained on {checkpoint.image_dimension}-number features; {features.path} has "
            f"{features.dimension}. Extract the same kind, or take another checkpoint"
        )
    check_kind(checkpoint, features, folder, remedy)


def check_kind(checkpoint, features, folder, remedy=EXTRACT):
    """Refuse features that another extractor made than the model's.

    features is a Features or Regions, folder where it lies, remedy what to do about foreign ones; an extractor.npz there
    tells what made them (for regions a region_extractor.npz, if there is one). Equal numbers of unequal kinds would give
    fluent sentences about nothing, so kinds must be known to be the same, or unknown on both sides (as with the published
    VGG features). A model that doesn't know its own, such as the original's, takes those of a pretrained network, if their
    number fits: these are what such models were trained on.
    """
    own = (checkpoint.extractor or {}).get("fingerprint")
    from neuraltalk.cli.models import KINDS

    names = KINDS["alignment" if hasattr(features, "boxes") else "captioner"].extractor_files
    records = [pathlib.Path(folder) / name for name in names]
    found, record = None, next((path for path in records if path.is_file()), records[-1])
    if record.is_file():
        from neuraltalk.vision.extractors import PRETRAINED, load_extractor

        made_by = load_extractor(record)
        found = made_by.fingerprint
        if own is None and made_by.name in PRETRAINED:
            console.say(
                f"features    {features.path.name} by {made_by.name}; {checkpoint.path} doesn't tell what it was trained on: if on "
                "another kind (the original's models: vgg16-fc7), its sentences mean nothing"
            )
            return
    if own == found:
        return
    if own is None:
        raise UserError(
            f"{record} made {features.path.name}, but {checkpoint.path} was trained on features from elsewhere; take a "
            "checkpoint that was trained on this kind, or other features"
        )
    made = (
        f"was made by another extractor ({found[:12]})"
        if found
        else "doesn't tell what made it (there is no extractor.npz beside it)"
    )
    raise UserError(
        f"{features.path} {made}, and {checkpoint.path} needs its own ({own[:12]}); {remedy}"
    )


def name_extractor(checkpoint, name):
    """Let a checkpoint that doesn't say what made its features have the pretrained extractor `name`."""
    from neuraltalk.vision.extractors import pretrained_extractor

    recorded = (checkpoint.extractor or {}).get("name", name)
    if recorded != name:
        raise UserError(f"{checkpoint.path} says that {recorded} made its features, not {name}; leave out --extractor")
    if checkpoint.extractor is None:
        checkpoint.extractor = pretrained_extractor(name).state()
    own_extractor(checkpoint)  # its features have to fit the model


def carried_extractor(checkpoint):
    """The extractor that a checkpoint carries, or None. Raises UserError naming the checkpoint's file."""
    from neuraltalk.vision.extractors import extractor_from_state

    try:
        return None if checkpoint.extractor is None else extractor_from_state(checkpoint.extractor)
    except UserError as fault:
        raise UserError(f"{checkpoint.path}: {fault}") from None


def own_extractor(checkpoint):
    """The same, known to give what the model takes of whole pictures."""
    extractor = carried_extractor(checkpoint)
    if extractor is None:
        return None
    if takes_regions(checkpoint, extractor):
        raise UserError(
            f"{checkpoint.path} describes regions, not whole pictures; give it a data set of regions (neuraltalk phrases), or "
            "take a captioner of whole images"
        )
    if extractor.dimension != checkpoint.image_dimension:
        raise UserError(
            f"{checkpoint.path}: {extractor.name} gives {extractor.dimension} numbers, its model takes "
            f"{checkpoint.image_dimension}; name another extractor, or take another checkpoint"
        )
    return extractor


def takes_regions(checkpoint, extractor):
    """Whether a model takes what `extractor` gives for regions, alone or with the whole image's beside it, and not for pictures."""
    region = extractor.region_dimension
    return checkpoint.image_dimension != extractor.dimension and checkpoint.image_dimension in (region, 2 * region)


def extract(extractor, paths):
    """Features of the pictures that can be read -> (features (N, D) float32, their positions in `paths`). The others are told.

    The extractor takes them one after the other and decides how many it looks at together.
    """
    from neuraltalk.vision.pictures import open_picture

    readable = []
    with console.Progress(len(paths), "features: picture", "picture") as progress:

        def pictures():
            for position, path in enumerate(paths):
                try:
                    picture = open_picture(path)
                except UserError as fault:
                    progress.say(f"skipped: {fault}")
                    continue
                readable.append(position)
                yield picture

        features = extractor.features(pictures(), lambda done: progress.update(readable[done - 1] + 1))
    return features, readable
