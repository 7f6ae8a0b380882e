"""When to give a run up: its cost is no number any more, or stays far above where it was."""

import math

SMOOTHING = 0.99
PATIENCE = 25  # iterations that the smoothed cost has to stay too high: one bad batch isn't an explosion


def smoothed(before, value):
    """The moving average after one more value; `before` is None at the first."""
    return value if before is None else SMOOTHING * before + (1 - SMOOTHING) * value


class CostWatch:
    """Sees each batch's cost.

    Too high is a smoothed cost above the lowest one so far plus the first batch's cost: at the start twice the first. A
    batch counts with ten times the first cost at most, so that none can lift the average for long.
    """

    def __init__(self):
        self.smooth = self.first = self.lowest = None
        self.too_high_for = 0

    def fault(self, cost):
        """Why the run should stop, or None."""
        if not math.isfinite(cost):
            return f"the cost became {cost}"
        if self.first is None:
            self.first = self.lowest = cost
        self.smooth = smoothed(self.smooth, min(cost, 10 * self.first))
        self.lowest = min(self.lowest, self.smooth)
        self.too_high_for = self.too_high_for + 1 if self.smooth > self.lowest + self.first else 0
        if self.too_high_for >= PATIENCE:
            return (
                f"the cost explodes (smoothed {self.smooth:.3g}; it began at {self.first:.3g} and had come down to "
                f"{self.lowest:.3g})"
            )
        return None

    def state(self):
        """Plain numbers for a checkpoint."""
        return [self.smooth, self.first, self.lowest, self.too_high_for]

    def restore(self, state):
        self.smooth, self.first, self.lowest, self.too_high_for = state
