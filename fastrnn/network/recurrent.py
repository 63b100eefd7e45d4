"""A recurrent layer: its cell, and its parameters in one flat vector with named views."""

import inspect
import math
import operator
from typing import ClassVar

import numpy as np

from fastrnn.network.cell import Cell
from fastrnn.network.docstrings import complete_docstring
from fastrnn.network.rounding import check_precision, is_rounded

ZEROS = object()
"""As a layer's ``random_state``: all weights start at 0, since others will take their place."""

UNBOUND = object()
"""Likewise: there are no weights before `RecurrentLayer.bind` says where they live."""

CHUNK_BYTES = 256 * 1024
"""Gates of one chunk of time steps: they should stay in a second-level cache (recurrence.pxd)."""

CHUNK_MIN_ROWS = 256
"""But the gradient of U, which may be larger still, is read and written once for every chunk."""


def glorot_uniform(rng, shape):
    """Uniform weights of variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, eq. 16)."""
    bound = np.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, size=shape)


def _orthogonal(rng, size):
    """A random orthogonal matrix, uniform over all (Mezzadri 2007, arXiv math-ph/0609050)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


UNPACKED_ROWS = 16
"""Rows up to which to pack the weights takes longer than is won: these are read as they lie."""

UNPACKED_UNITS = 16
"""Hidden units from which on that is so; and packed factors of a few columns are summed in another
order (product.h)."""


class RecurrentLayer:
    """What all recurrent layers are: a subclass adds the record of its cell.

    Input weights start Glorot-uniform and recurrent weights orthogonal, each gate for itself;
    biases start at zero where the record does not say otherwise. ``theta`` (P,) has all parameters
    and ``grad`` (P,) their gradients; ``params`` and ``grads`` name views of them, by direction
    once more without the endings "_reverse". Every option of the cell is an attribute, too.
    """

    cell: ClassVar[Cell]

    def __init_subclass__(cls, **arguments):
        """Let signature and docstring show the options."""
        super().__init_subclass__(**arguments)
        if "cell" in vars(cls):
            common = list(inspect.signature(RecurrentLayer.__init__).parameters.values())[1:-1]
            keyword = inspect.Parameter.KEYWORD_ONLY
            options = [
                inspect.Parameter(option.name, keyword, default=option.default)
                for option in cls.cell.options
            ]
            cls.__signature__ = inspect.Signature([*common, *options])
            if cls.__doc__:  # python -OO strips it
                cls.__doc__ = complete_docstring(cls.__doc__, cls.cell)

    def __init__(
        self,
        input_size,
        hidden_size,
        *,
        bidirectional=False,
        dtype="float32",
        precision="full",
        random_state=None,
        **options,
    ):
        self.options = self.cell.check_options(options)
        vars(self).update(self.options)
        self.input_size = _positive_integer("input_size", input_size)
        self.hidden_size = _positive_integer("hidden_size", hidden_size)
        self.bidirectional = bool(bidirectional)
        self.dtype = _floating_dtype(dtype)
        self.precision = check_precision(precision, self.dtype, random_state is not UNBOUND)
        self.suffixes = ("", "_reverse") if self.bidirectional else ("",)
        self.n_directions = len(self.suffixes)
        self.output_size = self.hidden_size * self.n_directions
        self.n_states = len(self.cell.states)
        self.gates_size = len(self.cell.gates) * self.hidden_size  # G·H, the columns of W and U
        self.kernel, self.kernel_option = kernel, _ = self.cell.kernel(self.options)
        # Asked at every call, where every look-up counts.
        self.drops_gates, self.kept_size = kernel.drops_gates, kernel.kept * self.hidden_size
        self.is_apart, self.is_twice = kernel.is_apart, kernel.is_twice
        row_bytes = self.gates_size * self.dtype.itemsize
        self.chunk_rows = max(CHUNK_MIN_ROWS, CHUNK_BYTES // row_bytes)
        self._rng = None  # of the zones
        if random_state is UNBOUND:
            return
        self.bind(*np.zeros((2, self.n_parameters), dtype=self.dtype))
        if random_state is not ZEROS:
            rng = np.random.default_rng(random_state)
            self.start(rng)
            if self.zoneout:
                self._rng = rng

    def __repr__(self):
        sizes = f"{self.input_size}, {self.hidden_size}"
        shown = vars(self) | {"dtype": self.dtype.name}
        changed = [
            f", {name}={shown[name]!r}"
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if name in shown and parameter.default not in (parameter.empty, shown[name])
        ]
        return f"{type(self).__name__}({sizes}{''.join(changed)})"

    @property
    def rounds(self):
        """Whether its products round their factors to bfloat16."""
        return is_rounded(self.precision, self.dtype)

    def draw_seeds(self, n):
        """The seeds of the zones of so many shards; without zoneout None for each."""
        if not self.zoneout:
            return [None] * n
        if self._rng is None:
            self._rng = np.random.default_rng()
        return self._rng.integers(2**63, size=n).tolist()

    @classmethod
    def shapes(cls, input_size, hidden_size):
        """The parameters of one direction, with their shapes."""
        return cls.cell.shapes(input_size, hidden_size)

    def _shapes(self):
        return self.shapes(self.input_size, self.hidden_size)

    @property
    def n_parameters(self):
        """Number of parameters of all directions."""
        return self.n_directions * sum(math.prod(shape) for shape in self._shapes().values())

    def views(self, flat):
        """Named views of a vector (P,) that is laid out as ``theta``."""
        parts = flat.reshape(self.n_directions, -1)
        return {
            name + suffix: view
            for suffix, part in zip(self.suffixes, parts, strict=True)
            for name, view in self.views_of_direction(part).items()
        }

    def views_of_direction(self, flat):
        """Likewise of its part (P / directions,) of one direction, without endings."""
        named, begin = {}, 0
        for name, shape in self._shapes().items():
            end = begin + math.prod(shape)
            named[name] = flat[begin:end].reshape(shape)
            begin = end
        return named

    def by_direction(self, named):
        """What `views` returns, apart for each direction and without endings."""
        return [{name: named[name + suffix] for name in self._shapes()} for suffix in self.suffixes]

    def bind(self, theta, grad):
        """Let parameters and gradients live in given vectors (P,), whose values stay."""
        self.theta, self.grad = theta, grad
        self.params, self.grads = self.views(theta), self.views(grad)
        self.params_by_direction = self.by_direction(self.params)
        self.grads_by_direction = self.by_direction(self.grads)

    def __getstate__(self):
        """What copy and pickle take: the parameters, no gradient, no memory."""
        left_out = ("params", "grad", "grads", "params_by_direction", "grads_by_direction")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state):
        """Views do not survive a copy: make them anew."""
        vars(self).update({"precision": "full"} | state)  # which earlier versions had no name for
        self.bind(self.theta, np.zeros_like(self.theta))

    def start(self, rng):
        """Draw the initial weights; biases and the like start where the record says."""
        for params in self.params_by_direction:
            for gate, name in enumerate(self.cell.gates):
                block = slice(gate * self.hidden_size, (gate + 1) * self.hidden_size)
                params["W"][:, block] = glorot_uniform(rng, (self.input_size, self.hidden_size))
                params["U"][:, block] = _orthogonal(rng, self.hidden_size)
                if name in self.cell.biases:
                    params["b"][block] = self.options[self.cell.biases[name]]
                if name in self.cell.spread:
                    params["b"][block] += rng.normal(0, self.cell.spread[name], self.hidden_size)
            for parameter in self.cell.parameters:
                params[parameter.name][...] = parameter.start

    @property
    def has_unknown_parameters(self):
        """Whether a subclass has parameters that the record of its cell does not know."""
        return self._shapes() != self.cell.shapes(self.input_size, self.hidden_size)

    def operator(self, library):
        """What it is in another library (`Cell.operator`); None if that takes not all it has."""
        operator = self.cell.operator(library, self.options)
        if operator is None or self.has_unknown_parameters:
            return None
        takes_all = all(parameter.name in operator.takes for parameter in self.cell.parameters)
        return operator if takes_all else None

    def of_cell(self, named):
        """Of the parameters of one direction, or their gradients, those beside W, U and b."""
        parameters = self.cell.parameters
        return tuple([named[parameter.name] for parameter in parameters]) if parameters else ()

    def flops(self, n_rows):
        """Floating-point operations of a forward pass in one direction."""
        return 2 * n_rows * (self.input_size + self.hidden_size) * self.gates_size

    def _factors(self, params, is_divided, want_W=True):
        """W, U, and the last blocks of U if they are a factor by themselves, else None.

        Each is a matrix, its first column and how many.
        """
        last = self.kernel.last * self.hidden_size
        W, U, first = params["W"], params["U"], self.gates_size - last
        from_W = (W, 0, self.gates_size if want_W else 0)
        if not last or not is_divided:
            return [from_W, (U, 0, self.gates_size), None]
        return [from_W, (U, 0, first), (U, first, last)]

    def plan_forward(self, work):
        """Plan the packing of the weights for forward passes, once for many shards.

        Returns the factors of each direction with nothing in them yet, then False, for they are
        packed; and the arguments of the calls of `pack_weights` that fill them. All of it stays the
        same until `bind`.
        """

        def room(d, k, n_rows, n_columns):
            return work.packed(("forward", d, k), n_rows, n_columns)

        weights, factors = self._plan(work, room, self.is_twice)
        return [[*of_direction, False] for of_direction in weights], factors

    def unpacked_weights(self):
        """What takes the place of the factors of each direction in forward passes of few rows.

        They are views that begin in the weights as they lie, then True.
        """
        return [
            [
                factor and factor[0].reshape(-1)[factor[1] :]
                for factor in self._factors(params, self.is_twice)
            ]
            + [True]
            for params in self.params_by_direction
        ]

    def plan_backward(self, work, *, want_dx=True):
        """Plan the packing of the transposed weights for backward passes, likewise.

        It is `pack_weights_transposed` that fills them. Without ``want_dx`` there is no W.
        """

        def room(d, k, n_rows, n_columns):
            return work.packed(("backward", d, k), n_columns, n_rows)

        return self._plan(work, room, True, want_dx)

    def _plan(self, work, room, is_divided, want_W=True):
        weights, factors = [], []
        for d, params in enumerate(self.params_by_direction):
            weights.append([])
            for k, factor in enumerate(self._factors(params, is_divided, want_W)):
                if factor is None:
                    weights[d].append(None)
                    continue
                matrix, column, width = factor
                packed = room(d, k, len(matrix), width)
                weights[d].append(packed)
                if width:
                    factors.append((matrix, column, width, packed, work.rounds))
        return weights, factors


def _positive_integer(name, value):
    """A size as an int."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value


def _floating_dtype(dtype):
    """A numpy dtype, float32 or float64."""
    for name in ("float32", "float64"):
        if dtype is not None and dtype == np.dtype(name):
            return np.dtype(name)
    raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
