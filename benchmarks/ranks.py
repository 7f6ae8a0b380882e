"""What a training step takes on many ranks: predicted by a model, which is checked against 2 ranks here.

    python benchmarks/ranks.py                              (some minutes; needs: pip install -e ".[mpi]")

A step of n ranks with a global batch of B sentences and P parameters, S = 4 P bytes, takes

    work(B, n) + 2 log2(n) a + (n - 1) / n S (2 / b + g)

work is all that one rank does by itself: it draws B sentences, packs its own, goes forward and backward, fills the flat
buffer, and lets the solver change every weight. It is measured: one process does what rank 0 of n would, for any n. The rest is
the Allreduce, by halving and doubling, whose volume no other algorithm beats: a the latency of a message, b the bandwidth, g the
time to add a byte (R. Thakur, R. Rabenseifner, W. Gropp, *Optimization of Collective Communication Operations in MPICH*,
IJHPCA 2005). NETWORKS are assumed, g is measured. One rank a machine, one thread a rank; nobody waits for a slow machine.

The check: 2 ranks on this machine, through shared memory and through TCP (MPICH's settings), against work(B, 2) and an Allreduce
interpolated from smaller and larger ones; work is given for both cores at once, too, since they share memory. All times
are the quickest of several in each of several rounds: other programs only add to them. On a busy machine let it go first
(nice -n -20, as root); it pauses often.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from neuraltalk.data.batches import make_batch
from neuraltalk.data.pairs import Pairs
from neuraltalk.memory import keep_freed_memory
from neuraltalk.models.captioner import Captioner, CaptionerOptions, Loss
from neuraltalk.ranks import ALONE, launched, world
from neuraltalk.train.flat_sum import FlatSum
from neuraltalk.train.solver import Solver

B, D = 100, 4096
RATE = 1e-7  # weights stay where they are: learned by heart, random sentences make numbers so small that products are slow
SIZES = {"Flickr8K": (2538, 256, 30_000), "COCO": (8792, 512, 566_435)}  # words, encoding and hidden size, training sentences
RANKS = [1 << k for k in range(10)]
SHOWN = (1, 2, 8, 64, 512)
BATCHES = {f"global batch {B}": lambda n: B, f"batch {B} a rank": lambda n: B * n}  # title -> global batch of n ranks
PAUSE = 0.2  # seconds between measurements, which leave the machine to others
NETWORKS = {"10 Gbit/s": (30e-6, 1.25e9), "100 Gbit/s": (3e-6, 12.5e9)}  # latency (s), bandwidth (bytes/s)
WAYS = {"shared memory": {}, "TCP": {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self"}}  # MPICH over UCX; others ignore it


class Work:
    """What rank 0 of any number of ranks does in a step."""

    def __init__(self, size):
        keep_freed_memory()                                 # as training does
        V, H, _ = SIZES[size]
        self.rng = np.random.default_rng(1)
        options = CaptionerOptions(image_encoding_size=H, word_encoding_size=H, hidden_size=H)
        self.model, self.solver = Captioner.initialise(options, D, np.zeros(V), self.rng), Solver()
        self.bytes = 4 * sum(array.size for array in self.model.params.values())
        self.array = np.maximum(self.rng.standard_normal((1000, D), dtype=np.float32), 0)
        # Sentences of Flickr8K's lengths: 11.8 words on average with END, deviation 3.9.
        lengths = np.clip(np.rint(self.rng.normal(10.8, 3.9, size=B * RANKS[-1])), 3, 30).astype(int)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        words = self.rng.integers(1, V, size=starts[-1], dtype=np.int32)
        self.pairs = Pairs(np.arange(len(lengths)) % 1000, words, starts)

    def rows(self, imgids):
        return self.array[imgids]

    def step(self, rank, ranks, count, total):
        """One step of `rank` of `ranks` with a global batch of `count`; total is the FlatSum of the ranks."""
        pairs = self.pairs[self.rng.integers(len(self.pairs), size=count)]
        loss = self.model.loss(make_batch(self, pairs, rank, ranks), self.rng)
        if ranks > 1:
            loss, _ = total(loss, False)
        self.solver.step(self.model.params, loss.grads, RATE)

    def seconds(self, repeats):
        """(batch, ranks) -> seconds of a step in which an Allreduce costs nothing; of more ranks than sentences some rest."""
        copy = FlatSum(ALONE, Loss, self.model.params)
        cases = {(batch(n), min(n, batch(n))) for batch in BATCHES.values() for n in RANKS}
        return {(count, n): quickest(repeats, self.step, 0, n, count, copy) for count, n in cases}


def quickest(repeats, function, *arguments, before=lambda: None):
    """Seconds of the quickest of some calls, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        time.sleep(PAUSE)
        before()
        began = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def measure_together(repeats):
    """On each of 2 ranks: name of a size -> seconds of its work, of a step, and of Allreduces of 8 bytes, S / 2, S, 2 S."""
    ranks, found = world(), {}
    for size in SIZES:
        work = Work(size)
        copy, total = (FlatSum(own, Loss, work.model.params) for own in (ALONE, ranks))
        found[size] = [
            quickest(repeats, work.step, ranks.rank, ranks.size, B, sums, before=ranks.wait) for sums in (copy, total)
        ]
        for nbytes in (8, work.bytes // 2, work.bytes, 2 * work.bytes):
            buffer = np.zeros(nbytes // 4, np.float32)
            found[size].append(quickest(repeats, ranks.add, buffer, before=ranks.wait))
    return found


def launch(way, repeats):
    """What rank 0 of 2 measures that talk to each other in one of WAYS."""
    launcher = shutil.which("mpiexec", path=f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if launcher is None:
        sys.exit('no mpiexec: pip install -e ".[mpi]"')
    command = [launcher, "-n", "2", sys.executable, __file__, "--repeats", str(repeats)]
    done = subprocess.run(command, env={**os.environ, **WAYS[way]}, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def allreduce(nbytes, n, latency, bandwidth, add):
    """Seconds of an Allreduce by n ranks, n a power of 2: halving, then doubling."""
    return 2 * np.log2(n) * latency + (n - 1) / n * nbytes * (2 / bandwidth + add)


def measure(rounds, repeats):
    """Everything, in several rounds, so that a busy minute spoils none of it: own work, together, seconds to add a byte."""
    works = {size: Work(size) for size in SIZES}
    own, together, add = {size: {} for size in SIZES}, {way: {} for way in WAYS}, {size: 1.0 for size in SIZES}
    for _ in range(rounds):
        for size, work in works.items():
            for case, seconds in work.seconds(repeats).items():
                own[size][case] = min(seconds, own[size].get(case, seconds))
            a, b = np.zeros((2, work.bytes // 4), np.float32)
            add[size] = min(add[size], quickest(repeats, np.add, a, b, a) / work.bytes)
        for way in WAYS:
            for size, seconds in launch(way, 3 * repeats).items():
                together[way][size] = np.minimum(seconds, together[way].get(size, seconds))
    return {size: work.bytes for size, work in works.items()}, own, together, add


def check(nbytes, own, together):
    print(f"Two ranks on this machine, batch {B}, in ms (predicted / measured):\n")
    print("| size | through | one rank | half the work, both at once | Allreduce | step | times as quick |\n|---|---|---|---|---|---|---|")
    for size in SIZES:
        one, half = 1e3 * own[size][B, 1], 1e3 * own[size][B, 2]
        for way in WAYS:
            both, step, _, smaller, same, larger = 1e3 * together[way][size]
            expected = smaller + (larger - smaller) / 3  # the line through S / 2 and 2 S, at S
            cells = f"{expected:.1f} / {same:.1f} | {half + expected:.0f} / {step:.0f} | {one / (half + expected):.2f} / {one / step:.2f}"
            print(f"| {size}, {nbytes[size] / 1e6:.0f} MB | {way} | {one:.0f} | {half:.0f}, {both:.0f} | {cells} |")
    for way in WAYS:
        _, _, tiny, smaller, _, larger = together[way]["Flickr8K"]
        bandwidth = 1.5 * nbytes["Flickr8K"] / (larger - smaller)
        print(f"\n{way}: latency {1e6 * tiny / 2:.0f} us, {bandwidth / 1e9:.2f} GB/s at Flickr8K's size")


def predict(nbytes, own, add):
    for size in SIZES:
        for title, batch in BATCHES.items():
            work = {n: own[size][batch(n), min(n, batch(n))] for n in RANKS}
            print(f"\n{size}, {title}: step in ms, sentences a second, efficiency\n")
            print(f"| ranks | steps an epoch | own work | {' | '.join(NETWORKS)} |\n|---|---|---|{'---|' * len(NETWORKS)}")
            base, ends = B / work[1], []
            rows = {n: [f"{SIZES[size][2] / batch(n):,.1f}", f"{1e3 * work[n]:.0f}"] for n in RANKS}
            for network, (latency, bandwidth) in NETWORKS.items():
                seconds = {n: work[n] + allreduce(nbytes[size], n, latency, bandwidth, add[size]) for n in RANKS}
                speed = {n: batch(n) / seconds[n] for n in RANKS}
                for n in RANKS:
                    rows[n].append(f"{1e3 * seconds[n]:.0f}, {speed[n]:,.0f}/s, {100 * speed[n] / base / n:.0f} %")
                half, best = max(n for n in RANKS if speed[n] >= base * n / 2), max(speed, key=speed.get)
                ends.append(f"{network}: efficiency at least one half up to {half} ranks; most sentences a second on {best}")
            for n in SHOWN:
                print(f"| {n} | {' | '.join(rows[n])} |")
            print("", *ends, sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of measuring (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="repetitions of each step in a round (default %(default)s)")
    options = parser.parse_args()
    if launched()[0] > 1:
        found = measure_together(options.repeats)
        if world().rank == 0:
            print(json.dumps(found))
        return
    nbytes, own, together, add = measure(options.rounds, options.repeats)
    check(nbytes, own, together)
    predict(nbytes, own, add)


if __name__ == "__main__":
    main()
