"""Which sentences make the next minibatch: drawn in shuffled passes, to be continued to the bit."""

import copy

import numpy as np


class PairSampler:
    """Draws minibatches of pair numbers: shuffled passes over 0 .. pairs_count - 1, each pair once a pass.

    A batch that reaches the end of a pass is filled up from the next one, so that all have the same size:
    min(batch_size, pairs_count). `rng` is drawn from once a pass.
    """

    def __init__(self, pairs_count, batch_size, rng):
        if pairs_count < 1 or batch_size < 1:
            raise ValueError(f"need at least one pair and a batch size of 1, not {pairs_count} and {batch_size}")
        self.pairs_count = pairs_count
        self.batch_size = min(batch_size, pairs_count)
        self.rng = rng
        self.passes = -1  # finished passes
        self._begin_pass()

    def _begin_pass(self):
        self._state_before = copy.deepcopy(self.rng.bit_generator.state)
        self._permutation = self.rng.permutation(self.pairs_count)
        self.position = 0  # pairs of this pass already drawn
        self.passes += 1

    @property
    def epoch(self):
        """Passes made so far, a fraction included."""
        return self.passes + self.position / self.pairs_count

    def draw(self):
        """The next batch: (batch_size,) int64 pair numbers."""
        batch = self._permutation[self.position : self.position + self.batch_size]
        self.position += len(batch)
        missing = self.batch_size - len(batch)
        if missing:
            self._begin_pass()
            batch = np.concatenate([batch, self._permutation[:missing]])
            self.position = missing
        return batch

    def __iter__(self):
        return self

    __next__ = draw

    def state(self):
        """Plain values from which restore() continues to the bit: pass, position, and the generator then and now."""
        return {
            "pairs_count": self.pairs_count,
            "batch_size": self.batch_size,
            "passes": self.passes,
            "position": self.position,
            "before_pass": copy.deepcopy(self._state_before),
            "now": copy.deepcopy(self.rng.bit_generator.state),
        }

    def restore(self, state):
        """Continue as the sampler that gave `state`; the generator is set to where it was then.

        Raises ValueError if that one drew from another number of pairs or in other batches: the passes would differ.
        """
        if (state["pairs_count"], state["batch_size"]) != (self.pairs_count, self.batch_size):
            raise ValueError(
                f"the sampler drew batches of {state['batch_size']} from {state['pairs_count']} pairs; here are "
                f"{self.pairs_count} pairs in batches of {self.batch_size}"
            )
        self._state_before = copy.deepcopy(state["before_pass"])
        self.rng.bit_generator.state = self._state_before
        self._permutation = self.rng.permutation(self.pairs_count)
        self.passes, self.position = state["passes"], state["position"]
        self.rng.bit_generator.state = state["now"]


class ImageSampler(PairSampler):
    """Draws minibatches of pair numbers, one of each image: no image comes twice in a batch.

    images  (P,) the image of each pair, any whole numbers

    A pass is over the images, each with one of its sentences; the next pass takes each image's next sentence, starting
    from a random one, so that an image with n sentences has shown each once after n passes. An epoch is P pairs, as
    for PairSampler. In a batch that reaches into the next pass, images that are already in it wait for their turn.
    """

    def __init__(self, images, batch_size, rng):
        images = np.asarray(images)
        self._pairs = np.argsort(images, kind="stable")  # (P,) pair numbers, image by image
        _, self._first, self._counts = np.unique(images[self._pairs], return_index=True, return_counts=True)  # (K,)
        self._tail = self._pairs[:0]  # images of the pass before that are in the batch in which this pass began
        self._state_at_start = copy.deepcopy(rng.bit_generator.state)
        self._starts = rng.integers(0, self._counts)  # (K,) the sentence with which each image starts
        super().__init__(len(self._counts), batch_size, rng)

    @property
    def epoch(self):
        """Pairs drawn so far, as a multiple of all pairs."""
        return (self.passes * self.pairs_count + self.position) / len(self._pairs)

    def draw(self):
        """The next batch: (batch_size,) int64 pair numbers of distinct images."""
        images = self._permutation[self.position : self.position + self.batch_size]
        self.position += len(images)
        batch = self._pairs_of(images)
        missing = self.batch_size - len(images)
        if missing:
            self._begin_pass()
            self._let_wait(images)
            batch = np.concatenate([batch, self._pairs_of(self._permutation[:missing])])
            self.position = missing
        return batch

    __next__ = draw

    def _pairs_of(self, images):
        """The pair of each image whose turn it is in this pass."""
        return self._pairs[self._first[images] + (self._starts[images] + self.passes) % self._counts[images]]

    def _let_wait(self, tail):
        """Begin the pass with images that aren't in `tail`, as many as the batch lacks."""
        self._tail = tail
        if len(tail):
            others = np.flatnonzero(~np.isin(self._permutation, tail))[: self.batch_size - len(tail)]
            self._permutation = np.concatenate([self._permutation[others], np.delete(self._permutation, others)])

    def state(self):
        return {
            **super().state(),
            "sentences": len(self._pairs),
            "at_start": copy.deepcopy(self._state_at_start),
            "tail": self._tail.tolist(),
        }

    def restore(self, state):
        if state["sentences"] != len(self._pairs):
            raise ValueError(f"the sampler drew from {state['sentences']} sentences; here are {len(self._pairs)}")
        super().restore(state)
        self._let_wait(np.asarray(state["tail"], dtype=np.int64))
        self._state_at_start = copy.deepcopy(state["at_start"])
        self.rng.bit_generator.state = self._state_at_start
        self._starts = self.rng.integers(0, self._counts)
        self.rng.bit_generator.state = state["now"]
