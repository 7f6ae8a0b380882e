"""A sweep's study: which settings were tried, how they did, who is at work on which; kept by Optuna in a shared storage.

Any number of workers on any machines use one storage. A *run* is one choice of settings trained; a *trial*, Optuna's record,
is one sitting of it: a run whose worker was interrupted or died goes on as another trial of the same run. What a trial's
attributes say:

    run         of a trial that continues a run: its number, which its files are named by
    worker      {"host", "space", "pid", "began"}: the process that works on it
    seconds     of work so far, over all sittings; rewritten every BEAT seconds, which is the worker's sign of life
    options     what driver.py would be given; epochs: how far it came; figure, evaluations: the best so far, of how many
    fault       why it ended before its time; refused: it is no run at all, driver.py wouldn't take these options
    deaths      how many workers died of it in a row without any evaluation in between
    surplus     it is no sitting at all: others, who asked at the same moment, have taken the last runs

Nobody's clock is compared with another's: a worker of another machine is taken for dead when its sign of life hasn't changed
for PATIENCE seconds while somebody looked, one of this machine when its process is gone. If it was alive after all, its next
report is refused, and it lets go.
"""

import contextlib
import os
import pathlib
import platform
import threading
import time
import warnings
from typing import NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from neuraltalk.errors import UserError
from neuraltalk.train.status import host_name
from neuraltalk.train.study_settings import SeededSampler, distribution_of, run_numbers
from neuraltalk.train.study_storage import Absent, hidden_password, open_storage, storage_faults, telling_storage_faults

BEAT = 20.0  # seconds between signs of life
PATIENCE = 120.0  # seconds without one until a worker on another machine counts as dead
MOST_DEATHS = 3  # of workers in a row that never came to an evaluation: then the run itself is the reason

FINISHED, PRUNED, STOPPED, REFUSED, TRAINING, WAITING = "finished", "pruned", "stopped", "refused", "training", "waiting"


class Run(NamedTuple):
    """A run as its latest trial tells."""

    number: int
    state: str
    figure: float  # the best so far, or None
    epochs: float  # or None
    seconds: float  # of work
    options: dict  # as given to driver.py, or {}
    drawn: dict  # option -> value, of those that are searched
    fault: str  # or None
    host: str  # where it was worked on last, or None

    @property
    def ended(self):
        """Whether its figure is its last."""
        return self.state in (FINISHED, PRUNED, STOPPED)


class Lost(Exception):
    """Another worker has taken this run over."""


class Study:
    """What a sweep has tried so far, and who does what next; `study` is Optuna's (see open_study)."""

    def __init__(self, study):
        self.study = study
        self.higher = study.direction == optuna.study.StudyDirection.MAXIMIZE  # whether higher figures are better
        self.looked = {}  # number of a trial -> [its sign of life, when it was first seen, whether it has changed since]
        self.host = host_name()

    # ---- what there is

    def runs(self):
        """Every run, by number."""
        trials = self._trials()
        latest = {run: trial for run, trial in zip(run_numbers(trials), trials) if not trial.user_attrs.get("surplus")}
        return [self._run(number, trial) for number, trial in sorted(latest.items())]

    def _trials(self):
        return self.study.get_trials(deepcopy=False)

    def _run(self, number, trial):
        about = trial.user_attrs
        fault = about.get("fault")
        state = {
            TrialState.COMPLETE: FINISHED,
            TrialState.RUNNING: TRAINING,
            TrialState.PRUNED: PRUNED if fault is None else REFUSED if about.get("refused") else STOPPED,
        }.get(trial.state, WAITING)
        figures = list(trial.intermediate_values.values())
        figure = about.get("figure") if not figures else max(figures) if self.higher else min(figures)
        return Run(
            number,
            state,
            figure,
            about.get("epochs"),
            about.get("seconds", 0.0),
            about.get("options", {}),
            dict(trial.params),
            fault,
            about.get("worker", {}).get("host"),
        )

    def ranked(self):
        """The runs that have ended with a figure, best first; of equals the earlier one."""
        runs = [run for run in self.runs() if run.ended and run.figure is not None]
        return sorted(runs, key=lambda run: (-run.figure if self.higher else run.figure, run.number))

    def importances(self):
        """{option: share of what explains the figures} (PED-ANOVA, Watanabe and others 2023), or {} where too few runs tell."""
        complete = [trial for trial in self._trials() if trial.state == TrialState.COMPLETE]
        if len(complete) < 6 or len({trial.value for trial in complete}) < 3:
            return {}
        with warnings.catch_warnings(), contextlib.suppress(ValueError, RuntimeError, ZeroDivisionError):
            warnings.simplefilter("ignore")
            return optuna.importance.get_param_importances(self.study)
        return {}

    # ---- taking runs and giving them back

    def take(self, limit, distributions):
        """The next Sitting: of a run that waits to be continued, else of a new one, while there are fewer than `limit`; or None.

        distributions: option -> Choices or Interval.
        """
        runs = self.runs()
        waiting = any(trial.state == TrialState.WAITING for trial in self._trials())
        if not waiting and sum(run.state != REFUSED for run in runs) >= limit:
            return None
        trial = self.study.ask({name: distribution_of(wanted) for name, wanted in distributions.items()})
        run = run_numbers(self._trials())[trial.number]
        if "run" not in trial.user_attrs and self._surplus(run, limit):
            trial.set_user_attr("surplus", True)
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        return Sitting(trial, run)

    def _surplus(self, number, limit):
        """Whether others, who asked at the same moment, have all that was left for the run with this number."""
        return sum(run.state != REFUSED for run in self.runs() if run.number < number) >= limit

    def set_aside(self, number, died=False):
        """End the trial with this number, whose run shall go on: it waits for the next worker. died: of it, maybe."""
        with contextlib.suppress(UpdateFinishedTrialError, ValueError):  # then somebody else has done it already
            self.study.tell(number, state=TrialState.FAIL)
            self._continue(self._trials()[number], died)

    def _continue(self, trial, died):
        """Let a trial that has ended too early be followed by another."""
        about = trial.user_attrs
        if about.get("surplus"):
            return
        evaluations = len(trial.intermediate_values)
        came_on = evaluations > about.get("evaluations", 0)
        deaths = 0 if came_on else about.get("deaths", 0) + died
        run = self._run(run_numbers(self._trials())[trial.number], trial)
        known = {key: about[key] for key in ("options", "epochs", "worker") if key in about}
        known |= {"run": run.number, "seconds": run.seconds, "deaths": deaths, "evaluations": evaluations}
        if run.figure is not None:
            known["figure"] = run.figure
        self.study.add_trial(
            optuna.create_trial(
                state=TrialState.WAITING, params=trial.params, distributions=trial.distributions, user_attrs=known
            )
        )

    def recover(self):
        """Set the runs of dead workers aside.

        Returns ([(run, host)] of these, the same of runs on other machines which may be alive or not: nobody has heard of
        them since this process first looked, which is less than PATIENCE ago).
        """
        dead, doubtful = [], []
        trials = self._trials()
        numbers = run_numbers(trials)
        latest = {run: trial.number for run, trial in zip(numbers, trials)}
        for run, trial in zip(numbers, trials):
            worker = trial.user_attrs.get("worker") or {}
            about = run, worker.get("host", "another machine")
            if trial.state == TrialState.RUNNING:
                if worker.get("space") is not None and worker["space"] == process_space():
                    alive = process_began(worker.get("pid")) == worker.get("began")
                else:
                    alive = self._heard(trial, trial.user_attrs.get("seconds"))
                if alive is None:
                    doubtful.append(about)
                elif not alive:
                    self.set_aside(trial.number, died=True)
                    dead.append(about)
            elif trial.state == TrialState.FAIL and latest[run] == trial.number and not trial.user_attrs.get("surplus"):
                # Its worker died between setting it aside and letting another trial follow: seldom, and soon seen.
                if self._heard(trial, "nothing follows") is None:
                    doubtful.append(about)
                else:
                    self._continue(trial, died=False)
                    dead.append(about)
        return dead, doubtful

    def _heard(self, trial, sign):
        """Whether a trial's sign of life changes: True, False after PATIENCE, None as long as nobody knows."""
        now = time.monotonic()
        seen = self.looked.setdefault(trial.number, [sign, now, None])
        if seen[0] != sign:
            seen[:] = [sign, now, True]
        return False if now - seen[1] > PATIENCE else seen[2]

    # ---- one sitting's end

    def finish(self, sitting, figure):
        """A run is through."""
        self._tell(sitting, TrialState.COMPLETE, figure)

    def prune(self, sitting, fault=None, refused=False):
        """A run is given up: worse than others, or for the reason `fault`; refused: it never was one."""
        if fault is not None:
            sitting.note(fault=fault, refused=refused)
        self._tell(sitting, TrialState.PRUNED)

    def _tell(self, sitting, state, value=None):
        try:
            self.study.tell(sitting.trial, value, state)
        except (UpdateFinishedTrialError, ValueError):
            if self.study.get_trials(deepcopy=False)[sitting.trial.number].state == TrialState.RUNNING:
                raise
            raise Lost from None


class Sitting:
    """A trial that this process works on, for the run with the number `run`: as a context it gives signs of life."""

    def __init__(self, trial, run):
        self.trial, self.run = trial, run
        self.continues = "run" in trial.user_attrs
        self.deaths = trial.user_attrs.get("deaths", 0)
        self.before, self.began = trial.user_attrs.get("seconds", 0.0), time.monotonic()
        self.drawn = dict(trial.params)
        self.lost = False  # whether another worker has taken the run over
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    @property
    def seconds(self):
        """Of work on the run so far."""
        return self.before + time.monotonic() - self.began

    def __enter__(self):
        space = process_space()
        worker = {"host": host_name(), "space": space, "pid": os.getpid()}
        self.note(worker=worker | {"began": process_began(os.getpid())})
        self._thread.start()
        return self

    def __exit__(self, kind, value, traceback):
        self._ended.set()
        self._thread.join()

    def note(self, **facts):
        """Write attributes of the trial. Raises Lost."""
        try:
            for key, value in facts.items():
                self.trial.set_user_attr(key, value)
        except UpdateFinishedTrialError:
            raise Lost from None

    def report(self, figure, evaluation):
        """A figure of the validation split, at the evaluation with this number, from 1. Raises Lost."""
        try:
            self.trial.report(figure, evaluation)
        except UpdateFinishedTrialError:
            raise Lost from None

    def should_prune(self):
        """Whether the run is so much worse than others at this evaluation that it should end."""
        return self.trial.should_prune()

    def _beat(self):
        while True:
            try:
                self.note(seconds=round(self.seconds, 2))
            except Lost:
                self.lost = True
                return
            except (*storage_faults(), OSError):
                pass  # it may be back at the next beat
            if self._ended.wait(BEAT):
                return


def open_study(storage, name, higher=False, ranges=None, pruner=None, seed=0, sampler="tpe", create=True):
    """The Study of a sweep, made if it isn't there.

    storage  a URL of a database that Optuna takes, or the path of a file
    higher   whether higher figures are better
    ranges   the content of the file of ranges, for comparison; None: whatever the study has
    pruner   one of Optuna's; sampler, seed: as SeededSampler takes them

    Returns (Study, the ranges it has). Raises UserError if it can't be opened or is a study of something else, Absent if (create
    False) it isn't there.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with telling_storage_faults(storage):
        opened = open_storage(storage, create)
        names = optuna.get_all_study_names(opened)
        if name not in names and not create:
            there = f"; there are {', '.join(sorted(names))}: name one by --name" if names else ""
            raise Absent(f"{hidden_password(storage)}: no sweep {name!r} there{there}")
        study = optuna.create_study(
            storage=opened,
            study_name=name,
            load_if_exists=True,
            direction="maximize" if higher else "minimize",
            pruner=pruner or optuna.pruners.NopPruner(),
            sampler=SeededSampler(sampler, seed),
        )
        before = study.user_attrs.get("ranges")
        if not isinstance(before, dict):
            if before is not None or study.get_trials(deepcopy=False):
                raise UserError(f"{hidden_password(storage)}: {name!r} is a study of something else; give another --name")
            if not create:  # whoever made it has died, or comes to its ranges in a moment
                raise Absent(f"{hidden_password(storage)}: sweep {name!r} has not begun; start it first")
            study.set_user_attr("ranges", ranges)
            before = ranges
    return Study(study), before


# ---- processes


def process_space():
    """What tells whether a process number means the same to two processes: the booted system and its process space; None: unknown."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def process_began(pid):
    """When a process of this system began, in ticks since the system did; None if there is none."""
    try:
        # The name in parentheses may hold anything; 20 fields behind it is the time.
        after = pathlib.Path(f"/proc/{int(pid)}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, TypeError, ValueError):
        return None
    return None if after[0] == "Z" else int(after[19])
