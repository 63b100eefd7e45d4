from fastrnn.typing import Doubles, Floats, Ints

def ctc_loss(
    outputs: Floats,
    first: Ints,
    lengths: Ints,
    order: Ints,
    labels: Ints,
    offsets: Ints,
    weight: Floats,
    total: float,
    room: Doubles,
    doutputs: Floats,
    losses: Doubles,
) -> float: ...
def ctc_best_path(
    outputs: Floats,
    first: Ints,
    lengths: Ints,
    order: Ints,
    labels: Ints,
    offsets: Ints,
    room: Doubles,
    path: Ints,
) -> None: ...
def edit_distances(
    labels: Ints, offsets: Ints, others: Ints, other_offsets: Ints, room: Ints, distances: Ints
) -> None: ...
