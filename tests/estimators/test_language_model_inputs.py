"""What RNNLanguageModel makes of texts, tokens and ids that are not what they seem."""

import numpy as np
import pytest
from contract import TEXTS as WORDS

from fastrnn import RNNLanguageModel
from fastrnn.inputs.texts import END

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(**params):
    """Return a model that trains in milliseconds."""
    return RNNLanguageModel(4, batch_size=4, max_iter=1, random_state=0, **params)


def test_tokens_that_come_only_once_are_refused():
    model = small().fit([["a", "b"], ["b"]])
    for ask in (model.score, model.perplexity, model.score_samples, model.fit):
        with pytest.raises(TypeError, match=r"^sequence 0 is of type \w+, .*: make a list of it$"):
            ask([iter(["a", "b"]), ["b"]])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([1, 2, "a"], TypeError, r"^sequence 0, token 2 is 'a', expected an id$"),
        ([[1, 2], [0, "1"]], TypeError, r"^sequence 1, token 1 is '1', expected an id$"),
        ([[1, 2], "ab"], TypeError, r"^sequence 1 is the text 'ab', expected ids$"),
        (
            ["ab", [1, 2]],
            TypeError,
            r"^sequence 1, token 0 is of type int, expected a string, got 1",
        ),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), ValueError, r"time step 1 is masked, expected"),
        (np.ma.array([1, 2, 3], mask=[1, 0, 0]), ValueError, r"time step 0 is masked, expected"),
        (np.array("abc"), TypeError, r"^X is an array without axes, expected a text, or an array"),
        ([1, 2.5], ValueError, r"time step 1, feature 0 is 2\.5, expected an id"),
        ([1, np.nan], ValueError, r"time step 1, feature 0 is nan, expected an id"),
    ],
)
def test_text_and_ids_are_not_mixed(X, error, message):
    with pytest.raises(error, match=message):
        small().fit(X)


@pytest.mark.parametrize("options", [{"top_k": True}, {"temperature": True}, {"length": True}])
def test_true_is_no_number_of_a_sample(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be .*, got True"):
        small().fit(WORDS).sample(**options)


def test_the_end_of_texts_is_no_token_of_theirs():
    with pytest.raises(ValueError, match=r"^X has the token '<eos>', which stands for the ends"):
        small().fit([["a", "<eos>"], ["b", "<eos>"]])
    model = small(tokenizer=str.split).fit("a b <eos> a <eos> b")  # of one long text it is
    assert model.tokens_.count(END) == 1


def test_unknown_tokens_in_texts_stay_whole():
    text = "the <unk> sat on the <unk> , it 's <b>"
    model = small(tokenizer="word").fit(text)
    assert model.token_counts_[0] == 2 and model.tokens_[0] == "<unk>"
    assert model.encoder_.tokenize(["a<unk>b"]) == [["a", "<unk>", "b"]]
    assert model.score("the dog sat") == model.score("the <unk> sat")
