from fastrnn.typing import Floats, Ints

def patches_forward(
    x: Floats, first: Ints, lengths: Ints, alive: Ints, stride: int, y: Floats
) -> None: ...
def patches_backward(
    dy: Floats, first: Ints, lengths: Ints, alive: Ints, stride: int, dx: Floats
) -> None: ...
def convolution_forward(
    x: Floats,
    first: Ints,
    lengths: Ints,
    alive: Ints,
    left: int,
    stride: int,
    packed_W: Floats,
    b: Floats,
    windows: Floats,
    y: Floats,
    rounded: Floats | None,
) -> None: ...
def convolution_backward(
    x: Floats,
    first: Ints,
    lengths: Ints,
    alive: Ints,
    left: int,
    stride: int,
    y: Floats,
    dy: Floats,
    packed_Wt: Floats,
    windows: Floats,
    packed_windows: Floats,
    packed_dy: Floats,
    dW: Floats,
    db: Floats,
    dx: Floats,
    rounded: Floats | None,
) -> None: ...
def spread_forward(y: Floats, first: Ints, alive: Ints, stride: int, spread: Floats) -> None: ...
def spread_backward(dspread: Floats, first: Ints, alive: Ints, stride: int, dy: Floats) -> None: ...
