"""CoNLL: a token in each line, its columns of words, a blank line between sentences."""

import re
from dataclasses import replace

from fastrnn.datasets.rows import Rows
from fastrnn.datasets.sources import decode

CONLLU = "token_number form lemma upos xpos feats head deprel deps misc".split()
# Tokens that stand for several, or were left out: other lines have what counts.
_NO_WORD = re.compile(r"\d+[-.]\d+")
_BLANKS = re.compile(r"[ \t]+")


def read_conll_file(source, form):
    """Read CoNLL: columns token, column_2, ..., label; the sentences are numbered in a column id.

    Lines of # without the columns of a token are comments; lines of -DOCSTART- are left out.
    """
    return _read(source, form, None)


def read_conllu_file(source, form):
    """Read CoNLL-U, whose ten columns have names."""
    return _read(source, form, CONLLU)


def _read(source, form, names):
    text = decode(source, form)
    tokens, lines, ids = [], [], []
    delimiter, sentence, is_inside = form.delimiter, 0, False
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not line.strip():
            is_inside = False
            continue
        if delimiter is None and not line.startswith("#"):
            delimiter = "\t" if names or "\t" in line else " "
        blanks = delimiter in (" ", None)
        cells = _BLANKS.split(line.strip(" \t")) if blanks else line.split(delimiter)
        width = len(names or (tokens[0] if tokens else ()))
        is_comment = line.startswith("#") and not is_inside and len(cells) != width
        if is_comment or cells[0] == "-DOCSTART-" or (names and _NO_WORD.fullmatch(cells[0])):
            continue
        if width and len(cells) != width:
            as_in = "of CoNLL-U" if names else f"as in line {lines[0]}"
            raise ValueError(
                f"{source.name}, line {number} has {len(cells)} cells, expected {width} {as_in}"
            )
        if not is_inside:
            sentence, is_inside = sentence + 1, True
        tokens.append(cells)
        lines.append(number)
        ids.append(sentence)
    if not tokens:
        raise ValueError(f"{source.name} has no tokens")
    if names is None:
        others = [f"column_{k}" for k in range(2, len(tokens[0]))]
        names = ["token", *others, "label"][: len(tokens[0])]
    columns = dict(zip(names, map(list, zip(*tokens, strict=True)), strict=True))
    if form.na_values is None:  # all that is written counts: nan may be a word
        form = replace(form, na_values=())
    return Rows(
        source.name, columns | {"id": ids}, lines, form=form, unnamed=frozenset(["id"]),
        words=frozenset(columns),
    )  # fmt: skip
