"""How many of the things that people speak of do region proposals find, and how long do they take?

    python benchmarks/proposals.py data/scenes data/flickr8k

For each picture of a split that is there, and each different box in phrases.json: is there a proposal whose overlap
(intersection over union) with it is 0.5 or more, among the first 19, 100, 1000? Beside the proposals stand as many boxes
drawn at random. --fit finds the weights of objectness.py by logistic regression, on the pictures with even numbers, and
prints the recall with them on the others. --kernels prints what each kernel gains over its NumPy definition, on the calls that
one picture makes.
"""

import argparse
import os
import statistics
import sys
import time

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.phrases import load_phrases
from neuraltalk.errors import UserError
from neuraltalk.layers import twins
from neuraltalk.metrics.grounding import IOU, overlaps
from neuraltalk.vision.pictures import open_picture
from neuraltalk.vision.proposals import grouping, objectness, proposing, segmentation, suppression

COUNTS = (19, 100, 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="data sets with phrases.json and pictures")
    parser.add_argument("-s", "--split", default="val")
    parser.add_argument("-m", "--pictures", type=int, default=200, help="at most (default: 200)")
    parser.add_argument("--fit", action="store_true", help="find the weights")
    parser.add_argument("--kernels", action="store_true", help="time kernels against their definitions")
    options = parser.parse_args()
    try:
        for folder in options.folders:
            pictures = pictures_with_truth(folder, options.split, options.pictures)
            if options.fit:
                fit(pictures[::2])
                pictures = pictures[1::2]
            report(folder, options.split, pictures)
            if options.kernels:
                time_kernels(pictures[0][0])
    except UserError as error:
        sys.exit(f"error: {error}")


def pictures_with_truth(folder, split, most):
    """[(pixels (H, W, 3), boxes (n, 4))] of the split's pictures that are there."""
    dataset = load_dataset(folder)
    phrases = load_phrases(folder, len(dataset.images))
    if phrases is None:
        raise UserError(f"{folder}: has no phrases.json, so nobody knows where things are")
    found = []
    for image in dataset.split(split):
        boxes = sorted({tuple(entry["box"]) for entry in phrases[image.imgid]})
        if boxes and len(found) < most and dataset.picture_path(image).is_file():
            found.append((np.asarray(open_picture(dataset.picture_path(image))), np.array(boxes)))
    if not found:
        raise UserError(f"{folder}: none of the pictures of its {split} split is there")
    return found


def report(folder, split, pictures):
    """Print recall and seconds."""
    rng = np.random.default_rng(0)
    proposing.propose(pictures[0][0])  # compiles
    hits, chance, seconds, counts = {n: [] for n in COUNTS}, {n: [] for n in COUNTS}, [], []
    for pixels, truth in pictures:
        start = time.process_time()
        boxes = proposing.propose(pixels)
        seconds.append(time.process_time() - start)
        counts.append(len(boxes))
        anywhere = random_boxes(pixels, max(COUNTS), rng)
        for n in COUNTS:
            hits[n].append((overlaps(boxes[:n], truth) >= IOU).any(axis=0))
            chance[n].append((overlaps(anywhere[:n], truth) >= IOU).any(axis=0))
    things = sum(len(truth) for _, truth in pictures)
    print(f"{folder}, {split}: {len(pictures)} pictures, {things} boxes; recall at an overlap of {IOU}")
    print("  proposals      " + "".join(f"{n:8}" for n in COUNTS))
    for label, found in (("found", hits), ("at random", chance)):
        print(f"  {label:15}" + "".join(f"{100 * np.concatenate(found[n]).mean():7.1f}%" for n in COUNTS))
    print(f"  {np.mean(counts):.0f} proposals and {statistics.median(seconds):.2f} seconds of one core a picture (median)\n")


def time_kernels(pixels):
    """Both versions of each inner loop on the first call that one picture makes of it."""
    for module in (segmentation, grouping, objectness, suppression):
        for name in [name.rpartition(".")[2] for name in twins.DEFINITIONS if name.startswith("neuraltalk.vision.proposals")]:
            if not hasattr(module, name):
                continue
            run, calls = getattr(module, name), []
            setattr(module, name, lambda *call, run=run, calls=calls: calls.append(copies(call)) or run(*call))
            proposing.propose(pixels)
            setattr(module, name, run)
            kernel = min(seconds(run, calls[0]) for _ in range(5))
            with twins.numpy_only():
                definition = seconds(run, calls[0])
            print(f"  {name:14} {1e3 * kernel:8.2f} ms, its definition {1e3 * definition:8.1f} ms: {definition / kernel:.0f} x")


def copies(call):
    return [value.copy() if isinstance(value, np.ndarray) else value for value in call]


def seconds(function, call):
    call = copies(call)
    start = time.perf_counter()
    function(*call)
    return time.perf_counter() - start


def random_boxes(pixels, count, rng):
    """Corners anywhere."""
    H, W, _ = pixels.shape
    corners = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1) * (W, H)
    return corners.reshape(count, 4)


def fit(pictures):
    """Find weights by which boxes that match a true one stand before others; print them and use them."""
    from scipy.optimize import minimize

    cues, goals, shares = [], [], []
    for pixels, truth in pictures:
        canvas = proposing.to_canvas(pixels)
        guesses = proposing.guess(canvas)
        scale = np.array([pixels.shape[1] / canvas.shape[1], pixels.shape[0] / canvas.shape[0]] * 2)
        best = overlaps(guesses.boxes * scale, truth).max(axis=1)
        cues.append(np.stack(list(objectness.cues(*guesses).values()), axis=1))
        goals.append(np.clip((best - 0.4) / 0.3, 0, 1))  # from "no" to "yes", with a slope around 0.5
        shares.append(np.full(len(best), 1 / len(best)))  # pictures count alike
    x, y, share = np.concatenate(cues), np.concatenate(goals), np.concatenate(shares) / len(pictures)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    x = (x - mean) / deviation

    def loss(w):
        z = x @ w[1:] + w[0]
        error = 1 / (1 + np.exp(-z)) - y
        gradient = np.concatenate([[share @ error], x.T @ (share * error) + 2e-3 * w[1:]])
        return share @ (np.logaddexp(0, z) - y * z) + 1e-3 * w[1:] @ w[1:], gradient

    w = minimize(loss, np.zeros(1 + x.shape[1]), jac=True, method="L-BFGS-B").x[1:] / deviation
    for name, weight in zip(objectness.WEIGHTS, w):
        objectness.WEIGHTS[name] = float(weight)
        print(f'    "{name}": {weight:.2f},')


if __name__ == "__main__":
    main()
