from collections.abc import Callable
from typing import Any

from fastrnn.typing import AnyArray, Floats, SequencesLike

SHARD_ROWS: int
MAX_STEPS: int
PARTS: dict[str, int]
LINKS: dict[str, int]

class StreamKernel:
    def __init__(
        self,
        steps: Any,
        snapshot: Any,
        state: dict[str, AnyArray],
        room: dict[str, Any],
        array_type: type,
        integer_type: type,
        empty: Callable[..., AnyArray],
    ) -> None: ...
    def step(self, x: SequencesLike, out: AnyArray | None = None) -> Any: ...

def pack_factor(W: Floats, column: int, K: int, packed: Floats, rounds: bool) -> None: ...
def pack_factor_transposed(W: Floats, packed: Floats, rounds: bool) -> None: ...
def copy_of_state(streams: StreamKernel) -> dict[str, AnyArray]: ...
def write_state(streams: StreamKernel, values: dict[str, AnyArray], rows: Any) -> None: ...
