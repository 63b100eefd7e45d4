"""Ids and categories among the covariates of RNNForecaster: what is read, learned and refused."""

import numpy as np
import pytest
from contract import plain_forecaster
from numpy.testing import assert_allclose, assert_array_equal

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

LENGTHS = (30, 41, 26)


def small(strategy="recursive", **params):
    """Return a forecaster that is fitted in a moment, in double precision."""
    defaults = {"hidden_layer_sizes": 5, "cell": "gru", "max_iter": 3, "dtype": "float64"}
    if strategy == "direct":
        defaults["horizon"] = 3
    return plain_forecaster(**{**defaults, "strategy": strategy, "random_state": 0, **params})


def make_series():
    """Return series of unequal length."""
    rng = np.random.default_rng(0)
    return [10 + np.cumsum(rng.standard_normal(n)) for n in LENGTHS]


def make_covariates(ahead=0, n_ids=4, seed=1):
    """Return a column of ids and one of numbers for each series."""
    rng = np.random.default_rng(seed)
    tables = [
        np.column_stack([rng.integers(n_ids, size=n + 5), 50 * rng.random(n + 5)]) for n in LENGTHS
    ]
    return [table[: n + ahead] for table, n in zip(tables, LENGTHS, strict=True)]


def assert_same(forecasts, expected, **tolerance):
    for one, other in zip(forecasts, expected, strict=True):
        assert_allclose(one, other, **{"rtol": 1e-12, **tolerance})


class TestWhatIsRead:
    def test_by_hand(self):
        series, future = make_series(), make_covariates(ahead=5)
        past = [part[:n, ::-1] for part, n in zip(make_covariates(seed=2), LENGTHS, strict=True)]
        model = small("direct", missing="mask", categorical_features=[0, 3], embedding_dim=(3, 2))
        model.fit(series, future_covariates=future, past_covariates=past)
        assert model.n_categories_ == (4, 4)
        assert [table.shape for table in model.network_.embeddings] == [(5, 3), (4, 2)]
        assert model.n_features_in_ == 5
        assert_array_equal(model.covariate_mean_[[0, 3]], 0)
        assert_array_equal(model.covariate_scale_[[0, 3]], 1)
        lessons = model.reader_.lessons("Test", model.reader_.series, "float64")
        begin = LENGTHS[0]
        for t in (0, 5, LENGTHS[1] - 1):
            row = begin + t
            assert_array_equal(lessons.ids[row], [past[1][t, 1], *future[1][t + 1 : t + 4, 0]])
            scaled = (future[1][t + 1 : t + 4, 1] - model.covariate_mean_[1]) / (
                model.covariate_scale_[1]
            )
            assert_allclose(lessons.values[row, 3:], scaled)
            assert lessons.values.shape[1] == 1 + 1 + 1 + 3
        assert model.network_.architecture.id_tables == (1, 0, 0, 0)

    def test_what_is_not_known_yet_has_an_id_of_its_own(self):
        series, future = make_series(), make_covariates()
        model = small("direct", categorical_features=[0])
        model.fit(series, future_covariates=future)
        lessons = model.reader_.lessons("Test", model.reader_.series, "float64")
        last = LENGTHS[0] - 1
        assert_array_equal(lessons.ids[last], [4, 4, 4])
        assert_array_equal(lessons.ids[last - 1], [future[0][last, 0], 4, 4])

    def test_each_column_has_its_table(self):
        future = make_covariates(ahead=5)
        for part in future:
            part[:, 1] = part[:, 1] // 10  # 0 to 4
        model = small("direct", embedding_dim=(2, 3))
        model.fit(make_series(), future_covariates=future)
        assert model.n_categories_ == (4, 5)
        assert model.network_.architecture.id_tables == (0, 1) * 3
        lessons = model.reader_.lessons("Test", model.reader_.series, "float64")
        assert_array_equal(lessons.ids[7], future[0][8:11].ravel())
        assert lessons.columns.n_categories == (5, 6) * 3

    @pytest.mark.parametrize("strategy", ["recursive", "direct"])
    def test_ids_are_learned(self, strategy):
        # The value of a step is that of its id, in no order.
        rng = np.random.default_rng(0)
        ids = rng.integers(5, size=(6, 90))
        series = np.array([3.0, -1.0, 4.0, 0.0, 2.0])[ids] + 0.05 * rng.standard_normal(ids.shape)
        horizon = {"horizon": 3} if strategy == "direct" else {}
        model = plain_forecaster(
            12, cell="gru", strategy=strategy, scaling=None, embedding_dim=3, batch_size=2,
            window=20, learning_rate="cosine", learning_rate_init=0.03, max_iter=40, random_state=0,
            **horizon,
        )  # fmt: skip
        model.fit(list(series[:, :80]), future_covariates=list(ids[:, :80]))
        forecasts = np.array(model.predict(3, future_covariates=list(ids)))
        assert np.abs(forecasts - series[:, 80:83]).mean() < 0.2

    def test_recursive_is_feeding_back(self):
        series, known = make_series()[0], make_covariates(ahead=5)[0]
        model = small(scaling=None, categorical_features=[True, False])
        model.fit(series, future_covariates=known)
        grown = series
        for _ in range(5):
            grown = np.append(grown, model.predict(1, grown, future_covariates=known))
        assert_allclose(model.predict(5), grown[30:], rtol=1e-12)

    def test_only_the_number_of_an_id_matters(self):
        series, future = make_series(), make_covariates(ahead=3)
        model = small("direct", categorical_features=[0]).fit(series, future_covariates=future)
        other = [part.copy() for part in future]
        other[1][LENGTHS[1] + 1, 0] = (other[1][LENGTHS[1] + 1, 0] + 1) % 4
        plain = model.predict(3, future_covariates=future)
        changed = model.predict(3, future_covariates=other)
        assert not np.allclose(changed[1], plain[1])
        assert_array_equal(changed[0], plain[0])

    def test_sizes_of_vectors(self):
        series, future = make_series(), make_covariates()
        model = small(embedding_dim=7, categorical_features=[0])
        model.fit(series, future_covariates=future)
        assert model.network_.architecture.embeddings == ((5, 7),)
        model.set_params(embedding_dim=None).fit(series, future_covariates=future)
        assert model.network_.architecture.embeddings == ((5, round(1.6 * 4**0.56)),)
        ids = [part[:, :1] for part in future]  # embedding_dim alone: all of them are ids
        model.set_params(embedding_dim=2, categorical_features=None)
        model.fit(series, future_covariates=ids)
        assert model.n_categories_ == (4,)

    def test_going_on(self):
        series, future = make_series(), make_covariates()
        model = small(categorical_features=[0], warm_start=True)
        model.fit(series, future_covariates=future)
        few = [np.column_stack([np.zeros(len(part)), part[:, 1]]) for part in future]
        model.partial_fit(series, future_covariates=few).fit(series, future_covariates=few)
        assert model.n_categories_ == (4,) and len(model.loss_curve_) == 7
        with pytest.raises(ValueError, match=r"warm_start=True .*in columns \[0\], not "):
            model.set_params(categorical_features=None).fit(series, future_covariates=few)
        with pytest.raises(ValueError, match="partial_fit goes on from the fitted model"):
            model.partial_fit(series, future_covariates=few)

    def test_validation_data_and_backtest(self):
        series, future = make_series(), make_covariates(ahead=3)
        model = small("direct", categorical_features=[0])
        known = {"y": series, "future_covariates": future}
        model.fit(series, future_covariates=future, validation_data=known)
        assert len(model.validation_scores_) == 3
        table = model.backtest(series[0], 3, 9, start=9, future_covariates=future[0])
        forecast = model.predict(3, series[0][:18], future_covariates=future[0])
        assert_allclose(table["mae"][1], np.abs(series[0][18:21] - forecast).mean(), rtol=1e-9)
        known["future_covariates"] = make_covariates(n_ids=9)
        with pytest.raises(ValueError, match=r"^validation_data: future_covariates of series"):
            model.fit(series, future_covariates=future, validation_data=known)


class TestRefusals:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (-1, "the id -1 at step 7 of column 0, expected a whole number >= 0"),
            (1.5, "the id 1.5 at step 7 of column 0, expected a whole number >= 0"),
        ],
    )
    def test_fit(self, value, message):
        future = make_covariates()
        future[1][7, 0] = value
        with pytest.raises(ValueError, match=f"future_covariates of series 1 have {message}"):
            small(categorical_features=[0]).fit(make_series(), future_covariates=future)
        with pytest.raises(ValueError, match=f"past_covariates of series 1 have {message}"):
            small("direct", categorical_features=[0]).fit(make_series(), past_covariates=future)

    def test_predict(self):
        series, future, past = make_series(), make_covariates(ahead=3), make_covariates(seed=2)
        model = small("direct", categorical_features=[0, 2])
        model.fit(series, future_covariates=future, past_covariates=past)
        new = [part.copy() for part in future]
        new[2][LENGTHS[2] + 1, 0] = 4
        message = "future_covariates of series 2 have the id 4 at step 27 of column 0, expected "
        for known in ({}, {"series": series, "past_covariates": past}):
            with pytest.raises(ValueError, match=message + "one from 0 to 3, the ids that fit"):
                model.predict(3, future_covariates=new, **known)
        new = [part.copy() for part in past]
        new[1][3, 0] = 9
        message = "past_covariates of series 1 have the id 9 at step 3 of column 0, expected one"
        with pytest.raises(ValueError, match=message):
            model.predict(3, series, future_covariates=future, past_covariates=new)

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ([2], "has the column 2, but the table of covariates has columns 0 to 1"),
            (["a"], "has the name 'a', but the table of covariates is no data frame"),
            ([True], "is a mask of 1 entries, expected one for each of 2 columns"),
            ([0, 0], "chooses a column twice"),
        ],
    )
    def test_choices(self, wanted, message):
        with pytest.raises(ValueError, match=f"categorical_features {message}"):
            small(categorical_features=wanted).fit(
                make_series(), future_covariates=make_covariates()
            )

    def test_no_vectors_without_ids(self):
        model = small(categorical_features="from_dtype", embedding_dim=3)
        with pytest.raises(ValueError, match="embedding_dim=3 has no effect"):
            model.fit(make_series(), future_covariates=make_covariates())


@pytest.fixture(params=["pandas", "polars"])
def frame_of(request):
    """Return a maker of data frames from columns, "kind" of a dtype of categories."""
    library = pytest.importorskip(request.param)

    def make(columns):
        frame = library.DataFrame(columns)
        if request.param == "pandas":
            return frame.astype({"kind": "category"})
        return frame.with_columns(frame["kind"].cast(library.Categorical))

    return make


class TestFrames:
    KINDS = ("dry", "hot", "wet", "ice")

    def columns(self, begin=0, ahead=0):
        """Return the columns of a frame of the series "a", "b" and "c", and their covariates."""
        rows = [(i, t) for i, n in enumerate(LENGTHS) for t in range(begin and n, n + ahead)]
        series, covariates = make_series(), make_covariates(ahead=5)
        values = [series[i][t] if t < LENGTHS[i] else 0.0 for i, t in rows]
        return {
            "id": ["abc"[i] for i, _ in rows], "time": [t for _, t in rows], "value": values,
            "kind": [self.KINDS[int(covariates[i][t, 0])] for i, t in rows],
            "heat": [covariates[i][t, 1] for i, t in rows],
        }  # fmt: skip

    def expected(self, strategy="recursive", **params):
        """Return the forecasts of the same from arrays, ids in the order of the sorted values."""
        order = np.argsort(np.argsort(self.KINDS))
        future = make_covariates(ahead=5)
        for part in future:
            part[:, 0] = order[part[:, 0].astype(int)]
        model = small(strategy, categorical_features=[0], **params)
        model.fit(make_series(), future_covariates=[
            part[:n] for part, n in zip(future, LENGTHS, strict=True)
        ])  # fmt: skip
        return model.predict(3, future_covariates=future)

    @pytest.mark.parametrize("strategy", ["recursive", "direct"])
    @pytest.mark.parametrize("wanted", ["from_dtype", ["kind"]])
    def test_as_arrays(self, frame_of, strategy, wanted):
        model = small(strategy, categorical_features=wanted)
        model.fit(frame_of(self.columns()), future_covariates=["kind", "heat"])
        assert model.n_categories_ == (4,)
        assert list(model.feature_names_in_) == ["value", "kind", "heat"]
        later = frame_of(self.columns(1, ahead=3))
        forecasts = model.predict(3, future_covariates=later)
        assert_same(forecasts["value"], np.concatenate(self.expected(strategy)))
        again = model.predict(3, frame_of(self.columns()), future_covariates=later)
        assert_same(again["value"], forecasts["value"])

    def test_a_category_for_each_series(self, frame_of):
        columns = self.columns()
        columns["kind"] = [{"a": "x", "b": "y", "c": "x"}[key] for key in columns["id"]]
        model = small("direct", categorical_features="from_dtype", embedding_dim=2)
        model.fit(frame_of(columns), past_covariates=["kind"])
        assert model.network_.architecture.embeddings == ((2, 2),)
        columns["kind"] = ["y"] * len(columns["id"])
        changed = model.predict(3, frame_of(columns))
        changed, before = changed["value"], model.predict(3)["value"]
        assert_allclose(changed[3:6], before[3:6])
        assert not np.allclose(changed[:3], before[:3])

    def test_refusals(self, frame_of):
        columns = self.columns()
        with pytest.raises(TypeError, match="column 'kind' holds categories, expected numbers"):
            small().fit(frame_of(columns), future_covariates=["heat", "kind"])
        model = small("direct", categorical_features="from_dtype")
        model.fit(frame_of(columns), future_covariates=["kind", "heat"])
        later = self.columns(1, ahead=3)
        later["kind"][4] = "fog"
        message = "column 'kind' of series 'b' is 'fog' at step 1, expected one of"
        with pytest.raises(ValueError, match=f"{message} the categories of fit: 'dry', 'hot', "):
            model.predict(3, future_covariates=frame_of(later))
        new = self.columns()
        new["kind"][LENGTHS[0] + 6] = None
        with pytest.raises(ValueError, match="column 'kind' of series 'b' is missing at step 6"):
            model.predict(3, frame_of(new))
        with pytest.raises(ValueError, match="column 'kind' of series 'b' is missing at step 6"):
            small("direct", categorical_features="from_dtype").fit(
                frame_of(new), future_covariates=["kind"]
            )
        with pytest.raises(ValueError, match=r"the covariates are \['heat', 'kind'\], but the"):
            model.partial_fit(frame_of(columns), future_covariates=["heat", "kind"])
        with pytest.raises(ValueError, match="has the name 'rain', which 0 columns of the table"):
            small(categorical_features=["rain"]).fit(
                frame_of(columns), future_covariates=["kind", "heat"]
            )

    def test_ids_by_number(self, frame_of):
        columns = self.columns()
        columns["number"] = [self.KINDS.index(kind) for kind in columns["kind"]]
        model = small("direct", categorical_features=["number"])
        model.fit(frame_of(columns), past_covariates=["heat", "number"])
        assert model.n_categories_ == (4,)
        columns["number"][LENGTHS[0] + 2] = 4
        message = "past_covariates of series 'b' have the id 4 at step 2 of column 'number'"
        with pytest.raises(ValueError, match=message):
            model.predict(3, frame_of(columns))
