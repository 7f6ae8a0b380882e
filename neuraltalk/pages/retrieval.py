"""The retrieval page: from a picture to the sentences that a model finds for it, from a sentence to its pictures, and on.

All pictures and sentences of the page rank among themselves, so that every answer is here to go on from. Its links lead
from place to place within the page; it has no script.

    K  pictures        N  sentences        S  scores (K, N), larger is better
"""

import numpy as np

from neuraltalk.metrics.retrieval import as_high
from neuraltalk.pages import frames
from neuraltalk.pages.html import escape, page

ANSWERS = 5  # for each picture, and for each sentence


def retrieval_page(
    images,
    sentences,
    scores,
    title,
    picture_folder,
    page_folder,
    figures=(),
    notes=(),
    pictures="embedded",
    progress=None,
    links=(),
    more=None,
):
    """The HTML of a retrieval page.

    images     K of {"img_path", "imgid"}
    sentences  N of {"text", "image": the place of its own picture among the K}
    scores     (K, N) of numbers

    The other arguments are those of alignment.alignment_page.
    """
    scores = np.asarray(scores)
    if scores.shape != (len(images), len(sentences)):
        raise ValueError(f"scores are {scores.shape}; expected {(len(images), len(sentences))}")
    owner = np.array([sentence["image"] for sentence in sentences], dtype=np.int64)
    found = frames.sources(images, picture_folder, page_folder, pictures, progress, 360, 120)
    aspect = frames.common_aspect([shown[1] for shown in found if shown])
    # A thumbnail stands on the page many times, so its picture is named once, in the style sheet.
    style = "".join(
        f'.t{k} {{ background-image: url("{shown[0][1]}"); }}\n' for k, shown in enumerate(found) if shown is not None
    )
    body = [
        frames.heading(title, figures, notes, links, terms=["score"]),
        '<main><h2 id="pictures">From a picture to its sentences</h2>',
        f'<div class="cards" style="--aspect: {aspect:.3f}">',
        *(_picture(k, images, sentences, scores[k], owner, found[k], more) for k in range(len(images))),
        "</div>",
        '<h2 id="sentences">From a sentence to its pictures</h2>',
        '<ul class="sentences">',
        *(_sentence(n, images, sentences[n], scores[:, n], found) for n in range(len(sentences))),
        "</ul></main>",
    ]
    return page(title, "\n".join(body), images=frames.image_policy(pictures), style=style)


def best(scores, most=ANSWERS):
    """The places of the largest scores (n,), best first; of equals, the first.

    >>> best([1, 3, 2, 3], 3)
    [1, 3, 2]
    """
    return np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")[:most].tolist()


def rank(scores, right):
    """1 + the number of wrong answers that score as high as the best of the `right` ones (a mask); None if none is right."""
    if not right.any():
        return None
    return 1 + int(np.count_nonzero(as_high(scores[~right], scores[right].max())))


def _mark(right):
    return '<span class="verdict true" role="img" aria-label="right">✓</span> ' if right else ""


def _picture(k, images, sentences, scores, owner, found, more):
    """A picture's card: its best sentences, each a link to where it stands with its pictures."""
    img_path, imgid = images[k]["img_path"], int(images[k]["imgid"])
    (url, _), shape = found or ((None, None), None)
    listed = "".join(
        f'<li>{_mark(owner[n] == k)}<a href="#s{n}"><bdi>{escape(sentences[n]["text"]) or "(no words)"}</bdi></a> '
        f'<span class="logprob">{frames.number(scores[n])}</span></li>'
        for n in best(scores)
    )
    place = rank(scores, owner == k)
    facts = [
        f"<span>own sentence first at rank {place:,}</span>" if place else "",
        f'<a href="{escape(more[1].format(imgid=imgid))}">{escape(more[0])}</a>' if more else "",
        frames.name(img_path),
    ]
    return (
        f'<article class="card" id="p{imgid}" tabindex="-1" aria-label="{frames.label(img_path)}">{frames.image(img_path, url, shape)}'
        f'<ol class="answers">{listed}</ol><p class="facts">{"".join(facts)}</p></article>'
    )


def _sentence(n, images, sentence, scores, found):
    """A sentence with its best pictures, each a link to its card."""
    shown = []
    for k in best(scores):
        right = sentence["image"] == k
        name = f"{frames.label(images[k]['img_path'])}, score {frames.number(scores[k])}{', the right one' if right else ''}"
        missing = "" if found[k] else " none"
        shown.append(
            f'<li><a class="thumb{missing}{" right" if right else ""}" href="#p{int(images[k]["imgid"])}" '
            f'aria-label="{name}" title="{name}">'
            f'<span class="shot t{k}"></span><small>{_mark(right)}{frames.number(scores[k])}</small></a></li>'
        )
    own = images[sentence["image"]]
    right = np.arange(len(scores)) == sentence["image"]
    return (
        f'<li id="s{n}" tabindex="-1"><p class="caption" dir="auto">{escape(sentence["text"]) or "<em>(no words)</em>"}</p>'
        f'<ol class="thumbs">{"".join(shown)}</ol>'
        f'<p class="facts"><a href="#p{int(own["imgid"])}">its picture</a> at rank {rank(scores, right):,}</p></li>'
    )
