"""The pages of an alignment model's evaluation: words with their boxes, and what finds what."""

import pathlib

import numpy as np

from neuraltalk.cli import console
from neuraltalk.cli.model_data import path_to_show
from neuraltalk.files import write_text
from neuraltalk.wording import plural

PICTURES_SHOWN = 60


def write_pages(options, checkpoint, dataset, images, aligner, regions, figures=()):
    """Write alignment.html and retrieval.html into options.output, of the first PICTURES_SHOWN images.

    options   those of eval_sentence_predictions.py: output, split, beta, page_pictures
    images    the images that were scored
    figures   (name, value) pairs of text for the heads of both
    """
    from neuraltalk.pages.alignment import alignment_page
    from neuraltalk.pages.retrieval import retrieval_page

    output, some = pathlib.Path(options.output), images[:PICTURES_SHOWN]
    paths = [path_to_show(dataset, image) for image in some]
    entries = align(aligner, checkpoint.vocabulary, regions, some, paths, options.beta)
    found = score_all(aligner, checkpoint.vocabulary, regions, some, paths)
    title = f"{dataset.name}, {options.split}"
    source = f"By {checkpoint.path}{f', epoch {checkpoint.epoch:.2f}' if checkpoint.epoch else ''}."
    sentences = plural(len(found[1]), "sentence")
    part = "" if len(some) == len(images) else f"first {len(some)} of {len(images):,} "
    with console.Progress(2 * len(some), "pages: picture") as progress:
        page = alignment_page(
            entries,
            f"{title}: words and regions",
            dataset.folder,
            output,
            figures,
            [source, about_words(entries, options.beta)],
            options.page_pictures,
            progress.update,
            [("What finds what: retrieval", "retrieval.html")],
            ("what it finds", "retrieval.html#p{imgid}"),
        )
        write_text(output / "alignment.html", page)
        page = retrieval_page(
            *found,
            f"{title}: what finds what",
            dataset.folder,
            output,
            figures,
            [source, f"Here the {part}pictures and their {sentences} rank among themselves; ✓ marks what belongs together."],
            options.page_pictures,
            lambda done: progress.update(len(some) + done),
            [("Pictures", "#pictures"), ("Sentences", "#sentences"), ("Words and regions", "alignment.html")],
            ("words and regions", "alignment.html#p{imgid}"),
        )
        write_text(output / "retrieval.html", page)
    console.say(f"pages       {output / 'alignment.html'}, {output / 'retrieval.html'}  (open them in a browser)")


def align(aligner, vocabulary, regions, images, paths, beta):
    """The first sentence of each image with the box of each word (eq 10-12) -> entries of pages/alignment.py."""
    from neuraltalk.data.packing import pack_words, rows_of_sentences
    from neuraltalk.decode.phrase_mrf import best_labels, unary_potentials

    tokens = [image.sentences[0].tokens for image in images]
    known = [vocabulary.encode(words) for words in tokens]
    block, packed = regions.of([image.imgid for image in images]), pack_words(known)
    v, s, rows = aligner.embed_regions(block), aligner.embed_words(packed), rows_of_sentences(packed)
    unary, counts = unary_potentials(v, block.offsets, s, rows, np.arange(len(images)))
    unary /= aligner.options.margin  # which is 1 in the paper: the unit of beta, and of the scores on the page
    scores = aligner.scores(v, block.offsets, s, packed) / aligner.options.margin
    entries = []
    for k, labels in enumerate(best_labels(unary, counts, rows, beta)):
        mine = unary[rows[k], : counts[k]]  # (n, R)
        chosen = [
            {"region": region, "score": float(row[region]), "alone": region if row[region] == row.max() else int(row.argmax())}
            for region, row in zip(labels.tolist(), mine)
        ]
        chosen.reverse()
        unknown = {"region": None, "score": None, "alone": None}
        entries.append(
            {
                "img_path": paths[k],
                "imgid": images[k].imgid,
                "boxes": block.boxes[block.offsets[k] : block.offsets[k + 1]].tolist(),
                "words": [{"text": word, **(chosen.pop() if vocabulary.encode([word]) else unknown)} for word in tokens[k]],
                "score": float(scores[k, k]),
            }
        )
    return entries


def score_all(aligner, vocabulary, regions, images, paths):
    """Some images with all their sentences -> images, sentences and scores as pages/retrieval.py takes them."""
    from neuraltalk.train.retrieval import TiledScores

    sentences = [(k, sentence) for k, image in enumerate(images) for sentence in image.sentences]
    encoded = [vocabulary.encode(sentence.tokens) for _, sentence in sentences]
    scores = TiledScores(aligner, regions, [image.imgid for image in images], encoded)
    return (
        [{"img_path": path, "imgid": image.imgid} for path, image in zip(paths, images)],
        [{"text": " ".join(sentence.tokens), "image": k} for k, sentence in sentences],
        scores(slice(0, len(images)), slice(0, len(encoded))) / aligner.options.margin,  # as on the other page
    )


def about_words(entries, beta):
    """What beta did, in a sentence."""
    words = [word for entry in entries for word in entry["words"] if word["region"] is not None]
    moved = sum(word["region"] != word["alone"] for word in words)
    return (
        "Each picture's first sentence: a word has the colour and number of the box that it chose, below it its score there; touch either. "
        f"Neighbours on one box gain beta = {beta:g}, which took {moved:,} of {plural(len(words), 'word')} (dotted) from their best box."
    )
