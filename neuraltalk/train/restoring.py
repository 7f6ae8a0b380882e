"""What a run takes over from a checkpoint is checked first: weights, the solver's memory, plain numbers.

A ValueError or TypeError says what doesn't fit; who asked tells the user in which file.
"""

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.train.checkpoint import kind_of


def numbers(values):
    """The values as a list, each a number or None."""
    values = list(values)
    if not all(value is None or type(value) in (int, float) for value in values):
        raise TypeError("a number was expected in its training state")
    return values


def copy_weights(source, target):
    """Fill the arrays of `target` with those of `source`, which has to have the same names and shapes."""
    for name, array in target.items():
        if name not in source or source[name].shape != array.shape:
            found = source[name].shape if name in source else "missing"
            raise ValueError(f"array {name} is {found}, expected shape {array.shape}")
        with np.errstate(over="ignore"):  # from 64 bits to 32
            array[...] = source[name]
        if not np.isfinite(array).all():
            raise ValueError(f"array {name} has numbers too large for {array.dtype}")


def check_memory(state, params, rule):
    """The solver's arrays have to be its own, and of the weights' shapes and dtype: the solver itself doesn't look."""
    if state["solver"] != rule:
        raise ValueError(f"it was trained with --solver {state['solver']!r:.30}")
    for key, array in state["memory"].items():
        weights = params.get(key.partition("/")[2])
        if (
            weights is None
            or array.shape != weights.shape
            or array.dtype != weights.dtype
            or not np.isfinite(array).all()
        ):
            raise ValueError(f"solver array {key!r:.50} doesn't fit the weights")


def initialise_from(model, checkpoint, vocabulary):
    """Copy the weights of `checkpoint` into a new model (--init_model_from).

    Raises UserError if it knows other words, has other sizes, or is of another kind.
    """
    name = checkpoint.path
    if checkpoint.vocabulary.words != vocabulary.words:
        raise UserError(
            f"{name}: its vocabulary of {len(checkpoint.vocabulary)} words is not this data set's of "
            f"{len(vocabulary)}: its word vectors would mean other words; use the data set and "
            "--word_count_threshold that it was trained with"
        )
    own, wanted = kind_of(checkpoint.options), kind_of(model.options)
    if own != wanted:
        raise UserError(f"{name} is of {own}, and this run of {wanted}; take a checkpoint of the same kind")
    try:
        copy_weights(checkpoint.model, model.params)
    except ValueError as fault:
        raise UserError(f"{name}: doesn't fit this model: {fault}; set the sizes and options that it was trained with") from None
