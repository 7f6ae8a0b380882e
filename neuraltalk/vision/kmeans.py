"""Picture features without pretrained weights: single-layer k-means (Coates, Lee and Ng 2011).

    picture -> canvas -> patches -> contrast-normalised, whitened -> triangle activation of each word of a dictionary
            -> pooled over the cells of a grid -> standardised and rectified -> 4096 numbers, none negative, like fc7

A picture is looked at in two views. The fine one has a large dictionary of small patches, pooled over the whole
picture: what is there, in which colour. The coarse one has few words of patches that are twice as large in the picture,
pooled over 2 x 2 cells: where, and next to what. Everything is learned from the training pictures by
`KMeansExtractor.learn`, in seconds, and travels as `state()`.
"""

import hashlib
import json
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically
from neuraltalk.vision.boxes import check_boxes
from neuraltalk.vision.pictures import open_rgb
from neuraltalk.vision.view import View, learn_view, pool_boxes, pool_grid, to_canvas


class Settings(NamedTuple):
    """What is chosen rather than learned: 3072 * 1 + 256 * 2 * 2 = 4096 numbers."""

    fine: View = View(canvas=64, patch=6, stride=2, words=3072, grid=1)
    coarse: View = View(canvas=32, patch=6, stride=1, words=256, grid=2)
    threshold: float = -0.5  # the rectifier's zero, in standard deviations from the mean


VIEWS = ("fine", "coarse")
DEFAULT = Settings()


class KMeansExtractor:
    """Turns pictures, and boxes in a picture, into rows of `dimension` numbers (`region_dimension` is the same).

    Made by `learn`, `extractors.extractor_from_state` or `extractors.load_extractor`. Arrays (all float32), the first
    three for each view, "fine_" or "coarse_" before the name:
        patch_mean (d,), whitening (d, D), dictionary (K, D)          see dictionary.py
        mean, scale, region_mean, region_scale (dimension,)           f = max(0, (pooled - mean) * scale)
    """

    name = "kmeans"

    def __init__(self, settings, arrays):
        self.settings = settings
        self.arrays = arrays
        self.dimension = self.region_dimension = sum(getattr(settings, view).dimension for view in VIEWS)
        self.fingerprint = _fingerprint(self.name, settings, arrays)
        self._views = [(getattr(settings, view), _arrays_of(view, arrays)) for view in VIEWS]

    # Learning

    @classmethod
    def learn(cls, pictures, rng, settings=DEFAULT, patches=40000, iterations=5, max_pictures=1000):
        """Learn an extractor from training `pictures` (paths or PIL images), drawing at random from `rng`.

        At most `max_pictures` of them are looked at; for each view, `patches` patches make the dictionary in
        `iterations` of k-means. Raises UserError for an unreadable picture, or none at all.
        """
        pictures = list(pictures)
        if not pictures:
            raise UserError("there are no pictures to learn features from; a dictionary needs at least one")
        if len(pictures) > max_pictures:
            pictures = [pictures[i] for i in np.sort(rng.choice(len(pictures), max_pictures, replace=False))]
        views = [getattr(settings, name) for name in VIEWS]
        canvases = [[to_canvas(image, view) for view in views] for image in map(open_rgb, pictures)]
        arrays = {}
        for v, name in enumerate(VIEWS):
            learned = learn_view([canvas[v] for canvas in canvases], views[v], patches, iterations, rng)
            arrays.update({f"{name}_{key}": value for key, value in learned.items()})
        unit = np.ones(sum(view.dimension for view in views), np.float32)
        raw = cls(settings, {**arrays, "mean": 0 * unit, "scale": unit, "region_mean": 0 * unit, "region_scale": unit})
        sample = [canvases[i] for i in rng.choice(len(canvases), min(len(canvases), 200), replace=False)]
        arrays["mean"], arrays["scale"] = _standardiser(np.stack([raw._grid(c) for c in sample]), settings.threshold)
        pooled = np.concatenate([raw._boxes(canvas, _random_boxes(8, rng)) for canvas in sample[:100]])
        arrays["region_mean"], arrays["region_scale"] = _standardiser(pooled, settings.threshold)
        return cls(settings, arrays)

    # Extraction

    def features(self, pictures, progress=None):
        """Features (N, dimension) float32 of `pictures`, any iterable of paths or PIL images, one held at a time.

        A picture's row depends on no other picture. `progress(done)` is called with the number of pictures after each
        one. Raises UserError for an unreadable picture.
        """
        rows = []
        for picture in pictures:
            pooled = self._grid(self._canvases(open_rgb(picture)))
            rows.append(_rectify(pooled, self.arrays["mean"], self.arrays["scale"]))
            if progress is not None:
                progress(len(rows))
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def regions(self, picture, boxes):
        """Features (R, region_dimension) float32 of `boxes` (R, 4): xmin, ymin, xmax, ymax in pixels of `picture`.

        One pass over the picture's patches serves all boxes; a box is pooled as `features` pools a picture, over the
        patches whose pixels it covers, fractions counted. Boxes are cut to the picture, and what is thinner than a
        patch's share of it is widened to that. `picture` is a path or a PIL image.

        Raises UserError for an unreadable picture, or a box that isn't four finite numbers with some of the picture
        inside.
        """
        image = open_rgb(picture)
        boxes = check_boxes(boxes, image.size) / np.array(image.size * 2)  # width, height, width, height
        return _rectify(
            self._boxes(self._canvases(image), boxes), self.arrays["region_mean"], self.arrays["region_scale"]
        )

    def _canvases(self, image):
        return [to_canvas(image, view) for view, _ in self._views]

    def _grid(self, canvases):
        """One picture's canvases -> pooled activations (dimension,)."""
        return np.concatenate([pool_grid(c, view, arrays) for c, (view, arrays) in zip(canvases, self._views)])

    def _boxes(self, canvases, boxes):
        """One picture's canvases and `boxes` (R, 4), 1 = the picture's side -> pooled activations (R, dimension)."""
        pairs = zip(canvases, self._views)
        pooled = [pool_boxes(canvas, view, arrays, boxes * view.canvas) for canvas, (view, arrays) in pairs]
        return np.concatenate(pooled, axis=1)

    # Keeping

    def state(self):
        """A dict of plain values and arrays, for checkpoints; `from_state` makes an equal extractor of it."""
        return {"name": self.name, **_flatten(self.settings), **self.arrays, "fingerprint": self.fingerprint}

    @classmethod
    def from_state(cls, state):
        """The extractor that `state` describes. Raises UserError if anything in it is missing, malformed or altered."""
        settings, arrays = _read_settings(state), {}
        for key, shape in _shapes(settings).items():
            array = np.asarray(state.get(key))
            if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
                raise UserError(
                    f"k-means extractor: {key} is not a finite array of {shape} numbers; build the data set again"
                )
            arrays[key] = np.ascontiguousarray(array, np.float32)
        extractor = cls(settings, arrays)
        if str(state.get("fingerprint")) != extractor.fingerprint:
            raise UserError(
                "k-means extractor: its numbers don't match its fingerprint, so they were altered or damaged; "
                "build the data set again"
            )
        return extractor

    def save(self, path):
        """Write the state to `path` (.npz), atomically; `extractors.load_extractor` reads it."""
        with write_atomically(path) as file:
            np.savez(file, **self.state())


def _standardiser(pooled, threshold):
    """The mean (plus `threshold` deviations) and the inverse deviation of each column of `pooled` (N, D)."""
    deviation = pooled.std(axis=0)
    # A column that hardly changes says nothing: don't blow its noise up.
    deviation = np.maximum(deviation, np.float32(0.1) * deviation.mean() + np.float32(1e-6))
    return pooled.mean(axis=0) + np.float32(threshold) * deviation, 1 / deviation


def _rectify(pooled, mean, scale):
    return np.maximum((pooled - mean) * scale, 0)


def _random_boxes(count, rng):
    """Boxes (count, 4) whose sides are a tenth of the picture's to all of it; 1 = the picture's side."""
    size = rng.uniform(0.1, 1, (count, 2))
    corner = rng.uniform(0, 1, (count, 2)) * (1 - size)
    return np.concatenate([corner, corner + size], axis=1)


def _arrays_of(view, arrays):
    """The arrays whose names begin with the view's, without it."""
    return {key[len(view) + 1 :]: value for key, value in arrays.items() if key.startswith(f"{view}_")}


def _flatten(settings):
    """Settings -> {"fine_canvas": 64, ...}."""
    flat = {f"{name}_{key}": value for name in VIEWS for key, value in getattr(settings, name)._asdict().items()}
    return {**flat, "threshold": settings.threshold}


def _shapes(settings):
    """The shape of each array, by name, in the order in which the fingerprint reads them."""
    views = [(name, getattr(settings, name)) for name in VIEWS]
    shapes = {f"{name}_{key}": shape for name, view in views for key, shape in view.shapes().items()}
    pooled = (sum(view.dimension for _, view in views),)
    return {**shapes, "mean": pooled, "scale": pooled, "region_mean": pooled, "region_scale": pooled}


def _read_settings(state):
    """Settings from a state's plain values, checked."""
    values = {}
    for field, default in _flatten(DEFAULT).items():
        try:
            values[field] = type(default)(state[field])
            if not np.isfinite(values[field]) or (isinstance(default, int) and not 1 <= values[field] <= 10000):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            raise UserError(
                f"k-means extractor: the setting {field} is missing or not a sensible number; build the data set again"
            ) from None
    views = [View(**_arrays_of(name, values)) for name in VIEWS]
    if any(view.patch > view.canvas or view.grid > view.side for view in views):
        raise UserError("k-means extractor: its patch or grid does not fit its canvas; build the data set again")
    return Settings(*views, values["threshold"])


def _fingerprint(name, settings, arrays):
    """SHA-256 (hex) over the name, the settings and the arrays' bytes, the same on every machine."""
    digest = hashlib.sha256(json.dumps([name, _flatten(settings)], sort_keys=True).encode())
    for key, shape in _shapes(settings).items():
        digest.update(f"{key} {shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key], "<f4").tobytes())
    return digest.hexdigest()
