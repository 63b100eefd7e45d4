"""Threads over shards: order, errors, forks, and BLAS left as it was found."""

import multiprocessing
import os
import sys
import threading
import time

import numpy as np
import pytest

from fastrnn import threads
from fastrnn.layers import LSTM

CAN_FORK = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin", reason="forking is not safe here"
)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning"),  # JAX's, if a test imported it
]


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 4, -1])
def test_results_come_in_the_order_of_the_items(n_jobs):
    def slow_first(item):
        time.sleep(0.01 * (item == 0))
        return item * item

    assert threads.run(slow_first, range(5), n_jobs) == [0, 1, 4, 9, 16]


def test_items_run_side_by_side():
    barrier = threading.Barrier(2, timeout=30)
    assert threads.run(lambda item: barrier.wait() >= 0, range(2), 2) == [True, True]


def test_one_job_stays_in_the_calling_thread():
    calling = threading.get_ident()
    assert threads.run(lambda item: threading.get_ident(), range(3), None) == [calling] * 3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_is_raised(n_jobs):
    def fail(item):
        if item == 1:
            raise ZeroDivisionError("item 1")
        return item

    with pytest.raises(ZeroDivisionError, match="item 1"):
        threads.run(fail, range(3), n_jobs)


def test_number_of_threads():
    available = threads.count_threads(-1)
    assert available >= 1
    assert threads.count_threads(None) == 1
    assert threads.count_threads(np.int64(3)) == 3
    assert threads.count_threads(-available) == 1
    assert threads.count_threads(-1000) == 1


@pytest.mark.parametrize(
    ("n_jobs", "error"), [(0, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)]
)
def test_wrong_number_of_jobs(n_jobs, error):
    with pytest.raises(error, match="n_jobs"):
        threads.count_threads(n_jobs)


def test_blas_runs_on_one_thread_inside_and_as_before_afterwards():
    functions = threads._blas_thread_functions()
    if functions is None:
        pytest.skip("the BLAS under scipy has no known function for its number of threads")
    set_threads, get_threads = functions
    found = get_threads()
    try:
        set_threads(2)
        if get_threads() != 2:
            pytest.skip("this BLAS is built for one thread")
        with threads.single_blas_thread():
            assert get_threads() == 1
            with threads.single_blas_thread():
                assert get_threads() == 1
            assert get_threads() == 1
        assert get_threads() == 2
        with pytest.raises(KeyError), threads.single_blas_thread():
            raise KeyError
        assert get_threads() == 2
        assert threads.run(lambda item: get_threads(), range(2), 2) == [1, 1]
        assert get_threads() == 2
    finally:
        set_threads(found)


def send_blas_threads(connection):
    _, get_threads = threads._blas_thread_functions()
    found = get_threads()
    with threads.single_blas_thread():
        inside = get_threads()
    connection.send((threads.single_blas_thread.users, found, inside, get_threads()))
    connection.close()


def run_layer():
    x = np.random.default_rng(0).standard_normal((5, 64, 3))
    return LSTM(3, 4, dtype="float64", random_state=0).forward(x, n_jobs=2)[0]


def send_layer(connection):
    connection.send(run_layer())
    connection.close()


def answer_of_a_forked_child(target):
    """What a function sends from a forked child."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=target, args=(sender,))
    child.start()
    try:
        assert receiver.poll(60), "the child hangs"
        return receiver.recv()
    finally:
        child.kill()
        child.join()


@CAN_FORK
def test_a_forked_child_can_use_threads_too():
    expected = run_layer()
    np.testing.assert_array_equal(answer_of_a_forked_child(send_layer), expected)


@CAN_FORK
def test_a_child_forked_in_the_middle_of_work_begins_anew():
    functions = threads._blas_thread_functions()
    if functions is None:
        pytest.skip("the BLAS under scipy has no known function for its number of threads")
    set_threads, get_threads = functions
    found = get_threads()
    try:
        set_threads(2)
        if get_threads() != 2:
            pytest.skip("this BLAS is built for one thread")
        with threads.single_blas_thread():
            answer = answer_of_a_forked_child(send_blas_threads)
        assert answer == (0, 2, 1, 2)
    finally:
        set_threads(found)


def test_threads_may_share_a_layer():
    layer = LSTM(3, 8, random_state=0)
    inputs = [np.random.default_rng(k).standard_normal((20, 5 + k, 3)) for k in range(8)]
    expected = [layer.forward(x)[0] for x in inputs]
    for _ in range(5):
        outputs = threads.run(lambda x: layer.forward(x)[0], inputs, 4)
        for y, wanted in zip(outputs, expected, strict=True):
            np.testing.assert_array_equal(y, wanted)


def test_forward_between_forward_and_backward_changes_nothing():
    layer = LSTM(3, 8, dtype="float64", random_state=0)
    x, other = np.random.default_rng(0).standard_normal((2, 20, 40, 3))
    layer.forward(x, training=True)
    dx, _ = layer.backward(np.ones((20, 40, 8)))
    layer.forward(x, training=True)
    layer.forward(other)
    again, _ = layer.backward(np.ones((20, 40, 8)))
    np.testing.assert_array_equal(again, dx)
