"""Scores against hand-worked numbers, plain transcriptions and the published scores of real captions."""

import collections
import itertools
import json
import math
import pathlib
import types

import numpy as np
import pytest

from neuraltalk.layers.twins import numpy_only
from neuraltalk.metrics import bleu, bootstrap, cider, corpus, diversity, java_scores, nearest, rouge, scores

PUBLISHED = sorted((pathlib.Path(__file__).resolve().parents[2] / "shared" / "metrics").glob("*.json"))


def words(*sentences):
    return [sentence.split() for sentence in sentences]


def numbered(candidates, references):
    return corpus.number(words(*candidates), [words(*own) for own in references])


def random_set(seed=0, N=30, most_references=4, vocabulary="abc"):
    """Captions of 0 to 9 words, so that n-grams repeat, with 1 to 4 references of 0 to 11."""
    rng = np.random.default_rng(seed)
    sentence = lambda longest: [vocabulary[k] for k in rng.integers(len(vocabulary), size=rng.integers(longest))]  # noqa: E731
    return [sentence(10) for _ in range(N)], [[sentence(12) for _ in range(rng.integers(1, most_references + 1))] for _ in range(N)]


# BLEU


def test_a_perfect_caption_scores_one():
    captions = words("a man rides a red bike", "two dogs run")
    assert bleu.corpus_bleu(captions[:1], [words("a dog", "a man rides a red bike")]) == pytest.approx([1, 1, 1, 1], abs=1e-8)


def test_hand_worked_bleu():
    """Clipped counts: "the the the" against "the cat" matches once in three; bigrams by hand as well."""
    candidates = words("the the the", "a dog runs")
    references = [words("the cat", "the big cat"), words("a dog sits here", "one dog runs")]
    # unigrams: 1 of 3 and 3 of 3; bigrams: 0 of 2 and "a dog", "dog runs" 2 of 2; lengths 3 + 3 against 3 + 3
    assert bleu.corpus_bleu(candidates, references)[:2] == pytest.approx([4 / 6, math.sqrt(4 / 6 * 2 / 4)], abs=1e-8)


def test_brevity_penalty_uses_the_closest_length_and_the_shorter_of_two_equally_close():
    found = bleu.closest_lengths(numbered(["a b c d e", "a b c d e"], [["a b c d e f g", "a b c"], ["a b c d e f", "a b c"]]))
    assert found.tolist() == [3, 6]
    candidate, reference = words("a b"), [words("a b c d")]
    assert bleu.multi_bleu(candidate, reference)[0] == pytest.approx(1, abs=1e-12)
    assert bleu.corpus_bleu(candidate, reference)[0] == pytest.approx(math.exp(1 - 4 / 2), abs=1e-8)


def test_the_set_counts_as_one_text():
    """The corpus score is no mean of sentence scores: one good and one bad caption of different lengths."""
    assert bleu.corpus_bleu(words("a b c d", "x"), [words("a b c d"), words("y")])[0] == pytest.approx(4 / 5, abs=1e-8)


def test_nothing_in_common_is_almost_zero_and_empty_captions_count():
    assert all(score < 1e-6 for score in bleu.corpus_bleu(words("x y z w"), [words("a b c d")]))
    assert all(score < 1e-6 for score in bleu.corpus_bleu([[]], [words("a b")]))
    assert bleu.multi_bleu(words("x y z w"), [words("a b c d")]) == [0, 0, 0, 0]
    assert bleu.multi_bleu([[]], [words("a b")]) == [0, 0, 0, 0]
    both = bleu.corpus_bleu([[], ["a", "b"]], [words("c d"), words("a b")])[0]
    assert both == pytest.approx(math.exp(1 - 4 / 2), abs=1e-8)


def test_sets_that_cannot_be_scored_are_refused():
    with pytest.raises(ValueError, match="1 captions, but references for 2"):
        bleu.corpus_bleu(words("a"), [words("a"), words("b")])
    with pytest.raises(ValueError, match="caption 1 has no reference"):
        bleu.corpus_bleu(words("a", "b"), [words("a"), []])
    with pytest.raises(ValueError, match="no captions"):
        bleu.corpus_bleu([], [])


def test_bleu_is_the_plain_count():
    """Papineni's definition with Counters, a caption at a time."""
    candidates, references = random_set()
    matched, offered, c, r = [0] * 4, [0] * 4, 0, 0
    for caption, own in zip(candidates, references):
        for n in range(1, 5):
            most = collections.Counter()
            for reference in own:
                most |= counts(reference, n)
            matched[n - 1] += sum((counts(caption, n) & most).values())
            offered[n - 1] += max(0, len(caption) - n + 1)
        c += len(caption)
        r += min((abs(len(reference) - len(caption)), len(reference)) for reference in own)[1]
    precisions = [a / b for a, b in zip(matched, offered)]
    bare = [math.prod(precisions[:n]) ** (1 / n) for n in (1, 2, 3, 4)]
    assert bleu.multi_bleu(candidates, references) == pytest.approx(bare, rel=1e-12)
    penalty = math.exp(min(0, 1 - r / c))
    assert bleu.corpus_bleu(candidates, references) == pytest.approx([penalty * b for b in bare], rel=1e-8)


def counts(sentence, n):
    return collections.Counter(zip(*(sentence[k:] for k in range(n))))


# ROUGE-L


def test_hand_worked_rouge():
    """LCS "a dog on grass" 4: P = 4/5 by the first reference, R = 2/2 by the second."""
    value = rouge.rouge_l(numbered(["a dog runs on grass"], [["a brown dog lies on green grass", "a dog"]]))
    P, R = 4 / 5, 1.0
    assert value == pytest.approx([(1 + 1.44) * P * R / (R + 1.44 * P)], rel=1e-12)


def test_rouge_is_the_plain_formula():
    """P and R may be of different references."""
    candidates, references = random_set(4)
    expected = []
    for caption, own in zip(candidates, references):
        common = [longest_common(caption, reference) if caption or reference else 1 for reference in own]
        P = max(common) / max(len(caption), 1)
        R = max(length / max(len(reference), 1) for length, reference in zip(common, own))
        expected.append(2.44 * P * R / (R + 1.44 * P) if P else 0)
    assert rouge.rouge_l(corpus.number(candidates, references)) == pytest.approx(expected, rel=1e-12)


def test_rouge_of_sentences_without_words():
    """coco-caption splits at spaces, so nothing is one empty word, which only another one equals."""
    assert rouge.rouge_l(numbered(["", "", "a"], [["a b"], ["", "a"], [""]])).tolist() == [0, 1, 0]


def test_common_lengths_twins_and_the_plain_recursion():
    candidates, references = random_set(1)
    numbers = corpus.number(candidates, references)
    found = [np.zeros(sum(map(len, references)), np.int64) for _ in range(2)]
    rouge.common_lengths(numbers.words, numbers.starts, numbers.image, numbers.N, found[0])
    with numpy_only():
        rouge.common_lengths(numbers.words, numbers.starts, numbers.image, numbers.N, found[1])
    plain = [longest_common(tuple(c), tuple(r)) for c, own in zip(candidates, references) for r in own]
    assert found[0].tolist() == found[1].tolist() == plain


def longest_common(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, j in itertools.product(range(len(a)), range(len(b))):
        table[i + 1][j + 1] = table[i][j] + 1 if a[i] == b[j] else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


# CIDEr


def test_hand_worked_cider():
    """Two images: "a" is in references of both and weighs nothing, "dog" and "cat" log 2. Captions equal to the reference but
    for "a" score 1 in words; in pairs "a dog" is the only n-gram of both, so 1 as well; no longer ones. (1 + 1 + 0 + 0) / 4 * 10."""
    numbers = numbered(["a dog", "a dog"], [["a dog"], ["a cat"]])
    assert cider.cider(numbers) == pytest.approx([5, 0], abs=1e-12)


def test_cider_of_one_image_is_zero_and_of_an_empty_caption():
    assert cider.cider(numbered(["a dog"], [["a dog"]])).tolist() == [0]
    assert cider.cider(numbered(["", "b"], [["a"], ["b"]])).tolist() == [0, 2.5]


def test_cider_is_the_plain_sum():
    candidates, references = random_set(2)
    N = len(candidates)
    expected = []
    frequency = collections.Counter(gram for own in references for gram in {g for r in own for n in (1, 2, 3, 4) for g in counts(r, n)})

    def weights(sentence, n):
        return {gram: count * math.log(N / max(1, frequency[gram])) for gram, count in counts(sentence, n).items()}

    for caption, own in zip(candidates, references):
        total = 0
        for reference, n in itertools.product(own, (1, 2, 3, 4)):
            h, r = weights(caption, n), weights(reference, n)
            norms = math.sqrt(sum(w * w for w in h.values()) * sum(w * w for w in r.values()))
            delta = max(len(caption) - 1, 0) - max(len(reference) - 1, 0)
            alike = math.exp(-(delta**2) / 72)
            total += alike * sum(min(h[gram], r[gram]) * r[gram] for gram in h if gram in r) / (norms or 1)
        expected.append(10 * total / 4 / len(own))
    assert cider.cider(corpus.number(candidates, references)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


# all of them


@pytest.mark.skipif(not PUBLISHED, reason="the published captions are not on this machine")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_scores_of_real_captions(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    figures = scores.score(record["candidates"], record["references"]).figures()
    for name, published in record["scores"].items():
        if name != "METEOR":
            assert figures[name.replace("Bleu_", "BLEU-").replace("_", "-")] == pytest.approx(published, abs=1e-6)


@pytest.mark.skipif(not PUBLISHED, reason="the published captions are not on this machine")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_published_meteor():
    pytest.importorskip("pycocoevalcap", reason="pycocoevalcap isn't installed")
    record = json.loads(PUBLISHED[1].read_text(encoding="utf-8"))
    figure, each = java_scores.java_score("METEOR", record["candidates"], record["references"])
    assert figure == pytest.approx(record["scores"]["METEOR"], abs=1e-6) and each.shape == (1000,)


def test_scores_of_each_caption_and_their_mean():
    candidates, references = ["a dog runs", "", "two cats sit here"], [["a dog runs"], ["a man"], ["two cats", "cats sit here"]]
    found = scores.score(candidates, references)
    each = found.of_each()
    assert [list(entry) for entry in each] == [["BLEU-4", "ROUGE-L", "CIDEr"]] * 3 and each[1] == {"BLEU-4": 0, "ROUGE-L": 0, "CIDEr": 0}
    assert found.figures()["CIDEr"] == pytest.approx(np.mean([entry["CIDEr"] for entry in each]), abs=1e-6)
    texts = ["a dog runs on the grass", "a cat"], [["a dog runs on grass"], ["a cat"]]
    alone = [bleu.corpus_bleu([caption.split()], [[text.split() for text in own]])[3] for caption, own in zip(*texts)]
    assert [entry["BLEU-4"] for entry in scores.score(*texts).of_each()] == pytest.approx(alone, abs=1e-6) and 0 < alone[0] < 1
    assert found.with_values({"true": [1, 0, 0]}).figures()["true"] == pytest.approx(1 / 3)


def test_human_agreement_takes_turns():
    references = [["a dog", "a dog", "x"], ["a cat", "y", "a cat"]]
    found = scores.human_agreement(references).figures()
    turns = [
        scores.score([own[k] for own in references], [own[:k] + own[k + 1 :] for own in references]).figures() for k in range(3)
    ]
    assert found["ROUGE-L"] == pytest.approx(np.mean([turn["ROUGE-L"] for turn in turns]))
    # x and y match nothing; of three turns together 10 words, whose closest references have 12
    assert found["BLEU-1"] == pytest.approx(8 / 10 * math.exp(1 - 12 / 10), abs=1e-6)


# bootstrap


def test_bootstrap_is_scoring_the_drawn_captions():
    """BLEU of a draw, by summing counts, is BLEU of the drawn captions; ROUGE-L its mean."""
    candidates, references = random_set(3)
    texts, own = [" ".join(c) for c in candidates], [[" ".join(r) for r in each] for each in references]
    found = scores.score(texts, own, str.split)
    drawn = bootstrap.resampled(found, draws=3, seed=5)
    picks = np.random.default_rng(5).integers(30, size=(3, 30))
    for values, pick in zip(zip(drawn["BLEU-2"], drawn["ROUGE-L"]), picks):
        again = scores.score([texts[k] for k in pick], [own[k] for k in pick], str.split).figures()
        assert values == pytest.approx((again["BLEU-2"], again["ROUGE-L"]), rel=1e-9)


def test_interval_of_a_mean():
    """Of 400 numbers of deviation 1, the mean's interval is about 1.96 * 1 / 20 to either side."""
    values = np.random.default_rng(0).standard_normal(400)
    found = scores.Scores(np.ones((400, bleu.COLUMNS)), {"mean": values})
    low, high = bootstrap.interval(bootstrap.resampled(found, draws=2000)["mean"])
    assert low < values.mean() < high and high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert bootstrap.resampled(found, draws=150)["mean"].shape == (150,)


# the rest


def test_nearest_row_by_angle_over_blocks():
    rng = np.random.default_rng(0)
    rows, queries = rng.standard_normal((20, 6)).astype(np.float32), rng.standard_normal((7, 6)).astype(np.float32)
    cosines = queries @ rows.T / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(rows, axis=1)
    at, best = nearest.nearest(queries, [rows[:9], rows[9:10], rows[10:]])
    assert at.tolist() == cosines.argmax(axis=1).tolist() and best == pytest.approx(cosines.max(axis=1), abs=1e-6)
    at, _ = nearest.nearest(queries, [rows[:1], 2 * rows[:1]])
    assert at.tolist() == [0] * 7 and nearest.nearest(queries, [])[0].tolist() == [-1] * 7


def test_no_captions_have_no_diversity():
    assert diversity.distinct_share([]) == diversity.mean_length([]) == 0


def test_java_scores_tell_what_is_missing(monkeypatch):
    from neuraltalk.errors import UserError

    monkeypatch.setitem(java_scores.MODULES, "METEOR", ("no_such_package.meteor", "Meteor"))
    with pytest.raises(UserError, match="METEOR needs the package pycocoevalcap; install it .pip install pycocoevalcap"):
        java_scores.check("METEOR")
    monkeypatch.setitem(java_scores.MODULES, "METEOR", ("neuraltalk.metrics.java_scores", "HOW"))
    monkeypatch.setattr(java_scores.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="no java on the PATH"):
        java_scores.check("METEOR")
    monkeypatch.setattr(java_scores.shutil, "which", lambda name: "/java")
    with pytest.raises(UserError, match="METEOR's Java program failed .ValueError: no answer"):
        monkeypatch.setattr(java_scores, "check", lambda name: Broken)
        java_scores.java_score("METEOR", ["a"], [["a"]])


def test_java_scores_of_a_set_and_of_each(monkeypatch):
    for name, each in (("METEOR", [0.25, 0.75]), ("SPICE", [{"All": {"f": 0.25}}, {"All": {"f": 0.75}}])):
        program = types.SimpleNamespace(compute_score=lambda references, candidates, each=each: (0.375, each))
        monkeypatch.setattr(java_scores, "check", lambda name, program=program: lambda: program)
        figure, found = java_scores.java_score(name, ["a", "b"], [["a"], ["b"]])
        assert figure == 0.375 and found.tolist() == [0.25, 0.75]


class Broken:
    def compute_score(self, references, candidates):
        assert references == {0: ["a"]} and candidates == {0: ["a"]}
        raise ValueError("no answer")
