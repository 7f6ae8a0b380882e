"""Words and their numbers.

    V    vocabulary size, the shared START/END entry included
    START, END    both are number 0: START is only ever put in, END only ever comes out

A word belongs to the vocabulary if the training sentences use it often enough. All other words are skipped, in training
as in evaluation, so a perplexity means something only beside the size of its vocabulary and the share of words skipped.
"""

import collections
import itertools
import operator

import numpy as np

from neuraltalk.errors import UserError
from neuraltalk.wording import plural

START = END = 0
START_NAME = "#START#"  # how the original's tables spell number 0 when it goes in ...
END_NAME = "."  # ... and when it comes out


class Vocabulary:
    """The words a model knows.

    words            list of str, number -> word; words[0] is "."
    index            dict, word -> number; index["#START#"] is 0
    log_frequencies  (V,) float64, log of each word's share in the training words, shifted so that the maximum is 0
    """

    def __init__(self, words, log_frequencies=None):
        self.words = [END_NAME, *words]
        self.index = {word: number for number, word in enumerate(self.words) if number > 0}
        self.index[START_NAME] = START
        if log_frequencies is None:
            log_frequencies = np.zeros(len(self.words))
        self.log_frequencies = np.asarray(log_frequencies, dtype=np.float64)  # (V,)

    def __len__(self):
        return len(self.words)

    def encode(self, tokens):
        """The numbers of the known words among `tokens`, in order; the others are skipped."""
        return [
            number for number in map(self.index.get, tokens) if number
        ]  # 0 isn't a word: "#START#" in a text is skipped

    def decode(self, numbers):
        """The words of `numbers` up to the first END, which is left out."""
        return [self.words[number] for number in itertools.takewhile(lambda number: number != END, numbers)]

    def skipped_share(self, sentences):
        """The fraction (0..1) of all tokens of `sentences` that are outside the vocabulary."""
        total = known = 0
        for tokens in map(_tokens, sentences):
            total += len(tokens)
            known += len(self.encode(tokens))
        return (total - known) / total if total else 0.0

    @property
    def wordtoix(self):
        """word -> number in the original's schema."""
        return dict(self.index)

    @property
    def ixtoword(self):
        """number -> word in the original's schema."""
        return dict(enumerate(self.words))

    def __eq__(self, other):
        return isinstance(other, Vocabulary) and self.words == other.words

    __hash__ = None


def build_vocabulary(sentences, threshold=5):
    """The vocabulary of some (training) sentences.

    sentences   Sentence records or plain token lists
    threshold   a word seen at least this often belongs; numbers from 1 go by falling frequency, then alphabetically

    log_frequencies, the start of the decoder's bias: log(count / sum of counts) over the vocabulary, where END counts
    once a sentence, shifted so that its maximum is 0. Raises UserError if no word is frequent enough.
    """
    token_lists = [_tokens(sentence) for sentence in sentences]
    counts = collections.Counter(itertools.chain.from_iterable(token_lists))
    counts.pop(START_NAME, None)
    frequent = sorted((-count, word) for word, count in counts.items() if count >= threshold)
    if not frequent:
        most, often = counts.most_common(1)[0] if counts else ("none", 0)
        raise UserError(
            f"no word occurs {plural(threshold, 'time')} or more in the {plural(len(token_lists), 'training sentence')} (the most "
            f"frequent, {most!r}, {plural(often, 'time')}): lower --word_count_threshold or add sentences"
        )
    counted = np.array([len(token_lists)] + [-negated for negated, _ in frequent], dtype=np.float64)  # (V,)
    log_frequencies = np.log(counted / counted.sum())
    return Vocabulary([word for _, word in frequent], log_frequencies - log_frequencies.max())


def from_checkpoint(wordtoix, ixtoword, log_frequencies=None):
    """The vocabulary from a checkpoint's two tables.

    Raises UserError if they don't number the words 0 .. V-1, aren't each other's inverse, or if log_frequencies has
    another length. Old checkpoints have no log_frequencies (only a new model needs them): zeros then.
    """
    try:
        words = {operator.index(number): word for number, word in dict(ixtoword).items()}
        numbers = {word: operator.index(number) for word, number in dict(wordtoix).items()}
    except (TypeError, ValueError):
        raise UserError(
            "the checkpoint's wordtoix and ixtoword should be dicts between words and whole numbers"
        ) from None
    if sorted(words) != list(range(len(words))) or not words:
        raise UserError(f"the checkpoint's ixtoword should number its {len(words)} words 0, 1, 2, ... without a gap")
    for number, word in words.items():
        if not isinstance(word, str):
            raise UserError(f"the checkpoint's ixtoword[{number}] is {word!r:.50}, not a word")
        if number != END and numbers.get(word) != number:
            raise UserError(
                f"the checkpoint's tables disagree: ixtoword[{number}] is {word!r:.50}, but wordtoix has "
                f"{numbers.get(word)} for it"
            )
    if numbers.get(START_NAME) != START or len(numbers) != len(words):
        raise UserError(
            f"the checkpoint's wordtoix should have the {len(words) - 1} words of ixtoword and {START_NAME} as 0; "
            f"it has {len(numbers)} entries, {START_NAME} as {numbers.get(START_NAME)}"
        )
    if log_frequencies is not None and np.shape(log_frequencies) != (len(words),):
        raise UserError(
            f"the checkpoint's log_frequencies have shape {np.shape(log_frequencies)}, its vocabulary "
            f"{len(words)} entries"
        )
    return Vocabulary([words[number] for number in range(1, len(words))], log_frequencies)


def _tokens(sentence):
    """A sentence's tokens: of a Sentence record, or the list itself."""
    return getattr(sentence, "tokens", sentence)
