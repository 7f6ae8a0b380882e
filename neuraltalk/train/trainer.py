"""The training loop: draw a batch, take a step, and now and then evaluate on the validation split and save.

    it       iterations done               figure   what is followed or selected by: perplexity, cost, R@10
    epoch    it / iterations an epoch      average  moving average of the weights (--average_decay), or None

One loop for both models; what differs between them is in tasks.py.

A run can be interrupted after any iteration, by a key or by a power cut, and continues to the bit: everything that the
next iteration depends on is in `Trainer.state`, which the last checkpoint holds. Clocks decide only when to save.

Several ranks (ranks.py) make the same run: each draws the same batches, takes its part of each, and has the same weights and
solver, since all add the same sum of gradients. Rank 0 alone saves. Any number of ranks can resume.
"""

import functools
import math
import time
import zlib
from typing import NamedTuple

import numpy as np

from neuraltalk.data.pairs import Pairs
from neuraltalk.errors import UserError
from neuraltalk.memory import keep_freed_memory
from neuraltalk.parallel import blas_threads
from neuraltalk.ranks import ALONE, Interrupted
from neuraltalk.train import checkpoint as checkpoints
from neuraltalk.train.cost_watch import CostWatch
from neuraltalk.train.flat_sum import FlatSum
from neuraltalk.train.interruption import interruption
from neuraltalk.train.restoring import check_memory, copy_weights, numbers
from neuraltalk.train.run_files import keep_previous, last_path
from neuraltalk.train.schedule import Schedule, generators, learning_rate_at
from neuraltalk.train.solver import Solver
from neuraltalk.train.tally import Tally
from neuraltalk.train.tasks import TASKS

SAVE_PERIOD = 600.0  # seconds between saves where evaluations are rarer


class TrainingData(NamedTuple):
    """What is trained on."""

    features: object  # Features, or anything with rows(); for an aligner Regions, or anything with of()
    vocabulary: object
    train_pairs: Pairs
    val_pairs: Pairs
    extractor: dict  # None, or the state of what made the features


class Step(NamedTuple):
    """One iteration, for those who watch."""

    cost: float
    figure: float  # that of the batch which is followed in training
    learning_rate: float
    seconds: float
    sentences: int


class Watcher:
    """Hears what happens in a run; does nothing. The command line and the tests have their own."""

    def starting(self, trainer):
        """The first iteration is next (it may compile kernels)."""

    def stepped(self, trainer, step):
        """An iteration is done."""

    def evaluating(self, trainer, done, total):
        """`done` of `total` parts of the validation are through."""

    def evaluated(self, trainer, entry, improved):
        """`entry` was added to the history; improved: it was the best so far and is saved in trainer.best_file."""

    def ended(self, trainer, state):
        """state: "finished", "interrupted" or "stopped"."""


class Trainer:
    """A run. `options` is one of cli.records' records, for the kind of `model`; `best_file` is where the best model goes.

    Each of several `ranks` has a Trainer of its own, made alike. The watchers of all but rank 0 should be silent.
    Call run() to train; `restore` beforehand continues an earlier run.
    """

    def __init__(self, model, options, data, best_file, watcher=None, ranks=ALONE):
        self.model, self.options, self.data, self.ranks = model, options, data, ranks
        self.task = TASKS[options.model](options, data)
        self.best_file, self.last_file = best_file, last_path(best_file)
        self.watcher = watcher or Watcher()
        self.solver = Solver(
            options.solver, options.grad_clip, options.momentum, options.decay_rate, options.smooth_eps
        )
        _, self.dropout_rng, sampler_rng = generators(options.seed)
        self.sampler = self.task.sampler(sampler_rng)
        self.schedule = Schedule.of(options, len(data.train_pairs), self.sampler.batch_size)
        self.workers, self.total = ranks, None
        if ranks.size > 1:
            self.workers = ranks.first(self.sampler.batch_size)  # None: more ranks than sentences, and this one has none
            self.total = FlatSum(ranks, self.task.losses, self.task.trained(model))
        self.stopping = False  # a rank was interrupted, and all know
        self.average = None
        if options.average_decay > 0:
            self.average = {name: array.copy() for name, array in model.params.items()}
        self.it = 0
        self.resumed, self.threads_before = False, ()
        self.history = []
        self.best = None  # the best figure on the validation split
        self.evaluated_at = 0  # the iteration of the last evaluation
        self.cost_watch = CostWatch()
        self.tally = Tally(self.task)
        self.sentences = 0  # seen by this process
        self.saved = time.monotonic()
        self.saved_epoch = None  # of what is in last_file

    @property
    def epoch(self):
        return self.it / self.schedule.per_epoch

    @property
    def val_figure(self):
        """The figure of the last evaluation, None before the first."""
        return self.history[-1][self.task.names[-1]] if self.history else None

    # ---- the loop

    def run(self):
        """Train until max_epochs or an interruption (Ctrl-C or a termination signal; the iteration is finished first).

        Returns "finished" or "interrupted"; the last checkpoint is written in either case. Raises UserError when the
        cost isn't a number any more or explodes, and when the task gives the run up.
        """
        state = "stopped"
        keep_freed_memory()
        with interruption() as interrupted, np.errstate(over="ignore", invalid="ignore"):  # the cost is watched instead
            try:
                self.ranks.check_same(self._start, "weights, data or options")
                if self.resumed:
                    self._save_best_if_missing()
                else:
                    if self.ranks.rank == 0:
                        keep_previous(self.last_file)
                    self.save_last()  # from now on there is always something to resume
                self.watcher.starting(self)
                state = self._loop(interrupted)
                if state == "interrupted":
                    self.save_last()
                self.ranks.wait()  # for rank 0 to have saved
            finally:
                self.watcher.ended(self, state)
        return state

    def _loop(self, interrupted):
        while True:
            if self._evaluation_due() and not self._evaluate(interrupted):
                return "interrupted"
            if self.stopping or (interrupted and self.total is None):
                return "interrupted"
            if self.it >= self.schedule.all:
                return "finished"
            self.watcher.stepped(self, self.step(interrupted))
            if time.monotonic() - self.saved > SAVE_PERIOD:
                self.save_last()

    def step(self, interrupted=False):
        """One iteration -> Step. interrupted: whether this rank was, which all are told with the gradients."""
        began = time.monotonic()
        pairs = self.data.train_pairs[self.sampler.draw()]
        loss = None
        if self.workers is not None:
            loss = self.task.loss(self.model, pairs, self.dropout_rng, self.workers)
        if self.total is not None:
            loss, self.stopping = self.total(loss, interrupted)
        fault = self.cost_watch.fault(loss.total_cost)
        if fault:
            self._stop(fault)
        rate = learning_rate_at(self.it, self.schedule.all, self.options)
        self.solver.step(self.task.trained(self.model), loss.grads, rate)
        self.it += 1
        if self.average is not None:
            self._update_average()
        self.sentences += len(pairs)
        return Step(loss.total_cost, self.tally.add(loss), rate, time.monotonic() - began, len(pairs))

    def _update_average(self):
        """average += (1 - decay) * (weights - average); young averages forget their random start faster."""
        decay = min(self.options.average_decay, (1 + self.it) / (10 + self.it))
        for name, weights in self.model.params.items():
            difference = weights - self.average[name]
            difference *= weights.dtype.type(1 - decay)
            self.average[name] += difference

    def _fingerprint(self):
        """A number that tells weights apart."""
        return functools.reduce(lambda crc, array: zlib.crc32(array, crc), self.model.params.values(), 0)

    def _start(self):
        """What all ranks have to begin with."""
        pairs = self.data.train_pairs, self.data.val_pairs
        sentences = [zlib.crc32(array) for own in pairs for array in (own.imgids, own.starts, own.words)]
        return self._fingerprint(), self.it, sentences, vars(self.options)

    def _check_weights(self):
        """Nothing that isn't finite is ever saved: the files of before stay."""
        for name, array in self.model.params.items():
            if not np.isfinite(array).all():
                self._stop(f"weights of {name} are not finite any more")

    def _stop(self, reason):
        kept = (
            f"the best checkpoint so far is {self.best_file}"
            if self.best is not None
            else "nothing was worth saving"
        )
        raise UserError(
            f"training stopped at iteration {self.it}, epoch {self.epoch:.2f}: {reason}; {kept}. Try a lower "
            f"--learning_rate (it is {self.options.learning_rate:g}) or --grad_clip (it is "
            f"{self.options.grad_clip:g}), and {self.task.check} after changes to the code"
        )

    # ---- evaluation

    def _evaluation_due(self):
        due = self.it % self.schedule.per_evaluation == 0 or self.it >= self.schedule.all
        return due and self.evaluated_at != self.it

    def evaluated_model(self):
        """The model with the weights that are evaluated and saved: the averaged ones if there are any."""
        return self.model if self.average is None else type(self.model)(self.model.options, self.average)

    def _evaluate(self, interrupted):
        """Evaluate, note it in the history, save. False if an interruption came first: then nothing has changed."""

        def watch(done, total):
            if interrupted:
                raise Interrupted
            self.watcher.evaluating(self, done, total)

        try:
            value = self.task.validate(self.evaluated_model(), watch, self.ranks)
        except Interrupted:
            return False
        self.ranks.check_same(self._fingerprint, "weights")
        if math.isnan(value):
            self._stop(f"the validation {self.task.figure} is not a number")
        self._check_weights()
        entry = {
            "it": self.it,
            "epoch": self.epoch,
            **dict(zip(self.task.names, (self.tally.figure, self.tally.smooth, value))),
            "learning_rate": learning_rate_at(self.it, self.schedule.all, self.options),
        }
        self.history.append(entry)
        self.evaluated_at = self.it
        self.tally.start_anew()
        before, improved = self.best, self.task.improves(value, self.best)
        if improved:
            self.best = value
        self.save_last()  # first: it has all of the best one, should a kill come between the two
        if improved:
            self._save_best(first=before is None)
        self.ranks.wait()
        self.watcher.evaluated(self, entry, improved)
        reason = self.task.hopeless(value)
        if reason:
            raise UserError(f"training stopped at epoch {self.epoch:.2f}: {reason}")
        return True

    # ---- saving and resuming

    def content(self, training):
        """A checkpoint's content (see checkpoint.py)."""
        return {
            "it": self.it,
            "epoch": self.epoch,
            "model": self.evaluated_model().params,
            "params": vars(self.options),
            self.task.figure: self.val_figure,
            "wordtoix": self.data.vocabulary.wordtoix,
            "ixtoword": self.data.vocabulary.ixtoword,
            "log_frequencies": self.data.vocabulary.log_frequencies,
            "extractor": self.data.extractor,
            "history": self.history,
            "training": training,
        }

    def state(self):
        """Everything that the next iteration depends on, beside what a checkpoint has anyway."""
        return {
            "weights": None if self.average is None else self.model.params,  # `model` has them otherwise
            "solver": self.solver.state(),
            "random": self.dropout_rng.bit_generator.state,
            "sampler": self.sampler.state(),
            f"best_{self.task.figure}": self.best,
            "evaluated_at": self.evaluated_at,
            "cost": self.cost_watch.state(),
            self.task.followed: self.tally.state(),
            "threads": self.threads(),
        }

    def threads(self):
        """[ranks, BLAS threads of each]: what the last bits of a matrix product, and so of everything, depend on."""
        return [self.ranks.size, blas_threads(most=10**6)]

    def _save_best(self, first):
        """Write the best checkpoint, if this is rank 0; first: of this run, so that the file which is there is another's."""
        if self.ranks.rank:
            return
        if first:
            keep_previous(self.best_file)
        checkpoints.save_checkpoint(self.best_file, self.content(training=None))

    def _save_best_if_missing(self):
        """Write the best checkpoint if a kill came between the last one and it."""
        if self.ranks.rank or not self.history or self.evaluated_at != self.it:
            return
        improved = self.improvements()
        if improved[-1] and not checkpoints.is_saved(self.best_file, self.content(training=None)):
            self._save_best(first=not any(improved[:-1]))

    def improvements(self):
        """For each entry of the history, whether it was the best so far."""
        best, improved = None, []
        for entry in self.history:
            value = entry[self.task.names[-1]]
            improved.append(self.task.improves(value, best))
            best = value if improved[-1] else best
        return improved

    def save_last(self):
        """Write the last checkpoint, if this is rank 0."""
        self._check_weights()
        if self.ranks.rank == 0:
            checkpoints.save_checkpoint(self.last_file, self.content(training=self.state()))
        self.saved, self.saved_epoch = time.monotonic(), self.epoch

    def restore(self, checkpoint):
        """Continue as the run that wrote `checkpoint` (a train.checkpoint.Checkpoint).

        Raises UserError if it has no state to resume from, or one of another data set or model.
        """
        state = checkpoint.training
        if state is None:
            raise UserError(
                f"{checkpoint.path}: can't be resumed: it holds the best weights only; name the run's .last.p, or "
                f"start a new run from its weights with --init_model_from {checkpoint.path}"
            )
        try:
            weights = checkpoint.model if state["weights"] is None else state["weights"]
            copy_weights(weights, self.model.params)
            if self.average is not None:
                copy_weights(checkpoint.model, self.average)
            check_memory(state["solver"], self.model.params, self.options.solver)
            self.solver.restore(state["solver"])
            self.dropout_rng.bit_generator.state = state["random"]
            self.sampler.restore(state["sampler"])
            position = self.sampler.position
            if not 0 <= position <= self.sampler.pairs_count or type(position + self.sampler.passes) is not int:
                raise ValueError("its sampler is nowhere in the data set")
            self.best, self.evaluated_at = numbers([state[f"best_{self.task.figure}"], state["evaluated_at"]])
            self.cost_watch.restore(numbers(state["cost"]))
            self.tally.restore(numbers(state[self.task.followed]))
            self.threads_before = numbers(state.get("threads", ()))  # (): unknown
            self.it, self.resumed = checkpoint.it, True
            self.saved_epoch = self.epoch
            self.history = [dict(zip(entry, numbers(entry.values()))) for entry in checkpoint.history]
            for entry in self.history:
                _ = [entry[key] for key in ("it", "epoch", *self.task.names)]  # the status file tells them
            if self.history:
                self.val_figure + 0.0  # the one that is used
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as fault:
            reason = " ".join(str(fault).split())[:120]
            raise UserError(
                f"{checkpoint.path}: can't be resumed with this data set and these options: {reason}"
            ) from None
