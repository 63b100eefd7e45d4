"""How long sequences are made shorter before the recurrent layers: what "auto" stands for."""

import math

import numpy as np

from fastrnn.estimators.parameters import in_effect, parameters_of

STEPS_LEFT = 50
"""About as many should the layers read of a sequence of the median length."""

SHORT = 40
"""Steps below which no sequence is made shorter."""

WIDTH = 64


def convolutions(median):
    """What ``conv="auto"`` is for sequences of this median length.

    The first kernel spans eight of its strides, so that wider ones come with longer sequences.
    """
    if median < SHORT:
        return ((WIDTH, 5, 1),)
    stride = max(1, round(median / STEPS_LEFT))
    first = -(-stride // 2)
    return ((WIDTH, 8 * first + 1, first), (WIDTH, 9, min(2, stride)))


def choose(lengths, stride, conv):
    """Say what "auto" stands for, of either, where each sequence of these lengths has one answer.

    Returns both, with what is not "auto" as it was.
    """
    median = float(np.median(lengths))
    if conv == "auto":
        conv = convolutions(median if stride == "auto" else median / stride)
    if stride == "auto":
        of_conv = math.prod(one[2] for one in conv)
        stride = max(1, round(median / (STEPS_LEFT * of_conv)))
    return stride, conv


def front_of(estimator, task, lengths, before=None):
    """What an estimator wants before the first layer, as arguments of `Architecture`.

    `lengths` are those of the sequences, or None where there are none; what is "auto" stays as it
    is in the architecture `before`, if training goes on from it.
    """
    if "stride" not in parameters_of(type(estimator)):
        return {}
    stride = in_effect(estimator, "stride")
    conv = () if estimator.conv is None else estimator.conv
    if estimator.missing == "decay":
        stride = 1 if stride == "auto" else stride
        conv = () if conv == "auto" else conv
        if stride != 1 or len(conv):
            raise ValueError(
                f"missing='decay' needs stride=1 and conv=None, got stride={estimator.stride!r} "
                f"and conv={estimator.conv!r}: decays are those of the steps that the first layer "
                "reads"
            )
    if before is not None:
        stride = before.stride if stride == "auto" else stride
        conv = before.conv if conv == "auto" else conv
    if lengths is None or task.every_step:
        stride = 1 if stride == "auto" else stride
        conv = () if conv == "auto" else conv
    if "auto" in (stride, conv):
        stride, conv = choose(lengths, stride, conv)
    return {"stride": stride, "conv": tuple(tuple(map(int, one)) for one in conv)}
