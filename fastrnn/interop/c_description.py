"""What the C code of a model is made of, beside the runtime: sizes, choices, tables and weights."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastrnn.inputs.scaling import LOGS
from fastrnn.interop.model import PARTS, Model
from fastrnn.kernels.likelihoods import STEEPEST_RATE
from fastrnn.network.cell import ZONEOUT
from fastrnn.network.pooling import parts_of
from fastrnn.streams.int8 import to_int8

MATRICES = ("W", "U")
"""Parameters of a layer that rows are multiplied with."""

_NO_MATRIX = {True: "{NULL, NULL}", False: "NULL"}
"""What a patch has: of whole numbers, and of others."""


@dataclass(eq=False)
class Description:
    """What the runtime is told of a model.

    Attributes
    ----------
    model : Model
        What is exported.
    cell : str
        Name of the layers' cell.
    parameters : list of str
        Names of the arrays of a layer.
    constants : dict of str to (int, float, str or None)
        What the runtime asks the preprocessor for; None has no value.
    layers, id_columns : list of tuple
        Rows of the runtime's tables: numbers, and names of weights.
    numbers, ids : list of str
        What each number and each id of a step is.
    weights : dict of str to ndarray
        All arrays, by name: float32 or float64; of matrices also int8, or uint16 for bfloat16.
    small : {"int8", "bfloat16"} or None
        What matrices are rounded to.
    head : str
        The initializer of the matrix of the output layer.
    """

    model: Model
    cell: str
    parameters: list[str]
    constants: dict[str, int | float | str | None] = field(default_factory=dict)
    layers: list[tuple] = field(default_factory=list)
    stages: list[tuple] = field(default_factory=list)
    id_columns: list[tuple] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)
    small: str | None = None
    head: str = ""

    @property
    def fields(self):
        """Declarations of the parameters of a layer."""
        kinds = [
            (name, "matrix " if name in MATRICES else "const float *") for name in self.parameters
        ]
        return "".join(f"    {kind}{name};\n" for name, kind in kinds)

    def add_weights(self, name, values):
        """Add an array, rounded to float32; return its name."""
        self.weights[name] = _fitting(values)
        return name

    def add_matrix(self, name, W):
        """Add a matrix; return its initializer."""
        if self.small == "int8":
            return self._add_int8(name, *to_int8(_fitting(W)))
        self.weights[name] = _to_bfloat16(_fitting(W)) if self.small else _fitting(W)
        return name

    def add_table(self, name, rows):
        """Add a table of which single rows are read, likewise."""
        if self.small == "int8":
            return self._add_int8(name, *to_int8(_fitting(rows).T))
        return self.add_matrix(name, rows)

    def _add_int8(self, name, q, scale):
        self.weights[name], self.weights[f"{name}_scale"] = np.ascontiguousarray(q.T), scale
        return f"{{{name}, {name}_scale}}"


def _fitting(values):
    """An array as float32."""
    with np.errstate(over="ignore"):
        rounded = np.asarray(values, dtype=np.float32)
    if not np.isfinite(rounded).all():
        raise ValueError("the model has weights that do not fit into a float of C")
    return rounded


def _to_bfloat16(values):
    """The upper halves of floats, rounded to nearest, ties to even, as uint16."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    halves = (bits + (0x7FFF + (bits >> 16 & 1))) >> 16
    if (halves & 0x7FFF == 0x7F80).any():
        raise ValueError("the model has weights that do not fit into bfloat16")
    return halves.astype(np.uint16)


def describe(model, cells, small=None):
    """Describe a model that reads in one direction; `cells` has the C code of each cell.

    Its matrices are rounded to `small`, "int8" or "bfloat16".
    """
    layer = model.network.layers[0]
    cell = layer.cell.name
    if cell not in cells or layer.has_unknown_parameters:
        raise ValueError(
            f"there is no C code of {type(layer).__name__} with the parameters "
            f"{list(layer.params)}, only of the cells {sorted(cells)}"
        )
    code = Description(model, cell, list(layer.params), small=small)
    _describe_ids(code)
    if model.plan is None:
        _describe_columns(code)
    else:
        _describe_series(code)
    _describe_stages(code)
    _describe_layers(code, cells[cell])
    _describe_outputs(code)
    return code


def _describe_ids(code):
    """Vectors of ids, and where each column of ids has its own in the input of layer 1."""
    network, architecture = code.model.network, code.model.architecture
    tables = [
        code.add_table(f"table{t}", table) for t, table in enumerate(network.embeddings, start=1)
    ]
    place = architecture.n_features
    for k in architecture.id_tables:
        n_ids, length = architecture.embeddings[k]
        code.id_columns.append((n_ids, length, place, tables[k]))
        place += length
    code.constants["N_IDS"] = len(code.id_columns)
    code.constants["N_INPUTS"] = architecture.input_width


def _describe_columns(code):
    """Numbers and ids of a step, for the estimators that read them as they are."""
    columns, gaps = code.model.columns, code.model.gaps
    of_id = "column {} of X"
    if code.model.tokens is not None:
        is_answer = code.model.answers == "tokens"
        of_id = f"the token, its {'place in tokens_' if is_answer else 'id of encoder_'}"
    numbers = [j for j in range(columns.width) if j not in columns.ids]
    code.numbers = [f"column {j} of X" for j in numbers]
    code.ids = [of_id.format(j) for j in columns.ids]
    code.constants["N_FEATURES"] = len(numbers)
    code.constants["CENTERED"] = int(bool(code.model.scaling.center))
    if code.constants["CENTERED"]:
        code.weights["number_center"] = np.array(code.model.scaling.center)
        code.weights["number_factor"] = np.array(code.model.scaling.factor)
    if gaps.is_plain:
        return
    if gaps.allows:
        code.numbers = [f"{number}, NAN if it is missing" for number in code.numbers]
        counts = zip(code.ids, columns.n_categories, strict=True)
        code.ids = [f"{of_id}, {n} if it is missing" for of_id, n in counts]
        if gaps.mean:
            code.add_weights("number_mean", gaps.mean)
        if gaps.means:
            learned = code.model.network.decay.arrays
            for name in ("w_x", "b_x", "W_h", "b_h"):
                code.add_weights(name, learned[name])
    if gaps.time is not None:
        what = f"column {gaps.time} of X: the time since the step before, 0 of the first"
        unit = " in seconds" if gaps.is_date else ""
        code.numbers[numbers.index(gaps.time)] = what + unit
    code.constants |= {
        "MARKS": int(bool(gaps.mean)),
        "DECAY": int(bool(gaps.means)),
        "N_VALUES": len(numbers) - (gaps.time is not None),
        "TIME": -1 if gaps.time is None else numbers.index(gaps.time),
        "UNIT": gaps.unit,
    }


def _describe_series(code):
    """What a forecaster reads: the value, and covariates, which are scaled in C."""
    plan, covariates, columns = code.model.plan, code.model.covariates, code.model.columns
    past = [(j, 0) for j in range(covariates.n_future, len(covariates.mean))]
    future = [(j, h) for h in range(1, plan.n_ahead + 1) for j in range(covariates.n_future)]
    # Behind the value, and the mark of a missing one, stand covariates, some steps ahead.
    places = list(enumerate(past + future, start=1 + plan.mask))
    numbers = [place for k, place in places if k not in columns.ids]
    unknown = " (the largest id: not known yet)"
    first = covariates.n_future - len(covariates.of_dates)
    names = {j: f"covariate {j}" for j in range(len(covariates.mean))}
    names |= {first + k: f"{name} of the date" for k, name in enumerate(covariates.of_dates)}
    code.ids = [
        _at(names[j], ahead) + unknown * (ahead > 0) for k, (j, ahead) in places if k in columns.ids
    ]
    if numbers:
        which = [j for j, _ in numbers]
        code.add_weights("covariate_mean", covariates.mean[which])
        code.add_weights("covariate_scale", covariates.deviation[which])
    value = "the value of the series" + (", NAN if it is missing" if plan.mask else "")
    code.numbers = [value, *(_at(names[j], ahead) for j, ahead in numbers)]
    code.constants |= {
        "N_FEATURES": len(code.numbers),
        "N_STEPS": plan.n_ahead,
        "N_LEVELS": len(plan.quantiles or (0.5,)),
        "LOG": LOGS.index(plan.log),
        "SEASON": plan.pattern or 0,
        "MASK": int(plan.mask),
        "RELATIVE": int(plan.scaling == "difference"),
        "N_LAGS": plan.n_lags,
        "N_FIXED": plan.n_fixed,
    }


def _at(name, ahead):
    """Name a covariate as it stands for some step."""
    return name + (f" of {count(ahead, 'step')} ahead" if ahead else "")


def _describe_stages(code):
    """Patches and convolutions before the first layer."""
    if not code.model.network.front:
        return
    place = most = largest = 0
    stages = code.model.network.front.stages
    for k, stage in enumerate(stages, start=1):
        weights = [_NO_MATRIX[code.small == "int8"], "NULL"]
        if stage.params:
            weights = [code.add_matrix(f"conv{k}_W", stage.params["W"])]
            weights.append(code.add_weights(f"conv{k}_b", stage.params["b"]))
        sizes = [stage.input_size, stage.output_size, stage.kernel, stage.left, stage.stride]
        code.stages.append((*sizes, stage.span, stage.depth, place, *weights))
        place += stage.depth * stage.input_size
        most = stage.count_others(most)
        largest = max(largest, most * stage.output_size)
    code.constants |= {
        "N_STAGES": len(stages),
        "RECENT_SIZE": place,
        "ROW_LARGEST": max(stage.output_size for stage in stages),
        "WINDOW_LARGEST": max(stage.kernel * stage.input_size for stage in stages),
        "OTHERS_LARGEST": largest,
        "N_OTHERS": most,
    }


def _describe_layers(code, step):
    """The recurrent layers, of one cell."""
    layers, architecture = code.model.network.layers, code.model.architecture
    for k, layer in enumerate(layers, start=1):
        adds = {name: code.add_matrix for name in MATRICES}
        arrays = [
            adds.get(name, code.add_weights)(f"{name}{k}", layer.params[name])
            for name in code.parameters
        ]
        code.layers.append((layer.input_size, layer.hidden_size, *arrays))
    sizes = architecture.hidden_layer_sizes
    widths = [architecture.head_width, *sizes, *(layer.input_size for layer in layers)]
    code.constants |= {
        "FACTOR_LARGEST": max(code.constants.get("WINDOW_LARGEST", 0), *widths),
        "H_LARGEST": max(sizes),
        "H_TOP": sizes[-1],
        "N_STATES": layers[0].n_states,
        "STATE_SIZE": layers[0].n_states * sum(sizes),
        "STEP_CELL": f"step_{code.cell}",
    }
    code.constants |= options_of(layers[0], step)


def options_of(layer, step):
    """The options of a layer as constants; the code of its step must know its own by name."""
    constants = {}
    for name, value in layer.options.items():
        if name in layer.cell.biases.values():
            continue  # where training began
        if name == ZONEOUT.name:  # the runtime itself sees to it
            if value:
                constants[name.upper()] = value
            continue
        if name.upper() not in step:
            raise ValueError(f"there is no C code of {name}={value!r} of cell={layer.cell.name!r}")
        if isinstance(value, str):
            constants[f"{name}_{value}".upper()] = None
        else:
            constants[name.upper()] = int(value) if isinstance(value, bool) else float(value)
    return constants


def _describe_outputs(code):
    """Pooling, the output layer, and what becomes of its outputs."""
    model, architecture = code.model, code.model.architecture
    # Every step is the last one, as far as there are any.
    parts = parts_of(architecture.pooling) or ("last",)
    query = model.network.pooling.params.get("query")
    if query is not None:
        code.add_weights("query", query / math.sqrt(len(query)))
    code.head = next(iter(code.id_columns))[-1] if architecture.tied else ""
    code.head = code.head or code.add_matrix("Wy", model.head["W"])
    code.add_weights("by", model.head["b"])
    if model.answers == "numbers":
        code.add_weights("y_scale", model.scale)
        code.add_weights("y_mean", model.mean)
        code.constants["N_LEARNED"] = len(model.levels or (0.5,))
    if model.link in ("rate", "softplus"):
        code.constants |= {model.link.upper(): 1, "STEEPEST": float(STEEPEST_RATE)}
    if model.answers == "label sequences":
        code.constants["BLANK"] = len(model.meanings)
    code.constants |= {
        "N_POOLED": architecture.head_width,
        # Of each part of the pooling where it stands, from 1 on; 0 if there is none.
        **{f"POOL_{name.upper()}": 1 + parts.index(name) if name in parts else 0 for name in PARTS},
        "EVERY_STEP": int(architecture.every_step),
        "N_OUTPUTS": len(model.head["b"]),
        "TIED": int(architecture.tied),
        "SOFTMAX": int(model.link == "softmax"),
        "SIGMOID": int(model.link == "sigmoid"),
        "SCALED": int(model.answers == "numbers"),
    }


def count(n, what):
    """Say how many."""
    return f"{n} {what}" + "s" * (n != 1)
