"""Is the backward pass the derivative of the forward pass? Every coordinate, by central differences.

    D(h) = (f(x + h) - f(x - h)) / 2h           its error falls with h^2
    numeric = (4 D(h) - D(2h)) / 3,  h = 1e-4   the h^2 cancels (Richardson): right to some 1e-12, small gradients too
    error = |analytic - numeric| / max(1e-8, |analytic| + |numeric|)

In float64, with dropout on: each evaluation draws its masks from a generator of the same seed, so they are frozen. A
coordinate whose nudges fall on different sides of a rectifier's kink has no central difference; the check then fails
with `KinkCrossed` and the caller takes another seed, rather than a looser bound.

`python driver.py --do_grad_check 1` prints the check of a whole model.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from neuraltalk.layers import kinks

STEP = 1e-4
MODEL_BOUND = 1e-5                  # of the error, for whole models; a single layer has to stay below 1e-7
SEEDS = 40                          # that are tried until no nudge crosses a kink
FLOOR = 1e-8


class KinkCrossed(Exception):
    """A nudge changed the side of a rectifier: not a fault of the gradient, but no test of it either."""


class Worst(NamedTuple):
    """The coordinate of an array with the largest error."""

    index: tuple
    analytic: float
    numeric: float
    error: float


def check_gradient(f, x, dx):
    """Hold the analytic gradient dx against differences of f() at every coordinate of x.

    Arguments: f, a function without arguments that reads x and gives the cost, or an array of the cost's summands (whose
    differences lose fewer digits than the difference of their sums); x, a float64 array, nudged in place and put back; dx,
    the gradient in x's shape.
    Returns: the Worst coordinate. Raises: KinkCrossed.
    """
    worst = Worst((), 0.0, 0.0, 0.0)
    for index in np.ndindex(x.shape):
        kept, values, sides = x[index], [], set()
        for nudge in (-2 * STEP, -STEP, STEP, 2 * STEP):
            x[index] = kept + nudge
            with kinks.recording() as pattern:
                values.append(f())
            sides.add(tuple(pattern))
        x[index] = kept
        if len(sides) > 1:
            raise KinkCrossed(f"at {index}")
        wide, narrow = np.sum(values[3] - values[0]) / (4 * STEP), np.sum(values[2] - values[1]) / (2 * STEP)
        numeric = (4 * narrow - wide) / 3
        error = abs(dx[index] - numeric) / max(FLOOR, abs(dx[index]) + abs(numeric))
        if not error <= worst.error:                        # a NaN is worse than anything
            worst = Worst(index, float(dx[index]), float(numeric), float(error))
    return worst


def toy_problem(options, rng):
    """A small captioner with weights near 0.5 of both signs, and a batch of sentences of unequal length (one of them empty)."""
    from neuraltalk.data.batches import Batch
    from neuraltalk.data.packing import pack_sentences
    from neuraltalk.models.captioner import Captioner

    D, V = 6, 7
    captioner = Captioner.initialise(options, D, np.zeros(V), rng, dtype=np.float64)
    for array in captioner.params.values():
        array[...] = rng.uniform(0.3, 0.7, size=array.shape) * rng.choice([-1, 1], size=array.shape)
    packed = pack_sentences([rng.integers(1, V, size=n).tolist() for n in (3, 0, 5, 2)])
    return captioner, Batch(rng.uniform(0.2, 1, size=(4, D)), packed)


def check_model(options):
    """Check a toy captioner with these CaptionerOptions, its sizes made small -> {parameter: (shape, Worst)}, the seed used.

    The gradients are of the total cost, dropout and penalty included.
    """
    lstm = options.generator == "lstm"
    options = dataclasses.replace(options, word_encoding_size=4, hidden_size=5, image_encoding_size=4 if lstm else 5,
                                  regc=max(options.regc, 0.01))
    return check_parameters(lambda rng: toy_problem(options, rng))


def toy_alignment(options, rng):
    """A small aligner with weights near 0.5 of both signs, and a batch: images of 3, 1, 4 and 2 regions, unequal sentences."""
    from neuraltalk.data.batches import AlignmentBatch
    from neuraltalk.data.packing import pack_words
    from neuraltalk.data.regions import RegionBlock
    from neuraltalk.models.aligner import Aligner

    D, V = 5, 8
    aligner = Aligner.initialise(options, D, V, rng, dtype=np.float64)
    for array in aligner.params.values():
        array[...] = rng.uniform(0.3, 0.7, size=array.shape) * rng.choice([-1, 1], size=array.shape)
    packed = pack_words([rng.integers(1, V, size=n).tolist() for n in (2, 4, 1, 3)])
    features, offsets = rng.uniform(0.2, 1, size=(10, D)), np.array([0, 3, 4, 8, 10])
    boxes = np.sort(rng.uniform(0, 100, size=(10, 2, 2)), axis=1).reshape(10, 4)
    boxes[offsets[:-1]] = [0, 0, 100, 100]
    return aligner, AlignmentBatch(RegionBlock(features, offsets, boxes), packed)


def check_aligner(options):
    """As check_model, for AlignerOptions. The margin shrinks as the sizes do: terms of the objective should lie on both its sides.

    (If all lie inside, what every region has in common cancels out: the gradient of bm is 0, and the difference is noise.)
    """
    options = dataclasses.replace(options, embedding_size=7, word_encoding_size=4, hidden_size=6, regc=max(options.regc, 0.01),
                                  margin=min(options.margin, 0.1))
    return check_parameters(lambda rng: toy_alignment(options, rng))


def check_parameters(make):
    """Check every trained parameter of the model that make(rng) -> (model, batch) gives: {parameter: (shape, Worst)}, the seed used."""
    for seed in range(SEEDS):
        model, batch = make(np.random.default_rng(seed))

        def loss():
            return model.loss(batch, np.random.default_rng(seed))               # noqa: B023  (called before the next seed)

        grads = loss().grads
        try:
            return {name: (model.params[name].shape, check_gradient(lambda: loss().total_cost, model.params[name], dw))
                    for name, dw in grads.items()}, seed
        except KinkCrossed:
            continue
    raise RuntimeError(f"a nudge crossed a kink with each of {SEEDS} seeds")


def check_captioner_of(options):
    """Check the captioner that training options describe -> (results, seed), what it is, its dropout for people."""
    from neuraltalk.models.captioner import GENERATORS, CaptionerOptions

    options = CaptionerOptions.of(options)
    GENERATORS[options.generator].check_sizes(options)
    dropout = f"{options.drop_prob_encoder:g} / {options.drop_prob_decoder:g}"
    return check_model(options), f"{options.generator} captioner", dropout


def check_aligner_of(options):
    """Likewise the aligner."""
    from neuraltalk.models.aligner import AlignerOptions

    options = AlignerOptions.of(options)
    dropout = f"{options.drop_prob_region:g} / {options.drop_prob_word:g} / {options.drop_prob_sentence:g}"
    return check_aligner(options), f"aligner (score {options.score})", dropout


CHECKS = {"captioner": check_captioner_of, "alignment": check_aligner_of}


def run(options, stream):
    """Print the check of the model that the training options describe, for a person to read; True if it passed."""
    (results, seed), what, dropout = CHECKS[getattr(options, "model", "captioner")](options)
    print(f"Gradient check of the {what} at toy size: every coordinate of every parameter, float64,\n"
          f"dropout {dropout} with frozen masks, seed {seed}. Error = |analytic - numeric| / "
          f"max({FLOOR:g}, |analytic| + |numeric|).\n", file=stream)
    print(f"{'parameter':<10} {'shape':<10} {'worst at':<10} {'analytic':>14} {'numeric':>14} {'error':>9}", file=stream)
    passed = True
    for name, (shape, worst) in results.items():
        good = worst.error < MODEL_BOUND
        passed = passed and good
        index = ", ".join(map(str, worst.index))
        print(f"{name:<10} {' x '.join(map(str, shape)):<10} {index:<10} {worst.analytic:>14.9f} {worst.numeric:>14.9f} "
              f"{worst.error:>9.1e}{'' if good else '  WRONG'}", file=stream)
    print(f"\n{'passed' if passed else 'FAILED'}: the largest error may be {MODEL_BOUND:g}", file=stream)
    return passed
