"""Word vectors: every format gives the same ones; every fault is one line."""

import gzip
import tracemalloc

import numpy as np
import pytest

from neuraltalk.data import word_vectors
from neuraltalk.data.vocabulary import Vocabulary
from neuraltalk.data.word_vectors import read_word_vectors
from neuraltalk.errors import UserError

VOCABULARY = Vocabulary(["a", "dog", "café", "missing", "犬", "german"])
WORDS = ["</s>", "the", "a", "dogs", "犬", "dog", ".", "café", "German", "last"]
E = 5


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((len(WORDS), E)).astype(np.float32)


def as_text(words, vectors, header=True, end=" \n"):
    lines = [word + " " + " ".join(map(repr, row)) + end for word, row in zip(words, vectors.tolist())]
    return (f"{len(words)} {vectors.shape[1]}\n" * header + "".join(lines)).encode()


def as_binary(words, vectors, end=b"\n"):
    records = [word.encode() + b" " + row.astype("<f4").tobytes() + end for word, row in zip(words, vectors)]
    return f"{len(words)} {vectors.shape[1]}\n".encode() + b"".join(records)


FORMATS = {
    "word2vec text": as_text,
    "word2vec text, other line ends": lambda words, vectors: as_text(words, vectors, end="\r\n"),
    "glove": lambda words, vectors: as_text(words, vectors, header=False, end="\n"),
    "word2vec binary": as_binary,
    "binary without line ends": lambda words, vectors: as_binary(words, vectors, end=b""),
    "glove, packed": lambda words, vectors: gzip.compress(as_text(words, vectors, header=False)),
    "binary, packed": lambda words, vectors: gzip.compress(as_binary(words, vectors)),
}


@pytest.mark.parametrize("block", [7, 100, 1 << 20])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_vectors(tmp_path, vectors, kind, block, monkeypatch):
    monkeypatch.setattr(word_vectors, "BLOCK_BYTES", block)
    monkeypatch.setattr(word_vectors, "LONGEST_WORD", 30)
    (tmp_path / "vectors").write_bytes(FORMATS[kind](WORDS, vectors))
    found = read_word_vectors(tmp_path / "vectors", VOCABULARY)
    assert found.vectors.dtype == np.float32 and found.vectors.shape == (len(VOCABULARY), E)
    assert found.found.tolist() == [False, True, True, True, False, True, True]
    for number, word in enumerate(VOCABULARY.words):
        word = "German" if word == "german" else word
        wanted = vectors[WORDS.index(word)] if found.found[number] else np.zeros(E)
        np.testing.assert_array_equal(found.vectors[number], wanted)


@pytest.mark.parametrize("kind", ["glove", "word2vec binary"])
def test_the_first_of_several_counts_and_the_own_spelling_before_the_capitalised(tmp_path, vectors, kind):
    words = ["German", "dog", "Dog", "german", "dog", "german", "A", "A", "Café", "x"]
    (tmp_path / "vectors").write_bytes(FORMATS[kind](words, vectors))
    found = read_word_vectors(tmp_path / "vectors", VOCABULARY)
    for word, place in {"german": 3, "dog": 1, "a": 6, "café": 8}.items():
        np.testing.assert_array_equal(found.vectors[VOCABULARY.index[word]], vectors[place])
    assert found.found.sum() == 4


def test_words_with_spaces_and_empty_lines_and_other_encodings(tmp_path, vectors):
    """As in GloVe's 840B: ". . ." is a word there. A word in Latin-1 is none of ours."""
    data = as_text(["dog", ". . .", "犬"], vectors[:3], header=False, end="\n")
    data += b"\n" + as_text(["caf"], vectors[:1], header=False).replace(b"caf", b"caf\xe9")
    (tmp_path / "vectors").write_bytes(data)
    found = read_word_vectors(tmp_path / "vectors", VOCABULARY)
    np.testing.assert_array_equal(found.vectors[[2, 5]], vectors[[0, 2]])
    assert found.found.sum() == 2


def cut_text(share):
    return lambda vectors: as_text(WORDS, vectors)[: int(len(as_text(WORDS, vectors)) * share)]


FAULTS = {
    "nothing": (lambda vectors: b"", "has 0 words; it is cut short"),
    "prose": (lambda vectors: b"Lorem\nipsum\n", "line 1 should be a word and its numbers.*'Lorem'"),
    "bytes": (lambda vectors: bytes(range(256)) * 300, "line 1"),
    "no numbers promised": (lambda vectors: b"10 0\na\n", "promises vectors of 0 numbers"),
    "too many promised": (lambda vectors: b"10 99999999\na 1\n", "promises vectors of 99999999 numbers"),
    "text cut in a line": (cut_text(0.53), r"line \d \('.*'\) has \d numbers, expected 5; .* cut short"),
    "text cut between lines": (
        lambda vectors: as_text(WORDS, vectors).replace(b"10 5", b"12 5"),
        "has 10 words of the 12 in its first line; it is cut short",
    ),
    "only the first line": (lambda vectors: b"12 5\n", "has 0 words of the 12"),
    "a shorter vector": (
        lambda vectors: as_text(WORDS[:2], vectors[:2], False) + as_text(["a"], vectors[2:3, :3], False),
        "line 3 .'a'. has 3 numbers, expected 5",
    ),
    "another dimension than promised": (
        lambda vectors: as_text(WORDS, vectors).replace(b"10 5", b"10 6"),
        "line 2 .'</s>'. has 5 numbers, expected 6",
    ),
    "a longer vector": (lambda vectors: b"x 1 2\na 1 2 3\n", "none of the vocabulary's 6 words"),  # the word is "a 1"
    "no number": (lambda vectors: b"x 1 2\na 1 two\n", "line 2 .'a'. should hold 2 finite numbers"),
    "not finite": (lambda vectors: b"x 1 2\na 1 nan\n", "line 2 .'a'. should hold 2 finite numbers"),
    "too large": (lambda vectors: b"x 1 2\na 1 1e300\n", "line 2 .'a'. should hold 2 finite numbers"),
    "none of the words": (lambda vectors: b"x 1 2\ny 1 2\n", "has none of the vocabulary's 6 words"),
    "binary cut short": (lambda vectors: as_binary(WORDS, vectors)[:-30], "has 8 words of the 10 in its first line"),
    "binary cut in the middle": (lambda vectors: as_binary(WORDS, vectors)[:120], "has 4 words of the 10"),
    "binary of other numbers": (
        lambda vectors: as_binary(WORDS * 300, np.tile(vectors, (300, 1)) ** 3).replace(b"3000 5", b"3000 9"),
        "3000 in its first line|none of the vocabulary|isn't finite|there is none",
    ),
    "binary without words": (lambda vectors: b"9 2\n" + bytes(9000), "where word 1 should be there is none"),
    "binary not finite": (lambda vectors: as_binary(WORDS, vectors * np.inf), r"vector of word 3 \('a'\) isn't finite"),
    "packed and cut": (lambda vectors: gzip.compress(as_text(WORDS, vectors))[:-40], "cut short .as a gzip file"),
    "packed and damaged": (lambda vectors: b"\x1f\x8b" + bytes(100), "damaged or cut short .as a gzip file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line(tmp_path, vectors, fault):
    data, message = FAULTS[fault]
    path = tmp_path / "vectors"
    path.write_bytes(data(vectors))
    with pytest.raises(UserError, match=message) as error:
        read_word_vectors(path, VOCABULARY)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="none.txt: can't be read: No such file"):
        read_word_vectors(tmp_path / "none.txt", VOCABULARY)


@pytest.mark.parametrize("kind", ["glove", "word2vec binary"])
def test_altered_files_are_read_or_refused(tmp_path, vectors, kind):
    original = FORMATS[kind](WORDS, vectors)
    rng = np.random.default_rng(1)
    for _ in range(200):
        data = bytearray(original)
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(0, len(data))] = rng.integers(0, 256)
        (tmp_path / "vectors").write_bytes(data[: rng.integers(1, len(data) + 1)])
        try:
            assert np.isfinite(read_word_vectors(tmp_path / "vectors", VOCABULARY).vectors).all()
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["glove", "word2vec binary"])
def test_only_the_words_of_the_vocabulary_are_kept(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(word_vectors, "BLOCK_BYTES", 1 << 14)
    vectors = np.ones((3000, 100), dtype=np.float32)  # 1.2 MB
    (tmp_path / "vectors").write_bytes(FORMATS[kind]([f"w{k}" for k in range(2999)] + ["dog"], vectors))
    tracemalloc.start()
    try:
        found = read_word_vectors(tmp_path / "vectors", VOCABULARY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.found.sum() == 1 and peak < 3e5
