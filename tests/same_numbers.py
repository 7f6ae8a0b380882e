"""Trains the same models with the same seed in several processes, and compares what comes out, byte for byte.

`python tests/same_numbers.py`, half a minute, prints for each model and precision what threads change. The data are made up, and large
enough for BLAS to use threads.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = "--image_encoding_size 64 --word_encoding_size 64 --hidden_size 64"
MODELS = {
    "lstm": f"--generator lstm {SIZES}",
    "rnn": f"--generator rnn {SIZES}",
    "alignment": "--model alignment --embedding_size 128 --word_encoding_size 64 --hidden_size 64",
}
CHILD = (
    "import os, shlex, sys; from neuraltalk.cli.main import main\n"
    "for line in sys.argv[1:]:\n code = main(['train', *shlex.split(line)])\n assert code == 0, code"
)


def make_data(folder, images=120, words=300, regions=10):
    """A data set of nonsense with features of images and of regions."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, words + 1)
    records = []
    for k in range(images):
        texts = [" ".join(f"w{i}" for i in rng.choice(words, rng.integers(4, 16), p=share / share.sum())) for _ in range(3)]
        sentences = [{"tokens": text.split(), "raw": text, "imgid": k, "sentid": 3 * k + n} for n, text in enumerate(texts)]
        records.append({"imgid": k, "filename": f"{k}.png", "split": "train" if k % 6 else "val", "sentences": sentences})
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps({"dataset": "made", "images": records}))
    np.save(folder / "features.npy", rng.random((images, 512), dtype=np.float32))
    M = images * regions
    np.savez(
        folder / "region_feats.npz",
        feats=rng.standard_normal((256, M)).astype(np.float32),
        boxes=np.tile(np.float32([0, 0, 40, 30]), (M, 1)).T,
        image=np.repeat(np.arange(images), regions)[None],
    )


def train(folder, blas, numba, kinds=tuple(MODELS), dtypes=("float32",), epochs=1):
    """Train in `folder`, which has data/made, in one process with so many threads -> {(kind, dtype): bytes of its two files}."""
    folder.mkdir()
    (folder / "data").symlink_to(folder.parent / "data")
    lines = [
        f"-d made {MODELS[kind]} --dtype {dtype} --fappend {dtype} -m {epochs} --word_count_threshold 1 -l 1e-4"
        for kind in kinds for dtype in dtypes
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": str(blas), "NUMBA_NUM_THREADS": str(numba)}
    done = subprocess.run([sys.executable, "-c", CHILD, *lines], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = {(kind, dtype): [f"cv/made_{kind}_{dtype}{end}" for end in (".p", ".last.p")] for kind in kinds for dtype in dtypes}
    return {key: [(folder / name).read_bytes() for name in both] for key, both in names.items()}


def difference(folder, other, kind, dtype):
    """The largest difference between weights, relative to the largest weight of the model."""
    sys.path[:0] = [str(ROOT)]
    from neuraltalk.train.checkpoint import load_checkpoint

    one, two = (load_checkpoint(place / f"cv/made_{kind}_{dtype}.last.p").model for place in (folder, other))
    return max(np.abs(one[name] - two[name]).max() for name in one) / max(np.abs(array).max() for array in one.values())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    dtypes, wrong = ("float32", "float64"), 0
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        make_data(place / "data" / "made", images=600, words=1000)
        settings = {"a": (1, 1), "b": (1, 1), "c": (1, 2), "d": (2, 1), "e": (2, 1), "f": (2, 2)}
        found = {name: train(place / name, *threads, dtypes=dtypes) for name, threads in settings.items()}
        print("                     BLAS 1, again   BLAS 1, Numba 2   BLAS 2, again   BLAS 2, Numba 2   BLAS 1 and 2: weights differ by")
        for kind in MODELS:
            for dtype in dtypes:
                equal = [found[one][kind, dtype] == found[other][kind, dtype] for one, other in ("ab", "ac", "de", "df")]
                wrong += equal.count(False)
                told = "".join(f"{'same bytes' if same else 'DIFFERENT':>16}" for same in equal)
                print(f"{kind:11}{dtype:8}{told}     {difference(place / 'a', place / 'd', kind, dtype):22.1e}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
