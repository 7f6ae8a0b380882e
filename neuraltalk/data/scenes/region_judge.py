"""Is a piece of a sentence true of a part of a scene? What judge.py is for whole sentences of whole pictures.

A piece may be

    a whole sentence                            "a dog chases a ball"
    a thing, with what is said about it         "a girl in a red dress", "white dog on a bench"
    what is said of a thing that isn't named    "riding a bike", "is running on the beach", "in red", "a red dress"
    a place or a time                           "in the snow", "the street at night"

and begin or end with a word that led over to the next piece (JOINING), or end before the object of its verb or preposition
("a woman holding", "a bird flying above"), which is then any thing. The thing of which it speaks must be in the box, or,
if that isn't named, this one or another that is; what it says of it must be true of the scene, for what a girl rides may
well reach out of her box. A thing is in a box if they share half of the smaller one's area: the box may show a part of it.
"""

from neuraltalk.data.scenes import world
from neuraltalk.data.scenes.judge import _Parser, _well_formed, holds

JOINING = ("and", "while", "is", "are", "in", "on", "at")
UNNAMED, OBJECT = -1, 10**6  # variables of a subject and an object that aren't named; the others are positions of words


def judge_region(tokens, scene, box):
    """Judge a piece: tokens (list of str), scene (dict, see world.py), box in its pixels -> "true", "false" or "not a phrase"."""
    readings = parse_piece(tuple(tokens))
    if not readings:
        return "not a phrase"
    inside = {i for i, thing in enumerate(scene["things"]) if shows(box, thing["box"])}
    return "true" if any(_true(reading, scene, inside) for reading in readings) else "false"


def names_a_thing(tokens):
    """Whether a piece speaks of a thing, and not only of place or time."""
    return any(word in world.NOUNS for word in tokens)


def shows(box, thing):
    """Whether two boxes share half of the smaller one's area."""
    width, height = (min(box[k + 2], thing[k + 2]) - max(box[k], thing[k]) for k in (0, 1))
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, thing))
    return width > 0 and height > 0 and 2 * width * height >= smaller


def parse_piece(tokens):
    """All readings of a piece, as judge.parse gives them."""
    readings = set()
    for piece in _trimmed(tokens):
        readings |= {conditions for conditions in _readings(piece) if _well_formed(conditions)}
        if readings:
            break  # the least that has to be left out
    return readings


def _trimmed(tokens):
    """The tokens, then without joining words at their ends; at least a word stays."""
    yield tokens
    end = len(tokens)
    while end > 1 and tokens[end - 1] in JOINING:
        end -= 1
        yield tokens[:end]
    if len(tokens) > 1 and tokens[0] in JOINING[:4]:
        yield from _trimmed(tokens[1:])


def _readings(tokens):
    """Conditions of each reading of these very tokens, or of a piece that lacks its object."""
    yield from _complete(tokens)
    for words, relations in _ENDS:
        if len(tokens) > len(words) and tokens[-len(words) :] == words:
            for conditions in _complete(tokens[: -len(words)]):
                variables = sorted(condition[1] for condition in conditions if condition[0] == "thing")
                if variables:
                    anything = ("thing", OBJECT, tuple(world.KINDS), 1)
                    yield (*conditions, anything, ("relation", tuple(variables[:1]), relations, OBJECT))


_ENDS = [(words, verb.relations) for verb in world.WITH_OBJECT.values() for words in (verb.ing, verb.third)]
_ENDS += [(("is", *verb.ing), verb.relations) for verb in world.WITH_OBJECT.values()]
_ENDS += [(words, relations) for words, relations in world.PREPOSITIONS.items() if words != ("on",)]


def _complete(tokens):
    """Conditions of each reading of these very tokens."""
    for words in (tokens, ("the", *tokens)):
        parser, N = _Parser(words), len(words)
        for end, conditions in parser.sentence():
            if end == N:
                yield conditions
        for end, conditions, *_ in (*parser.object(0), *parser.subject(0)):
            if end == N:
                yield conditions
    unnamed = (("thing", UNNAMED, tuple(world.KINDS), 1),)
    for words in (tokens, ("in", *tokens), ("on", *tokens)):
        parser, N = _Parser(words), len(words)
        for end, conditions in parser.clothes(0, UNNAMED):
            if end == N:
                yield (*conditions, *unnamed)
        for end, conditions in parser.tails(0, (UNNAMED,)):
            if end == N:
                place = all(condition[0] in ("setting", "time") for condition in conditions)
                yield conditions if place else (*conditions, *unnamed)
        for number in ("one", "many"):
            for end, conditions in parser._predicate(0, (UNNAMED,), number):
                if end == N:
                    yield (*conditions, *unnamed)


def _true(conditions, scene, inside):
    """Whether a reading holds with its subject among the things `inside`; or, if that isn't named, any of its things."""
    variables = sorted(condition[1] for condition in conditions if condition[0] == "thing")
    if not variables:
        return holds(conditions, scene)
    in_box = variables[:2] if variables[0] == UNNAMED else variables[:1]
    return any(
        holds(conditions, scene, lambda variable, i, chosen=chosen: variable != chosen or i in inside)
        for chosen in in_box
    )
