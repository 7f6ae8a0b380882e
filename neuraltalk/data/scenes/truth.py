"""Reading scenes.json, the truth of embedded pictures (world.py tells what is in it), checked: it lies beside pictures from anywhere."""

import pathlib

from neuraltalk.data.dataset import SPLITS
from neuraltalk.errors import UserError
from neuraltalk.formats.whole import read_json

NAME = "scenes.json"


def read_scenes(folder, numbered=False):
    """FOLDER/scenes.json -> list of scenes; numbered: each has to have an imgid and a split. Raises UserError with the first fault."""
    path = pathlib.Path(folder) / NAME
    scenes = read_json(path)
    if not isinstance(scenes, list):
        raise UserError(f"{path}: not the truth of embedded pictures (expected a list of scenes); build them again or move it away")
    for place, scene in enumerate(scenes):
        fault = _fault(scene) or numbered and _fault_of_numbering(scene, place)
        if fault:
            raise UserError(f"{path}: not the truth of embedded pictures (scene {place}: {fault}); build them again or move it away")
    return scenes


def _fault(scene):
    """What is wrong with a scene, or None."""
    if not isinstance(scene, dict):
        return "no object"
    for key in ("filename", "setting", "time"):
        if not isinstance(scene.get(key), str):
            return f"no {key}"
    things, relations = scene.get("things"), scene.get("relations")
    if not isinstance(things, list) or not all(map(_is_thing, things)):
        return "no things with kind, colour, size, does and box"
    if not isinstance(relations, list) or not all(_is_relation(relation, len(things)) for relation in relations):
        return "no relations of its things"
    return None


def _fault_of_numbering(scene, place):
    return None if scene.get("imgid") == place and scene.get("split") in SPLITS else "no imgid in order, or no split"


def _is_thing(thing):
    if not isinstance(thing, dict) or not isinstance(thing.get("kind"), str):
        return False
    box, does = thing.get("box", [0, 0, 0, 0]), thing.get("does")
    return (
        isinstance(thing.get("colour", 0), (str, type(None)))
        and isinstance(thing.get("size", 0), (str, type(None)))
        and isinstance(does, list)
        and all(isinstance(verb, str) for verb in does)
        and isinstance(box, list)
        and len(box) == 4
        and all(type(number) in (int, float) and -1e9 < number < 1e9 for number in box)
    )


def _is_relation(relation, things):
    if not isinstance(relation, list) or len(relation) != 3 or not isinstance(relation[1], str):
        return False
    return all(type(index) is int and 0 <= index < things for index in relation[::2])
