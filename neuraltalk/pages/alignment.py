"""The alignment page: each picture with its boxes, and a sentence coloured by the box that each word chose.

An entry of the page, plain values all of them:

    img_path   the picture's file
    imgid      its number, for links
    boxes      of its regions: xmin, ymin, xmax, ymax, the whole picture first
    words      of one sentence: {"text", "region", "score", "alone"}: the box that the word has (a number from 0), its score
               there, and the box of its highest score, which is another one where its neighbours outweighed it; all three
               None for a word that the model doesn't know
    score      of picture and sentence

A box is drawn in percent of the whole picture's, so it needs no pixels and scales with the page. Colour never stands
alone: boxes and phrases carry the same number. A word's is the stronger, the higher its score among those of the page.
"""

import itertools
import unicodedata

from neuraltalk.pages import frames
from neuraltalk.pages.cards import Card, card_list, toolbar
from neuraltalk.pages.html import escape, page

WEAKEST, STRONGEST = 6, 40  # percent of its colour behind a word of the lowest and the highest score
ALL_BOXES = '<label><input id="all-boxes" type="checkbox"> all boxes</label>'
ROOM = 7  # percent of the picture's height that a box's number needs to stand above it; else it stands within


def alignment_page(
    entries, title, picture_folder, page_folder, figures=(), notes=(), pictures="embedded", progress=None, links=(), more=None
):
    """The HTML of an alignment page.

    entries         as above; the other arguments are those of captions.captions_page, and
    links           (text, URL) of other pages, in the heading
    more            (text, format of a URL) of a link in each card, such as ("its sentences", "retrieval.html#p{imgid}")
    """
    found = frames.sources(entries, picture_folder, page_folder, pictures, progress, 480)
    shapes = [shown[1] if shown else frames.crop_size(entry["boxes"][0]) for shown, entry in zip(found, entries, strict=True)]
    aspect = frames.common_aspect(shapes)
    most = max((word["score"] for entry in entries for word in entry["words"] if word["score"]), default=0)
    cards = [
        _card(entry, shown[0][0] if shown else None, shape, aspect, most, more)
        for entry, shown, shape in zip(entries, found, shapes)
    ]
    body = [
        frames.heading(title, figures, notes, links, terms=["score"]),
        toolbar(len(entries), [("highest score first", "lowest score first")], more=ALL_BOXES),
        card_list(cards, aspect, "cards wide"),
    ]
    return page(title, "\n".join(body), ["find.js", "cards.js", "alignment.js"], frames.image_policy(pictures))


def _card(entry, url, shape, aspect, most, more):
    """One picture, its boxes and its sentence."""
    words = entry["words"]
    numbers = box_numbers(words)
    phrases = [(region, list(run)) for region, run in itertools.groupby(words, key=lambda word: word["region"])]
    facts = [
        f'<span class="logprob" title="of the picture and the sentence">score {frames.number(entry["score"])}</span>',
        f'<a href="{escape(more[1].format(imgid=entry["imgid"]))}">{escape(more[0])}</a>' if more else "",
        frames.name(entry["img_path"]),
    ]
    listed = "".join(
        f"<li>{badge(region, numbers)} <bdi>{escape(' '.join(word['text'] for word in run))}</bdi> "
        f'<span class="logprob">{frames.number(sum(word["score"] for word in run))}</span></li>'
        for region, run in phrases
        if region is not None
    )
    count = sum(region is not None for region, _ in phrases)
    details = f"<details><summary>Phrases ({count})</summary><ul>{listed}</ul></details>" if count else ""
    lead = next((k for k, (region, _) in enumerate(phrases) if region is not None), None)
    said = "".join(_phrase(region, run, numbers, most, k == lead) for k, (region, run) in enumerate(phrases))
    html = (
        f'<article class="card" id="p{int(entry["imgid"])}" tabindex="-1" aria-label="{frames.label(entry["img_path"])}">'
        f"{stage(entry, url, shape, aspect, numbers)}"
        f'<p class="caption words" dir="{_direction(words)}">{said or "<em>(no words)</em>"}</p>'
        f'<p class="facts">{"".join(facts)}</p>{details}</article>'
    )
    text = " ".join(word["text"] for word in words)
    return Card(html, f"{text} {frames.base_name(entry['img_path'])}", [[entry["score"]]])


def _direction(words):
    """Which way the sentence is read: by its first letter that tells. (A browser, by dir="auto", wouldn't look into <bdi>.)

    >>> _direction([{"text": "3"}, {"text": "\u05db\u05dc\u05d1\u05d9\u05dd"}]), _direction([{"text": "a"}]), _direction([])
    ('rtl', 'ltr', 'ltr')
    """
    kinds = (unicodedata.bidirectional(letter) for word in words for letter in word["text"])
    return "rtl" if next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L" else "ltr"


def box_numbers(words):
    """Region -> the number that it goes by on the page: 1, 2, ... as they come in the sentence; 0 the whole picture."""
    regions = dict.fromkeys(word["region"] for word in words if word["region"] is not None)
    return {0: 0, **{region: k + 1 for k, region in enumerate(region for region in regions if region != 0)}}


def box_name(region, numbers):
    """A region in words."""
    if region == 0:
        return "the whole picture"
    return f"box {numbers[region]}" if region in numbers else "another box"


def _colour(region, numbers):
    return f"c{(numbers[region] - 1) % frames.COLOURS + 1 if region else 0}"


def badge(region, numbers):
    """A region's number on its colour."""
    shown = numbers[region] if region else "all"
    return f'<span class="badge {_colour(region, numbers)}" aria-label="{box_name(region, numbers)}" role="img">{shown}</span>'


def stage(entry, url, shape, aspect, numbers):
    """The picture with the boxes laid over it, large ones below small ones; those that no word chose are hidden at first."""
    boxes = entry["boxes"]
    (left, top), (width, height) = boxes[0][:2], frames.crop_size(boxes[0])
    chosen = {word["region"] for word in entry["words"]}
    drawn = []
    for region in sorted(range(len(boxes)), key=lambda k: (k in chosen, -frames.crop_size(boxes[k])[0] * frames.crop_size(boxes[k])[1])):
        xmin, ymin, xmax, ymax = (
            min(max(100 * share, 0), 100)
            for share in (
                (boxes[region][0] - left) / width,
                (boxes[region][1] - top) / height,
                (boxes[region][2] - left) / width,
                (boxes[region][3] - top) / height,
            )
        )
        place = f"left:{xmin:.2f}%;top:{ymin:.2f}%;width:{xmax - xmin:.2f}%;height:{ymax - ymin:.2f}%"
        kind = f"box {_colour(region, numbers)}{' low' if ymin > ROOM and region else ''}" if region in chosen else "box other"
        tag = f"<i>{numbers[region] or 'all'}</i>" if region in chosen else ""
        drawn.append(f'<span class="{kind}" data-region="{region}" style="{place}">{tag}</span>')
    share = min(100, 100 * shape[0] / shape[1] / aspect)
    if url is not None:
        picture = frames.img(entry["img_path"], url, shape)
    else:
        name = frames.label(entry["img_path"])
        picture = f'<span class="absent" role="img" aria-label="{name}, not here">no picture here</span>'
    return (
        f'<div class="frame staged"><div class="stage" style="width:{share:.2f}%;aspect-ratio:{shape[0] / shape[1]:.4f}">'
        f'{picture}<span class="boxes" aria-hidden="true">{"".join(drawn)}</span></div></div>'
    )


def _phrase(region, run, numbers, most, leads):
    """Neighbouring words with one box: each a button that tells its box and its score.

    A sentence is one stop of the tab key, at its first word (`leads`: it's in this phrase); arrows go on from there.
    """
    if region is None:
        return "".join(
            f'<span class="word unknown" title="not in the vocabulary"><bdi>{escape(word["text"])}</bdi></span> ' for word in run
        )
    shown = []
    for k, word in enumerate(run):
        moved = word["alone"] != region
        own = f", on its own it would choose {box_name(word['alone'], numbers)}" if moved else ""
        text, score = escape(word["text"]), frames.number(word["score"])
        about = f"{box_name(region, numbers)}, score {score}{own}"
        tint = WEAKEST + (STRONGEST - WEAKEST) * (max(word["score"], 0) / most if most > 0 else 0)
        tag = f"<sup>{numbers[region] or 'all'}</sup>" if k == 0 else ""
        kind = f"word {_colour(region, numbers)}{' moved' if moved else ''}"
        stop = "" if leads and k == 0 else ' tabindex="-1"'
        shown.append(
            f'<button type="button"{stop} class="{kind}" data-region="{region}" style="--t:{tint:.0f}%" title="{about}" '
            f'aria-label="{text}, {about}">'
            f"<span>{tag}<bdi>{text}</bdi></span><small>{score}</small></button>"
        )
    return f'<span class="phrase">{" ".join(shown)}</span> '
