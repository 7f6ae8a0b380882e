"""All scores of a set of captions, kept image by image: whatever the figure, it comes from sums or means over images.

That is what makes intervals (bootstrap.py) cheap, and what pages show beside each picture.
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.metrics import bleu
from neuraltalk.metrics.cider import cider
from neuraltalk.metrics.corpus import ngrams, number
from neuraltalk.metrics.rouge import rouge_l
from neuraltalk.metrics.tokenizer import tokenize

BLEU = tuple(f"BLEU-{n}" for n in range(1, bleu.ORDERS + 1))
OF_EACH = ("BLEU-4", "ROUGE-L", "CIDEr")


class Scores(NamedTuple):
    """The scores of N captions."""

    counts: np.ndarray  # (N, bleu.COLUMNS)
    values: dict  # figure's name -> (N,) of each caption; the figure is the mean

    def figures(self, weights=None):
        """name -> figure as coco-caption has it: BLEU and ROUGE-L 0..1, CIDEr 0..10.

        weights: (B, N) how often each caption counts in each of B selections; the figures are (B,) then.
        """
        if weights is None:
            return {name: float(values[0]) for name, values in self.figures(np.ones((1, len(self.counts)))).items()}
        bleus = bleu.from_sums(weights @ self.counts)
        total = weights.sum(axis=1)
        means = {name: weights @ values / total for name, values in self.values.items()}
        return {**dict(zip(BLEU, bleus.T, strict=True)), **means}

    def of_each(self):
        """For each caption its own OF_EACH."""
        columns = {"BLEU-4": bleu.from_sums(self.counts)[:, -1], **self.values}
        return [{name: round(float(columns[name][k]), 6) for name in OF_EACH} for k in range(len(self.counts))]

    def with_values(self, values):
        """The same with more figures that are means: name -> (N,) of each caption."""
        return self._replace(values={**self.values, **{name: np.asarray(each, float) for name, each in values.items()}})


def score(candidates, references, cut=tokenize):
    """Scores of captions against their references.

    candidates    N texts
    references    for each its references, one or more texts
    cut           what makes words of a text; coco-caption's tokeniser, or str.split for texts that are cut already
    """
    corpus = number([cut(text) for text in candidates], [[cut(text) for text in own] for own in references])
    tables = list(ngrams(corpus))
    return Scores(bleu.statistics(corpus, tables), {"ROUGE-L": rouge_l(corpus), "CIDEr": cider(corpus, tables)})


def human_agreement(references, cut=tokenize):
    """Scores of people: each of an image's sentences in turn against its others, averaged over the turns.

    references: for each image two texts or more; where the numbers differ, the smallest tells the number of turns. A sentence has
    one reference fewer than a model's, which costs it a little.
    """
    turns = [
        score([own[turn] for own in references], [own[:turn] + own[turn + 1 :] for own in references], cut)
        for turn in range(min(map(len, references)))
    ]
    values = {name: np.mean([turn.values[name] for turn in turns], axis=0) for name in turns[0].values}
    return Scores(np.mean([turn.counts for turn in turns], axis=0), values)
