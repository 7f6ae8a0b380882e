"""The figures of a captioner of regions: each sentence against what people said of its region."""

import collections
import pathlib

from neuraltalk.cli import captioning, console, model_features, places
from neuraltalk.cli.model_data import check_words, open_features, path_to_show
from neuraltalk.errors import UserError
from neuraltalk.ranks import ALONE
from neuraltalk.wording import plural

REGIONS_AT_ONCE = 512


def evaluate(options, checkpoint, dataset, ranks=ALONE):
    """Score `checkpoint` on the regions of a split, print the figures, write result and page. Returns the exit code.

    options: those of eval_sentence_predictions.py. The describing is shared by the `ranks`; all else is rank 0's.
    """
    from neuraltalk.data.pairs import encode_pairs
    from neuraltalk.train.perplexity import perplexity

    images, references, source = choose_regions(options, dataset)
    features = open_features(dataset, images, checkpoint, ranks)
    told = [image for image in images if image.sentences]
    skipped = check_words(dataset, told, checkpoint) if told else 0.0
    compared = None
    if options.compare is not None:
        compared = captioning.open_checkpoint(options.compare, "captioner")
        check_compared(compared, dataset, features)
    places.check_output_folder(options.output)

    rows = features.rows([image.imgid for image in images])
    written = captioning.describe_images(checkpoint.captioner(), rows, options, ranks)
    gtppl = None
    if told:
        gtppl = perplexity(checkpoint.captioner(), features, encode_pairs(told, checkpoint.vocabulary), ranks=ranks).perplexity
    if compared is not None:
        whole = captioning.describe_images(compared.captioner(), features_of_parts(compared, dataset, images, rows), options, ranks)
    if ranks.rank > 0:
        return 0
    blobs = [
        {
            **captioning.blob(path_to_show(dataset, image), found, checkpoint.vocabulary, own, image.imgid),
            "box": list(image.box),
        }
        for image, found, own in zip(images, written, references)
    ]
    systems = {"this model": [entry["candidate"]["text"].split() for entry in blobs]}
    if compared is not None:
        systems["whole images'"] = [compared.vocabulary.decode(found[0].words) for found in whole]
    systems["nearest region"] = nearest_snippets(dataset, features, rows)
    judged = judge_all(systems, dataset, images)
    for entry, verdict in zip(blobs, judged.get("this model", [])):
        entry["verdict"] = verdict
    figures = {name: figures_of(sentences, references, judged.get(name)) for name, sentences in systems.items()}

    regions = f"{plural(len(images), 'region')} of {plural(len({image.source for image in images}), 'picture')}"
    print(f"{dataset.name}, {options.split} split: {regions}; {captioning.beam_text(options.beam_size)}")
    print(f"  references: {source}, {sum(map(len, references)) / len(images):.1f} a region")
    if gtppl is not None:
        print(
            f"  perplexity of the snippets {gtppl:.2f}, {len(checkpoint.vocabulary):,} vocabulary entries, "
            f"{100 * skipped:.2f} % of the words skipped"
        )
    for line in table(figures):
        print(line)
    save(options, checkpoint, dataset, blobs, gtppl, figures, source)
    return 0


def save(options, checkpoint, dataset, blobs, gtppl, figures, source):
    """Write the result and its page, and say where they are."""
    result = {**captioning.result_struct(options, checkpoint, blobs, gtppl), "regions": figures}
    json_path = pathlib.Path(options.output) / options.result_struct_filename
    captioning.write_result(
        result,
        json_path,
        json_path.with_suffix(".html"),
        f"Regions of {dataset.name}, {options.split}",
        dataset.folder,
        options,
        [(label, f"{100 * value:.1f}") for label, value in figures["this model"].items() if label != "mean length"],
        [captioning.search_note(checkpoint, options), f"References: {source}. All figures in percent."],
    )
    console.say(f"result      {json_path}")
    console.say(f"page        {json_path.with_suffix('.html')}  (open it in a browser)")


def choose_regions(options, dataset):
    """The regions to describe -> (their Images, the references of each as texts, where these are from).

    What people said is the truth; a data set without any is scored by its own snippets, which an alignment model chose.
    """
    from neuraltalk.data.region_pairs import load_truth

    truth = load_truth(dataset)
    everything = dataset.split(options.split)
    references = {image.imgid: list(dict.fromkeys(truth[image.imgid])) if truth else [] for image in everything}
    source = "what people said of the region"
    if not any(references.values()):
        references = {image.imgid: [" ".join(s.tokens) for s in image.sentences] for image in everything}
        source = "the alignment model's snippets (nobody's truth is known here)"
    images = [image for image in everything if references[image.imgid]]
    if not images:
        raise UserError(
            f"{dataset.folder}/dataset.json: nothing is said of any region of its {options.split} split; choose another with -s"
        )
    images = images[: len(images) if options.max_images == -1 else options.max_images]
    without_box = next((image for image in images if image.box is None or image.source is None), None)
    if without_box is not None:
        raise UserError(
            f"{dataset.folder}/dataset.json: image {without_box.imgid} has no box or source, which regions need; write the "
            "data set again (neuraltalk phrases)"
        )
    return images, [references[image.imgid] for image in images], source


def check_compared(compared, dataset, features):
    """Whether a captioner of whole images can see the regions: cut out as pictures, or by features of its kind."""
    if compared.extractor is None and compared.image_dimension != features.dimension:
        raise UserError(
            f"--compare {compared.path} takes {compared.image_dimension} numbers an image and can't extract them; "
            f"{features.path} has {features.dimension} a region. Name a captioner of such features, or one "
            "that carries its extractor"
        )


def features_of_parts(compared, dataset, images, rows):
    """What a captioner of whole images sees of regions: the pixels of each as a picture, or `rows` if it knows such."""
    from neuraltalk.vision.pictures import open_picture

    if compared.extractor is None:
        return rows
    extractor = model_features.carried_extractor(compared)
    if compared.image_dimension != extractor.dimension:  # itself a captioner of regions
        if compared.image_dimension != rows.shape[1]:
            raise UserError(
                f"--compare {compared.path} takes {compared.image_dimension} numbers, the regions have {rows.shape[1]}; name a "
                "captioner of whole images"
            )
        return rows

    def parts():
        picture, path = None, None
        for image in images:
            if dataset.picture_path(image) != path:
                path = dataset.picture_path(image)
                picture = open_picture(path)
            xmin, ymin, xmax, ymax = (round(number) for number in image.box)
            yield picture.crop((xmin, ymin, max(xmax, xmin + 1), max(ymax, ymin + 1)))

    with console.Progress(len(images), "parts as pictures: region", "region") as progress:
        return extractor.features(parts(), progress.update)


def nearest_snippets(dataset, features, rows):
    """For each row (n, D) the most usual snippet, the first of equals, of the training region nearest by angle: token lists."""
    from neuraltalk.metrics.nearest import nearest

    train = [image for image in dataset.split("train") if image.sentences]
    blocks = range(0, len(train), REGIONS_AT_ONCE)
    at, _ = nearest(rows, (features.rows([image.imgid for image in train[k : k + REGIONS_AT_ONCE]]) for k in blocks))
    if not train:
        return [[] for _ in rows]
    usual = {}
    for k in set(at.tolist()):
        counts = collections.Counter(tuple(sentence.tokens) for sentence in train[k].sentences)
        usual[k] = list(counts.most_common(1)[0][0])
    return [usual[k] for k in at.tolist()]


def judge_all(systems, dataset, images):
    """The verdicts on each system's sentences, if the pictures are embedded ones; else {}."""
    truth = captioning.load_truth(dataset.regions_of)
    if truth is None or any(image.filename not in truth for image in images):
        return {}
    from neuraltalk.data.scenes.region_judge import judge_region

    return {
        name: [judge_region(tokens, truth[image.filename], image.box) for tokens, image in zip(sentences, images)]
        for name, sentences in systems.items()
    }


def figures_of(sentences, references, verdicts):
    """The figures of one system: shares 0..1, mean length in words."""
    from neuraltalk.metrics.diversity import distinct_share, mean_length
    from neuraltalk.metrics.scores import score

    figures = score([" ".join(tokens) for tokens in sentences], references).figures()
    if verdicts:
        from neuraltalk.data.scenes.region_judge import names_a_thing

        figures["true"] = verdicts.count("true") / len(verdicts)
        named = [verdict for tokens, verdict in zip(sentences, verdicts) if names_a_thing(tokens)]
        figures["true of things"] = named.count("true") / max(len(named), 1)
        figures["no phrase"] = verdicts.count("not a phrase") / len(verdicts)
    return {**figures, "distinct": distinct_share(sentences), "mean length": mean_length(sentences)}


def table(figures):
    """The figures of all systems side by side, as lines."""
    columns = list(next(iter(figures.values())))
    widths = [max(8, len(column) + 2) for column in columns]
    lines = ["  " + " " * 16 + "".join(f"{column:>{width}}" for column, width in zip(columns, widths))]
    for name, values in figures.items():
        shown = [values[column] * (1 if column == "mean length" else 100) for column in columns]
        lines.append(f"  {name:<16}" + "".join(f"{value:{width}.1f}" for value, width in zip(shown, widths)))
    return lines
