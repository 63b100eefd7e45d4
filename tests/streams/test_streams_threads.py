"""Threads step streams of one model side by side; of one stream, each keeps the others out."""

import copy
import functools
import pickle
import threading
import time

import numpy as np
import pytest
from test_streams import STEPS, N, assert_same_state, classifier, draw, fitted

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def test_threads_drive_streams_of_one_model():
    model = classifier((24, 24), cell="gru", pooling="mean")
    X = draw(4, 400, seed=5)
    first = model.stream()
    streams = [first, copy.copy(first), model.stream(), copy.deepcopy(first)]
    answers = [[] for _ in streams]
    barrier = threading.Barrier(len(streams))

    def drive(k):
        barrier.wait()
        for x in X[k]:
            answers[k].append(streams[k].step(x))

    threads = [threading.Thread(target=drive, args=(k,)) for k in range(len(streams))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(len(streams)):
        alone = model.stream()
        np.testing.assert_array_equal(answers[k], [alone.step(x) for x in X[k]])


class Slow:
    """Numbers that take until `go` to become an array."""

    def __init__(self, array):
        self.array, self.entered, self.go = array, threading.Event(), threading.Event()

    def __array__(self, dtype=None, copy=None):
        self.entered.set()
        assert self.go.wait(60)
        return self.array


def in_thread(use):
    """Begin to use something in a thread, which keeps what it raises."""
    caught = []

    def run():
        try:
            use()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, caught


def uses_of(stream, x):
    """All that can be done with a stream."""
    state = stream.state
    return {
        "step": lambda: stream.step(x),
        "step of a list": lambda: stream.step(x.tolist()),
        "step of what is refused": lambda: stream.step("no step"),
        "reset": stream.reset,
        "reset of one": lambda: stream.reset(0),
        "state": lambda: stream.state,
        "set": lambda: setattr(stream, "state", state),
        "setstate": lambda: stream.__setstate__(state),
        "copy": lambda: copy.copy(stream),
        "deepcopy": lambda: copy.deepcopy(stream),
        "pickle": lambda: pickle.dumps(stream),
    }


@pytest.mark.parametrize("kind", STEPS)
def test_while_a_step_is_converted_all_others_are_refused(kind):
    model, x = fitted(kind)
    stream, other = model.stream(N), model.stream(N)
    uses, slow = uses_of(stream, x), Slow(x)
    thread, caught = in_thread(lambda: stream.step(slow))
    assert slow.entered.wait(60)
    try:
        for use in uses.values():
            with pytest.raises(RuntimeError, match="another thread is using this stream: give"):
                use()
    finally:
        slow.go.set()
        thread.join()
    assert not caught
    other.step(x)
    assert_same_state(stream.state, other.state)
    for use in ("state", "copy", "step", "set", "reset"):  # all is well again
        uses[use]()
    assert_same_state(stream.state, model.stream(N).state)


def test_a_step_within_a_step_is_refused():
    stream = classifier().stream()
    x = draw()[0, 0]

    class Stepping:
        def __array__(self, dtype=None, copy=None):
            return stream.step(x)

    with pytest.raises(RuntimeError, match="another thread is using this stream"):
        stream.step(Stepping())
    assert not stream.state["n_steps"].any()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_conversions_that_fail_leave_the_stream_to_others(error):
    class Failing:
        def __array__(self, dtype=None, copy=None):
            raise error("on purpose")

    stream, other = classifier().stream(), classifier().stream()
    x = draw()[0, 0]
    for own in (stream, other):
        own.step(x)
    with pytest.raises((error, ValueError)):
        stream.step(Failing())
    with pytest.raises((error, ValueError)):
        stream.state = {**stream.state, "h_0": Failing()}
    assert_same_state(stream.state, other.state)
    np.testing.assert_array_equal(stream.step(x), other.step(x))


@pytest.mark.parametrize("between", ["step", "reset"])
def test_a_state_is_set_as_a_whole(between):
    model, x = fitted("numbers")
    stream = model.stream(N)
    stream.step(x)
    state = stream.state
    for name in state:
        stream.reset()
        slow = Slow(state[name])
        thread, caught = in_thread(
            functools.partial(setattr, stream, "state", {**state, name: slow})
        )
        assert slow.entered.wait(60)
        try:
            uses_of(stream, x)[between]()
        finally:
            slow.go.set()
            thread.join()
        assert not caught
        assert_same_state(stream.state, state)


def test_what_threads_see_is_of_one_step():
    n, n_steps = 1_000, 10
    model = classifier(64, pooling="mean")
    x = draw(n, 1)[:, 0]
    ahead = model.stream(n)
    known = [ahead.state]
    for _ in range(n_steps):
        ahead.step(x)
        known.append(ahead.state)
    stream, done = model.stream(n), threading.Event()

    def look(see):
        while not done.wait(0.001):
            try:
                state = see()
            except RuntimeError as error:
                assert "another thread is using" in str(error)
            else:
                assert_same_state(state, known[state["n_steps"][0]])

    looks = [
        lambda: stream.state,
        lambda: copy.copy(stream).state,
        lambda: pickle.loads(pickle.dumps(stream)).state,
    ]
    threads = [in_thread(functools.partial(look, see)) for see in looks]
    rows, begun = x.tolist(), 0
    try:
        while begun < n_steps:
            try:
                stream.step(rows if begun % 2 else x)
            except RuntimeError:
                time.sleep(0.001)
            else:
                begun += 1
    finally:
        done.set()
        for thread, _ in threads:
            thread.join()
    assert not any(caught for _, caught in threads)
    assert_same_state(stream.state, known[-1])


def test_threads_at_one_stream_do_whole_steps_or_none():
    model, n_steps = classifier(pooling="last"), 2000
    x = draw(1, 1)[0, 0]
    stream = model.stream()
    barrier = threading.Barrier(3, timeout=30)

    def drive():
        barrier.wait()
        done = 0
        while done < n_steps:
            try:
                stream.step(x)
            except RuntimeError as error:
                assert "another thread is using" in str(error)
            else:
                done += 1

    threads = [in_thread(drive) for _ in range(2)]
    drive()
    for thread, _ in threads:
        thread.join()
    assert not any(caught for _, caught in threads)
    alone = model.stream()
    for _ in range(3 * n_steps):
        alone.step(x)
    assert_same_state(stream.state, alone.state)
