"""On which worker each partition has its home."""

import itertools

TOLERATED = 0.1
"""Share of the time of a round that is not worth moving a partition for."""


def place(homes, weights, slots):
    """A home for each partition, which has a weight: the one that it has, as far as that is fair.

    ``homes`` has the address of a worker or None; ``slots`` are how many partitions each worker
    works on at once, by its address.
    """
    homes = [home if home in slots else None for home in homes]
    if not slots:
        return homes
    load = dict.fromkeys(sorted(slots), 0.0)
    for home, weight in zip(homes, weights, strict=True):
        if home is not None:
            load[home] += weight / slots[home]

    def least(weight):
        return min(load, key=lambda address: load[address] + weight / slots[address])

    heaviest_first = sorted(range(len(homes)), key=lambda k: -weights[k])
    for k in heaviest_first:
        if homes[k] is None:
            homes[k] = least(weights[k])
            load[homes[k]] += weights[k] / slots[homes[k]]
    for _ in homes:  # each may move once
        most = max(load, key=load.__getitem__)
        for k in heaviest_first:
            new = least(weights[k])
            later = load[new] + weights[k] / slots[new]
            if homes[k] == most and later < load[most] * (1 - TOLERATED):
                homes[k] = new
                load[most] -= weights[k] / slots[most]
                load[new] = later
                break
        else:
            break
    return homes


def cut(members, n):
    """Cut a list into n lists of about one length, none of them empty."""
    n = min(n, len(members))
    bounds = [len(members) * i // n for i in range(n + 1)]
    return [members[a:b] for a, b in itertools.pairwise(bounds)]
