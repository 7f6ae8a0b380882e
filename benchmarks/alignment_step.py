"""One training step of the aligner against PyTorch and against its bare matrix products.

    python benchmarks/alignment_step.py                    (PyTorch's part needs: pip install torch)

A step is forward, backward, clipping and SGD with momentum on 100 images of 20 regions with features of 4096 numbers and
100 sentences of Flickr8K's lengths; h = 1000, hidden size and word vectors 300, dropout 0.5 of features, words and states.
PyTorch runs the same model on the same packed batch from the same weights, which is checked: nn.Linear, nn.Embedding, the
recurrences step by step (nn.RNN has input weights that the model lacks), the maximum over each image's regions,
clip_grad_value_, SGD with its multi-tensor implementation. The bare products are the matrix products that our step makes, in
their own sizes, and nothing else: the two by which PyTorch goes back through the scores are not among them, for ours sums
rows there instead.

The learning rate is so small that every step is like the first, when nearly all hinges are active and most is to be
summed; `--violated` sets the share that is active, by the margin: a trained model has few. The three take turns in one
process, some steps each, so that a change of the machine's speed meets all alike; medians are printed, and the ratio of
each pair of turns.
"""

import argparse
import os

THREADS = os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, THREADS)

import numpy as np
from turns import COLUMNS, compare

from neuraltalk.data.batches import AlignmentBatch
from neuraltalk.data.packing import pack_words
from neuraltalk.data.regions import RegionBlock
from neuraltalk.layers.brnn import turn
from neuraltalk.memory import keep_freed_memory
from neuraltalk.models.aligner import Aligner, AlignerOptions
from neuraltalk.train.solver import Solver

K, R, D, V = 100, 20, 4096, 2538
LEARNING_RATE, MOMENTUM, CLIP = 1e-9, 0.9, 5.0


def make_data(rng):
    """A batch with Flickr8K's sentence lengths: 10.8 words on average, deviation 3.9 (3 to 30)."""
    lengths = np.clip(np.rint(rng.normal(10.8, 3.9, size=K)), 3, 30).astype(int)
    packed = pack_words([rng.integers(1, V, size=n).tolist() for n in lengths])
    features = np.maximum(rng.standard_normal((K * R, D), dtype=np.float32), 0)
    return AlignmentBatch(RegionBlock(features, np.arange(0, K * R + 1, R), np.zeros((K * R, 4), np.float32)), packed)


def options_for(batch, violated):
    """Options with the margin at which this share of the hinges is active at the start (by default the usual margin)."""
    options = AlignerOptions()
    if violated is None:
        return options
    low, high = -100.0, 100.0
    while high - low > 1e-3:
        options = AlignerOptions(margin=(low + high) / 2)
        share = make_aligner(options).loss(batch, np.random.default_rng(1)).violated
        low, high = (options.margin, high) if share < violated else (low, options.margin)
    return options


def make_aligner(options):
    return Aligner.initialise(options, D, V, np.random.default_rng(4), region_scale=0.7)


def our_step(batch, options):
    rng, aligner = np.random.default_rng(1), make_aligner(options)
    solver = Solver("vanilla", grad_clip=CLIP, momentum=MOMENTUM)

    def step():
        solver.step(aligner.trained(), aligner.loss(batch, rng).grads, LEARNING_RATE)
    return step


def bare_products(batch, options):
    """Every product of the step, in the sizes and orders of the layers."""
    rng = np.random.default_rng(2)
    h, E, H = options.embedding_size, options.word_encoding_size, options.hidden_size
    M, sizes = len(batch.sentences.words), batch.sentences.sizes

    def array(*shape):
        return rng.standard_normal(shape, dtype=np.float32)
    Wm, We, Wh, Wd = array(D, h), array(E, H), array(H, H), array(H, h)
    v, x, e, state, s = array(K * R, h), array(M, E), array(M, H), array(M, H), array(M, h)
    out = {shape: np.empty(shape, np.float32) for shape in
           [(K * R, h), (M, H), (K, H), (M, h), (K * R, M), (M, E), (D, h), (E, H), (H, H), (H, h)]}

    def step():
        np.matmul(batch.regions.features, Wm, out=out[K * R, h])
        np.matmul(x, We, out=out[M, H])
        for _ in range(2):
            for n in sizes[1:]:
                np.matmul(state[:n], Wh, out=out[K, H][:n])
        np.matmul(state, Wd, out=out[M, h])
        np.matmul(v, s.T, out=out[K * R, M])
        np.matmul(s, Wd.T, out=out[M, H])
        np.matmul(state.T, s, out=out[H, h])
        for _ in range(2):
            for n in sizes[1:]:
                np.matmul(e[:n], Wh.T, out=out[K, H][:n])
            np.matmul(state.T, e, out=out[H, H])
        np.matmul(e, We.T, out=out[M, E])
        np.matmul(x.T, e, out=out[E, H])
        np.matmul(batch.regions.features.T, v, out=out[D, h])
    return step


def torch_step(batch, options):
    """The same model and step in PyTorch, or None where it isn't installed."""
    try:
        import torch
    except ImportError:
        return None
    from torch import nn

    torch.set_num_threads(int(THREADS))
    h, E, H = options.embedding_size, options.word_encoding_size, options.hidden_size
    start = {name: torch.from_numpy(array.copy()) for name, array in make_aligner(options).params.items()}

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.regions, self.words = nn.Linear(D, h), nn.Embedding(V, E)
            self.encoder, self.decoder = nn.Linear(E, H), nn.Linear(H, h)
            self.right, self.left = nn.Linear(H, H), nn.Linear(H, H)
            self.dropout = nn.Dropout(0.5)
            for layer, W, b in ((self.regions, "Wm", "bm"), (self.encoder, "We", "be"), (self.decoder, "Wd", "bd"),
                                (self.right, "Wf", "bf"), (self.left, "Wb", "bb")):
                layer.weight.data[:], layer.bias.data[:] = start[W].T, start[b][0]
            self.words.weight.data[:] = start["Ww"]

        def direction(self, e, layer):
            states = [torch.relu(e[0] + layer.bias)]
            for step in e[1:]:
                states.append(torch.relu(torch.addmm(step + layer.bias, states[-1][:len(step)], layer.weight.t())))
            return torch.cat(states)

        def forward(self, features):
            v = self.regions(self.dropout(features))
            e = torch.relu(self.encoder(self.dropout(self.words(words))))
            state = self.direction(e.split(sizes), self.right) + self.direction(e[turned].split(sizes), self.left)[turned]
            s = torch.relu(self.decoder(self.dropout(state)))
            best = (v @ s.T).view(K, R, -1).max(dim=1).values                       # (K, M)
            S = torch.zeros(K, K).index_add(1, sentence, best)
            own = S.diagonal()
            terms = torch.relu(S - own[:, None] + options.margin) + torch.relu(S - own + options.margin)
            return (terms.sum() - terms.diagonal().sum()) / K

    model = Model()
    solver = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=options.regc / K, foreach=True)
    features, words = torch.from_numpy(batch.regions.features), torch.from_numpy(batch.sentences.words.astype(np.int64))
    sizes, turned = batch.sentences.sizes.tolist(), torch.from_numpy(turn(batch.sentences.sizes))
    sentence = torch.from_numpy(np.concatenate([np.arange(n) for n in batch.sentences.sizes]))

    ours = make_aligner(options).loss(batch).loss_cost      # dropout off
    theirs = model.eval()(features).item()
    if not abs(ours - theirs) <= 1e-3 * ours:
        raise SystemExit(f"not the same model: its cost is {theirs}, ours {ours}")
    model.train()

    def step():
        solver.zero_grad()
        model(features).backward()
        nn.utils.clip_grad_value_(model.parameters(), CLIP)
        solver.step()
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=15, help="turns of each contender (default %(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="counted steps a turn (default %(default)s)")
    parser.add_argument("--violated", type=float, nargs="+", default=[None, 0.05],
                        help="shares of active hinges (default: those of the margin 1 at the start, then 0.05)")
    arguments = parser.parse_args()
    keep_freed_memory()                                     # as training does; it serves all three
    print(f"violated  {COLUMNS}")
    batch = make_data(np.random.default_rng(0))
    for share in arguments.violated:
        options = options_for(batch, share)
        violated = make_aligner(options).loss(batch, np.random.default_rng(1)).violated
        steps = [make(batch, options) for make in (our_step, bare_products, torch_step)]
        print(f"{violated:8.3f}  {compare(*steps, arguments.turns, arguments.steps)}", flush=True)


if __name__ == "__main__":
    main()
