"""What people said of regions, where it is known: the phrases of an image whose true box is a region's."""

import numpy as np

from neuraltalk.metrics.grounding import IOU, find_run, overlaps


def true_phrases(entries, sentences, boxes):
    """The phrases of one image that speak of each of its regions -> a list of lists of texts, one for each box.

    entries     the image's entries in phrases.json: {"sentence", "phrase", "box"}
    sentences   the words of each of its sentences
    boxes       (R, 4)

    A phrase speaks of the regions that overlap its box by IOU or more. One with several boxes ("two dogs") speaks of
    none of them alone and is left out. Two phrases of one box with at most a word between them are one: "a girl" and
    "a red dress" become "a girl in a red dress". Texts are in lower case, in the order of the entries, each once a sentence.
    """
    true_boxes = {}
    for entry in entries:
        true_boxes.setdefault((entry["sentence"], entry["phrase"].lower()), []).append(tuple(entry["box"]))
    single = [(number, text, own[0]) for (number, text), own in true_boxes.items() if len(own) == 1]
    single = _joined(single, sentences)
    if not single:
        return [[] for _ in boxes]
    close = overlaps(boxes, np.array([box for _, _, box in single])) >= IOU  # (R, phrases)
    return [[text for (_, text, _), near in zip(single, row) if near] for row in close]


def _joined(phrases, sentences):
    """Phrases (sentence, text, box), those that are neighbours and speak of one box made one."""
    joined = []
    for number, text, box in phrases:
        if joined and joined[-1][0] == number and joined[-1][2] == box and number < len(sentences):
            words = [word.lower() for word in sentences[number]]
            first, second = joined[-1][1].split(), text.split()
            start = find_run(first, words)
            for gap in (0, 1):
                stop = (start or 0) + len(first) + gap
                if start is not None and words[stop : stop + len(second)] == second:
                    joined[-1] = (number, " ".join(words[start : stop + len(second)]), box)
                    break
            else:
                joined.append((number, text, box))
        else:
            joined.append((number, text, box))
    return joined
