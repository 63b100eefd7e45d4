# ruff: noqa: RUF001 (letters of many scripts are what is tested)
"""Texts are cut into words of many scripts; what is lower case or composed is cut the same."""

import pickle
import sys
import unicodedata
from collections import namedtuple

import numpy as np
import pytest

from fastrnn import RNNLanguageModel, load
from fastrnn.inputs.tokens import Cut, Spelling
from fastrnn.preprocessing import TokenEncoder

SCRIPTS = {  # with blanks between the tokens
    "Latin": "the naïve café don't well\u2019s ' \u2019 x_2 3 , 5",
    "Latin, decomposed": unicodedata.normalize("NFD", "le naïve café d'\u00e9t\u00e9"),
    "Latin, Vietnamese": unicodedata.normalize("NFD", "ti\u1ebfng vi\u1ec7t"),
    "Latin, Catalan": "la col\u00b7lecci\u00f3",
    "Latin, Hawaiian": "ka \u02bb\u014dlelo hawai\u02bbi",
    "Greek, decomposed": unicodedata.normalize("NFD", "καλή ώρα"),
    "Cyrillic": "\u043e\u0431'\u0454\u043a\u0442 , \u0438\u0306 \u0451\u0436 !",
    "Arabic with vowels": "الْعَرَبِيَّةُ لُغَةٌ \u061f",
    "Persian": "می\u200cخواهم کتاب\u200cها ه\u200d ۱۴۰۲",
    "Hebrew with points": "עִבְרִית שָׁלוֹם .",
    "Hebrew abbreviations": "צה\u05f4ל ארה\"ב ג\u05f3יפ \" שלום \"",
    "Hindi": "\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e \u0939\u0948 \u0964",
    "Marathi": "\u0930\u094d\u200d\u092f\u093e \u0915\u094d\u200c\u0937",
    "Bengali": "ভাষা বাংলা র\u200d্যাব \u0964",
    "Tamil": "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0bae\u0bca\u0bb4\u0bbf",
    "Telugu": "\u0c24\u0c46\u0c32\u0c41\u0c17\u0c41 \u0c2d\u0c3e\u0c37",
    "Malayalam": "\u0d2e\u0d32\u0d2f\u0d3e\u0d33\u0d02 \u0d05\u0d35\u0d28\u0d4d\u200d",
    "Sinhala": "\u0dc1\u0dca\u200d\u0dbb\u0dd3 \u0dbd\u0d82\u0d9a\u0dcf",
    "Thai": "ภาษาไทย น้ำ ที่นี่",
    "Lao": "\u0e9e\u0eb2\u0eaa\u0eb2 \u0ea5\u0eb2\u0ea7 \u0e99\u0eb3\u0ec9",
    "Khmer": "\u1797\u17b6\u179f\u17b6 \u1781\u17d2\u1798\u17c2\u179a \u17d4",
    "Burmese": "\u1019\u103c\u1014\u103a\u1019\u102c \u1018\u102c\u101e\u102c \u104b",
    "Tibetan": "\u0f56\u0f7c\u0f51 \u0f0b \u0f66\u0f90\u0f51",
    "Armenian": "\u056b\u0576\u0579\u057a\u0565\u055e\u057d \u0565\u057d \u0589",
    "Georgian": "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u10d4\u10dc\u10d0",
    "Amharic": "\u12a0\u121b\u122d\u129b \u1361 \u1243\u1295\u1243",
    "Mongolian": "ᠮᠣᠩᠭᠣᠯ ᠠᠷ\u180eᠠ ᠪ᠋ᠢ",
    "Korean, decomposed": unicodedata.normalize("NFD", "\ud55c\uad6d\uc5b4 \ub9d0"),
    "Japanese": "\u6771\u4eac\u306f \u3001 \u30ab\u3099\u30a4\u30c8\u3099 \u845b\U000e0100\u57ce",
    "N'Ko": "\u07d2\u07de\u07cf \u07de\u07cb\u07f2\u07d9",
    "Adlam, beyond 16 bits": "\U0001e928\U0001e934\U0001e944 \U0001e93e\U0001e94a\U0001e934",
    "Chakma, beyond 16 bits": "\U00011107\U0001110b\U00011134\U0001111f\U00011133\U0001111f",
}  # fmt: skip
EMOJI = {
    "with a variation": "\u2764\ufe0f \u2602 !",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467 , \U0001f467",
    "a profession with a skin": "\U0001f469\U0001f3fd\u200d\U0001f680 \U0001f44d\U0001f3ff",
    "with a sign of gender": "\U0001f3c3\U0001f3fb\u200d\u2640\ufe0f \U0001f937\u200d\u2642\ufe0f",
    "flags": "\U0001f1eb\U0001f1f7 \U0001f1e9\U0001f1ea",
    "a flag of tags": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a flag that is joined": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "keycaps": "1\ufe0f\u20e3 #\ufe0f\u20e3",
}


def cut(text, **parameters):
    """The tokens of a text."""
    (tokens,) = Cut(**{"tokenizer": "word", **parameters}).tokens([text])
    return list(tokens)


@pytest.mark.parametrize("text", [*SCRIPTS.values(), *EMOJI.values()], ids=[*SCRIPTS, *EMOJI])
def test_words_of_many_scripts(text):
    assert cut(text) == text.split()
    assert cut(f"({text})") == ["(", *text.split(), ")"]
    encoder = TokenEncoder("word").fit([text])
    assert encoder.inverse_transform(encoder.transform([text])) == [text.split()]


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("change", [str.upper, str.title, str.swapcase])
def test_no_word_falls_apart_that_is_made_lower_case(text, change):
    changed = change(text)
    assert len(cut(changed, lowercase=True)) == len(cut(changed))
    assert cut(changed, lowercase=True) == [token.lower() for token in cut(changed)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("\U0001f600\U0001f601!?", ["\U0001f600", "\U0001f601", "!", "?"]),
        ("\U0001f1eb\U0001f1f7" * 2, ["\U0001f1eb\U0001f1f7"] * 2),
        ("so\U0001f44d\U0001f3fdso", ["so", "\U0001f44d\U0001f3fd", "so"]),
        ("ไทย\u200bดี", ["ไทย", "ดี"]),  # no space to Python
        ("\u200b a\u200b", ["a"]),
        ("Donau\u00addampf", ["Donau\u00addampf"]),
        ("wider\u2060stand", ["wider\u2060stand"]),
        ("\u200eשלום\u200f!", ["\u200e", "שלום", "\u200f", "!"]),
        ("\ufeffthe", ["\ufeff", "the"]),
        ("a \u0301 b", ["a", "\u0301", "b"]),
        ("'\u00e9' l\u2019\u00e9t\u00e9'", ["'", "\u00e9", "'", "l\u2019\u00e9t\u00e9", "'"]),
        ("rock\uff07n roll", ["rock\uff07n", "roll"]),
        ("\u05d0\"\u05d1 a\"b \u05d0\"1", ["\u05d0\"\u05d1", "a", '"', "b", "\u05d0", '"', "1"]),
        ("x\u0301-y\u0301 3.5\u20ac", ["x\u0301", "-", "y\u0301", "3", ".", "5", "\u20ac"]),
        ("\u00bd\u00b2 \u2460", ["\u00bd\u00b2", "\u2460"]),
    ],
)  # fmt: skip
def test_what_stands_beside_words(text, tokens):
    assert cut(text) == tokens


def test_every_mark_belongs_to_what_it_stands_on():
    marks = [chr(k) for k in range(sys.maxunicode + 1) if unicodedata.category(chr(k))[0] == "M"]
    assert len(marks) > 2000
    assert all(cut(f"a{mark}b!{mark}") == [f"a{mark}b", f"!{mark}"] for mark in marks)


def test_all_of_a_text_but_its_spaces_is_in_its_tokens():
    texts = [*SCRIPTS.values(), *EMOJI.values(), *map(chr, range(0x21, 0x3000, 7))]
    together = "".join(texts)
    expected = "".join(c for c in together if not c.isspace() and c != "\u200b")
    assert "".join(cut(together)) == expected


def test_the_simple_way_is_the_same():
    """A text without marks is cut by a shorter pattern; a mark at its end makes it the long one."""
    text = "Größe, съешь \u2019 l\u2019eau 东京\u3002 \u00bfqué?_a"
    assert cut(text + " \u0301") == [*cut(text), "\u0301"]


def test_what_stands_between_spaces():
    text = " don't  a: <unk>,\tt\u0361s\n\u00c9"
    assert cut(text, tokenizer="space") == text.split()
    assert cut(text, tokenizer="space", lowercase=True) == text.lower().split()
    dotted = "\u0130x \u03a3\u03a3"  # whose lower case depends on what stands beside it
    assert cut(dotted, tokenizer="space", lowercase=True) == [t.lower() for t in dotted.split()]
    assert TokenEncoder("space").cut.between == " "


def test_the_rules_of_0_1_0_stay():
    assert cut("cafe\u0301", tokenizer="word-0.1") == ["cafe", "\u0301"]
    dotted = {"tokenizer": "word-0.1", "lowercase": True}
    assert cut("\u0130x", **dotted) == ["i", "\u0307", "x"]
    assert cut("\u0130", **dotted | {"tokenizer": "char-0.1"}) == ["i", "\u0307"]
    text = "Don't  stop, it's 3.5 \u00e9t\u00e9 \u2019"
    assert cut(text) == cut(text, tokenizer="word-0.1")


@pytest.mark.parametrize(
    ("unknown", "text", "tokens"),
    [
        ("<unk>", "<unk><unk>a <unk>s!", ["<unk>", "<unk>", "a", "<unk>", "s", "!"]),
        ("[UNK]", "a[UNK]", ["a", "[UNK]"]),
        ("unk", "junk unk", ["junk", "unk"]),
        ("?", "a??", ["a", "?", "?"]),
        ("", "ab", ["ab"]),
    ],
)
def test_the_unknown_token_is_not_cut(unknown, text, tokens):
    assert TokenEncoder("word", unknown_token=unknown).tokenize([text]) == [tokens]


@pytest.mark.parametrize("text", ["<UNK> a", "<unk> a", "<UnK> \u0130\u03a3"])
def test_the_unknown_token_is_not_cut_whatever_its_case(text):
    encoder = TokenEncoder("word", lowercase=True, unknown_token="<UNK>").fit(["a b"])
    assert encoder.transform([text])[0][0] == 0 and len(encoder.transform([text])[0]) == 2


# Containers.


def _columns():
    """What has texts, by the library that makes it."""
    return {
        "pandas": lambda lib: lib.Series(["to be", "be"], index=[3, 1]),
        "pandas ": lambda lib: lib.Series(["to be", "be"], dtype="category"),
        "polars": lambda lib: lib.Series(["to be", "be"]),
        "polars ": lambda lib: lib.Series([["to", "be"], ["be"]]),
        "pyarrow": lambda lib: lib.array(["to be", "be"]),
        "pyarrow ": lambda lib: lib.chunked_array([["to be"], ["be"]]),
        "pyarrow  ": lambda lib: lib.array([["to", "be"], ["be"]]),
    }


@pytest.mark.parametrize("name", _columns())
def test_columns_of_texts(name):
    X = _columns()[name](pytest.importorskip(name.strip()))
    assert TokenEncoder("word").fit(X).transform(X)[0].tolist() == [2, 1]
    model = RNNLanguageModel(2, tokenizer="word", max_iter=1, random_state=0)
    model.fit(X)
    assert model.tokens_ == ["<unk>", "be", "to", "<eos>"]


def test_columns_and_tensors_of_ids():
    torch, pyarrow = pytest.importorskip("torch"), pytest.importorskip("pyarrow")
    expected = [0, 1, 2, "<eos>"]
    for X in ([torch.tensor([1, 2]), torch.tensor([0])], pyarrow.array([[1, 2], [0]])):
        model = RNNLanguageModel(2, max_iter=1, random_state=0).fit(X)
        assert model.tokens_ == expected
    assert RNNLanguageModel(2, max_iter=1).fit(torch.tensor([1, 2, 0])).tokens_ == expected[:3]


def test_texts_with_the_names_of_fields_are_refused():
    pair = namedtuple("Pair", "text label")
    for X in ([pair("to be", "be")], pair("to be", "be")):
        for fit in (TokenEncoder("word").fit, RNNLanguageModel(2, tokenizer="word").fit):
            with pytest.raises(
                TypeError, match="is a named tuple Pair with the fields text, label"
            ):
                fit(X)


# Characters.


def test_a_character_is_a_code_point():
    text = "e\u0301 \U0001f469\u200d\U0001f680\u0939\u093f"
    encoder = TokenEncoder("char").fit([text])
    assert encoder.tokenize([text]) == [list(text)]
    assert encoder.n_tokens_ == len(set(text)) + 1
    assert TokenEncoder("char", normalization="NFC").fit([text]).tokenize(["e\u0301"]) == [
        ["\u00e9"]
    ]


def test_lower_case_makes_no_character_more():
    text = "\u0130\u039f\u03a3 \u0130"
    expected = [character.lower() for character in text]
    assert cut(text, tokenizer="char", lowercase=True) == expected
    assert "".join(cut("ABC \u00c9\u1e9e", tokenizer="char", lowercase=True)) == "abc \u00e9\u00df"


@pytest.mark.parametrize("tokenizer", ["char", "word"])
def test_a_stream_reads_as_predict_does(tokenizer):
    texts = ["\u039f\u0394\u039f\u03a3 \u0130\u0307 a", "\u03a3\u03a3 \u0130b"] * 2
    model = RNNLanguageModel(
        3, tokenizer=tokenizer, lowercase=True, normalization="NFKC", max_iter=1, random_state=0
    )
    stream = model.fit(texts).stream()
    text = "\u039f\u0394\u039f\u03a3 a"
    for token in Cut(tokenizer=tokenizer).tokens([text]).__next__():
        p = stream.step(token)
    np.testing.assert_allclose(p, model.next_proba(text), rtol=1e-4)
    assert pickle.loads(pickle.dumps(stream)).n_streams == 1


# Normalization.


@pytest.mark.parametrize("tokenizer", ["char", "word", "space", str.split])
def test_composed_and_decomposed_are_the_same(tokenizer):
    text = "café naïve H\u0331 \ud55c\uad6d"
    encoder = TokenEncoder(tokenizer, normalization="NFC", lowercase=True).fit([text])
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    first, second = encoder.transform(forms)
    np.testing.assert_array_equal(first, second)
    assert 0 not in first
    if tokenizer != "char":
        words = [form.split() for form in forms]
        np.testing.assert_array_equal(encoder.transform(words), [first, first])
    np.testing.assert_array_equal(encoder.transform([text.lower()])[0], first)


def test_wide_letters_with_nfkc():
    assert cut("\uff21\uff22\uff12 \ufb01n", normalization="NFKC") == ["AB2", "fin"]
    assert cut("\uff21\uff22 \ufb01n", normalization="NFC") == ["\uff21\uff22", "\ufb01n"]


def test_texts_are_left_as_they_are_without():
    assert cut("\u00e9 e\u0301") == ["\u00e9", "e\u0301"]


def test_spelling_of_a_token():
    assert Spelling(True, "NFC").of("E\u0301") == "\u00e9"
    assert Spelling(True, "NFC").of("H\u0331") == "\u1e96"  # its capital is not composed
    assert Spelling().of("E\u0301") == "E\u0301"


def test_the_unknown_token_is_spelled_as_others_are():
    encoder = TokenEncoder("word", lowercase=True, unknown_token="<UNK>")
    encoder.fit([["A", "<UNK>", "<unk>"]])
    assert encoder.vocabulary_ == {"a": 1}


def test_files_keep_it(tmp_path):
    texts = ["café Noir", "café"]
    model = RNNLanguageModel(2, tokenizer="word", normalization="NFC", max_iter=1)
    model.fit(texts)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.encoder_.normalization == "NFC" and loaded.encoder_.tokenizer == "word"
    assert loaded.score(["cafe\u0301"]) == model.score(["café"])
    loaded.set_params(normalization=None, batch_size=1)
    with pytest.raises(ValueError, match=r"which has normalization='NFC', not None"):
        loaded.partial_fit(texts)
