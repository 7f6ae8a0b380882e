"""`neuraltalk search`: the pictures of a data set that fit a text best, or its sentences that fit a picture best."""

import pathlib

from neuraltalk.cli import captioning, console
from neuraltalk.cli.arguments import Parser, count
from neuraltalk.cli.model_data import open_dataset, open_regions
from neuraltalk.errors import UserError

MANUAL = """Find the pictures of a data set that fit a text best, by an alignment model; or the sentences that fit a picture.

After `python driver.py --model alignment`:

    neuraltalk search "a dog runs"
    neuraltalk search cv/flickr8k_alignment_baseline.p "two children on the beach" -s val
    neuraltalk search --picture scene_10155.png

A number in front of each answer is its score: the sum over the words of each word's best region, in margins of the objective."""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted."""


def build_parser():
    """The options of neuraltalk search."""
    parser = Parser(
        usage="%(prog)s [options] [CHECKPOINT] TEXT\n       %(prog)s [options] [CHECKPOINT] --picture FILE",
        description=MANUAL,
        epilog=EPILOG,
    )
    parser.add_argument(
        "arguments",
        metavar="CHECKPOINT, TEXT",
        nargs="*",
        help="the model (default: the newest best alignment model in cv/) and the text, in quotes",
    )
    parser.add_argument(
        "--picture",
        metavar="FILE",
        help="a picture of the data set, by its file name, or any other if the model carries its extractor; finds sentences",
    )
    parser.add_argument(
        "-n", "--answers", type=count, default=10, metavar="N", help="how many (default: 10)"
    )
    parser.add_argument(
        "-d",
        "--dataset",
        metavar="NAME",
        help="where to search: a folder below data/, or the path of one (default: what the model was trained on)",
    )
    parser.add_argument(
        "-s",
        "--split",
        choices=("train", "val", "test", "all"),
        default="test",
        help="which pictures or sentences are searched (default: test)",
    )
    return parser


@console.command
def main(argv=None):
    """Search. Returns 0, or raises UserError."""
    options = build_parser().parse_args(argv)
    path, text = parts(options)
    checkpoint = captioning.open_checkpoint(path, "alignment")
    words, margin = None if text is None else known_words(text, checkpoint), checkpoint.aligner().options.margin
    dataset = open_dataset(options.dataset, checkpoint)
    images = searched(dataset, options.split, with_sentences=text is None)
    if text is not None:
        answers = find_pictures(checkpoint.aligner(), open_regions(dataset, checkpoint), words, images)
    elif is_elsewhere(dataset, options.picture) and checkpoint.extractor is not None:
        answers = find_sentences(checkpoint, OwnRegions(options.picture, checkpoint), 0, images)
    else:
        picture = find_picture(dataset, options.picture)
        answers = find_sentences(checkpoint, open_regions(dataset, checkpoint), picture.imgid, images, own=picture.imgid)
    for score, line in answers[: options.answers]:
        print(f"{score / margin:10.2f}  {line}")
    return 0


def parts(options):
    """What stood on the command line -> the checkpoint's path or None, the text or None."""
    given = list(options.arguments)
    text = given.pop() if options.picture is None and given else None
    if len(given) > 1:
        raise UserError("expected at most a checkpoint and a text; put the text in quotes; -h explains the options")
    if text is None and options.picture is None:
        raise UserError("nothing to search for: give a text in quotes, or --picture FILE; -h explains the options")
    if text is not None and not any(letter.isalnum() for letter in text):
        raise UserError(f"nothing to search for: the text {text!r:.60} has no words; give some, in quotes")
    if not given and text is not None and text.endswith(".p") and pathlib.Path(text).is_file():
        raise UserError(f"nothing to search for with {text}: give a text in quotes, or --picture FILE, behind it")
    return (given[0] if given else None), text


def known_words(text, checkpoint):
    """The numbers of the words of a text; tells which ones the model doesn't know."""
    from neuraltalk.data.importers import tokenize

    tokens = tokenize(text)
    unknown = [token for token in tokens if not checkpoint.vocabulary.encode([token])]
    if len(unknown) == len(tokens):
        raise UserError(f"{checkpoint.path} knows none of the words in {text!r:.60}; try others")
    if unknown:
        console.say(f"unknown     {', '.join(unknown)}: not in the model's vocabulary, skipped")
    return checkpoint.vocabulary.encode(tokens)


def is_elsewhere(dataset, name):
    """Whether a picture's file is there, and none of the data set's has its name."""
    return pathlib.Path(name).is_file() and pathlib.PurePath(name).name not in {
        pathlib.PurePosixPath(image.filename).name for image in dataset.images
    }


class OwnRegions:
    """The regions of one new picture, proposed from its pixels and measured by the checkpoint's extractor."""

    def __init__(self, path, checkpoint):
        from neuraltalk.cli.predict_regions import measured

        (self.proposal,) = measured([pathlib.Path(path)], checkpoint)

    def of(self, imgids):
        """As Regions.of() of [0], the only image."""
        import numpy as np

        from neuraltalk.data.regions import RegionBlock

        features = np.ascontiguousarray(self.proposal.features, np.float32)
        return RegionBlock(features, np.array([0, len(features)]), self.proposal.boxes)


def find_picture(dataset, name):
    """The image whose picture has this file name (a path before it doesn't count unless it must)."""
    wanted = pathlib.PurePath(name).name
    found = [image for image in dataset.images if pathlib.PurePosixPath(image.filename).name == wanted]
    if len(found) > 1:
        found = [
            image for image in found if dataset.picture_path(image).resolve() == pathlib.Path(name).resolve()
        ] or found
    if not found:
        raise UserError(
            f"{dataset.folder}/dataset.json has no picture {wanted!r:.60}, and regions are known of its pictures only; give "
            f"the file name of one of them, such as {dataset.images[0].filename}"
        )
    return found[0]


def searched(dataset, split, with_sentences):
    """The images of a split, or all; known to be some (with sentences, if these are searched)."""
    images = dataset.images if split == "all" else dataset.split(split)
    images = [image for image in images if image.sentences or not with_sentences]
    if not images:
        raise UserError(
            f"{dataset.folder}/dataset.json: nothing to search in its {split} split; choose another with -s (train, val, all)"
        )
    return images


def find_pictures(aligner, regions, words, images):
    """The images, best first: [(score, a line about it)]."""
    from neuraltalk.metrics.retrieval import IMAGES_AT_ONCE
    from neuraltalk.train.retrieval import TiledScores

    answers = []
    with console.Progress(len(images), "searching: picture", "picture") as progress:
        for first in range(0, len(images), IMAGES_AT_ONCE):
            some = images[first : first + IMAGES_AT_ONCE]
            scores = TiledScores(aligner, regions, [image.imgid for image in some], [words])
            column = scores(slice(0, len(some)), slice(0, 1))[:, 0]
            answers += [(float(score), about(image)) for score, image in zip(column, some)]
            progress.update(first + len(some))
    return sorted(answers, key=lambda answer: -answer[0])


def about(image):
    """A picture on a line: its name and its first sentence."""
    return f"{image.filename}   {image.sentences[0].raw if image.sentences else ''}".rstrip()


def find_sentences(checkpoint, regions, imgid, images, own=None):
    """The sentences of some images by how they fit the regions of `imgid`: [(score, the sentence)], best first, those of the
    image `own` marked.
    """
    from neuraltalk.metrics.retrieval import image_blocks
    from neuraltalk.train.retrieval import TiledScores

    aligner, encode = checkpoint.aligner(), checkpoint.vocabulary.encode
    answers = []
    with console.Progress(len(images), "searching: picture", "picture") as progress:
        for block, _ in image_blocks([1] * len(images)):
            sentences = [(image, sentence) for image in images[block] for sentence in image.sentences]
            scores = TiledScores(
                aligner, regions, [imgid], [encode(sentence.tokens) for _, sentence in sentences]
            )
            row = scores(slice(0, 1), slice(0, len(sentences)))[0]
            for score, (image, sentence) in zip(row, sentences):
                mark = "   (its own)" if image.imgid == own else ""
                answers.append((float(score), " ".join(sentence.raw.split()) + mark))
            progress.update(block.stop)
    return sorted(answers, key=lambda answer: -answer[0])
