"""What the tests of sequences share."""

import numpy as np


def arrays(nested, dtype=np.float64):
    return [np.array(item, dtype=dtype) for item in nested]


def check_invariants(sequences):
    """What every user of a Sequences relies on."""
    values, offsets = sequences.values, sequences.offsets
    assert values.ndim == 2
    assert values.dtype in (np.float32, np.float64) and values.dtype.isnative
    assert values.flags.c_contiguous and not values.flags.writeable
    assert type(values) is np.ndarray
    assert np.isfinite(values).all()
    assert offsets.dtype == np.int64 and offsets[0] == 0 and offsets[-1] == len(values)
    assert (np.diff(offsets) >= 1).all()


def check_ids(sequences, ids, values):
    assert sequences.ids.dtype == np.int64
    assert sequences.ids.flags.c_contiguous and not sequences.ids.flags.writeable
    np.testing.assert_array_equal(sequences.ids, ids)
    np.testing.assert_array_equal(sequences.values, values)
    check_invariants(sequences)
