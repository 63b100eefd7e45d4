"""What a cell is: one record, which everything that needs to know a cell asks."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from fastrnn.kernels.recurrence import Cell as Kernel

__all__ = ["ZONEOUT", "Cell", "Operator", "Option", "Parameter"]


@dataclass(frozen=True)
class Option:
    """A keyword argument of a layer: one of some choices, or a finite number, or a share of one.

    ``help`` is what documents say of it.
    """

    name: str
    default: Any
    choices: tuple[Any, ...] = ()
    is_share: bool = False
    help: str = ""

    def check(self, value):
        """The value in its one form."""
        value = value.item() if isinstance(value, np.generic) else value
        if self.choices:
            if any(type(value) is type(choice) and value == choice for choice in self.choices):
                return value
            raise ValueError(f"{self.name} must be one of {list(self.choices)}, got {value!r}")
        number = math.nan
        if isinstance(value, Real) and not isinstance(value, bool):
            with suppress(OverflowError):
                number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{self.name} must be a finite number, got {value!r}")
        if self.is_share and not 0 <= number < 1:
            raise ValueError(f"{self.name} must be a number in [0, 1), got {value!r}")
        return number


ZONEOUT = Option(
    "zoneout",
    0.0,
    is_share=True,
    help="In [0, 1): probability that a unit keeps its state from one step to the next, drawn anew "
    "for each unit and step of ``forward(training=True)``. Otherwise it gets the mean: so much of "
    "its state before, and the rest of the new one.",
)
"""Of every cell."""


@dataclass(frozen=True)
class Parameter:
    """A vector that a cell has beside W, U and b, with so many numbers for each unit.

    ``bias_of`` names the gate whose recurrent product it is added to, if it is such a bias;
    ``help`` is what documents say of it.
    """

    name: str
    n_blocks: int = 1
    start: float = 0.0
    decayed: bool = False
    bias_of: str | None = None
    help: str = ""


@dataclass(frozen=True)
class Operator:
    """What a cell is elsewhere: its name there, its gates in the order there.

    ``takes`` are the parameters beside W, U and b that it has, too, each with the order of its
    blocks; ``attributes`` what it is told, by the choice of the cell's chooser (where a choice is
    missing, there is no such operator).
    """

    name: str
    gates: tuple[str, ...]
    takes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    attributes: Mapping[Any, Mapping[str, Any]] = field(default_factory=lambda: {None: {}})


@dataclass(frozen=True)
class Cell:
    """A recurrent cell."""

    name: str  # as estimators call it
    title: str  # what it is, with its article
    gates: tuple[str, ...]  # in the order of their blocks in W, U and b
    kernels: Mapping[Any, tuple[str, int]]
    """By the choice of `chooser`, the header of fastrnn/kernels/cells and the ``option`` that its
    functions are given."""
    step: Callable
    """Its equations, ``step(m, xW, states, p, options)``: one time step of arrays, or of what
    stands for them, with ``m`` for the functions (`fastrnn.interop.onnx_network`), ``xW`` for the
    product of input and W, ``p`` for the parameters by name; returns the new states."""
    states: tuple[str, ...] = ("h",)  # and "c" if there is a cell state
    options: tuple[Option, ...] = ()  # keyword arguments of its layer
    chooser: str | None = None  # the option that chooses among `kernels`
    biases: Mapping[str, str] = field(default_factory=dict)  # gates that start at an option's value
    spread: Mapping[str, float] = field(default_factory=dict)
    """Gates whose biases start at random: the standard deviation, around what they start at."""
    parameters: tuple[Parameter, ...] = ()  # beside W, U and b
    onnx: Operator | None = None  # what it is elsewhere
    keras: Operator | None = None
    torch: Operator | None = None

    def shapes(self, input_size, hidden_size):
        """Name the parameters of one direction of a layer, with their shapes."""
        width = len(self.gates) * hidden_size
        shapes = {"W": (input_size, width), "U": (hidden_size, width), "b": (width,)}
        of_cell = {p.name: (p.n_blocks * hidden_size,) for p in self.parameters}
        return shapes | of_cell

    def is_decayed(self, name):
        """Whether a penalty on weights is for this parameter."""
        beside = {parameter.name: parameter.decayed for parameter in self.parameters}
        return beside.get(name, name != "b")

    def check_options(self, options):
        """All options, by name: those given, in their one form, and the others' defaults."""
        known = {option.name: option for option in self.options}
        for name in options:
            if name not in known:
                raise TypeError(
                    f"cell {self.name!r} has no option {name!r}, only {list(known) or 'none'}"
                )
        return {
            name: option.check(options.get(name, option.default)) for name, option in known.items()
        }

    def choice(self, options):
        """What the chooser is set to; None without one."""
        return None if self.chooser is None else options[self.chooser]

    def kernel(self, options):
        """The C functions, and what they are told of the option."""
        name, option = self.kernels[self.choice(options)]
        return Kernel(name), option

    def operator(self, library, options):
        """What it is in a library, "onnx", "keras" or "torch", with these options; or None."""
        operator = getattr(self, library)
        is_known = operator is not None and self.choice(options) in operator.attributes
        return operator if is_known and not options[ZONEOUT.name] else None

    def blocks_of(self, operator):
        """Which of the blocks here stand where an operator has its gates."""
        return [self.gates.index(gate) for gate in operator.gates]

    def recurrent_bias(self, params):
        """Biases of the recurrent product, as many as ``b``: zero where there is no parameter."""
        bias = np.zeros_like(params["b"])
        size = len(bias) // len(self.gates)
        for parameter in self.parameters:
            if parameter.bias_of is not None:
                k = self.gates.index(parameter.bias_of)
                bias[k * size : (k + 1) * size] = params[parameter.name]
        return bias

    def split_bias(self, b, of_state):
        """The parameters "b" and those that are biases of the recurrent product, from two biases.

        Where there is no such parameter, the two are added.
        """
        size, params = len(b) // len(self.gates), {"b": b + of_state}
        for parameter in self.parameters:
            if parameter.bias_of is not None:
                k = self.gates.index(parameter.bias_of)
                block = slice(k * size, (k + 1) * size)
                params["b"][block], params[parameter.name] = b[block], of_state[block]
        return params
