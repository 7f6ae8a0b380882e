"""The figures of captioners of whole images: one model in detail; or several, with several beam sizes, people and a baseline."""

import copy
import pathlib
import re

from neuraltalk.cli import captioning, console, places, score_table, scoring
from neuraltalk.cli.model_data import Extracted, check_words, open_features, path_to_show
from neuraltalk.errors import UserError
from neuraltalk.ranks import ALONE
from neuraltalk.wording import plural

PAIRINGS = {  # what a picture of each kind has
    "seen pairings": "has only combinations that training showed",
    "new pairings": "has a combination that training never showed",
}
ROWS_AT_ONCE = 512  # training features in memory at a time: 8 MB for fc7
NOTE = "Scores as coco-caption has them, BLEU with brevity penalty: here over the whole set and times 100, below each sentence its own."


def evaluate(options, checkpoints, beams, dataset, images, ranks=ALONE):
    """Describe the images with each model and beam size, print the figures, write results and page. Returns the exit code.

    The describing is shared by the `ranks`; all else is rank 0's.
    """
    training = [image for image in dataset.split("train") if image.sentences]
    if options.nearest and not training:
        raise UserError(f"{dataset.folder}: no training images with sentences, so there is no nearest one; leave --nearest out")
    features = open_all(dataset, images, training if options.nearest else [], checkpoints, ranks)
    skipped = [check_words(dataset, images, checkpoint) for checkpoint in checkpoints]
    places.check_output_folder(options.output)

    from neuraltalk.metrics.tokenizer import tokenize

    references = [[" ".join(sentence.tokens) for sentence in image.sentences] for image in images]
    known = [sentence.tokens for image in training for sentence in image.sentences]
    truth = captioning.load_truth(dataset.folder)
    human = scoring.people(references, tokenize) if options.human and ranks.rank == 0 else None
    measured, results = [], []

    def add(label, blobs, result, perplexity=None):
        measured.append((*score_blobs(label, blobs, references, options, known, truth, perplexity), True))
        results.append((label, result))

    for checkpoint, rows, share in zip(checkpoints, features, skipped):
        vectors, gtppl = rows.rows([image.imgid for image in images]), perplexity_of(checkpoint, rows, images, ranks)
        for beam in beams:
            search = copy.copy(options)
            search.beam_size, search.checkpoint = beam, str(checkpoint.path)
            blobs = describe(checkpoint, vectors, search, dataset, images, references, ranks)
            if ranks.rank > 0:
                continue
            label = f"{checkpoint.path}, {captioning.beam_text(beam)}"
            add(label, blobs, captioning.result_struct(search, checkpoint, blobs, gtppl), gtppl)
            system = measured[-1][0]
            system.figures |= {"vocabulary": len(checkpoint.vocabulary), "skipped words": share}
            system.notes["perplexity"] = (
                f"{len(checkpoint.vocabulary):,} vocabulary entries, {100 * share:.2f} % of the words skipped"
            )
    if ranks.rank > 0:
        return 0
    if options.nearest:
        blobs = nearest_sentences(dataset, images, references, training, features[0])
        add("the nearest training image's sentence", blobs, {"params": captioning.plain(options), "imgblobs": blobs})
    if human:
        measured.append((*human, False))
    scoring.add_intervals(measured, options)

    systems = [system for system, _, _ in measured]
    heading = (
        f"{dataset.name}, {options.split} split: {plural(len(images), 'image')}, {plural(sum(map(len, references)), 'sentence')}"
        + (f"; {captioning.beam_text(beams[0])}" if len(systems) == 1 else "")
    )
    about = {"dataset": dataset.name, "split": options.split, "images": len(images), "sentences": sum(map(len, references))}
    score_table.show(heading, systems, options, about)
    notes = [captioning.search_note(checkpoints[0], options), NOTE] if len(systems) == 1 else [NOTE]
    write_all(results, systems[: len(results)], options, f"{dataset.name}, {options.split}", dataset.folder, notes)
    return 0


def score_blobs(label, blobs, references, options, known, truth, perplexity=None):
    """Score one system's sentences, and write into each blob its own -> as scoring.measure."""
    from neuraltalk.metrics.tokenizer import tokenize

    verdicts = captioning.judge_blobs(blobs, truth) if truth else []
    texts = [entry["candidate"]["text"] for entry in blobs]
    whole = verdicts if len(verdicts) == len(blobs) else []  # the truth of some only isn't a figure of all
    system, scores = scoring.measure(label, texts, references, options, tokenize, known, [verdict for verdict, _ in whole], perplexity)
    for entry, own in zip(blobs, scores.of_each()):
        entry["scores"] = own
    system.below = judged(verdicts)
    if whole:
        system.notes["true captions"] = system.below.pop(0)[2]
        system.figures |= {name: share for name, share, _ in by_pairing(verdicts)}
    return system, scores


def open_all(dataset, images, training, checkpoints, ranks=ALONE):
    """For each checkpoint the features that it takes. Those made from pictures are made once for all that share an extractor."""
    made, opened = {}, []
    for checkpoint in checkpoints:
        kind = (checkpoint.extractor or {}).get("fingerprint")
        features = made.get(kind) or open_features(dataset, images + training, checkpoint, ranks)
        if isinstance(features, Extracted):
            made[kind] = features
        opened.append(features)
    return opened


def perplexity_of(checkpoint, features, images, ranks=ALONE):
    """The perplexity of the images' sentences."""
    from neuraltalk.data.pairs import encode_pairs
    from neuraltalk.train.perplexity import perplexity

    return perplexity(checkpoint.captioner(), features, encode_pairs(images, checkpoint.vocabulary), ranks=ranks).perplexity


def describe(checkpoint, rows, options, dataset, images, references, ranks=ALONE):
    """The blobs of a result_struct: a model's sentences about feature rows."""
    found = captioning.describe_images(checkpoint.captioner(), rows, options, ranks)
    return [
        captioning.blob(path_to_show(dataset, image), captions, checkpoint.vocabulary, own, image.imgid)
        for image, captions, own in zip(images, found, references, strict=True)
    ]


def nearest_sentences(dataset, images, references, training, features):
    """The same for a baseline that knows no words: the first sentence of the training image nearest by cosine."""
    from neuraltalk.metrics.nearest import nearest

    def blocks():
        with console.Progress(len(training), "nearest image: training image", "image") as progress:
            for first in range(0, len(training), ROWS_AT_ONCE):
                some = training[first : first + ROWS_AT_ONCE]
                yield features.rows([image.imgid for image in some])
                progress.update(first + len(some))

    at, _ = nearest(features.rows([image.imgid for image in images]), blocks())
    return [
        {
            "img_path": pathlib.PurePath(path_to_show(dataset, image)).as_posix(),
            "candidate": {"text": " ".join(training[k].sentences[0].tokens)},
            "references": [{"text": text} for text in own],
            "imgid": image.imgid,
        }
        for image, own, k in zip(images, references, at.tolist(), strict=True)
    ]


def write_all(results, systems, options, title, folder, notes):
    """A result_struct for each system and one page of all, and say where they are."""
    json_path = pathlib.Path(options.output) / options.result_struct_filename
    page_path = json_path.with_suffix(".html")
    figures = score_table.page_figures(systems)
    lettered = [json_path.with_stem(f"{json_path.stem}_{score_table.letter_of(k)}") for k in range(len(results))]
    set_aside(json_path, {json_path} if len(results) == 1 else set(lettered))
    if len(results) == 1:
        captioning.write_result(results[0][1], json_path, page_path, title, folder, options, figures, notes)
        console.say(f"result      {json_path}")
    else:
        for path, (_, result) in zip(lettered, results):
            captioning.write_struct(result, path)
            console.say(f"result      {path}")
        captioning.write_page(results, page_path, title, folder, options.page_pictures, figures, notes)
    console.say(f"page        {page_path}  (open it in a browser)")


def set_aside(json_path, current):
    """Rename results that an earlier run left beside `json_path` and this one, which writes `current`, won't replace."""
    ours = re.compile(re.escape(json_path.stem) + r"(_[A-Z]\d*)?\.json")
    for path in sorted(json_path.parent.iterdir()):
        if ours.fullmatch(path.name) and path not in current:
            previous = path.with_stem(f"{path.stem}.previous")
            path.replace(previous)
            console.say(f"set aside   {path} of an earlier run is {previous.name} now")


def judged(verdicts):
    """Rows about the truth of captions, where it is known: all, and apart those with combinations never trained on."""
    if not verdicts:
        return []
    odd = sum(verdict == "not a sentence" for verdict, _ in verdicts)
    rows = [
        (
            "true captions",
            f"{100 * captioning.true_share(verdicts):.1f} %",
            f"{100 * odd / len(verdicts):.1f} % aren't sentences of this world",
        )
    ]
    for name, share, count in by_pairing(verdicts):
        whose = plural(count, "picture: it", "pictures, each")
        rows.append((f"  {name}", f"{100 * share:.1f} %", f"{whose} {PAIRINGS[name]}"))
    return rows


def by_pairing(verdicts):
    """(which of PAIRINGS, share of true captions, how many pictures) for both, if both are there."""
    parts = [[verdict for verdict in verdicts if verdict[1] == held_out] for held_out in (False, True)]
    return [(name, captioning.true_share(part), len(part)) for name, part in zip(PAIRINGS, parts)] if all(parts) else []
