"""Each inner loop twice: the NumPy definition's time over its kernel's, at the sizes that Flickr8K gives it.

    python benchmarks/kernels.py                one line a kernel: both times, and their ratio

The two take turns on the same arguments, on one thread. Where the arguments are changed in place, both change them, which
alters no time here: none of these loops is quicker or slower for the numbers that it finds.
"""

import importlib
import os
import statistics
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np

from neuraltalk.decode import beam_search, phrase_mrf
from neuraltalk.layers import alignment_score, dropout, embedding, lstm, softmax, twins, weight_decay
from neuraltalk.train import solver

MODULES = (softmax, dropout, embedding, lstm, alignment_score, weight_decay, solver, beam_search, phrase_mrf)    # they register
TURNS, SECONDS = 5, 0.1                                     # a turn of one of the two takes at least so long


def arguments(rng):
    """Name -> the arguments of one call."""
    M, N, H, V = 1140, 100, 256, 2538                       # words of a batch with END, sentences, hidden, vocabulary
    R, h = 2000, 1000                                       # regions of a batch, embedding size
    single = np.float32

    def a(*shape):
        return rng.standard_normal(shape, dtype=single)

    words = rng.integers(0, V, M)
    regions, rows = np.arange(0, R + 1, 20), rng.integers(0, R, 20 * M)
    sentences, length = 100, 10
    starts = np.arange(0, length * sentences + 1, length)
    W = (1 + 2 * H) * 4 * H
    update = single(1e-3), single(5)
    return {
        "softmax_rows": (a(M, V), a(1, V), words, single(0.01), np.empty(M), np.zeros((1, V), single)),
        "drop": (a(R * h), rng.integers(0, 1 << 16, R * h, np.uint16), 1 << 15, single(2), a(R * h)),
        "scatter_add": (a(M, H), words, a(V, H)),
        "lstm_gates_forward": (a(N, 4 * H), a(N, 4 * H), a(4 * H), a(N, H), False, a(N, H), a(N, H)),
        "lstm_gates_backward": (a(N, H), np.abs(a(N, 4 * H)), a(N, H), a(N, H), False, a(N, H), a(N, 4 * H)),
        "best_regions": (a(R, M), regions, np.empty((100, M), single), np.empty((100, M), np.int32)),
        "positive_sums": (a(R, M), regions, np.empty((100, M), single)),
        "group": (rows, np.empty(R + 1, np.int64), np.empty(len(rows), np.int64)),
        "weighted_row_sums": (np.arange(0, len(rows) + 1, 20), rows, a(len(rows)), a(R, h), np.empty((M, h), single)),
        "decay": (a(W), single(1e-8), a(W), np.zeros(1)),
        "vanilla_update": (a(W), a(W), a(W), *update, single(0.9)),
        "adagrad_update": (a(W), a(W), np.abs(a(W)), *update, single(1e-8)),
        "rmsprop_update": (a(W), a(W), np.abs(a(W)), *update, single(1e-8), single(0.999)),
        "adadelta_update": (a(W), a(W), np.abs(a(W)), np.abs(a(W)), single(5), single(1e-8), single(0.999)),
        "adam_update": (a(W), a(W), a(W), np.abs(a(W)), *update, single(1e-8), single(0.9), single(0.999)),
        "top_words": (a(700, V), np.empty((700, 7), single), np.empty((700, 7), np.int64)),
        "potts_labels": (
            rng.standard_normal((starts[-1], 20)), np.full(sentences, 20), rng.permutation(starts[-1]), starts, 0.0, -1.0,
            np.empty((starts[-1], 20)), np.empty(starts[-1], np.int64),
        ),
    }


def seconds_a_call(function, given):
    calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS or not calls:
        function(*given)
        calls += 1
    return elapsed / calls


def main():
    made = arguments(np.random.default_rng(0))
    print(f"{'':22}{'NumPy ms':>10}{'kernel ms':>11}{'ratio':>8}")
    for name, definition in twins.DEFINITIONS.items():
        package, _, function = name.rpartition(".")
        if function not in made:
            continue
        kernel = getattr(importlib.import_module(f"{package}.kernels"), function)
        kernel(*made[function])                             # compiles
        with np.errstate(all="ignore"):                    # in-place updates, over and over, leave the range of numbers
            pairs = [(seconds_a_call(definition, made[function]), seconds_a_call(kernel, made[function]))
                     for _ in range(TURNS)]
        numpy_ms, kernel_ms = (statistics.median(times) * 1e3 for times in zip(*pairs))
        print(f"{function:22}{numpy_ms:10.3f}{kernel_ms:11.3f}{statistics.median(a / b for a, b in pairs):8.1f}")


if __name__ == "__main__":
    main()
