"""How a sweep draws the settings of its runs, and which runs it ends early: Optuna's samplers and pruners behind the command's names."""

import warnings

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning

FACTOR = 3  # successive halving: of so many runs one goes on


def run_numbers(trials):
    """The number of the run that each trial of a study is a sitting of: the runs are counted as they began."""
    numbers, began = [], 0
    for trial in trials:
        numbers.append(trial.user_attrs.get("run", began))
        began += "run" not in trial.user_attrs
    return numbers


def distribution_of(wanted):
    """Optuna's distribution of a Choices or an Interval of cli/ranges.py."""
    if hasattr(wanted, "values"):
        return optuna.distributions.CategoricalDistribution(wanted.values)
    if wanted.whole:
        return optuna.distributions.IntDistribution(wanted.low, wanted.high, wanted.log, wanted.step or 1)
    return optuna.distributions.FloatDistribution(wanted.low, wanted.high, wanted.log, wanted.step)


class SeededSampler(optuna.samplers.BaseSampler):
    """Draws the settings of a trial by a generator of its own, seeded by the sweep's seed and the run's number.

    kind is "tpe" (Tree-structured Parzen estimator, Bergstra and others 2011) or "random". So random settings are the same with
    any number of workers, and no two workers draw the same ones.
    """

    def __init__(self, kind, seed):
        self.kind, self.seed, self.sampler = kind, seed, None
        self._seat(0)

    def _seat(self, number):
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self.kind == "random":
            self.sampler = optuna.samplers.RandomSampler(seed=seed)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # others' running trials count as bad

    def before_trial(self, study, trial):
        self._seat(run_numbers(study.get_trials(deepcopy=False))[trial.number])
        self.sampler.before_trial(study, trial)

    def after_trial(self, study, trial, state, values):
        self.sampler.after_trial(study, trial, state, values)

    def infer_relative_search_space(self, study, trial):
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, name, distribution):
        return self.sampler.sample_independent(study, trial, name, distribution)


def pruner_of(kind, warmup, startup):
    """kind "none", "median" (worse than the median of the finished runs at the same evaluation, once there are `startup`) or
    "halving" (not in the best third at evaluations warmup + 1, three times that, ...); never in the first `warmup` evaluations."""
    if kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup + 1)
    if kind == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=warmup + 1, reduction_factor=FACTOR)
    return optuna.pruners.NopPruner()
