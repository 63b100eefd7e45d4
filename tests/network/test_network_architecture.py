"""What a network is: its shapes, its record, what may not be, and how two differ."""

import copy
import json
import pickle
import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from building import describe

from fastrnn.network import Architecture, Network
from fastrnn.network.architecture import CELLS
from fastrnn.network.heads import HEADS, Softmax
from fastrnn.network.recurrent import ZEROS

SMALL = describe(2, (4, 3), 6)
RICH = describe(
    2, (4, 3), 6, cell="gru", cell_options={"reset_after": False}, bidirectional=True,
    pooling="steps", head=(0.1, 0.5, 0.9), embeddings=((5, 7), (3, 2)), id_tables=(1, 0, 1),
    dtype="float64",
)  # fmt: skip
TIED = describe(0, (4, 3), 6, embeddings=((6, 3), (2, 8)), tied=True, pooling="steps")


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_shapes_are_known_before_a_network_is_built(cell, bidirectional, tied):
    architecture = describe(
        0 if tied else 2, (4, 3), 5, cell=cell, bidirectional=bidirectional,
        embeddings=((5, 6 if bidirectional else 3), (7, 2)), id_tables=(0, 1, 1), tied=tied,
    )  # fmt: skip
    network = Network(architecture, random_state=ZEROS)
    views = network.named_views(network.theta)
    shapes = architecture.shapes()
    assert shapes == {name: view.shape for name, view in views.items()}
    assert sum(view.size for view in views.values()) == network.theta.size
    assert network.theta.size == architecture.n_parameters
    for k, view in enumerate(views.values()):
        view[...] = k + 1
    assert (network.theta > 0).all()
    # The layers, tables and head that the network works with are these very arrays.
    for k, layer in enumerate(network.layers):
        for name, array in layer.params.items():
            assert array is not None and np.shares_memory(array, views[f"layers.{k}.{name}"])
            np.testing.assert_array_equal(array, views[f"layers.{k}.{name}"])
    for k, table in enumerate(network.embeddings):
        np.testing.assert_array_equal(table, views[f"embeddings.{k}"])
    for name, array in network.head.params.items():
        np.testing.assert_array_equal(array, views[f"head.{name}"])


@pytest.mark.parametrize("architecture", [SMALL, RICH, TIED])
def test_a_record_is_json_and_comes_back(architecture):
    record = json.loads(json.dumps(architecture.to_record(), allow_nan=False))
    assert record == architecture.to_record()
    assert Architecture.from_record(record) == architecture
    for twin in (copy.deepcopy(architecture), pickle.loads(pickle.dumps(architecture))):
        assert twin == architecture


def test_equal_is_what_means_the_same():
    same = Architecture(
        n_features=np.int64(2), hidden_layer_sizes=[4, np.int32(3)], n_outputs=6,
        cell_options={"forget_bias_init": 1}, id_tables=(), bidirectional=np.False_,
        dtype=np.dtype("float32"),
    )  # fmt: skip
    assert same == SMALL
    assert type(same.cell_options["forget_bias_init"]) is float
    assert {type(size) for size in same.hidden_layer_sizes} == {int}
    assert replace(SMALL, dtype=np.float64) == replace(SMALL, dtype="float64") != SMALL
    other = replace(SMALL, cell_options={})
    assert {same, SMALL, other} == {SMALL, other}


def test_nothing_in_it_changes():
    options, levels = {"reset_after": False}, [0.1, 0.9]
    made = describe(
        2, (4,), 2, cell="gru", cell_options=options, head="quantiles",
        head_options={"levels": levels},
    )  # fmt: skip
    options["reset_after"], levels[0] = True, 0.2
    assert made.cell_options == {"reset_after": False, "zoneout": 0.0}
    assert made.head_options == {"levels": (0.1, 0.9)}
    with pytest.raises(FrozenInstanceError):
        made.cell = "lstm"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"cell": "gru"}, "cell='lstm', not 'gru'"),
        ({"hidden_layer_sizes": (4,)}, "hidden_layer_sizes=(4, 3), not (4,)"),
        ({"cell_options": {"forget_bias_init": 2.0}}, "forget_bias_init=1.0, not 2.0"),
        ({"dtype": "float64"}, "dtype='float32', not 'float64'"),
        ({"embeddings": ((3, 2),), "id_tables": None}, "embeddings=(), not ((3, 2),)"),
        ({"head": "quantiles", "head_options": {"levels": (0.5,)}}, "head='log_loss', not 'quant"),
    ],
)
def test_a_difference_in_words(change, words):
    assert SMALL.difference(replace(SMALL, **{"cell_options": {}} | change)).startswith(words)
    assert bool(words) == bool(SMALL.difference(replace(SMALL, **{"cell_options": {}} | change)))


def test_a_difference_of_levels():
    other = replace(RICH, head_options={"levels": (0.1, 0.5)})
    assert RICH.difference(other) == "levels=(0.1, 0.5, 0.9), not (0.1, 0.5)"


WRONG = [None, True, -1, 2**53 + 1, 2.0, "2", [2], {}, float("nan")]


@pytest.mark.parametrize("name", ["n_features", "n_outputs"])
@pytest.mark.parametrize("value", WRONG)
def test_numbers_that_may_not_be(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from [01] to"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(("hidden_layer_sizes", (4, value), "a whole number from 1") for value in WRONG),
        *(("embeddings", ((3, value),), "a whole number from 1") for value in [*WRONG, 0]),
        *(("id_tables", (value,), "a whole number from 0 to 1, got") for value in [*WRONG, 2]),
        ("hidden_layer_sizes", (), "one layer at least"),
        ("hidden_layer_sizes", (0,), "a whole number from 1"),
        ("hidden_layer_sizes", 4, "must be a tuple, got 4"),
        ("hidden_layer_sizes", "44", "must be a tuple, got '44'"),
        ("hidden_layer_sizes", (2**30,) * 2, "parameters, got"),
        ("embeddings", (3, 2), "must be a tuple, got 3"),
        ("embeddings", ((3, 2, 1),), r"a pair \(V, E\), got \(3, 2, 1\)"),
        ("embeddings", 3, "must be a tuple, got 3"),
        ("id_tables", 3, "must be a tuple"),
        ("n_features", 2**53, "the first layer would read"),
        ("n_outputs", 0, "from 1"),
        *((name, 1, "True or False, got 1") for name in ("tied", "bidirectional")),
        *(
            (name, value, f"{name} must be one of ")
            for name in ("cell", "pooling", "head", "dtype")
            for value in (None, 3, "none", ["lstm"], "")
        ),
        ("dtype", "float16", "must be one of"),
        *(
            ("pooling", value, r"'attention', or different ones .* 'mean\+max', or 'steps', got")
            for value in ("max+max", "steps+max", "max+", "+", "mean max", "mean,max", "Max")
        ),
        ("cell_options", None, "must be a dict"),
        ("cell_options", [("forget_bias_init", 1.0)], "must be a dict"),
        ("cell_options", {3: 4}, "must be a dict"),
        (
            "cell_options",
            {"reset_after": True},
            r"has the options \['forget_bias_init', 'zoneout'\], got",
        ),
        ("cell_options", {"random_state": 0}, "has the options"),
        *(
            ("cell_options", {"forget_bias_init": value}, "forget_bias_init must be a finite")
            for value in (None, "1", float("inf"), float("nan"), True, [1.0], 2**2000)
        ),
        ("head_options", {"levels": (0.5,)}, r"head='log_loss' has the options \[\], got"),
        ("tied", True, r"a first table of 6 ids and 3 features, .* got \(\(5, 7\),\)"),
    ],
)
def test_parts_that_may_not_be(name, value, message):
    base = replace(SMALL, embeddings=((5, 7), (3, 2)), id_tables=(0, 1))
    with pytest.raises(ValueError, match=message):
        replace(base, **{"id_tables": None, name: value})


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("rnn", {"activation": "sigmoid"}),
        ("rnn", {"activation": 3}),
        ("gru", {"reset_after": 1}),
        ("carry_lstm", {"candidate_activation": "relu"}),
        ("carry_lstm", {"carry_bias_init": float("nan")}),
    ],
)
def test_options_that_a_cell_may_not_have(cell, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        replace(SMALL, cell=cell, cell_options=options)


@pytest.mark.parametrize(
    "levels", [None, (), 0.5, "0.5", (0,), (1,), (0.5, None), (float("nan"),), (0.1,) * 4]
)
def test_levels_that_may_not_be(levels):
    with pytest.raises(ValueError, match="level"):
        replace(SMALL, head="quantiles", head_options={"levels": levels})
    with pytest.raises(ValueError, match="has the options"):
        replace(SMALL, head="quantiles")


def test_something_must_be_read():
    with pytest.raises(ValueError, match="expected n_features or id_tables"):
        replace(SMALL, n_features=0)
    assert replace(SMALL, n_features=0, embeddings=((3, 2),), id_tables=None).input_width == 2


@pytest.mark.parametrize("pooling", ["last", "mean+max", "attention", "steps"])
def test_a_head_may_need_every_step(pooling, monkeypatch):
    class Path(Softmax):
        kind = "path"
        needs_every_step = True

    monkeypatch.setitem(HEADS, "path", Path)
    if pooling == "steps":
        assert replace(SMALL, head="path", pooling=pooling).head == "path"
    else:
        with pytest.raises(
            ValueError, match=f"'path' needs pooling='steps', got '{re.escape(pooling)}'"
        ):
            replace(SMALL, head="path", pooling=pooling)


@pytest.mark.parametrize("change", [{"more": 1}, {"cell": ...}, {"n_features": None}])
def test_records_that_are_none(change):
    record = RICH.to_record() | change
    record = {name: value for name, value in record.items() if value is not ...}
    with pytest.raises(ValueError, match="must"):
        Architecture.from_record(record)


@pytest.mark.parametrize("record", [None, [], "architecture", 3, {1: 2}])
def test_what_is_no_record_at_all(record):
    with pytest.raises(ValueError, match="an architecture must be a dict"):
        Architecture.from_record(record)
