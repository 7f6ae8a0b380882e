"""How varied captions are: a model that says one safe sentence everywhere can have a fair BLEU and be of no use.

A caption is a list of tokens throughout; two captions are the same if all tokens are.
"""


def distinct_share(captions):
    """The number of different captions / the number of captions, 0..1.

    >>> distinct_share([["a", "dog"], ["a", "cat"], ["a", "dog"], ["a", "cat"]])
    0.5
    """
    return len(set(map(tuple, captions))) / len(captions) if captions else 0.0


def mean_length(captions):
    """The mean number of words of a caption.

    >>> mean_length([["a", "dog"], ["a", "white", "cat", "sits"]])
    3.0
    """
    return sum(map(len, captions)) / len(captions) if captions else 0.0
