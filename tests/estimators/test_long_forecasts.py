"""Long series and far horizons: work that is bounded, that shows how far it is, and that ends."""

import io
import signal
import sys
import threading
from itertools import count

import numpy as np
import pytest

from fastrnn import RNNForecaster
from fastrnn.estimators.surveys import MOST_READ, cuts_of

LONG = 10**6
WAVE = np.sin(np.arange(60) / 5)


@pytest.mark.parametrize("lengths", [[2**19], [2**18, 2**18, 40], [2**31], [2**14], [300, 30]])
def test_origins_do_not_read_without_end(lengths):
    step = cuts_of(RNNForecaster(), lengths).origin_step
    read = sum(n * n for n in lengths) / (2 * step)
    assert read <= 1.01 * MOST_READ
    if max(lengths) == 2**14:
        assert step == 4  # as ever
    assert cuts_of(RNNForecaster(origin_step=3), lengths).origin_step == 3


@pytest.fixture(scope="module")
def forecaster():
    model = RNNForecaster(4, horizon=3, likelihood=None, max_iter=1, random_state=0)
    return model.set_params(learning_rate="cosine").fit(WAVE)


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_ctrl_c_is_heard_far_ahead(strategy):
    model = RNNForecaster(4, strategy=strategy, quantiles=None, max_iter=1, random_state=0)
    model.set_params(learning_rate="cosine").fit(WAVE)
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            model.predict(LONG)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("verbose", [False, True])
def test_far_ahead_a_bar_shows_how_far(forecaster, verbose, monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    clock = count()
    monkeypatch.setattr("fastrnn.training.progress.time.perf_counter", lambda: next(clock))
    model = RNNForecaster(**forecaster.get_params() | {"verbose": verbose, "max_iter": 1})
    vars(model).update({k: v for k, v in vars(forecaster).items() if k.endswith("_")})
    assert np.array_equal(model.predict(30), forecaster.predict(30))
    shown = sys.stderr.getvalue()
    if verbose:
        assert "\rforecast [" in shown and " 15/30" in shown
        assert shown.endswith("\r") and not shown.split("\r")[-2].strip()  # and is wiped
    else:
        assert shown == ""
