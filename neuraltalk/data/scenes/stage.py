"""The stage on which compose.py puts things: where they stand, what they hold, which colours are taken.

A thing's "place" is (middle x, bottom y, width, height) with the picture's side as 1 and y downwards.
"""

from neuraltalk.data.scenes import world
from neuraltalk.data.scenes.poses import joints


class NoRoom(Exception):
    """This try at a scene did not fit into the picture: throw the dice again."""


class Stage:
    """Things and relations so far, and dice to throw for more."""

    def __init__(self, rng, setting):
        self.rng, self.setting = rng, setting
        self.time = self.pick(*zip(*world.TIMES[self.setting]))
        self.things, self.relations, self.anchors = [], [], []
        self.ground = rng.uniform(.86, .93)
        self.colours = []

    # --- dice ---

    def pick(self, options, weights=None):
        if weights is None:
            return options[self.rng.integers(len(options))]
        return options[self.rng.choice(len(options), p=[w / sum(weights) for w in weights])]

    def colour(self, kind):
        """A colour for a kind; not one that another thing here has, so that a colour tells things apart."""
        options = [c for c in world.KINDS[kind].colours if c not in self.colours]
        if self.setting == "snow" and "white" in options and len(options) > 1:
            options.remove("white")
        if not options:
            raise NoRoom
        colour = self.pick(options)
        self.colours.append(colour)
        return colour

    # --- putting things ---

    def put(self, kind, x, bottom=None, width=None, height=None, pose="", does=(), faces=1, depth=1.0, size=None, colour=""):
        facts = world.KINDS[kind]
        factor = world.SIZES[size] * self.rng.uniform(.95, 1.05) if size else 1
        width, height = (width or facts.width) * factor, (height or facts.height) * factor
        bottom = self.ground if bottom is None else bottom
        if x - width / 2 < .01 or x + width / 2 > .99 or bottom - height < .015:
            raise NoRoom
        colour = self.colour(kind) if colour == "" else colour
        self.things.append({"kind": kind, "colour": colour, "size": size, "does": list(does), "pose": pose,
                            "place": [round(float(v), 4) for v in (x, bottom, width, height)], "faces": int(faces),
                            "depth": depth, "shade": int(self.rng.integers(1000))})
        return len(self.things) - 1

    def person(self, x, kind=None, bottom=None, pose="stand", does=(), faces=1, depth=1.0, scale=1.0):
        kind = kind or self.pick(world.PEOPLE)
        height = world.KINDS[kind].height * scale * self.rng.uniform(.94, 1.04)
        return self.put(kind, x, bottom, height * .52, height, pose, does, faces, depth)

    def seated(self, x, y, pose, does, faces, scale=1.0):
        """A person whose hip is at (x, y)."""
        kind = self.pick(world.PEOPLE)
        height = world.KINDS[kind].height * scale * self.rng.uniform(.95, 1.03)
        if kind in ("boy", "girl"):
            height *= 1.06
        hip = joints(kind, pose)["hip"]
        x, bottom = x - faces * hip[0] * height, y + (1 - hip[1]) * height
        return self.put(kind, x, bottom, height * .52, height, pose, does, faces, 1.1)

    def hand(self, index):
        """The right hand of a person, in the picture."""
        person = self.things[index]
        x, bottom, _, height = person["place"]
        hand = joints(person["kind"], person["pose"])["right_hand"]
        return x + person["faces"] * hand[0] * height, bottom - (1 - hand[1]) * height

    def side(self):
        return self.pick((1, -1))

    def size(self):
        return self.pick(("big", "small"))

    def relate(self, subject, relation, object_):
        self.relations.append([subject, relation, object_])

    def spans(self):
        return [(t["place"][0] - t["place"][2] / 2, t["place"][0] + t["place"][2] / 2) for t in self.things]
