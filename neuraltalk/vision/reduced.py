"""Features of regions as seen against their surroundings, and fewer of them: contrast, then principal components.

    r    the base extractor's features of a box                                                         (D,)
    r'   those of its surroundings: the box SURROUNDINGS times as wide and high, cut at the border      (D,)
    f    ours, of root mean square 1                                                                    (d,)

        f = scale * (r - CONTRAST r' - mean) @ directions

What lies all around a box says nothing about it: sand is on every box at the beach, and fur on every piece of a dog. Without
its surroundings a piece of a dog looks more like a dog than the whole dog does; with them, the whole one stands out most.
The whole picture has nothing around it, so it keeps 1 - CONTRAST of its features.

Twenty regions a picture with 4096 numbers each would be gigabytes, and most of the numbers tell the same; so the first
principal components are kept, learned from regions of training pictures. They may be negative. Whole pictures as pictures
keep the base's features. The state holds the base's, so that a checkpoint measures regions of new pictures alike; its
fingerprint covers both.
"""

import hashlib

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically
from neuraltalk.vision.boxes import check_boxes
from neuraltalk.vision.pictures import open_rgb

SURROUNDINGS = 1.4
CONTRAST = 0.75
DIMENSION = 512
SURPLUS = 32  # directions more than wanted while they are sought: the last ones would be poor otherwise
ITERATIONS = 2


class ReducedRegions:
    """An extractor (see extractors.py) that gives `base`'s features of pictures, and few numbers of regions.

    mean (D,), directions (D, d) with the scale inside: float32
    """

    name = "kmeans+components"

    def __init__(self, base, mean, directions, surroundings=SURROUNDINGS, contrast=CONTRAST):
        self.base, self.mean, self.directions = base, mean, directions
        self.surroundings, self.contrast = surroundings, contrast
        self.dimension, self.region_dimension = base.dimension, directions.shape[1]
        settings = f"{self.name} {base.fingerprint} {directions.shape} {surroundings:g} {contrast:g}"
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
        return self.reduce(contrasted(self.base, picture, boxes, self.surroundings, self.contrast))

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
            "surroundings": self.surroundings,
            "contrast": self.contrast,
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
        try:
            contrast = [float(state[key]) for key in ("surroundings", "contrast")]
        except (KeyError, TypeError, ValueError):
            raise UserError("region extractor: surroundings or contrast is no number; draw the regions again") from None
        extractor = cls(base, mean.astype(np.float32), np.ascontiguousarray(directions, np.float32), *contrast)
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


def contrasted(base, picture, boxes, surroundings=SURROUNDINGS, contrast=CONTRAST):
    """r - contrast r' (R, D) float32 of boxes (R, 4); arguments and errors are those of the base's regions()."""
    image = open_rgb(picture)
    boxes = check_boxes(boxes, image.size)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, surroundings / 2 * (boxes[:, 2:] - boxes[:, :2])
    around = np.concatenate([middle - half, middle + half], axis=1)  # (R, 4)
    inside, around = np.split(base.regions(image, np.concatenate([boxes, around])), 2)  # cut at the border there
    return inside - np.float32(contrast) * around


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
