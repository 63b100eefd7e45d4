"""What other programs would be told wrong is refused, by every export, until it is told."""

from dataclasses import replace

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNLanguageModel, RNNRegressor, RNNTagger, layers
from fastrnn.bridge import NotFittedError
from fastrnn.estimators.base import RNNBase
from fastrnn.interop import export_c, from_torch, to_keras_weights, to_onnx, to_torch_state_dict
from fastrnn.network.cell import Option
from fastrnn.streams.snapshot import Snapshot

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

EXPORTS = ["C", "ONNX", "PyTorch", "Keras"]
EVERY_EXPORT = pytest.mark.parametrize("export", EXPORTS)

X = [np.ones((3, 2)), np.zeros((4, 2)), -np.ones((2, 2))]
Y = ["a", "b", "a"]


class Wider(layers.LSTM):
    """An LSTM with a parameter that its record does not know."""

    @classmethod
    def shapes(cls, input_size, hidden_size):
        return {**super().shapes(input_size, hidden_size), "p": (3 * hidden_size,)}


class Foreign(layers.LSTM):
    """A cell that has neither C code nor a counterpart, though a file of C has its name."""

    cell = replace(
        layers.LSTM.cell, name="foreign", title="foreign cell", onnx=None, keras=None, torch=None
    )


class Damped(layers.LSTM):
    """An LSTM with an option that its C code does not know."""

    cell = replace(layers.LSTM.cell, options=(*layers.LSTM.cell.options, Option("damping", 0.5)))


def classifier(cls=RNNClassifier, **params):
    params = {"max_iter": 1, "random_state": 0, "conv": None} | params
    return cls(4, **params).fit(X, Y)


def with_layer(cls):
    """Return a classifier whose layer is another one."""
    model = classifier()
    model.network_.layers[0] = cls(2, 4, random_state=0)
    return model


def export_as(export, model, folder):
    if export == "ONNX":
        pytest.importorskip("onnx", reason="onnx, which the models are made with, is missing")
        return to_onnx(model)
    if export == "C":
        return export_c(model, folder / "model.c")
    return {"PyTorch": to_torch_state_dict, "Keras": to_keras_weights}[export](model)


def assert_refused(export, model, folder, match, error=ValueError):
    with pytest.raises(error, match=match):
        export_as(export, model, folder)
    assert not any(folder.iterdir())


@pytest.mark.parametrize("front", [{"stride": 2}, {"conv": ((3, 2, 1),)}])
@pytest.mark.parametrize("export", ["PyTorch", "Keras"])
def test_what_stands_before_the_layers(export, front, tmp_path):
    match = rf"stride and conv are not translated to {export}"
    assert_refused(export, classifier(**front), tmp_path, match)


@EVERY_EXPORT
def test_parameters_that_the_record_does_not_know(export, tmp_path):
    assert_refused(export, with_layer(Wider), tmp_path, r"Wider.*'p'")


@pytest.mark.parametrize("export", ["PyTorch", "Keras"])
def test_parameters_of_layers_by_themselves(export, tmp_path):
    for model in (Wider(2, 4), [layers.LSTM(2, 4), Wider(4, 3)]):
        assert_refused(export, model, tmp_path, r"Wider .*'p'.* has no equal in")


@pytest.mark.parametrize("export", ["C", "PyTorch", "Keras"])
def test_cells_without_a_counterpart(export, tmp_path):
    assert_refused(export, with_layer(Foreign), tmp_path, "Foreign|foreign")


@pytest.mark.parametrize("export", ["PyTorch", "Keras"])
def test_zoneout_has_no_counterpart(export, tmp_path):
    model = classifier(zoneout=0.25)
    assert_refused(export, model, tmp_path, "gru with zoneout=0.25 has no equal in")


def test_weights_from_elsewhere_have_no_zoneout():
    weights = to_torch_state_dict(classifier())
    with pytest.raises(ValueError, match=r"zoneout=0\.25 of the estimator does not agree"):
        from_torch(weights, RNNClassifier(zoneout=0.25), classes=["a", "b"])


def test_a_cell_without_an_operator_is_its_equations_in_onnx(tmp_path):
    graph = export_as("ONNX", with_layer(Foreign), tmp_path).graph
    assert "Scan" in {node.op_type for node in graph.node}


def test_options_that_c_does_not_know(tmp_path):
    assert_refused("C", with_layer(Damped), tmp_path, "no C code of damping=0.5 of cell='lstm'")


@EVERY_EXPORT
def test_heads_that_are_not_known(export, tmp_path):
    model = classifier()
    model.network_.head.kind, model.network_.head.link = "crf", None
    assert_refused(export, model, tmp_path, "no export of the head 'crf', only of")
    with pytest.raises(ValueError, match="no stream of the head 'crf'"):
        Snapshot(model.network_, model.reader_.steps())


@EVERY_EXPORT
def test_conditional_random_fields(export, tmp_path):
    model = RNNTagger(4, output="crf", max_iter=1, conv=None, bidirectional=False)
    model.fit(X, [np.arange(len(x)) % 2 for x in X])
    assert_refused(export, model, tmp_path, "no export of the head 'crf', only of")


@EVERY_EXPORT
def test_parameters_of_heads_that_are_not_known(export, tmp_path):
    model = classifier()
    model.network_.head.params["transitions"] = np.zeros((2, 2), np.float32)
    assert_refused(export, model, tmp_path, r"a head with the parameters \['transitions'\]")


@EVERY_EXPORT
def test_poolings_that_are_not_known(export, tmp_path):
    model = classifier()
    object.__setattr__(model.network_.architecture, "pooling", "max+median")
    assert_refused(export, model, tmp_path, "no export of pooling='median', only of")


class Named(RNNClassifier):
    """A class of a user's own."""


class Oracle(RNNBase):
    """An estimator whose answers nobody knows."""


@EVERY_EXPORT
def test_derived_estimators_are_what_they_derive_from(export, tmp_path):
    results = []
    for cls in (RNNClassifier, Named):
        result = export_as(export, classifier(cls), tmp_path)
        if export == "C":
            result = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
        results.append(result)
    if export in ("PyTorch", "Keras"):
        results = [[*getattr(result, "values", lambda r=result: r)()] for result in results]
        results = [[array.tobytes() for array in arrays] for arrays in results]
    assert results[0] == results[1]


@EVERY_EXPORT
def test_estimators_that_are_not_known(export, tmp_path):
    model = Oracle.__new__(Oracle)
    vars(model).update(vars(classifier()))
    assert_refused(export, model, tmp_path, "no export of what Oracle answers", TypeError)


class Impostor:
    """Has what an estimator has, and is none."""

    network_ = classes_ = None

    def _check_fitted(self):
        pass


@EVERY_EXPORT
@pytest.mark.parametrize("thing", [Impostor(), RNNClassifier, None, "lstm"])
def test_what_is_no_estimator(export, thing, tmp_path):
    assert_refused(export, thing, tmp_path, "estimator", TypeError)


@EVERY_EXPORT
@pytest.mark.parametrize("cls", [RNNClassifier, RNNRegressor, RNNTagger, RNNLanguageModel])
def test_estimators_that_are_not_fitted(export, cls, tmp_path):
    assert_refused(export, cls(), tmp_path, f"{cls.__name__} instance is not", NotFittedError)
