from fastrnn.typing import Floats, Ints

def decay_inputs(
    values: Floats,
    marks: int,
    times: int,
    rows: Ints,
    mean: Floats,
    w: Floats,
    b: Floats,
    x: Floats,
) -> None: ...
def decay_inputs_backward(
    values: Floats,
    marks: int,
    times: int,
    rows: Ints,
    mean: Floats,
    w: Floats,
    b: Floats,
    dx: Floats,
    dw: Floats,
    db: Floats,
    dtimes: Floats,
) -> None: ...
def decay_factors(
    values: Floats, times: int, rows: Ints, W: Floats, b: Floats, factors: Floats
) -> None: ...
def decay_factors_backward(
    values: Floats,
    times: int,
    rows: Ints,
    W: Floats,
    b: Floats,
    factors: Floats,
    dfactors: Floats,
    dW: Floats,
    db: Floats,
    dtimes: Floats,
) -> None: ...
