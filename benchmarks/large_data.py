"""What a data set of COCO's size costs in time and memory, each part in a process of its own.

    python benchmarks/made_up_coco.py FOLDER --regions 20 --packed
    python benchmarks/large_data.py FOLDER [PART ...]

Parts (default: all that FOLDER has the files for):

    start       `python driver.py -d FOLDER`: until the first step, then some more steps, a validation and two checkpoints
    packed      the same on FOLDER/packed, whose features are compressed: with their conversion, and with that done before
    steps       a training step of batch 100 with sentences of 1000, 10,000 and 100,000 images, which take turns in one process.
                Vocabulary and model are the same for all three
    eval        `python eval_sentence_predictions.py`: the test split's 5000 images, beam 7, by the model that `start` left. What it
                learned is to say nothing, so it is kept from ending: all captions have the most words there may be, 20
    regions     `python driver.py --model alignment` on region features of 40 GB: until the first step, and some more
    retrieval   5000 images of 20 regions against their 25,000 sentences, every score (some ten minutes; --h)

Memory is the largest that was seen (50 times a second) of the process's own pages, RssAnon in /proc: Python, libraries' data, arrays,
weights; not the mapped features, which the system may drop at any time. Linux only. What parts write goes to FOLDER/runs.
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import threading
import time

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from startup import stepped

SIZES = (1000, 10_000, 100_000)
FEW_STEPS = ["-m", "0.002"]                                 # of COCO's 5700 batches an epoch: a dozen, with a validation at the end


class Child:
    """A process, watched while it runs. After wait(): what it used, its memory (MB), and what it said."""

    def __init__(self, arguments):
        self.before = processor_seconds()
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.said, self.used, self.memory = "", "", 0.0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        self.said = self.process.stdout.read()

    def wait(self, until=None):
        """Until it ends, or until() is true -> seconds since it began."""
        while self.process.poll() is None:
            self.memory = max(self.memory, own_memory(self.process.pid))
            if until is not None and until():
                return time.perf_counter() - self.began
            time.sleep(0.02)
        self.reader.join()
        self.used = f"{processor_seconds() - self.before:.1f} s of the processor, at most {self.memory:.0f} MB"
        if self.process.returncode:
            raise SystemExit(f"error: {' '.join(map(str, self.process.args))}\n{self.said}")
        return time.perf_counter() - self.began


def processor_seconds():
    """What all ended children used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def processor_seconds_of(pid):
    """What a running process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_memory(pid):
    """Anonymous resident memory of a process, MB."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem"))) / 1e3


def train(folder, name, *options):
    """A short run of driver.py; prints the seconds until its first step, and its memory."""
    runs = folder / "runs" / name
    status = runs / f"status{time.time_ns()}"
    child = Child([ROOT / "driver.py", "-d", folder, "-o", runs, "--worker_status_output_directory", status, *options])
    first = child.wait(lambda: stepped(status))
    before = f"{processor_seconds_of(child.process.pid):.1f} s of the processor, {child.memory:.0f} MB"
    took = child.wait()
    print(f"{name:<12} first step after {first:.1f} s ({before}), all after {took:.1f} s ({child.used})", flush=True)
    return runs


def start(folder):
    train(folder, "start", *FEW_STEPS)


def packed(folder):
    for cache in (folder / "packed").glob("*.float32.npy"):
        cache.unlink()
    train(folder / "packed", "converting", *FEW_STEPS)
    train(folder / "packed", "converted", *FEW_STEPS)


def regions(folder):
    train(folder, "regions", "--model", "alignment", *FEW_STEPS, "--eval_max_images", "100")


def evaluate(folder):
    from neuraltalk.data.vocabulary import END
    from neuraltalk.pickles.unpickler import load_pickle
    from neuraltalk.train.checkpoint import save_checkpoint

    [trained] = (folder / "runs" / "start").glob("*_baseline.p")
    checkpoint, content = folder / "runs" / "endless.p", load_pickle(trained)
    content["model"]["bd"][0, END] = -100
    save_checkpoint(checkpoint, content)
    output = folder / "runs" / "eval"
    child = Child([ROOT / "eval_sentence_predictions.py", checkpoint, "-d", folder, "-o", output, "--page_pictures", "none"])
    took = child.wait()
    print(f"{'eval':<12} {took:.1f} s ({child.used})", flush=True)


def steps(folder):
    child = Child([__file__, folder, "steps", "--here"])
    child.wait()
    print(child.said, end="", flush=True)


def steps_here(folder, turns=15, steps=5):
    """Trainers on the first sentences of one data set, taking turns; processor seconds, since others may be at work, too."""
    from neuraltalk.cli.models import KINDS
    from neuraltalk.cli.options import resolve
    from neuraltalk.cli.train import load_data
    from neuraltalk.data.pairs import Pairs
    from neuraltalk.train.schedule import generators
    from neuraltalk.train.trainer import Trainer

    options = resolve({"dataset": str(folder)})
    kind, data, trainers = KINDS[options.model], load_data(options, KINDS[options.model]), {}
    for size in SIZES:
        if size > data.train_pairs.images:
            continue
        P = 5 * size
        pairs = Pairs(data.train_pairs.imgids[:P], data.train_pairs.words, data.train_pairs.starts[: P + 1])
        own = data._replace(train_pairs=pairs)
        trainers[size] = Trainer(kind.initialise(options, own, generators(0)[0]), options, own, folder / "runs" / "steps.p")
    times = {size: [] for size in trainers}
    for turn in range(turns + 2):
        for size, trainer in trainers.items():
            trainer.step()                                  # not counted: brings caches back to this one
            began = time.process_time()
            for _ in range(steps):
                trainer.step()
            if turn > 1:
                times[size].append((time.process_time() - began) / steps)
    for size, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, times[SIZES[0]]))
        print(f"steps        {size:7,} images: {1e3 * statistics.median(own):6.1f} ms, {ratio:5.2f} of that at {SIZES[0]:,}")


def retrieval(folder, h):
    child = Child([__file__, folder, "retrieval", "--here", "--h", h])
    child.wait()
    print(child.said + f"{'':<12} ({child.used}, with all that precedes)", flush=True)


def retrieval_here(folder, h):
    """All scores of the validation split, by an aligner that hasn't learned anything."""
    from neuraltalk.cli.models import KINDS
    from neuraltalk.cli.options import resolve
    from neuraltalk.cli.train import load_data
    from neuraltalk.train.retrieval import pairs_by_image, retrieve
    from neuraltalk.train.schedule import generators

    options = resolve({"dataset": str(folder), "model": "alignment", "embedding_size": h})
    kind = KINDS["alignment"]
    data = load_data(options, kind)
    aligner = kind.initialise(options, data, generators(0)[0])
    imgids, sentences = pairs_by_image(data.val_pairs)
    began = time.perf_counter()
    found = retrieve(aligner, data.features, imgids, sentences)
    took = time.perf_counter() - began
    print(
        f"retrieval    {len(imgids):,} images, {len(data.val_pairs):,} sentences, h = {h}: {took:.0f} s, median rank "
        f"{found.search.median_rank:g}"
    )


def main():
    parts = {"start": start, "packed": packed, "steps": steps, "eval": evaluate, "regions": regions, "retrieval": retrieval}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("parts", metavar="PART", nargs="*", choices=[[], *parts], help=", ".join(parts))
    parser.add_argument("--h", type=int, default=1000, metavar="N", help="embedding size of `retrieval` (default: 1000)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.here:
        return retrieval_here(folder, options.h) if options.parts == ["retrieval"] else steps_here(folder)
    needs = {"packed": "packed/vgg_feats.mat", "regions": "region_feats.mat", "retrieval": "region_feats.mat"}
    for name in options.parts or [name for name in parts if (folder / needs.get(name, "dataset.json")).exists()]:
        parts[name](folder, options.h) if name == "retrieval" else parts[name](folder)
    return None


if __name__ == "__main__":
    main()
