"""`neuraltalk align`: one sentence and one picture, in numbers: from scores of words with boxes to snippets of text."""

from neuraltalk.cli import captioning, console
from neuraltalk.cli.arguments import Parser, number
from neuraltalk.cli.model_data import open_dataset, open_regions
from neuraltalk.cli.search import find_picture, known_words
from neuraltalk.errors import UserError
from neuraltalk.wording import plural

MANUAL = """Show how an alignment model divides one sentence among the boxes of one picture: each word's score with each box that
gets a word, the box that each word has for some values of beta, and the snippets of text that result.

After `python driver.py --model alignment`:

    neuraltalk align
    neuraltalk align --picture scene_10150.png "a boy is throwing a ball"
    neuraltalk align cv/flickr8k_alignment_baseline.p --beta 0 --beta 1

docs/alignment.md goes through such a table line by line."""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted."""

BETAS = (0.0, 0.3, 1.0, 10.0)


def build_parser():
    """The options of neuraltalk align."""
    parser = Parser(
        usage="%(prog)s [options] [CHECKPOINT] [TEXT]",
        description=MANUAL,
        epilog=EPILOG,
    )
    parser.add_argument(
        "arguments",
        metavar="CHECKPOINT, TEXT",
        nargs="*",
        help="the model, a file whose name ends in .p (default: the newest best alignment model in cv/), and the sentence, "
        "in quotes (default: the picture's first)",
    )
    parser.add_argument(
        "--picture", metavar="FILE", help="a picture of the data set, by its file name (default: the first of the test split)"
    )
    parser.add_argument(
        "--beta",
        type=number(),
        action="append",
        metavar="SCORE",
        help=f"gained by neighbouring words on one box; may be given several times (default: {', '.join(f'{b:g}' for b in BETAS)})",
    )
    parser.add_argument(
        "-d", "--dataset", metavar="NAME", help="whose pictures and regions (default: what the model was trained on)"
    )
    return parser


@console.command
def main(argv=None):
    """Print the tables. Returns 0, or raises UserError."""
    options = build_parser().parse_args(argv)
    path, text = parts(options.arguments)
    checkpoint = captioning.open_checkpoint(path, "alignment")
    dataset = open_dataset(options.dataset, checkpoint)
    if options.picture is None:
        image = (dataset.split("test") or dataset.images)[0]
    else:
        image = find_picture(dataset, options.picture)
    if text is None and not image.sentences:
        raise UserError(f"{image.filename} has no sentence in {dataset.folder}/dataset.json; give one, in quotes")
    words = known_words(" ".join(image.sentences[0].tokens) if text is None else text, checkpoint)
    block = open_regions(dataset, checkpoint).of([image.imgid])
    report(image.filename, checkpoint, words, block, options.beta or BETAS)
    return 0


def parts(given):
    """What stood on the command line -> the checkpoint's path or None, the text or None."""
    given = list(given)
    path = given.pop(0) if given and given[0].endswith(".p") else None
    if len(given) > 1:
        raise UserError("expected at most a checkpoint and a sentence; put the sentence in quotes; -h explains the options")
    return path, (given[0] if given else None)


def report(name, checkpoint, words, block, betas):
    """Print how the sentence `words` (numbers) is divided among the regions of `block` (a RegionBlock of one image)."""
    from neuraltalk.data.packing import pack_words
    from neuraltalk.decode.phrase_mrf import best_labels, energy, segments, unary_potentials

    aligner, tokens = checkpoint.aligner(), checkpoint.vocabulary.decode(words)
    packed = pack_words([words])  # a single sentence's rows are its words in order
    v, s = aligner.embed_regions(block), aligner.embed_words(packed)  # (R, h), (n, h)
    scores, regions = unary_potentials(v, block.offsets, s, [range(len(words))], [0])  # (n, R) eq 11
    scores /= aligner.options.margin
    [[total]] = aligner.scores(v, block.offsets, s, packed) / aligner.options.margin
    labels = [best_labels(scores, regions, [range(len(words))], beta)[0].tolist() for beta in betas]
    shown = sorted({region for own in (scores.argmax(axis=1).tolist(), *labels) for region in own})

    print(f"{name}: {' '.join(tokens)}")
    print(f"  score of picture and sentence {total:.2f}; {plural(len(v), 'box', 'boxes')}, of which these get words (xmin ymin xmax ymax):")
    for region in shown:
        corners = " ".join(f"{corner:5.0f}" for corner in block.boxes[region])
        print(f"    {region:3} {corners}{'   the whole picture' if region == 0 else ''}")
    width = max(map(len, (*tokens, "word")))
    print(f"  {'word':<{width}}" + "".join(f"{f'v{region}.s':>8}" for region in shown) + "".join(f"{f'beta {b:g}':>10}" for b in betas))
    for t, token in enumerate(tokens):
        best = scores[t].argmax()
        row = "".join(f"{scores[t, region]:7.2f}{'*' if region == best else ' '}" for region in shown)
        print(f"  {token:<{width}}{row}" + "".join(f"{own[t]:>10}" for own in labels))
    for beta, own in zip(betas, labels):
        print(f"  beta {beta:g}: E = {energy(scores, own, beta):.2f}")
        for piece in segments(own):
            print(f"    {piece.region:3}   {' '.join(tokens[piece.start : piece.stop])}")
