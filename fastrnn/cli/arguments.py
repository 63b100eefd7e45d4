"""What options and arguments of the command mean: a value for each text, or what is wrong."""

from argparse import ArgumentTypeError


def whole(text):
    if not text.isdecimal():
        raise ArgumentTypeError(f"expected a whole number >= 0, got {text!r}")
    return int(text)


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def n_jobs(text):
    if not text.removeprefix("-").isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"expected a whole number other than 0, got {text!r}")
    return int(text)


def number(text):
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"expected a number, got {text!r}") from None


def numbers(text):
    return [number(part) for part in text.split(",")]


def encoding(text):
    from fastrnn.datasets.sources import text_encoding  # with numpy

    try:
        return text_encoding(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def time_zone(text):
    from fastrnn.inputs.stamps import zone_of  # with numpy

    try:
        zone_of(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def delimiter(text):
    text = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(text) != 1 or text in '"\n\r':
        raise ArgumentTypeError(f"expected one character, tab or space, got {text!r}")
    return text


def quote(text):
    if text != "none" and (len(text) != 1 or text in " \t\n\r"):
        raise ArgumentTypeError(f"expected one character or none, got {text!r}")
    return text


def words(text):
    return tuple(word.strip() for word in text.split(",") if word.strip())
