"""What people said of regions, where it is known: the phrases of an image whose true box is a region's."""

import numpy as np

from neuraltalk.metrics.grounding import IOU, overlaps


def true_phrases(entries, boxes):
    """The phrases of one image that speak of each of its regions -> a list of lists of texts, one for each box.

    entries   the image's entries in phrases.json: {"sentence", "phrase", "box"}
    boxes     (R, 4)

    A phrase speaks of the regions that overlap its box by IOU or more. One with several boxes ("two dogs") speaks of
    none of them alone and is left out. Texts are in lower case, in the order of the entries, each once a sentence.
    """
    true_boxes = {}
    for entry in entries:
        true_boxes.setdefault((entry["sentence"], entry["phrase"].lower()), []).append(entry["box"])
    single = [(text, own[0]) for (_, text), own in true_boxes.items() if len(own) == 1]
    if not single:
        return [[] for _ in boxes]
    close = overlaps(boxes, np.array([box for _, box in single])) >= IOU  # (R, phrases)
    return [[text for (text, _), near in zip(single, row) if near] for row in close]
