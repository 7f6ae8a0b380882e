"""Kills programs by SIGKILL and looks at what is left. `python tests/sudden_death.py --kills 100`, some minutes.

**Training**, both models: killed at random instants of its whole life, by the clock from outside and at exact points inside the
writing of its files, some of which are torn. After each kill the checkpoints that are there load; `--resume` continues (and may
be killed again); in the end checkpoints are byte for byte those of a run that nobody killed, and so is the status file but for its
clock. One kill in ten hits a fresh `python driver.py`, imports included.

**Other writers** (extract, dataset, phrases, eval, the drawing of scenes): killed at every single point of their dealings with the
file system, or at so many of them. Each file is afterwards absent, whole and old, or whole and new; files that belong together
are of one age; and the same command gives byte for byte what it gives when nobody kills it, and leaves nothing else behind.

Prints what was hit and what was found, and exits with 1 if anything was wrong. The same seed kills at the same points, as far as
clocks allow. Needs os.fork.
"""

import argparse
import collections
import functools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"  # a fork has no other threads
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from dying import Child, whole_tree  # noqa: E402
from test_alignment_evaluation import make_aligner  # noqa: E402
from test_alignment_training import make_toy  # noqa: E402
from test_extract import SMALL as SMALL_FEATURES  # noqa: E402
from test_extract import draw  # noqa: E402

from neuraltalk.cli.main import main as neuraltalk_command  # noqa: E402
from neuraltalk.errors import UserError  # noqa: E402
from neuraltalk.train.checkpoint import load_checkpoint  # noqa: E402
from neuraltalk.vision.kmeans import KMeansExtractor  # noqa: E402

SIZES = "--image_encoding_size 8 --word_encoding_size 8 --hidden_size 8 -b 6 --word_count_threshold 1"
MODELS = {
    "lstm": f"-d toy {SIZES} -m 5 --eval_period 0.5 --average_decay 0.9 --solver adam",
    "rnn": f"-d toy {SIZES} --generator rnn -m 5 --eval_period 0.5 --dtype float64",
    "alignment": "--model alignment -d toy --embedding_size 12 --word_encoding_size 6 --hidden_size 8 --margin 1 -b 6 -m 5 "
    "--eval_period 0.5 --word_count_threshold 1 -l 0.003",
}  # fmt: skip
HIDDEN = (".lock", ".unfinished", ".removed", ".building")


class Wrong(Exception):
    """Something was lost, or isn't as it should be."""


def neuraltalk(*arguments):
    """A function that runs a command, without the rest that kills it."""
    return lambda: neuraltalk_command([str(argument) for argument in arguments])


def expect(condition, *what):
    if not condition:
        raise Wrong(" ".join(map(str, what)))


def leftovers(folder):
    return [path for path in pathlib.Path(folder).rglob(".*") if path.name.endswith(HIDDEN)]


# ---- training


class Run:
    """A kind of run in a folder prepared for it, with the files of an older run of that name; what it ends as unless killed."""

    def __init__(self, name, place):
        self.name, self.options, self.place = name, MODELS[name].split(), place / name
        self.best = f"cv/toy_{name}_baseline.p"
        self.last = self.best.replace(".p", ".last.p")
        (self.place / "clean").mkdir(parents=True)
        make_toy(self.place / "clean" / "data" / "toy")
        features = np.random.default_rng(3).random((30, 7), dtype=np.float32)
        np.save(self.place / "clean" / "data" / "toy" / "features.npy", features)
        older = Child(neuraltalk("train", *self.options, "-m", "1", "--seed", "9"), self.place / "clean", self.place / "log")
        expect(older.wait() == 0, "the older run failed:", (self.place / "log").read_text())
        self.older = whole_tree(self.place / "clean" / "cv")
        shutil.copytree(self.place / "clean", self.place / "straight")
        straight = Child(neuraltalk("train", *self.options), self.place / "straight", self.place / "log")
        expect(straight.wait() == 0, "the run failed:", (self.place / "log").read_text())
        self.seconds, self.kinds = straight.seconds, straight.notes.kinds()
        self.files, self.status = whole_tree(self.place / "straight" / "cv"), status_of(self.place / "straight")

    def arguments(self, folder):
        """How a user goes on: --resume, unless the run hasn't written anything yet."""
        began = (folder / self.last).read_bytes() != self.older[pathlib.Path(self.last).name]
        return ["train", "--resume", self.last] if began else ["train", *self.options]

    def check_what_is_left(self, folder):
        """After a kill: every checkpoint loads, the status file is whole, and a run never lacks its checkpoints."""
        for path in (folder / "cv").glob("*.p"):
            try:
                checkpoint = load_checkpoint(path)
            except UserError as fault:
                raise Wrong(f"{path.name} doesn't load: {fault}") from None
            expect((checkpoint.training is not None) == (".last." in path.name), path.name, "lacks its state")
        for name in (self.best, self.last):
            expect((folder / name).is_file(), name, "is gone")
        status_of(folder)

    def check_end(self, folder):
        found = whole_tree(folder / "cv")
        for name in sorted(self.files.keys() | found.keys()):
            expect(found.get(name) == self.files.get(name), f"{name} isn't that of a run that nobody killed")
        expect(status_of(folder) == self.status, "the status file tells of other evaluations")
        expect(not leftovers(folder), "left behind:", leftovers(folder))


def status_of(folder):
    """The evaluations that a status file tells of, without clocks, and how the run ended."""
    [path] = [path for path in (folder / "status").iterdir() if not path.name.startswith(".")]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise Wrong(f"{path.name}: {fault}") from None
    evaluations = [entry for entry in content["history"] if entry.get("evaluated")]
    clocks = ("time", "time_per_batch", "train_ppl2", "train_cost")  # the last two are of the last batch of this process
    own = [{key: value for key, value in entry.items() if key not in clocks} for entry in evaluations]
    for entry in own:  # the checkpoint knows the mean since the last evaluation, the file's entry the smoothed figure
        entry.pop("smooth_train_ppl2", None), entry.pop("smooth_train_cost", None)
    return own, content["state"], content["checkpoint"]


def kill_training(run, folder, rng, kills, hit):
    """Train in a copy of the clean folder, killed some times on the way, and check. Returns the kills that hit."""
    shutil.copytree(run.place / "clean", folder)
    done = 0
    for _ in range(kills):
        arguments = run.arguments(folder)
        kind = rng.choice(["points", "points", "clock", "clock", "script"] if not done else ["points", "clock"])
        if kind == "script":
            killed, where = kill_script(run, folder, arguments[1:], rng)
        else:
            die_at = rng.choice(run.kinds[rng.choice(sorted(run.kinds))]) if kind == "points" else None  # rare kinds, too
            child = Child(neuraltalk(*arguments), folder, run.place / "log", die_at)
            if kind == "clock":
                time.sleep(rng.random() * run.seconds)
                child.kill()
            code, (_, dealing, phase) = child.wait(), child.notes.read()
            expect(code in (0, -signal.SIGKILL), "exit code", code, (run.place / "log").read_text())
            killed, where = code != 0, phase if kind == "clock" else f"{phase}: {dealing}"
        if killed:
            done += 1
            hit[f"{kind:7}{where}"] += 1
        run.check_what_is_left(folder)
    child = Child(neuraltalk(*run.arguments(folder)), folder, run.place / "log")
    expect(child.wait() == 0, "can't be resumed:", (run.place / "log").read_text())
    run.check_end(folder)
    shutil.rmtree(folder)
    return done


def kill_script(run, folder, arguments, rng):
    """The same of a fresh interpreter: killed somewhere between its first import and its end."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "driver.py", *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        process.wait(rng.random() * 2.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    expect(process.returncode in (0, -signal.SIGKILL), "driver.py: exit code", process.returncode)
    return process.returncode != 0, "python driver.py"


# ---- other writers


class Writer:
    """A command with its files, old and new.

    prepare(folder) makes what the command needs; `older` and `newer` are functions that run in the folder, the older one once;
    together: names of files of which all that are there have to be of one age.
    """

    def __init__(self, name, place, prepare, older, newer, output, together=()):
        self.name, self.place, self.newer, self.output, self.together = name, place / name, newer, output, together
        self.place.mkdir(parents=True)
        folder = place / "killed"  # always the same one: some files tell where they are
        folder.mkdir()
        prepare(folder)
        if older:
            child = Child(older, folder, self.place / "log")
            expect(child.wait() == 0, name, "failed:", (self.place / "log").read_text())
        self.old = whole_tree(folder / output)
        shutil.copytree(folder, self.place / "clean")
        child = Child(newer, folder, self.place / "log")
        expect(child.wait() == 0, name, "failed:", (self.place / "log").read_text())
        self.dealings, self.new = child.notes.read()[0], whole_tree(folder / output)
        shutil.rmtree(folder)
        expect(self.old.keys() != self.new.keys() or self.old != self.new, name, "changes nothing")

    def kill(self, folder, die_at):
        shutil.copytree(self.place / "clean", folder)
        child = Child(self.newer, folder, self.place / "log", die_at)
        code = child.wait()
        expect(code == -signal.SIGKILL, "exit code", code, (self.place / "log").read_text())
        dealing = child.notes.read()[1]
        self.check_what_is_left(folder)
        child = Child(self.newer, folder, self.place / "log")
        expect(child.wait() == 0, "the same command fails:", (self.place / "log").read_text())
        expect(whole_tree(folder / self.output) == self.new, "the same command gives something else")
        expect(not leftovers(folder), "left behind:", leftovers(folder))
        shutil.rmtree(folder)
        return dealing

    def check_what_is_left(self, folder):
        ages = set()
        for name, data in whole_tree(folder / self.output).items():
            if ".partial/" in name or any(part.startswith(".") for part in name.split("/")):
                continue
            age = {self.old.get(name): "old", self.new.get(name): "new"}.get(data)
            expect(age is not None, name, "is neither the old nor the new one")
            if name in self.together and self.old.get(name) != self.new.get(name):
                ages.add(age)
        expect(len(ages) < 2, "there are old and new ones of", *self.together)


def writers(place):
    """All of them; each is made when it is its turn."""
    KMeansExtractor.learn = functools.partial(KMeansExtractor.learn, settings=SMALL_FEATURES, patches=200)
    draw(place / "some", 8)
    for name, seed in (("old", 1), ("new", 2)):
        KMeansExtractor.learn(sorted((place / "some").iterdir()), np.random.default_rng(seed)).save(place / f"{name}.npz")
    captions = place / "captions.csv"
    captions.write_text("".join(f"{k:03}.png,a box {k}\n" for k in range(6)))
    others = place / "others.csv"
    others.write_text("".join(f"{k:03}.png,another box\n" for k in range(5, -1, -1)))

    def pictures(folder):
        draw(folder / "pictures", 6)
        (folder / "pictures" / "zzz.png").write_text("no picture")

    def extract(which):
        return neuraltalk("extract", "pictures", "--features", place / f"{which}.npz", "--regions", "--count", 4, "--force", "-o", "out")

    def toy(folder):
        make_toy(folder / "data" / "toy")
        np.save(folder / "data" / "toy" / "features.npy", np.random.default_rng(3).random((30, 7), dtype=np.float32))
        make_aligner(folder / "cv" / "toy_alignment_baseline.p")

    def trained(folder):
        toy(folder)
        options = [*MODELS["lstm"].split(), "-m", "1"]
        expect(Child(neuraltalk("train", *options), folder, folder / "log").wait() == 0, "no model:", (folder / "log").read_text())
        (folder / "log").unlink()

    def dataset(table, *options):
        return neuraltalk("dataset", "data/mine", table, "--pictures", "pictures", "--split", "val=1,test=1", "--force", *options)

    def scenes(seed):
        from neuraltalk.data.scenes.build import build_scenes
        from neuraltalk.files import lock_beside, locked

        def build():
            with locked(lock_beside("data/scenes"), "data/scenes", "wait"):
                build_scenes("data/scenes", seed=seed, train=2, val=1, test=1, unseen=1, features=False)
            return 0

        return build

    features = ("features.npy", "extractor.npz", "features.npy.pictures.txt")
    make = functools.partial(Writer, place=place)
    yield lambda: make("extract", prepare=pictures, older=extract("old"), newer=extract("new"), output="out", together=features)
    yield lambda: make(
        "extract regions", prepare=pictures, older=extract("old"), newer=extract("new"), output="out",
        together=("region_feats.mat", "region_extractor.npz"),
    )  # fmt: skip
    yield lambda: make(
        "dataset", prepare=pictures, older=dataset(captions, "--extract"), newer=dataset(others, "--extract"), output="data/mine",
        together=("dataset.json", "features.npy"),
    )  # fmt: skip
    yield lambda: make("dataset copied", prepare=pictures, older=None, newer=dataset(captions, "--copy"), output="data/mine")
    yield lambda: make(
        "phrases", prepare=toy, older=neuraltalk("phrases", "--beta", 0), newer=neuraltalk("phrases", "--beta", 3, "--force"),
        output="data/toy_regions", together=("dataset.json", "features.npy"),
    )  # fmt: skip
    yield lambda: make(
        "eval", prepare=trained, older=neuraltalk("eval", "cv/toy_lstm_baseline.p", "-b", 1),
        newer=neuraltalk("eval", "cv/toy_lstm_baseline.p", "-b", 3), output="results",
    )  # fmt: skip
    yield lambda: make(
        "eval alignment", prepare=toy, older=neuraltalk("eval", "cv/toy_alignment_baseline.p", "-s", "val"),
        newer=neuraltalk("eval", "cv/toy_alignment_baseline.p"), output="results",
    )  # fmt: skip
    yield lambda: make("scenes", prepare=lambda folder: None, older=scenes(1), newer=scenes(2), output="data/scenes")


# ---- the whole


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="of training runs (default: %(default)s)")
    parser.add_argument("--points", type=int, default=0, help="of each other writer's dealings so many (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    rng, faults = random.Random(options.seed), []
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a kill isn't a power cut: no disk is needed
    with tempfile.TemporaryDirectory(dir=memory) as place:
        place = pathlib.Path(place)
        for kill in (train_killed, write_killed):
            kill(options, place, rng, faults)
    for fault in faults:
        print("WRONG", fault)
    print(f"{len(faults)} faults" if faults else "nothing lost")
    return 1 if faults else 0


def train_killed(options, place, rng, faults):
    if not options.kills:
        return
    runs, hit, done, turns = [Run(name, place) for name in MODELS], collections.Counter(), 0, 0
    while done < options.kills:
        run, kills = runs[turns % len(runs)], min(rng.choice((1, 1, 2, 3)), options.kills - done)
        turns += 1
        try:
            done += kill_training(run, place / "killed", rng, kills, hit)
        except Wrong as fault:
            faults.append(f"{run.name}, turn {turns}: {fault}")
            shutil.rmtree(place / "killed", ignore_errors=True)
            done += 1
    ended = f"{len(faults)} of them WRONG" if faults else "each ended as if nobody had killed it"
    print(f"training: {sum(hit.values())} kills in {turns} runs, {ended}")
    for where, count in sorted(hit.items()):
        print(f"  {count:4}  {where}")


def write_killed(options, place, rng, faults):
    for make in writers(place):
        writer = make()
        points = list(range(1, writer.dealings + 1))
        if options.points:
            points = sorted(rng.sample(points, min(options.points, len(points))))
        hit = collections.Counter()
        for point in points:
            try:
                hit[writer.kill(place / "killed", point)] += 1
            except Wrong as fault:
                faults.append(f"{writer.name}, point {point} of {writer.dealings}: {fault}")
                shutil.rmtree(place / "killed", ignore_errors=True)
        told = ", ".join(f"{dealing} {count}" for dealing, count in sorted(hit.items()))
        print(f"{writer.name}: {len(points)} kills at {writer.dealings} points ({told})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
