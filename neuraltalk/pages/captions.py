"""The captions page: each picture with the sentences about it, made from one `result_struct.json` or several.

Of the file's schema the page needs only "imgblobs", and of each of those only "img_path" and "candidate"; so it shows old
files as well. What ours have beside the original's keys:

    candidates    the n-best list, best first: [{"text", "logprob"}]; the first is "candidate"
    scores        of the sentence against this picture's references: {"BLEU-4": 0..1, "ROUGE-L": 0..1, "CIDEr": 0..10}
    verdict       "true", "false" or "not a sentence" (of regions: "not a phrase"), where the truth of a picture is known
    box           of a region: xmin, ymin, xmax, ymax in pixels of its picture; only this part is shown

Several results of the same pictures, as of several checkpoints, stand beside each other on each card: its sides.
"""

import math
import pathlib

from neuraltalk.pages import frames
from neuraltalk.pages.cards import Card, card_list, toolbar
from neuraltalk.pages.html import escape, page

VERDICTS = ("true", "false", "not a sentence", "not a phrase")
LOGPROB = "log p"  # the first measure; the others are the names of the scores
MANY = 500  # pictures, beyond which embedded ones are made light
PROBABLE = ("most probable first", "least probable first")


def captions_page(results, title, picture_folder, page_folder, figures=(), notes=(), pictures="embedded", progress=None):
    """The HTML of a captions page.

    results         [(label, result_struct)], each {"imgblobs": [{"img_path", "candidate": {"text", "logprob"}, "references":
                    [{"text"}]}]}, of the same pictures in the same order; a single one's label isn't shown
    title           the heading
    picture_folder  where relative img_paths start
    page_folder     where the page will lie, for linked pictures
    figures         (name, value for each result) of text shown under the heading, such as scores
    notes           lines of text under those
    pictures        "embedded": small copies within the page; "linked": the files themselves, by relative links; "none"
    progress        called with the number of pictures done

    A picture that isn't there or can't be read leaves an empty frame with its name.
    """
    frames.check_pictures(pictures)
    labels, rows = [label for label, _ in results], list(zip(*(result["imgblobs"] for _, result in results), strict=True))
    for row in rows:
        if len({blob["img_path"] for blob in row}) > 1:
            raise ValueError(f"results differ in their pictures: {' and '.join(blob['img_path'] for blob in row)}")
    measures = [LOGPROB, *dict.fromkeys(name for row in rows for blob in row for name in blob.get("scores") or {})]
    known = {blob.get("verdict") for row in rows for blob in row}
    verdicts = [verdict for verdict in VERDICTS if verdict in known]
    terms = [*measures, *verdicts, "different" if len(results) > 1 else ""]
    cards, shapes, many = [], [], len(rows) > MANY
    for number, row in enumerate(rows):
        img_path, box = row[0]["img_path"], row[0].get("box")
        found = frames.source(pathlib.Path(picture_folder) / img_path, page_folder, pictures, 360, box=box, many=many)
        (url,), shape = found or ((None,), None)
        crop = box if pictures == "linked" else None
        shapes += [frames.crop_size(box) if crop else shape] if shape else []
        cards.append(_card(row, labels, measures, verdicts, frames.image(img_path, url, shape, crop)))
        if progress:
            progress(number + 1)
    body = [
        frames.heading(title, figures, notes, labels=labels, terms=terms),
        toolbar(
            len(rows),
            [PROBABLE, *((f"highest {name} first", f"lowest {name} first") for name in measures[1:])],
            labels,
            verdicts,
        ),
        card_list(cards, frames.common_aspect(shapes), "cards compared" if len(results) > 1 else "cards"),
    ]
    return page(title, "\n".join(body), ["find.js", "cards.js"], frames.image_policy(pictures))


def _card(row, labels, measures, verdicts, image):
    """One picture with everything said about it; row: its blob in each result."""
    texts = [blob["candidate"]["text"] for blob in row]
    values = [[_value(blob, measure) for measure in measures] for blob in row]
    name = frames.name(row[0]["img_path"])
    written = next((blob["references"] for blob in row if blob.get("references")), [])
    references = _details("People wrote", [_text(reference["text"]) for reference in written])
    if len(row) == 1:
        said = (
            _caption(row[0], texts) + f'<p class="facts">{_logprob(row[0])}{frames.verdict(row[0].get("verdict"))}{name}</p>'
            f"{_scores(row[0])}{_others(row[0])}{references}"
        )
    else:
        sides = "".join(map(_side, range(1, len(row) + 1), labels, row, [texts] * len(row)))
        image = f'<div>{image}<p class="facts">{name}</p></div>'
        said = f'<div class="said"><div class="sides">{sides}</div>{references}</div>'
    found = [other["text"] for blob in row for other in [blob["candidate"], *blob.get("candidates", [])[1:]]]
    return Card(
        f'<article class="card" aria-label="{frames.label(row[0]["img_path"])}">{image}{said}</article>',
        # References are left out: they would drown the models' words.
        " ".join([*found, frames.base_name(row[0]["img_path"])]),
        values,
        [verdicts.index(blob["verdict"]) if blob.get("verdict") in verdicts else None for blob in row],
        len(set(texts)) > 1,
    )


def _side(number, label, blob, texts):
    """What one result says of a picture, under its name."""
    return (
        f'<section class="side" aria-label="{escape(label)}"><p class="facts">{frames.side(number, label)}'
        f"{frames.verdict(blob.get('verdict'))}</p>"
        f'{_caption(blob, texts)}<p class="facts">{_logprob(blob)}</p>{_scores(blob)}{_others(blob)}</section>'
    )


def _value(blob, measure):
    """A number of a sentence, or None."""
    return blob["candidate"].get("logprob") if measure == LOGPROB else (blob.get("scores") or {}).get(measure)


def _caption(blob, texts):
    """The sentence; its words that some other side doesn't have are marked."""
    text = blob["candidate"]["text"]
    shared = set.intersection(*(set(other.split()) for other in texts))
    marked = escape(text)
    if len(texts) > 1 and not shared.issuperset(text.split()):
        marked = " ".join(escape(word) if word in shared else f"<mark>{escape(word)}</mark>" for word in text.split())
    return f'<p class="caption" dir="auto">{marked or "<em>(no words)</em>"}</p>'


def _logprob(blob):
    value = blob["candidate"].get("logprob")
    if value is None or math.isnan(value):
        return ""
    return f'<span class="logprob" title="natural logarithm of the sentence\'s probability">{LOGPROB} {frames.number(value)}</span>'


def _scores(blob):
    shown = "".join(
        f'<span class="logprob">{escape(name)} {frames.number(value)}</span>'
        for name, value in (blob.get("scores") or {}).items()
        if value is not None
    )
    return f'<p class="facts scores">{shown}</p>' if shown else ""


def _others(blob):
    """The rest of the n-best list."""
    return _details("Other sentences", [_sentence(other) for other in blob.get("candidates", [])[1:]], ordered=True)


def _details(name, items, ordered=False):
    """A list that opens on demand; nothing if it's empty."""
    if not items:
        return ""
    tag = "ol" if ordered else "ul"
    start = ' start="2"' if ordered else ""
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<details><summary>{name} ({len(items)})</summary><{tag}{start}>{listed}</{tag}></details>"


def _sentence(candidate):
    value = candidate.get("logprob")
    return _text(candidate["text"]) + (f' <span class="logprob">{frames.number(value)}</span>' if value is not None else "")


def _text(text):
    return f"<bdi>{escape(text) or '<em>(no words)</em>'}</bdi>"
