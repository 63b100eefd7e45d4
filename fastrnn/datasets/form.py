"""How a file is written: what is given is taken, the rest is found out."""

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a file is written; None is found out from it.

    Attributes
    ----------
    format : str or None
        One of `fastrnn.datasets.formats.FORMATS`.
    delimiter : str or None
        The character between cells.
    quote : str or None
        The character around cells with delimiters or ends of lines; "none" if there is none.
    decimal : {".", ","} or None
        The decimal sign.
    na_values : tuple of str or None
        What stands for nothing, beside the empty cell; None is the word NaN.
    time_format : str or None
        How dates are written, as for `datetime.strptime`.
    time_zone : str or None
        The zone of dates, as `fastrnn.inputs.stamps.zone_of` knows it; None if they have their own.
    encoding : str or None
        Of the text; None is that of its byte order mark, or UTF-8.
    header : bool
        Whether the first line of CSV names the columns, or they are called by their places, from 1.
    sort : bool
        Whether the rows of a sequence are sorted by time, instead of checked to be.
    of_command : bool
        Whether messages name options of the command, or arguments of a function.
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    decimal: str | None = None
    na_values: tuple[str, ...] | None = None
    time_format: str | None = None
    time_zone: str | None = None
    encoding: str | None = None
    header: bool = True
    sort: bool = False
    of_command: bool = False

    def option(self, name, value=None):
        """Spell an option as the caller can give it."""
        if self.of_command:
            option = f"--{name.replace('_', '-')}"
            text = ",".join(value) if isinstance(value, list) else value
            return option if value in (None, True) else f"{option} {shlex.quote(text)}"
        return name if value is None else f"{name}={value!r}"
