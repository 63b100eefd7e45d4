"""Models that read gaps and times, for the tests of what they are exported to."""

import numpy as np

from fastrnn import RNNClassifier

NAN = np.nan
CHOICES: dict = {
    "numbers": {},
    "ids": {"categorical_features": [2]},
    "gaps": {"missing": "mask"},
    "times": {"time_feature": 1},
    "gaps and times": {"missing": "mask", "time_feature": 1},
    "gaps and ids": {"missing": "mask", "categorical_features": [2]},
    "times and ids": {"time_feature": 1, "categorical_features": [2]},
    "all": {"missing": "mask", "time_feature": 1, "categorical_features": [2]},
    "decay": {"missing": "decay"},
    "decay and times": {"missing": "decay", "time_feature": 1},
    "decay and ids": {"missing": "decay", "time_feature": 1, "categorical_features": [2]},
    "times alone": {"time_feature": 1, "categorical_features": [0, 2, 3]},
}


def make(choice, factor=1, shift=0, **params):
    """A model and sequences of four columns: the second may have times, the third ids below 4.

    Numbers are such as float32 has.
    """
    params = {"hidden_layer_sizes": 5} | CHOICES[choice] | params
    rng = np.random.default_rng(3)
    X = []
    for length in (4, 1, 7, 2, 7, 1):
        x = np.float64(np.float32(rng.normal(size=(length, 4)) * factor + shift))
        x[:, params.get("categorical_features", [])] = rng.integers(4, size=(length, 1))
        if "missing" in params:
            x[rng.random(x.shape) < 0.3] = NAN
        if "time_feature" in params:
            x[:, 1] = 1e6 + np.cumsum(rng.integers(0, 9, length))
        X.append(x)
    X[2][:2, params.get("categorical_features", [])] = [[0], [3]]
    model = RNNClassifier(max_iter=1, n_iter_no_change=1, tol=9, random_state=0, **params)
    model.fit(X, [0, 1] * 3)
    theta = model.network_.theta
    theta[...] = 0.7 * np.random.default_rng(9).standard_normal(theta.shape)
    return model, X


def split(model, x):
    """Numbers, ids and times of a sequence; a missing id has the number after the last."""
    ids, time = list(model.reader_.columns.ids), model.reader_.gaps.time
    numbers = [j for j in range(x.shape[1]) if j not in (*ids, time)]
    of_ids = np.where(np.isnan(x[:, ids]), model.n_categories_, x[:, ids]).astype(np.int64)
    return x[:, numbers], of_ids, None if time is None else x[:, time]
