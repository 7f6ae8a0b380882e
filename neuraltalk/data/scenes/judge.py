"""Is a sentence true of a scene? A parser for the sentences of this world, and their meaning as a small query.

    sentence    clause | clause ("and" | "while") full clause
    clause      thing [beside "and" thing] then one of:  tails | be tails | finite verb [object] tails
                or "there" be thing tails
    thing       determiner [size] [colour] noun ["in" "a" colour garment | "in" colour | "wearing" "a" colour garment]
    tails       up to three of: doing (object), preposition thing, place, time; in an order that people use
    object      thing tails

A parse is a set of conditions over the things that the sentence speaks of, and the sentence is true if there are
things in the scene, all different, that meet the conditions of at least one parse: "a man next to a dog" needs a man
and a dog and the relation between them. Number words are exact ("two dogs" is false of three), "a dog" is true of a
scene with two. A sentence that has no parse is "not a sentence"; neither is a thing alone of which nothing is said
("a red ball"), nor one that tells the place or the time twice.
"""

from neuraltalk.data.scenes import world


def judge(tokens, scene):
    """Judge a sentence: tokens (list of str), scene (dict, see world.py) -> "true", "false" or "not a sentence"."""
    queries = parse(tokens)
    if not queries:
        return "not a sentence"
    return "true" if any(holds(query, scene) for query in queries) else "false"


def parse(tokens):
    """All readings of a sentence: a set of tuples of conditions, each a tuple whose first item names the condition."""
    parser = _Parser(tuple(tokens))
    return {conditions for end, conditions in parser.sentence() if end == len(tokens) and _well_formed(conditions)}


def _well_formed(conditions):
    """Place and time are told once at most."""
    names = [condition[0] for condition in conditions]
    return names.count("setting") <= 1 and names.count("time") <= 1


class _Parser:
    """Recursive descent with all alternatives: each rule yields (end, conditions[, subject variable, number]).

    A variable is the position of the thing's first word, so that each mention has its own.
    """

    def __init__(self, tokens):
        self.tokens = tokens
        self.memory = {}

    def sentence(self):
        for end, conditions, _ in self.clause(0, finite_only=False):
            yield end, conditions
            if self._word(end) in ("and", "while"):
                for last, more, _ in self.clause(end + 1, finite_only=True):
                    yield last, conditions + more

    def clause(self, start, finite_only):
        """-> (end, conditions, subject variables)"""
        if self._word(start) == "there" and self._word(start + 1) in ("is", "are"):
            number = "one" if self._word(start + 1) == "is" else "many"
            for end, conditions, subject, subject_number in self.subject(start + 2):
                # "there is a man and a dog": the verb may agree with the nearest
                if subject_number == number or (len(subject) > 1 and number == "one"):
                    yield end, conditions, subject
                    for last, more in self.tails(end, subject):
                        yield last, conditions + more, subject
        for end, conditions, subject, number in self.subject(start):
            if not finite_only:
                for last, more in self.tails(end, subject):
                    yield last, conditions + more, subject
            # "a man on the beach is ...": the place may stand before the verb
            befores = [(end, ())] + [(last, more) for last, more, _ in self.place(end, subject)]
            for middle, before in befores:
                for last, more in self._predicate(middle, subject, number):
                    yield last, conditions + before + more, subject

    def _predicate(self, start, subject, number):
        if self._word(start) == ("is" if number == "one" else "are"):
            yield from self.tails(start + 1, subject)
        form = "third" if number == "one" else "plural"
        for end, conditions in self.verb(start, subject, form):
            yield end, conditions
            for last, more in self.tails(end, subject, doing=False):
                yield last, conditions + more

    def subject(self, start):
        """One thing, or two joined by "and" -> (end, conditions, variables, "one" | "many")"""
        for end, conditions, variable, number in self.thing(start):
            yield end, conditions, (variable,), number
            if self._word(end) == "and":
                for last, more, other, _ in self.thing(end + 1):
                    yield last, conditions + more, (variable, other), "many"

    def thing(self, start):
        """A thing as named, with what it wears -> (end, conditions, variable, "one" | "many")"""
        if start not in self.memory:
            self.memory[start] = list(self._thing(start))
        return self.memory[start]

    def _thing(self, start):
        determiner = self._word(start)
        i = start + 1
        conditions = []
        if self._word(i) in world.SIZE_WORDS:
            conditions.append(("size", start, world.SIZE_WORDS[self._word(i)]))
            i += 1
        if self._word(i) in world.COLOURS:
            conditions.append(("colour", start, self._word(i)))
            i += 1
        if self._word(i) not in world.NOUNS:
            return
        kinds, number = world.NOUNS[self._word(i)]
        i += 1
        if determiner in world.NUMBERS:
            if number != "many":
                return
            count = world.NUMBERS[determiner]
        elif determiner in ("a", "an", "the"):
            vowel = self._word(start + 1)[0] in "aeiou"
            if number != "one" or (determiner == "a" and vowel) or (determiner == "an" and not vowel):
                return
            count = 1
        else:
            return
        conditions = (("thing", start, kinds, count), *conditions)
        yield i, conditions, start, number
        for end, worn in self.clothes(i, start):
            yield end, conditions + worn, start, number

    def clothes(self, start, variable):
        first, second, third, fourth = (self._word(start + k) for k in range(4))
        if first == "in" and second in world.COLOURS:
            yield start + 2, (("wears", variable, second, world.PEOPLE),)
        if first in ("in", "wearing") and second == "a" and third in world.COLOURS and fourth in world.GARMENTS:
            yield start + 4, (("wears", variable, third, world.GARMENTS[fourth]),)

    def object(self, start):
        """A thing with what is said about it, or a pronoun -> (end, conditions, variable)"""
        key = ("object", start)
        if key not in self.memory:
            self.memory[key] = []  # nothing here starts with an object at the same position
            self.memory[key] = list(self._object(start))
        return self.memory[key]

    def _object(self, start):
        if self._word(start) in world.PRONOUNS:
            yield start + 1, (("same", start, world.PRONOUNS[self._word(start)]),), start
        for end, conditions, variable, _ in self.thing(start):
            yield end, conditions, variable
            for last, more in self.tails(end, (variable,)):
                yield last, conditions + more, variable

    def tails(self, start, subject, doing=True):
        """One to three tails -> (end, conditions). Doing comes once; a place or a time is followed by neither."""
        for end, conditions, kind in self._tail(start, subject, doing):
            yield end, conditions
            for end2, more, kind2 in self._tail(end, subject, doing and kind not in ("doing", "time")):
                if not _follows(kind, kind2):
                    continue
                yield end2, conditions + more
                for end3, most, kind3 in self._tail(end2, subject, False):
                    if _follows(kind2, kind3):
                        yield end3, conditions + more + most

    def _tail(self, start, subject, doing):
        if doing:
            for end, conditions in self.verb(start, subject, "ing"):
                yield end, conditions, "doing"
        for words, relations in world.PREPOSITIONS.items():
            if self._phrase(start, words):
                for end, conditions, variable in self.object(start + len(words)):
                    yield end, (("relation", subject, relations, variable), *conditions), "relation"
        yield from self.place(start, subject)
        for words, times in world.TIME_WORDS.items():
            if self._phrase(start, words):
                yield start + len(words), (("time", times),), "time"

    def place(self, start, subject):
        for words, (settings, flying) in world.PLACE_WORDS.items():
            if self._phrase(start, words):
                conditions = (("setting", settings),) + ((("does", subject, ("fly",)),) if flying else ())
                yield start + len(words), conditions, "place"

    def verb(self, start, subject, form):
        for verb in world.ALONE.values():
            words = getattr(verb, form)
            if words and self._phrase(start, words):
                yield start + len(words), (("does", subject, verb.does),)
        for verb in world.WITH_OBJECT.values():
            words = getattr(verb, form)
            if self._phrase(start, words):
                for end, conditions, variable in self.object(start + len(words)):
                    yield end, (("relation", subject, verb.relations, variable), *conditions)

    def _word(self, i):
        return self.tokens[i] if i < len(self.tokens) else " "

    def _phrase(self, start, words):
        return self.tokens[start:start + len(words)] == words


def _follows(kind, next_kind):
    """Which tail may follow which: a relation anything but time, a place anything but a place, a time nothing."""
    return kind != "time" and not (kind == "place" and next_kind == "place")


def holds(conditions, scene, allowed=lambda variable, thing: True):
    """Whether things of the scene, all different, can be given to the variables so that all conditions hold.

    allowed(variable, index of a thing) may forbid a variable some things.
    """
    things = scene["things"]
    for condition in conditions:
        if condition[0] == "setting" and scene["setting"] not in condition[1]:
            return False
        if condition[0] == "time" and scene["time"] not in condition[1]:
            return False
    candidates = {}  # variable -> list of groups of things
    for _, variable, kinds, count in (c for c in conditions if c[0] == "thing"):
        group = [i for i, thing in enumerate(things) if thing["kind"] in kinds and allowed(variable, i)
                 and all(_fits(thing, c) for c in conditions if c[0] in ("colour", "size", "wears") and c[1] == variable)]
        candidates[variable] = [(i,) for i in group] if count == 1 else [tuple(group)] if len(group) == count else []
    pronouns = {c[1]: c[2] for c in conditions if c[0] == "same"}
    return any(_all_hold(conditions, given, pronouns, scene) for given in _choices(sorted(candidates.items())))


def _fits(thing, condition):
    name, _, value, *rest = condition
    if name == "wears":
        return thing["kind"] in rest[0] and thing["colour"] == value
    if name == "colour" and thing["kind"] in world.PEOPLE:
        return False  # a colour of a person is that of the clothes: "a man in red", not "a red man"
    return thing[name] == value


def _choices(candidates):
    """All ways to give each variable one of its groups, no thing twice -> dict variable -> group."""
    if not candidates:
        yield {}
        return
    variable, groups = candidates[0]
    for rest in _choices(candidates[1:]):
        taken = {i for group in rest.values() for i in group}
        for group in groups:
            if taken.isdisjoint(group):
                yield {**rest, variable: group}


def _all_hold(conditions, given, pronouns, scene):
    things = scene["things"]
    for variable, kinds in pronouns.items():  # a pronoun is the first thing named before it that it fits
        before = [v for v in given if v < variable and len(given[v]) == 1 and things[given[v][0]]["kind"] in kinds]
        if not before:
            return False
        given = {**given, variable: given[min(before)]}
    for condition in conditions:
        if condition[0] == "does":
            _, subject, verbs = condition
            if not all(set(verbs) & set(things[i]["does"]) for v in subject for i in given[v]):
                return False
        elif condition[0] == "relation":
            _, subject, relations, variable = condition
            group = [i for v in subject for i in given[v]]
            object_ = given[variable]
            if set(group) & set(object_):
                return False
            if not (all(any(world.related(scene, i, relations, j) for j in object_) for i in group)
                    and all(any(world.related(scene, i, relations, j) for i in group) for j in object_)):
                return False
    return True
