"""A worker of a sweep: takes a run from the study, trains it, and again; the data is read once.

Each run is an ordinary training run, with its checkpoints in the sweep's folder and its status file among all others. Whatever
ends a worker, an iteration limit or a power cut, another one continues its run from the last checkpoint, to the bit.
"""

import contextlib
import dataclasses
import filecmp
import json
import pathlib
import time

from neuraltalk.cli import console, models, train
from neuraltalk.cli.options import resolve
from neuraltalk.cli.ranges import FIXED_ONLY, Ranges, difference
from neuraltalk.cli.watching import Watcher
from neuraltalk.errors import UserError
from neuraltalk.files import copy_file, lock_beside, locked
from neuraltalk.models.captioner import GENERATORS
from neuraltalk.train import run_files
from neuraltalk.train import study as studies
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.train.interruption import interruption
from neuraltalk.train.restoring import initialise_from
from neuraltalk.train.schedule import generators
from neuraltalk.train.study_settings import pruner_of
from neuraltalk.train.study_storage import first_line, hidden_password, storage_faults
from neuraltalk.train.tasks import TASKS
from neuraltalk.train.trainer import Trainer

DONE, TIME_IS_UP, INTERRUPTED = "done", "time is up", "interrupted"
MOST_REFUSED = 20  # combinations in a row that driver.py refuses
QUIET = 60.0  # seconds between lines about a run's progress where there is no terminal


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all workers of a sweep do."""

    ranges: Ranges
    name: str
    storage: str
    folder: str  # of the result; runs keep their checkpoints in a folder of the sweep's name within
    status: str  # of the status files
    trials: int  # runs in all, whoever trains them
    deadline: float  # time.time() at which to stop, or None
    sampler: str
    pruner: str
    warmup: int
    startup: int
    keep: int  # best checkpoints that stay
    seed: int

    @property
    def higher(self):
        """Whether higher figures are better."""
        return self.ranges.model == "alignment"

    @property
    def task(self):
        return TASKS[self.ranges.model]

    @property
    def runs_folder(self):
        """Of the runs' checkpoints."""
        return pathlib.Path(self.folder) / self.name

    def open(self):
        """The Study. Raises UserError if the storage has one of other ranges under this name."""
        pruner = pruner_of(self.pruner, self.warmup, self.startup)
        study, before = studies.open_study(
            self.storage, self.name, self.higher, self.ranges.content, pruner, self.seed, self.sampler
        )
        self.check_ranges(before)
        return study

    def check_stored(self):
        """Raise UserError if open() would: the storage can't be used, or has other ranges. Makes no study."""
        with contextlib.suppress(studies.Absent):
            self.check_ranges(studies.open_study(self.storage, self.name, create=False)[1])

    def check_ranges(self, stored):
        """Raise UserError if the content of the stored sweep's ranges is another."""
        change = difference(stored, self.ranges.content)
        if change:
            raise UserError(
                f"{self.ranges.path}: sweep {self.name!r} in {hidden_password(self.storage)} has other ranges ({change}); "
                "give another --name to start a new one"
            )

    def given(self, number, drawn):
        """What driver.py would be given for a run, file names apart."""
        return {"model": self.ranges.model, **self.ranges.given(drawn), "fappend": f"{self.name}-{number:03d}"}

    def options(self, given):
        """The options of a run, resolved and checked by themselves and together. Raises UserError."""
        folders = {"checkpoint_output_directory": str(self.runs_folder), "worker_status_output_directory": self.status}
        options = resolve({**given, **folders})
        models.KINDS[options.model].check(options)
        return options

    def base(self):
        """The options that all runs have in common, which say what data is read. Raises UserError."""
        common = {name: value for name, value in self.ranges.fixed.items() if name in (*FIXED_ONLY, "max_epochs")}
        return resolve({"model": self.ranges.model, **common})


def load(plan):
    """The data of all runs -> TrainingData."""
    options = plan.base()
    return train.load_data(options, models.KINDS[options.model])


class Stop(Exception):
    """Ends a sitting; the run is saved, or isn't ours any more."""


class SweepWatcher(Watcher):
    """The watcher of a run: beside what that does, it reports to the study, and ends what is hopeless or out of time."""

    def __init__(self, options, best_file, study, sitting, plan):
        super().__init__(options, best_file)
        self.study, self.sitting, self.plan = study, sitting, plan
        self.status.content["sweep"] = plan.name
        self.state = None  # how a run ended that was ended here

    def make_progress(self, trainer):
        return SweepProgress(trainer.schedule.all, f"run {self.sitting.run}: batch", "sentence", interval=QUIET, started=trainer.it)

    def starting(self, trainer):
        super().starting(trainer)
        with self.ending_if_lost():
            for k, entry in enumerate(trainer.history):
                self.sitting.report(entry[trainer.task.names[-1]], k + 1)

    def stepped(self, trainer, step):
        super().stepped(trainer, step)
        if self.sitting.lost:
            self.end("lost")
        if self.plan.deadline is not None and time.time() > self.plan.deadline and trainer.it < trainer.schedule.all:
            trainer.save_last()
            self.end(TIME_IS_UP)

    def evaluated(self, trainer, entry, improved):
        super().evaluated(trainer, entry, improved)
        with self.ending_if_lost():
            self.sitting.note(epochs=round(trainer.epoch, 4))
            self.sitting.report(entry[trainer.task.names[-1]], len(trainer.history))
        if trainer.it < trainer.schedule.all and self.sitting.should_prune():
            self.end(studies.PRUNED)

    def end(self, state):
        self.state = state
        raise Stop

    @contextlib.contextmanager
    def ending_if_lost(self):
        try:
            yield
        except studies.Lost:
            self.end("lost")

    def ended(self, trainer, state):
        if self.state == "lost":  # the status file is another worker's now
            self.timer.cancel()
            self.progress.close()
        else:
            super().ended(trainer, {studies.PRUNED: studies.PRUNED, TIME_IS_UP: "interrupted"}.get(self.state, state))


class SweepProgress(console.Progress):
    """A progress bar that says whose it is."""

    def say(self, text):
        super().say(f"{self.label.partition(':')[0]}: {text}")


class Worker:
    """Trains runs until there are enough, the time is up or somebody interrupts. `study` is the plan's."""

    def __init__(self, plan, study, data):
        self.plan, self.study, self.data = plan, study, data
        self.refused = 0  # in a row
        self.start = {}  # checkpoints to start from (--init_model_from)

    def run(self):
        """Returns how it ended: DONE, TIME_IS_UP or INTERRUPTED. Raises UserError."""
        try:
            with interruption() as interrupted:
                return self._run(interrupted)
        except storage_faults() as fault:
            storage = hidden_password(self.plan.storage)
            raise UserError(
                f"{storage}: the sweep's storage can't be reached any more ({first_line(fault)}); the same command continues "
                "when it is back"
            ) from None

    def _run(self, interrupted):
        waiting = False
        while not interrupted:
            if self.plan.deadline is not None and time.time() > self.plan.deadline:
                return TIME_IS_UP
            dead, doubtful = self.study.recover()
            for number, host in dead:
                console.say(f"run {number}: its worker on {host} is gone, another one continues it")
            sitting = self.study.take(self.plan.trials, self.plan.ranges.searched)
            if sitting is not None:
                waiting = False
                ending = self._train(sitting)
                keep_best(self.plan, self.study)
                if ending in (INTERRUPTED, TIME_IS_UP):
                    return ending
            elif not doubtful:
                return DONE
            else:  # is a run of another machine still alive?
                if not waiting:
                    runs = ", ".join(f"run {number} on {host}" for number, host in doubtful)
                    console.say(f"waiting up to {studies.PATIENCE:g} seconds for a sign of life of {runs}")
                waiting = True
                time.sleep(1)
        return INTERRUPTED

    def _train(self, sitting):
        """One sitting of a run; how it ended."""
        try:
            with sitting:
                ending, figure, fault = self._sit(sitting)
            if ending == studies.FINISHED:
                self.study.finish(sitting, figure)
            elif ending in (studies.PRUNED, studies.STOPPED, studies.REFUSED):
                self.study.prune(sitting, fault, refused=ending == studies.REFUSED)
            elif ending in (INTERRUPTED, TIME_IS_UP):
                self.study.set_aside(sitting.trial.number)
            else:
                raise studies.Lost
        except studies.Lost:
            console.say(f"run {sitting.run}: another worker has taken it over")
            return "lost"
        except Exception:
            self.study.set_aside(sitting.trial.number, died=True)
            raise
        self._tell(sitting, ending, figure, fault)
        return ending

    def _tell(self, sitting, ending, figure, fault):
        """One line about the end of a sitting."""
        text = {
            studies.FINISHED: self.plan.task.figure_text(figure),
            studies.PRUNED: f"ended early, {self.plan.task.figure_text(figure)} is worse than others had",
            INTERRUPTED: "interrupted, saved",
            TIME_IS_UP: "the time is up, saved",
        }.get(ending, f"{ending}: {fault}")
        ranked = self.study.ranked()
        best = " (the best so far)" if ranked and ranked[0].number == sitting.run else ""
        console.say(f"run {sitting.run}: {text}{best}")
        self.refused = self.refused + 1 if ending == studies.REFUSED else 0
        if self.refused >= MOST_REFUSED:
            raise UserError(f"{self.plan.ranges.path}: {self.refused} combinations in a row were refused, the last one because {fault}")

    def _sit(self, sitting):
        """Train -> (how it ended, the best figure or None, why or None)."""
        given = self.plan.given(sitting.run, sitting.drawn)
        sitting.note(options=given)
        console.say(f"run {sitting.run}: " + ", ".join(f"{name} {given[name]}" for name in self.plan.ranges.searched))
        if sitting.deaths >= studies.MOST_DEATHS:
            return studies.STOPPED, None, f"{sitting.deaths} workers in a row died of it"
        try:
            options = self.plan.options(given)
        except UserError as fault:
            return studies.REFUSED, None, str(fault)
        best_file = run_files.best_path(self.plan.runs_folder, options)
        # Who holds it is either ending, because this worker has taken its run over, or another sweep of the same name.
        with locked(lock_beside(best_file), best_file, waiting=console.say):
            return self._train_locked(sitting, options, best_file)

    def _train_locked(self, sitting, options, best_file):
        """As _sit; nobody else writes the run's files."""
        try:
            trainer, watcher = self._prepare(sitting, options, best_file)
        except UserError as fault:
            return studies.REFUSED, None, str(fault)
        except MemoryError:
            return studies.REFUSED, None, "it doesn't fit into memory"
        fault = None
        try:
            ending = trainer.run()
        except Stop:
            ending = watcher.state
        except UserError as told:  # it stopped by itself
            ending, fault = studies.STOPPED, str(told)
        except MemoryError:
            ending, fault = studies.STOPPED, "it doesn't fit into memory"
        sitting.note(epochs=round(trainer.epoch, 4), seconds=round(sitting.seconds, 2))
        return ending, trainer.best, fault

    def _prepare(self, sitting, options, best_file):
        """The trainer of a run and its watcher, continued where there is something to continue. Raises UserError."""
        kind = models.KINDS[options.model]
        model = kind.initialise(options, self.data, generators(options.seed)[0])
        watcher = SweepWatcher(options, best_file, self.study, sitting, self.plan)
        trainer = Trainer(model, options, self.data, best_file, watcher)
        last = trainer.last_file
        if sitting.continues and last.exists():
            try:
                resumed = load_checkpoint(last)
                if resumed.params != vars(options):
                    raise UserError(f"{last}: is of a run with other options")
                train.check_same_data(resumed, self.data)
                trainer.restore(resumed)
            except UserError as fault:
                console.say(f"run {sitting.run}: begins anew: {fault}")
                trainer = Trainer(model, options, self.data, best_file, watcher)
            else:
                self._take_over_status(watcher.status.path)
                console.say(f"run {sitting.run}: continuing {last} at epoch {trainer.epoch:.2f} of {options.max_epochs:g}")
                return trainer, watcher
        if options.init_model_from:
            start = self.start.get(options.init_model_from) or load_checkpoint(options.init_model_from)
            self.start[options.init_model_from] = start
            initialise_from(model, start, self.data.vocabulary)
        return trainer, watcher

    def _take_over_status(self, path):
        """A run that was another machine's has one status file all the same: the latest, under this machine's name."""
        run_name = path.name.removeprefix(f"{self.study.host}_")
        known = {}
        for other in path.parent.glob(f"*_{run_name}"):
            with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
                if json.loads(other.read_bytes()).get("sweep") == self.plan.name:
                    known[other.stat().st_mtime_ns] = other
        for _, other in sorted(known.items()):
            if other != path:
                other.replace(path)


# ---- what stays on disk


def keep_best(plan, study):
    """Remove the checkpoints of runs that have ended and are not among the best, and copy the best one.

    What is removed can never be among the best again: the figures of ended runs stay. So any number of workers may do this
    at any time. Returns the path of the copy, or None if the best run's checkpoint isn't here.
    """
    while True:
        ranked = study.ranked()
        kept = {run.number for run in ranked[: plan.keep]}
        for run in study.runs():
            file = file_of(plan, run) if run.ended else None
            if file is not None:
                surplus = [] if run.number in kept else [file]
                for path in (*surplus, run_files.last_path(file), *previous_of(file)):
                    path.unlink(missing_ok=True)
        if not ranked:
            return None
        try:
            target = publish(plan, ranked[0])
        except FileNotFoundError:
            target = None
        if study.ranked()[0].number == ranked[0].number:
            return target


def file_of(plan, run):
    """Where a run keeps its best checkpoint; None if it never got that far."""
    if not run.options:
        return None
    try:
        return run_files.best_path(plan.runs_folder, plan.options(run.options))
    except UserError:
        return None


def previous_of(file):
    """The files of an older sweep of the same name, that a run has moved out of the way."""
    stem = file.name.removesuffix(".p")
    return [file.with_name(f"{stem}{middle}.previous.p") for middle in ("", ".last")]


def publish(plan, run):
    """Copy a run's checkpoint to the sweep's own name, unless it is there. Returns its path.

    Raises FileNotFoundError if the checkpoint is on another machine, or was surpassed and removed meanwhile.
    """
    options = dataclasses.replace(plan.options(run.options), fappend=plan.name)
    source, target = file_of(plan, run), run_files.best_path(plan.folder, options)
    others = set()
    if options.model == "captioner":
        others = {run_files.best_path(plan.folder, dataclasses.replace(options, generator=name)) for name in GENERATORS} - {target}
    if not (target.exists() and filecmp.cmp(source, target, shallow=False)):
        if target.exists() and not _of_sweep(target, plan):
            run_files.keep_previous(target)
        copy_file(source, target)
    for other in others:
        if other.exists() and _of_sweep(other, plan):
            other.unlink(missing_ok=True)  # the best so far was of another generator
    return target


def _of_sweep(path, plan):
    """Whether a file is the result of this sweep so far, rather than something else of the same name."""
    try:
        params = load_checkpoint(path).params
    except UserError:
        return False
    return str(params.get("fappend", "")).rpartition("-")[0] == plan.name
