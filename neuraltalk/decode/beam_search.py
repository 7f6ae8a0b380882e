"""From an image to its most probable sentences: beam search over a captioner, for many images at once.

    symbol  meaning                                              shape
    K       images of a block
    B       beams of an image (beam_size)
    R       live beams of the block, all images together         at most K * B
    V       words of the vocabulary, END = 0 among them
    score   sum of log probabilities of a beam's words           (K, B) float64; -inf: nothing there
    state   the captioner's memory, a tuple of arrays            (R, ...) each

A beam is a sentence so far. Each step extends every live beam by each of its B most probable words, and of all that (and the
beams that have already produced END, which stay in the race as they are) keeps the B best of each image. The search of an
image is over when all its beams have ended or have `max_length` words. One beam is greedy decoding.

`beam_search_loop` says that beam by beam and is the definition; `beam_search` gives the same captions for all images
together: in blocks of images, each step of a block one matrix product over all its live beams, and a thread for each block
as far as there are threads. The blocks don't depend on their number, so neither do the captions. Order among equals, in both:
the better beam of the step before comes first, then the lower word index.

Any object with these two methods can be searched:

    begin(features (K, D)) -> state                                     the image is in, START is not
    advance(state, parent (R,), words (R,)) -> scores (R, V), state     row r reads words[r] after the state of row parent[r]

The scores are not normalised. Several rows may have one parent: that is how a beam divides.

Differs from the original: it added 1e-20 to every probability before the logarithm; here a word of probability 0 is never
chosen. (The published vectors agree to 1e-9 either way.)
"""

from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.layers.softmax import log_softmax
from neuraltalk.layers.twins import twin
from neuraltalk.parallel import blas_threads, in_threads
from neuraltalk.ranks import ALONE

START = END = 0
SCORES_AT_ONCE = 1_000_000  # one step's scores (R, V) of a block, all beams live: 4 MB in single precision, which a cache holds
MOST_NORMALIZATION = 10  # far beyond what is of use, and words ** 10 is a number for sentences of any length
BLOCKS_AT_ONCE = 4  # of each thread, between two calls of `progress`


class Caption(NamedTuple):
    """A sentence and the natural logarithm of its probability.

    `words` are vocabulary indices, with END (0) as the last one if the sentence ended before max_length.
    """

    log_probability: float
    words: list


def beam_search(captioner, features, beam_size=1, max_length=20, nbest=1, length_normalization=0.0, progress=None, ranks=ALONE):
    """The `nbest` best captions of each image, best first.

    captioner             see the top of the file
    features              (images, D), in the captioner's dtype
    beam_size             beams kept for each image after each step
    max_length            most words of a caption, END included
    nbest                 captions returned for each image, at most beam_size; fewer when there aren't that many
    length_normalization  alpha, 0 to 10: beams are ranked by score / words ** alpha. 0 is the original's plain sum; 1, the
                          mean, favours longer captions. `Caption.log_probability` is the plain sum in any case.
    progress              called with the number of images done, now and then
    ranks                 each of them (neuraltalk/ranks.py) searches some of the blocks

    Returns a list (images) of lists of `Caption`. Raises ValueError for sizes that make no sense, UserError for scores that are
    nan.
    """
    _check(beam_size, max_length, nbest, length_normalization)
    if not len(features):
        return []
    how = beam_size, max_length, nbest, length_normalization

    def search(starts):
        found = _search_blocks(captioner, [features[start : start + block] for start in starts], *how)
        if progress:
            progress(min(starts[-1] + block, len(features)))
        return [caption for own, _ in found for caption in own]

    captions, V = _search_block(captioner, features[:1], *how)
    if progress:
        progress(1)
    block = max(1, SCORES_AT_ONCE // (V * beam_size))  # V is known once the first image is done
    starts = range(1, len(features), block)
    at_once = blas_threads() * (BLOCKS_AT_ONCE if ranks.size == 1 else 1)
    for found in ranks.map(search, [starts[k : k + at_once] for k in range(0, len(starts), at_once)]):
        captions += found
    return captions


def _search_blocks(captioner, blocks, *how):
    """What _search_block gives for each of some blocks, side by side in threads."""
    found = [None] * len(blocks)

    def search(start, stop):
        for k in range(start, stop):
            found[k] = _search_block(captioner, blocks[k], *how)

    in_threads(search, len(blocks))
    return found


def _search_block(captioner, features, B, max_length, nbest, alpha):
    """The captions of a block of images, and V. See `beam_search`."""
    K = len(features)
    score = np.full((K, B), -np.inf)
    score[:, 0] = 0.0  # one beam, the empty sentence, and nothing in the other places
    ended = np.zeros((K, B), dtype=bool)
    length = np.zeros((K, B), dtype=np.int64)
    steps = []  # of each step: the images still searched (k,), and of each of their new beams its parent and word (k, B)

    image, beam = np.arange(K), np.zeros(K, dtype=np.int64)  # (R,) where the live beams are
    words = np.full(K, START)  # (R,) their last words
    before = np.arange(K)  # (R,) the row in `state` of what came before these words
    state = captioner.begin(features)
    V = 0
    for _ in range(max_length):
        scores, state = captioner.advance(state, before, words)  # (R, V)
        V = scores.shape[1]
        W = min(B, V)
        log_probability, word = np.empty((len(words), W), dtype=scores.dtype), np.empty((len(words), W), dtype=np.int64)
        top_words(scores, log_probability, word)
        if np.isnan(log_probability).any():
            raise UserError(
                "the captioner's scores are no numbers: its weights or the features are far too large; take an earlier checkpoint, or "
                "other features"
            )

        # Candidates, beam by beam: a live beam's W extensions, an ended one as it is in the first place, -inf elsewhere.
        searched, place = np.unique(image, return_inverse=True)  # (k,) images; (R,) the live beam's image among them
        k = len(searched)
        candidate = np.full((k, B, W), -np.inf)
        candidate[:, :, 0] = np.where(ended[searched], score[searched], -np.inf)
        candidate[place, beam] = score[image, beam][:, None] + log_probability
        new_word = np.full((k, B, W), -1)
        new_word[place, beam] = word
        new_length = length[searched] + ~ended[searched]  # (k, B)

        rank = candidate if alpha == 0 else candidate / new_length[:, :, None] ** alpha
        best = np.argsort(-rank.reshape(k, B * W), axis=1, kind="stable")[:, :B]  # (k, B)
        parent = best // W
        score[searched] = np.take_along_axis(candidate.reshape(k, B * W), best, axis=1)
        length[searched] = np.take_along_axis(new_length, parent, axis=1)
        chosen = np.take_along_axis(new_word.reshape(k, B * W), best, axis=1)  # (k, B) words; -1: no new word
        steps.append((searched, parent, chosen))
        ended[searched] = ((chosen == END) | (chosen < 0)) & np.isfinite(score[searched])

        live = ~ended[searched] & np.isfinite(score[searched])  # (k, B)
        if alpha == 0:
            live &= score[searched] >= _to_beat(score[searched], ended[searched], nbest)
        place_of = np.full((K, B), -1)
        place_of[image, beam] = np.arange(len(image))  # the row in `state` of each beam before this step
        row, beam = np.nonzero(live)
        if len(row) == 0:
            break
        image = searched[row]
        words = chosen[row, beam]
        before = place_of[image, parent[row, beam]]
    return _read_back(steps, score, length, nbest, alpha), V


def _to_beat(score, ended, nbest):
    """The score (k, 1) below which a live beam can't come among the nbest any more: that of the nbest-th ended beam.

    A score only falls, so such a beam may be dropped, and whatever takes its place is worse still: the captions
    returned stay the same. (With length normalisation a rank can rise again, so there this doesn't hold.)
    """
    finished = np.sort(np.where(ended, score, -np.inf), axis=1)  # (k, B) rising
    return finished[:, -nbest][:, None]


def _read_back(steps, score, length, nbest, alpha):
    """Follow the parents of the best beams from the last step to the first: a list (K) of lists of Caption."""
    K = len(score)
    sentences = np.full((K, nbest, len(steps)), -1)
    beam = np.tile(np.arange(nbest), (K, 1))  # (K, nbest) beams are sorted, so the best are the first
    for step in range(len(steps) - 1, -1, -1):
        searched, parent, chosen = steps[step]
        sentences[searched, :, step] = np.take_along_axis(chosen, beam[searched], axis=1)
        beam[searched] = np.take_along_axis(parent, beam[searched], axis=1)
    captions = []
    for k in range(K):
        found = [b for b in range(nbest) if np.isfinite(score[k, b])]
        captions.append([Caption(float(score[k, b]), [w for w in sentences[k, b].tolist() if w >= 0]) for b in found])
    return captions


def beam_search_loop(captioner, features, beam_size=1, max_length=20, nbest=1, length_normalization=0.0):
    """What `beam_search` computes, one image and one beam at a time: its arguments but for the last two, its captions."""
    _check(beam_size, max_length, nbest, length_normalization)
    captions = []
    for features_of_one in features:
        state = captioner.begin(features_of_one[None])
        beams = [(0.0, [], state)]  # score, words, state
        for _ in range(max_length):
            candidates = []
            for score, words, state in beams:
                if words and words[-1] == END:
                    candidates.append((score, words, state))
                    continue
                last = words[-1] if words else START
                scores, new_state = captioner.advance(state, np.zeros(1, np.intp), np.array([last]))  # (1, V)
                log_probability = log_softmax(scores[0])  # (V,)
                for word in np.argsort(-log_probability, kind="stable")[:beam_size]:
                    if log_probability[word] > -np.inf:
                        candidates.append((score + float(log_probability[word]), [*words, int(word)], new_state))
            candidates.sort(key=lambda beam: -beam[0] / len(beam[1]) ** length_normalization)
            beams = candidates[:beam_size]
            if all(words[-1] == END for _, words, _ in beams):
                break
        captions.append([Caption(score, words) for score, words, _ in beams[:nbest]])
    return captions


def _check(beam_size, max_length, nbest, length_normalization):
    """Raise ValueError for sizes that make no sense."""
    for name, value in [("beam_size", beam_size), ("max_length", max_length), ("nbest", nbest)]:
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    if nbest > beam_size:
        raise ValueError(f"nbest is {nbest}, but a search with {beam_size} beams finds at most {beam_size} captions")
    if not 0 <= length_normalization <= MOST_NORMALIZATION:
        raise ValueError(f"length_normalization is {length_normalization}; it must be from 0 to {MOST_NORMALIZATION}")


@twin
def top_words(scores, log_probability, word):
    """The B most probable next words of each row, the most probable first; among equals the lowest index first.

    log p = y - log(sum(exp(y))) with y the scores (R, V). Filled are log_probability (R, B), of the dtype of `scores`, and
    word (R, B) int64; B is at most V.
    """
    B = word.shape[1]
    shifted = scores - scores.max(axis=1, keepdims=True)  # (R, V) the largest is 0, so exp can't overflow
    log_total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (R, 1)
    word[...] = np.argsort(-shifted, axis=1, kind="stable")[:, :B]  # stable: equal scores keep the order of their index
    log_probability[...] = np.take_along_axis(shifted, word, axis=1) - log_total
