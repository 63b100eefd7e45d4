"""Errors that say more of where they were found."""

import contextlib

__all__ = ["in_argument", "is_plain", "retold"]


def is_plain(error):
    """Whether an error is made of its message alone, as others, a tokenizer's own, may not be."""
    return type(error) in (TypeError, ValueError)


def retold(error, message):
    """The same kind of plain error, with another message."""
    return type(error)(message)


@contextlib.contextmanager
def in_argument(name):
    """Let errors say in which argument they were found."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if is_plain(error):
            raise retold(error, f"{name}: {error}") from error
        error.add_note(f"This is about {name}.")
        raise
