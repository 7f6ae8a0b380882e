"""Five sentences about a scene, as different people might write them, with what each phrase refers to.

People name what is going on, mostly with its colours and where it is; some mention what stands beside, some the time
of day; each has words of their own (man or guy, on the beach or on the sand). Every sentence is one that judge.py
parses and finds true.
"""

from neuraltalk.data.scenes import world

SENTENCES = 5
PRONOUN = {"man": "him", "boy": "him", "woman": "her", "girl": "her"}
BESIDE_WORDS = (("next to", .62), ("beside", .16), ("near", .14), ("by", .08))
SPATIAL = ("next_to", "behind", "above")
HABIT = .78  # how often people take the usual word


def describe(scene, rng, count=SENTENCES):
    """Write about a scene: scene (dict), rng (numpy Generator) -> list of (tokens, phrases).

    phrases: list of (first token, end token, type, indices of things); the place has type "scene" and no things.
    """
    written = {}
    for _ in range(60):
        tokens, phrases = _Writer(scene, rng).write()
        if 4 <= len(tokens) <= 16:
            written.setdefault(tuple(tokens), phrases)
        if len(written) == count:
            break
    written = [(list(tokens), phrases) for tokens, phrases in written.items()]
    return [written[k % len(written)] for k in range(count)]


class _Writer:
    def __init__(self, scene, rng):
        self.scene, self.things, self.rng = scene, scene["things"], rng
        self.tokens, self.phrases, self.said, self.placed = [], [], [], False

    # --- dice and words ---

    def chance(self, probability):
        return self.rng.random() < probability

    def usual(self, words, habit=HABIT):
        """The first word by habit, else any of the others."""
        return words[0] if len(words) == 1 or self.chance(habit) else words[1 + self.rng.integers(len(words) - 1)]

    def weighted(self, options):
        words, weights = zip(*options)
        return words[self.rng.choice(len(words), p=[w / sum(weights) for w in weights])]

    def say(self, text):
        self.tokens += text.split()

    # --- parts ---

    def same_kind(self, index):
        return [i for i, thing in enumerate(self.things) if thing["kind"] == self.things[index]["kind"]]

    def thing(self, index, brief=False):
        """Name one thing: "a big red ball", "a woman in a blue dress"."""
        thing = self.things[index]
        kind, colour = thing["kind"], thing["colour"]
        facts = world.KINDS[kind]
        self.said.append(index)
        words = []
        if thing["size"] and self.chance(.06):
            words.append({"big": self.usual(("big", "large"), .65), "small": self.usual(("small", "little"), .65)}[thing["size"]])
        if facts.family != "person" and colour and self.chance(.86 if not brief else .7):
            words.append(colour)
        noun = "person" if facts.family == "person" and self.chance(.02) else self.usual(facts.nouns)
        if facts.family == "animal" and self.chance(.02):
            noun = "animal"
        words.append(noun)
        start = len(self.tokens)
        self.say("an" if words[0][0] in "aeiou" else "a")
        self.say(" ".join(words))
        self.phrases.append((start, len(self.tokens), facts.family, [index]))
        if facts.family == "person" and self.chance(.66 if not brief else .35):
            garment = "dress" if kind in ("woman", "girl") else self.usual(("shirt", "sweater"), .85)
            manner = self.weighted((("in a", .86), ("in", .08), ("wearing a", .06)))
            self.say(manner.split()[0])
            start = len(self.tokens)
            self.say(colour if manner == "in" else f"a {colour} {garment}")
            self.phrases.append((start, len(self.tokens), "clothing", [index]))

    def group(self, indices):
        """Name two or three things of one kind: "two brown dogs"."""
        facts = world.KINDS[self.things[indices[0]]["kind"]]
        colours = {self.things[i]["colour"] for i in indices}
        self.said += indices
        words = ["two" if len(indices) == 2 else "three"]
        if len(colours) == 1 and facts.family != "person" and self.chance(.85):
            words += colours
        kinds = [thing["kind"] for thing in self.things]  # "two kids" would be false beside a third one
        nouns = [noun for noun in facts.plurals if sum(kind in world.NOUNS[noun][0] for kind in kinds) == len(indices)]
        words.append(self.usual(nouns, .88))
        start = len(self.tokens)
        self.say(" ".join(words))
        self.phrases.append((start, len(self.tokens), facts.family, list(indices)))
        if len(colours) == 1 and facts.family == "person" and self.chance(.6):
            self.say("in")
            self.say(*colours)

    def place(self, flying=False):
        text = self.usual((world.OVER_PLACES if flying else world.PLACES)[self.scene["setting"]], .8)
        if not flying and self.chance(.02):
            text = "inside" if self.scene["setting"] == "room" else "outside"
        self.say(text)
        size = len(text.split()) - 1
        if size:
            self.phrases.append((len(self.tokens) - size, len(self.tokens), "scene", []))

    def time(self):
        text = {"day": "on a sunny day", "sunset": self.usual(("at sunset", "in the evening")),
                "night": self.usual(("at night", "in the dark", "under the stars", "in the evening"))}[self.scene["time"]]
        if self.scene["time"] != "day" or (self.scene["setting"] != "room" and self.scene["setting"] != "snow"):
            self.say(text)

    def ending(self, flying=False, place=.88):
        """Place and time."""
        if not self.placed and self.chance(place):
            self.place(flying and self.chance(.8))
        if self.chance({"day": .03, "sunset": .45, "night": .45}[self.scene["time"]]):
            self.time()

    def beside(self):
        self.say(self.weighted(BESIDE_WORDS))

    # --- sentences ---

    def write(self):
        """One sentence: mostly about the first thing that the scene was made of."""
        relations = self.scene["relations"]
        doings = [r for r in relations if r[1] not in SPATIAL]
        spatial = [r for r in relations if r[1] in SPATIAL]
        pairs = [group for group in {tuple(self.same_kind(i)) for i in range(len(self.things))} if len(group) > 1]
        options = [((self.doing, r), 3.0) for r in doings]
        options += [((self.pair, g), 3.0) for g in sorted(pairs)]
        options += [((self.where, r), .9 if doings or pairs else 1.6) for r in spatial[:2]]
        busy = {i for r in doings for i in r[::2]} | {i for g in pairs for i in g}
        options += [((self.alone, i), (1.2 if i not in busy and not spatial else .45 if i not in busy else .12))
                    for i, thing in enumerate(self.things) if thing["does"]]
        if not options:
            options = [((self.exists, i), 1) for i in range(len(self.things))]
        write, argument = self.weighted(options)
        write(argument)
        return self.tokens, self.phrases

    def subject(self, index, verb, plural=False, doing=True):
        """The subject and its verb in one of the ways to begin: "a man riding", "a man is riding", "a man rides", "there is"."""
        how = self.weighted((("ing", .46), ("is", .36), ("third", .08), ("there", .10)))
        name = (lambda: self.group(index)) if plural else (lambda: self.thing(index))
        if how == "third" and not verb.third:
            how = "is"
        if how == "there":
            self.say("there are" if plural else "there is")
        name()
        if how in ("is", "third") and not plural and self.chance(.05):
            self.place()
            self.placed = True
        if how == "is":
            self.say("are" if plural else "is")
        self.say(" ".join(verb.ing if how != "third" else verb.plural if plural else verb.third))

    def doing(self, fact):
        """Somebody does something with something."""
        subject, relation, object_ = fact
        verbs = [verb for verb in world.WITH_OBJECT.values() if relation in verb.relations]
        main = [verb for verb in verbs if verb.relations[0] == relation]
        verb = self.usual(main) if self.chance(.94) else verbs[self.rng.integers(len(verbs))]
        self.subject(subject, verb)
        self.thing(object_)
        self.more(subject)

    def more(self, subject):
        """What else there is: beside the subject, then place and time; or a second clause."""
        facts = [r for r in self.scene["relations"] if r[1] in SPATIAL and subject in r[::2]
                 and not set(r[::2]) <= set(self.said)]
        if facts and len(self.tokens) < 10 and self.chance(.42):
            s, relation, o = facts[self.rng.integers(len(facts))]
            other = o if s == subject else s
            if relation == "next_to":
                self.beside()
            else:
                self.say({("behind", True): "behind", ("behind", False): "in front of", ("above", True): "above",
                          ("above", False): "under"}[relation, s == subject])
            self.thing(other, brief=True)
        elif facts and not self.placed and len(self.tokens) < 9 and self.chance(.25):
            return self.second_clause(facts[0], subject)
        if len(self.tokens) < 13:
            self.ending()

    def second_clause(self, fact, subject):
        s, relation, o = fact
        other = o if s == subject else s
        thing = self.things[other]
        if relation != "next_to":
            return self.ending()
        self.say(self.usual(("and", "while")))
        self.thing(other, brief=True)
        self.say("is")
        if "stand" in thing["does"] and self.chance(.5):
            self.say("standing")
        self.beside()
        kind = self.things[subject]["kind"]
        self.say(PRONOUN.get(kind, "it"))
        if len(self.tokens) < 14 and self.chance(.4):
            self.place()

    def pair(self, indices):
        """Two of a kind, together or named one by one."""
        indices = list(indices)
        colours = {self.things[i]["colour"] for i in indices}
        does = sorted(set(self.things[indices[0]]["does"]).intersection(*(self.things[i]["does"] for i in indices)))
        if len(colours) > 1 and self.chance(.5) and len(indices) == 2:
            self.there(False)
            self.thing(indices[0])
            self.say("and")
            self.thing(indices[1])
            self.ending(flying="fly" in does, place=1)
        elif does:
            self.subject(indices, world.ALONE["parked" if does[0] == "park" else self.named(does)], plural=True)
            self.ending(flying="fly" in does)
        else:
            self.there(True)
            self.group(indices)
            self.ending(place=1)

    def there(self, plural):
        """Open with "there is" now and then -> whether it did."""
        opened = self.chance(.15)
        if opened:
            self.say("there are" if plural else "there is")
        return opened

    def named(self, does):
        """A verb for one of the things that somebody does alone."""
        names = [name for name, verb in world.ALONE.items() if set(verb.does) & set(does)]
        first = {"wave": "wave", "sleep": "sleep", "sail": "sail", "float": "float"}.get(does[0])
        return first if first and self.chance(.85) else names[self.rng.integers(len(names))]

    def alone(self, index):
        """What one thing does by itself."""
        does = self.things[index]["does"]
        self.subject(index, world.ALONE["parked" if "park" in does else self.named(does)])
        if "fly" in does:
            self.ending(flying=True)
        else:
            self.more(index)

    def where(self, fact):
        """Where a thing is, seen from another."""
        subject, relation, object_ = fact
        turned = self.chance(.5)
        if relation == "above":
            turned = False
        first, second = (object_, subject) if turned else (subject, object_)
        opened = self.there(False)
        joint = relation == "next_to" and self.chance(.22)
        self.thing(first)
        if joint:
            self.say("and")
        else:
            does = self.things[first]["does"]
            if not opened and self.chance(.3):
                self.say("is")
            if {"stand", "sit", "sleep", "park", "fly"} & set(does) and self.chance(.45 if "fly" not in does else .9):
                self.say(" ".join(world.ALONE["parked" if "park" in does else self.named([d for d in does if d in (
                    "stand", "sit", "sleep", "fly")])].ing))
            if relation == "next_to":
                self.beside()
            else:
                self.say("above" if relation == "above" else "in front of" if turned else "behind")
        self.thing(second)
        if len(self.tokens) < 13 or joint:
            self.ending(place=.75 if not joint else 1)

    def exists(self, index):
        self.there(False)
        self.thing(index)
        self.ending(place=1)
