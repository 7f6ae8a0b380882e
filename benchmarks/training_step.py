"""One training step of the LSTM captioner against PyTorch and against its bare matrix products.

    python benchmarks/training_step.py                     (PyTorch's part needs: pip install torch)

A step is forward, backward, clipping and RMSprop on 100 sentences of Flickr8K's lengths with features of 4096 numbers.
PyTorch runs the same model on the same packed batch (nn.Embedding, nn.LSTM, nn.Linear, cross entropy, clip_grad_value_,
RMSprop with its multi-tensor implementation). The bare products are every matrix product of the step in its own size, and
nothing else. The three take turns in one process, some steps each, so that a change of the machine's speed meets all
alike; medians are printed, and the ratio of each pair of turns.
"""

import argparse
import os

THREADS = "2"
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, THREADS)

import numpy as np
from turns import COLUMNS, compare

from neuraltalk.data.batches import Batch
from neuraltalk.data.packing import pack_sentences
from neuraltalk.memory import keep_freed_memory
from neuraltalk.models.captioner import Captioner, CaptionerOptions
from neuraltalk.train.solver import Solver

N, D = 100, 4096
LEARNING_RATE = 1e-3


def make_data(V, rng):
    """A batch with Flickr8K's sentence lengths: 11.8 words on average, deviation 3.9 (5 to 30)."""
    lengths = np.clip(np.rint(rng.normal(10.8, 3.9, size=N)), 3, 30).astype(int)
    packed = pack_sentences([rng.integers(1, V, size=n).tolist() for n in lengths])
    return Batch(np.maximum(rng.standard_normal((N, D), dtype=np.float32), 0), packed)


def our_step(batch, V, H):
    rng = np.random.default_rng(1)
    options = CaptionerOptions(image_encoding_size=H, word_encoding_size=H, hidden_size=H)
    captioner, solver = Captioner.initialise(options, D, np.zeros(V), rng), Solver()

    def step():
        solver.step(captioner.params, captioner.loss(batch, rng).grads, LEARNING_RATE)
    return step


def bare_products(batch, V, H):
    """Every product of the step, in the sizes and orders of the layers."""
    E = H
    rng = np.random.default_rng(2)
    M, sizes = len(batch.sentences.inputs), [N, *batch.sentences.sizes]
    R = M + N                                               # rows of the LSTM: the image step too

    def array(*shape):
        return rng.standard_normal(shape, dtype=np.float32)
    We, Wx, Wh, Wd = array(D, E), array(E, 4 * H), array(H, 4 * H), array(H, V)
    v, x, h, dgates, scores = array(N, E), array(R, E), array(R, H), array(R, 4 * H), array(M, V)
    out = {shape: np.empty(shape, np.float32) for shape in
           [(N, E), (R, 4 * H), (M, V), (M, H), (H, V), (E, 4 * H), (R, E), (D, E), (N, 4 * H), (N, H)]}

    def step():
        np.matmul(batch.features, We, out=out[N, E])
        np.matmul(x, Wx, out=out[R, 4 * H])
        for n in sizes[1:]:
            np.matmul(h[:n], Wh, out=out[N, 4 * H][:n])
        np.matmul(h[N:], Wd, out=out[M, V])
        np.matmul(scores, Wd.T, out=out[M, H])
        np.matmul(h[N:].T, scores, out=out[H, V])
        for n in sizes[1:]:
            np.matmul(dgates[:n], Wh.T, out=out[N, H][:n])
        np.matmul(x.T, dgates, out=out[E, 4 * H])
        np.matmul(h[N:].T, dgates[N:], out=out[E, 4 * H])
        np.matmul(dgates, Wx.T, out=out[R, E])
        np.matmul(batch.features.T, v, out=out[D, E])
    return step


def torch_step(batch, V, H):
    """The same model and step in PyTorch, or None where it isn't installed."""
    try:
        import torch
    except ImportError:
        return None
    from torch import nn
    from torch.nn.utils.rnn import PackedSequence

    torch.set_num_threads(int(THREADS))
    torch.manual_seed(3)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.words = nn.Linear(D, H), nn.Embedding(V, H)
            self.lstm, self.decoder = nn.LSTM(H, H), nn.Linear(H, V)
            self.dropout = nn.Dropout(0.5)

        def forward(self, features, inputs, sizes):
            x = torch.cat([self.dropout(self.image(features)), self.dropout(self.words(inputs))])
            h = self.lstm(PackedSequence(x, sizes))[0].data
            return self.decoder(self.dropout(h[N:]))

    model = Model()
    solver = torch.optim.RMSprop(model.parameters(), lr=LEARNING_RATE, alpha=0.999, weight_decay=1e-10, foreach=True)
    features = torch.from_numpy(batch.features)
    inputs = torch.from_numpy(batch.sentences.inputs.astype(np.int64))
    targets = torch.from_numpy(batch.sentences.targets.astype(np.int64))
    sizes = torch.from_numpy(np.concatenate([[N], batch.sentences.sizes]).astype(np.int64))

    def step():
        solver.zero_grad()
        loss = nn.functional.cross_entropy(model(features, inputs, sizes), targets, reduction="sum") / N
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 5.0)
        solver.step()
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=15, help="turns of each contender (default %(default)s)")
    parser.add_argument("--steps", type=int, default=5, help="counted steps a turn (default %(default)s)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[2538, 5600])
    options = parser.parse_args()
    keep_freed_memory()                                     # as training does; it serves all three
    print(f"hidden  vocabulary  {COLUMNS}")
    for H in options.hidden:
        for V in options.vocabulary:
            batch = make_data(V, np.random.default_rng(0))
            steps = [make(batch, V, H) for make in (our_step, bare_products, torch_step)]
            print(f"{H:6d}  {V:10d}  {compare(*steps, options.turns, options.steps)}", flush=True)


if __name__ == "__main__":
    main()
