"""Estimators with ``precision="bfloat16"``: training, answers, copies, files, streams, refusals."""

import copy
import pickle

import numpy as np
import pytest
from contract import CASES, over, same

import fastrnn
from fastrnn import RNNClassifier, RNNSeq2Seq
from fastrnn.network import Architecture, rounding

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

ROUNDED = {"precision": "bfloat16", "dtype": "float32"}


@pytest.fixture(autouse=True)
def everywhere(monkeypatch):
    """Let fit round where the processor has no instructions for it."""
    use(monkeypatch, True)


def elsewhere(monkeypatch):
    """From now on there are none."""
    use(monkeypatch, False)


def use(monkeypatch, has):
    """Let there be instructions for bfloat16 that are faster, or none."""
    monkeypatch.setattr(rounding, "has_bfloat16", lambda: has)
    monkeypatch.setattr(rounding, "prefers_bfloat16", lambda: has)


@pytest.fixture(scope="module")
def fitted():
    """Pickles of small models, rounded and full, by their case: each is trained once."""
    made = {}

    def get(case, precision):
        with pytest.MonkeyPatch.context() as patch:
            use(patch, True)
            if (case, precision) not in made:
                model = case.fit(**ROUNDED | {"precision": precision})
                made[case, precision] = pickle.dumps(model)
            return pickle.loads(made[case, precision])

    return get


@over()
def test_training_rounds_and_learns_nearly_the_same(case, fitted):
    low, full = fitted(case, "bfloat16"), fitted(case, "full")
    assert low.network_.architecture.precision == "bfloat16"
    assert low.network_.theta.dtype == np.float32
    assert not np.array_equal(low.network_.theta, full.network_.theta)
    assert np.any(low.network_.theta.view(np.uint32) & 0xFFFF)  # weights themselves keep all digits
    np.testing.assert_allclose(low.loss_curve_, full.loss_curve_, rtol=0.02, atol=0.02)


@over()
def test_copies_and_files_answer_the_same(case, fitted, tmp_path):
    model = fitted(case, "bfloat16")
    answers = case.answers(model)
    model.save(tmp_path / "model.fastrnn")
    for again in (copy.deepcopy(model), fastrnn.load(tmp_path / "model.fastrnn")):
        assert again.precision == again.network_.architecture.precision == "bfloat16"
        assert case.answers(again) == answers
    model.network_ = full_network(model)
    assert case.answers(model) != answers  # answers are rounded, too


def full_network(model):
    """The network of a model with the same weights, and products of full precision."""
    network = copy.deepcopy(model.network_)
    architecture = network.architecture
    record = architecture.to_record()
    for part in (record, record.get("encoder"), record.get("decoder")):
        if part and "precision" in part:
            part["precision"] = "full"
    full = type(network)(type(architecture).from_record(record))
    full.theta[:] = network.theta
    return full


@over(lambda case: case.reads_by_step)
def test_streams_say_what_is_said_of_the_prefixes(case, fitted):
    if case.estimator is fastrnn.RNNForecaster:  # without a scale learned from the series
        model = case.fit(**ROUNDED, scaling=None)
    else:
        model = fitted(case, "bfloat16")
    model.network_.theta[:] = 0.5 * np.random.default_rng(7).normal(size=model.network_.theta.size)
    rounded_off = 0
    for got, expected in case.follow(model, case.data[0]):
        # A factor between two neighbours may go to the other one.
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=0, atol=0.02 * max(scale, 1e-3))
        rounded_off += np.abs(got - expected).max() > 1e-4 * scale
    assert rounded_off <= 2


@pytest.mark.parametrize("name", ["classifier", "tagger", "text", "translating"])
def test_n_jobs_changes_no_bit(name):
    case = CASES[name]
    one, two = (case.fit(**ROUNDED, n_jobs=n, batch_size=80) for n in (None, 2))
    assert same(one, two)
    assert case.answers(one) == case.answers(two)


def test_crf_and_convolutions_round_too():
    tagger, classifier = CASES["tagger"], CASES["classifier"]
    front = {"stride": 2, "conv": ((4, 3, 1),)}
    for case, params in (tagger, {"output": "crf"}), (classifier, front):
        low, full = (case.fit(**ROUNDED | {"precision": p}, **params) for p in ("bfloat16", "full"))
        assert not same(low, full)
        np.testing.assert_allclose(low.loss_curve_, full.loss_curve_, rtol=0.02, atol=0.02)


def test_auto_is_one_or_the_other(monkeypatch):
    case = CASES["classifier"]
    auto = case.fit(precision="auto")
    assert same(auto, case.fit(precision="bfloat16"))
    assert auto.network_.architecture.precision == "auto"
    assert same(case.fit(precision="auto", dtype="float64"), case.fit(dtype="float64"))
    elsewhere(monkeypatch)
    assert same(case.fit(precision="auto"), case.fit())


def test_warm_start_and_partial_fit_go_on_in_one_precision(fitted):
    case = CASES["classifier"]
    model = fitted(case, "bfloat16").set_params(warm_start=True)
    before = model.network_.theta.copy()
    model.fit(*case.data)
    assert model.network_.rounds and not np.array_equal(model.network_.theta, before)
    model.set_params(precision="full")
    for go_on in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="precision='bfloat16', not 'full'"):
            go_on(*case.data)


class TestRefusals:
    def test_a_processor_without_it(self, monkeypatch, fitted):
        case = CASES["classifier"]
        model = fitted(case, "bfloat16")
        network = model.network_
        elsewhere(monkeypatch)
        for fit in (model.fit, model.partial_fit, case.make(**ROUNDED).fit):
            with pytest.raises(ValueError, match="needs a processor with AMX or AVX512-BF16"):
                fit(*case.data)
        assert model.network_ is network

    def test_a_model_from_another_machine_answers(self, monkeypatch, fitted):
        """As there, but for the order of sums."""
        case = CASES["classifier"]
        model = fitted(case, "bfloat16")
        expected = model.predict_proba(case.data[0])
        elsewhere(monkeypatch)
        np.testing.assert_array_equal(model.predict_proba(case.data[0]), expected)

    @pytest.mark.parametrize("name", ["classifier", "forecaster"])
    def test_a_file_from_another_machine_is_read_and_written(
        self, monkeypatch, fitted, tmp_path, name
    ):
        model = fitted(CASES[name], "bfloat16")
        model.save(tmp_path / "there")
        elsewhere(monkeypatch)
        loaded = fastrnn.load(tmp_path / "there")
        assert loaded.network_.rounds
        assert same(loaded, model)
        loaded.save(tmp_path / "here")
        assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
        with pytest.raises(ValueError, match="needs a processor with AMX or AVX512-BF16"):
            loaded.fit(*CASES[name].data)

    @pytest.mark.parametrize("estimator", [RNNClassifier, RNNSeq2Seq])
    def test_float64(self, estimator):
        case = next(case for case in CASES.values() if case.estimator is estimator)
        with pytest.raises(ValueError, match="precision='bfloat16' needs dtype='float32', got 'fl"):
            case.fit(precision="bfloat16", dtype="float64")

    def test_other_words(self):
        with pytest.raises(ValueError, match=r"precision must be .*bfloat16.*, got 'half'"):
            CASES["classifier"].fit(precision="half")


def test_records_of_before_are_full():
    record = Architecture(n_features=2, hidden_layer_sizes=(3,), n_outputs=2).to_record()
    assert record.pop("precision") == "full"
    assert Architecture.from_record(record).precision == "full"
