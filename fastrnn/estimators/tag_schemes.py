"""Which tags of spans may follow which, in the schemes BIO and BILOU."""

import re
from dataclasses import dataclass

import numpy as np

__all__ = ["SCHEMES", "are_possible", "check_tags"]


@dataclass(frozen=True)
class Scheme:
    """Tags are "O", or a letter and a type: "B-PER".

    ``goes_on`` has the letters after which one of the same type may go on with the span, each with
    the letters that do; ``may_end`` says whether the span may also end there.
    """

    name: str
    letters: str
    goes_on: dict[str, str]
    may_end: bool

    def may_follow(self, classes):
        """Which class may follow which (K + 1, K + 1): the first row is the start, column the end.

        A label that is no tag is a ValueError.
        """
        tags = [("O", None), *map(self._split, classes.tolist())]
        return np.array([[self._allows(*pair, *after) for after in tags] for pair in tags])

    def _split(self, label):
        """Letter and type of a tag."""
        found = re.fullmatch(f"([{self.letters}])-(.+)", label) if isinstance(label, str) else None
        if label != "O" and not found:
            letters = ", ".join(f"'{letter}-'" for letter in self.letters)
            raise ValueError(
                f"constraints={self.name!r} is for tags, 'O' or a type after one of {letters}, but "
                f"y has the label {label!r}"
            )
        return found.groups() if found else ("O", None)

    def _allows(self, letter, of_type, next_letter, next_type):
        on = self.goes_on.get(letter, "")
        if next_letter in "".join(self.goes_on.values()):
            return next_letter in on and next_type == of_type
        return self.may_end or not on


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("bio", "BI", {"B": "I", "I": "I"}, may_end=True),
        Scheme("bilou", "BILU", {"B": "IL", "I": "IL"}, may_end=False),
    )
}


def check_tags(may, numbers, labels, classes):
    """Check that tags follow each other as they may; negative numbers stand for any.

    `may` is from `Scheme.may_follow`; `labels` say where the tag of a number stands.
    """
    offsets = labels.offsets
    starts, ends = offsets[:-1], offsets[1:] - 1
    before = np.concatenate([[0], numbers[:-1] + 1])
    before[starts] = 0
    known = (numbers >= 0) & ((before > 0) | np.isin(np.arange(len(numbers)), starts))
    wrong = known & ~may[before, numbers + 1]
    if wrong.any():
        row = int(wrong.argmax())
        place = f"after {str(classes[before[row] - 1])!r}" if before[row] else "at the start"
        raise ValueError(
            f"{labels.place(row)}: y has {str(classes[numbers[row]])!r} {place}, which the "
            "constraints forbid"
        )
    for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if may[numbers[end] + 1, 0] and (numbers[start : end + 1] >= 0).all():
            continue
        if not are_possible(may, numbers[start : end + 1]):
            raise ValueError(
                f"sequence {n}: y has tags that the constraints forbid, such as a span without an "
                "end, whatever the steps without a tag are"
            )


def are_possible(may, numbers):
    """Whether there is a sequence of tags with these, where they are not negative."""
    reached = np.zeros(len(may), dtype=bool)
    reached[0] = True
    for k in numbers:
        reached = reached @ may
        reached[0] = False
        if k >= 0:
            reached[np.arange(len(may)) != k + 1] = False
    return bool((reached & may[:, 0]).any())
