"""Pictures in a page: embedded as small copies, linked where they lie, or left out; the same for all pages."""

import os
import pathlib
import statistics

from neuraltalk.errors import UserError
from neuraltalk.pages.html import escape, link
from neuraltalk.pages.thumbnails import thumbnail
from neuraltalk.vision.pictures import open_picture

PICTURES = ("embedded", "linked", "none")


def check_pictures(pictures):
    """Refuse a way to show pictures that doesn't exist."""
    if pictures not in PICTURES:
        raise ValueError(f"pictures is {pictures!r}; expected one of {PICTURES}")


def image_policy(pictures):
    """Where the pictures of a page come from, for html.page()."""
    return "* data: blob:" if pictures == "linked" else "data:"


def source(path, page_folder, pictures, *sizes, box=None):
    """A picture as URLs, one for each of `sizes` (most pixels a side; the same file for all if it is linked).

    box (xmin, ymin, xmax, ymax in pixels) cuts an embedded picture to a part of it.

    Returns (URLs, (width, height) of the first), or None if the picture isn't there, can't be read or isn't wanted.
    URLs are safe inside quotes, in HTML and CSS.
    """
    if pictures == "none" or not path.is_file():
        return None
    try:
        picture = open_picture(path)
    except UserError:
        return None
    if pictures == "embedded":
        if box is not None:
            xmin, ymin, xmax, ymax = (round(number) for number in box)
            picture = picture.crop((xmin, ymin, max(xmax, xmin + 1), max(ymax, ymin + 1)))
        copies = [thumbnail(picture, size) for size in sizes]
        return [url for url, _, _ in copies], copies[0][1:]
    try:
        url = link(os.path.relpath(path, page_folder))
    except ValueError:  # on another drive of Windows
        url = path.resolve().as_uri()
    return [url] * len(sizes), picture.size


def base_name(img_path):
    """The name to show for a picture."""
    return pathlib.PurePath(img_path).name


def label(img_path):
    """The alternative text of a picture, escaped. What it shows is said beside it: no need to hear that twice."""
    return f"picture {escape(base_name(img_path))}"


def image(img_path, url, shape):
    """The HTML of a picture of `shape` (width, height); of a missing one, if `url` is None."""
    if url is None:
        name = label(img_path)
        return f'<div class="frame empty" role="img" aria-label="{name}, not here"><span>no picture here</span></div>'
    return f'<div class="frame">{img(img_path, url, shape)}</div>'


def img(img_path, url, shape):
    """The bare element."""
    width, height = shape
    return f'<img src="{url}" alt="{label(img_path)}" width="{width}" height="{height}" loading="lazy" decoding="async">'


def common_aspect(shapes):
    """Width / height of the frames in which pictures of these (width, height) stand: the median, within reason."""
    aspect = statistics.median(width / height for width, height in shapes) if shapes else 4 / 3
    return min(max(aspect, 0.5), 2)


def heading(title, figures=(), notes=(), links=()):
    """The head of a page: title, notes, links to other pages as (text, URL), figures as (name, value)."""
    strip = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    others = " ".join(f'<a href="{escape(url)}">{escape(text)}</a>' for text, url in links)
    lines = [
        "<header>",
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        f'<nav class="links">{others}</nav>' if others else "",
        f'<dl class="figures">{strip}</dl>' if strip else "",
        "</header>",
    ]
    return "\n".join(filter(None, lines))


def number(value):
    """Two decimals, with a real minus sign, and none before zero.

    >>> number(-0.001), number(1.005e3)
    ('0.00', '1005.00')
    """
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")
