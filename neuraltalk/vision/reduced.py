"""Features of regions as seen against their surroundings, and fewer of them: contrast, then principal components.

    r    the base extractor's features of a box                                                         (D,)
    r'   those of its surroundings: the box SURROUNDINGS times as wide and high, cut at the border      (D,)
    f    ours; those of a box have root mean square 1                                                   (d,)

        f = scale * (r - INSIDE r' - mean) @ directions          of a box in the picture
        f = scale * gain * (r - INSIDE r - whole_mean) @ directions          of the whole picture

What lies all around a box says nothing about it: sand is on every box at the beach, and fur on every piece of a dog. Without
its surroundings a piece of a dog looks more like a dog than the whole dog does; with them, the whole one stands out most.

The whole picture has nothing around it and shows everything, each time much alike. Seen from its own mean it tells what kind
of place this is, and `gain` makes it WHOLE times as strong as a box: much weaker, and words for places settle on a box with
some sand in it; much stronger, and words for things go to the whole picture.

Twenty regions a picture with 4096 numbers each would be gigabytes, and most of the numbers tell the same; so the first
principal components are kept, learned from regions of training pictures. They may be negative. Whole pictures as pictures
keep the base's features. The state holds the base's, so that a checkpoint measures regions of new pictures alike; its
fingerprint covers both.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically
from neuraltalk.vision.boxes import check_boxes
from neuraltalk.vision.pictures import open_rgb

SURROUNDINGS = 1.4
INSIDE = 0.75
WHOLE = 1.3
DIMENSION = 512
SURPLUS = 32  # directions more than wanted while they are sought: the last ones would be poor otherwise
ITERATIONS = 2


class Contrast(NamedTuple):
    """How much larger the surroundings are, and how much of their features is taken off."""

    surroundings: float = SURROUNDINGS
    inside: float = INSIDE


DEFAULT = Contrast()


class Views(NamedTuple):
    """From where contrasted features are seen, (D,) float32 each, and how large the whole picture's become."""

    mean: np.ndarray
    whole_mean: np.ndarray
    gain: float

    @classmethod
    def learn(cls, features, whole):
        """From contrasted features (n, D), which `whole` (n,) says to be of whole pictures or not."""
        if whole.all() or not whole.any():
            mean = features.mean(axis=0)
            return cls(mean, mean, 1.0)
        mean, whole_mean = features[~whole].mean(axis=0), features[whole].mean(axis=0)
        of_boxes, of_wholes = (_root_mean_square(part) for part in (features[~whole] - mean, features[whole] - whole_mean))
        return cls(mean, whole_mean, WHOLE * of_boxes / of_wholes if of_wholes else 1.0)

    def centred(self, features, whole):
        """Contrasted features (n, D) less the mean of their kind, the whole pictures' with their gain."""
        whole = whole[:, None]
        return (features - np.where(whole, self.whole_mean, self.mean)) * np.where(whole, np.float32(self.gain), np.float32(1))


class ReducedRegions:
    """An extractor (see extractors.py) that gives `base`'s features of pictures, and few numbers of regions.

    views: Views; directions (D, d) float32, with the scale inside
    """

    name = "kmeans+components"

    def __init__(self, base, views, directions, contrast=DEFAULT):
        self.base, self.views, self.directions, self.contrast = base, views, directions, contrast
        self.dimension, self.region_dimension = base.dimension, directions.shape[1]
        settings = f"{self.name} {base.fingerprint} {directions.shape} {tuple(contrast)} {views.gain!r}"
        digest = hashlib.sha256(settings.encode())
        for array in (views.mean, views.whole_mean, directions):
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        self.fingerprint = digest.hexdigest()

    @classmethod
    def learn(cls, base, features, whole, rng, dimension=DIMENSION):
        """From what `contrasted` gives (n, D), (n,) of regions of training pictures; at most n or D components."""
        features = np.asarray(features, np.float32)
        views = Views.learn(features, whole)
        centred = views.centred(features, whole)
        directions = _components(centred, min(dimension, *features.shape), rng)
        boxes = ~whole if not whole.all() else whole
        scale = 1 / max(_root_mean_square(centred[boxes] @ directions), 1e-12)
        return cls(base, views, (directions * scale).astype(np.float32))

    def features(self, pictures, progress=None):
        """As the base's."""
        return self.base.features(pictures, progress)

    def regions(self, picture, boxes):
        """Features (R, region_dimension) float32 of boxes (R, 4); arguments and errors are the base's."""
        return self.reduce(*contrasted(self.base, picture, boxes, self.contrast))

    def reduce(self, features, whole):
        """What `contrasted` gives, (R, D) and (R,) -> ours (R, d)."""
        return self.views.centred(features, whole) @ self.directions

    def state(self):
        """A dict of plain values and arrays: the base's, and ours."""
        return {
            **self.base.state(),
            "name": self.name,
            "fingerprint": self.fingerprint,
            "base_fingerprint": self.base.fingerprint,
            "component_mean": self.views.mean,
            "whole_mean": self.views.whole_mean,
            "whole_gain": self.views.gain,
            "components": self.directions,
            "contrast": np.array(self.contrast),
        }

    @classmethod
    def from_state(cls, state):
        """The extractor that `state` describes. Raises UserError if something in it is missing or altered."""
        from neuraltalk.vision.kmeans import KMeansExtractor

        base = KMeansExtractor.from_state(
            {**state, "name": KMeansExtractor.name, "fingerprint": state.get("base_fingerprint")}
        )
        if not {"whole_mean", "whole_gain", "contrast"} <= set(state):
            raise UserError(
                "region extractor: an older version made it, which saw regions otherwise; move region_feats.mat and "
                "region_extractor.npz out of the data set, so that its regions are drawn again, and train on them"
            )
        mean, whole_mean, directions = (np.asarray(state.get(key)) for key in ("component_mean", "whole_mean", "components"))
        gain, contrast = (np.asarray(state.get(key)) for key in ("whole_gain", "contrast"))
        fits = mean.shape == whole_mean.shape == (base.region_dimension,) and directions.ndim == 2 and len(directions) == len(mean)
        fits = fits and gain.shape == () and contrast.shape == (len(DEFAULT),)
        if not fits or {array.dtype.kind for array in (mean, whole_mean, directions, gain, contrast)} != {"f"}:
            raise UserError(
                "region extractor: its components don't fit its features, or another version made it; draw the regions "
                "again and train on them"
            )
        views = Views(mean.astype(np.float32), whole_mean.astype(np.float32), float(gain))
        extractor = cls(base, views, np.ascontiguousarray(directions, np.float32), Contrast(*contrast.tolist()))
        if str(state.get("fingerprint")) != extractor.fingerprint:
            raise UserError(
                "region extractor: its numbers don't match its fingerprint, so they were altered or damaged; draw the "
                "regions again"
            )
        return extractor

    def save(self, path):
        """Write the state to `path` (.npz), atomically; `extractors.load_extractor` reads it."""
        with write_atomically(path) as file:
            np.savez(file, **self.state())


def contrasted(base, picture, boxes, contrast=DEFAULT):
    """Features less those of the surroundings, (R, D) float32, of boxes (R, 4), and which boxes are the whole picture (R,).

    Arguments and errors are base.regions()'.
    """
    image = open_rgb(picture)
    boxes = check_boxes(boxes, image.size)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, contrast.surroundings / 2 * (boxes[:, 2:] - boxes[:, :2])
    around = check_boxes(np.concatenate([middle - half, middle + half], axis=1), image.size)  # (R, 4), cut at the border
    features, of_surroundings = np.split(base.regions(image, np.concatenate([boxes, around])), 2)
    return features - np.float32(contrast.inside) * of_surroundings, (around == boxes).all(axis=1)


def _root_mean_square(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def _components(x, count, rng):
    """The first `count` principal directions (D, count) of centred rows x (n, D), by subspace iteration (Halko 2011).

    A few products with x instead of all eigenvectors of a D x D matrix: seconds instead of a minute.
    """
    width = min(count + SURPLUS, *x.shape)
    basis = rng.standard_normal((x.shape[1], width)).astype(x.dtype)
    for _ in range(1 + ITERATIONS):
        basis, _ = np.linalg.qr(x.T @ (x @ basis))  # (D, width)
    _, _, rotation = np.linalg.svd(x @ basis, full_matrices=False)  # rows: directions in the basis, the largest first
    return basis @ rotation[:count].T
