"""Makes up a data set of COCO's size and statistics: what it says is nonsense, how much and how often is as there.

    python benchmarks/made_up_coco.py FOLDER [--images 123287] [--regions 20] [--packed]

Five sentences an image; splits as in Karpathy's file for COCO (5000 to validate, 5000 to test, a quarter of the rest is
restval; a smaller data set has the same shares). Lengths as there: mean 10.5 words, most have 8 to 11, the longest 49. Words are
drawn by a law of two slopes (rank ** -1 for the frequent ones, steeper beyond), which gives 123,287 images some 27,000 distinct
words, of which some 9,600 occur five times or more, as there.

    FOLDER/dataset.json        160 MB
    FOLDER/vgg_feats.npy       N x 4096 float32, a third of the numbers positive as behind a ReLU: 2 GB
    FOLDER/region_feats.mat    with --regions R: R regions an image, 40 GB to the reader and a few hundred MB on the disk. Boxes and
                               image numbers are all real; features are for the first of each REAL_EVERY images, and holes elsewhere,
                               which read as zeros (on file systems that keep holes)
    FOLDER/packed/             with --packed: dataset.json again, the features as MATLAB 7.3 writes them, in compressed pieces

Written block by block: memory doesn't depend on the size.
"""

import argparse
import json
import os
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from neuraltalk.data.feature_writer import write_matlab

D = 4096
SENTENCES = 5
# Thousandths of the sentences with 6, 7, 8 ... words; beyond, each length has 0.7 of the one before, up to 49.
LENGTHS, SHORTEST, LONGEST, TAIL = (1, 35, 158, 216, 212, 157, 96, 53, 30), 6, 49, 0.7
CANDIDATES, TURN, STEEPNESS = 200_000, 1150, 1.47           # the law of words: rank at which it becomes steeper, by how much
AT_ONCE = 1000
REAL_EVERY = 100


def length_shares():
    """Lengths and their shares."""
    shares = list(LENGTHS)
    shares += [shares[-1] * TAIL ** k for k in range(1, LONGEST - SHORTEST - len(shares) + 2)]
    return np.arange(SHORTEST, LONGEST + 1), np.array(shares) / sum(shares)


def word_edges():
    """Cumulated shares of the candidates, most frequent first."""
    rank = np.arange(1, CANDIDATES + 1)
    shares = 1 / ((rank + 2) * (1 + (rank / TURN) ** STEEPNESS))
    return np.cumsum(shares) / shares.sum()


def spelled(number):
    """A made-up word, short for the frequent ones: a, b, ... z, ba, bb, ...

    >>> spelled(0), spelled(25), spelled(26), spelled(27 * 26)
    ('a', 'z', 'ba', 'bba')
    """
    letters = ""
    while True:
        number, letter = divmod(number, 26)
        letters = chr(ord("a") + letter) + letters
        if not number:
            return letters


def split_of(imgid, images):
    """The share of each split is COCO's; evenly mixed, since imgids there are in no order of splits."""
    if images == 123_287:
        edges = (5000, 10_000, 40_504)
    else:
        edges = [round(images * share) for share in (0.0406, 0.0811, 0.3285)]
    place = imgid * 7919 % images                           # 7919 is prime: a permutation unless it divides `images`
    return next((split for edge, split in zip(edges, ("val", "test", "restval")) if place < edge), "train")


def write_dataset(path, images, rng):
    """dataset.json as Karpathy's has it."""
    lengths, shares = length_shares()
    edges = word_edges()
    words = np.array([spelled(number) for number in range(CANDIDATES)], dtype=object)
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"images": [')
        for first in range(0, images, AT_ONCE):
            some = range(first, min(first + AT_ONCE, images))
            counts = rng.choice(lengths, size=len(some) * SENTENCES, p=shares)
            drawn = words[np.searchsorted(edges, rng.random(counts.sum()))]
            sentences = [part.tolist() for part in np.split(drawn, np.cumsum(counts)[:-1])]
            for imgid in some:
                own = sentences[(imgid - first) * SENTENCES : (imgid - first + 1) * SENTENCES]
                file.write(("" if imgid == 0 else ", ") + json.dumps(record(imgid, images, own)))
        file.write('], "dataset": "made_up"}')


def record(imgid, images, sentences):
    """An image's entry."""
    split = split_of(imgid, images)
    folder = "train2014" if split == "train" else "val2014"
    sentids = range(imgid * SENTENCES, (imgid + 1) * SENTENCES)
    return {
        "filepath": folder,
        "sentids": list(sentids),
        "filename": f"COCO_{folder}_{4 * imgid + 9:012d}.jpg",
        "imgid": imgid,
        "split": split,
        "sentences": [
            {"tokens": tokens, "raw": " ".join(tokens).capitalize() + ".", "imgid": imgid, "sentid": sentid}
            for sentid, tokens in zip(sentids, sentences)
        ],
        "cocoid": 4 * imgid + 9,
    }


def feature_blocks(rows, rng):
    """Yield `rows` rows in blocks: what a ReLU lets through, about a third."""
    for first in range(0, rows, AT_ONCE):
        block = rng.standard_normal((min(AT_ONCE, rows - first), D), dtype=np.float32)
        block -= np.float32(0.4)
        yield np.maximum(block, 0, out=block)


def write_features(path, images, rng):
    """vgg_feats.npy, which is mapped as it is."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (images, D)})
        for block in feature_blocks(images, rng):
            file.write(block.data)


def write_packed(path, images, rng):
    """vgg_feats.mat as MATLAB writes it with -v7.3: in pieces, deflated; it has to be converted before use."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        feats = file.create_dataset("feats", (images, D), "f4", chunks=(16, D), compression="gzip", compression_opts=1)
        feats.attrs["MATLAB_class"] = np.bytes_("single")
        for k, block in enumerate(feature_blocks(images, rng)):
            feats[k * AT_ONCE : k * AT_ONCE + len(block)] = block.round(1)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, made up".ljust(116) + bytes(8) + b"\x00\x02IM")


def write_regions(path, images, R, rng):
    """region_feats.mat of `images` times R regions, features mostly holes of the file."""
    M = images * R
    with write_matlab(path, {"feats": ((M, D), "float32"), "boxes": ((M, 4), "float32"), "image": ((M, 1), "int32")}) as files:
        begin = files["feats"].tell()
        for first in range(0, images, AT_ONCE):
            n = min(AT_ONCE, images - first)
            corners = np.sort(rng.integers(0, 640, size=(n, R, 2, 2)), axis=2)
            corners[:, 0] = [[0, 0], [640, 640]]            # the whole image, which comes first
            files["boxes"].write(corners.reshape(n * R, 4).astype("<f4").tobytes())
            files["image"].write(np.repeat(np.arange(first, first + n, dtype="<i4"), R).tobytes())
            for imgid in range(first, first + n):
                if imgid % REAL_EVERY == 0:
                    files["feats"].seek(begin + imgid * R * D * 4)
                    files["feats"].write(next(feature_blocks(R, rng)).tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=123_287, metavar="N", help="(default: COCO's 123287)")
    parser.add_argument("--regions", type=int, default=0, metavar="R", help="regions an image, whole image included (default: none)")
    parser.add_argument("--packed", action="store_true", help="FOLDER/packed too, whose features have to be converted at first use")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    write_dataset(options.folder / "dataset.json", options.images, np.random.default_rng(1))
    write_features(options.folder / "vgg_feats.npy", options.images, np.random.default_rng(2))
    if options.regions:
        write_regions(options.folder / "region_feats.mat", options.images, options.regions, np.random.default_rng(3))
    if options.packed:
        packed = options.folder / "packed"
        packed.mkdir(exist_ok=True)
        os.link(options.folder / "dataset.json", packed / "dataset.json")
        write_packed(packed / "vgg_feats.mat", options.images, np.random.default_rng(2))
    for path in sorted(options.folder.rglob("*.*")):
        print(f"{path}: {path.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
