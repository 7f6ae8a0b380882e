"""What do a picture's regions cost beside the picture itself, and how much memory does extraction take?

    python benchmarks/extraction.py FOLDER

FOLDER has pictures; VGG-16's weights are where `neuraltalk weights` puts them (or NEURALTALK_WEIGHTS). Times, medians of paired
turns on one picture each: a forward pass for its conv5 features (A); its 19 proposals (B); one forward pass that serves the
picture and its 20 regions, pooled from the same map (C). Then `neuraltalk extract --regions` runs over FOLDER, its result is
removed, and the peak of its memory is told (Linux and macOS), all counted: Python, libraries, weights.
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from neuraltalk.cli.extraction import find_boxes
from neuraltalk.errors import UserError
from neuraltalk.vision.extractors import features_and_regions, pretrained_extractor
from neuraltalk.vision.pictures import list_pictures, open_picture

PICTURES = 20


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_megabytes():
    """The largest resident memory of the processes that this one started."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    options = parser.parse_args()
    paths = list_pictures(options.folder)
    images = [open_picture(path) for path in paths[: PICTURES + 1]]
    find_boxes(images[0])  # compiles
    extractor = pretrained_extractor("vgg16-conv5")

    rows = []
    for image in images:
        boxes = find_boxes(image)
        alone = seconds(lambda image=image: extractor.features([image]))
        proposing = seconds(lambda image=image: find_boxes(image))
        both = seconds(lambda image=image, boxes=boxes: features_and_regions(extractor, [image], [boxes]))
        rows.append((alone, proposing, both, both / alone))
    alone, proposing, both, ratio = (1000 * statistics.median(column) for column in zip(*rows[1:]))  # the first warms up
    print(f"milliseconds a picture, {len(rows) - 1} pictures, one at a time")
    print(f"  A  forward pass, conv5 features          {alone:8.1f}")
    print(f"  B  proposals                             {proposing:8.1f}")
    print(f"  C  picture and regions, one forward pass {both:8.1f}    C / A {ratio / 1000:.2f}")

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "neuraltalk.cli.extract", options.folder, "--regions", "-o", folder, "-j", "1"]
        took = seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    print(f"neuraltalk extract --regions: {1000 * took / len(paths):.1f} ms a picture, {len(paths)} pictures")
    weights = sum(array.nbytes for layer in extractor.network.weights.convolutions for array in layer) / 1e6
    print(f"its peak memory: {peak_megabytes():.0f} MB, of which the convolutions' weights are {weights:.0f} MB")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
