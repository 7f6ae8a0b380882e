"""BLEU-1..4, ROUGE-L and CIDEr of 5000 captions with 5 references each, tokenising included; and pycocoevalcap's time for them.

    python benchmarks/scores.py                            made-up captions
    python benchmarks/scores.py data/flickr8k              real ones: each image's sentences, the next one's first as the candidate

pycocoevalcap's Python (BLEU, ROUGE-L, CIDEr) is given words that are cut already, since its tokeniser is a Java program that
takes more time to start than we take for everything. Ours is timed with the tokeniser and without. Contenders take turns; without
pycocoevalcap only ours is timed. Both must give the same figures. The last column is the median of the ratios to the second row.
"""

import argparse
import os
import pathlib
import statistics
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np

from neuraltalk.layers.twins import numpy_only
from neuraltalk.metrics.corpus import number
from neuraltalk.metrics.rouge import rouge_l
from neuraltalk.metrics.scores import score
from neuraltalk.metrics.tokenizer import tokenize


def made_up(rng, images, references=5):
    """Captions of some ten words by Zipf's law, a third of them said in each sentence about an image."""
    words = ["".join("abcdefghij"[int(digit)] for digit in str(k)) for k in range(8000)]
    chance = 1 / np.arange(1, 8001)
    drawn = rng.choice(8000, size=(images, references + 1, 16), p=chance / chance.sum())
    drawn[:, :, ::3] = drawn[:, :1, ::3]
    lengths = np.clip(rng.normal(11, 3, size=drawn.shape[:2]).round().astype(int), 3, 16)
    said = [[" ".join(words[k] for k in drawn[i, r, : lengths[i, r]]) + " ." for r in range(references + 1)] for i in range(images)]
    return [own[0] for own in said], [own[1:] for own in said]


def real(folder, images):
    """Candidates and references from a data set."""
    from neuraltalk.data.dataset import load_dataset

    said = [[sentence.raw for sentence in image.sentences] for image in load_dataset(folder).images if image.sentences][: images + 1]
    return [own[0] for own in said[1:]], said[:-1]


def theirs(candidates, references):
    """pycocoevalcap's figures, of captions whose words are cut already."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    given = dict(enumerate(references)), {k: [text] for k, text in enumerate(candidates)}
    bleus, _ = Bleu(4).compute_score(*given, verbose=0)
    return [*bleus, float(Rouge().compute_score(*given)[0]), float(Cider().compute_score(*given)[0])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=5000, help="(default %(default)s)")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    candidates, references = (
        real(options.dataset, options.images) if options.dataset else made_up(np.random.default_rng(0), options.images)
    )
    cut = [" ".join(tokenize(text)) for text in candidates], [[" ".join(tokenize(text)) for text in own] for own in references]
    contenders = {
        "ours, tokenising included": lambda: list(score(candidates, references).figures().values()),
        "ours, words cut before": lambda: list(score(*cut, str.split).figures().values()),
        "pycocoevalcap's Python, words cut before": lambda: theirs(*cut),
    }
    try:
        import pycocoevalcap  # noqa: F401
    except ImportError:
        del contenders["pycocoevalcap's Python, words cut before"]
    found = {name: contender() for name, contender in contenders.items()}  # warms up
    for name, figures in found.items():
        assert np.allclose(figures, next(iter(found.values())), atol=1e-9), name
    times = {name: [] for name in contenders}
    for _ in range(options.turns):
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender()
            times[name].append(time.perf_counter() - start)
    print(f"{len(candidates):,} captions, {sum(map(len, references)):,} references")
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, times["ours, words cut before"]))
        print(f"{name:<42}{statistics.median(own):7.2f} s   {ratio:6.1f}")
    print(f"ROUGE-L, time of the NumPy definition / the kernel's: {kernel_gain(*cut, options.turns):.0f}")


def kernel_gain(candidates, references, turns):
    """How much the jitted longest common subsequence gains, ROUGE-L's other steps included."""
    corpus = number([text.split() for text in candidates], [[text.split() for text in own] for own in references])
    ratios = []
    for _ in range(turns):
        start = time.perf_counter()
        rouge_l(corpus)
        middle = time.perf_counter()
        with numpy_only():
            rouge_l(corpus)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
