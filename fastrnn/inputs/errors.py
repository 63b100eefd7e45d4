"""Errors that say more of where they were found."""

import contextlib
from collections.abc import Iterator

__all__ = ["NothingCounts", "PartitionsDiffer", "in_argument", "is_plain", "retold"]


class NothingCounts(ValueError):
    """No sequence, or step, has a weight: an error, unless it is of one of several partitions."""


def is_plain(error):
    """Whether an error is made of its message alone, as others, a tokenizer's own, may not be."""
    return type(error) in (TypeError, ValueError, NothingCounts)


def retold(error, message):
    """The same kind of plain error, with another message."""
    return type(error)(message)


@contextlib.contextmanager
def in_argument(name: str) -> Iterator[None]:
    """Let errors say in which argument, or partition of the data, they were found."""
    try:
        yield
    except Exception as error:
        if is_plain(error):
            raise retold(error, f"{name}: {error}") from error
        error.add_note(f"This is about {name}.")
        raise


class PartitionsDiffer(ValueError):
    """What one of several partitions of data has, and the first has otherwise.

    `words` stand before the name of the one, before that of the first, and after it.
    """

    def __init__(self, number, *words):
        self.number, self.words = number, words
        super().__init__(self.tell("partition {}".format))

    def tell(self, name):
        """The message, where ``name(k)`` is what partition k is called."""
        before, between, after = self.words
        return f"{before}{name(self.number)}{between}{name(0)}{after}"
