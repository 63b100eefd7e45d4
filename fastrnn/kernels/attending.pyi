from fastrnn.typing import Floats, Ints

def dot_scores(q: Floats, column: int, keys: Floats, pairs: Ints, scores: Floats) -> None: ...
def dot_scores_backward(
    dscores: Floats, q: Floats, column: int, keys: Floats, pairs: Ints, dq: Floats, dkeys: Floats
) -> None: ...
def additive_scores(
    q: Floats, keys: Floats, v: Floats, pairs: Ints, scratch: Floats, scores: Floats
) -> None: ...
def additive_scores_backward(
    dscores: Floats,
    q: Floats,
    keys: Floats,
    v: Floats,
    pairs: Ints,
    scratch: Floats,
    dq: Floats,
    dkeys: Floats,
    dv: Floats,
) -> None: ...
def attend_forward(scores: Floats, y: Floats, pairs: Ints, c: Floats) -> None: ...
def attend_backward(
    dc: Floats, weights: Floats, y: Floats, pairs: Ints, dscores: Floats, dy: Floats
) -> None: ...
