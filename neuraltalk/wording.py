"""Words of messages that depend on a number, or on how many there are."""


def plural(number, one, several=None):
    """A count, thousands apart, with its noun.

    >>> plural(1, "image"), plural(1234567, "image")
    ('1 image', '1,234,567 images')
    >>> plural(1, "box", "boxes"), plural(2, "box", "boxes")
    ('1 box', '2 boxes')
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def are(number):
    """The verb behind such a count: "is" or "are"."""
    return "is" if number == 1 else "are"


def have(number):
    """Likewise "has" or "have"."""
    return "has" if number == 1 else "have"


def some(names):
    """The first few of many names.

    >>> some(["a", "b"]), some(["a", "b", "c", "d"])
    ('a, b', 'a, b, c ...')
    """
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
