"""Picture features without pretrained weights: single-layer k-means (Coates, Lee and Ng 2011).

    picture -> canvas (S, S, 3) -> patches -> contrast-normalised, whitened -> triangle activation of each word
            -> mean over the cells of a grid -> standardised and rectified -> 4096 numbers, none negative, like fc7

    symbol   meaning
    S        side of the canvas that each picture is resized to, in pixels
    Y, X     rows and columns of patches on the canvas
    K        words of the dictionary
    G        the picture is pooled over G x G cells (a box over its own B x B)

Everything is learned from the training pictures by `KMeansExtractor.learn`, in seconds, and travels as `state()`.
"""

import hashlib
import json
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.files import write_atomically
from neuraltalk.vision.dictionary import describe_patches, learn_whitening, learn_words, patch_windows
from neuraltalk.vision.pictures import open_picture, to_rgb
from neuraltalk.vision.triangle import triangle_pool


class Settings(NamedTuple):
    """What is chosen rather than learned. Lengths are pixels of the canvas; brightness runs from 0 to 1."""

    canvas: int = 96
    patch: int = 6
    stride: int = 2
    words: int = 1024
    grid: int = 2
    region_grid: int = 2
    kept: int = 80  # directions kept by the whitening
    contrast_floor: float = 0.1
    brightness_weight: float = 3.0
    noise: float = 0.01  # added to the variances before whitening
    threshold: float = 0.0  # the rectifier's zero, in standard deviations from the mean


ARRAYS = ("patch_mean", "whitening", "dictionary", "mean", "scale", "region_mean", "region_scale")


class KMeansExtractor:
    """Turns pictures into rows of `dimension` numbers, and boxes of a picture into rows of `region_dimension` numbers.

    Made by `learn`, `from_state` or `load`. Arrays (all float32):
        patch_mean (d,), whitening (d, D), dictionary (K, D)            the dictionary, see dictionary.py
        mean, scale (G * G * K,), region_mean, region_scale (B * B * K,)    for f = max(0, (pooled - mean) * scale)
    """

    name = "kmeans"

    def __init__(self, settings, arrays):
        self.settings = settings
        self.arrays = arrays
        self.dimension = settings.grid**2 * settings.words
        self.region_dimension = settings.region_grid**2 * settings.words
        self.fingerprint = _fingerprint(self.name, settings, arrays)
        self._word_norms = np.einsum("kd,kd->k", arrays["dictionary"], arrays["dictionary"])
        self._words_transposed = np.ascontiguousarray(arrays["dictionary"].T)

    # Learning

    @classmethod
    def learn(cls, pictures, rng, settings=Settings(), patches=60000, iterations=10, max_pictures=1000):
        """Learn an extractor from training `pictures` (paths or PIL images), drawing at random from `rng`.

        At most `max_pictures` of them are looked at; `patches` patches make the dictionary, by `iterations` of k-means.
        Raises UserError for an unreadable picture, or none at all.
        """
        pictures = list(pictures)
        if not pictures:
            raise UserError("there are no pictures to learn features from; a dictionary needs at least one")
        if len(pictures) > max_pictures:
            pictures = [pictures[i] for i in np.sort(rng.choice(len(pictures), max_pictures, replace=False))]
        canvases = [_to_canvas(picture, settings.canvas) for picture in pictures]
        arrays = _learn_dictionary(canvases, settings, patches, iterations, rng)
        D, rD = settings.grid**2 * settings.words, settings.region_grid**2 * settings.words
        arrays.update(mean=np.zeros(D, np.float32), scale=np.ones(D, np.float32))
        arrays.update(region_mean=np.zeros(rD, np.float32), region_scale=np.ones(rD, np.float32))
        raw = cls(settings, arrays)
        sample = [canvases[i] for i in rng.choice(len(canvases), min(len(canvases), 400), replace=False)]
        mean, scale = _standardiser(np.stack([raw._pool_grid(canvas) for canvas in sample]), settings.threshold)
        boxes = [_random_boxes(10, settings.canvas, rng) for _ in sample]
        pooled = np.concatenate([raw._pool_boxes(canvas, each) for canvas, each in zip(sample, boxes)])
        region_mean, region_scale = _standardiser(pooled, settings.threshold)
        learned = {"mean": mean, "scale": scale, "region_mean": region_mean, "region_scale": region_scale}
        return cls(settings, {**arrays, **learned})

    # Extraction

    def features(self, pictures, progress=None):
        """Features (N, dimension) float32 of `pictures`, any iterable of paths or PIL images, one held at a time.

        A picture's row depends on no other picture. `progress(done)` is called with the number of pictures after each
        one. Raises UserError for an unreadable picture.
        """
        rows = []
        for picture in pictures:
            pooled = self._pool_grid(_to_canvas(picture, self.settings.canvas))
            rows.append(_rectify(pooled, self.arrays["mean"], self.arrays["scale"]))
            if progress is not None:
                progress(len(rows))
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def regions(self, picture, boxes):
        """Features (R, region_dimension) float32 of `boxes` (R, 4): xmin, ymin, xmax, ymax in pixels of `picture`.

        One pass over the picture serves all boxes: a box is cut into B x B equal cells, and a cell's number is the mean
        activation of the patches whose centres' pixels it covers, fractions counted. Boxes are cut to the picture, and
        one thinner than a patch's stride is widened to it. `picture` is a path or a PIL image.

        Raises UserError for an unreadable picture, or a box that isn't four finite numbers with some of the picture
        inside.
        """
        if not hasattr(picture, "getbbox"):
            picture = open_picture(picture)
        boxes = _check_boxes(boxes, picture.size)  # (R, 4)
        scale = self.settings.canvas / np.array(picture.size * 2, np.float64)  # width, height, width, height
        pooled = self._pool_boxes(_to_canvas(picture, self.settings.canvas), boxes * scale)
        return _rectify(pooled, self.arrays["region_mean"], self.arrays["region_scale"])

    def _activations(self, canvas, columns, G):
        """Activations of one canvas (S, S, 3), summed along each row of patches by `columns` (X,) -> (Y, G, K)."""
        windows = patch_windows(canvas, self.settings.patch, self.settings.stride)  # (Y, X, p, p, 3)
        x = _whiten(windows.reshape(*windows.shape[:2], -1), self.settings, self.arrays)  # (Y, X, D)
        Y, X, D = x.shape
        K = len(self._word_norms)
        products = (x.reshape(Y * X, D) @ self._words_transposed).reshape(Y, X, K)
        out = np.empty((Y, G, K), np.float32)
        triangle_pool(products, np.einsum("yxd,yxd->yx", x, x), self._word_norms, columns, out)
        return out

    def _pool_grid(self, canvas):
        """Mean activation of each word in each of the G x G cells of `canvas` -> (G * G * K,)."""
        G, side = self.settings.grid, _patches_a_side(self.settings)
        cells = np.arange(side) * G // side  # of each column, and of each row: the canvas is square
        rows = self._activations(canvas, cells, G)  # (Y, G, K)
        counts = np.bincount(cells, minlength=G).astype(np.float32)
        sums = np.add.reduceat(rows, np.searchsorted(cells, np.arange(G)), axis=0)  # (G, G, K)
        return (sums / (counts[:, None] * counts)[:, :, None]).ravel()

    def _pool_boxes(self, canvas, boxes):
        """Mean activation of each word in the B x B cells of each box (R, 4) on `canvas` -> (R, B * B * K)."""
        side, B, R = _patches_a_side(self.settings), self.settings.region_grid, len(boxes)
        maps = self._activations(canvas, np.arange(side), side)  # (Y, X, K)
        across = _cell_weights(boxes[:, [0, 2]], B, self.settings)  # (R, B, X)
        down = _cell_weights(boxes[:, [1, 3]], B, self.settings)  # (R, B, Y)
        rows = (down.reshape(R * B, side) @ maps.reshape(side, -1)).reshape(R, B, side, maps.shape[2])  # (R, B, X, K)
        return (across[:, None] @ rows).reshape(R, self.region_dimension)  # (R, B down, B across, K)

    # Keeping

    def state(self):
        """A dict of plain values and arrays, for checkpoints; `from_state` makes an equal extractor of it."""
        return {"name": self.name, **self.settings._asdict(), **self.arrays, "fingerprint": self.fingerprint}

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
        """Write the state to `path` (.npz), atomically."""
        with write_atomically(path) as file:
            np.savez(file, **self.state())


def _to_canvas(picture, side):
    """A path or PIL image, resized to `side` x `side` pixels (its proportions give way) -> float32 in 0..1."""
    from PIL import Image

    if not hasattr(picture, "getbbox"):
        picture = open_picture(picture)
    elif picture.mode != "RGB":
        picture = to_rgb(picture)
    resized = picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=3)  # averages when it shrinks
    return np.asarray(resized, np.float32) / np.float32(255)


def _patches_a_side(settings):
    return (settings.canvas - settings.patch) // settings.stride + 1


def _whiten(patches, settings, arrays):
    described = describe_patches(patches, settings.contrast_floor, settings.brightness_weight)
    return (described - arrays["patch_mean"]) @ arrays["whitening"]


def _learn_dictionary(canvases, settings, patches, iterations, rng):
    """Patch mean, whitening and words from as many patches of each canvas -> dict of arrays."""
    each = -(-max(patches, 2 * settings.words) // len(canvases))  # rounded up
    cut = []
    for canvas in canvases:
        y, x = rng.integers(0, settings.canvas - settings.patch + 1, (2, each))
        cut.append(patch_windows(canvas, settings.patch, 1)[y, x].reshape(each, -1))
    described = describe_patches(np.concatenate(cut), settings.contrast_floor, settings.brightness_weight)
    patch_mean, whitening = learn_whitening(described, settings.noise, settings.kept)
    words = learn_words((described - patch_mean) @ whitening, settings.words, iterations, rng)
    return {"patch_mean": patch_mean, "whitening": whitening, "dictionary": words}


def _standardiser(pooled, threshold):
    """The mean (plus `threshold` deviations) and the inverse deviation of each column of `pooled` (N, D)."""
    deviation = pooled.std(axis=0)
    # A column that hardly changes says nothing: don't blow its noise up.
    deviation = np.maximum(deviation, 0.01 * np.float32(deviation.mean()) + np.float32(1e-6))
    return pooled.mean(axis=0) + np.float32(threshold) * deviation, 1 / deviation


def _rectify(pooled, mean, scale):
    return np.maximum((pooled - mean) * scale, 0)


def _random_boxes(count, side, rng):
    """Boxes (count, 4) on a canvas of `side` pixels: their sides lie between a tenth and all of it."""
    size = rng.uniform(0.1, 1, (count, 2)) * side
    corner = rng.uniform(0, 1, (count, 2)) * (side - size)
    return np.concatenate([corner, corner + size], axis=1)


def _cell_weights(edges, B, settings):
    """Weight of each row or column of patches in the B equal cells between `edges` (R, 2), in pixels of the canvas.

    Patch i stands for `stride` pixels around its centre; a weight is the share of the cell that those cover, so the
    weights of a cell sum to 1 -> (R, B, patches a side) float32.
    """
    side = _patches_a_side(settings)
    edges = np.clip((edges - (settings.patch - settings.stride) / 2) / settings.stride, 0, side)  # in patches
    middle, half = edges.mean(axis=1), np.maximum((edges[:, 1] - edges[:, 0]) / 2, 0.5)
    start = np.clip(middle - half, 0, side - 2 * half)
    cuts = start[:, None] + np.arange(B + 1) * (2 * half / B)[:, None]  # (R, B + 1)
    i = np.arange(side)
    overlap = np.minimum(cuts[:, 1:, None], i + 1) - np.maximum(cuts[:, :-1, None], i)  # (R, B, side)
    overlap = np.maximum(overlap, 0)
    return (overlap / overlap.sum(axis=2, keepdims=True)).astype(np.float32)


def _check_boxes(boxes, size):
    """`boxes` as float64 (R, 4), cut to a picture of `size` (width, height)."""
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise UserError(f"boxes have the shape {boxes.shape}; expected (R, 4): xmin, ymin, xmax, ymax of each")
    limits = np.array(size * 2, np.float64)
    cut = np.clip(boxes, 0, limits)
    for r, (given, inside) in enumerate(zip(boxes, cut)):
        if not (np.isfinite(given).all() and inside[0] < inside[2] and inside[1] < inside[3]):
            numbers = ", ".join(f"{number:g}" for number in given)
            raise UserError(
                f"box {r} ({numbers}) holds nothing of a picture of {size[0]} x {size[1]} pixels; "
                "expected xmin < xmax and ymin < ymax"
            )
    return cut


def _shapes(settings):
    d, K = 3 * settings.patch**2 + 1, settings.words
    grid, region = (settings.grid**2 * K,), (settings.region_grid**2 * K,)
    shapes = [(d,), (d, min(d, settings.kept)), (K, min(d, settings.kept)), grid, grid, region, region]
    return dict(zip(ARRAYS, shapes))


def _read_settings(state):
    """Settings from a state's plain values, checked."""
    values = {}
    for field, default in Settings()._asdict().items():
        try:
            value = type(default)(state[field])
            if not np.isfinite(value) or (isinstance(default, int) and not 1 <= value <= 10000):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            raise UserError(
                f"k-means extractor: the setting {field} is missing or not a sensible number; build the data set again"
            ) from None
        values[field] = value
    settings = Settings(**values)
    if settings.patch > settings.canvas or max(settings.grid, settings.region_grid) > _patches_a_side(settings):
        raise UserError("k-means extractor: its patch or grid does not fit its canvas; build the data set again")
    return settings


def _fingerprint(name, settings, arrays):
    """SHA-256 (hex) over the name, the settings and the arrays' bytes, the same on every machine."""
    digest = hashlib.sha256(json.dumps([name, settings._asdict()], sort_keys=True).encode())
    for key in ARRAYS:
        digest.update(f"{key} {arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key], "<f4").tobytes())
    return digest.hexdigest()
