"""Streams: sequences that come step by step, each with an answer at once.

A `Snapshot` is a model as it was when a stream was made, with its weights packed; it is only read,
so that many streams, and threads, share it. A `Stream` has the states. Its steps are those of
`fastrnn.kernels.stream`; here is what comes before them, and what is said of input that is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastrnn.inputs.arrays import kernel_array
from fastrnn.inputs.frames import is_frame
from fastrnn.inputs.sequences import as_sequences
from fastrnn.kernels.recurrence import Cell
from fastrnn.kernels.stream import (
    BLOCK_ROWS,
    MAX_STEPS,
    StreamKernel,
    pack_factor,
    pack_factor_transposed,
)
from fastrnn.network.workspace import Workspace

__all__ = ["Stream"]


@dataclass(frozen=True, eq=False)
class Reading:
    """How the columns of a step become what a network reads."""

    width: int  # columns of a step
    sources: np.ndarray  # (n_numbers,): the column of each number that the network reads
    id_sources: tuple[int, ...] = ()  # the columns of ids
    n_ids: tuple[int, ...] = ()  # for each of them how many ids may be read, from 0 on
    columns: Any = None  # the Columns of data frames; None if the model takes none
    center: np.ndarray | None = None  # (n_numbers,); None where they are read as they are
    deviation: np.ndarray | None = None  # likewise
    tokens: dict[str, int] | None = None  # ids of tokens that may be given instead
    unknown: int | None = None  # the id of all other tokens; None if they are an error
    lowercase: bool = False  # whether tokens are made lower case first

    @classmethod
    def of_columns(cls, fitted, **others):
        """Read the columns that a model was fitted on; others are attributes, or replace them."""
        numbers = [j for j in range(fitted.width) if j not in fitted.ids]
        known = {"id_sources": fitted.ids, "n_ids": fitted.n_categories, "columns": fitted}
        return cls(fitted.width, np.array(numbers, np.int64), **(known | others))

    def id_of(self, token):
        """Return the id of a token, or refuse one that is not in the vocabulary."""
        k = self.tokens.get(token.lower() if self.lowercase else token, self.unknown)
        if k is None:
            raise ValueError(f"x has {token!r}, which is not a token of the vocabulary")
        return k


@dataclass(frozen=True, eq=False)
class Forecast:
    """How a forecaster's streams read values and forecast the next ones.

    `fastrnn.estimators.lessons` and `fastrnn.inputs.scaling` have the formulas.
    """

    block: int  # steps that are forecast
    n_learned: int  # quantiles that the network has learned, 1 for the mean
    above: np.ndarray  # (n_levels,): for each level wanted the number of the quantile above
    share: np.ndarray  # (n_levels,): how much of it is taken; the rest is of the one before
    is_median: bool  # whether the median is all that is wanted, without an axis of levels
    mask: bool  # whether values may be missing
    relative: bool  # whether differences are read
    log: bool  # whether logarithms are
    factor: np.ndarray  # (n_streams,): scale of each series
    shift: np.ndarray  # (n_streams,)
    season: np.ndarray  # (n_streams, m): seasonal pattern of each


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """A layer as the kernel takes it: its cell, and its weights in packed form."""

    cell: Cell
    option: int
    input_size: int
    hidden_size: int
    b: np.ndarray
    extra: tuple[np.ndarray, ...]  # parameters of the cell
    W: np.ndarray
    U: np.ndarray
    U_last: np.ndarray | None = None


@dataclass(eq=False)
class Snapshot:
    """A model for streams, which is never written to."""

    network: Any  # nobody may change it any more
    reading: Reading
    scale: np.ndarray | None = None  # (K,): what outputs are multiplied by; None for nothing
    shift: np.ndarray | None = None  # (K,): what is added then
    is_flat: bool = False  # whether the only output is given without an axis of outputs
    forecast: Forecast | None = None
    start: dict[str, np.ndarray] = field(default_factory=dict)  # state that is not zero at first

    def __post_init__(self):
        network, reading = self.network, self.reading
        if not network.one_way:
            raise ValueError(
                "a stream reads forward, but the model was fitted with bidirectional=True: its "
                "second direction begins at the end of a sequence, which is not known yet"
            )
        self.dtype, self.pooling = network.dtype, network.pooling.kind
        n_numbers, n_outputs = len(reading.sources), network.head.n_outputs
        self.width, self.n_ids = reading.width, reading.n_ids
        self.sources = _frozen("sources", reading.sources, np.int64, (n_numbers,))
        self.center = _frozen("center", reading.center, np.float64, (n_numbers,))
        self.deviation = _frozen("deviation", reading.deviation, np.float64, (n_numbers,))
        self.scale = _frozen("scale", self.scale, np.float64, (n_outputs,))
        self.shift = _frozen("shift", self.shift, np.float64, (n_outputs,))
        if self.forecast is not None:
            self.forecast = _frozen_forecast(self.forecast)
        self.is_plain = self.center is None and not reading.n_ids and self.forecast is None
        embeddings = [network.embeddings[k] for k in network.architecture.id_tables]
        sizes = [len(embeddings), len(reading.id_sources), len(reading.n_ids)]
        _expect(sizes == sizes[:1] * 3, "the columns of ids")
        self.tables = list(zip(embeddings, reading.id_sources, strict=True))
        self.layers = [_pack_layer(layer) for layer in network.layers]
        self._check()
        width = network.pooling.width
        self.head = Workspace(self.dtype).packed("head", width, n_outputs)
        if network.head.tied:
            pack_factor_transposed(network.embeddings[0], self.head)
        else:
            pack_factor(network.head.params["W"], 0, n_outputs, self.head)
        self.head_b = network.head.params["b"]
        links = {"log_loss": "softmax", "binary_log_loss": "sigmoid"}
        self.link = links.get(network.head.kind, "identity")
        self.row_shape = () if self.is_flat else (n_outputs,)
        if self.forecast is not None:
            levels = () if self.forecast.is_median else (len(self.forecast.above),)
            self.link, self.row_shape = "forecast", (self.forecast.block, *levels)
        elif self.scale is not None:
            self.link = "affine"
        scaled = self.link in ("affine", "forecast")
        self.result_dtype = np.dtype(np.float64) if scaled else self.dtype

    def _check(self):
        """Hold what a pickle may have brought to what the kernel takes for granted."""
        forecast, n_numbers = self.forecast, len(self.sources)
        n_outputs = self.network.head.n_outputs
        sources = [*self.sources.tolist(), *self.reading.id_sources]
        limits = zip(self.n_ids, self.tables, strict=True)
        _expect(n_numbers == self.network.architecture.n_features, "the numbers")
        _expect(self.width >= 1 and all(0 <= j < self.width for j in sources), "the columns")
        _expect(all(0 <= n <= len(table) for n, (table, _) in limits), "the numbers of ids")
        _expect((self.center is None) == (self.deviation is None), "the scale of numbers")
        _expect((self.scale is None) == (self.shift is None), "the scale of outputs")
        _expect(not self.is_flat or n_outputs == 1, "the outputs")
        if forecast is not None:
            _expect(forecast.block * forecast.n_learned == n_outputs, "the forecast")
            _expect(n_numbers >= 1 + forecast.mask, "the mark of gaps")

    def __deepcopy__(self, memo):
        """Nobody writes to it: a copy would be the same."""
        return self

    def __reduce__(self):
        """Weights are packed as the processor likes them: pack them where they are read."""
        return type(self), (
            *(self.network, self.reading, self.scale, self.shift),
            *(self.is_flat, self.forecast, self.start),
        )

    def new_state(self, n_streams):
        """Make the state of streams that begin: arrays by name."""
        if self.forecast is not None and len(self.forecast.factor) != n_streams:
            known = len(self.forecast.factor)
            raise ValueError(f"n_streams is {n_streams}, but there are {known} series")
        state = {}
        for k, layer in enumerate(self.network.layers):
            for name in layer.cell.states:
                state[f"{name}_{k}"] = np.zeros((n_streams, layer.hidden_size), self.dtype)
        state["n_steps"] = np.zeros(n_streams, np.int64)
        pooled = (n_streams, self.network.pooling.width)
        if self.pooling == "mean":
            state["total"] = np.zeros(pooled)
        elif self.pooling == "max":
            state["largest"] = np.zeros(pooled, self.dtype)
        if self.forecast is not None:
            state["last"] = np.zeros(n_streams)
        for name, rows in self.start.items():
            own = state[name]
            state[name] = _checked(name, np.broadcast_to(rows, own.shape), own)
        return state

    def new_room(self, n_streams):
        """Make the memory in which a step works: arrays by name."""
        network, block = self.network, min(n_streams, BLOCK_ROWS)
        work = Workspace(self.dtype)
        units = max(layer.hidden_size for layer in self.layers)
        gates = max(len(layer.b) for layer in self.layers)
        cell, has_tables = self.layers[0].cell, bool(self.tables)
        forecast = self.forecast
        return {
            "values": work.take("values", (n_streams, len(self.sources))),
            "ids": np.empty((n_streams, len(self.tables)), np.int64),
            "x": work.take("x", (block * has_tables, self.layers[0].input_size)),
            "gates": work.take("gates", (block, gates)),
            "h_U": work.take("h_U", (block * cell.is_apart, gates)),
            "kept": work.take("kept", (block, cell.kept * units)),
            "pooled": work.take("pooled", (block, network.pooling.width)),
            "outputs": work.take("outputs", (block, network.head.n_outputs)),
            "new_last": np.empty(n_streams),
            "rising": np.empty(forecast.n_learned if forecast else 0),
        }

    def fault(self, j, value):
        """Say what is wrong with a number of column j of a step; None if nothing is."""
        reading, forecast = self.reading, self.forecast
        if j in reading.id_sources:
            n = reading.n_ids[reading.id_sources.index(j)]
            if 0 <= value < n and value == int(value):
                return None
            if value != value or value < 0 or value != np.floor(value):
                return f"{value:.15g}, expected an id: a whole number >= 0"
            return f"the id {value:.15g}, expected one from 0 to {n - 1}, the ids that fit learned"
        if np.isnan(value):
            if forecast is None or j:
                return "NaN, expected a finite number"
            return None if forecast.mask else "NaN: missing='mask' accepts gaps"
        if forecast is not None and j == 0:
            if not abs(value) < 1e150:
                return f"{value}, expected a finite number below 1e150"
            if forecast.log and value <= 0:
                return f"{value}, but log=True needs values above 0"
        if np.isinf(value):
            return f"{value}, expected a finite number"
        with np.errstate(over="ignore"):
            if forecast is None and np.isinf(self.dtype.type(value)):
                return f"{value}, which does not fit into {self.dtype}"
        return None


def start_of(states):
    """Name states, as `Network.initial_states` makes them, for the start of a `Snapshot`."""
    return {
        f"{name}_{k}": rows[0]
        for k, layer in enumerate(states)
        for name, rows in zip(("h", "c"), layer, strict=False)
    }


def _expect(holds, what):
    if not holds:
        raise ValueError(f"{what} of a stream's model do not fit the rest of it")


def _frozen(name, array, dtype, shape):
    """A copy of an array as the kernel reads it, which nobody can write to; None of None."""
    if array is None:
        return None
    copy = np.array(array, dtype, order="C")
    _expect(copy.shape == shape, name)
    copy.flags.writeable = False
    return copy


def _frozen_forecast(forecast):
    """A forecast with arrays that are the kernel's own, and lead to no place outside others."""
    n_streams, length = np.shape(forecast.season)
    n_levels, n_learned = len(forecast.above), forecast.n_learned
    above = _frozen("above", forecast.above, np.int64, (n_levels,))
    _expect(forecast.block >= 1 and n_learned >= 1 and length >= 1, "the sizes")
    _expect(n_levels == 1 if forecast.is_median else n_levels >= 1, "the levels")
    _expect(n_learned == 1 or ((above >= 1) & (above < n_learned)).all(), "the levels")
    return replace(
        forecast,
        above=above,
        share=_frozen("share", forecast.share, np.float64, (n_levels,)),
        factor=_frozen("factor", forecast.factor, np.float64, (n_streams,)),
        shift=_frozen("shift", forecast.shift, np.float64, (n_streams,)),
        season=_frozen("season", forecast.season, np.float64, (n_streams, length)),
    )


def _checked(name, value, own):
    """A copy of a part of a state, of the type and shape of `own`."""
    try:
        # Nobody else has this copy: what is checked here is what the kernel will read.
        array = np.array(value)
    except ValueError as error:
        raise ValueError(f"{name} of state is no array of shape {own.shape}") from error
    if array.shape != own.shape:
        raise ValueError(f"{name} of state has shape {array.shape}, expected {own.shape}")
    if not np.can_cast(array.dtype, own.dtype, "same_kind"):
        raise TypeError(f"{name} of state has dtype {array.dtype}, expected {own.dtype}")
    is_count = own.dtype.kind == "i"
    if is_count and not ((array >= 0) & (array <= MAX_STEPS)).all():
        raise ValueError(f"{name} of state has numbers that no step leaves behind")
    with np.errstate(over="ignore"):
        array = array.astype(own.dtype, order="C")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} of state has numbers that no step leaves behind")
    return array


def _pack_layer(layer):
    """The weights of a layer in packed form."""
    weights, factors = layer.plan_forward(Workspace(layer.dtype))
    for factor in factors:
        pack_factor(*factor)
    return LayerWeights(
        layer.kernel,
        layer.kernel_option,
        layer.input_size,
        layer.hidden_size,
        layer.params["b"],
        layer.of_cell(layer.params),
        *weights[0],
    )


class Stream(StreamKernel):
    """Sequences that come step by step, with what a model says of each after every step.

    The `stream` method of a fitted estimator makes one. It has the weights as they were then:
    fitting the estimator again does not change it.

    `step` reads the next time step of every stream, and returns what the model predicts from all
    that they have read so far; thousands of streams go through the network as one batch. `reset`
    lets streams begin anew. Streams are copied (`copy.copy`), which shares the weights, and pickled
    at any time, between two steps.

    Threads may step different objects side by side; those made by copying share their weights. A
    single object belongs to one thread at a time.

    Parameters
    ----------
    snapshot : Snapshot
        The model.
    n_streams : int, default=1
        How many sequences are read side by side.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> X = np.random.default_rng(0).normal(size=(40, 12, 3)).astype("float32")
    >>> y = X[:, :, 0].sum(axis=1) > 0
    >>> model = RNNClassifier(8, learning_rate="cosine", max_iter=5, random_state=0).fit(X, y)
    >>> stream = model.stream()
    >>> for x_t in X[0]:
    ...     proba = stream.step(x_t)
    >>> np.allclose(proba, model.predict_proba(X[:1])[0], atol=1e-6)
    True
    """

    def __init__(self, snapshot, n_streams=1):
        if isinstance(n_streams, bool) or not isinstance(n_streams, Integral):
            raise TypeError(f"n_streams must be a whole number, got {n_streams!r}")
        if n_streams < 1:
            raise ValueError(f"n_streams must be at least 1, got {n_streams}")
        self._snapshot, self._n_streams = snapshot, int(n_streams)
        self._state = snapshot.new_state(self._n_streams)
        room = snapshot.new_room(self._n_streams)
        self._connect(snapshot, self._n_streams, self._state, room, np.ndarray, np.int64, np.empty)

    def __reduce__(self):
        return type(self), (self._snapshot, self._n_streams), self.state

    def __setstate__(self, state):
        self.state = state

    def __repr__(self):
        return f"<{self._n_streams} streams>" if self._n_streams > 1 else "<1 stream>"

    @property
    def n_streams(self):
        """Number of streams."""
        return self._n_streams

    @property
    def state(self):
        """Copy of what the streams remember, which can be set again.

        A dict of arrays with a row for each stream: "h_0", "h_1", ... and, of cells that have one,
        "c_0", ... are the states of each layer, "n_steps" says how many steps were read; "total" is
        the sum of the states with ``pooling="mean"``, "largest" their maximum with
        ``pooling="max"``, and "last" a forecaster's last observed value, scaled.
        """
        return self._copies(self._state)

    @state.setter
    def state(self, state):
        if not isinstance(state, Mapping):
            raise TypeError(f"state is of type {type(state).__name__}, expected a dict")
        if state.keys() != self._state.keys():
            got = sorted(state, key=str)
            raise ValueError(f"state has {got}, expected {sorted(self._state)}")
        checked = {name: _checked(name, state[name], own) for name, own in self._state.items()}
        self._write(self._state, checked, slice(None))

    def reset(self, which=None):
        """Let streams begin anew.

        Parameters
        ----------
        which : int, slice, or array-like of int or bool, default=None
            Their numbers, or a mask with an entry for each stream. None for all.

        Raises
        ------
        IndexError
            If there is no such stream.
        TypeError
            If `which` does not choose streams.
        RuntimeError
            If another thread is using the same object.
        """
        rows = slice(None) if which is None else np.arange(self._n_streams)[_index(which)]
        start = self._snapshot.new_state(self._n_streams)
        self._write(self._state, {name: array[rows] for name, array in start.items()}, rows)

    def _convert(self, x):
        """Make an array of a step that the kernel reads."""
        reading = self._snapshot.reading
        if is_frame(x):
            x = _of_frame(x, reading)
        if reading.tokens is not None:
            x = _ids_of_tokens(x, reading)
        if np.ma.is_masked(x):
            raise ValueError("x has masked numbers, expected none")
        expected = self._expected()
        try:
            array = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"x has rows of unequal length, expected {expected}") from error
        if array.dtype.kind == "O" and all(isinstance(v, Real | Decimal) for v in array.flat):
            try:
                array = array.astype(np.float64)
            except OverflowError as error:
                raise ValueError("x has a number that does not fit into float64") from error
        if array.dtype.kind not in "fiub":
            raise TypeError(f"x has dtype {array.dtype}, expected numbers")
        n, width = self._n_streams, self._snapshot.width
        shapes = {(n, width)} | ({(n,)} if width == 1 else set())
        if n == 1:
            shapes |= {(width,)} | ({()} if width == 1 else set())
        if array.shape not in shapes:
            raise ValueError(f"x has shape {array.shape}, expected {expected}")
        return kernel_array(array, np.int64 if array.dtype.kind in "ib" else np.float64)

    def _expected(self):
        """Say which shapes a step may have."""
        n, width = self._n_streams, self._snapshot.width
        whole = f"({n}, {width}): n_streams, and features or ids"
        if n > 1:
            return whole if width > 1 else f"({n},) or {whole}"
        return f"({width},) or {whole}" if width > 1 else f"a number, (1,) or {whole}"

    def _refusal(self, x):
        """Return the error that says why the kernel would not read a step."""
        for n, count in enumerate(self._state["n_steps"].tolist()):
            if not 0 <= count < MAX_STEPS:
                return ValueError(f"stream {n} has counted {count} steps: it needs a reset")
        rows = np.asarray(x).reshape(self._n_streams, self._snapshot.width)
        for n, row in enumerate(rows.tolist()):
            for j, value in enumerate(row):
                if fault := self._snapshot.fault(j, value):
                    stream = f"stream {n}, " if self._n_streams > 1 else ""
                    return ValueError(f"{stream}feature {j} of x is {fault}")
        return ValueError(f"x has a number that does not fit into {self._snapshot.dtype}")

    def _unsuitable(self, out, shape):
        """Return the error that says why an array cannot take the answer."""
        expected = f"a C-contiguous {self._snapshot.result_dtype} array of shape {shape}"
        if not isinstance(out, np.ndarray):
            return TypeError(f"out is of type {type(out).__name__}, expected {expected}")
        got = f"one of {out.dtype} and shape {out.shape}"
        got += "" if out.flags.c_contiguous else ", not C-contiguous"
        got += "" if out.flags.aligned else ", not aligned"
        got += "" if out.flags.writeable else ", read-only"
        return ValueError(f"out must be {expected}, got {got}")


def _index(which):
    """What chooses among the numbers of streams."""
    if isinstance(which, slice):
        return which
    rows = np.asarray(which)
    if rows.size == 0:
        rows = rows.astype(np.int64)
    if rows.dtype.kind not in "iub" or (rows.dtype.kind == "b" and rows.ndim != 1):
        raise TypeError(f"which must have numbers of streams, or be a mask of them, got {which!r}")
    return rows


def _of_frame(frame, reading):
    """The rows of a data frame as an array, categories as ids."""
    if reading.columns is None:
        raise TypeError("x is a data frame, expected an array")
    sequences = as_sequences([frame], columns=reading.columns)
    rows = np.empty((len(sequences.values), reading.width))
    rows[:, reading.sources] = sequences.values
    if sequences.ids is not None:
        rows[:, list(reading.id_sources)] = sequences.ids
    return rows


def _ids_of_tokens(x, reading):
    """The ids of tokens, where they are given as such."""
    if isinstance(x, str):
        return reading.id_of(x)
    array = np.asarray(x)
    if array.dtype.kind != "U":
        return x
    return np.array([reading.id_of(token) for token in array.ravel().tolist()]).reshape(array.shape)
