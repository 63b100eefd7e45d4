"""Ctrl-C while a network is trained."""

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from plain_network import STOCHASTIC, MeanNetwork, fit, problem, start

from fastrnn.training import full_batch, loop, objective, solvers, stopping


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_interrupt_keeps_what_was_learned(solver):
    # 5 minibatches an epoch: call 13 is the third of epoch 3.
    until, thetas = MeanNetwork(3, 2), []
    until.before_call = lambda call: thetas.append(until.theta.copy())
    _, whole = fit(until, solver=solver, tol=0.0)

    network = MeanNetwork(3, 2)

    def press(call):
        if call == 13:
            raise KeyboardInterrupt

    network.before_call = press
    with pytest.warns(UserWarning, match=r"interrupted in epoch 3 at a loss of 0\.\d+.*is kept"):
        _, history = fit(network, solver=solver, tol=0.0)
    assert_array_equal(network.theta, thetas[12])
    assert history.loss_curve == whole.loss_curve[:2]
    assert history.gradient_norms == whole.gradient_norms[:2]
    assert (history.n_iter, history.t) == (2, 46)


def test_interrupt_in_the_first_epoch():
    network = MeanNetwork(3, 2)

    def press(call):
        raise KeyboardInterrupt

    network.before_call = press
    with pytest.warns(UserWarning, match="interrupted in epoch 1 at a loss of nan"):
        _, history = fit(network)
    assert_array_equal(network.theta, 0.0)
    assert history.loss_curve == history.gradient_norms == []
    assert history.n_iter == history.t == 0
    assert math.isnan(history.loss)
    assert history.best_loss == math.inf


def test_interrupt_restores_the_best_of_early_stopping():
    network, thetas, left = MeanNetwork(3, 2), [], [0.5, 0.9, 0.7]

    def validate():
        thetas.append(network.theta.copy())
        if not left:
            raise KeyboardInterrupt
        return left.pop(0)

    with pytest.warns(UserWarning, match="interrupted in epoch 4"):
        _, history = fit(network, validate=validate, early_stopping=True)
    assert_array_equal(network.theta, thetas[1])
    assert history.validation_scores == [0.5, 0.9, 0.7]
    assert len(history.loss_curve) == len(history.gradient_norms) == 3


@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_interrupt_at_any_line_leaves_whole_steps(solver):
    # The k-th line of the loop, of the solver or of the stopping criterion raises, for every k.
    modules = (loop, objective, full_batch, stopping, solvers)
    files = {module.__file__ for module in modules}
    options = {"solver": solver, "batch_size": 12, "max_iter": 2, "tol": 0.0}

    def fit_until(event):
        network, whole, left, state = MeanNetwork(3, 2), [], iter([1.0, 2.0, 3.0]), start()
        network.before_call = lambda call: whole.append(network.theta.copy())
        seen = 0

        def trace(frame, kind, argument):
            nonlocal seen
            if frame.f_code.co_filename not in files:
                return None
            if kind == "line":
                seen += 1
                if seen == event:
                    raise KeyboardInterrupt
            return trace

        def validate():
            whole.append(network.theta.copy())
            return next(left)

        old = sys.gettrace()
        sys.settrace(trace)
        try:
            _, history = fit(
                network, validate=validate, early_stopping=True, state=state, **options
            )
        finally:
            sys.settrace(old)
        return network.theta, history, state, whole, seen

    *_, steps, n_lines = fit_until(None)
    assert n_lines > 60
    n_kept = 0
    for event in range(1, n_lines + 1):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Training was interrupted")
                theta, history, state, _, _ = fit_until(event)
        except KeyboardInterrupt:
            continue  # before the first step, or after the last
        n_kept += 1
        assert any(np.array_equal(theta, step) for step in steps), event
        assert history.n_iter == len(history.gradient_norms) == len(history.validation_scores)
        assert (state.epoch, state.t) == (history.n_iter, history.t), event
    assert n_kept > 0.7 * n_lines


def test_interrupt_of_lbfgs_goes_back_to_the_last_iterate():
    # What is interrupted is a trial of the line search: its point is not kept.
    sequences, target, weight = problem()
    data = sequences, (target[:, 0] > 0.5).astype(np.int64), weight
    settings = {"solver": "lbfgs", "tol": 0.0}
    network = MeanNetwork(3, 2, loss="log_loss", alpha=0.1)
    _, whole = fit(network, data, max_iter=3, **settings)
    n_calls = len(network.calls)

    again = MeanNetwork(3, 2, loss="log_loss", alpha=0.1)

    def press(call):
        if call > n_calls:
            raise KeyboardInterrupt

    again.before_call = press
    with pytest.warns(UserWarning, match=r"interrupted in epoch 4 at a loss of 0\.\d+"):
        _, history = fit(again, data, max_iter=30, **settings)
    assert_array_equal(again.theta, network.theta)
    assert history.loss_curve == whole.loss_curve


def test_a_signal_interrupts():
    # In a process of its own, with Python's own handler of SIGINT, whatever these tests inherited.
    program = """
import os, signal, sys, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from plain_network import MeanNetwork, fit
network = MeanNetwork(3, 2)
network.before_call = lambda call: call == 200 and os.kill(os.getpid(), signal.SIGINT)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    _, history = fit(network, max_iter=1000, tol=0.0, n_iter_no_change=1000)
assert any("interrupted in epoch 40" in str(warning.message) for warning in caught), caught
print(history.n_iter, history.t)
"""
    run = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "39 897\n"
