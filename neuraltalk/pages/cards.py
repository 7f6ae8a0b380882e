"""The cards of a page, thousands of them, and the toolbar above: find, order, choose.

A page's first cards are elements as any others. The rest stand in a <noscript>: without script they're shown like the first;
with script the browser keeps them as a text that costs nothing, and cards.js makes elements of those that the reader comes to.
So a page of 5000 pictures opens, finds and orders as one of 50 does. What cards.js goes by is told in a JSON block:

    text      what words are looked for in, file names included
    values    for each side of the card a list of numbers, one for each measure; null where it is unknown
    verdicts  for each side a place in the list of verdicts, or null
    differ    whether its sides say different things

A side is what one model says; most pages have one.
"""

import math
from typing import NamedTuple

from neuraltalk.pages.html import carried, escape

FIRST = 60  # cards that are elements from the start; cards.js adds as many at a time


class Card(NamedTuple):
    """A card's HTML, and what it's found and ordered by, as above."""

    html: str  # one line: escaped texts have no line breaks
    text: str
    values: list
    verdicts: list | tuple = ()
    differ: bool = False


def card_list(cards, aspect, classes="cards"):
    """The HTML of the cards; aspect: width / height of their pictures' frames; classes: as in style.css."""
    lines = [card.html for card in cards]
    known = [
        {
            "text": card.text,
            "values": [[_plain(value) for value in side] for side in card.values],
            "verdicts": card.verdicts,
            "differ": card.differ,
        }
        for card in cards
    ]
    rest = ["<noscript>", *lines[FIRST:], "</noscript>"] if lines[FIRST:] else []
    return "\n".join(
        [
            f'<main class="{classes}" id="cards" style="--aspect: {aspect:.3f}">',
            *lines[:FIRST],
            *rest,
            "</main>",
            '<p class="nothing" id="nothing" hidden>No picture has all this.</p>',
            '<p class="more"><button type="button" id="more" hidden></button></p>',
            carried("known", known),
        ]
    )


def _plain(value):
    """A number as JSON can hold it: infinities as the largest numbers there are."""
    if value is None or math.isnan(value):
        return None
    return round(min(max(float(value), -1e300), 1e300), 6)


def toolbar(count, orders, sides=(), verdicts=(), more=""):
    """The HTML of the toolbar of `count` cards.

    orders    for each measure the texts of two orders: (highest first, lowest first)
    sides     the names of the sides, where there are several
    verdicts  texts to choose by
    more      further fields, as HTML
    """
    listed = [("", "as given")]
    for measure, (highest, lowest) in enumerate(orders):
        listed += [(f"{measure} down", highest), (f"{measure} up", lowest)]
    shows = [(str(place), verdict) for place, verdict in enumerate(verdicts)]
    whose = []
    if len(sides) > 1:
        shows.append(("differ", "different sentences"))
        whose = [(str(side), name) for side, name in enumerate(sides)]
        whose += [(f"0 {side}", f"{sides[0]} \N{MINUS SIGN} {name}") for side, name in enumerate(sides) if side]
    return (
        '<form class="toolbar" id="toolbar" role="search" aria-label="the pictures of this page">'
        '<label>Find <input id="find" type="search" placeholder="words or a file name" autocomplete="off" '
        'aria-keyshortcuts="/"></label>'
        f"{_choice('Order', 'order', listed)}{_choice('of', 'side', whose)}"
        f"{_choice('Show', 'verdict', [('', 'all'), *shows]) if shows else ''}{more}"
        f'<output id="count">{count:,} picture{"" if count == 1 else "s"}</output></form>'
    )


def _choice(label, name, options):
    """A labelled list of (value, text) to choose from; nothing if it's empty."""
    listed = "".join(f'<option value="{value}">{escape(text)}</option>' for value, text in options)
    return f'<label>{label} <select id="{name}">{listed}</select></label>' if options else ""
