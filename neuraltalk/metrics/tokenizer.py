"""Captions to words as coco-caption's PTBTokenizer does it: the Stanford tokeniser's Penn Treebank words, in lower case, without
punctuation. Published scores are of such words, and they differ from a split at spaces where people wrote `don't`, `A&M` or `(`.

A caption is cut from the left. At each place every rule of RULES tries to match; the longest match wins, the earlier rule among
equals, and its first group (all of it, if it has none) is the next word: what follows the group had only to be there. So
`don't` loses to no plain word: `do` with `n't` behind it is longer than `don`. What no rule matches is a word of one character.

Two habits of coco-caption are kept because its figures depend on them: brackets stay, as the words -lrb- and -rrb- (it
removes them in capitals, after everything was put into lower case), and so do runs such as `?!`.

Nothing but a number behind an abbreviation (`No. 5`) is looked at across spaces, so each stretch between spaces is cut once
and remembered. The original looks further in a telephone number with spaces, an HTML tag with attributes, and where a
sentence ends in a single letter.
"""

import re

# What coco-caption removes, in the original's spelling of quotes and dashes.
PUNCTUATION = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}

# How the Treebank spells what isn't ASCII, or has a meaning there.
SPELLINGS = {
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
    "£": "#", "€": "$", "¤": "$", "¢": "cents", "…": "...", '"': "''",
    **dict.fromkeys("–—―", "--"), **dict.fromkeys("‘’‛‹›", "'"), **dict.fromkeys("“”«»", "''"),
    "½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3",
    "cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na", "lemme": "lem me", "gimme": "gim me",
}  # fmt: skip
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&ndash;": "–", "&mdash;": "—", "&nbsp;": " "}

# Abbreviations that keep their full stop: in any case, with a capital, and before a number.
ABBREVIATIONS = """adj adm adv al ala alex apr ariz assn assoc asst atty aug ave bhd bldg blvd brig bros calif capt cf cie
    cmdr co col colo conn corp cos cpl ct dak dec dept det dr drs elec ens esq est etc ext feb fla fri ft ga gen gov govs hon
    inc ind insp intl invt jan jos jr jul jun kan kans ky lieut lt ltd maj mar md messrs mfg mich minn mlle mme mo mon mont mr
    mrs ms msgr mt mtg natl neb nev nov oct okla penn pfc ph plc ppte ppty pres prof profs pte ptes pty ptys pvt rd rep reps
    rev rt sen sens sep sept seq sfc sgt spc sq sr st ste supt sys tel tenn thu thurs treas tue tues univ va vs vt wed wis
    wisc wm wyo ph\\.d"""
CAPITALISED = "ark az del ill la mass miss ore pa tex wash"
NUMBERED = "art ca fig figs no nos op pp prop"

# Marks that scripts write on and between letters, and letters of those scripts, which `\w` alone doesn't keep together
SCRIPTS = r"\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff\u0e31-\u0e4e"
L = f"(?:[^\\W\\d_¹²³¼½¾⁰-₉⅐-⅞{SCRIPTS}]|[{SCRIPTS}])"  # a letter
A = f"(?:{L}|\\d)"  # a letter or digit
Q = "['’]"
CLITIC = f"{Q}(?i:s|m|d|re|ve|ll)(?!{L})"
WORD = f"{L}{A}*(?:[.!?]{L}{A}*)*"
HYPHENATED = f"{A}+(?:[-_]{A}+)*"
PLAIN = f"{A}+(?:-{A}+)*"
INITIALS = f"{L}(?:\\.{L})*\\."


def _any_of(words):
    return "|".join(sorted(words.split(), key=len, reverse=True))


ABBREVIATION = (
    f"(?:(?i:{_any_of(ABBREVIATIONS)})|{'|'.join(f'{word[0].upper()}(?i:{word[1:]})' for word in CAPITALISED.split())}|"
    f"(?i:{_any_of(NUMBERED)})(?=\\.\\d))\\."
)

RULES = [
    # words
    WORD,
    HYPHENATED,
    f"{PLAIN}(?:/{PLAIN}){{1,2}}",  # and/or, 1/2/2010
    INITIALS,
    ABBREVIATION,
    f"(?:{ABBREVIATION}|{INITIALS})(?:-(?:{INITIALS}|{A}+))+",  # U.S.-based
    f"{A}+-(?:{L}\\.){{2,}}",
    f"((?:{WORD}|{HYPHENATED})\\.)[,;:]",  # any abbreviation, since a comma follows its full stop
    "[A-Z]+(?:&[A-Z]+)+",  # AT&T
    "[Cc]#|[Ff]#|[Cc]\\+\\+",
    # apostrophes
    CLITIC,
    f"({WORD}|{HYPHENATED}){CLITIC}",
    f"({L}+?)[nN]['’`][tT]",  # do n't
    f"[nN]['’`][tT]{L}*",
    f"(?:[A-HJ-XZlno]|[Qq]u){Q}{L}{{2,}}|[DdOo]{Q}{L}{L}+(?![-]{A})|[Dd]{Q}{A}{{2,}}",  # O'Neil, l'Oreal
    f"([DdJjLlYy]{Q}){A}",  # y' all
    f"(?i:('t)(?:is|was))|(?i:(more)'n)(?![\\w-])|{Q}n(?:{Q}|(?![\\w-]))",  # 't is, rock 'n' roll
    f"{Q}\\d\\ds?(?![\"”]|{A}|{CLITIC})",  # '90s
    f"(?i:{Q}(?:em|til|till|cause)|(?:somethin|ol|dunkin){Q}|o{Q}clocks?|ma{Q}am|c{Q}mon|[eo]{Q}er|ne{Q}er|cap{Q}n|s{Q}mores"
    f"|hallowe{Q}en|ha{Q}aretz|shi{Q}ite|xi{Q}an|nat{Q}l)(?!{L})",
    # numbers
    r"[-+]?(?:\d+(?:[.:,]\d+)*|(?:[.:,]\d+)+)",
    r"[A-Z]+\$",
    # the net
    r"(?i:https?)://[^\s\"<>|()]+\.[^\s\"<>|()]*[^\s\"<>|().!?,;:]",
    r"(?:www\.(?:\w+\.)+[A-Za-z]{2,4}|(?:[A-Za-z]\w*\.)+(?:com|net|org|edu))(?:/[^\s\"<>|()]+[^\s\"<>|().!?,;:-])?",
    r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)*",
    f"@[A-Za-z_]\\w*|#{L}+",
    r"</?[A-Za-z][\w.:-]*/?>",
    f"[<>]?[:;=][-o*'’]?[()DPdpO\\\\@|\\[\\]{{](?!{A})|>_<|\\^_\\^|-_-|=_=",
    # runs
    r"\.{3,}|-{5,}|-{2,4}|[?!]+|\*+|_+|#+|''|``",
]
LONGEST = 500  # letters without a space

_RULES = [re.compile(rule) for rule in RULES]

_SIMPLE = re.compile(r"([A-Za-z]+)[,;:!?\"]?")  # nine of ten stretches: no need to try all the rules
_NUMBERED = re.compile(f"\\b((?i:{_any_of(NUMBERED)})\\.)\\s+(?=\\d)")
_GONE = re.compile("[‐‑‒⸺\u200b-\u200f\ufe00-\ufe0f\ufeff\U00010000-\U0010ffff]")


def tokenize(caption):
    """The words of a caption, in lower case and without punctuation.

    >>> tokenize("The dog's tail (it can't be seen) -- a \\"black & white\\" T-shirt, No. 5!")
    ['the', 'dog', "'s", 'tail', '-lrb-', 'it', 'ca', "n't", 'be', 'seen', '-rrb-', 'a', 'black', '&', 'white', 't-shirt', 'no.', '5']
    """
    if ". " in caption:
        caption = _NUMBERED.sub(r"\1", caption)  # "No. 5" to "No.5", which has the same words
    return [word for stretch in caption.split() for piece in _pieces(stretch) for word in _cuts[piece]]


def _pieces(stretch):
    """A stretch, or pieces of one so long that nobody wrote it: the time that the rules take grows as its square."""
    return (stretch,) if len(stretch) <= LONGEST else (stretch[k : k + LONGEST] for k in range(0, len(stretch), LONGEST))


class _Cuts(dict):
    """stretch -> its words, cut when it is first asked for."""

    def __missing__(self, stretch):
        if len(self) >= 1 << 18:  # some 50 MB
            self.clear()
        self[stretch] = words = cut(stretch)
        return words


_cuts = _Cuts()


def cut(stretch):
    """The words of a stretch of text, as a tuple."""
    simple = _SIMPLE.fullmatch(stretch)
    if simple:
        word = simple[1].lower()
        return tuple(SPELLINGS.get(word, word).split())
    for entity, character in ENTITIES.items():
        if "&" in stretch:
            stretch = re.sub(entity, character, stretch, flags=re.IGNORECASE)
    stretch = _GONE.sub(" ", stretch.replace("\u00ad", ""))
    words, place = [], 0
    while place < len(stretch):
        if stretch[place] == " ":
            place += 1
            continue
        token = _longest(stretch, place)
        place += len(token)
        words += _spelled(token)
    return tuple(word for word in words if word not in PUNCTUATION)


def _longest(stretch, place):
    """The text of the next token."""
    best, longest = stretch[place], 1
    for rule in _RULES:
        match = rule.match(stretch, place)
        if match and match.end() - place > longest:
            longest = match.end() - place
            best = next((group for group in match.groups() if group), match[0])
    return best


def _spelled(token):
    """A token as the words of the original's output."""
    word = token.lower()
    if word in SPELLINGS:
        return SPELLINGS[word].split()
    if re.fullmatch(r"\.{3,}|-{2,4}", word):  # one dash, one ellipsis, whatever the length
        return []
    if word[0] in "’'" and re.fullmatch(CLITIC, word):
        return ["'" + word[1:]]
    if len(word) > 1 and not word[0].isalnum():  # an emoticon
        word = "".join(SPELLINGS.get(letter, letter) if letter in "()[]{}" else letter for letter in word)
    return [word.replace("n’t", "n't")]
