from fastrnn.typing import Floats, Ints

def attention_forward(
    h: Floats,
    h_reverse: Floats,
    alive: Ints,
    lengths: Ints,
    q: Floats,
    column: int,
    pooled: Floats,
    weights: Floats,
) -> None: ...
def attention_backward(
    dpooled: Floats,
    column: int,
    h: Floats,
    h_reverse: Floats,
    alive: Ints,
    lengths: Ints,
    weights: Floats,
    dscores: Floats,
    dq: Floats,
) -> None: ...
def attention_outputs_backward(
    dpooled: Floats,
    column: int,
    alive: Ints,
    lengths: Ints,
    weights: Floats,
    dscores: Floats,
    q: Floats,
    from_end: bool,
    adds: bool,
    dy: Floats,
) -> None: ...
