from fastrnn.typing import Floats

def pack_weights(W: Floats, column: int, K: int, packed: Floats, rounds: bool) -> None: ...
def pack_weights_transposed(
    W: Floats, column: int, K: int, packed: Floats, rounds: bool
) -> None: ...
def dense_forward(
    x: Floats, packed_W: Floats, b: Floats, y: Floats, rounded: Floats | None
) -> None: ...
def dense_backward(
    dy: Floats, packed_Wt: Floats, rows: int, dx: Floats, rounded: Floats | None
) -> None: ...
def dense_gradients(
    x: Floats,
    row: int,
    height: int,
    dy: Floats,
    column: int,
    width: int,
    dW: Floats,
    db: Floats,
    chunk: int,
    packed_x: Floats,
    packed_dy: Floats,
    rounds: bool,
) -> None: ...
