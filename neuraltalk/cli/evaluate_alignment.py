"""The figures of an alignment model: retrieval in both directions, and grounding where the truth is known."""

import itertools
import pathlib

from neuraltalk.cli import captioning, console, places
from neuraltalk.cli.alignment_pages import write_pages
from neuraltalk.cli.model_data import open_regions
from neuraltalk.data.phrases import load_phrases
from neuraltalk.errors import UserError
from neuraltalk.files import write_json
from neuraltalk.ranks import ALONE
from neuraltalk.wording import plural


def evaluate(options, checkpoint, dataset, images, skipped, ranks=ALONE):
    """Score `checkpoint` on some images of `dataset`, print the figures, write the result. Returns the exit code.

    options: those of eval_sentence_predictions.py; skipped: the share (0..1) of words that the model doesn't know. Retrieval
    is shared by the `ranks`; all else is rank 0's.
    """
    from neuraltalk.data.pairs import encode_pairs
    from neuraltalk.train.retrieval import pairs_by_image, retrieve

    if not 1 <= options.folds <= len(images):
        raise UserError(
            f"--folds {options.folds} of {plural(len(images), 'image')} make no sense; give 1, or at most as many as images"
        )
    with ranks.rank_0_first():  # it may measure or convert
        regions = open_regions(dataset, checkpoint)
    phrases = load_phrases(dataset.folder, len(dataset.images))
    places.check_output_folder(options.output)
    aligner, vocabulary = checkpoint.aligner(), checkpoint.vocabulary
    imgids, sentences = pairs_by_image(encode_pairs(images, vocabulary))

    with console.Progress(1, "scores: tile") as progress:

        def watch(done, total):
            progress.total = total
            progress.update(done)

        found = retrieve(aligner, regions, imgids, sentences, options.folds, watch, ranks)
        progress.update(progress.total)
    if ranks.rank > 0:
        return 0
    rows = retrieval_rows(found)
    result = {
        "params": captioning.plain(options),
        "checkpoint_params": captioning.plain(checkpoint.params),
        "images": len(images),
        "sentences": sum(map(len, sentences)),
        "retrieval": {
            "annotation": found.annotation._asdict(),
            "search": found.search._asdict(),
            "mean_recall_at_10": found.mean_recall,
            "folds": options.folds,
        },
    }
    if phrases is not None:
        grounded = ground(aligner, regions, phrases, imgids, sentences, vocabulary)
        result["grounding"] = {what: figures._asdict() for what, figures in grounded.items()}
        rows += list(itertools.chain.from_iterable(grounding_rows(what, figures) for what, figures in grounded.items()))

    fold = (
        f"; ranked within {plural(options.folds, 'fold')} of {plural(len(images) // options.folds, 'image')}" if options.folds > 1 else ""
    )
    print(f"{dataset.name}, {options.split} split: {plural(len(images), 'image')}, {plural(result['sentences'], 'sentence')}{fold}")
    print(f"  vocabulary {len(vocabulary):,} entries, {100 * skipped:.2f} % of the words skipped")
    for row in rows:
        print(row)
    json_path = pathlib.Path(options.output) / options.result_struct_filename
    write_json(json_path, result, indent=1)
    console.say(f"result      {json_path}")
    write_pages(options, checkpoint, dataset, images, aligner, regions, key_figures(found, result.get("grounding", {})))
    return 0


def key_figures(found, grounding):
    """What the heads of the pages show: (name, value)."""
    figures = [
        (f"{way}, {name}", f"{100 * share:.1f}")
        for way, recall in (("image to sentence", found.annotation), ("sentence to image", found.search))
        for name, share in (("R@1", recall.at_1), ("R@10", recall.at_10))
    ]
    return figures + [
        (f"{what}, IoU ≥ 0.5 (chance {100 * own['chance_overlap']:.0f})", f"{100 * own['overlap']:.1f}")
        for what, own in grounding.items()
    ]


def ground(aligner, regions, phrases, imgids, sentences, vocabulary):
    """Grounding of the images' phrases -> {"phrases": Grounding}, with "nouns" beside it for the embedded pictures.

    Empty if no phrase of these images can be scored.
    """
    from neuraltalk.data.packing import pack_words, rows_of_sentences
    from neuraltalk.decode.phrase_mrf import unary_potentials
    from neuraltalk.metrics.grounding import chosen_region, find_phrases, grounding, narrow

    nouns = scene_nouns(vocabulary, phrases)
    choices = {"phrases": [], "nouns": []}
    with console.Progress(len(imgids), "grounding: image", "image") as progress:
        for done, (imgid, own) in enumerate(zip(imgids, sentences)):
            found = find_phrases(phrases[imgid], own, vocabulary.encode)
            if found:
                block, packed = regions.of([imgid]), pack_words(own)
                v, s, rows = aligner.embed_regions(block), aligner.embed_words(packed), rows_of_sentences(packed)
                scores, _ = unary_potentials(v, block.offsets, s, rows, [0] * len(own))  # (M, R)
                for what, some in (("phrases", found), ("nouns", narrow(found, nouns.__contains__, own))):
                    choices[what] += [
                        (chosen_region(phrase, scores[rows[phrase.sentence]]), block.boxes, phrase.boxes)
                        for phrase in some
                    ]
            progress.update(done + 1)
    return {what: grounding(chosen) for what, chosen in choices.items() if chosen}


def scene_nouns(vocabulary, phrases):
    """The numbers of the words that name a thing, if the phrases are those of embedded pictures (they tell their things)."""
    if not any("things" in entry for entries in phrases[:20] for entry in entries):
        return set()
    from neuraltalk.data.scenes.world import NOUNS

    return set(vocabulary.encode(NOUNS))


def retrieval_rows(found):
    """The table of retrieval, as lines."""
    lines = [f"  {'':<20}{'R@1':>7}{'R@5':>7}{'R@10':>7}{'median rank':>13}"]
    for label, recall in (("image to sentence", found.annotation), ("sentence to image", found.search)):
        shares = "".join(f"{100 * share:7.1f}" for share in (recall.at_1, recall.at_5, recall.at_10))
        lines.append(f"  {label:<20}{shares}{recall.median_rank:>13g}")
    return [*lines, f"  mean of the R@10    {100 * found.mean_recall:21.1f}"]


def grounding_rows(what, figures):
    """The table of grounding, as lines."""
    rows = [("this model", "overlap", "pointing")]
    for label in ("chance", "largest box", "whole image"):
        name = label.split()[0]
        rows.append((label, f"{name}_overlap", f"{name}_pointing"))
    title = f"{figures.phrases:,} {what}"
    return [f"  {title:<20}{'IoU >= 0.5':>12}{'pointing':>10}"] + [
        f"    {label:<18}{100 * getattr(figures, overlap):12.1f}{100 * getattr(figures, pointing):10.1f}"
        for label, overlap, pointing in rows
    ]
