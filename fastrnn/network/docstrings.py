"""What the docstrings of all layers say; the records of their cells say what is different."""

import inspect
import textwrap

SECTIONS = """
Parameters
----------
input_size : int
    D, features of each step.
hidden_size : int
    H, hidden units of each direction.
bidirectional : bool, default=False
    Whether a second set of units reads the sequences from their ends.
dtype : {{"float32", "float64"}}, default="float32"
    Type of parameters and arithmetic.
precision : {{"full", "bfloat16", "auto"}}, default="full"
    "bfloat16" rounds the factors of matrix products, weights and what they are multiplied by, to 8
    bits of digits; sums and all else stay float32, ``params`` too. It needs ``dtype="float32"`` and
    a processor with AMX, which is two to four times as fast then, or AVX512-BF16, about twice;
    "auto" does so where it is faster.
random_state : None, int or numpy.random.Generator, default=None
    Source of the initial weights, and of the zones.
{options}

Attributes
----------
params, grads : dict of str to ndarray
{arrays}
"""

ARRAYS = """{}. Their gradients have the same names; those of a second direction end in "_reverse".
Writing into ``params`` changes the layer."""


def complete_docstring(doc, cell):
    """The docstring of a layer with its parameters and attributes, before all other sections."""
    summary, line, rest = inspect.cleandoc(doc).partition("\nReferences\n---")
    sections = SECTIONS.format(
        options="\n".join(map(_entry, cell.options)), arrays=_indented(ARRAYS.format(_arrays(cell)))
    )
    return f"{summary}{sections}{line}{rest}\n"


def _entry(option):
    """What numpydoc has for an option."""
    kind = "{" + ", ".join(f'"{choice}"' for choice in option.choices) + "}"
    if not option.choices or isinstance(option.default, bool):
        kind = type(option.default).__name__
    default = f'"{option.default}"' if isinstance(option.default, str) else repr(option.default)
    return f"{option.name} : {kind}, default={default}\n{_indented(option.help)}"


def _arrays(cell):
    """The parameters of one direction with their shapes."""
    width = f"{len(cell.gates)}H".removeprefix("1")
    known = [f'"W" (D, {width})', f'"U" (H, {width})', f'"b" ({width},)']
    for parameter in cell.parameters:
        width = f"{parameter.n_blocks}H".removeprefix("1")
        known.append(f'"{parameter.name}" ({width},){parameter.help and ": "}{parameter.help}')
    return "; ".join(known)


def _indented(text):
    indent = " " * 4
    return textwrap.fill(
        " ".join(text.split()), 92, initial_indent=indent, subsequent_indent=indent
    )
