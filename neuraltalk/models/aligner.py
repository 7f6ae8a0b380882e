"""The aligner: which words of a sentence belong to which region of an image (section 3.1 of the paper).

    f_i = CNN(box_i), or CNN(box_i) / |CNN(box_i)| - m                              --region_scaling
    v_i = drop(f_i) Wm + g_i Wg + bm            the regions of an image             (eq 1)
    g_i = where box_i lies, and its size        layers/box_geometry.py              --box_geometry
    x_t = drop(Ww[word_t])                      the words of a sentence             (eq 2)
    e_t = relu(x_t We + be)                                                         (eq 3)
    h_t = BRNN of e_1 .. e_n                    layers/brnn.py                      (eq 4-5)
    s_t = relu(drop(h_t) Wd + bd)               a word, in its sentence             (eq 6)
    S_kl = scores of v_i . s_t                  layers/alignment_score.py           (eq 7 or 8)
    cost = [ ranking loss of S + regc / 2 * sum of W^2 over the weight matrices ] / K                   (eq 9)

    K  images of a batch, with one sentence each        D  region features      V  vocabulary with START/END at 0
    R  their regions, one image after the other         E  word vectors         H  hidden size
    M  their words, packed (data/packing.py)            h  embedding size: v_i and s_t live in one space

Regions and words never meet before their product: both sides can be embedded once and scored in any pairs. What is dropped
is a copy that goes upwards; the recurrences see undropped states.
Differs from the paper: the cost is the mean over the K pairs, not their sum, so that it means the same for any batch.
There is region_scaling "centred", which leaves of a region's features where they point, seen from the mean direction m: raw
features all point much the same way (they are never negative), and large regions have the longest. And there is box_geometry,
without which v knows what is in a box, but not how large it is: a person's box and one of the person's hat show the same hat.
Only the scores' size against the margin counts, and they start near 1: the larger the margin, the longer every pair has to grow.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from neuraltalk.layers.affine import affine_backward, affine_forward
from neuraltalk.layers.alignment_score import WORD_SCORES, sentence_sum_backward, sentence_sum_forward
from neuraltalk.layers.box_geometry import G, box_geometry
from neuraltalk.layers.brnn import brnn_backward, brnn_forward
from neuraltalk.layers.dropout import dropout_backward, dropout_forward
from neuraltalk.layers.embedding import embedding_backward, embedding_forward
from neuraltalk.layers.overflow import quiet
from neuraltalk.layers.ranking_loss import ranking_loss
from neuraltalk.layers.rectified_affine import rectified_affine_backward, rectified_affine_forward
from neuraltalk.layers.weight_decay import weight_decay

RECURRENCE = 0.5                    # of the identity, where Wf and Wb start
PRODUCTS_IN_MEMORY = 10_000_000     # of regions with words, while scoring without gradients: 40 MB in single precision


@dataclasses.dataclass(frozen=True)
class AlignerOptions:
    """What defines the model. The defaults are the paper's model as it stands; what trains well is in docs/alignment-settings.md."""

    embedding_size: int = 1000
    word_encoding_size: int = 300
    hidden_size: int = 300
    region_scaling: str = "none"    # or "centred"
    box_geometry: int = 0
    score: str = "max"              # "max" (eq 8) or "sum" (eq 7)
    length_normalisation: int = 0   # 1: scores are divided by the number of words
    margin: float = 1.0
    drop_prob_region: float = 0.5
    drop_prob_word: float = 0.5
    drop_prob_sentence: float = 0.5
    train_word_vectors: int = 1
    regc: float = 1e-8

    @classmethod
    def of(cls, options):
        """The model's share of a larger options object or of a checkpoint's `params` dict; what is missing has its default."""
        values = options if isinstance(options, dict) else vars(options)
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls) if field.name in values})


class AlignmentLoss(NamedTuple):
    """What one batch gives: the costs per pair, the gradients of the total, and how far the ranking is from right."""

    total_cost: float
    loss_cost: float
    reg_cost: float
    grads: dict                     # without Ww if the word vectors are fixed
    violated: float                 # share of the 2 K (K - 1) terms that lie inside the margin; 0 if K is 1
    pairs: int                      # K


class Aligner:
    """Options and parameters; `params` maps names to arrays, which only the solver changes."""

    def __init__(self, options, params):
        self.options = options
        self.params = {name: np.ascontiguousarray(array) for name, array in params.items()}

    @classmethod
    def initialise(cls, options, region_dimension, vocabulary_size, rng, dtype=np.float32, word_vectors=None, region_scale=1.0,
                   region_mean=0.0):
        """Weights that keep the size of what passes through them, so that no layer starts silent or deafening; biases 0.

            We, Wd      normal, variance 2 / inputs: behind a rectifier, the mean square stays (He et al. 2015)
            Wf, Wb      half the identity: a state is its word, its neighbour by a half, the next by a quarter ...; what is
                        never negative stays so, hence no unit dies in the recurrence (after Le et al. 2015)
            Ww          normal, variance 1, or `word_vectors` (V, E)
            Wm, Wd      such that v_i and s_t begin with a length near 1, hence scores below the margin: every hinge is
                        active and all gradients flow. For that `region_scale` is the root mean square of the
                        numbers in the region features, scaled.
            Wg          0: a model begins without prejudice about sizes and places
            m           `region_mean` (D,), the mean direction of the features
        """
        params = {}
        for name, shape in parameter_shapes(options, region_dimension, vocabulary_size).items():
            if name.startswith("b") or name == "Wg":
                params[name] = np.zeros(shape)
            elif name in ("Wf", "Wb"):
                params[name] = RECURRENCE * np.eye(*shape)
            elif name == "m":
                params[name] = np.broadcast_to(region_mean, shape)
            elif name == "Ww":
                params[name] = rng.standard_normal(shape) if word_vectors is None else np.asarray(word_vectors)
            else:
                params[name] = rng.standard_normal(shape) * (2 / shape[0]) ** 0.5
        params["Wm"] *= 1 / (region_scale * (2 * options.embedding_size) ** 0.5)
        params["Wd"] *= 1 / (4 * options.embedding_size ** 0.5)         # h is about 4 times e: two directions, twice each
        return cls(options, {name: array.astype(dtype) for name, array in params.items()})

    def regularised(self):
        """Names of the weight matrices that the penalty covers."""
        return tuple(name for name in self.trained() if name.startswith("W"))

    def trained(self):
        """The parameters that have a gradient, by name: all but m and word vectors that are kept fixed."""
        fixed = ("m",) if self.options.train_word_vectors else ("m", "Ww")
        return {name: w for name, w in self.params.items() if name not in fixed}

    def loss(self, batch, rng=None, ranks=None):
        """Costs and gradients of an AlignmentBatch (data/batches.py); with a Generator `rng` dropout is on.

        Of a part of a batch `ranks` (ranks.py) are those that have the parts, in their order: each scores its own images with
        everybody's words. All numbers, and the gradients, add up to those of the whole.
        """
        params, options, part = self.params, self.options, batch.part
        words, sizes, lengths, _ = batch.sentences
        K, share = part.sizes(len(lengths))
        score_forward, score_backward = WORD_SCORES[options.score]

        f, _ = dropout_forward(self.scaled(batch.regions.features), options.drop_prob_region, rng, part.regions)     # (R, D)
        v, region_cache = affine_forward(f, params["Wm"], params["bm"])                            # (R, h) eq 1
        if options.box_geometry:
            g = self.geometry(batch.regions)                                                       # (R, G)
            v += g @ params["Wg"]
        x, word_cache = embedding_forward(words, params["Ww"])                                     # (M, E) eq 2
        x, x_dropout = dropout_forward(x, options.drop_prob_word, rng, part.words)
        e, encoder_cache = rectified_affine_forward(x, params["We"], params["be"])                 # (M, H) eq 3
        h, brnn_cache = brnn_forward(e, sizes, params["Wf"], params["bf"], params["Wb"], params["bb"])      # (M, H) eq 4-5
        h, h_dropout = dropout_forward(h, options.drop_prob_sentence, rng, part.words)
        s, sentence_cache = rectified_affine_forward(h, params["Wd"], params["bd"])                # (M, h) eq 6
        if part.whole is not None:
            s, sizes, lengths = gathered(s, part.whole.words, ranks), part.whole.sizes, part.whole.lengths
        w, score_cache = score_forward(v, batch.regions.offsets, s)                                # (K, M) eq 7, 8
        S, sum_cache = sentence_sum_forward(w, sizes, lengths, bool(options.length_normalisation))         # (K, K)
        if part.whole is not None:
            S = gathered(S, part.whole.sentences, ranks)
        cost, dS, violations = ranking_loss(S, options.margin, 1 / K)                              # eq 9

        grads = {}
        if part.whole is not None:
            dS = dS[part.sentences.chosen]
        dv, ds = score_backward(sentence_sum_backward(dS, sum_cache), score_cache)
        if part.whole is not None:
            ds = given_back(ds, part.whole.words, ranks)
        dh, grads["Wd"], grads["bd"] = rectified_affine_backward(ds, sentence_cache)
        dh = dropout_backward(dh, h_dropout)
        de, grads["Wf"], grads["bf"], grads["Wb"], grads["bb"] = brnn_backward(dh, brnn_cache)
        train_words = bool(options.train_word_vectors)
        dx, grads["We"], grads["be"] = rectified_affine_backward(de, encoder_cache, need_dx=train_words)
        if train_words:
            grads["Ww"] = embedding_backward(dropout_backward(dx, x_dropout), word_cache)
        if options.box_geometry:
            grads["Wg"] = g.T @ dv
        _, grads["Wm"], grads["bm"] = affine_backward(dv, region_cache, need_dx=False)

        reg_cost = 0.0
        if options.regc:
            strength = share * options.regc / K
            reg_cost = sum(weight_decay(params[name], grads[name], strength) for name in self.regularised())
        cost, violated = share * cost, share * violations / max(1, 2 * K * (K - 1))
        return AlignmentLoss(cost + reg_cost, cost, reg_cost, grads, violated, len(batch.sentences.lengths))

    def scaled(self, features):
        """f (R, D) of the region features as they come."""
        features = features.astype(self.params["Wm"].dtype, copy=False)
        return directions(features) - self.params["m"] if self.options.region_scaling == "centred" else features

    def geometry(self, regions):
        """g (R, G) of a RegionBlock, in the model's precision."""
        return box_geometry(regions.boxes.astype(self.params["Wm"].dtype, copy=False), regions.offsets)

    @quiet()
    def embed_regions(self, regions):
        """v (R, h) of a RegionBlock (data/regions.py), any number of regions of any images."""
        v, _ = affine_forward(self.scaled(regions.features), self.params["Wm"], self.params["bm"])
        if self.options.box_geometry:
            v += self.geometry(regions) @ self.params["Wg"]
        return v

    @quiet()
    def embed_words(self, sentences):
        """s (M, h) of PackedWords, in their packed rows."""
        params = self.params
        x, _ = embedding_forward(sentences.words, params["Ww"])
        e, _ = rectified_affine_forward(x, params["We"], params["be"])
        h, _ = brnn_forward(e, sentences.sizes, params["Wf"], params["bf"], params["Wb"], params["bb"])
        s, _ = rectified_affine_forward(h, params["Wd"], params["bd"])
        return s

    @quiet()
    def scores(self, v, offsets, s, sentences):
        """S (K, N) of every image with every sentence, the columns in the order in which the sentences came.

        v (R, h) and offsets (K + 1,) as in a batch, s (M, h) the embedded `sentences` (PackedWords, N). A sentence without
        words scores 0 with every image. As many images are scored at a time as keep PRODUCTS_IN_MEMORY.
        """
        forward, _ = WORD_SCORES[self.options.score]
        K, N = len(offsets) - 1, len(sentences.order)
        S = np.empty((K, N), dtype=s.dtype)
        first = 0
        while first < K:
            room = offsets[first] + PRODUCTS_IN_MEMORY // max(1, len(s))
            stop = max(first + 1, int(np.searchsorted(offsets, room, side="right")) - 1)
            block = offsets[first:stop + 1]
            w, _ = forward(v[block[0]:block[-1]], block - block[0], s)
            S[first:stop, sentences.order], _ = sentence_sum_forward(
                w, sentences.sizes, sentences.lengths, bool(self.options.length_normalisation))
            first = stop
        return S


def gathered(own, places, ranks):
    """From each rank's rows `own` (m, n) to those of all (sum of m, n); places[k] says where the rows of rank k stand in the whole."""
    whole = np.empty((sum(map(len, places)), own.shape[1]), own.dtype)
    whole[np.concatenate(places)] = ranks.gather(own, [len(part) for part in places])
    return whole


def given_back(dwhole, places, ranks):
    """Backward of `gathered`: every rank has a derivative by the whole; they are summed, and this rank gets its rows of the sum."""
    return ranks.give_back(dwhole[np.concatenate(places)], [len(part) for part in places])


def directions(features):
    """Region features (R, D), each divided by its length; features that are all 0 stay so."""
    lengths = np.sqrt(np.einsum("rd,rd->r", features, features))[:, None]       # (R, 1)
    return features / np.maximum(lengths, np.finfo(features.dtype).tiny)


def parameter_shapes(options, region_dimension, vocabulary_size):
    """Name -> shape of every parameter; region_dimension is D, vocabulary_size V counts START/END."""
    h, E, H = options.embedding_size, options.word_encoding_size, options.hidden_size
    return {
        **({"m": (1, region_dimension)} if options.region_scaling == "centred" else {}),
        "Wm": (region_dimension, h),
        **({"Wg": (G, h)} if options.box_geometry else {}),
        "bm": (1, h),
        "Ww": (vocabulary_size, E),
        "We": (E, H),
        "be": (1, H),
        "Wf": (H, H),
        "bf": (1, H),
        "Wb": (H, H),
        "bb": (1, H),
        "Wd": (H, h),
        "bd": (1, h),
    }
