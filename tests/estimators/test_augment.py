"""`augment` of classifier and regressor: when sequences are changed, and for whom."""

import numpy as np
import pytest
from small_problems import make_problem, same, small

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.estimators import augmenting
from fastrnn.inputs.augmentation import Augmentation

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

KINDS = pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])


@pytest.fixture
def drawn(monkeypatch):
    """Return what was drawn of sequences; nothing is changed in them, nor any number drawn."""
    calls = []

    class Same(Augmentation):
        def __call__(self, rng, done):
            calls.append(self)
            self.done = [*vars(self).get("done", []), done]
            return self.sequences

    monkeypatch.setattr(augmenting, "Augmentation", Same)
    return calls


@KINDS
def test_every_epoch_reads_others_and_nobody_else_does(estimator, drawn):
    X, y = make_problem(estimator)
    model = small(estimator, augment=1.5).fit(X, y, validation_data=(X, y))
    plain = small(estimator).fit(X, y, validation_data=(X, y))
    assert same(model, plain)
    assert model.validation_scores_ == plain.validation_scores_
    assert len(drawn) == model.n_iter_ == 3
    assert (drawn[0].strength, drawn[0].n_numbers, drawn[0].keeps_time) == (1.5, 3, False)
    assert drawn[0].done == [0, 1 / 3, 2 / 3]
    model.predict(X)
    model.score(X, y)
    assert len(drawn) == 3
    model.partial_fit(X, y)
    assert len(drawn) == 4 and drawn[3].done == [0]


@KINDS
def test_random_state_decides_how(estimator):
    X, y = make_problem(estimator)
    one, again = (small(estimator, augment=1.0).fit(X, y) for _ in range(2))
    assert same(one, again)
    for other in ({"augment": None}, {"augment": 2.0}, {"augment": 1.0, "random_state": 1}):
        assert not same(one, small(estimator, **other).fit(X, y))


def test_early_stopping_scores_what_was_given(drawn):
    X, y = make_problem()
    stopping = {"early_stopping": True, "validation_fraction": 0.25}
    model = small(augment=1.0, **stopping).fit(X, y)
    assert model.validation_scores_ == small(**stopping).fit(X, y).validation_scores_
    assert len(drawn) == 3


def test_lbfgs_does_without(drawn):
    X, y = make_problem()
    assert same(small(augment=1.0, solver="lbfgs").fit(X, y), small(solver="lbfgs").fit(X, y))
    assert not drawn


@pytest.mark.parametrize(
    ("options", "n_numbers"), [({"missing": "mask"}, 3), ({"time_feature": 0}, 2)]
)
def test_steps_keep_their_time_where_gaps_or_times_are_read(drawn, options, n_numbers):
    X, y = make_problem()
    X = [np.column_stack([np.arange(len(x)), x[:, 1:]]) for x in X]
    small(augment=1.0, **options).fit(X, y)
    assert (drawn[0].keeps_time, drawn[0].n_numbers) == (True, n_numbers)


@pytest.mark.parametrize(("n_steps", "strength"), [(39, None), (40, 1.0)])
def test_auto_goes_by_the_median_length(drawn, n_steps, strength):
    X = [np.linspace(0, 1, n)[:, np.newaxis] for n in (3, n_steps, 300)]
    small(augment="auto", max_iter=1).fit(X, [0, 1, 1])
    assert [one.strength for one in drawn] == ([] if strength is None else [strength])


def test_auto_leaves_codes_and_ids_as_they_are(drawn):
    codes, y = np.arange(120).reshape(2, 60, 1) % 5, [0, 1]
    small(augment="auto", max_iter=1).fit(codes, y)
    small(augment="auto", max_iter=1, categorical_features="all").fit(codes, y)
    assert not drawn
    small(augment=1.0, max_iter=1).fit(codes, y)
    assert len(drawn) == 1


def test_the_default_is_for_classes_alone():
    assert (RNNClassifier().augment, RNNRegressor().augment) == ("auto", None)


@pytest.mark.parametrize("estimator", [RNNTagger, RNNForecaster, RNNLanguageModel])
def test_estimators_with_an_answer_for_each_step_have_none(estimator):
    assert "augment" not in estimator().get_params()


def test_memory_of_the_copies_is_counted():
    X, y = np.zeros((50, 400, 3), "float32"), np.arange(50) % 2
    plain, augmented = (small(augment=strength) for strength in (None, 1.0))
    more = augmented.estimate_memory(X, y) - plain.estimate_memory(X, y)
    assert more == augmenting.AUGMENTED * X.nbytes
