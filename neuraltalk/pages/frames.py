"""What all pages show alike: pictures (embedded as small copies, linked where they lie, or left out), names, headings."""

import os
import pathlib
import statistics

from neuraltalk.errors import UserError
from neuraltalk.pages.html import escape, link
from neuraltalk.pages.legend import legend
from neuraltalk.pages.thumbnails import thumbnail
from neuraltalk.vision.pictures import open_picture, picture_size

PICTURES = ("embedded", "linked", "none")
COLOURS = 8  # in style.css: .c1 .. .c8, for boxes and for results side by side; .c0 is the whole picture


def check_pictures(pictures):
    """Refuse a way to show pictures that doesn't exist."""
    if pictures not in PICTURES:
        raise ValueError(f"pictures is {pictures!r}; expected one of {PICTURES}")


def image_policy(pictures):
    """Where the pictures of a page come from, for html.page()."""
    return "* data: blob:" if pictures == "linked" else "data:"


def source(path, page_folder, pictures, *sizes, box=None, many=False):
    """A picture as URLs, one for each of `sizes` (most pixels a side; the same file for all if it is linked).

    box (xmin, ymin, xmax, ymax in pixels) cuts an embedded picture to a part of it. many: the page has so many pictures
    that embedded ones should be light rather than crisp.

    Returns (URLs, (width, height) of the first), or None if the picture isn't there, can't be read or isn't wanted.
    URLs are safe inside quotes, in HTML and CSS.
    """
    if pictures == "none" or not os.path.isfile(path):  # which is False for a name longer than names can be, too
        return None
    try:
        if pictures == "linked":
            return [_url(path, page_folder)] * len(sizes), picture_size(path)
        picture = open_picture(path)
    except UserError:
        return None
    if box is not None:
        xmin, ymin, xmax, ymax = (min(max(round(number), 0), side) for number, side in zip(box, 2 * picture.size))
        xmin, ymin = min(xmin, picture.width - 1), min(ymin, picture.height - 1)
        picture = picture.crop((xmin, ymin, max(xmax, xmin + 1), max(ymax, ymin + 1)))
    copies = [thumbnail(picture, size * 2 // 3, quality=60) if many else thumbnail(picture, size) for size in sizes]
    return [url for url, _, _ in copies], copies[0][1:]


def sources(entries, picture_folder, page_folder, pictures, progress, *sizes):
    """source() of each entry's "img_path" in picture_folder; progress, if there is one, is called with the number done."""
    check_pictures(pictures)
    found = []
    for done, entry in enumerate(entries, 1):
        found.append(source(pathlib.Path(picture_folder) / entry["img_path"], page_folder, pictures, *sizes))
        if progress:
            progress(done)
    return found


def _url(path, page_folder):
    try:
        return link(os.path.relpath(path, page_folder))
    except ValueError:  # on another drive of Windows
        return path.resolve().as_uri()


def base_name(img_path):
    """The name to show for a picture."""
    return pathlib.PurePath(img_path).name


def name(img_path):
    """The HTML of that name."""
    text = escape(base_name(img_path))
    return f'<span class="name" dir="auto" title="{text}">{text}</span>'


def label(img_path):
    """The alternative text of a picture, escaped. What it shows is said beside it: no need to hear that twice."""
    return f"picture {escape(base_name(img_path))}"


def verdict(text):
    """The HTML of a verdict about a sentence; nothing for None."""
    if not text:
        return ""
    kind, shown = {"true": ("true", "\u2713 true"), "false": ("false", "\u2717 false")}.get(text, ("odd", text))
    return f'<span class="verdict {kind}">{escape(shown)}</span>'


def image(img_path, url, shape, box=None):
    """The HTML of a picture of `shape` (width, height); of a missing one, if `url` is None.

    box (xmin, ymin, xmax, ymax in pixels) shows only this part of it.
    """
    if url is None:
        return f'<div class="frame empty" role="img" aria-label="{label(img_path)}, not here"><span>no picture here</span></div>'
    if box is None:
        return f'<div class="frame">{img(img_path, url, shape)}</div>'
    width, height = crop_size(box)
    place = (
        f"width:{100 * shape[0] / width:.2f}%;left:{-100 * box[0] / width:.2f}%;top:{-100 * box[1] / height:.2f}%;height:auto"
    )
    return (
        f'<div class="frame cropped"><div class="crop" style="--shape:{width / height:.4f}">'
        f"{img(img_path, url, shape, place)}</div></div>"
    )


def crop_size(box):
    """(width, height) of a box, at least one pixel each."""
    return max(box[2] - box[0], 1), max(box[3] - box[1], 1)


def img(img_path, url, shape, style=""):
    """The bare element."""
    width, height = shape
    placed = f' style="{style}"' if style else ""
    return f'<img src="{url}" alt="{label(img_path)}" width="{width}" height="{height}" loading="lazy" decoding="async"{placed}>'


def common_aspect(shapes):
    """Width / height of the frames in which pictures of these (width, height) stand: the median, within reason."""
    aspect = statistics.median(width / height for width, height in shapes) if shapes else 4 / 3
    return min(max(aspect, 0.5), 2)


def heading(title, figures=(), notes=(), links=(), labels=(), terms=()):
    """The head of a page: title, notes, links to other pages as (text, URL), figures as (name, value).

    labels: where several are compared, their names; figures then have a value for each, and make a table.
    terms: what the page has besides its figures, such as scores of each picture, to be explained with them.
    """
    others = " ".join(f'<a href="{escape(url)}">{escape(text)}</a>' for text, url in links)
    lines = [
        "<header>",
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        f'<nav class="links" aria-label="other pages">{others}</nav>' if others else "",
        (_table(figures, labels) if len(labels) > 1 else _strip(figures)) if figures else "",
        legend([*(name for name, *_ in figures), *terms]),
        "</header>",
    ]
    return "\n".join(filter(None, lines))


def _strip(figures):
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    return f'<dl class="figures">{shown}</dl>'


def _table(figures, labels):
    heads = "".join(f'<th scope="col">{side(k, text)}</th>' for k, text in enumerate(labels, 1))
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(value)}</td>" for value in values)}</tr>'
        for name, *values in figures
    )
    return f'<table class="figures"><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def side(number, label):
    """The name of one of several results, with its number on its colour."""
    badge = f'<span class="badge c{(number - 1) % COLOURS + 1}" aria-hidden="true">{number}</span>'
    return f'<span class="side-name">{badge} <bdi>{escape(label)}</bdi></span>'


def number(value):
    """Two decimals, with a real minus sign, and none before zero.

    >>> number(-0.001), number(1.005e3), number("-inf")
    ('0.00', '1005.00', '\N{MINUS SIGN}\N{INFINITY}')
    """
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}").replace("inf", "\N{INFINITY}")
