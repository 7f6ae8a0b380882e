"""What the figures of a page mean, for who got it by mail: a list that opens on demand, of those terms that the page has."""

from neuraltalk.pages.html import escape

# (what stands in the name of a figure or a measure, the term, what it means)
TERMS = [
    (("log p",), "log p", "The logarithm of the probability that the model gives its sentence: the nearer to 0, the surer it is."),
    (("confidence",), "the number behind a sentence", "The mean probability of its words, 1 at most: how sure the model is."),
    (("true",), "true, false", "Whether all that a sentence says is so. Known of pictures that a program drew, with what is in them."),
    (("different",), "marked words", "Those that not all of the sentences beside each other have."),
    (
        ("BLEU", "ROUGE", "CIDEr"),
        "BLEU, ROUGE-L, CIDEr",
        "How much a sentence has in common with what people wrote of the same picture: words, and runs of words. More is better.",
    ),
    (
        ("perplexity",),
        "perplexity",
        "Between how many words the model wavers, on average, when it guesses the next one of what people wrote. Less is better.",
    ),
    (
        ("vocabulary", "skipped"),
        "vocabulary, skipped words",
        "How many words the model knows, and the share of people's words that it doesn't, which are left out. Perplexities of other "
        "vocabularies can't be compared.",
    ),
    (
        ("pairings",),
        "seen, new pairings",
        "The share of true captions where each combination in the picture, such as a colour and a thing, was in training, and where "
        "one wasn't.",
    ),
    (("distinct",), "distinct", "The share of different captions: a model with one safe sentence for all pictures has few."),
    (("novel",), "novel", "The share of captions that aren't, word for word, a sentence of the training data."),
    (
        ("R@",),
        "R@1, R@10",
        "A picture finds the sentences that fit it best, a sentence its pictures: in how many of 100 cases one that belongs to it is "
        "the first, or among the first 10.",
    ),
    (
        ("IoU",),
        "IoU ≥ 0.5",
        "How many of 100 phrases choose a box that shares with the true one at least half of what both cover together. Chance: if "
        "boxes were drawn by lot.",
    ),
    (
        ("score",),
        "score",
        "How well words and boxes fit; of a sentence and a picture, the sum over the words, each with its best box. Counted in margins, "
        "by which training set pairs apart.",
    ),
    (("cost",), "ranking cost", "What training makes small: by how much pairs that don't belong together come too close."),
    (("validation",), "validation, training", "On pictures apart, which tell what a model is worth, and on those that it learns from."),
]


def legend(names):
    """The HTML of the list, for the names of a page's figures and measures; nothing if it has none of the terms."""
    listed = "".join(
        f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>"
        for parts, term, meaning in TERMS
        if any(part in name for part in parts for name in names)
    )
    return f'<details class="legend"><summary>What the figures mean</summary><dl>{listed}</dl></details>' if listed else ""
