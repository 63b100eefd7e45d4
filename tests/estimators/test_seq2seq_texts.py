"""RNNSeq2Seq with texts on either side; tests/contract.py has it fitted, saved and asked."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from small_problems import small

from fastrnn import RNNSeq2Seq, load
from fastrnn.metrics import edit_error_rate, edit_error_rate_scorer
from fastrnn.plotting import AttentionDisplay

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

SPOKEN = {"one": "W AH N", "two": "T UW", "three": "TH R IY", "four": "F AO R", "five": "F AY V"}
X, Y = list(SPOKEN) * 6, list(SPOKEN.values()) * 6
FRAMES = [np.random.default_rng(len(x)).normal(size=(2 * len(x), 2)) for x in X]


def model(**params):
    return small(RNNSeq2Seq, **{"target_tokenizer": "word", "max_iter": 2, **params})


@pytest.fixture(scope="module")
def learned():
    """A model that has learned to say numbers."""
    return RNNSeq2Seq(
        24, target_tokenizer="word", max_iter=40, dropout=0.0, batch_size=8, random_state=0
    ).fit(X, Y)


def test_texts_become_texts(learned):
    assert learned.classes_.tolist() == sorted({sound for word in Y for sound in word.split()})
    assert learned.encoder_.vocabulary_.keys() == set("".join(X))
    assert learned.predict(X[:5]).tolist() == Y[:5]
    assert learned.score(X, Y) == 1 and learned.edit_error_rate(X, Y) == 0
    for of_one, word, value in zip(
        learned.predict_nbest(X[:5], 2), Y, learned.score_samples(X[:5], Y[:5]), strict=False
    ):
        (best, logarithm), (second, _) = of_one
        assert best == word and second != word
        assert logarithm == pytest.approx(value, rel=1e-4)


def test_what_is_given_may_be_texts_or_tokens(learned):
    cut = [word.split() for word in Y]
    assert_array_equal(learned.score_samples(X, cut), learned.score_samples(X, Y))
    assert_array_equal(learned.predict([list(x) for x in X]), learned.predict(X))
    assert_array_equal(learned.predict(np.array(X)), learned.predict(X))
    assert learned.score(X, np.array(Y)) == 1


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_of_texts(library):
    made = {
        "pandas": lambda module, texts: module.Series(texts, index=range(3, len(texts) + 3)),
        "polars": lambda module, texts: module.Series(texts),
        "pyarrow": lambda module, texts: module.array(texts),
    }[library]
    module = pytest.importorskip(library)
    fitted = model(max_iter=1).fit(made(module, X), made(module, Y))
    assert_array_equal(fitted.network_.theta, model(max_iter=1).fit(X, Y).network_.theta)
    assert fitted.score(made(module, X), made(module, Y)) == fitted.score(X, Y)


def test_each_side_has_a_tokenizer_of_its_own():
    fitted = model(tokenizer="word", target_tokenizer=None).fit(
        ["a b", "b c"] * 3, ["x y", "y"] * 3
    )
    assert fitted.encoder_.vocabulary_.keys() == {"a", "b", "c"}
    assert fitted.classes_.tolist() == ["x", "y"]
    fitted = model(tokenizer="word", target_tokenizer="char").fit(["a b"] * 4, ["x y", "y"] * 2)
    assert fitted.classes_.tolist() == [" ", "x", "y"]
    assert set("".join(fitted.predict(["b a"]))) <= {" ", "x", "y"}
    fitted = model(target_tokenizer="space").fit(["ab"] * 4, ["a: t\u0361s", "a: <sil>"] * 2)
    assert fitted.classes_.tolist() == ["<sil>", "a:", "t\u0361s"]
    fitted = model(target_tokenizer=lambda text: text.split("-")).fit(X, ["p-q", "q", "p"] * 10)
    assert fitted.classes_.tolist() == ["p", "q"]
    assert set(" ".join(fitted.predict(X)).split()) <= {"p", "q"}


@pytest.mark.parametrize("alignment", ["attention", "ctc"])
def test_frames_become_texts_and_texts_become_labels(alignment, tmp_path):
    fitted = model(alignment=alignment, stride=1, conv=None).fit(FRAMES, Y)
    assert fitted.encoder_ is None
    said = fitted.predict(FRAMES)
    assert {type(text) for text in said} == {str}
    assert fitted.edit_error_rate(FRAMES, Y) == pytest.approx(
        edit_error_rate([word.split() for word in Y], [text.split() for text in said])
    )
    labels = [word.split() for word in Y]
    told = model(alignment="attention").fit(X, labels)
    assert {type(of_one) for of_one in told.predict(X)} == {np.ndarray}
    with pytest.raises(TypeError, match=r"sequence 0 in y is the text 'W AH N', expected a list"):
        told.score(X, Y)


def test_alignment_is_that_of_tokens():
    fitted = model(alignment="ctc", stride=1, conv=None).fit(FRAMES, Y)
    for x, word, places in zip(FRAMES, Y, fitted.align(FRAMES, Y), strict=True):
        assert len(places) == len(x)
        assert sorted({*places.tolist()} - {-1}) == list(range(len(word.split())))
    with pytest.raises(ValueError, match=r"sequence 1 has 4 steps for 3 labels, expected 5"):
        fitted.align([FRAMES[0], FRAMES[0][:4]], ["W AH", "W W W"])
    by_two = model(alignment="ctc", stride=2, conv=None).fit([*FRAMES, *FRAMES], [*Y, *Y])
    assert len(by_two.set_params(stride=1).align(FRAMES[:1], ["W AH N"])[0]) == 3
    with pytest.raises(ValueError, match=r"sequence 0 has 4 steps, which are read as 2, for 3 lab"):
        by_two.align([FRAMES[0][:4]], ["W AH N"])
    with pytest.raises(ValueError, match=r"sequence 0 has \d+ steps for \d+ labels"):
        model(alignment="ctc", target_tokenizer="char").fit(["ab", "abc"], ["a b c d", "a"])


def test_a_picture_of_attention_has_the_tokens(learned):
    pytest.importorskip("matplotlib").use("agg")
    display = AttentionDisplay.from_estimator(learned, "three")
    assert display.labels == ["TH", "R", "IY", "(end)"]
    assert display.source == list("three")
    display = AttentionDisplay.from_estimator(learned, "three", "T UW")
    assert display.labels == ["T", "UW", "(end)"]


# Tokens that are not known.


RARE = [*X, "zoo"], [*Y, "Z UW"]


def test_rare_tokens_are_unknown():
    fitted = model(min_freq=2, target_min_freq=2).fit(*RARE)
    assert "z" not in fitted.encoder_.vocabulary_
    assert fitted.predict(["zzz"]).shape == (1,)
    assert "<unk>" in fitted.classes_ and "Z" not in fitted.classes_
    assert np.isfinite(fitted.score_samples(["zoo"], ["Q UW"])).all()
    few = model(max_features=3, target_max_features=2).fit(*RARE)
    assert len(few.encoder_.vocabulary_) == 3 and len(few.classes_) == 3


def test_the_unknown_label_is_never_right():
    fitted = model(target_min_freq=9, max_iter=40, dropout=0.0, learning_rate_init=0.05)
    fitted.fit(X, Y, validation_data=(X[:5], Y[:5]))
    assert fitted.classes_.tolist() == ["<unk>", "F", "R"]
    said = [text.split() for text in fitted.predict(X[:5])]
    assert said[0] == ["<unk>"] * 3  # which all that is known of "W AH N"
    assert fitted.score(X[:5], Y[:5]) == 0
    expected = edit_error_rate([word.split() for word in Y[:5]], said)
    assert fitted.edit_error_rate(X[:5], Y[:5]) == pytest.approx(expected)
    assert fitted.validation_scores_[-1] == pytest.approx(-expected)
    assert fitted.score(X[:1], ["<unk> <unk> <unk>"]) == 0


def test_tokens_that_training_has_not_met(learned):
    with pytest.raises(ValueError, match=r"sequence 1, token 2 is 'q', which is not in the vocab"):
        learned.predict(["one", "toq"])
    assert learned.score(X[:2], ["W AH Q", Y[1]]) == 0.5
    assert learned.score_samples(X[:2], ["W AH Q", Y[1]])[0] == -np.inf
    words = r"label 2 of sequence 0 in y is 'Q', which is not among .* \(target_min_freq or target_"
    with pytest.raises(ValueError, match=words):
        learned.attention_weights(X[:1], ["W AH Q"])
    # What is scored while training goes on is wrong, as in `score`.
    fitted = model().fit(X, Y, validation_data=(X[:2], ["Q Q", "Q Q"]))
    assert fitted.validation_scores_[-1] == -fitted.edit_error_rate(X[:2], ["Q Q", "Q Q"])


def test_spelling_is_of_each_side():
    fitted = model(lowercase=True, target_lowercase=True).fit(["Ab", "BA"] * 3, ["X y", "Y"] * 3)
    assert fitted.encoder_.vocabulary_.keys() == {"a", "b"}
    assert fitted.classes_.tolist() == ["x", "y"]
    composed = model(target_normalization="NFC", target_tokenizer="char").fit(
        X, ["e\u0301a", "a"] * 15
    )
    assert composed.classes_.tolist() == ["a", "\u00e9"]


def test_lists_of_tokens_are_spelled_where_that_is_asked_for(tmp_path):
    cut = [word.split() for word in Y]
    fitted = model(target_lowercase=True, target_min_freq=9).fit(X, cut)
    assert fitted.classes_.tolist() == ["<unk>", "f", "r"]
    assert all(isinstance(of_one, np.ndarray) for of_one in fitted.predict(X))
    fitted.save(tmp_path / "lists")
    for one, other in zip(load(tmp_path / "lists").predict(X), fitted.predict(X), strict=True):
        assert_array_equal(one, other)


# What may be empty, and what may not.


def test_targets_may_be_empty():
    fitted = model().fit([*X, "one"], [*Y, ""])
    assert np.isfinite(fitted.score_samples(["one"], [""])).all()
    assert isinstance(fitted.predict(X)[0], str)
    assert edit_error_rate(["", "a b"], ["a", ""], tokenizer="word") == 1.5


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (([*X[:2], ""], Y[:3]), ValueError, "sequence 2 is empty, expected at least one token"),
        ((["", *X[:2]], Y[:3]), ValueError, "sequence 0 is empty, expected at least one token"),
        (([*X[:2], None], Y[:3]), TypeError, r"sequence 2 is missing \(None\), expected a text"),
        (([*X[:2], 3], Y[:3]), TypeError, "sequence 2 is of type int, expected a text"),
        ((X[:3], [*Y[:2], None]), TypeError, "sequence 2 in y is None, expected a text, as others"),
        ((X[:3], [None, *Y[:2]]), TypeError, "sequence 0 in y is None, expected a text, as others"),
        ((X[:3], [*Y[:2], ["T"]]), TypeError, r"sequence 2 in y is \['T'\], expected a text"),
        ((X[:3], [["T"], "T", ["UW"]]), TypeError, "sequence 1 in y is the text 'T', expected a l"),
        ((X[:3], Y[:2]), ValueError, "X has 3 sequences, y has 2 entries"),
        (("one", Y[:1]), TypeError, "X"),
        ((X[:1], "W AH N"), TypeError, "y"),
        ((X[:3], ["", "", ""]), ValueError, r"y has the labels \[\], expected two or more"),
        ((X[:3], ["a", "a a", ""]), ValueError, r"y has the labels \['a'\], expected two or more"),
    ],
)
def test_what_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        model().fit(*given)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"target_tokenizer": "letter"}, "target_tokenizer must be 'char', 'word', 'space' or a"),
        ({"target_min_freq": 0}, "target_min_freq must be a whole number >= 1"),
        ({"missing": "mask"}, "missing='mask' has no effect on texts, as X has"),
        ({"time_feature": 0}, "time_feature=0 has no effect on texts"),
        ({"categorical_features": "all"}, "categorical_features='all' has no effect on texts"),
        ({"min_freq": 99}, "no token occurs min_freq=99 times"),
    ],
    ids=str,
)
def test_parameters_that_are_refused(params, words):
    with pytest.raises(ValueError, match=words):
        model(**params).fit(X, Y)


def test_what_is_about_texts_is_not_for_numbers():
    with pytest.raises(ValueError, match="min_freq=2 has no effect on X, which has no texts"):
        model(min_freq=2).fit(FRAMES, Y)
    with pytest.raises(ValueError, match="y has whole numbers, but target_min_freq=2 is for texts"):
        model(target_min_freq=2).fit(X, [[1], [2]] * 15)
    model(tokenizer="word", target_tokenizer=None).fit(FRAMES, Y)  # it is that of the targets


def test_code_is_not_saved(tmp_path):
    fitted = model(target_tokenizer=str.split).fit(X, Y)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    with pytest.raises(TypeError, match=r"target_tokenizer=.* is code, which has no place in a"):
        fitted.save(tmp_path / "code")
    fitted.set_params(target_tokenizer="word")
    with pytest.raises(TypeError, match=r"task.texts.tokenizer is .* which has no place in a file"):
        fitted.save(tmp_path / "code")


# Training that goes on.


def test_partial_fit_takes_its_labels_from_the_first_texts():
    fitted = model().partial_fit(X[:5], Y[:5])
    assert fitted.classes_.tolist() == sorted({sound for word in Y for sound in word.split()})
    fitted.partial_fit(["zwei"], ["W AH N"])  # letters that are unknown
    assert fitted.predict(["xyz"]).shape == (1,)
    with pytest.raises(ValueError, match=r"label 0 of sequence 0 in y is 'Z', which is not among"):
        fitted.partial_fit(["one"], ["Z"])
    told = model().partial_fit(X[:1], Y[:1], classes=["W", "AH", "N", "Z", "<unk>"])
    assert told.classes_.tolist() == ["<unk>", "AH", "N", "W", "Z"]
    told.partial_fit(X[1:2], ["Q Z"])


def test_what_training_goes_on_with(learned):
    fitted = pickle.loads(pickle.dumps(learned)).set_params(warm_start=True)
    fitted.set_params(max_iter=1).fit(X[:2], Y[:2])
    assert_array_equal(fitted.classes_, learned.classes_)
    for change, words in (
        ({"target_tokenizer": "char"}, "target_tokenizer='word', not 'char'"),
        ({"target_min_freq": 2}, "target_min_freq=1, not 2"),
        ({"lowercase": True}, "lowercase=False, not True"),
    ):
        with pytest.raises(ValueError, match=f"^warm_start=True goes on .* which has {words}"):
            fitted.set_params(**change).fit(X, Y)
        fitted.set_params(**{name: learned.get_params()[name] for name in change})
    with pytest.raises(ValueError, match="which learned texts, but y has labels"):
        fitted.fit(X, [word.split() for word in Y])
    # It answers as it was fitted, whatever its parameters are now.
    fitted.set_params(target_tokenizer="char", tokenizer="word")
    assert fitted.predict(X).tolist() == fitted.set_params(tokenizer="char").predict(X).tolist()


def test_checkpoints_compare_texts(tmp_path):
    whole = model(max_iter=3).fit(X, Y)
    model(max_iter=2).fit(X, Y, checkpoint=tmp_path / "kept")
    again = model(max_iter=3).fit(X, Y, checkpoint=tmp_path / "kept", resume=True)
    assert_array_equal(again.network_.theta, whole.network_.theta)
    with pytest.raises(ValueError, match="y"):
        model(max_iter=3).fit(X, Y[1:] + Y[:1], checkpoint=tmp_path / "kept", resume=True)


# Scores.


def test_edit_error_rate_of_texts():
    assert edit_error_rate(["kitten"], ["sitting"]) == 0.5
    assert edit_error_rate(["a b c"], ["a c"], tokenizer="word") == pytest.approx(1 / 3)
    assert edit_error_rate(["a-b"], ["a-c"], tokenizer=lambda text: text.split("-")) == 0.5
    assert edit_error_rate(["a b"], [["a", "b"]], tokenizer="word") == 0
    with pytest.raises(ValueError, match="tokenizer must be 'char', 'word', 'space' or a"):
        edit_error_rate(["a"], ["b"], tokenizer="letter")
    with pytest.raises(TypeError, match=r"sequence 1 in y_pred is 1, expected a text"):
        edit_error_rate(["a", "b"], ["b", 1])


def test_the_scorer_compares_tokens_of_the_model(learned):
    true = ["W AH", *Y[1:5]]
    assert edit_error_rate_scorer(learned, X[:5], true) == -learned.edit_error_rate(X[:5], true)
    assert learned.edit_error_rate(X[:5], true) == pytest.approx(1 / 13)
    assert learned.edit_error_rate(X[:5], true, sample_weight=[0, 1, 1, 1, 1]) == 0
    with pytest.raises(ValueError, match="y has no label to compare"):
        learned.edit_error_rate(X[:1], [""])


def test_search_and_pipelines(learned):
    sklearn = pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    grid = {"tokenizer": ["char", "word"]}
    search = GridSearchCV(
        model(min_freq=2, batch_size=8), grid, scoring=edit_error_rate_scorer, cv=2, n_jobs=2
    )
    search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.predict(X[:2]).shape == (2,)
    assert sklearn.utils.get_tags(learned).input_tags.string
    upper = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    for pipeline in (
        Pipeline([("lower", upper), ("nothing", "passthrough"), ("model", learned)]),
        make_pipeline(learned),
    ):
        texts = [x.upper() for x in X] if len(pipeline) == 3 else X
        assert edit_error_rate_scorer(pipeline, texts, Y) == 0
