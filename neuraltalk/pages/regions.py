"""The region page: each picture with the boxes that a captioner spoke of, and its sentence on each.

An entry of the page, plain values all of them:

    img_path   the picture's file
    size       (width, height) in the pixels that the boxes are in
    regions    the surest first: {"box", "text", "confidence" (0..1), and where the truth is known "verdict"}

Boxes are drawn as on the alignment page: in percent of the picture's, with the numbers of their sentences.
"""

from neuraltalk.pages import frames
from neuraltalk.pages.alignment import badge, box_numbers, stage
from neuraltalk.pages.cards import Card, card_list, toolbar
from neuraltalk.pages.html import escape, page


def regions_page(
    entries, title, picture_folder, page_folder, figures=(), notes=(), pictures="embedded", progress=None
):
    """The HTML of a region page; the arguments but for the entries are those of captions.captions_page."""
    found = frames.sources(entries, picture_folder, page_folder, pictures, progress, 480)
    shapes = [shown[1] if shown else entry["size"] for shown, entry in zip(found, entries, strict=True)]
    aspect = frames.common_aspect(shapes)
    cards = [
        _card(entry, shown[0][0] if shown else None, shape, aspect)
        for entry, shown, shape in zip(entries, found, shapes)
    ]
    body = [
        frames.heading(title, figures, notes, terms=["confidence"]),
        toolbar(len(entries), [("surest first", "least sure first")]),
        card_list(cards, aspect, "cards wide"),
    ]
    return page(title, "\n".join(body), ["find.js", "cards.js", "alignment.js"], frames.image_policy(pictures))


def _card(entry, url, shape, aspect):
    """One picture, its boxes and their sentences."""
    regions, (width, height) = entry["regions"], entry["size"]
    words = [{"region": k + 1} for k in range(len(regions))]
    numbers = box_numbers(words)
    boxes = [[0, 0, width, height], *(region["box"] for region in regions)]
    staged = stage({"img_path": entry["img_path"], "boxes": boxes, "words": words}, url, shape, aspect, numbers)
    lines = "".join(_line(k + 1, numbers, region) for k, region in enumerate(regions))
    text = " ".join(region["text"] for region in regions)
    surest = max((region["confidence"] for region in regions), default=0)
    html = (
        f'<article class="card" aria-label="{frames.label(entry["img_path"])}">{staged}<ul class="caption">{lines}</ul>'
        f'<p class="facts">{frames.name(entry["img_path"])}</p></article>'
    )
    return Card(html, f"{text} {frames.base_name(entry['img_path'])}", [[surest]])


def _line(k, numbers, region):
    """One sentence with its box's number."""
    sure = f'<span class="logprob" title="mean probability of its words">{frames.number(region["confidence"])}</span>'
    text = escape(region["text"]) or "<em>(no words)</em>"
    said = f"<bdi>{text}</bdi> {sure} {frames.verdict(region.get('verdict'))}"
    return f'<li data-region="{k}" tabindex="{0 if k == 1 else -1}">{badge(k, numbers)} <span>{said}</span></li>'
