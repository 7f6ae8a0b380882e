"""Fewer numbers for regions: principal components of another extractor's region features.

Twenty regions a picture with 4096 numbers each would be gigabytes, and most of the numbers tell the same. So region
features are turned into their first principal components, learned from regions of training pictures:

    f = scale * (r - mean) @ directions        r (R, D) the base extractor's, f (R, d) ours, of root mean square 1

They may be negative. Whole pictures keep the base extractor's features. The state holds the base's, so that a checkpoint
measures regions of new pictures alike; its fingerprint covers both.
"""

import hashlib

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically

DIMENSION = 512
SURPLUS = 32  # directions more than wanted while they are sought: the last ones would be poor otherwise
ITERATIONS = 2


class ReducedRegions:
    """An extractor (see extractors.py) that gives `base`'s features of pictures, and few numbers of regions.

    mean (D,), directions (D, d) with the scale inside: float32
    """

    name = "kmeans+components"

    def __init__(self, base, mean, directions):
        self.base, self.mean, self.directions = base, mean, directions
        self.dimension, self.region_dimension = base.dimension, directions.shape[1]
        digest = hashlib.sha256(f"{self.name} {base.fingerprint} {directions.shape}".encode())
        for array in (mean, directions):
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        self.fingerprint = digest.hexdigest()

    @classmethod
    def learn(cls, base, features, rng, dimension=DIMENSION):
        """From the base's `features` (n, D) of regions of training pictures; at most n or D components."""
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
        return self.reduce(self.base.regions(picture, boxes))

    def reduce(self, features):
        """The base's region features (R, D) -> ours (R, d)."""
        return (features - self.mean) @ self.directions

    def state(self):
        """A dict of plain values and arrays: the base's, and ours."""
        own = {"name": self.name, "fingerprint": self.fingerprint, "base_fingerprint": self.base.fingerprint}
        return {**self.base.state(), **own, "component_mean": self.mean, "components": self.directions}

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
        extractor = cls(base, mean.astype(np.float32), np.ascontiguousarray(directions, np.float32))
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
