from collections.abc import Callable
from typing import Any, TypeVarTuple

from fastrnn.kernels.handover import Handover

_Ts = TypeVarTuple("_Ts")

class Team:
    @property
    def size(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...
    def __init__(self, size: int) -> None: ...

class Member:
    def __init__(
        self,
        team: Team,
        number: int,
        function: Callable[..., object] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None: ...
    def __call__(self) -> None: ...

ALONE: Member

class CallingThread:
    @property
    def size(self) -> int: ...
    def __init__(self) -> None: ...
    def call(self, kernel: Callable[[*_Ts, Member], object], *arguments: *_Ts) -> None: ...

def call_together(
    function: Callable[..., object],
    arguments: tuple[Any, ...],
    handovers: list[Handover],
    watch: int,
) -> bool: ...
