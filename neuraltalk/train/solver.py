"""The solvers: how a gradient changes a weight. The one place where parameters change.

Every gradient element is first clipped to [-grad_clip, grad_clip] (0 = no clipping). With g the clipped gradient:

    vanilla     u = momentum * u - learning_rate * g;                                           w += u
    adagrad     s += g^2;                                   w -= learning_rate * g / sqrt(s + smooth_eps)
    rmsprop     s = decay_rate * s + (1 - decay_rate) g^2;  w -= learning_rate * g / sqrt(s + smooth_eps)
    adadelta    s as in rmsprop;  step = -g sqrt((u + smooth_eps) / (s + smooth_eps));
                u = decay_rate * u + (1 - decay_rate) step^2;                                   w += step
    adam        m = 0.9 m + 0.1 g;  s as in rmsprop; both divided by 1 - decay^t;
                w -= learning_rate * m / (sqrt(s) + smooth_eps)

The first four are the original's; Adam (Kingma and Ba 2015) is added for the tuned presets. Memories start at 0.
"""

import math

import numpy as np

from neuraltalk.layers.twins import twin

MEMORIES = {"vanilla": ("velocity",), "adagrad": ("squares",), "rmsprop": ("squares",), "adadelta": ("squares", "steps"),
            "adam": ("mean", "squares")}
ADAM_MEAN_DECAY = 0.9


class Solver:
    """One of the update rules with its memory; `solver`, `grad_clip`, `momentum`, `decay_rate`, `smooth_eps` are the original's options."""

    def __init__(self, solver="rmsprop", grad_clip=5.0, momentum=0.0, decay_rate=0.999, smooth_eps=1e-8):
        self.rule = solver
        self.clip = grad_clip if grad_clip > 0 else math.inf
        self.momentum, self.decay, self.epsilon = momentum, decay_rate, smooth_eps
        self.steps = 0
        self.memory = {}                                    # "squares/Wd" -> array in Wd's shape

    def step(self, params, grads, learning_rate):
        """Change every parameter in place by its gradient (of the same name, shape and dtype)."""
        self.steps += 1
        for name, w in params.items():
            memories = [self._memory(kind, name, w) for kind in MEMORIES[self.rule]]
            number = w.dtype.type
            arguments = [w.reshape(-1), np.ascontiguousarray(grads[name], dtype=w.dtype).reshape(-1), *memories]
            clip, epsilon, decay = number(self.clip), number(self.epsilon), number(self.decay)
            rate = number(learning_rate)
            if self.rule == "vanilla":
                vanilla_update(*arguments, rate, clip, number(self.momentum))
            elif self.rule == "adagrad":
                adagrad_update(*arguments, rate, clip, epsilon)
            elif self.rule == "rmsprop":
                rmsprop_update(*arguments, rate, clip, epsilon, decay)
            elif self.rule == "adadelta":
                adadelta_update(*arguments, clip, epsilon, decay)
            else:
                mean_share = 1 - ADAM_MEAN_DECAY ** self.steps      # both averages started at 0: without these they
                square_share = 1 - self.decay ** self.steps         # would be too small in the first steps
                rate = number(learning_rate * math.sqrt(square_share) / mean_share)
                adam_update(*arguments, rate, clip, number(self.epsilon * math.sqrt(square_share)), number(ADAM_MEAN_DECAY), decay)

    def _memory(self, kind, name, w):
        key = f"{kind}/{name}"
        if key not in self.memory:
            self.memory[key] = np.zeros_like(w)
        return self.memory[key].reshape(-1)

    def state(self):
        """A plain dict to save: the number of steps and copies of the memories."""
        return {"solver": self.rule, "steps": self.steps, "memory": {key: array.copy() for key, array in self.memory.items()}}

    def restore(self, state):
        """Continue from what `state()` gave."""
        self.steps = int(state["steps"])
        self.memory = {key: np.array(array) for key, array in state["memory"].items()}


@twin
def vanilla_update(w, dw, velocity, learning_rate, clip, momentum):
    """Gradient descent with momentum; all arrays (n,), changed in place."""
    velocity[:] = momentum * velocity - learning_rate * np.clip(dw, -clip, clip)
    w += velocity


@twin
def adagrad_update(w, dw, squares, learning_rate, clip, epsilon):
    """Each weight's rate falls with the sum of its squared gradients."""
    g = np.clip(dw, -clip, clip)
    squares += g ** 2
    w -= learning_rate * g / np.sqrt(squares + epsilon)


@twin
def rmsprop_update(w, dw, squares, learning_rate, clip, epsilon, decay):
    """Each weight's rate falls with a moving average of its squared gradients."""
    g = np.clip(dw, -clip, clip)
    squares[:] = squares * decay + (1 - decay) * g ** 2
    w -= learning_rate * g / np.sqrt(squares + epsilon)


@twin
def adadelta_update(w, dw, squares, steps, clip, epsilon, decay):
    """RMSprop whose rate is the moving size of the steps themselves."""
    g = np.clip(dw, -clip, clip)
    squares[:] = squares * decay + (1 - decay) * g ** 2
    step = -g * np.sqrt((steps + epsilon) / (squares + epsilon))
    steps[:] = steps * decay + (1 - decay) * step ** 2
    w += step


@twin
def adam_update(w, dw, mean, squares, learning_rate, clip, epsilon, decay1, decay2):
    """Moving averages of the gradient and of its square; the caller corrects their start by rate and epsilon."""
    g = np.clip(dw, -clip, clip)
    mean[:] = mean * decay1 + (1 - decay1) * g
    squares[:] = squares * decay2 + (1 - decay2) * g ** 2
    w -= learning_rate * mean / (np.sqrt(squares) + epsilon)
