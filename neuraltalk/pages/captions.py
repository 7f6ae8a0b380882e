"""The captions page: each picture with its sentence, made from a `result_struct.json`.

Of the file's schema the page needs only "imgblobs", and of each of those only "img_path" and "candidate"; so it shows old
files as well. What ours have beside the original's keys:

    candidates    the n-best list, best first: [{"text", "logprob"}]; the first is "candidate"
    verdict       "true", "false" or "not a sentence" (of regions: "not a phrase"), where the truth of a picture is known
    box           of a region: xmin, ymin, xmax, ymax in pixels of its picture; only this part is shown
"""

import pathlib

from neuraltalk.pages import frames
from neuraltalk.pages.html import escape, page


def captions_page(result, title, picture_folder, page_folder, figures=(), notes=(), pictures="embedded", progress=None):
    """The HTML of a captions page.

    result          a result_struct: {"imgblobs": [{"img_path", "candidate": {"text", "logprob"}, "references": [{"text"}]}]}
    title           the heading
    picture_folder  where relative img_paths start
    page_folder     where the page will lie, for linked pictures
    figures         (name, value) pairs of text shown under the heading, such as scores
    notes           lines of text under those
    pictures        "embedded": small copies within the page; "linked": the files themselves, by relative links; "none"
    progress        called with the number of pictures done

    A picture that isn't there or can't be read leaves an empty frame with its name.
    """
    frames.check_pictures(pictures)
    cards, shapes = [], []
    for number, blob in enumerate(result["imgblobs"]):
        found = frames.source(pathlib.Path(picture_folder) / blob["img_path"], page_folder, pictures, 360, box=blob.get("box"))
        (url,), shape = found or ((None,), None)
        shapes += [shape] if shape else []
        cards.append(_card(number, blob, frames.image(blob["img_path"], url, shape)))
        if progress:
            progress(number + 1)
    body = [
        frames.heading(title, figures, notes),
        _toolbar(result["imgblobs"]),
        f'<main class="cards" id="cards" style="--aspect: {frames.common_aspect(shapes):.3f}">',
        *cards,
        "</main>",
        '<p class="nothing" id="nothing" hidden>No caption has these words.</p>',
    ]
    return page(title, "\n".join(body), ["cards.js"], frames.image_policy(pictures))


def _toolbar(blobs):
    """Search, order and, where verdicts are known, a choice among them."""
    verdicts = [
        verdict
        for verdict in ("true", "false", "not a sentence", "not a phrase")
        if any(b.get("verdict") == verdict for b in blobs)
    ]
    options = "".join(f'<option value="{escape(verdict)}">{escape(verdict)}</option>' for verdict in verdicts)
    choice = (
        f'<label>Show <select id="verdict"><option value="">all</option>{options}</select></label>' if verdicts else ""
    )
    return (
        '<form class="toolbar" role="search" onsubmit="return false">'
        '<label>Find <input id="find" type="search" placeholder="words or a file name" autocomplete="off"></label>'
        '<label>Order <select id="order"><option value="given">as given</option><option value="best">most probable first</option>'
        f'<option value="worst">least probable first</option></select></label>{choice}'
        f'<output id="count" aria-live="polite">{len(blobs)} picture{"" if len(blobs) == 1 else "s"}</output></form>'
    )


def _card(number, blob, image):
    """One picture with everything said about it."""
    candidate = blob["candidate"]
    logprob = candidate.get("logprob")
    name = frames.base_name(blob["img_path"])
    verdict = blob.get("verdict")
    mark = {"true": ("true", "✓ true"), "false": ("false", "✗ false")}.get(verdict, ("odd", verdict))
    details = [
        _details("Other sentences", [_sentence(other) for other in blob.get("candidates", [])[1:]], ordered=True),
        _details("People wrote", [_text(reference["text"]) for reference in blob.get("references") or []]),
    ]
    attributes = f'data-number="{number}"'
    if logprob is not None:
        attributes += f' data-value="{float(logprob):.6f}"'
    if verdict:
        attributes += f' data-verdict="{escape(verdict)}"'
    facts = [
        f'<span class="logprob" title="natural logarithm of the sentence\'s probability">log p {frames.number(logprob)}</span>'
        if logprob is not None
        else "",
        f'<span class="verdict {mark[0]}">{escape(mark[1])}</span>' if verdict else "",
        f'<span class="name" dir="auto" title="{escape(name)}">{escape(name)}</span>',
    ]
    return (
        f'<article class="card" {attributes}>{image}'
        f'<p class="caption" dir="auto">{escape(candidate["text"]) or "<em>(no words)</em>"}</p>'
        f'<p class="facts">{"".join(facts)}</p>{"".join(details)}</article>'
    )


def _details(name, items, ordered=False):
    """A list that opens on demand; nothing if it's empty."""
    if not items:
        return ""
    tag = "ol" if ordered else "ul"
    start = ' start="2"' if ordered else ""
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<details><summary>{name} ({len(items)})</summary><{tag}{start}>{listed}</{tag}></details>"


def _sentence(candidate):
    return f'{_text(candidate["text"])} <span class="logprob">{frames.number(candidate["logprob"])}</span>'


def _text(text):
    return f"<bdi>{escape(text) or '<em>(no words)</em>'}</bdi>"
