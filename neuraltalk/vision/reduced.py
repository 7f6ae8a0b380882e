"""Features of regions as seen against their surroundings, and fewer of them: contrast, then principal components.

    r    the base extractor's features of a box                                                         (D,)
    r'   those of its surroundings: the box `surroundings` times as wide and high, cut at the border      (D,)
    f    ours, of root mean square 1                                                                    (d,)

        f = scale * (r - inside r' - mean) @ directions          of the whole picture: scale * (r - whole r - mean) @ directions

What lies all around a box says nothing about it: sand is on every box at the beach, and fur on every piece of a dog. Without
its surroundings a piece of a dog looks more like a dog than the whole dog does; with them, the whole one stands out most.
The whole picture has nothing around it and shows everything: it is made stronger than a piece of bare sand, so that words
for places go there, and weaker than the things, so that their words don't.

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

DIMENSION = 512
SURPLUS = 32  # directions more than wanted while they are sought: the last ones would be poor otherwise
ITERATIONS = 2


class Contrast(NamedTuple):
    """How much larger the surroundings are, and how much of their features is taken off."""

    surroundings: float = 1.4
    inside: float = 0.75  # a box in the picture
    whole: float = 0.6  # all of the picture, which is its own surroundings


DEFAULT = Contrast()


class ReducedRegions:
    """An extractor (see extractors.py) that gives `base`'s features of pictures, and few numbers of regions.

    mean (D,), directions (D, d) with the scale inside: float32
    """

    name = "kmeans+components"

    def __init__(self, base, mean, directions, contrast=DEFAULT):
        self.base, self.mean, self.directions, self.contrast = base, mean, directions, contrast
        self.dimension, self.region_dimension = base.dimension, directions.shape[1]
        settings = f"{self.name} {base.fingerprint} {directions.shape} {tuple(contrast)}"
        digest = hashlib.sha256(settings.encode())
        for array in (mean, directions):
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        self.fingerprint = digest.hexdigest()

    @classmethod
    def learn(cls, base, features, rng, dimension=DIMENSION):
        """From `contrasted` features (n, D) of regions of training pictures; at most n or D components."""
        features = np.asarray(features, np.float32)
        mean = features.mean(axis=0)
        centred = features - mean
        directions = _components(centred, min(dimension, *features.shape), rng)
        found = centred @ directions
        scale = 1 / max(float(np.sqrt(np.mean(np.square(found, dtype=np.float64)))), 1e-12)
        return cls(base, mean, (directions * scale).astype(np.float32))

    def features(self, pictures, progress=None):
        """As the base's."""
        return self.base.features(pictures, progress)

    def regions(self, picture, boxes):
        """Features (R, region_dimension) float32 of boxes (R, 4); arguments and errors are the base's."""
        return self.reduce(contrasted(self.base, picture, boxes, self.contrast))

    def reduce(self, features):
        """Contrasted features (R, D) -> ours (R, d)."""
        return (features - self.mean) @ self.directions

    def state(self):
        """A dict of plain values and arrays: the base's, and ours."""
        return {
            **self.base.state(),
            "name": self.name,
            "fingerprint": self.fingerprint,
            "base_fingerprint": self.base.fingerprint,
            "component_mean": self.mean,
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
        mean, directions = (np.asarray(state.get(key)) for key in ("component_mean", "components"))
        fits = mean.shape == (base.region_dimension,) and directions.ndim == 2 and len(directions) == len(mean)
        if not fits or {mean.dtype.kind, directions.dtype.kind} != {"f"}:
            raise UserError("region extractor: its components don't fit its features; draw the regions again")
        contrast = np.asarray(state.get("contrast"))
        if contrast.shape != (len(DEFAULT),) or contrast.dtype.kind != "f":
            raise UserError("region extractor: its contrast is not three numbers; draw the regions again")
        directions = np.ascontiguousarray(directions, np.float32)
        extractor = cls(base, mean.astype(np.float32), directions, Contrast(*contrast.tolist()))
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
    """Features less those of the surroundings, (R, D) float32, of boxes (R, 4); arguments and errors are base.regions()'."""
    image = open_rgb(picture)
    boxes = check_boxes(boxes, image.size)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, contrast.surroundings / 2 * (boxes[:, 2:] - boxes[:, :2])
    around = check_boxes(np.concatenate([middle - half, middle + half], axis=1), image.size)  # (R, 4), cut at the border
    features, of_surroundings = np.split(base.regions(image, np.concatenate([boxes, around])), 2)
    off = np.where((around == boxes).all(axis=1), contrast.whole, contrast.inside).astype(np.float32)
    return features - off[:, None] * of_surroundings


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
