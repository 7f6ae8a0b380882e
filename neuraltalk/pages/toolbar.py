"""What stands above the cards of a page: find, order, choose; and the text that says how many are shown.

cards.js does the work, on what each card carries:

    data-number    its place in the given order
    data-values    JSON, for each side of the card a list of numbers, one for each measure; null where it is unknown
    data-verdicts  JSON, for each side a place in `verdicts`, or null
    data-differ    there if its sides say different things

A side is what one model says; most pages have one. Without script the toolbar is hidden, and the page shows all cards.
"""

import json
import math

from neuraltalk.pages.html import escape


def toolbar(count, orders, sides=(), verdicts=(), more=""):
    """The HTML of the toolbar of `count` cards.

    orders    for each measure the texts of two orders: (highest first, lowest first)
    sides     the names of the sides, where there are several
    verdicts  texts to choose by
    more      further fields, as HTML
    """
    listed = "".join(
        f'<option value="{measure} {way}">{escape(text)}</option>'
        for measure, texts in enumerate(orders)
        for way, text in zip(("down", "up"), texts, strict=True)
    )
    shows = [(str(place), verdict) for place, verdict in enumerate(verdicts)]
    whose = [(str(side), name) for side, name in enumerate(sides)] if len(sides) > 1 else []
    if whose:
        shows.append(("differ", "different sentences"))
        whose += [(f"0 {side}", f"{sides[0]} \N{MINUS SIGN} {name}") for side, name in enumerate(sides) if side]
    return (
        '<form class="toolbar" id="toolbar" role="search" aria-label="the pictures of this page">'
        '<label>Find <input id="find" type="search" placeholder="words or a file name" autocomplete="off" '
        'aria-keyshortcuts="/"></label>'
        f'<label>Order <select id="order"><option value="">as given</option>{listed}</select></label>'
        f"{_choice('of', 'side', whose)}"
        f"{_choice('Show', 'verdict', [('', 'all'), *shows]) if shows else ''}{more}"
        f'<output id="count">{count:,} picture{"" if count == 1 else "s"}</output></form>'
    )


def _choice(label, name, options):
    """A labelled list of (value, text) to choose from; nothing if it's empty."""
    listed = "".join(f'<option value="{value}">{escape(text)}</option>' for value, text in options)
    return f'<label>{label} <select id="{name}">{listed}</select></label>' if options else ""


def card_data(number, values, verdicts=(), differ=False):
    """The attributes by which cards.js knows a card; values: for each side its numbers, None where one is unknown."""
    attributes = f'data-number="{number}" data-values="{json.dumps([list(map(_plain, side)) for side in values])}"'
    if any(verdict is not None for verdict in verdicts):
        attributes += f' data-verdicts="{json.dumps(list(verdicts))}"'
    return attributes + (" data-differ" if differ else "")


def _plain(value):
    """A number as JSON can hold it: infinities as the largest numbers there are."""
    if value is None or math.isnan(value):
        return None
    return round(min(max(float(value), -1e300), 1e300), 6)
