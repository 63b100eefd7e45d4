"""Files of older formats as those of the present one; nobody else knows what they were like.

Format 1, of version 0.1.0: the section "fitted_with" has the parameters that shaped the network,
and "fitted" what was learned beside the weights. There was no zoneout, texts were cut by other
rules, and of sequences no value could be missing.
"""

from fastrnn.estimators.labels import Labels
from fastrnn.files import ModelFileError
from fastrnn.files.codec import Flag, Place, Record, Text, Whole, as_model_file_error
from fastrnn.inputs.columns import COLUMNS
from fastrnn.inputs.missing import GAPS, NO_GAPS
from fastrnn.inputs.tokens import OF_0_1
from fastrnn.network.architecture import Architecture
from fastrnn.network.cell import ZONEOUT


def added(kind):
    """Parameters that came later to estimators of a kind, and what they were in effect before."""
    return {ZONEOUT.name: ZONEOUT.default, "precision": "full"} | _ADDED_TO.get(kind, {})


def present_parameters(kind, parameters):
    """Parameters in a checkpoint as they are recorded now."""
    parameters = added(kind) | parameters
    if parameters.get("batch_size") == "auto":  # now the number that it stands for is recorded
        parameters["batch_size"] = 200
    return parameters


_OF_SEQUENCES = {
    **{"missing": "error", "time_feature": None, "padding": None, "scaling": None},
    **{"stride": 1, "conv": None},
}
_OF_TEXTS = {
    **{"tokenizer": "char", "lowercase": False, "normalization": None},
    **{"min_freq": 1, "max_features": None},
}
_ADDED_TO = {
    "classifier": {**_OF_SEQUENCES, "augment": None},
    "regressor": {**_OF_SEQUENCES, "augment": None, "loss": "squared_error", "quantile": 0.5},
    "tagger": {**_OF_SEQUENCES, "output": "softmax", "constraints": None},
    "forecaster": {
        **{"freq": None, "likelihood": None, "calibrate": None},
        **{"origin_step": None, "scale_feature": False, "lags": 1},
        **{"calendar_features": None, "holidays": None},
    },
    "language_model": {"normalization": None},
    "seq2seq": _OF_TEXTS
    | {f"target_{name}": value for name, value in _OF_TEXTS.items()}
    | {"target_tokenizer": None},
}

_NEW = ("architecture", "reader", "task")
_TENSORS = {
    "fitted.y_mean": "task.mean",
    "fitted.y_scale": "task.scale",
    "fitted.token_counts": "reader.counts",
    "fitted.covariate_mean": "reader.covariate_mean",
    "fitted.covariate_scale": "reader.covariate_scale",
    **{
        f"fitted.series.{name}": f"reader.series.{name}"
        for name in ("lengths", "values", "future_lengths", "future", "past")
    },
}


class _Json:
    """What is read in its new place."""

    def read(self, value, place):
        """Return the JSON as it is."""
        return value


_JSON = _Json()
_SEQUENCES = {"columns": COLUMNS, "n_columns": _JSON}
_SERIES = {
    **dict.fromkeys(("n_series", "is_single", "ids", "last_times", "columns"), _JSON),
    "n_future": Whole(),
    "covariates": COLUMNS,
}
_NO_SPACING: dict = {"stamp_type": None, "spacings": [], "spacing_of": None, "library": ""}
_LONG = {"layout": "long", "has_ids": True, "is_indexed": False}
_TEXTS = {"vocabulary": _JSON, "n_tokens": Whole(1), "one_long_text": _JSON}
_FITTED = {
    "classifier": Record({**_SEQUENCES, "classes": Labels(), "is_multilabel": Flag()}),
    "regressor": Record({**_SEQUENCES, "n_outputs": Whole(1), "y_ndim": Whole(1, 2)}),
    "tagger": Record({**_SEQUENCES, "classes": _JSON}),
    "forecaster": Record({"series": Record(_SERIES)}),
    "language_model": Record(_TEXTS),
}
_NETWORK = ("hidden_layer_sizes", "cell", "bidirectional", "dtype", "embedding_dim")
_ENCODER = ("tokenizer", "lowercase", "min_freq", "max_features")
_FORECASTS = {
    "strategy": Text(("direct", "recursive")),
    "horizon": Whole(1),
    "missing": Text(("error", "mask")),
    **dict.fromkeys(("scaling", "log", "seasonality", "quantiles"), _JSON),
}


def to_present_format(file):
    """Give a model's file of format 1 the sections, and names of tensors, of the present format."""
    if file.kind not in _PARTS:
        raise ModelFileError(f"no version that wrote format 1 had models of kind {file.kind!r}")
    sections = dict(file.sections)
    for name in (*_NEW, *_TENSORS.values()):
        if name in sections or name in file.tensors:
            raise ModelFileError(f"it has the unknown entry or tensor {name!r}")
    for name in ("fitted", "fitted_with", "parameters"):
        if not isinstance(sections.get(name), dict):
            raise ModelFileError(f"{name!r} should be an object")
    fitted, shaped = sections.pop("fitted"), dict(sections.pop("fitted_with"))
    checked = _FITTED[file.kind].read(fitted, Place("fitted"))
    with as_model_file_error("fitted_with: "):
        reader, task, ends = _PARTS[file.kind](fitted, checked, shaped, file)
        architecture = _architecture(shaped, ends, file)
    if file.kind == "language_model":
        sections["parameters"] = _with_old_tokenizer(sections["parameters"])
    parts = zip(_NEW, (architecture.to_record(), reader, task), strict=True)
    file.replace_sections(sections | dict(parts), _TENSORS)


def _architecture(shaped, ends, file):
    """The network: what no tensor tells is in `shaped`, all of it, and in `ends`."""
    embeddings = []
    while (name := f"embeddings.{len(embeddings)}") in file.tensors:
        embeddings.append(file.shape(name))
    id_tables = ends.pop("id_tables")
    if not all(len(shape) == 2 for shape in embeddings) or len(embeddings) <= max(
        id_tables, default=-1
    ):
        raise ValueError("there are other tables of ids")
    widths = [width for _, width in embeddings]
    parts = {name: _take(shaped, name) for name in _NETWORK}
    if parts.pop("embedding_dim") != ({"tuple": widths} if widths else None):
        raise ValueError("embedding_dim is not that of the tables")
    return Architecture(
        **{name: _untuple(value) for name, value in parts.items()},
        n_features=_rows(file, "layers.0.W") - sum(widths[k] for k in id_tables),
        embeddings=embeddings,
        id_tables=id_tables,
        n_outputs=_rows(file, "head.b"),
        **ends,
        cell_options=shaped,  # what is left
    )


def _with_old_tokenizer(parameters):
    """Parameters with the name that the rule of their tokenizer has by now."""
    tokenizer = parameters.get("tokenizer")
    if tokenizer in ("char", "word"):
        tokenizer += OF_0_1
    return parameters | {"tokenizer": tokenizer}


def _take(shaped, name):
    if name not in shaped:
        raise ValueError(f"there is no {name!r}")
    return shaped.pop(name)


def _untuple(value):
    return value["tuple"] if isinstance(value, dict) and value.keys() == {"tuple"} else value


def _rows(file, name):
    return file.shape(name)[0] if file.shape(name) else 0


def _of_sequences(fitted, checked):
    reader = {"kind": "sequences", **{name: fitted[name] for name in _SEQUENCES}}
    reader["gaps"] = GAPS.write(NO_GAPS, Place("gaps"))
    reader["padding"] = None
    return reader, {"id_tables": range(len(checked["columns"].ids))}


def _classifier(fitted, checked, shaped, file):
    reader, ends = _of_sequences(fitted, checked)
    ends |= {"pooling": _take(shaped, "pooling"), "head": "log_loss"}
    if not checked["is_multilabel"]:
        return reader, {"kind": "classes", "classes": fitted["classes"]}, ends
    n_outputs = len(checked["classes"])
    if checked["classes"].tolist() != list(range(n_outputs)):
        raise ValueError("classes must be the numbers of the labels")
    ends["head"] = "binary_log_loss"
    return reader, {"kind": "label_sets", "n_outputs": n_outputs, "names": None}, ends


def _regressor(fitted, checked, shaped, file):
    reader, ends = _of_sequences(fitted, checked)
    ends |= {"pooling": _take(shaped, "pooling"), "head": "squared_error"}
    if checked["n_outputs"] != _rows(file, "head.b"):
        raise ValueError("n_outputs is not that of the head")
    return reader, {"kind": "numbers", "is_flat": checked["y_ndim"] == 1, "names": None}, ends


def _tagger(fitted, checked, shaped, file):
    reader, ends = _of_sequences(fitted, checked)
    task = {"kind": "step_classes", "classes": fitted["classes"]}
    return reader, task, {**ends, "pooling": "steps", "head": "log_loss"}


def _forecaster(fitted, checked, shaped, file):
    plan = {name: kind.read(_take(shaped, name), Place(name)) for name, kind in _FORECASTS.items()}
    quantiles = plan["quantiles"] = _untuple(plan["quantiles"])
    n_ahead, feeds_back = plan.pop("horizon"), plan.pop("strategy") == "recursive"
    plan |= {"n_ahead": n_ahead, "feeds_back": feeds_back, "mask": plan.pop("missing") == "mask"}
    n_future, ids = checked["series"]["n_future"], checked["series"]["covariates"].ids
    if n_ahead * n_future > _rows(file, "layers.0.W"):
        raise ValueError("horizon is longer than what the network reads")
    ahead = [k for k, j in enumerate(ids) if j < n_future]
    ends = {
        "id_tables": [k for k, j in enumerate(ids) if j >= n_future] + n_ahead * ahead,
        "pooling": "steps",
        "head": "squared_error" if quantiles is None else "quantiles",
        "head_options": {} if quantiles is None else {"levels": quantiles},
    }
    series = fitted["series"] | _NO_SPACING
    if isinstance(series["columns"], dict):
        series["columns"] = series["columns"] | _LONG
    reader = {"kind": "series", "plan": plan, "window": None, "series": series}
    return reader, {"kind": "next_values"}, ends


def _language_model(fitted, checked, shaped, file):
    encoder = None
    if fitted["vocabulary"] is not None:
        encoder = {name: _take(shaped, name) for name in _ENCODER}
        encoder = _ADDED_TO["language_model"] | _with_old_tokenizer(encoder)
        encoder["vocabulary"] = fitted["vocabulary"]
    if file.shape("fitted.token_counts") != (checked["n_tokens"],):
        raise ValueError("n_tokens is not that of the counts")
    tied = Flag().read(_take(shaped, "tie_weights"), Place("tie_weights"))
    reader = {"kind": "texts", "encoder": encoder, "is_long": fitted["one_long_text"]}
    ends = {"id_tables": [0], "pooling": "steps", "head": "log_loss", "tied": tied}
    return reader, {"kind": "next_tokens"}, ends


_PARTS = {
    "classifier": _classifier,
    "regressor": _regressor,
    "tagger": _tagger,
    "forecaster": _forecaster,
    "language_model": _language_model,
}
