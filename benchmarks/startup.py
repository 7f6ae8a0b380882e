"""How long commands take to begin: every command's help, and `python driver.py` until the first training step is done.

    python benchmarks/startup.py [DATASET] [--turns 5]

DATASET is a folder with a dataset.json (default: data/scenes; `python driver.py` draws it). The first start isn't counted: it
compiles kernels unless they are in Numba's cache, and reads files that the system keeps in memory from then on. Seconds are
medians, by the clock and of the processor: on a busy machine only the latter says much. A step is done when the run's status
file tells of it.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from neuraltalk.cli.main import COMMANDS


def start(arguments, cwd=ROOT):
    """Start `python ARGUMENTS` from the project's code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *arguments], cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def processor_seconds(pid):
    """What an ended child used."""
    usage = os.wait4(pid, 0)[2]
    return usage.ru_utime + usage.ru_stime


def first_step(dataset):
    """Train until the first step -> seconds by the clock, of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        status = pathlib.Path(folder) / "status"
        arguments = ["-d", str(dataset), "-o", f"{folder}/cv", "--worker_status_output_directory", str(status)]
        began = time.perf_counter()
        process = start([str(ROOT / "driver.py"), *arguments])
        while not stepped(status):
            if process.poll() is not None:
                raise SystemExit(f"error: python driver.py {' '.join(arguments)} ended with code {process.returncode}")
            time.sleep(0.005)
        took = time.perf_counter() - began
        process.kill()
        return took, processor_seconds(process.pid)


def stepped(status):
    """Whether a status file tells of a step."""
    files = list(status.glob("*.json")) if status.is_dir() else []
    return any(json.loads(path.read_text(encoding="utf-8")).get("history") for path in files)


def help_page(arguments):
    began = time.perf_counter()
    process = start(arguments)
    seconds = processor_seconds(process.pid)
    return time.perf_counter() - began, seconds


def show(label, measure, turns):
    measure()
    clock, processor = (statistics.median(column) for column in zip(*(measure() for _ in range(turns))))
    print(f"  {label:<28}{clock:9.2f}{processor:12.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", metavar="DATASET", type=pathlib.Path, default=ROOT / "data" / "scenes")
    parser.add_argument("--turns", type=int, default=5, metavar="N")
    options = parser.parse_args()
    print(f"  {'seconds':<28}{'clock':>9}{'processor':>12}")
    show("python -c 'import numpy'", lambda: help_page(["-c", "import numpy"]), options.turns)
    show("python -c 'import numba'", lambda: help_page(["-c", "import numba"]), options.turns)
    for name in COMMANDS:
        show(f"neuraltalk {name} -h", lambda name=name: help_page(["-m", "neuraltalk.cli.main", name, "-h"]), options.turns)
    if (options.dataset / "dataset.json").is_file():
        show(f"first step, {options.dataset.name}", lambda: first_step(options.dataset.resolve()), options.turns)


if __name__ == "__main__":
    main()
