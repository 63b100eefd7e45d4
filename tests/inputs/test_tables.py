"""Tables of numpy alone: to the estimators they are data frames like others."""

import sys

import numpy as np
import pytest

from fastrnn import RNNForecaster, RNNTagger
from fastrnn.inputs.frames import Frames, is_frame
from fastrnn.inputs.tables import Table


def make_table():
    return Table(
        {
            "x": np.arange(4.0),
            "kind": np.array(["b", "a", "b", "c"], dtype=object),
            "n": np.array([1, 0, 1, 1]),
        }
    )


def test_table_is_a_frame():
    frame = make_table()
    assert is_frame(frame)
    assert frame.columns == ["x", "kind", "n"]
    assert frame.dtypes == [np.float64, "str", np.int64]
    assert frame.shape == (4, 3) and len(frame) == 4
    part = frame[1:3, [2, 0]]
    assert part.columns == ["n", "x"]
    np.testing.assert_array_equal(np.asarray(part, dtype=np.float32), [[0, 1], [1, 2]])
    frames = Frames.of_list([frame[:2, :], frame[2:, :]], None, None)
    assert frames.numbers == {1: {"a": 0, "b": 1, "c": 2}}
    np.testing.assert_array_equal(frames.encode()[1], [[2, 1, 1], [3, 2, 1]])


def test_tables_give_the_model_that_pandas_gives():
    pandas = pytest.importorskip("pandas")
    table = make_table()
    frame = pandas.DataFrame({name: table.get_column(name).to_list() for name in table.columns})
    y = [["p", "q"], ["q", "p"]]
    models = [
        RNNTagger(
            3, max_iter=2, learning_rate="cosine", categorical_features="from_dtype", random_state=0
        ).fit(X, y)
        for X in ([table[:2, :], table[2:, :]], [frame[:2], frame[2:]])
    ]
    assert models[0].feature_names_in_.tolist() == ["x", "kind", "n"]
    np.testing.assert_array_equal(models[0].network_.theta, models[1].network_.theta)
    np.testing.assert_array_equal(
        models[1].predict_proba([table[:3, :]])[0], models[0].predict_proba([frame[:3]])[0]
    )


def test_long_tables_give_the_forecasts_that_pandas_gives(monkeypatch):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    rng = np.random.default_rng(0)
    columns = {
        "id": np.repeat(["u", "v"], 20).astype(object),
        "time": np.tile(np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]"), 2),
        "value": rng.normal(size=40).cumsum(),
        "day": np.tile(["mo", "tu", "we", "th"], 10).astype(object),
    }
    later = {name: columns[name][:2] for name in ("id", "day")}
    later["id"] = np.array(["u", "v"], dtype=object)
    later["time"] = np.array(["2024-01-21"] * 2, "datetime64[D]")
    model = RNNForecaster(
        3, max_iter=2, learning_rate="cosine", categorical_features="from_dtype", random_state=0
    )
    model.fit(pandas.DataFrame(columns), future_covariates=["day"])
    expected = model.predict(1, future_covariates=pandas.DataFrame(later))
    monkeypatch.setitem(sys.modules, "narwhals", None)
    model.fit(Table(columns), future_covariates=["day"])
    np.testing.assert_array_equal(model.predict(1, future_covariates=Table(later)), expected)
    assert model.feature_names_in_.tolist() == ["value", "day"]
    columns["value"] = columns["day"]
    with pytest.raises(TypeError, match="column 'value' must be numbers, got str"):
        model.fit(Table(columns))
