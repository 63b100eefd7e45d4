from fastrnn.typing import Doubles, Floats, Ints

def warp_rows(
    values: Floats, first: Ints, offsets: Ints, ends: Doubles, target: Floats, nearest: Ints
) -> None: ...
