"""Scenes are invented here: a setting, one main event, and in some one more thing beside, behind or above it.

What comes up how often is in the tables; where each thing goes is in the methods, one for each kind of event.
"""

import numpy as np

from neuraltalk.data.scenes import world
from neuraltalk.data.scenes.stage import NoRoom, Stage
from neuraltalk.data.scenes.world import SETTINGS

# What happens where, with weights: a setting has its habits.
EVENTS = {
    "beach": {"ride": 2, "hold": 2, "fly": 2, "throw": 2, "perch": 1, "animal": 1, "chase": 1.5, "vehicle": 1.5, "alone": 1,
              "pair": 0.4},
    "street": {"ride": 3, "hold": 2.5, "walk": 2, "vehicle": 2.5, "alone": 1, "animal": 0.7, "pair": 0.4, "sit": 1},
    "snow": {"ride": 3, "throw": 1.5, "walk": 1.5, "animal": 1.5, "chase": 1.5, "alone": 1, "pair": 0.4, "hold": 1},
    "park": {"ride": 2, "kick": 2.5, "sit": 2, "hold": 1.5, "perch": 1.5, "animal": 1, "chase": 1, "pair": 0.4, "walk": 1},
    "room": {"hold": 2.5, "sit": 2.5, "perch": 1.5, "animal": 1.5, "alone": 1, "pair": 0.4, "chase": 1},
}
RIDES = {"beach": ("horse",), "street": ("bike", "skateboard"), "snow": ("sled",), "park": ("bike",)}
SEATS = {"beach": "bench", "street": "bench", "park": "bench", "room": "chair"}
HELD = {"beach": ("umbrella", "ball"), "street": ("umbrella", "balloon"), "snow": ("umbrella",), "park": ("balloon",),
        "room": ("balloon", "ball")}
ANIMALS = {"beach": ("dog", "horse"), "street": ("cat",), "snow": ("dog", "horse"), "park": ("dog", "horse"),
           "room": ("cat", "dog")}
PREY = {"beach": ("ball", "bird"), "snow": ("ball",), "park": ("ball", "cat"), "room": ("ball", "cat")}
PERCHED = {"beach": ("bird",), "park": ("bird", "cat"), "room": ("cat",)}
VEHICLES = {"street": ("car", "car", "bus"), "beach": ("boat",)}
PAIRS = {"beach": ("bird", "ball"), "street": ("cat", "car"), "snow": ("dog", "horse"), "park": ("dog", "bird"),
         "room": ("cat", "balloon")}
BESIDE = {"beach": ("dog", "ball", "bench"), "street": ("car", "tree", "person"), "snow": ("dog", "snowman"),
          "park": ("dog", "tree", "bench"), "room": ("dog", "cat", "person")}
BEHIND = {"beach": ("bench",), "street": ("car", "bus", "tree"), "snow": ("snowman",), "park": ("tree", "bench"),
          "room": ("chair",)}
ABOVE = {"beach": ("bird",), "street": ("bird",), "snow": ("bird",), "park": ("bird", "balloon"), "room": ("balloon",)}
MORE = (0.94, 0.06)  # how often there is nothing beside the event, or one more thing


def compose(rng, held_out=False):
    """Invent a scene: rng (numpy Generator), whether it must hold a held-out combination, or must not -> dict (world.py)."""
    while True:
        setting = SETTINGS[rng.integers(len(SETTINGS))]
        events, weights = zip(*EVENTS[setting].items())
        event = events[rng.choice(len(events), p=np.array(weights) / sum(weights))]
        more = rng.choice(len(MORE), p=MORE)
        for attempt in range(160):  # the same idea again until it fits; in the end with nothing beside it
            try:
                scene = _Scene(rng, setting).scene(event, more if attempt < 80 else 0)
            except NoRoom:
                continue
            if bool(scene["held_out"]) == held_out:
                return scene
            if held_out:
                break


def held_out_combinations(scene):
    """The combinations in a scene that only the test split may show, as text."""
    things = scene["things"]
    found = [f"{thing['colour']} {thing['kind']}" for thing in things
             if (thing["colour"], thing["kind"]) in world.HELD_OUT_COLOURS]
    found += [f"{things[s]['kind']} {relation}" for s, relation, _ in scene["relations"]
              if (things[s]["kind"], relation) in world.HELD_OUT_ACTIONS]
    return sorted(set(found))


class _Scene(Stage):
    def scene(self, event, more):
        getattr(self, f"_{event}")()
        for _ in range(more):
            self.extra()
        if self.setting == "beach" and self.rng.random() < .12 and event != "vehicle":
            self.boat()
        scene = {"setting": self.setting, "time": self.time, "things": self.things, "relations": self.relations}
        scene["held_out"] = held_out_combinations(scene)
        return scene

    def middle(self, half):
        """Where the middle of something of half-width `half` may be."""
        if half > .48:
            raise NoRoom
        return self.rng.uniform(half + .02, .98 - half)

    def _ride(self):
        kind, faces = self.pick(RIDES[self.setting]), self.side()
        x = self.middle(.27)
        if kind == "bike":
            mount = self.put("bike", x, width=.42, height=.27, faces=faces)
            rider = self.seated(x - faces * .055, self.ground - .27 * .90, "cycle", (), faces, .88)
        elif kind == "horse":
            mount = self.put("horse", x, width=.48, height=.42, pose="run", does=(), faces=faces)
            rider = self.seated(x - faces * .03, self.ground - .42 * .62, "mount", (), faces, .80)
        elif kind == "skateboard":
            mount = self.put("skateboard", x, width=.34, height=.10, faces=faces)
            rider = self.person(x, bottom=self.ground - .065, pose="skate", does=("stand",), faces=faces, depth=1.1, scale=.92)
        else:
            mount = self.put("sled", x, width=.42, height=.15, faces=faces)
            rider = self.seated(x - faces * .06, self.ground - .11, "slide", ("sit",), faces)
        self.relate(rider, "ride", mount)
        self.anchors = [rider, mount]

    def _hold(self):
        kind, faces = self.pick(HELD[self.setting]), self.side()
        pose = {"balloon": "raise", "umbrella": "hold", "ball": "hold"}[kind]
        person = self.person(self.middle(.24), pose=pose, does=("stand",), faces=faces)
        _, bottom, _, height = self.things[person]["place"]
        hand_x, hand_y = self.hand(person)
        top = bottom - height
        if kind == "balloon":
            held = self.put(kind, hand_x + faces * self.rng.uniform(.0, .06), top + self.rng.uniform(-.02, .07), depth=1.2,
                            does=("float",), size=self.pick((None, "big")) if height < .5 else None)
        elif kind == "umbrella":
            canopy = .15
            held = self.put(kind, hand_x - faces * .04, hand_y + .03, .40, hand_y + .03 - top + canopy - .02, depth=1.05)
        else:
            held = self.put(kind, hand_x + faces * .06, hand_y + .10, depth=1.2)
        self.relate(person, "hold", held)
        self.anchors = [person]

    def _fly(self):
        faces = self.side()
        person = self.person(.5 - faces * self.rng.uniform(.08, .28), pose="raise", does=("stand",), faces=faces)
        hand_x, _ = self.hand(person)
        kite = self.put("kite", hand_x + faces * self.rng.uniform(.18, .34), self.rng.uniform(.33, .40), depth=1.2, does=("fly",))
        self.relate(person, "fly", kite)
        self.anchors = [person]

    def _kick(self):
        faces = self.side()
        person = self.person(self.middle(.34), pose="kick", does=(), faces=faces)
        x, bottom, _, height = self.things[person]["place"]
        ball = self.put("ball", x + faces * (.28 * height + .14), bottom - self.rng.uniform(0, .10), depth=1.2)
        self.relate(person, "kick", ball)
        self.anchors = [person]

    def _throw(self):
        faces = self.side()
        person = self.person(self.middle(.34), pose="throw", does=("stand",), faces=faces)
        hand_x, hand_y = self.hand(person)
        ball = self.put("ball", hand_x + faces * self.rng.uniform(.12, .16), hand_y + self.rng.uniform(0, .06), depth=1.2)
        self.relate(person, "throw", ball)
        self.anchors = [person]

    def _sit(self):
        faces, kind = self.side(), SEATS[self.setting]
        x = self.middle(.26)
        seat = self.put(kind, x, width=.50 if kind == "bench" else .30, height=.27 if kind == "bench" else .40, faces=faces)
        _, bottom, _, height = self.things[seat]["place"]
        where = x - faces * .04 + (self.rng.uniform(-.1, .1) if kind == "bench" else 0)
        person = self.seated(where, bottom - height * (.56 if kind == "bench" else .50), "sit", ("sit",), faces, .92)
        self.relate(person, "sit_on", seat)
        self.anchors = [person, seat]

    def _walk(self):
        faces = self.side()
        person = self.person(.5 - faces * self.rng.uniform(.12, .22), pose="walk", does=("walk",), faces=faces)
        x, _, _, height = self.things[person]["place"]
        size = self.size() if height > .5 else "small"
        dog = self.put("dog", x + faces * (.28 * height + .19), pose="stand", does=("walk",), faces=faces, size=size)
        self.relate(person, "walk", dog)
        self.relate(person, "next_to", dog)
        self.anchors = [person, dog]

    def _alone(self):
        pose = self.pick(("stand", "wave", "run", "jump"))
        does = {"stand": ("stand",), "wave": ("wave", "stand"), "run": ("run",), "jump": ("jump",)}[pose]
        bottom = self.ground - (self.rng.uniform(.05, .10) if pose == "jump" else 0)
        self.anchors = [self.person(self.middle(.2), bottom=bottom, pose=pose, does=does, faces=self.side())]

    def animal_pose(self, kind):
        return self.pick({"dog": ("run", "sit"), "cat": ("sit", "sleep"), "horse": ("stand",)}[kind])

    def _animal(self):
        kind = self.pick(ANIMALS[self.setting])
        pose, size = self.animal_pose(kind), self.size()
        self.anchors = [self.put(kind, self.middle(.3), pose=pose, does=(pose,), faces=self.side(), size=size)]

    def _chase(self):
        faces, hunter = self.side(), "dog"
        prey = self.pick(PREY[self.setting])
        x = .5 - faces * self.rng.uniform(.12, .20)
        first = self.put(hunter, x, pose="run", does=("run",), faces=faces)
        x += faces * (.18 + world.KINDS[prey].width / 2 + self.rng.uniform(.01, .05))
        if prey == "bird":
            height = self.rng.uniform(.10, .18)
            second = self.put(prey, x, self.ground - height, pose="fly", does=("fly",), faces=faces, depth=1.2)
        elif prey == "cat":
            second = self.put(prey, x, pose="run", does=("run",), faces=faces)
        else:
            second = self.put(prey, x, self.ground - self.rng.uniform(0, .1), depth=1.2)
        self.relate(first, "chase", second)
        self.anchors = [first, second]

    def _perch(self):
        """A cat or a bird on a seat."""
        faces, kind = self.side(), SEATS[self.setting]
        animal = self.pick(PERCHED[self.setting])
        width, height = (.52, .28) if kind == "bench" else (.34, .46)
        seat = self.put(kind, self.middle(.26), width=width, height=height, faces=faces)
        x, bottom, _, height = self.things[seat]["place"]
        pose = "sit" if animal == "cat" else "stand"
        y = bottom - height * (.50 if kind == "bench" else .46) if animal == "cat" else bottom - height * .99
        x += self.rng.uniform(-.12, .12) if kind == "bench" else faces * .02
        sitter = self.put(animal, x, y, pose=pose, does=("sit",), faces=self.side(), depth=1.1)
        self.relate(sitter, "sit_on", seat)
        self.anchors = [seat]

    def _vehicle(self):
        if self.setting == "beach":
            self.boat(main=True)
            return
        kind = self.pick(VEHICLES[self.setting])
        size = self.size() if kind == "car" else None
        self.anchors = [self.put(kind, self.middle(.31), does=("park",), faces=self.side(), size=size)]

    def _pair(self):
        kind = self.pick((*PAIRS[self.setting], self.pick(world.PEOPLE)))
        width = min(world.KINDS[kind].width, .40)
        colour = self.colour(kind)
        other = colour if self.rng.random() < .75 else self.colour(kind)
        gap = width * self.rng.uniform(1.08, 1.25)
        x = self.middle(gap / 2 + width / 2)
        pose = self.animal_pose(kind) if kind in ("dog", "cat", "horse") else ""
        does, bottom, height, faces = (pose,) if pose else (), None, None, self.side()
        if kind in world.PEOPLE:
            pose = self.pick(("stand", "wave", "run", "jump"))
            does, height, width = (pose,), world.KINDS[kind].height, world.KINDS[kind].height * .5
        elif kind == "bird":
            pose, does, bottom = "fly", ("fly",), self.rng.uniform(.4, .6)
        elif kind == "balloon":
            does, bottom = ("float",), self.rng.uniform(.45, .65)
        elif kind == "car":
            does, height = ("park",), .21
        for middle, each in ((x - gap / 2, colour), (x + gap / 2, other)):
            level = None if bottom is None else bottom + self.rng.uniform(-.05, .05)
            self.anchors.append(self.put(kind, middle, level, width, height, pose=pose, does=does, faces=faces, colour=each))
        if bottom is None:
            self.relate(*self.anchors[:1], "next_to", self.anchors[1])
        else:
            self.anchors = []

    def boat(self, main=False):
        if main:
            self.put("boat", self.middle(.2), self.rng.uniform(.58, .63), .40, .40, does=("sail",), faces=self.side(), depth=.2)
        else:
            spans = self.spans()
            x = self.middle(.16)
            if any(low < x + .16 and x - .16 < high for low, high in spans):
                return
            self.put("boat", x, .56, does=("sail",), faces=self.side(), depth=.2)

    # --- more things ---

    def extra(self):
        """One more thing somewhere; a few tries."""
        kept = len(self.things), len(self.relations), len(self.colours), list(self.anchors)
        for _ in range(12):
            try:
                return self.one_more()
            except NoRoom:
                del self.things[kept[0]:], self.relations[kept[1]:], self.colours[kept[2]:]
                self.anchors = list(kept[3])
        raise NoRoom

    def one_more(self):
        where = self.pick(("beside", "behind", "above"), (.66, .16, .18))
        kind = self.pick({"beside": BESIDE, "behind": BEHIND, "above": ABOVE}[where][self.setting])
        if kind == "person":
            kind = self.pick(world.PEOPLE)
        if any(thing["kind"] == kind for thing in self.things):
            raise NoRoom
        if where == "above":
            self.above(kind)
        elif not self.anchors:
            raise NoRoom
        elif where == "beside":
            self.beside(kind)
        else:
            self.behind(kind)

    def above(self, kind):
        if any(t["kind"] in ("kite", "balloon", "umbrella", "bird") for t in self.things):
            raise NoRoom
        x, bottom = self.middle(.14), self.rng.uniform(.26, .36)
        width = world.KINDS[kind].width
        for thing, (low, high) in zip(self.things, self.spans()):
            if low < x + width / 2 and x - width / 2 < high and thing["place"][1] - thing["place"][3] < bottom + .01:
                raise NoRoom
        new = self.put(kind, x, bottom, pose="fly" if kind == "bird" else "", does=("float",) if kind == "balloon" else ("fly",),
                       faces=self.side(), depth=1.2)
        for index, (low, high) in enumerate(self.spans()[:-1]):
            if index in self.anchors and low < x < high:
                self.relate(new, "above", index)

    def beside(self, kind):
        facts = world.KINDS[kind]
        spans = self.spans()
        low, high = min(span[0] for span in spans), max(span[1] for span in spans)
        size = self.size() if facts.family != "person" and kind not in ("tree", "snowman", "bench") else None
        height = facts.height * self.rng.uniform(.94, 1.03)
        width = height * .5 if facts.family == "person" else facts.width * (world.SIZES[size] * 1.04 if size else 1)
        gap = self.rng.uniform(-.01, .05)
        ends = ((-1, low - gap - width / 2), (1, high + gap + width / 2))
        options = [(side, x) for side, x in ends if .02 + width / 2 < x < .98 - width / 2]
        if not options:
            raise NoRoom
        side, x = self.pick(options)
        # Beside is what the new thing really stands next to: the anchor at that side, and what that one rides or sits on.
        ends = [spans[i][0] if side < 0 else spans[i][1] for i in range(len(spans))]
        near = [i for i in self.anchors if abs(ends[i] - (low if side < 0 else high)) < .12]
        if not near:
            raise NoRoom
        bottom = self.ground - self.rng.uniform(0, .03)
        if facts.family == "person":
            pose = self.pick(("stand", "wave"))
            does = ("wave", "stand") if pose == "wave" else ("stand",)
            new = self.put(kind, x, bottom, width, height, pose, does, self.side(), .9)
        elif facts.family == "animal":
            pose = {"dog": "sit", "cat": self.pick(("sit", "sleep"))}.get(kind, "stand")
            new = self.put(kind, x, bottom, pose=pose, does=(pose,), faces=-side, depth=.9, size=size)
        else:
            new = self.put(kind, x, bottom, does=("park",) if kind == "car" else (), faces=self.side(), depth=.9, size=size)
        for index in near:
            self.relate(new, "next_to", index)
        if len(near) == 1:
            self.anchors = [a for a in self.anchors if a not in near] + [new]

    def behind(self, kind):
        spans = self.spans()
        front = self.pick(self.anchors)
        facts = world.KINDS[kind]
        low, high = spans[front]
        side = self.side()
        x = (low + high) / 2 + side * (facts.width / 2 * self.rng.uniform(.5, .8) + (high - low) * .22)
        bottom = self.ground - self.rng.uniform(.09, .13)
        if any(i != front and s[0] < x + facts.width / 2 and x - facts.width / 2 < s[1] and self.related(i, front) is False
               for i, s in enumerate(spans)):
            raise NoRoom
        new = self.put(kind, x, bottom, does=("park",) if kind in ("car", "bus") else (), pose="stand" if kind == "horse" else "",
                       faces=self.side(), depth=.5)
        for index in self.anchors:
            if index == front or self.related(index, front):
                if spans[index][0] < x + facts.width / 2 and x - facts.width / 2 < spans[index][1]:
                    self.relate(new, "behind", index)

    def related(self, one, other):
        return any({one, other} == {s, o} and r in ("ride", "sit_on") for s, r, o in self.relations)
