"""The tokeniser against what coco-caption's PTBTokenizer gave for the same texts, and against the program itself where it is installed."""

import json
import pathlib
import shutil

import pytest

from neuraltalk.metrics import tokenizer
from neuraltalk.metrics.tokenizer import tokenize

PUBLISHED = sorted((pathlib.Path(__file__).resolve().parents[2] / "shared" / "metrics").glob("*.json"))

# text -> words between spaces, as the original has them
CAPTIONS = {
    "A dog runs.": "a dog runs",
    "Two dogs , one black-and-white ; the other 's tail isn't seen": "two dogs one black-and-white the other 's tail is n't seen",
    "": "",
    " ... ! ": "",
    "the boys' T-shirts (red) [blue] {green}": "the boys t-shirts -lrb- red -rrb- -lsb- blue -rsb- -lcb- green -rcb-",
    'he says "hello" and \'bye\', ``so\'\' ‘much’ “more” «still»': "he says hello and bye so much more still",
    "can't cannot won't don’t didn`t ain't dogs'. it's I'd we've they'll I'm": "ca n't can not wo n't do n't did n`t ai n't dogs it 's "
    "i 'd we 've they 'll i 'm",
    "gonna wanna gotta lemme gimme 'tis 'twas more'n": "gon na wan na got ta lem me gim me 't is 't was more 'n",
    "o'clock rock 'n' roll rock'n'roll y'all O'Neil l'oreal ma'am 'em '90s 1990's": "o'clock rock 'n' roll rock 'n' roll y' all o'neil "
    "l'oreal ma'am 'em '90s 1990 's",
    "texas a&ampm and A&M, at&t AT&T M&M's r&b &amp; i&lt3ny": "texas a & ampm and a&m at & t at&t m&m 's r & b & i & lt3ny",
    "Mr. Smith of St. Louis, U.S.A., at 5 p.m. in the U.S. etc.": "mr. smith of st. louis u.s.a. at 5 p.m. in the u.s. etc.",
    "the dog sat. The cat ill. Ill. Mass. mass.": "the dog sat the cat ill ill. mass. mass",
    "No. 5 and no. Fig. 2 (No. 7)": "no. 5 and no fig. 2 -lrb- no. 7 -rrb-",
    "$5.50 £5 €5 5¢ 50% #1 10,000 12:30pm 3/4 1/2-inch 5'10\" ½ 1½ 5°": "$ 5.50 # 5 $ 5 5 cents 50 % # 1 10,000 12:30 pm 3/4 1/2-inch 5 10 "
    "1/2 1 1/2 5 °",
    "what?! really!! dog.The dog...cat dog--cat dog – cat": "what ?! really !! dog.the dog cat dog cat dog cat",
    "see www.statefarm.com/x1, avrovulcan.com or http://foo.com/bar?x=1. a@b.com @user #hashtag": "see www.statefarm.com/x1 "
    "avrovulcan.com or http://foo.com/bar?x=1 a@b.com @user #hashtag",
    ":) ;-) :( :D x<y <b> a_b *star* and/or w/o 1/2/2010 RIF=ding -ependent": ":-rrb- ;--rrb- :-lrb- :d x < y <b> a_b * star * and/or w/o "
    "1/2/2010 rif = ding ependent",
    "café naïve España’s 中文 привет हिन्दी 😀 a😀b dog\u00a0cat so\u00adft": "café naïve españa 's 中文 привет हिन्दी a b dog cat soft",
    "Dog., dog.; x": "dog. dog. x",
}


@pytest.mark.parametrize("text", CAPTIONS)
def test_words_of_the_original(text):
    assert tokenize(text) == CAPTIONS[text].split()


def test_any_text_ends_and_loses_no_letters():
    """Each rule takes at least a character, whatever the order of characters."""
    strange = "'’`\"-–.!?/&@#<>:;=()_*\u0301\u00ad½٣۵"
    for first in strange:
        for second in strange:
            assert "".join(tokenize(f"dog{first}{second}cat")).startswith("dog")


def test_entities_in_either_case_and_words_that_nobody_wrote():
    assert tokenize("black &amp; white &AMP; red") == "black & white & red".split()
    assert list(map(len, tokenize("a" * 1200 + " b"))) == [500, 500, 200, 1]  # pieces: time grows as the square of the length


def test_what_is_remembered_of_stretches_is_bounded():
    cuts = tokenizer._Cuts(dict.fromkeys(range(1 << 18)))
    assert cuts["dogs."] == ("dogs",) and list(cuts) == ["dogs."]


def original(texts):
    """The real PTBTokenizer's words, or a skip."""
    ptb = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer", reason="pycocoevalcap isn't installed")
    if shutil.which("java") is None:
        pytest.skip("there is no java")
    found = ptb.PTBTokenizer().tokenize({k: [{"caption": text}] for k, text in enumerate(texts)})
    return [found[k][0].split() for k in range(len(texts))]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_table_is_the_original_s(monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dfile.encoding=UTF-8")
    assert original(list(CAPTIONS)) == [words.split() for words in CAPTIONS.values()]


@pytest.mark.skipif(not PUBLISHED, reason="the published captions are not on this machine")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_real_captions():
    record = json.loads(PUBLISHED[1].read_text(encoding="utf-8"))
    texts = [text for own in record["references"] for text in own] + record["candidates"]
    assert [tokenize(text) for text in texts] == original(texts)
