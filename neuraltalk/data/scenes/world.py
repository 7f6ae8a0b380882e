"""The small world of the scenes: what exists in it, what it looks like in numbers, and what every word means.

Everything that knows a fact about the world reads it here: compose.py invents scenes, render.py draws them, describe.py
writes sentences about them and judge.py says whether a sentence is true. A scene is a plain dict, as saved in
scenes.json:

    setting     "beach", "street", "snow", "park" or "room"
    time        "day", "sunset" or "night"
    things      list of {"kind", "colour" (None: has no colour of its own), "size" ("big", "small" or None: nothing said
                of it is true), "does" (verbs that are true of it alone), "box" (xmin ymin xmax ymax in pixels), and how
                it is drawn: "pose", "place" (x y w h, 1 = the picture's side), "faces" (1 right, -1 left), "depth"}
    relations   list of [subject, relation, object], subject and object being indices of things
    held_out    the combinations in it that occur in the test split only, as text
"""

from typing import NamedTuple

COLOURS = {"red": (222, 40, 44), "yellow": (252, 212, 36), "green": (38, 166, 74), "blue": (40, 100, 228),
           "purple": (152, 66, 196), "black": (42, 42, 50), "white": (248, 248, 248), "brown": (142, 84, 42)}
SETTINGS = ("beach", "street", "snow", "park", "room")
TIMES = {"beach": (("day", 5), ("sunset", 1)), "street": (("day", 5), ("night", 1)), "snow": (("day", 1),), "park": (("day", 1),),
         "room": (("day", 1),)}  # with weights


class Kind(NamedTuple):
    """A kind of thing: its words (the first is the usual one), colours, and usual width and height (1 = the picture)."""
    family: str
    nouns: tuple
    plurals: tuple
    colours: tuple
    width: float
    height: float


KINDS = {
    "man": Kind("person", ("man", "guy"), ("men",), ("red", "blue", "green", "black"), 0.32, 0.62),
    "woman": Kind("person", ("woman", "lady"), ("women",), ("red", "yellow", "purple", "blue"), 0.32, 0.60),
    "boy": Kind("person", ("boy", "kid", "child"), ("boys", "kids"), ("red", "yellow", "green", "blue"), 0.28, 0.48),
    "girl": Kind("person", ("girl", "kid", "child"), ("girls", "kids"), ("yellow", "purple", "green", "white"), 0.28, 0.48),
    "dog": Kind("animal", ("dog", "puppy"), ("dogs", "puppies"), ("brown", "black", "white", "yellow"), 0.34, 0.27),
    "cat": Kind("animal", ("cat", "kitten"), ("cats",), ("black", "white", "yellow"), 0.28, 0.28),
    "horse": Kind("animal", ("horse", "pony"), ("horses",), ("brown", "black", "white"), 0.46, 0.40),
    "bird": Kind("animal", ("bird",), ("birds",), ("red", "blue", "yellow"), 0.28, 0.22),
    "car": Kind("vehicle", ("car",), ("cars",), ("red", "blue", "yellow", "green"), 0.46, 0.24),
    "bus": Kind("vehicle", ("bus",), ("buses",), ("red", "yellow", "blue"), 0.58, 0.34),
    "boat": Kind("vehicle", ("boat", "sailboat"), ("boats",), ("red", "blue", "green"), 0.32, 0.32),
    "bike": Kind("vehicle", ("bike", "bicycle"), ("bikes",), ("red", "blue", "purple", "green"), 0.40, 0.25),
    "skateboard": Kind("vehicle", ("skateboard",), (), ("red", "yellow", "purple"), 0.34, 0.11),
    "sled": Kind("vehicle", ("sled",), (), ("red", "blue", "brown"), 0.40, 0.16),
    "ball": Kind("toy", ("ball",), ("balls",), ("red", "yellow", "blue", "green"), 0.21, 0.21),
    "kite": Kind("toy", ("kite",), (), ("red", "purple", "yellow"), 0.27, 0.30),
    "balloon": Kind("toy", ("balloon",), ("balloons",), ("red", "yellow", "purple"), 0.20, 0.25),
    "umbrella": Kind("object", ("umbrella",), ("umbrellas",), ("red", "blue", "purple", "black"), 0.40, 0.34),
    "bench": Kind("object", ("bench",), (), ("brown", "green", "white"), 0.48, 0.25),
    "chair": Kind("object", ("chair",), ("chairs",), ("red", "blue", "brown"), 0.30, 0.40),
    "tree": Kind("object", ("tree",), ("trees",), (None,), 0.36, 0.56),
    "snowman": Kind("object", ("snowman",), ("snowmen",), (None,), 0.28, 0.44),
}
PEOPLE = ("man", "woman", "boy", "girl")
SIZES = {"big": 1.22, "small": 0.8}

# Met in the test split only: [colour, kind] and [person, what they do].
HELD_OUT_COLOURS = (("red", "ball"), ("blue", "umbrella"), ("green", "bike"), ("white", "dog"), ("yellow", "car"))
HELD_OUT_ACTIONS = (("girl", "kick"), ("woman", "walk"), ("boy", "hold"), ("man", "sit_on"))

# --- What words mean ----------------------------------------------------------------------------------------------

# noun -> (kinds, number of things it names when alone: 1 or "many")
NOUNS = {}
for _kind, _facts in KINDS.items():
    for _nouns, _number in ((_facts.nouns, "one"), (_facts.plurals, "many")):
        for _noun in _nouns:
            NOUNS[_noun] = (NOUNS.get(_noun, ((), ""))[0] + (_kind,), _number)
NOUNS.update(person=(PEOPLE, "one"), people=(PEOPLE, "many"), children=(("boy", "girl"), "many"),
             animal=(("dog", "cat", "horse", "bird"), "one"), animals=(("dog", "cat", "horse", "bird"), "many"))

SIZE_WORDS = {"big": "big", "large": "big", "small": "small", "little": "small"}
NUMBERS = {"two": 2, "three": 3}
GARMENTS = {"shirt": ("man", "boy"), "sweater": ("man", "boy"), "dress": ("woman", "girl")}


class Verb(NamedTuple):
    """A verb's three forms, each a tuple of words, and what it says: of a thing alone (`does`) or with an object."""
    ing: tuple
    third: tuple
    plural: tuple
    does: tuple = ()
    relations: tuple = ()


def _verb(ing, third, plural, does=(), relations=()):
    return Verb(tuple(ing.split()), tuple(third.split()), tuple(plural.split()), tuple(does), tuple(relations))


# Relations that compose.py writes: ride, hold, fly, kick, throw, walk, sit_on, chase, next_to, behind, above.
# "~" turns a relation round: ("~behind",) holds of (a, b) when b is behind a.
WITH_OBJECT = {
    "ride": _verb("riding", "rides", "ride", relations=["ride"]),
    "hold": _verb("holding", "holds", "hold", relations=["hold", "fly"]),
    "carry": _verb("carrying", "carries", "carry", relations=["hold"]),
    "fly": _verb("flying", "flies", "fly", relations=["fly"]),
    "kick": _verb("kicking", "kicks", "kick", relations=["kick"]),
    "throw": _verb("throwing", "throws", "throw", relations=["throw"]),
    "toss": _verb("tossing", "tosses", "toss", relations=["throw"]),
    "walk": _verb("walking", "walks", "walk", relations=["walk"]),
    "walk with": _verb("walking with", "walks with", "walk with", relations=["walk"]),
    "sit on": _verb("sitting on", "sits on", "sit on", relations=["sit_on"]),
    "rest on": _verb("resting on", "rests on", "rest on", relations=["sit_on"]),
    "chase": _verb("chasing", "chases", "chase", relations=["chase"]),
    "run after": _verb("running after", "runs after", "run after", relations=["chase"]),
    "play with": _verb("playing with", "plays with", "play with", relations=["kick", "throw", "chase", "fly"]),
}
ALONE = {
    "stand": _verb("standing", "stands", "stand", ["stand"]),
    "sit": _verb("sitting", "sits", "sit", ["sit"]),
    "run": _verb("running", "runs", "run", ["run"]),
    "walk": _verb("walking", "walks", "walk", ["walk"]),
    "jump": _verb("jumping", "jumps", "jump", ["jump"]),
    "wave": _verb("waving", "waves", "wave", ["wave"]),
    "sleep": _verb("sleeping", "sleeps", "sleep", ["sleep"]),
    "lie": _verb("lying", "lies", "lie", ["sleep"]),
    "fly": _verb("flying", "flies", "fly", ["fly"]),
    "sail": _verb("sailing", "sails", "sail", ["sail"]),
    "float": _verb("floating", "floats", "float", ["sail", "float"]),
    "parked": Verb(("parked",), (), (), ("park",)),
}

# Words between two things -> relations of which one must hold.
NEAR = ("next_to", "~next_to", "behind", "~behind", "above", "~above")
PREPOSITIONS = {
    ("on",): ("ride", "sit_on"),
    ("with",): ("hold", "fly", "kick", "throw", "walk", "chase", "~walk", "~chase", "next_to", "~next_to"),
    ("next", "to"): ("next_to", "~next_to"),
    ("beside",): ("next_to", "~next_to"),
    ("by",): ("next_to", "~next_to"),
    ("near",): NEAR,
    ("behind",): ("behind",),
    ("in", "front", "of"): ("~behind",),
    ("under",): ("under",),
    ("above",): ("above",),
    ("over",): ("above",),
}

# Words for a setting (the first of each is the usual one) -> settings of which one must be the scene's.
PLACES = {
    "beach": ("on the beach", "at the beach", "on the sand", "by the sea", "by the ocean", "on the shore"),
    "street": ("on the street", "in the street", "on the road", "in the city", "in front of some houses"),
    "snow": ("in the snow", "on the snow", "on a snowy hill", "in a snowy field"),
    "park": ("in the park", "on the grass", "in a meadow", "on the lawn", "in a green field"),
    "room": ("in the room", "in a room", "on the floor", "inside the house", "in the living room"),
}
OVER_PLACES = {"beach": ("over the sea", "over the beach", "over the water"), "street": ("over the street", "over the houses"),
               "snow": ("over the snow",), "park": ("over the grass", "over the park")}
PLACE_WORDS = {}
for _table, _flying in ((PLACES, False), (OVER_PLACES, True)):
    for _setting, _texts in _table.items():
        for _text in _texts:
            PLACE_WORDS[tuple(_text.split())] = ((_setting,), _flying)
PLACE_WORDS["outside",] = (("beach", "street", "snow", "park"), False)
PLACE_WORDS["inside",] = (("room",), False)

TIME_WORDS = {
    ("at", "night"): ("night",), ("in", "the", "dark"): ("night",), ("under", "the", "stars"): ("night",),
    ("at", "sunset"): ("sunset",), ("in", "the", "evening"): ("sunset", "night"),
    ("on", "a", "sunny", "day"): ("day",),
}
PRONOUNS = {"him": ("man", "boy"), "her": ("woman", "girl"),
            "it": tuple(kind for kind, facts in KINDS.items() if facts.family != "person")}


def related(scene, subject, relations, object_):
    """Whether one of `relations` (with "~" for turned round, "under" for below something) holds in the scene."""
    facts = {tuple(fact) for fact in scene["relations"]}
    kinds = [thing["kind"] for thing in scene["things"]]
    for name in relations:
        if name == "under":  # below a thing in the air, or below the umbrella that one holds
            if (object_, "above", subject) in facts or (kinds[object_] == "umbrella" and (subject, "hold", object_) in facts):
                return True
        elif name.startswith("~"):
            if (object_, name[1:], subject) in facts:
                return True
        elif (subject, name, object_) in facts:
            return True
    return False


def all_words():
    """Every word that has a meaning here, sorted."""
    words = {*NOUNS, *COLOURS, *SIZE_WORDS, *NUMBERS, *GARMENTS, *PRONOUNS, *"a an the is are there in wearing and while".split()}
    for verb in (*WITH_OBJECT.values(), *ALONE.values()):
        words.update(verb.ing, verb.third, verb.plural)
    for table in (PREPOSITIONS, PLACE_WORDS, TIME_WORDS):
        for phrase in table:
            words.update(phrase)
    return sorted(words)
