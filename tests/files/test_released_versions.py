"""Files that released versions have written load, and predict what they predicted then."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzz_files import put_together, take_apart
from released_cases import CASES, checkpoint_fit

import fastrnn
from fastrnn.estimators.base import ESTIMATORS
from fastrnn.files import ModelFileError

VERSIONS = sorted(path for path in (Path(__file__).parents[1] / "data").iterdir() if path.is_dir())
FRAMES = ("classifier_frames", "forecaster_frame")
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}  # other processors round in another order


def expected(folder, name):
    with np.load(folder / "expected.npz") as file:
        values = {key: file[key] for key in file.files}
    prefix = f"{name}."
    return {key.removeprefix(prefix): values[key] for key in values if key.startswith(prefix)}


def files_of(suffix):
    return [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}")
        for folder in VERSIONS
        for path in sorted(folder.glob(f"*{suffix}"))
    ]


def test_there_are_files_of_every_estimator():
    assert {path.name for path in VERSIONS} >= {"0.1.0"}
    for folder in VERSIONS:
        kinds = {type(fastrnn.load(path)) for path in folder.glob("*.fastrnn")}
        assert len(kinds) == 5 if folder.name == "0.1.0" else kinds == set(ESTIMATORS.values())
        assert (folder / "training.checkpoint").exists()


@pytest.mark.parametrize("path", files_of(".fastrnn"))
def test_a_model_predicts_what_it_predicted(path):
    if path.stem in FRAMES:
        pytest.importorskip("pandas", reason="reads data frames")
    wanted = expected(path.parent, path.stem)
    got = CASES[path.stem].predict(fastrnn.load(path))
    assert wanted.keys() == got.keys()
    for name, value in wanted.items():
        assert value.dtype == got[name].dtype
        if value.dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, **TOLERANCE)
        else:
            np.testing.assert_array_equal(got[name], value)


@pytest.mark.parametrize("path", files_of(".fastrnn"))
def test_a_model_is_saved_again_as_it_was(path, tmp_path):
    loaded = fastrnn.load(path)
    loaded.save(tmp_path / "again.fastrnn")
    again = fastrnn.load(tmp_path / "again.fastrnn")
    assert repr(loaded.get_params()) == repr(again.get_params())
    np.testing.assert_array_equal(loaded.network_.theta, again.network_.theta)
    assert loaded.loss_curve_ == again.loss_curve_
    assert path.parent.name != "0.1.0" or loaded.best_epoch_ is None
    assert again.best_epoch_ == loaded.best_epoch_


@pytest.mark.parametrize(
    ("name", "text", "tokens"),
    [
        ("words", "cafe\u0301 \u0130", ["cafe", "\u0301", "i", "\u0307"]),
        ("texts", "e\u0301A", ["e", "\u0301", "A"]),
    ],
)
def test_texts_are_cut_as_they_were(name, text, tokens, tmp_path):
    model = fastrnn.load(VERSIONS[0] / f"language_model_{name}.fastrnn")
    model.save(tmp_path / "again")
    for loaded in (model, fastrnn.load(tmp_path / "again")):
        assert loaded.encoder_.tokenize([text]) == [tokens]
        assert loaded.tokenizer == loaded.encoder_.tokenizer
    model.partial_fit("the cat" if model.reader_.is_long else ["a cat."])  # by the same rule


@pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
@pytest.mark.parametrize("path", files_of(".checkpoint"))
def test_training_goes_on_from_a_checkpoint(path, tmp_path):
    """With the best weights so far; masks of dropout are drawn otherwise since 0.1.0."""
    copied = tmp_path / path.name
    shutil.copy(path, copied)
    values = checkpoint_fit(copied, max_iter=6, resume=True)
    np.testing.assert_allclose(values, expected(path.parent, "training")["values"], rtol=1e-6)


def test_kinds_that_came_later_have_no_old_files(tmp_path, monkeypatch):
    monkeypatch.setitem(ESTIMATORS, "newer", fastrnn.RNNTagger)
    header, record, body = take_apart((VERSIONS[0] / "tagger.fastrnn").read_bytes())
    path = tmp_path / "file"
    path.write_bytes(put_together(header, record | {"kind": "newer"}, body))
    with pytest.raises(ModelFileError, match=r"no version that wrote format 1 had .* 'newer'"):
        fastrnn.load(path)


@pytest.mark.parametrize(
    ("name", "section", "change", "words"),
    [
        ("classifier_labels", "fitted", {"more": 1}, "fitted has the unknown entry 'more'"),
        ("classifier_labels", "fitted", {"is_multilabel": 1}, "expected true or false"),
        ("classifier_labels", "fitted_with", {"reset_after": True}, "cell='rnn' has the options"),
        ("classifier_labels", "fitted_with", {"pooling": "steps"}, "is not for 'label_sets'"),
        ("classifier_labels", "fitted_with", {"embedding_dim": {"tuple": [2]}}, "embedding_dim is"),
        ("classifier_labels", "fitted_with", {"hidden_layer_sizes": {"tuple": [9]}}, "expected fl"),
        (
            "classifier_labels",
            "fitted",
            {"classes": {"array": [0, 2, 3], "dtype": "<i8"}},
            "classes must be the numbers",
        ),
        ("regressor", "fitted", {"n_outputs": 3}, "n_outputs is not that of the head"),
        ("regressor", "fitted", {"y_ndim": 1}, "expected one where y is flat"),
        ("tagger", "fitted", {"classes": {"array": [-1, 3], "dtype": "<i8"}}, "the label -1"),
        ("language_model_words", "fitted", {"n_tokens": 2**40}, "n_tokens is not that"),
        ("language_model_words", "fitted_with", {"tie_weights": 1}, "tie_weights is 1, expected"),
        ("language_model_words", "fitted_with", {"tokenizer": "os"}, "tokenizer must be 'char'"),
        ("language_model_words", "fitted_with", {"tokenizer": None}, "expected a string"),
        ("forecaster_direct", "fitted_with", {"horizon": 2**40}, "horizon is longer than what"),
        ("forecaster_direct", "fitted_with", {"horizon": 2}, "the network reads"),
        ("forecaster_direct", "fitted_with", {"missing": "other"}, "missing is 'other'"),
        ("forecaster_direct", "fitted_with", {"quantiles": None}, "the network has"),
        ("forecaster_direct", "fitted", {"series": []}, r"fitted.series is \[\], expected an"),
        ("forecaster_direct", "architecture", {}, "unknown entry or tensor 'architecture'"),
    ],
)
def test_what_is_wrong_in_a_record_is_told(name, section, change, words, tmp_path):
    path = tmp_path / "damaged"
    header, record, body = take_apart((VERSIONS[0] / f"{name}.fastrnn").read_bytes())
    record[section] = record.get(section, {}) | change
    path.write_bytes(put_together(header, record, body))
    with pytest.raises(ModelFileError, match=words):
        fastrnn.load(path)
