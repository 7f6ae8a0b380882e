"""Pretrained word vectors for a vocabulary, from the files of word2vec and GloVe.

    word2vec's text      a first line "words numbers", then a line for each word: the word and its E numbers
    GloVe's text         the same without the first line
    word2vec's binary    the first line as text, then for each word: the word, a space, E little-endian 32-bit floats

Each of them may be packed by gzip. Which one a file is, its content says. Files are read once, from front to back, and
only the vocabulary's words are kept: the published ones hold 3 million words in 3.6 GB.

    V    vocabulary size, with START/END at 0
    E    numbers of a vector
"""

import gzip
import io
import pathlib
import zlib
from typing import NamedTuple

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.wording import plural

BLOCK_BYTES = 1 << 20
LONGEST_WORD = 2000  # bytes; what is longer is another kind of file
LARGEST_VECTOR = 100_000  # numbers; likewise
LONGEST_LINE = LONGEST_WORD + 40 * LARGEST_VECTOR
_IN_NUMBERS = frozenset(b"0123456789+-.eEnaif \t\r\n")


class WordVectors(NamedTuple):
    """The vectors of a vocabulary."""

    vectors: np.ndarray  # (V, E) float32; zeros where there is none, and for START/END
    found: np.ndarray  # (V,) bool


def read_word_vectors(path, vocabulary):
    """Read the vectors of a vocabulary's words -> WordVectors.

    A word that the file has only with a capital ("German") takes that one's vector. Of several vectors of the same word
    the first counts. Words are compared as UTF-8.

    Raises UserError, naming the line or the word's place, if the file can't be read, is none of the formats, is cut
    short, has a vector of another length or a wanted one with a number that isn't finite, or has none of the words.
    """
    path = pathlib.Path(path)
    wanted = _Wanted(vocabulary)
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as file:
            E = _read(path, file, wanted)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UserError(f"{path}: damaged or cut short (as a gzip file); copy it again") from None
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from None
    vectors, found = np.zeros((len(vocabulary), E), dtype=np.float32), np.zeros(len(vocabulary), dtype=bool)
    for number, vector in wanted.vectors.items():
        vectors[number], found[number] = vector, True
    if not found.any():
        raise UserError(
            f"{path}: has none of the vocabulary's {len(vocabulary) - 1} words; expected vectors of words in the "
            "language of the sentences"
        )
    return WordVectors(vectors, found)


class _Wanted:
    """Which words are wanted, and what was found for them: `vectors`, number -> (E,)."""

    def __init__(self, vocabulary):
        self.vectors = {}
        self._preliminary = set()  # numbers that have the vector of the capitalised word
        self._own = {word.encode("utf-8", "replace"): number for number, word in enumerate(vocabulary.words) if number}
        capitals = [(word.capitalize().encode("utf-8", "replace"), n) for n, word in enumerate(vocabulary.words) if n]
        self._capitals = {word: number for word, number in capitals if word not in self._own}

    def number_of(self, word):
        """The number for which a word's vector should be kept, or None."""
        number = self._own.get(word)
        if number is not None:
            return number if number not in self.vectors or number in self._preliminary else None
        number = self._capitals.get(word)
        return number if number not in self.vectors else None

    def keep(self, word, number, vector):
        (self._preliminary.discard if word in self._own else self._preliminary.add)(number)
        self.vectors[number] = vector


def _read(path, file, wanted):
    """Read any of the formats -> E."""
    first = file.readline(LONGEST_LINE)
    header = first.split()
    if len(header) != 2 or not all(part.isdigit() and len(part) < 12 for part in header):
        return _read_text(path, file, wanted, first)
    count, E = map(int, header)
    if not 0 < E <= LARGEST_VECTOR:
        raise UserError(f"{path}: its first line promises vectors of {E} numbers; expected 1 to {LARGEST_VECTOR}")
    start = file.read(LONGEST_WORD)
    numbers = start.partition(b" ")[2][: 4 * E]  # of the first word; as text they are 2 bytes each or more
    if b"\0" not in start and _IN_NUMBERS.issuperset(numbers):
        return _read_text(path, file, wanted, start + file.readline(LONGEST_LINE), E, count)
    _read_binary(path, file, wanted, start, E, count)
    return E


# Text


def _read_text(path, file, wanted, start, E=None, count=None):
    """Read lines of a word and E numbers -> E. `start` was read before, whole lines; `count` lines are promised, or None."""
    done, place = 0, 1 if count is None else 2
    for lines in (io.BytesIO(start), file):
        for line in lines:
            line = line.rstrip()
            if line:
                E = _read_line(path, line, place, wanted, E)
                done += 1
            place += 1
    if done < (1 if count is None else count):
        raise UserError(f"{path}: has {plural(done, 'word')}{f' of the {count} in its first line' if count else ''}; it is cut short")
    return E


def _read_line(path, line, place, wanted, E):
    """Read one line, the `place`-th of the file -> E."""
    numbers = line.count(b" ")
    if E is None:
        E = numbers
        if not 2 <= E <= LARGEST_VECTOR:
            raise UserError(
                f"{path}: line {place} should be a word and its numbers, separated by spaces, not {_text(line)}; expected "
                "word vectors of word2vec (text or binary) or GloVe"
            )
    if numbers < E:  # more are possible: a few of GloVe's words have spaces in them
        raise UserError(
            f"{path}: line {place} ({_text(line.partition(b' ')[0])}) has {numbers} numbers, expected {E}; the file is "
            "damaged or cut short"
        )
    word = line.partition(b" ")[0] if numbers == E else line.rsplit(b" ", E)[0]
    number = wanted.number_of(word)
    if number is not None:
        try:
            with np.errstate(over="ignore"):
                vector = np.array([float(part) for part in line.rsplit(b" ", E)[1:]]).astype(np.float32)
        except ValueError:
            vector = np.array([np.nan])
        if not np.isfinite(vector).all():
            raise UserError(f"{path}: line {place} ({_text(word)}) should hold {E} finite numbers after the word")
        wanted.keep(word, number, vector)
    return E


def _text(data):
    return f"{data.decode('utf-8', 'replace')!r:.40}"


# Binary


def _read_binary(path, file, wanted, data, E, count):
    """Read `count` times a word, a space and E floats, perhaps with a line end behind. `data` was read before."""
    width = 4 * E
    position = 0
    for done in range(count):
        space = data.find(b" ", position, position + LONGEST_WORD)
        while space < 0 or len(data) < space + 1 + width:
            if space < 0 and len(data) - position >= LONGEST_WORD:
                raise UserError(f"{path}: where word {done + 1} should be there is none; it is damaged, or no word2vec file")
            more = file.read(BLOCK_BYTES + width)
            if not more:
                raise UserError(f"{path}: has {plural(done, 'word')} of the {count} in its first line; it is cut short")
            data, position = data[position:] + more, 0
            space = data.find(b" ", 0, LONGEST_WORD)
        word = data[position:space].lstrip(b"\n")
        number = wanted.number_of(word)
        if number is not None:
            vector = np.frombuffer(data, dtype="<f4", count=E, offset=space + 1)
            if not np.isfinite(vector).all():
                raise UserError(f"{path}: the vector of word {done + 1} ({_text(word)}) isn't finite; the file is damaged")
            wanted.keep(word, number, vector.copy())  # a view would keep the whole block
        position = space + 1 + width
