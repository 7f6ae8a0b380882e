"""VGG-16's convolutions, conv1_1 to conv5_3 with ReLU and pooling, against PyTorch and against bare matrix products.

    python benchmarks/vgg.py                                (PyTorch's part needs: pip install torch)
    python benchmarks/vgg.py --whole                        to fc7

Weights and pictures are random, in the network's own sizes. The bare products are those of the direct algorithm: for each
convolution and picture, the nine neighbours of every pixel side by side, (rows columns, 9 C) @ (9 C, K), nothing else.
Ours needs about a quarter of their multiplications, so it can take less time than they do; the second table has its
own products. PyTorch runs with its default layout and with channels last. The contenders take turns in one process.
"""

import argparse
import os

THREADS = "2"
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, THREADS)

import numpy as np
from turns import COLUMNS, compare

from neuraltalk.vision.vgg.convolution import tiles
from neuraltalk.vision.vgg.network import BLOCKS, VGG16
from neuraltalk.vision.weights.vgg16 import VGG16Weights

WIDTHS = (64, 128, 256, 512, 512)
SIDES = (224, 112, 56, 28, 14)


def layers():
    """(side, channels in, channels out) of each convolution."""
    C = 3
    for count, K, side in zip(BLOCKS, WIDTHS, SIDES):
        for _ in range(count):
            yield side, C, K
            C = K


def random_weights(rng, whole):
    """A VGG16Weights whose activations stay of one size from layer to layer."""
    def filters(K, C):
        return rng.standard_normal((K, C, 3, 3), dtype=np.float32) * np.float32(np.sqrt(2 / (9 * C)))

    def matrix(inputs, outputs):
        return rng.standard_normal((inputs, outputs), dtype=np.float32) * np.float32(np.sqrt(2 / inputs)), np.zeros(outputs, np.float32)

    convolutions = tuple((filters(K, C), rng.standard_normal(K, dtype=np.float32) * np.float32(0.1)) for _, C, K in layers())
    connected = (matrix(25088, 4096), matrix(4096, 4096), matrix(4096, 1000)) if whole else ()
    mean, scale = np.full(3, 120, np.float32), np.full(3, 1 / 60, np.float32)
    return VGG16Weights(convolutions, connected, mean, scale, (), "random", "random numbers", "random")


def direct_products(N, rng, whole):
    """The products of the direct algorithm."""
    sizes = [(side * side, 9 * C, K, N) for side, C, K in layers()]
    if whole:
        sizes += [(N, 25088, 4096, 1), (N, 4096, 4096, 1)]
    return products(sizes, rng)


def winograd_products(N, rng):
    """The products that ours makes: 36 for each convolution, of the tiles with the transformed filters."""
    sizes = [(N * int(np.prod(tiles(side, side))), C, K, 36) for side, C, K in layers()]
    return products(sizes, rng)


def products(sizes, rng):
    """A function that multiplies matrices of all sizes (rows, inner, columns, how often)."""
    shared = np.maximum(rng.standard_normal(max(m * k for m, k, _, _ in sizes), dtype=np.float32), 0)
    matrices = {(k, n): rng.standard_normal((k, n), dtype=np.float32) for _, k, n, _ in sizes}
    out = np.empty(max(m * n for m, _, n, _ in sizes), np.float32)

    def step():
        for m, k, n, times in sizes:
            for _ in range(times):
                np.matmul(shared[: m * k].reshape(m, k), matrices[k, n], out=out[: m * n].reshape(m, n))
    return step


def torch_network(weights, pixels, channels_last):
    """The same network in PyTorch: a function that returns conv5_3 or fc7, or None where it isn't installed."""
    try:
        import torch
    except ImportError:
        return None
    from torch import nn

    torch.set_num_threads(int(THREADS))
    modules, filters = [], iter(weights.convolutions)
    for block, count in enumerate(BLOCKS):
        modules += [nn.MaxPool2d(2)] * (block > 0)
        for _ in range(count):
            W, b = next(filters)
            layer = nn.Conv2d(W.shape[1], len(W), 3, padding=1)
            layer.weight.data, layer.bias.data = torch.from_numpy(W), torch.from_numpy(b)
            modules += [layer, nn.ReLU(inplace=True)]
    if weights.connected:
        modules += [nn.MaxPool2d(2), nn.Flatten()]
        for W, b in weights.connected[:2]:
            layer = nn.Linear(*W.shape)
            layer.weight.data, layer.bias.data = torch.from_numpy(np.ascontiguousarray(W.T)), torch.from_numpy(b)
            modules += [layer, nn.ReLU(inplace=True)]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = nn.Sequential(*modules).to(memory_format=layout)
    x = torch.from_numpy((pixels.astype(np.float32) - weights.mean) * weights.scale).permute(0, 3, 1, 2).contiguous(memory_format=layout)

    def step():
        with torch.inference_mode():
            return model(x).numpy()
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9, help="turns of each contender (default %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="pictures (default %(default)s)")
    parser.add_argument("--whole", action="store_true", help="to fc7 instead of conv5_3")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    weights = random_weights(rng, options.whole)
    network, layer = VGG16(weights), "fc7" if options.whole else "conv5_3"
    pixels = rng.integers(0, 256, (options.batch, 224, 224, 3), dtype=np.uint8)

    def ours():
        return network.forward(pixels, layer)

    bare = direct_products(options.batch, rng, options.whole)
    names = ["PyTorch's default layout", "channels last"]
    contenders = [torch_network(weights, pixels, channels_last) for channels_last in (False, True)]
    found = ours()
    print(f"to {layer}, {options.batch} pictures")
    print(f"{'':<26}{COLUMNS}")
    for name, step in zip(names, contenders):
        if step:
            error = np.linalg.norm(found - step()) / np.linalg.norm(found)
            name += f" ({error:.0e})"
        print(f"{name:<34}{compare(ours, bare, step, options.turns, 1)}", flush=True)
    if not options.whole:
        print(f"{'products of our own sizes':<34}{compare(ours, winograd_products(options.batch, rng), None, options.turns, 1)}")


if __name__ == "__main__":
    main()
