"""Numbers that are finite, but so large that their products aren't: a damaged checkpoint may hold such weights."""

import numpy as np


def quiet():
    """A decorator: overflow inside is no warning. Whoever uses the result refuses what isn't a number."""
    return np.errstate(over="ignore", invalid="ignore")
