"""Captions of many images by the batched beam search, against the plain loop over images and beams in NumPy.

    python benchmarks/beam_search.py                            an untrained LSTM with Flickr8K's sizes
    python benchmarks/beam_search.py cv/flickr8k_lstm_baseline.p    a trained one, on random features

Both give the same captions (tests/test_beam_search.py). The loop's time grows with the number of images and nothing else,
so it is timed on a few of them; the two take turns, and the ratio is of the times per image. The loop's BLAS has one
thread: its products are of a single row, over which two threads only wait for each other.
"""

import argparse
import os
import statistics
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np

from neuraltalk.decode.beam_search import beam_search, beam_search_loop
from neuraltalk.layers.twins import numpy_only
from neuraltalk.models.captioner import Captioner, CaptionerOptions
from neuraltalk.parallel import blas_on_one_thread, blas_threads


def untrained(rng, D=4096, V=2538, words=10):
    """An LSTM whose sentences end after some ten words, as people's do."""
    log_frequencies = np.log(1 / np.arange(1, V + 1))           # Zipf's law; END is word 0, the most frequent
    log_frequencies[0] = np.log(1 / words)
    captioner = Captioner.initialise(CaptionerOptions(), D, log_frequencies - log_frequencies.max(), rng)
    captioner.params["Wd"] *= 10                                # decided enough for the beams to differ
    return captioner


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?")
    parser.add_argument("--images", type=int, default=1000, help="for the batched search (default %(default)s)")
    parser.add_argument("--loop_images", type=int, default=20, help="for the loop (default %(default)s)")
    parser.add_argument("--beam_size", type=int, default=7)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    if options.checkpoint:
        from neuraltalk.train.checkpoint import load_checkpoint
        captioner = load_checkpoint(options.checkpoint).captioner()
    else:
        captioner = untrained(rng)
    features = np.maximum(rng.standard_normal((options.images, len(captioner.params["We"])), dtype=np.float32), 0)
    beam_search(captioner, features[:2], beam_size=options.beam_size)       # compiles
    batched, loop = [], []
    for _ in range(options.turns):
        start = time.perf_counter()
        captions = beam_search(captioner, features, beam_size=options.beam_size)
        middle = time.perf_counter()
        with numpy_only(), blas_on_one_thread():
            beam_search_loop(captioner, features[:options.loop_images], beam_size=options.beam_size)
        batched.append((middle - start) / options.images)
        loop.append((time.perf_counter() - middle) / options.loop_images)
    length = np.mean([len(found[0].words) for found in captions])
    print(f"beam {options.beam_size}, {len(captioner.params['Ws'])} words, hidden {captioner.options.hidden_size}, "
          f"captions of {length:.1f} words, END included")
    print(f"batched  {options.images} images in {statistics.median(batched) * options.images:.2f} s, {blas_threads()} threads")
    print(f"loop     {statistics.median(loop) * 1e3:.1f} ms an image, so {statistics.median(loop) * options.images:.0f} s")
    print(f"ratio    {statistics.median(b / a for a, b in zip(batched, loop)):.0f} x")


if __name__ == "__main__":
    main()
