import numpy as np
from numpy.typing import NDArray

from fastrnn.kernels.team import Member
from fastrnn.typing import Doubles, Floats

CHUNK_SIZE: int

def adam_step(
    theta: Floats,
    grad: Floats,
    m: Floats,
    v: Floats,
    scale: float,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
    member: Member,
) -> None: ...
def adamw_step(
    theta: Floats,
    grad: Floats,
    m: Floats,
    v: Floats,
    decay: Floats,
    scale: float,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
    member: Member,
) -> None: ...
def sgd_step(
    theta: Floats, grad: Floats, scale: float, learning_rate: float, member: Member
) -> None: ...
def momentum_step(
    theta: Floats,
    grad: Floats,
    velocity: Floats,
    scale: float,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    member: Member,
) -> None: ...
def rmsprop_step(
    theta: Floats,
    grad: Floats,
    v: Floats,
    scale: float,
    learning_rate: float,
    decay: float,
    epsilon: float,
    member: Member,
) -> None: ...
def sum_squares(grad: Floats, sums: Doubles, member: Member) -> None: ...
def add_penalty(
    theta: Floats,
    decayed: NDArray[np.uint8],
    strength: float,
    grad: Floats,
    sums: Doubles,
    member: Member,
) -> None: ...
def clear(grad: Floats, member: Member) -> None: ...
