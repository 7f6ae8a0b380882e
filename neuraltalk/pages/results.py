"""Reading `result_struct.json` files of any age, and bringing several into one order.

The schema is told in captions.py. The original's files have no log probability for some pictures, no references for
others, and paths of pictures from another machine's folders; none of that is a mistake. A file is refused if it holds no
captions at all or something else in a caption's place, in one line that tells where.
"""

import math
import pathlib

from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_json


def read_result(path):
    """A result_struct, checked: as captions.captions_page takes it."""
    result = read_json(path)
    blobs = result.get("imgblobs") if isinstance(result, dict) else None
    if not isinstance(blobs, list) or not blobs:
        raise UserError(
            f'{path}: no captions in it (expected a list "imgblobs" with some); give the result_struct.json that predicting or '
            "evaluating a captioner wrote"
        )
    checked = [_blob(blob, f'{path}: "imgblobs", entry {number}') for number, blob in enumerate(blobs, 1)]
    return {**result, "imgblobs": checked}


def _blob(blob, where):
    """One picture's entry, checked, with what is unknown left out."""
    if not isinstance(blob, dict) or not isinstance(blob.get("img_path"), str):
        raise UserError(f'{where}: no "img_path" with a file name; the file is damaged or not a result_struct.json')
    if not isinstance(blob.get("verdict"), (str, type(None))):
        raise UserError(f'{where}: "verdict" is {blob["verdict"]!r:.40}; expected a text')
    box = blob.get("box")
    if box is not None and not (isinstance(box, list) and len(box) == 4 and all(map(_finite, box))):
        raise UserError(f'{where}: "box" is {box!r:.60}; expected [xmin, ymin, xmax, ymax]')
    scores = blob.get("scores") or {}
    if not isinstance(scores, dict):
        raise UserError(f'{where}: "scores" is {scores!r:.40}; expected names with numbers')
    return {
        **blob,
        "candidate": _sentence(blob.get("candidate"), f'{where}, "candidate"'),
        "candidates": [_sentence(each, f'{where}, "candidates"') for each in _list(blob, "candidates", where)],
        "references": [_sentence(each, f'{where}, "references"') for each in _list(blob, "references", where)],
        "scores": {name: number for name, value in scores.items() if (number := _number(value)) is not None},
    }


def _list(blob, name, where):
    value = blob.get(name) or []
    if not isinstance(value, list):
        raise UserError(f'{where}: "{name}" is {value!r:.40}; expected a list')
    return value


def _sentence(value, where):
    """{"text", "logprob"} with a number or None for the second."""
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise UserError(f'{where}: {value!r:.60} where a sentence should be, {{"text": "a dog"}}')
    return {"text": value["text"], "logprob": _number(value.get("logprob"))}


def _number(value):
    """A number, or None for anything else and for one that isn't known."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # hundreds of digits
        return None
    return None if math.isnan(number) else number


def _finite(value):
    number = _number(value)
    return number is not None and math.isfinite(number)


def same_order(results, paths):
    """Results (as read) of several files, brought into the first one's order -> (results, how many pictures not all of them have).

    Pictures are the same if their paths are, or else, in files from different folders, their names.
    """
    for key in (_place, _name):
        tables = [{key(blob): blob for blob in result["imgblobs"]} for result in results]
        common = [name for name in tables[0] if all(name in table for table in tables)]
        if common and all(len(table) == len(result["imgblobs"]) for table, result in zip(tables, results)):
            first = tables[0]
            ordered = [
                {**result, "imgblobs": [{**table[name], "img_path": first[name]["img_path"]} for name in common]}
                for result, table in zip(results, tables)
            ]
            return ordered, len(set().union(*tables)) - len(common)
    raise UserError(f"{', '.join(map(str, paths))}: not about the same pictures, one entry for each; give results on one set of pictures")


def _place(blob):
    return (blob["img_path"], *(blob.get("box") or ()))


def _name(blob):
    return (pathlib.PurePosixPath(blob["img_path"].replace("\\", "/")).name, *(blob.get("box") or ()))


def about(result):
    """What a result tells of itself: {"model", "dataset", "split", "folder", "perplexity"}, None where it doesn't."""
    params, checkpoint = (
        value if isinstance(value := result.get(key), dict) else {} for key in ("params", "checkpoint_params")
    )
    model = [params.get("checkpoint") or params.get("checkpoint_path"), checkpoint.get("generator")]
    if params.get("beam_size"):
        model.append("greedy" if params["beam_size"] == 1 else f"beam {params['beam_size']}")
    found = {
        "model": ", ".join(str(part) for part in model if part),
        "dataset": params.get("dataset") or checkpoint.get("dataset"),
        "split": params.get("split"),
        "folder": params.get("root_path"),
    }
    texts = {name: value if isinstance(value, str) and value else None for name, value in found.items()}
    return {**texts, "perplexity": _number(result.get("gtppl"))}
