"""A model as it was when a stream was made, with its weights packed, and the state of its streams.

It is only read, so that many streams, and threads, share it. What it may have from a pickle is held
here to what the kernel takes for granted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastrnn.inputs.frames import KINDS_OF_TIME
from fastrnn.inputs.missing import NO_GAPS, Gaps
from fastrnn.inputs.scaling import LOGS, needs_positive
from fastrnn.inputs.tokens import Spelling
from fastrnn.kernels.stream import MAX_STEPS, SHARD_ROWS
from fastrnn.network.pooling import EVERY_STEP, is_of_parts, parts_of
from fastrnn.streams.weights import Packing
from fastrnn.typing import AnyArray, ArrayLike, Floats, Ints

__all__ = ["Forecast", "Levels", "Reading", "Snapshot", "start_of"]


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
    spelling: Spelling | None = None  # how these are written
    gaps: Gaps = NO_GAPS  # what is read of missing values and of times
    end: str | None = None  # the token of the end of a text, which is none that can be read

    @classmethod
    def of_columns(cls, fitted, **others):
        """Read the columns that a model was fitted on; others are attributes, or replace them."""
        gaps = others.get("gaps", NO_GAPS)
        values = [j for j in range(fitted.width) if j not in (*fitted.ids, gaps.time)]
        times = [] if gaps.time is None else [gaps.time]
        numbers = values + times + values * gaps.allows
        known = {"id_sources": fitted.ids, "n_ids": fitted.n_categories, "columns": fitted}
        return cls(fitted.width, np.array(numbers, np.int64), **(known | others))

    def id_of(self, token):
        """Return the id of a token, or refuse one that is not in the vocabulary."""
        k = self.tokens.get(self.spelling.of(token))
        if k is None and token == self.end:
            raise ValueError(f"x has {token!r}, the end of a text: reset begins another")
        k = self.unknown if k is None else k
        if k is None:
            raise ValueError(f"x has {token!r}, which is not a token of the vocabulary")
        return k


@dataclass(frozen=True, eq=False)
class Levels:
    """Which of the quantiles that a network has learned of each value are wanted."""

    n_learned: int
    above: np.ndarray  # (n_levels,): for each level wanted the number of the quantile above
    share: np.ndarray  # (n_levels,): how much of it is taken; the rest is of the one before


ONE_NUMBER = Levels(1, np.zeros(1, np.int64), np.ones(1))


@dataclass(frozen=True, eq=False)
class Forecast:
    """How a forecaster's streams read values and forecast the next ones.

    `fastrnn.estimators.plan` and `fastrnn.inputs.scaling` have the formulas.
    """

    n_ahead: int  # steps that are forecast
    n_learned: int  # quantiles that the network has learned, 1 for the mean
    above: np.ndarray  # (n_levels,): for each level wanted the number of the quantile above
    share: np.ndarray  # (n_levels,): how much of it is taken; the rest is of the one before
    is_median: bool  # whether the median is all that is wanted, without an axis of levels
    mask: bool  # whether values may be missing
    relative: bool  # whether differences are read
    log: int  # which logarithm is taken, one of `LOGS`
    factor: np.ndarray  # (n_streams,): scale of each series
    shift: np.ndarray  # (n_streams,)
    unit: np.ndarray  # (n_streams,): of "log1p"
    season: np.ndarray  # (n_streams, m): seasonal pattern of each
    fixed: np.ndarray  # (n_streams, n_fixed): what is read of each at every step, behind all others
    n_lags: int  # values before the last one that are read, before what is fixed

    @property
    def levels(self):
        """Which quantiles are wanted."""
        return Levels(self.n_learned, self.above, self.share)


@dataclass(eq=False)
class Snapshot:
    """A model for streams, which is never written to."""

    network: Any  # nobody may change it any more
    reading: Reading
    scale: np.ndarray | None = None  # (M,): what values are multiplied by; None for nothing
    shift: np.ndarray | None = None  # (M,): what is added then
    is_flat: bool = False  # whether the only value is given without an axis of values
    levels: Levels = ONE_NUMBER  # of outputs for each value; the first that is wanted is given
    forecast: Forecast | None = None
    start: dict[str, np.ndarray] = field(default_factory=dict)  # state that is not zero at first
    labels: np.ndarray | None = None  # of all outputs but the last, a blank, where steps say labels
    weights: str | None = None  # what they are rounded to, one of `weights.SMALL_WEIGHTS`

    def __post_init__(self):
        network, reading = self.network, self.reading
        if not network.one_way:
            raise ValueError(
                "a stream reads forward, but the model was fitted with bidirectional=True: its "
                "second direction begins at the end of a sequence, which is not known yet. Fit "
                "with bidirectional=False"
            )
        self.is_filtered = network.head.is_filtered
        if network.head.link is None and not self.is_filtered:
            raise ValueError(f"there is no stream of the head {network.head.kind!r}")
        _expect((self.labels is not None) == network.head.joins_steps, "the labels")
        self.dtype, self._packing = network.dtype, Packing(network, self.weights)
        kind = network.architecture.pooling
        _expect(kind == EVERY_STEP or is_of_parts(kind), "the pooling")
        # The last states alone are read as they are.
        self.parts = () if kind == "last" else parts_of(kind)
        self.query = network.pooling.params.get("query")
        of_head = network.head.point_params()
        n_numbers, n_outputs = len(reading.sources), len(of_head["b"])
        self.width, self.n_ids, self.gaps = reading.width, reading.n_ids, reading.gaps
        self.n_values = reading.width - len(reading.n_ids) - (self.gaps.time is not None)
        self.sources = _frozen("sources", reading.sources, np.int64, (n_numbers,))
        self.center = _frozen("center", reading.center, np.float64, (n_numbers,))
        self.deviation = _frozen("deviation", reading.deviation, np.float64, (n_numbers,))
        if self.forecast is not None:
            self.forecast = _frozen_forecast(self.forecast)
        self.levels = _frozen_levels(self.forecast.levels if self.forecast else self.levels)
        n_values, rest = divmod(n_outputs, self.levels.n_learned)
        _expect(not rest, "the levels")
        self.scale = _frozen("scale", self.scale, np.float64, (n_values,))
        self.shift = _frozen("shift", self.shift, np.float64, (n_values,))
        self.is_plain = (
            self.center is None
            and not reading.n_ids
            and self.forecast is None
            and self.gaps.is_plain
        )
        tables, places = self._packing.tables(), network.architecture.id_tables
        sizes = [len(places), len(reading.id_sources), len(reading.n_ids)]
        _expect(sizes == sizes[:1] * 3, "the columns of ids")
        self.tables = list(zip([tables[k] for k in places], reading.id_sources, strict=True))
        self.decay = network.decay.arrays if network.decay else {}
        self.layers, self.stages = self._packing.layers(), self._packing.stages()
        self.input_width = network.architecture.input_width
        self._check(n_outputs)
        self.head, self.head_b = self._packing.head(), of_head["b"]
        self.link = self.point = "identity" if self.is_filtered else network.head.point_link
        self.most_others = self.stages[-1].most if self.stages else 0
        self.limits = {"n_steps": MAX_STEPS, "kind_of_time": len(KINDS_OF_TIME) - 1}
        if self.labels is not None:
            _expect(len(self.labels) == n_outputs - 1, "the labels")
            self.blank = n_outputs - 1
            self.limits |= {"path": self.blank, "pending": self.blank}
            self.head_of_rows = self._packing.head_of_rows()
        self.row_shape = () if self.is_flat else (n_values,)
        if self.forecast is not None:
            levels = () if self.forecast.is_median else (len(self.forecast.above),)
            self.link, self.row_shape = "forecast", (self.forecast.n_ahead, *levels)
        elif self.scale is not None:
            self.link = "affine"
        scaled = self.link in ("affine", "forecast")
        self.result_dtype = np.dtype(np.float64) if scaled else self.dtype

    def _check(self, n_outputs):
        """Hold what a pickle may have brought to what the kernel takes for granted."""
        forecast, n_numbers = self.forecast, len(self.sources)
        sources = [*self.sources.tolist(), *self.reading.id_sources]
        limits = zip(self.n_ids, self.tables, strict=True)
        _expect(n_numbers == self.network.architecture.n_features, "the numbers")
        _expect(self.width >= 1 and all(0 <= j < self.width for j in sources), "the columns")
        allows, network_means = self.gaps.allows, self.network.architecture.means
        _expect(all(0 <= n <= len(table.packed) - allows for n, (table, _) in limits), "the ids")
        _expect(network_means == self.gaps.means, "the decays")
        if not self.gaps.is_plain:
            n_read = self.gaps.width(self.n_values + (self.gaps.time is not None))
            _expect(self.n_values >= 0 and n_numbers == n_read, "the gaps")
            _expect(len(self.gaps.mean) == self.n_values * allows, "the gaps")
        _expect((self.center is None) == (self.deviation is None), "the scale of numbers")
        _expect(self.center is None or (self.deviation > 0).all(), "the scale of numbers")
        _expect((self.scale is None) == (self.shift is None), "the scale of outputs")
        _expect(not self.is_flat or n_outputs == self.levels.n_learned, "the outputs")
        has_levels = forecast is not None or self.scale is not None
        _expect(has_levels or self.levels.n_learned == 1, "the levels")
        if forecast is not None:
            _expect(forecast.n_ahead * forecast.n_learned == n_outputs, "the forecast")
            n_own = 1 + forecast.mask + forecast.n_lags + forecast.fixed.shape[1]
            _expect(forecast.n_lags >= 0 and n_numbers >= n_own, "the numbers of a forecast")

    def __deepcopy__(self, memo):
        """Nobody writes to it: a copy would be the same."""
        return self

    def __reduce__(self):
        """Weights are packed as the processor likes them: pack them where they are read."""
        return type(self), (
            *(self.network, self.reading, self.scale, self.shift),
            *(self.is_flat, self.levels, self.forecast, self.start, self.labels, self.weights),
        )

    def new_state(self, n_streams: int) -> dict[str, AnyArray]:
        """Make the state of streams that begin: arrays by name."""
        if self.forecast is not None and len(self.forecast.factor) != n_streams:
            known = len(self.forecast.factor)
            raise ValueError(f"n_streams is {n_streams}, but there are {known} series")
        state = {}
        for k, layer in enumerate(self.network.layers):
            for name in layer.cell.states:
                state[f"{name}_{k}"] = np.zeros((n_streams, layer.hidden_size), self.dtype)
        for k, stage in enumerate(self.stages):
            shape = (n_streams, stage.depth, stage.input_size)
            state[f"recent_{k}"] = np.zeros(shape, self.dtype)
        state["n_steps"] = np.zeros(n_streams, np.int64)
        pooled = (n_streams, self.network.architecture.width)
        if "mean" in self.parts:
            state["total"] = np.zeros(pooled)
        if "max" in self.parts:
            state["largest"] = np.zeros(pooled, self.dtype)
        if "attention" in self.parts:
            state["score"], state["weight"] = np.zeros(n_streams), np.zeros(n_streams)
            state["weighted"] = np.zeros(pooled)
        if self.is_filtered:
            state["filtered"] = np.zeros((n_streams, len(self.head_b)))
        if self.labels is not None:
            state["path"] = np.full(n_streams, self.blank)
            state["pending"] = np.full((n_streams, self.most_others), self.blank)
        if self.forecast is not None:
            state["last"] = np.zeros(n_streams)
            if self.forecast.n_lags:
                state["lagged"] = np.zeros((n_streams, self.forecast.n_lags))
        if self.gaps.allows:
            state["seen"] = np.tile(np.array(self.gaps.mean, np.float64), (n_streams, 1))
        if self.gaps.time is not None:
            state["time"] = np.zeros(n_streams)
        if self.gaps.is_date:
            state["kind_of_time"] = np.zeros(n_streams, np.uint8)
        if self.decay:
            state["since"] = np.zeros((n_streams, self.n_values))
        for name, rows in self.start.items():
            own = state[name]
            state[name] = self.checked_state(name, np.broadcast_to(rows, own.shape), own)
        return state

    def checked_state(self, name: str, value: ArrayLike, own: AnyArray) -> AnyArray:
        """Return a copy of an array of a state, of the type and shape of `own`."""
        try:
            # Nobody else has this copy: what is checked here is what the kernel will read.
            array = np.array(value)
        except ValueError as error:
            raise ValueError(f"{name} of state is no array of shape {own.shape}") from error
        if array.shape != own.shape:
            raise ValueError(f"{name} of state has shape {array.shape}, expected {own.shape}")
        if not np.can_cast(array.dtype, own.dtype, "same_kind"):
            raise TypeError(f"{name} of state has dtype {array.dtype}, expected {own.dtype}")
        if name in self.limits and not ((array >= 0) & (array <= self.limits[name])).all():
            raise ValueError(f"{name} of state has numbers that no step leaves behind")
        with np.errstate(over="ignore"):
            array = array.astype(own.dtype, order="C")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} of state has numbers that no step leaves behind")
        return array

    def new_room(self, n_streams: int) -> dict[str, Any]:
        """Make the memory in which a step works: arrays by name."""
        network, rows = self.network, min(n_streams, SHARD_ROWS)
        work = self._packing.workspace()
        units = max(layer.hidden_size for layer in self.layers)
        gates = max(len(layer.b) for layer in self.layers)
        cell, has_tables = self.layers[0].cell, bool(self.tables)
        steps = [layer.input_size + layer.hidden_size for layer in self.layers]
        has_zones = self.layers[0].zoneout > 0
        window = max((stage.kernel * stage.input_size for stage in self.stages), default=0)
        hears = self.labels is not None and self.stages  # what the head reads of a step's rows
        heard = 1 + self.most_others, n_streams, network.pooling.width
        saved = {}
        if self.stages:
            others = {*self.limits, *(f"recent_{k}" for k in range(len(self.stages)))}
            state = self.new_state(rows)
            saved = {name: array for name, array in state.items() if name not in others}
        return {
            "values": work.take("values", (n_streams, len(self.sources))),
            "ids": np.empty((n_streams, len(self.tables)), np.int64),
            "x": work.take("x", (rows * has_tables, self.input_width)),
            "windows": work.take("windows", (rows, window)),
            "made": [np.empty((s.most * rows, s.output_size), self.dtype) for s in self.stages],
            "n_read": np.zeros(n_streams, np.int64),
            "saved": saved,
            "heard": np.zeros(heard, self.dtype) if hears else None,
            "rounded": self._packing.room(rows, max(window, network.pooling.width, *steps)),
            "gates": work.take("gates", (rows, gates)),
            "h_U": work.take("h_U", (rows * cell.is_apart, gates)),
            "kept": work.take("kept", (rows, cell.kept * units)),
            "new_h": work.take("new_h", (rows * has_zones, units)),
            "new_c": work.take("new_c", (rows * has_zones, units)),
            "pooled": work.take("pooled", (rows, network.pooling.width)),
            "outputs": work.take("outputs", (rows, len(self.head_b))),
            "new_last": np.empty(n_streams),
            "new_seen": np.empty((n_streams, max(0, self.n_values))),
            "new_time": np.empty(n_streams),
            "new_since": np.empty((n_streams, len(self.gaps.means))),
            "times": work.take("times", (n_streams, len(self.gaps.means))),
            "given": np.empty(len(self.sources)),
            "rising": np.empty(self.levels.n_learned),
        }

    def count_rows(self, n_steps: Ints) -> tuple[Ints, Ints]:
        """How many rows that layers read of so many steps are final, and how many there are."""
        final = total = n_steps
        for stage in self.stages:
            final, total = stage.count_rows(final, total)
        return final, total

    def fault(self, j, value):
        """Say what is wrong with a number of column j of a step; None if nothing is."""
        reading, forecast = self.reading, self.forecast
        if j in reading.id_sources:
            n = reading.n_ids[reading.id_sources.index(j)]
            if value != value and self.gaps.allows:
                return None
            if 0 <= value < n and value == int(value):
                return None
            if value != value or value < 0 or value != np.floor(value):
                return f"{value:.15g}, expected an id: a whole number >= 0"
            return f"the id {value:.15g}, expected one from 0 to {n - 1}, the ids that fit learned"
        if np.isnan(value):
            if forecast is None and self.gaps.allows and j != self.gaps.time:
                return None
            if forecast is not None and j == 0:
                return None if forecast.mask else "NaN: missing='mask' accepts gaps"
            return "NaN, expected a finite number"
        if forecast is not None and j == 0:
            if not abs(value) < 1e150:
                return f"{value}, expected a finite number below 1e150"
            if needs_positive(LOGS[forecast.log]) and value <= 0:
                return f"{value}, but log=True needs values above 0"
        if np.isinf(value):
            return f"{value}, expected a finite number"
        if forecast is None and j != self.gaps.time:
            return self._fault_of_size(j, value)
        return None

    def _fault_of_size(self, j, value):
        """Say whether a number of column j is too large; None if it is not."""
        with np.errstate(over="ignore"):
            if self.center is None:
                fits, scaled = np.isfinite(self.dtype.type(value)), ""
            else:
                k = self.sources.tolist().index(j)
                fits = np.isfinite(self.dtype.type((value - self.center[k]) / self.deviation[k]))
                scaled = " when it is scaled"
        return None if fits else f"{value}, which does not fit into {self.dtype}{scaled}"


def start_of(states: Iterable[tuple[Floats, ...]]) -> dict[str, Floats]:
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
    n_fixed = np.shape(forecast.fixed)[1]
    _expect(forecast.n_ahead >= 1 and length >= 1, "the sizes")
    _expect(not forecast.is_median or len(forecast.above) == 1, "the levels")
    levels = _frozen_levels(forecast.levels)
    return replace(
        forecast,
        above=levels.above,
        share=levels.share,
        factor=_frozen("factor", forecast.factor, np.float64, (n_streams,)),
        shift=_frozen("shift", forecast.shift, np.float64, (n_streams,)),
        unit=_frozen("unit", forecast.unit, np.float64, (n_streams,)),
        fixed=_frozen("fixed", forecast.fixed, np.float64, (n_streams, n_fixed)),
        season=_frozen("season", forecast.season, np.float64, (n_streams, length)),
    )


def _frozen_levels(levels):
    """Likewise, of levels."""
    n_learned, n_levels = levels.n_learned, len(levels.above)
    above = _frozen("above", levels.above, np.int64, (n_levels,))
    _expect(n_learned >= 1 and n_levels >= 1, "the levels")
    _expect(n_learned == 1 or ((above >= 1) & (above < n_learned)).all(), "the levels")
    return Levels(n_learned, above, _frozen("share", levels.share, np.float64, (n_levels,)))
