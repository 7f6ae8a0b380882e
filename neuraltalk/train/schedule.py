"""What the options say about time: how many iterations, which learning rate, which random numbers."""

import math
from typing import NamedTuple

import numpy as np


class Schedule(NamedTuple):
    """Iterations that the options ask for; `pairs` are the image-sentence pairs of an epoch."""

    per_epoch: int
    per_evaluation: int
    all: int

    @classmethod
    def of(cls, options, pairs, batch_size):
        per_epoch = max(1, pairs // batch_size)
        per_evaluation = max(1, int(per_epoch * options.eval_period))
        return cls(per_epoch, per_evaluation, max(1, round(options.max_epochs * per_epoch)))


def learning_rate_at(it, all_iterations, options):
    """The rate of iteration `it` (from 0): constant, or falling to 0 over the run, as a line or half a cosine wave.

    It stays at 0 beyond the run's end, where one is that is resumed with fewer epochs than it had done.
    """
    rate, part = options.learning_rate, min(it / all_iterations, 1)
    if options.learning_rate_decay == "linear":
        rate *= 1 - part
    elif options.learning_rate_decay == "cosine":
        rate *= (1 + math.cos(math.pi * part)) / 2
    return rate


def generators(seed):
    """Three independent sources of randomness: for the first weights, for dropout, for the order of sentences."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)]
