"""Errors of what users hand in: they come through as they are, and say which argument it was."""

import ast
import json
from pathlib import Path

import pytest

import fastrnn
from fastrnn import RNNLanguageModel


class OddError(ValueError):
    """An error whose constructor wants more than a message."""

    def __init__(self, place, *, reason):
        super().__init__(f"{reason} at {place}")
        self.place = place


ERRORS = [
    json.JSONDecodeError("Expecting value", "doc", 2),
    UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid start byte"),
    OddError(3, reason="an odd number"),
    type("OddTypeError", (TypeError,), {})("of a type of its own"),
    KeyError("neither a ValueError nor a TypeError"),
]


class Splits:
    """A tokenizer that raises an error once it is there."""

    error = None

    def __call__(self, text):
        """Return the words."""
        if self.error is not None:
            raise self.error
        return text.split()


@pytest.fixture
def model():
    model = RNNLanguageModel(2, tokenizer=Splits(), batch_size=1, max_iter=1, random_state=0)
    return model.fit("a b a b a b")


CALLS = {
    "fit": lambda model: model.fit("a b"),
    "partial_fit": lambda model: model.partial_fit("a b"),
    "score": lambda model: model.score("a b"),
    "perplexity": lambda model: model.perplexity("a b"),
    "transform": lambda model: model.transform(["a b"]),
    "next_proba": lambda model: model.next_proba("a b"),
    "sample": lambda model: model.sample("a b", 2),
}
IN_PROMPT = ("next_proba", "sample")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_of_a_tokenizer_is_the_one_that_is_raised(model, call, error):
    model.tokenizer.error = error
    with pytest.raises(type(error)) as found:
        CALLS[call](model)
    assert found.value is error


@pytest.mark.parametrize("error", ERRORS[:-1], ids=lambda error: type(error).__name__)
def test_a_note_says_in_which_argument(model, error):
    model.tokenizer.error = None

    def read(text):
        if text == "a b b":
            raise error
        return text.split()

    error.__notes__ = []
    with pytest.raises(type(error)) as found:
        RNNLanguageModel(2, tokenizer=read).fit("a b a b", validation_data="a b b")
    assert found.value is error
    assert error.__notes__ == ["This is about validation_data."]
    error.__notes__ = []
    model.tokenizer.error = error
    with pytest.raises(type(error)) as found:
        model.next_proba("a b")
    assert error.__notes__ == ["This is about prompt."]


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_a_plain_error_says_it_in_its_message(model, kind):
    model.tokenizer.error = kind("what is this?")
    with pytest.raises(kind, match=r"^prompt: what is this\?$") as found:
        model.next_proba("a b")
    assert found.value.__cause__ is model.tokenizer.error


def test_no_error_is_remade_elsewhere():
    remade = []
    for path in sorted(Path(fastrnn.__path__[0]).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        may_be_there = "type(error)" in text or "error.__class__" in text
        for node in ast.walk(ast.parse(text)) if may_be_there else ():
            made = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            remade += [path.name] * (made in ("type(error)", "error.__class__"))
    assert remade == ["errors.py"]
