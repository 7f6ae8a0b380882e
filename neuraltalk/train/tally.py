"""The figure that is followed in training, such as perplexity: of the last batch, smoothed, and since the last evaluation."""

from neuraltalk.train.cost_watch import smoothed


class Tally:
    """Adds up what a task (tasks.py) counts in each batch, with the weights of its time and dropout on."""

    def __init__(self, task):
        self.task = task
        self.smooth = None
        self.start_anew()

    def start_anew(self):
        """Forget the batches so far, but for the smoothed figure."""
        self.total, self.weight = 0.0, 0

    def add(self, loss):
        """A batch is done; returns its figure."""
        total, weight = self.task.sums(loss)
        self.total += total
        self.weight += weight
        figure = self.task.mean(total, weight)
        self.smooth = smoothed(self.smooth, figure)
        return figure

    @property
    def figure(self):
        """Of the batches since start_anew()."""
        return self.task.mean(self.total, self.weight)

    def state(self):
        """Plain numbers for a checkpoint."""
        return [self.smooth, self.total, self.weight]

    def restore(self, state):
        self.smooth, self.total, self.weight = state
