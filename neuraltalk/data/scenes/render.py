"""Scenes are painted here: the backdrop, shadows, then the things from the farthest to the nearest."""

import numpy as np
from PIL import Image, ImageDraw

from neuraltalk.data.scenes import world
from neuraltalk.data.scenes.backdrops import backdrop
from neuraltalk.data.scenes.figures import FIGURES
from neuraltalk.data.scenes.pen import OUTLINE, Pen, curve
from neuraltalk.data.scenes.poses import joints

SIDE = 128
FINER = 3  # painted this much larger, then averaged down


def render(scene, seed, side=SIDE):
    """Paint a scene: scene (dict, see world.py), seed of its small accidents (clouds, houses), side in pixels.

    -> PIL RGB picture (side x side), list of boxes [xmin, ymin, xmax, ymax] in pixels, one for each thing: what was
    drawn of it, cut at the border; what covers it is not subtracted.
    """
    rng = np.random.default_rng(seed)
    large = side * FINER
    picture = backdrop(scene["setting"], scene["time"], rng, large)
    things = scene["things"]
    _shadows(picture, things, large)
    draw = ImageDraw.Draw(picture)
    boxes = [None] * len(things)
    order = sorted(range(len(things)), key=lambda i: (things[i]["depth"], i))
    _strings(draw, scene, large)
    for i in order:
        thing = things[i]
        x, bottom, width, height = thing["place"]
        pen = Pen(draw, x - width / 2, bottom - height, width, height, large, thing["faces"])
        colour = world.COLOURS.get(thing["colour"])
        if colour:
            jitter = rng.integers(-7, 8, 3)
            colour = tuple(int(min(255, max(0, c + j))) for c, j in zip(colour, jitter))
        FIGURES[thing["kind"]](pen, colour, thing)
        boxes[i] = [round(float(np.clip(v / FINER, 0, side)), 1) for v in pen.extent]
    return picture.reduce(FINER), boxes


def _shadows(picture, things, side):
    """A soft dark ellipse on the ground under each thing (the highest things have none)."""
    layer = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(layer)
    for thing in things:
        x, bottom, width, height = thing["place"]
        if bottom > .66:
            width *= .50 if thing["kind"] not in world.PEOPLE else .42
            draw.ellipse(((x - width) * side, (bottom - .022) * side, (x + width) * side, (bottom + .02) * side), 70)
    top = round(.6 * side)
    picture.paste((30, 26, 50), (0, top), layer.crop((0, top, side, side)))


def _strings(draw, scene, side):
    """What joins a hand to what it holds on a string: a balloon, a kite, a dog."""
    things = scene["things"]
    for subject, relation, object_ in scene["relations"]:
        person, thing = things[subject], things[object_]
        if relation == "fly" or (relation == "hold" and thing["kind"] == "balloon"):
            share = (0, 0) if relation == "hold" else (0, -.55)
        elif relation == "walk":
            share = (.22 * thing["faces"], -.50)
        else:
            continue
        hand = joints(person["kind"], person["pose"])["right_hand"]
        x, bottom, _, height = person["place"]
        start = (x + person["faces"] * hand[0] * height, bottom - (1 - hand[1]) * height)
        x, bottom, width, height = thing["place"]
        end = (x + share[0] * width, bottom + share[1] * height)
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + .03)
        points = curve(start, middle, end)
        draw.line([(px * side, py * side) for px, py in points], OUTLINE, max(1, side // 150))
