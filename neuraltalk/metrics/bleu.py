"""BLEU: how many of a caption's n-grams some reference has (Papineni and others 2002), over a whole set of captions.

    p_n = sum over captions of matched n-grams / sum over captions of n-grams                    n = 1..4
    BLEU-n = penalty * (p_1 * ... * p_n)^(1/n)
    penalty = exp(1 - r / c) if c < r, else 1

An n-gram matches as often as the reference that has it most often (clipped counts). c is the number of words of all captions,
r that of their references: for each caption the reference closest to it in length, the shorter of two equally close.

The figures are those of coco-caption, the scorer behind the field's published tables, to the last digit: it adds small
constants to both sides of each fraction, which decide only when nothing matches at all. The original project printed
another variant, `multi-bleu` with its penalty commented out; `brevity_penalty=None` gives that one.
"""

import collections
import math

# coco-caption's guards against 0 / 0.
_TINY, _SMALL = 1e-15, 1e-9


def ngram_counts(tokens, n):
    """How often each run of 1 to n tokens occurs: a Counter of tuples."""
    counts = collections.Counter()
    for size in range(1, n + 1):
        counts.update(zip(*(tokens[start:] for start in range(size)), strict=False))
    return counts


def corpus_bleu(candidates, references, n=4, brevity_penalty="closest"):
    """[BLEU-1, ..., BLEU-n] of a set of captions, each in 0..1.

    candidates       list of captions, each a list of tokens; an empty one counts as length 0
    references       for each caption a list of references, each a list of tokens, in any number but 0
    brevity_penalty  "closest": against the reference length closest to each caption, as coco-caption has it;
                     None: no penalty, as the original's multi-bleu

    Raises ValueError when the lists don't match, when a caption has no reference and when there are no captions.
    """
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} captions, but references for {len(references)}")
    if not candidates:
        raise ValueError("BLEU of no captions at all")
    if brevity_penalty not in ("closest", None):
        raise ValueError(f"brevity_penalty is {brevity_penalty!r}; expected 'closest' or None")

    matched, offered = [0] * n, [0] * n  # n-grams of all captions together, by their length - 1
    candidate_length = reference_length = 0
    for position, (tokens, own_references) in enumerate(zip(candidates, references, strict=True)):
        if not own_references:
            raise ValueError(f"caption {position} has no reference")
        most = collections.Counter()  # of each n-gram, the count in the reference that has it most often
        for reference in own_references:
            most |= ngram_counts(reference, n)
        for ngram, count in ngram_counts(tokens, n).items():
            matched[len(ngram) - 1] += min(count, most[ngram])
        for size in range(1, n + 1):
            offered[size - 1] += max(0, len(tokens) - size + 1)
        candidate_length += len(tokens)
        reference_length += closest_length(len(tokens), own_references)

    penalty = 1.0
    if brevity_penalty:
        ratio = (candidate_length + _TINY) / (reference_length + _SMALL)
        penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = [], 1.0
    for size in range(1, n + 1):
        product *= (matched[size - 1] + _TINY) / (offered[size - 1] + _SMALL)
        scores.append(penalty * product ** (1 / size))
    return scores


def closest_length(length, references):
    """The length of the reference closest to `length`, the shorter of two equally close."""
    return min((abs(len(reference) - length), len(reference)) for reference in references)[1]
