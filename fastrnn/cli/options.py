"""The parameters of an estimator as options, and as entries of a TOML file.

Names, defaults, explanations and what a value may be are those of the tables that the class of the
estimator has its parameters from.
"""

import argparse
import inspect
import re
import textwrap
import tomllib
from functools import partial

from fastrnn.estimators.parameters import parameters_of

# A second fit of the same object is what it is about, and a command makes one object.
LEFT_OUT = {"warm_start"}

RENAMED = {"output": "output_layer"}
"""What parameters are called as options whose names the command has for something else."""


class UsageError(argparse.ArgumentTypeError):
    """Options that do not go together, or are not for this."""


_WORDS = {"none": None, "true": True, "false": False, "inf": float("inf")}


def parameters(kind):
    """Name and default of each parameter of a class of estimators that is an option."""
    defaults = {p.name: p.default for p in parameters_of(kind).values() if p.name not in LEFT_OUT}
    # A command is for people, who want to see what goes on.
    return defaults | {"verbose": True}


def add_parameters(parser, kind, defaults):
    """Make an option of each parameter of a class of estimators, for `given_parameters`.

    `defaults` are those of the command, where they are others than of the class.
    """
    group = parser.add_argument_group(
        f"parameters of {kind.__name__}",
        textwrap.fill(
            "As in Python. Several values are joined by commas, as in 64,32, or yes=2,no=1 where "
            "each has a name; the others are numbers, words, true, false or none.",
            77,
        ),
    )
    for name, default in (parameters(kind) | defaults).items():
        parameter = parameters_of(kind)[name]
        metavar, explanation = explain(parameter)
        explanation = f"{explanation} (default: {_spell(default)})"
        option = RENAMED.get(name, name)
        options = {"dest": option, "default": argparse.SUPPRESS}
        options["help"] = explanation.replace("%", "%%")
        if isinstance(default, bool):
            options["action"] = argparse.BooleanOptionalAction
        else:
            options |= {"type": partial(_read_option, parameter), "metavar": metavar}
        group.add_argument(f"--{option.replace('_', '-')}", **options)


def given_parameters(options, kind):
    """The parameters of a class of estimators that are given as options."""
    given = vars(options)
    names = {RENAMED.get(name, name): name for name in parameters(kind)}
    return {name: given[option] for option, name in names.items() if option in given}


def read_config(path, kind):
    """Read parameters of a class of estimators from a TOML file, each checked by itself.

    Entries are such as ``cell = "gru"`` and ``hidden_layer_sizes = [64, 32]``. What is no TOML, no
    parameter, or a value that it may not have is a UsageError.
    """
    with open(path, "rb") as file:
        try:
            entries = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise UsageError(f"{path} is no TOML: {reason}") from None
    known = parameters(kind)
    for name, value in entries.items():
        if name not in known:
            raise UsageError(
                f"{path} has the entry {name!r}, which is no parameter of {kind.__name__}"
            )
        try:
            if isinstance(value, str):
                value = read_value(parameters_of(kind)[name], value)
            elif isinstance(value, list):
                value = tuple(value)
            parameters_of(kind)[name].check(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from None
        entries[name] = value
    return entries


def read_value(parameter, text):
    """Turn the text of an option into the value of a parameter.

    It is a number, word, bool, None, a tuple of such, a tuple of tuples such as "64:17:2,64:9:2",
    or a dict; TypeError or ValueError if the parameter may not have it.
    """
    if "=" in text:
        pairs = [part.partition("=") for part in text.split(",")]
        value = {_read(key): _read(weight) for key, _, weight in pairs}
    elif "," in text:
        value = tuple(_read(part) for part in text.split(",") if part.strip())
    else:
        value = _read(text)
    try:
        parameter.check(value)
    except (TypeError, ValueError):
        rows = tuple(tuple(map(_read, part.split(":"))) for part in text.split(","))
        if ":" in text and parameter.values.has(rows):
            return rows
        if isinstance(value, tuple | dict):
            raise
        if not parameter.values.has((value,)):
            raise
        return (value,)  # one entry where several could be
    return value


def _read_option(parameter, text):
    try:
        return read_value(parameter, text)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _read(text):
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def explain(parameter):
    """The words that a parameter may be, else "VALUE"; and the first sentence of what it does."""
    words = parameter.values.words
    metavar = "{" + ",".join(words) + "}" if words else "VALUE"
    paragraph = inspect.cleandoc(parameter.help).split("\n\n")[0]
    text = " ".join(paragraph.split()).replace("`", "")
    return metavar, re.split(r"(?<=\.) (?=[A-Z\"])", text)[0].rstrip(".")


def _spell(value):
    """Write a value as the command line takes it."""
    if isinstance(value, tuple):
        is_table = any(isinstance(row, tuple) for row in value)
        return ",".join(":".join(map(_spell, row)) if is_table else _spell(row) for row in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
