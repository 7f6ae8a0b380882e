"""The loss of a batch of which several ranks have parts: all about it is added up by one Allreduce over a flat buffer.

    buffer      gradient | gradient | ... | cost | cost | ... | flag        in the gradients' dtype

MPI gives every rank the same sums, so that what follows from them, the solver's step above all, is the same everywhere.
"""

import numpy as np


class FlatSum:
    """Adds up losses over `ranks`.

    kind        the NamedTuple that the model's loss() returns: numbers, and `grads`
    trained     name -> array, the parameters that have a gradient
    """

    def __init__(self, ranks, kind, trained):
        self.ranks, self.kind = ranks, kind
        self.names = [name for name in kind._fields if name != "grads"]
        ends = np.cumsum([array.size for array in trained.values()]).tolist()
        self.buffer = np.zeros(ends[-1] + len(self.names) + 1, dtype=next(iter(trained.values())).dtype)
        self.grads = {
            name: self.buffer[end - array.size : end].reshape(array.shape) for end, (name, array) in zip(ends, trained.items())
        }
        self.numbers = self.buffer[ends[-1] :]

    def __call__(self, loss, flag):
        """(the loss of the whole batch, whether any rank has raised its flag); loss None: this rank has no part of it.

        The gradients in it are views of the buffer, which the next call fills anew.
        """
        if loss is None:
            self.buffer[:-1] = 0
        else:
            for name, view in self.grads.items():
                view[...] = loss.grads[name]
            self.numbers[:-1] = [getattr(loss, name) for name in self.names]
        self.numbers[-1] = bool(flag)
        self.ranks.add(self.buffer)
        *numbers, flags = self.numbers.tolist()
        return self.kind(grads=self.grads, **dict(zip(self.names, numbers))), flags > 0
