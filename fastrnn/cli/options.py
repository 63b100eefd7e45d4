"""The parameters of an estimator as options, and as entries of a TOML file.

Names, defaults and explanations are those of the estimator's class and its docstring; what a value
may be is what `fastrnn.estimators.parameters` says.
"""

import argparse
import dataclasses
import inspect
import re
import textwrap
import tomllib
from functools import partial

from fastrnn.estimators.parameters import check_value

# A second fit of the same object is what it is about, and a command makes one object.
LEFT_OUT = {"warm_start"}


class UsageError(argparse.ArgumentTypeError):
    """Options that do not go together, or are not for this."""


_ENTRY = re.compile(r"^(\w+) : (.*)\n((?:    .*\n|\n)*)", re.MULTILINE)
_WORDS = {"none": None, "true": True, "false": False, "inf": float("inf")}


def parameters(kind):
    """Return the parameters that are options.

    Parameters
    ----------
    kind : type
        Class of the estimator.

    Returns
    -------
    dict of str to object
        Name and default of each.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    # A command is for people, who want to see what goes on.
    return {name: defaults[name] for name in defaults if name not in LEFT_OUT} | {"verbose": True}


def add_parameters(parser, kind):
    """Make an option of each parameter of an estimator.

    Only those that are given come to stand in the namespace.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Where to add them.
    kind : type
        Class of the estimator.
    """
    explanations = explain(kind)
    group = parser.add_argument_group(
        f"parameters of {kind.__name__}",
        textwrap.fill(
            "As in Python. Several values are joined by commas, as in 64,32, or yes=2,no=1 where "
            "each has a name; the others are numbers, words, true, false or none.",
            77,
        ),
    )
    for name, default in parameters(kind).items():
        metavar, explanation = explanations.get(name, ("VALUE", ""))
        explanation = f"{explanation} (default: {_spell(default)})".strip()
        options = {"dest": name, "default": argparse.SUPPRESS}
        options["help"] = explanation.replace("%", "%%")
        if isinstance(default, bool):
            options["action"] = argparse.BooleanOptionalAction
        else:
            options |= {"type": partial(_read_option, name), "metavar": metavar}
        group.add_argument(f"--{name.replace('_', '-')}", **options)


def read_config(path, kind):
    """Read parameters from a TOML file.

    Parameters
    ----------
    path : str
        The file: entries such as ``cell = "gru"`` and ``hidden_layer_sizes = [64, 32]``.
    kind : type
        Class of the estimator.

    Returns
    -------
    dict of str to object
        Their names and values, each checked by itself.

    Raises
    ------
    OSError
        If the file cannot be read.
    UsageError
        If it is no TOML, or if an entry is no parameter or has a value it may not have.
    """
    with open(path, "rb") as file:
        try:
            entries = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is no TOML: {error}") from None
    known = parameters(kind)
    for name, value in entries.items():
        if name not in known:
            raise UsageError(
                f"{path} has the entry {name!r}, which is no parameter of {kind.__name__}"
            )
        try:
            if isinstance(value, str):
                value = read_value(name, value)
            elif isinstance(value, list):
                value = tuple(value)
            check_value(name, value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from None
        entries[name] = value
    return entries


def read_value(name, text):
    """Turn the text of an option into the value of a parameter.

    Parameters
    ----------
    name : str
        The parameter.
    text : str
        What was given.

    Returns
    -------
    object
        A number, word, bool, None, a tuple of such, or a dict.

    Raises
    ------
    TypeError
        If the parameter takes no such value.
    ValueError
        If it may not have that value.
    """
    if "=" in text:
        pairs = [part.partition("=") for part in text.split(",")]
        value = {_read(key): _read(weight) for key, _, weight in pairs}
    elif "," in text:
        value = tuple(_read(part) for part in text.split(",") if part.strip())
    else:
        value = _read(text)
    try:
        check_value(name, value)
    except (TypeError, ValueError):
        if isinstance(value, tuple | dict):
            raise
        try:
            check_value(name, (value,))  # one entry where several could be
        except (TypeError, ValueError):
            pass
        else:
            return (value,)
        raise
    return value


def _read_option(name, text):
    try:
        return read_value(name, text)
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


def explain(kind):
    """Find what the docstring says of each parameter.

    Parameters
    ----------
    kind : type
        Class of the estimator.

    Returns
    -------
    dict of str to (str, str)
        The words that it may be, such as "{tanh,relu}", else "VALUE"; and the first sentence.
    """
    section = inspect.cleandoc(kind.__doc__ or "").partition("Parameters\n----------\n")[2]
    section = section.partition("\n\nAttributes\n")[0] + "\n"
    explained = {}
    for name, values, text in _ENTRY.findall(section):
        words = re.match(r"\{(.*)\}", values)
        metavar = words[0].replace('"', "").replace(" ", "") if words else "VALUE"
        paragraph = " ".join(text.split("\n\n")[0].split()).replace("``", "").replace("`", "")
        sentence = re.split(r"(?<=\.) (?=[A-Z\"])", paragraph)[0].rstrip(".")
        explained[name] = metavar, sentence  # the subclass, which comes last, has the last word
    return explained


def _spell(value):
    """Write a value as the command line takes it."""
    if isinstance(value, tuple):
        return ",".join(map(_spell, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
