from fastrnn.kernels.team import Member
from fastrnn.typing import Floats, Ints

class Cell:
    @property
    def name(self) -> str: ...
    @property
    def kept(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def is_apart(self) -> bool: ...
    @property
    def is_twice(self) -> bool: ...
    @property
    def drops_gates(self) -> bool: ...
    @property
    def whole_rows(self) -> bool: ...
    def __init__(self, name: str) -> None: ...

def cell_forward(
    cell: Cell,
    option: int,
    extra: tuple[Floats, ...],
    x: Floats,
    b: Floats,
    alive: Ints,
    mask: Floats,
    h: Floats,
    c: Floats | None,
    gates: Floats,
    kept: Floats | None,
    recurrent: Floats | None,
    scratch: Floats,
    W: Floats,
    U: Floats,
    U_last: Floats,
    unpacked: bool,
    zoneout: float,
    zones: Floats | None,
    new_h: Floats | None,
    new_c: Floats | None,
    factors: Floats | None,
    left: Floats | None,
    rounded: Floats | None,
    chunk_rows: int,
    keep: bool,
    outputs: bool,
    member: Member,
) -> None: ...
def cell_backward(
    cell: Cell,
    option: int,
    extra: tuple[Floats, ...],
    dextra: tuple[Floats, ...],
    x: Floats,
    b: Floats,
    alive: Ints,
    mask: Floats,
    h: Floats,
    c: Floats | None,
    gates: Floats,
    kept: Floats | None,
    dy: Floats,
    dh: Floats,
    dc: Floats | None,
    dx: Floats,
    dW: Floats,
    dU: Floats,
    db: Floats,
    dreset: Floats | None,
    scratch: Floats,
    packed_Wt: Floats,
    packed_Ut: Floats,
    packed_Ut_last: Floats,
    packed_left: Floats,
    packed_gates: Floats,
    zoneout: float,
    zones: Floats | None,
    new_h: Floats | None,
    new_c: Floats | None,
    past: Floats | None,
    factors: Floats | None,
    left: Floats | None,
    dfactors: Floats | None,
    rounded: Floats | None,
    chunk_rows: int,
    member: Member,
) -> None: ...
