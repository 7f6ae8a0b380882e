"""The pieces of sentences that an aligner gives to the regions of their images (section 3.1.2 of the paper)."""

from neuraltalk.data.packing import pack_words, rows_of_sentences
from neuraltalk.decode.phrase_mrf import best_labels, segments, unary_potentials

IMAGES_AT_ONCE = 64


def snippets(aligner, regions, images, betas, progress=None):
    """Yield for each image, for each of `betas`, the list of (sentence, Segment) of its sentences, in their order.

    images    list of (imgid, [word numbers of each of its sentences])
    regions   a Regions; a Segment's region is counted within its image, its words among the sentence's known words
    progress  called with the number of images done

    A sentence without known words has no segment.
    """
    for first in range(0, len(images), IMAGES_AT_ONCE):
        some = images[first : first + IMAGES_AT_ONCE]
        block = regions.of([imgid for imgid, _ in some])
        owners = [k for k, (_, own) in enumerate(some) for _ in own]
        sentences = [words for _, own in some for words in own]
        found = [[[] for _ in betas] for _ in some]
        if sentences:
            packed = pack_words(sentences)
            rows = rows_of_sentences(packed)
            s, v = aligner.embed_words(packed), aligner.embed_regions(block)
            unary, counts = unary_potentials(v, block.offsets, s, rows, owners)
            unary /= aligner.options.margin  # which is 1 in the paper: the unit of beta
            begin = [owners.index(k) if k in owners else 0 for k in range(len(some))]
            for b, beta in enumerate(betas):
                for n, (k, labels) in enumerate(zip(owners, best_labels(unary, counts, rows, beta))):
                    found[k][b] += [(n - begin[k], segment) for segment in segments(labels)]
        yield from found
        if progress:
            progress(first + len(some))
