"""`neuraltalk sweep`: many training runs with settings drawn from ranges, by any number of workers, and the best one kept."""

import multiprocessing
import multiprocessing.connection
import os
import pathlib
import shlex
import signal
import sys
import threading
import time

from neuraltalk.cli import console, places
from neuraltalk.cli.arguments import POSITIVE, Bound, Parser, count, number, whole
from neuraltalk.errors import UserError

MANUAL = """Search the settings of driver.py: many runs with settings drawn from ranges, bad ones ended early, the best one kept.

A first sweep that ends within a minute, on the embedded pictures (once python driver.py has drawn them):

    neuraltalk sweep docs/sweeps/scenes.json --minutes 0.7

The same command again continues it; by two processes, until 20 runs have ended:

    neuraltalk sweep docs/sweeps/scenes.json --workers 2

and so it does on any other machine that sees the same storage: a file in a shared folder, or a database. Meanwhile
`neuraltalk monitor` shows the runs, and neuraltalk sweep --list their table."""

EPILOG = """The file of ranges is JSON, its names are options of python driver.py -h:

  {"dataset": "scenes", "max_epochs": 3,                            fixed
   "learning_rate": {"low": 1e-3, "high": 2e-2, "log": true},       between, evenly on the logarithmic scale
   "drop_prob_decoder": {"low": 0, "high": 0.4, "step": 0.1},       in steps
   "solver": ["adam", "rmsprop"],                                   one of these
   "word_encoding_size": {"same_as": "image_encoding_size"}, ...}

Captioners are compared by perplexity on the validation split, alignment models ("model": "alignment") by mean R@10.
Files: cv/DATASET_GENERATOR_NAME.p is the best checkpoint of all, NAME being the sweep's; cv/NAME/ has those of its runs.
Interrupted or killed, a run goes on from its last checkpoint when the command is given again, on any machine that sees it.

Exit codes: 0 done or out of time, 1 a worker died (the same command continues), 2 a mistake in options or data,
130 interrupted (all saved). More in docs/sweep.md."""


def build_parser():
    """The options of neuraltalk sweep."""
    parser = Parser(prog="neuraltalk sweep", description=MANUAL, epilog=EPILOG)
    parser.add_argument("ranges", metavar="RANGES", nargs="?", help="a JSON file of ranges; --list needs none")
    parser.add_argument("--name", default="sweep", metavar="NAME", help="of the sweep: of its files, and in the storage (default: sweep)")
    parser.add_argument(
        "--storage",
        metavar="PLACE",
        help="what all workers share: a file's path, or the URL of a database as Optuna takes it, as in "
        "sqlite:///cv/sweep.db or postgresql://USER@HOST/DB (default: the file cv/NAME/journal)",
    )
    parser.add_argument("--list", action="store_true", help="show the table and train nothing")
    limits = parser.add_argument_group("how much")
    limits.add_argument(
        "--trials", type=count, default=20, metavar="N", help="runs in all, whoever trains them (default: 20)"
    )
    limits.add_argument(
        "--minutes",
        type=number(POSITIVE),
        metavar="N",
        help="stop then; a run under way is saved, the same command continues it (default: never)",
    )
    limits.add_argument(
        "--workers", type=count, default=1, metavar="N", help="processes on this machine, which share its cores (default: 1)"
    )
    search = parser.add_argument_group("search")
    search.add_argument(
        "--sampler",
        choices=("tpe", "random"),
        default="tpe",
        help="tpe: after 10 random runs, settings like those of good ones (default: tpe)",
    )
    search.add_argument(
        "--pruner",
        choices=("median", "halving", "none"),
        default="median",
        help="ends runs early: median, those worse than the median of the finished ones at the same evaluation; halving, all "
        "but the best third at evaluations 2, 6, 18, ... (default: median)",
    )
    search.add_argument("--warmup", type=whole(), default=1, metavar="N", help="evaluations in which no run is ended (default: 1)")
    search.add_argument(
        "--startup", type=count, default=4, metavar="N", help="median: runs to finish before it begins (default: 4)"
    )
    search.add_argument("--seed", type=whole(Bound(0, 2**63)), default=0, metavar="N", help="of the settings drawn (default: 0)")
    files = parser.add_argument_group("files")
    files.add_argument("--keep", type=count, default=1, metavar="K", help="best checkpoints that stay in cv/NAME/ (default: 1)")
    files.add_argument("-o", "--checkpoint_output_directory", default="cv", metavar="FOLDER", help="where checkpoints go (default: cv)")
    files.add_argument(
        "--worker_status_output_directory", default="status", metavar="FOLDER", help="where the status JSON goes (default: status)"
    )
    files.add_argument("--csv", metavar="FILE", help="write the table there, too")
    files.add_argument("--json", metavar="FILE", help="likewise, with all options of each run")
    return parser


@console.command
def main(argv=None):
    """Search. Returns 0, 130 after an interruption, 1 if a worker died, or raises UserError."""
    argv = sys.argv[1:] if argv is None else list(argv)
    options = build_parser().parse_args(argv)
    if options.ranges is None and not options.list:
        raise UserError("which RANGES? neuraltalk sweep FILE.json searches, --list shows a sweep; neuraltalk sweep -h explains")
    check_optuna()
    from neuraltalk.cli.options import FILE_PART

    if not FILE_PART.fullmatch(options.name):
        raise UserError(f"--name {options.name!r:.50} becomes part of file names: use letters, digits and any of _ - + .")
    for path in filter(None, (options.csv, options.json)):
        places.check_output_folder(pathlib.Path(path).parent, "--csv or --json")
    if options.list:
        return show_list(options)
    return search(options, argv)


def check_optuna():
    """Refuse to begin without it."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UserError(
            'neuraltalk sweep searches by Optuna, which isn\'t installed: pip install optuna, or pip install -e ".[sweep]"'
        ) from None


def plan_of(options, ranges):
    """The Plan of the command line."""
    from neuraltalk.cli.sweep_worker import Plan

    return Plan(
        ranges=ranges,
        name=options.name,
        storage=options.storage or default_storage(options),
        folder=options.checkpoint_output_directory,
        status=options.worker_status_output_directory,
        trials=options.trials,
        deadline=None,
        sampler=options.sampler,
        pruner=options.pruner,
        warmup=options.warmup,
        startup=options.startup,
        keep=options.keep,
        seed=options.seed,
    )


def default_storage(options):
    """The file that workers of one machine share."""
    return str(pathlib.Path(options.checkpoint_output_directory) / options.name / "journal")


def show_list(options):
    """The table of a sweep, as it is."""
    from neuraltalk.cli.ranges import check_ranges, read_ranges
    from neuraltalk.train.study import open_study
    from neuraltalk.train.study_storage import hidden_password

    storage = options.storage or default_storage(options)
    study, content = open_study(storage, options.name, create=False)
    plan = plan_of(options, check_ranges(content, hidden_password(storage)) if options.ranges is None else read_ranges(options.ranges))
    plan.check_ranges(content)
    show(plan, study, options)
    return 0


def search(options, argv):
    """Check everything, train, and tell what came out."""
    from neuraltalk.cli import sweep_worker
    from neuraltalk.cli.ranges import read_ranges

    plan = plan_of(options, read_ranges(options.ranges))
    base = plan.base()
    for folder, option in ((plan.runs_folder, "--checkpoint_output_directory"), (plan.status, "--worker_status_output_directory")):
        places.check_output_folder(folder, option)
    if "://" not in plan.storage:
        places.check_output_folder(pathlib.Path(plan.storage).parent, "--storage")
    plan.check_stored()  # before absent data are drawn
    data = sweep_worker.load(plan)  # before the study is made: a sweep that can't begin should leave nothing that has its name
    study = plan.open()
    describe(plan, base, study, data, options)
    if options.minutes is not None:
        plan = sweep_worker.dataclasses.replace(plan, deadline=time.time() + 60 * options.minutes)
    if options.workers > 1:
        del data
        ending = run_workers(plan, options.workers)
    else:
        ending = sweep_worker.Worker(plan, study, data).run()
    result = sweep_worker.keep_best(plan, study)
    show(plan, study, options, result)
    return conclude(plan, study, ending, argv)


def describe(plan, base, study, data, options):
    """Say what is searched, on what."""
    from neuraltalk.cli import train
    from neuraltalk.cli.sweep_table import heading
    from neuraltalk.train.study_storage import hidden_password

    train.describe_data(base, data)
    console.say(f"ranges      {plan.ranges.path}: {', '.join(plan.ranges.searched)}")
    console.say(f"storage     {hidden_password(plan.storage)}, {heading(study.runs(), plan.name, plan.trials)}")
    if options.workers > 1:
        console.say(f"workers     {options.workers}, threads of each: {threads_of(options.workers)}")
    known = "max_epochs" not in plan.ranges.searched
    if plan.pruner != "none" and known and base.max_epochs <= base.eval_period * (plan.warmup + 1):
        console.say(
            f"note        no run can be ended early: max_epochs {base.max_epochs:g} has too few evaluations of eval_period "
            f"{base.eval_period:g} for --warmup {plan.warmup}"
        )


def show(plan, study, options, result=None):
    """Print the table, and write it where the options say so."""
    from neuraltalk.cli import sweep_table as tables
    from neuraltalk.files import write_json, write_text

    runs, figure, shares = tables.ordered(study), plan.task.figure, study.importances()
    print(tables.heading(runs, plan.name))
    for line in [*tables.lines(runs, plan.ranges, figure), *tables.importance_lines(shares)]:
        print(line)
    best = next(iter(study.ranked()), None)
    if best is not None:
        text = plan.task.figure_text(best.figure)
        place = f": {result}" if result else "" if options.list else f", whose checkpoint is on {best.host} in {plan.runs_folder}"
        print(f"best validation {text}, of run {best.number}{place}; to train it again:")
        print(f"    {tables.command_of(best)}")
    if options.csv:
        write_text(options.csv, tables.as_csv(runs, plan.ranges, figure))
    if options.json:
        write_json(options.json, tables.as_record(runs, plan, shares, best, result), indent=1)
    for path in filter(None, (options.csv, options.json)):
        console.say(f"table       {path}")


def conclude(plan, study, ending, argv):
    """Say how to go on; the exit code."""
    from neuraltalk.cli.sweep_worker import DONE, INTERRUPTED, TIME_IS_UP
    from neuraltalk.train.study import REFUSED

    if ending != DONE:
        left = plan.trials - sum(run.ended for run in study.runs() if run.state != REFUSED)
        what = {INTERRUPTED: "interrupted", TIME_IS_UP: "the time is up"}.get(ending, ending)
        print(f"{what}; everything is saved, {left} of {plan.trials} runs are left. To continue:")
        print(f"    neuraltalk sweep {shlex.join(argv)}")
    return {DONE: 0, TIME_IS_UP: 0, INTERRUPTED: console.INTERRUPTED}.get(ending, 1)


# ---- several processes


def threads_of(workers):
    """BLAS threads of each worker: the cores, shared; fewer if the environment says so."""
    from neuraltalk.parallel import blas_threads

    return max(1, min((os.cpu_count() or 1) // workers, blas_threads(most=os.cpu_count() or 1)))


def run_workers(plan, count):
    """Train by so many processes -> how it ended. A worker that died is told and leaves its run to the others."""
    from neuraltalk.cli.sweep_worker import DONE, INTERRUPTED, TIME_IS_UP
    from neuraltalk.parallel import blas_threads_of_children
    from neuraltalk.train.interruption import interruption

    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=be_worker, args=(plan,), name=f"worker {k + 1}") for k in range(count)]
    with interruption() as interrupted:
        with blas_threads_of_children(threads_of(count)):
            for worker in workers:
                worker.start()
        try:
            told = False
            while any(worker.is_alive() for worker in workers):
                for worker in workers:
                    worker.join(0.1)
                if interrupted and not told:
                    told = True
                    for worker in workers:
                        if worker.is_alive() and os.name == "posix":  # elsewhere Ctrl-C reaches them by itself
                            os.kill(worker.pid, signal.SIGTERM)
        except BaseException:
            for worker in workers:
                worker.kill()
            raise
    codes = [worker.exitcode for worker in workers]
    if interrupted:
        return INTERRUPTED
    for worker, code in zip(workers, codes):
        if code < 0:
            console.say(f"{worker.name} was ended by {signal.Signals(-code).name}")
    if any(code == console.USER_ERROR for code in codes):
        raise UserError("a worker stopped, see above; what had begun is continued by the same command")
    if any(code not in (0, console.INTERRUPTED) for code in codes):
        return "a worker died"
    if console.INTERRUPTED in codes:
        return INTERRUPTED
    return TIME_IS_UP if plan.deadline is not None and time.time() > plan.deadline else DONE


def be_worker(plan):
    """The main function of a worker's process."""
    if sys.stderr.isatty():
        sys.stderr = PlainStream(sys.stderr)  # several bars on one terminal would write over each other
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(_work(plan))


@console.command
def _work(plan):
    from neuraltalk.cli import sweep_worker

    study = plan.open()
    data = sweep_worker.load(plan)
    ending = sweep_worker.Worker(plan, study, data).run()
    return console.INTERRUPTED if ending == sweep_worker.INTERRUPTED else 0


def _end_with_parent():
    """When the parent is killed, end as by Ctrl-C: the run is saved."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


class PlainStream:
    """A terminal that doesn't say that it is one."""

    def __init__(self, stream):
        self.write, self.flush = stream.write, stream.flush
