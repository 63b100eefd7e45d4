import numpy as np
from numpy.typing import NDArray

from fastrnn.typing import Doubles, Floats, Ints

def forward_backward(
    z: Floats,
    alive: Ints,
    only: Ints,
    packed_E: Floats,
    packed_Et: Floats,
    first: Floats,
    last: Floats,
    lowest: float,
    before: Floats,
    after: Floats,
    log_mass: Doubles,
) -> None: ...
def best_path(
    z: Floats,
    alive: Ints,
    A: Floats,
    first: Floats,
    last: Floats,
    way: Floats,
    origin: NDArray[np.int32],
    best: Ints,
) -> None: ...
