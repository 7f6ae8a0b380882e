"""What it is worth that training keeps the memory it frees (neuraltalk/memory.py).

    python benchmarks/freed_memory.py [options of driver.py]       as: --model alignment -d flickr8k

The same run is started again and again, with freed memory kept and left to the C library in turn, and ended after some steps.
Printed are medians over the turns: milliseconds and page faults of a step, and the ratio of paired turns.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
UNCOUNTED = 20                                              # steps at the start of a run


def train(keep, steps, arguments):
    """Run driver.py until some steps are counted, print [milliseconds, page faults] of one, and end."""
    from neuraltalk import memory

    if not keep:
        memory.keep_freed_memory = lambda: False
    from neuraltalk.cli import train
    from neuraltalk.train.trainer import Trainer

    step, seconds, faults = Trainer.step, [], []

    def counted(trainer, interrupted=False):
        done = step(trainer, interrupted)
        seconds.append(done.seconds)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
        if len(seconds) == UNCOUNTED + steps:
            print(json.dumps([1e3 * statistics.median(seconds[UNCOUNTED:]), (faults[-1] - faults[UNCOUNTED - 1]) / steps]), flush=True)
            os._exit(0)
        return done

    Trainer.step = counted
    sys.exit(train.main(arguments))


def turn(keep, steps, arguments):
    """train() in a process of its own, its files in a folder that goes again."""
    with tempfile.TemporaryDirectory() as folder:
        places = ["-o", f"{folder}/cv", "--worker_status_output_directory", f"{folder}/status"]
        call = f"import freed_memory; freed_memory.train({keep}, {steps}, {[*arguments, *places]})"
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)}
        child = subprocess.run([sys.executable, "-c", call], cwd=ROOT, env=environment, capture_output=True, text=True)
    if child.returncode:
        sys.exit(child.stderr.strip().splitlines()[-1])
    return json.loads(child.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5, help="turns of either way (default %(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="counted steps a turn (default %(default)s)")
    options, arguments = parser.parse_known_args()
    turns = [(turn(True, options.steps, arguments), turn(False, options.steps, arguments)) for _ in range(options.turns)]
    for name, way in (("kept", 0), ("left to the C library", 1)):
        ms, faults = (statistics.median(both[way][k] for both in turns) for k in (0, 1))
        print(f"{name:22}  {ms:7.1f} ms  {faults:7.0f} page faults a step")
    print(f"left / kept             {statistics.median(left[0] / kept[0] for kept, left in turns):7.2f}")


if __name__ == "__main__":
    main()
