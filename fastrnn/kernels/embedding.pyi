from fastrnn.typing import Floats, Ints

def embedding_forward(
    table: Floats, ids: Ints, which: int, rows: Ints, x: Floats, column: int
) -> bool: ...
def embedding_backward(
    dx: Floats, column: int, ids: Ints, which: int, rows: Ints, dtable: Floats
) -> None: ...
