"""What the C code of an estimator is made of: the names of the templates, and the weights."""

import numpy as np

from fastrnn import __version__

_LONGEST_STRING = 4095  # bytes of a literal that every C99 compiler takes

_SCALES = {
    "difference": (
        "the mean absolute difference of one value from the one before",
        "any value, best one of the last",
    ),
    "standard": ("the standard deviation of the values", "their mean"),
    "level": ("the mean absolute value", "0"),
    None: ("1", "0"),
}


def describe(est, prefix, header):
    """Gather what the C code of an estimator is made of.

    Parameters
    ----------
    est : estimator of fastrnn
        The fitted estimator.
    prefix : str
        What public names begin with.
    header : str
        Name of the header.

    Returns
    -------
    names : dict
        What the templates fill in, and ask for.
    weights : dict of str to (str, ndarray of float32)
        For each array of weights its size, as C says it, and its values.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        If it cannot be exported, as `fastrnn.interop.export_c` says.
    """
    ours = (cls for cls in type(est).__mro__ if cls.__module__.startswith("fastrnn.estimators."))
    kind = next(ours, None)
    if kind is None:
        raise TypeError(f"est must be an estimator of fastrnn, got {type(est).__name__}")
    est.check_fitted()
    network = est.network_
    if not network.one_way:
        raise ValueError(
            "the model is bidirectional: it has no output before the end of a sequence, all steps "
            "of which would have to be kept; export one with bidirectional=False"
        )
    weights = {}
    read = _read_series if est.kind == "forecaster" else _read_columns
    names = {
        "kind": kind.__name__,
        "version": __version__,
        "header": header,
        "prefix": prefix,
        "PREFIX": prefix.upper(),
        "rounded": network.dtype == np.float64,
        **_tables(network, weights),
        **read(est, weights),
        **_layers(network, weights),
        **_pooling(network),
        **_outputs(est, prefix, weights),
    }
    names |= _joined(names)
    names["weights"] = [{"name": name, "size": size} for name, (size, _) in weights.items()]
    return names, {name: (size, _as_floats(values)) for name, (size, values) in weights.items()}


def _tables(network, weights):
    """Vectors of ids, and where each column of ids has its own in the input of layer 1."""
    shapes = [table.shape for table in network.embeddings]
    for t, table in enumerate(network.embeddings, start=1):
        weights[f"table{t}"] = (f"V{t} * E{t}", table)
    columns, offset = [], network.architecture.n_features
    for column, k in enumerate(network.architecture.id_tables):
        columns.append(
            {"column": column, "t": k + 1, "offset": offset, "largest": shapes[k][0] - 1}
        )
        offset += shapes[k][1]
    return {
        "tables": [{"t": t, "V": V, "E": E} for t, (V, E) in enumerate(shapes, start=1)],
        "n_ids": len(columns),
        "id_columns": columns,
    }


def _read_columns(est, weights):
    """Numbers and ids of a step, for the estimators that read them as they are."""
    n_features, columns = est.network_.architecture.n_features, est.reader_.columns
    numbers = [j for j in range(columns.width) if j not in columns.ids]
    of_id = "the token, its place in tokens_" if hasattr(est, "tokens_") else "column {} of X"
    return {
        "n_features": n_features,
        "x": [f"column {j} of X" for j in numbers],
        "ids": [of_id.format(j) for j in columns.ids],
        "mixed": bool(n_features and columns.ids),
        **dict.fromkeys(("forecast", "mask", "log", "season"), False),
    }


def _read_series(est, weights):
    """What a forecaster reads: the value, and covariates, which are scaled in C."""
    plan, covariates = est.reader_.plan, est.reader_.covariates
    columns, _ = plan.columns(covariates)
    past = [(j, 0) for j in range(covariates.n_future, len(covariates.mean))]
    future = [(j, h) for h in range(1, plan.block + 1) for j in range(covariates.n_future)]
    # Behind the value, and the mark of a missing one, stand covariates, some steps ahead.
    places = list(enumerate(past + future, start=1 + plan.mask))
    numbers = [place for k, place in places if k not in columns.ids]
    ids = [place for k, place in places if k in columns.ids]
    unknown = " (the largest id: not known yet)"
    if numbers:
        which = [j for j, _ in numbers]
        weights["covariate_mean"] = (str(len(which)), covariates.mean[which])
        weights["covariate_scale"] = (str(len(which)), covariates.deviation[which])
    factor, shift = _SCALES[plan.scaling]
    return {
        "forecast": True,
        "n_features": 1 + len(numbers),
        "x": [
            "the value of the series" + (", NAN if it is missing" if plan.mask else ""),
            *(_covariate(*place) for place in numbers),
        ],
        "ids": [_covariate(j, ahead) + unknown * (ahead > 0) for j, ahead in ids],
        "mixed": False,
        "has_covariates": bool(numbers),
        "shifted": "d + 1" if plan.mask else "d",
        "n_steps": plan.block,
        "n_levels": len(plan.quantiles or (0.5,)),
        "several_levels": len(plan.quantiles or ()) > 1,
        "relative": plan.scaling == "difference",
        "mask": plan.mask,
        "log": plan.log,
        "season": plan.seasonality,
        "scaled_value": ("log(value)" if plan.log else "value")
        + (" - season" if plan.seasonality else ""),
        "factor": factor,
        "shift": shift,
    }


def _covariate(j, ahead):
    """Name a covariate as it stands for some step."""
    return f"covariate {j}" + (f" of {_count(ahead, 'step')} ahead" if ahead else "")


def _layers(network, weights):
    """The recurrent layers."""
    layers = []
    for k, layer in enumerate(network.layers, start=1):
        p, H, G = layer.params, layer.hidden_size, len(layer.cell.gates)
        gates = f"H{k}" if G == 1 else f"{G} * H{k}"
        is_gru = layer.cell.name == "gru"
        weights[f"W{k}"] = (f"D{k} * {gates}", p["W"])
        weights[f"U{k}"] = (f"H{k} * {gates}", p["U"])
        weights[f"b{k}"] = (gates, p["b"])
        if is_gru:
            weights[f"bn{k}"] = (f"H{k}", p["b_n"])
        if is_gru and not layer.reset_after:
            weights[f"U{k}"] = (f"H{k} * 2 * H{k}", p["U"][:, : 2 * H])
            weights[f"Un{k}"] = (f"H{k} * H{k}", p["U"][:, 2 * H :])
        layers.append(
            {
                "k": k,
                "D": layer.input_size,
                "H": H,
                "cell": layer.cell.title,
                "input": f"stream->h{k - 1}",
                "has_cell_state": "c" in layer.cell.states,
                "rnn": layer.cell.name == "rnn",
                "relu": layer.options.get("activation") == "relu",
                "lstm": layer.cell.name == "lstm",
                "carry_lstm": layer.cell.name == "carry_lstm",
                "candidate_tanh": layer.options.get("candidate_activation") == "tanh",
                "gru_after": is_gru and layer.reset_after,
                "gru_before": is_gru and not layer.reset_after,
            }
        )
    return {"layers": layers, "top": len(layers), "H_top": layers[-1]["H"]}


def _pooling(network):
    """What the output layer sees."""
    kind = network.pooling.kind
    state = f"stream->h{len(network.layers)}"
    return {
        "mean": kind == "mean",
        "max": kind == "max",
        "every_step": kind == "steps",
        "pooled": {"mean": "mean", "max": "stream->max"}.get(kind, state),
    }


def _outputs(est, prefix, weights):
    """The output layer, and what becomes of its outputs."""
    network, plan = est.network_, getattr(est, "_plan", None)
    if not network.head.tied:
        weights["Wy"] = (f"H{len(network.layers)} * K", network.head.params["W"])
    weights["by"] = ("K", network.head.params["b"])
    is_softmax = network.head.kind == "log_loss"
    is_sigmoid = network.head.kind == "binary_log_loss"
    has_tokens, is_scaled = hasattr(est, "tokens_"), hasattr(est, "y_scale_")
    class_type, classes = None, []
    if plan is not None:
        outputs = f"forecasts of the next {_count(plan.block, 'step')}"
        if plan.quantiles is not None:
            outputs += f", of each the quantiles {', '.join(map(str, plan.quantiles))}"
    elif is_scaled:
        outputs = "the numbers predicted"
        weights["y_scale"], weights["y_mean"] = ("K", est.y_scale_), ("K", est.y_mean_)
    elif is_sigmoid:
        outputs = "the probability of each label, for itself"
    elif has_tokens:
        outputs = "the probability of each token to be the next"
    else:
        outputs = f"the probability of each class, in the order of {prefix}_classes"
        class_type, classes = _classes(est.classes_.tolist())
    return {
        "n_outputs": network.head.n_outputs,
        "tied": network.head.tied,
        "softmax": is_softmax,
        "sigmoid": is_sigmoid,
        "needs_sigmoid": is_sigmoid or network.layers[0].cell.name != "rnn",
        "scaled": is_scaled,
        "outputs": outputs,
        "class_type": class_type,
        "classes": [{"label": label} for label in classes],
        "end": est.reader_.vocabulary.end if has_tokens else None,
        "has_end": has_tokens and est.reader_.vocabulary.end is not None,
    }


def _joined(names):
    """What follows from the parts together."""
    has_x, has_ids = names["n_features"] > 0, names["n_ids"] > 0
    inputs = [(f"x[{d}]", meaning) for d, meaning in enumerate(names["x"])]
    if not has_ids and not names["forecast"]:
        inputs = [("x", "the numbers of the step, as in X")]
    for column, meaning in zip(names["id_columns"], names["ids"], strict=True):
        inputs.append((f"ids[{column['column']}]", f"{meaning}, from 0 to {column['largest']}"))
    width = max(len(place) for place, _ in inputs)
    assembles = has_ids or names["forecast"]  # the input of layer 1 from more than one thing
    names["layers"][0]["input"] = "input" if assembles else "x"
    refused = [
        "a number is not finite" if has_x else None,
        "the value is not above 0" if names["log"] else None,
        "there is no such id" if has_ids else None,
    ]
    way = [_count(names["n_features"], "number")] if has_x else []
    way += [f"{_count(names['n_ids'], 'id')}, for each a vector"] if has_ids else []
    way += [f"{layer['cell']}, {_count(layer['H'], 'unit')}" for layer in names["layers"]]
    way += ["mean of its states"] if names["mean"] else []
    way += ["maximum of its states"] if names["max"] else []
    way += [f"output layer: {names['outputs']}"]
    return {
        "assembles": assembles,
        "inputs": [{"place": f"{place:{width}}", "meaning": what} for place, what in inputs],
        "y_place": f"{'y':{width}}",
        "blank_place": " " * width,
        "arguments": ", ".join(["x"] * has_x + ["ids"] * has_ids),
        "refused": " or ".join(filter(None, refused)),
        "way": [{"stage": stage} for stage in way],
    }


def _count(n, what):
    """Say how many."""
    return f"{n} {what}" + "s" * (n != 1)


def _as_floats(values):
    """Round weights to float32."""
    with np.errstate(over="ignore"):
        rounded = np.asarray(values, dtype=np.float32)
    if not np.isfinite(rounded).all():
        raise ValueError("the model has weights that do not fit into a float of C")
    return rounded


def _classes(labels):
    """Return the C type of class labels, and each as C writes it."""
    if isinstance(labels[0], str | bytes):
        return "char *const", [_string(label) for label in labels]
    if isinstance(labels[0], float):
        return "double", [f"{label!r}" for label in labels]
    if min(labels) < -(2**63) or max(labels) >= 2**63:
        raise ValueError("a class label does not fit into a number of C, of 64 bits")
    # There are no negative literals: the smallest number is written as a difference.
    return "long long", [
        "-9223372036854775807LL - 1" if label == -(2**63) else f"{int(label)}LL" for label in labels
    ]


def _string(label):
    """Write a label as a C string: what is not plain ASCII as bytes of UTF-8, in octal."""
    try:
        text = label.encode("utf-8") if isinstance(label, str) else label
    except UnicodeEncodeError:
        text = b"\0"  # half of a surrogate pair
    if b"\0" in text or len(text) > _LONGEST_STRING:
        raise ValueError(
            f"the class label {label[:40]!r} does not fit into a string of C: expected at most "
            f"{_LONGEST_STRING} bytes of UTF-8, none of them 0"
        )
    plain = {*range(ord(" "), ord("~") + 1)} - set(b'"\\?')  # ?? begins a trigraph
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text) + '"'
