"""Threads over shards: order, errors, forks, and BLAS left as it was found."""

import os
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from layer_cases import let_directions_meet
from processes import CAN_FORK, TEAMS, answer_of_a_forked_child, run_script

from fastrnn.kernels import vector_math
from fastrnn.kernels.handover import OneThread
from fastrnn.layers import LSTM
from fastrnn.network import one_direction, threads

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


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_the_error_of_the_first_item_that_fails_is_raised(n_jobs):
    def fail(item):
        time.sleep(0.02 * (item == 1))  # the others fail earlier
        if item:
            raise ZeroDivisionError(f"item {item}")

    for _ in range(3):
        with pytest.raises(ZeroDivisionError, match="item 1"):
            threads.run(fail, range(6), n_jobs)


def test_after_an_error_all_calls_are_ended_and_none_is_begun():
    begun, ended = [], []
    both = threading.Barrier(2, timeout=30)

    def fail(item):
        begun.append(item)
        both.wait()
        if item == 0:
            raise ZeroDivisionError
        time.sleep(0.05)
        ended.append(item)

    with pytest.raises(ZeroDivisionError):
        threads.run(fail, range(10), 2)
    assert sorted(begun) == [0, 1]
    assert ended == [1]


def send_interrupt(seconds):
    """Press Ctrl-C after a while."""
    # The background jobs of a shell ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.parametrize("caller_is_busy", [True, False])
def test_ctrl_c_is_raised_when_all_calls_have_ended(caller_is_busy):
    ended = []
    both = threading.Barrier(2, timeout=30)

    def call(item):
        both.wait()
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.3)
            ended.append(item)
        elif caller_is_busy:
            time.sleep(10)

    send_interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        threads.run(call, range(2), 2)
        time.sleep(10)
    assert len(ended) == 1
    assert threads.run(abs, [-1, -2], 2) == [1, 2]


@pytest.fixture
def interrupted(monkeypatch):
    """Call something again and again, and raise KeyboardInterrupt at another place each time.

    The places are all instructions of Python in fastrnn.network.threads, one after the other. Real
    Ctrl-C comes at some of them, and at no others. The result is at how many.
    """

    def call_everywhere(call, check):
        # The first time without an interrupt: Python 3.12 tells of opcodes from the second on.
        for place in range(-1, 1000):
            left = place + 1

            def trace(frame, event, argument):
                nonlocal left
                if frame.f_code.co_filename != threads.__file__:
                    return None
                frame.f_trace_opcodes = True
                if event == "opcode":
                    left -= 1
                    if left == 0:
                        raise KeyboardInterrupt
                return trace

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                call()
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(before)
            check()
            if left > 0:
                return place
        raise AssertionError("there is no end to it")

    monkeypatch.setattr(threads, "_count_processors", lambda: 16)
    monkeypatch.setattr(threads, "_pool", threads.Pool(threads._start_thread))
    threads.run(abs, range(3), 3)  # threads are there
    return call_everywhere


@pytest.mark.parametrize("kind", ["own", "blas"])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_an_interrupt_anywhere_leaves_threads_and_blas_as_they_were(
    interrupted, monkeypatch, n_jobs, kind
):
    monkeypatch.setattr(threads, "products", lambda: kind)
    count = []
    monkeypatch.setattr(threads, "single_blas_thread", OneThread(lambda: (count.append, lambda: 5)))

    def check():
        assert threads._pool.n_working == 0
        assert threads.single_blas_thread.users == 0
        assert count == [1, 5] * (len(count) // 2)

    n_places = interrupted(lambda: threads.run(abs, [-1, -2, -3], n_jobs), check)
    assert n_places > 10
    assert bool(count) == (kind == "blas")
    both = threading.Barrier(3, timeout=30)
    assert sorted(threads.run(lambda item: both.wait(), range(3), 3)) == [0, 1, 2]
    assert len(fastrnn_threads()) >= 2


@TEAMS
def test_an_interrupt_anywhere_leaves_teams_as_they_were(interrupted, monkeypatch):
    sizes = []

    def call_together(kernel, arguments, handovers, watch):
        sizes.append((len(handovers) + 1, watch))
        return True

    monkeypatch.setattr(threads, "call_together", call_together)

    def check():
        assert threads._pool.n_working == 0

    assert interrupted(lambda: threads.Team(3).call(len, [1]), check) > 10
    assert set(sizes) == {(3, threads.WATCH_NANOSECONDS)}


def fastrnn_threads():
    """The threads that wait for work."""
    return {thread for thread in threading.enumerate() if thread.name == "fastrnn"}


def test_threads_are_kept():
    barrier = threading.Barrier(3, timeout=30)
    threads.run(lambda item: barrier.wait(), range(3), 3)
    kept = fastrnn_threads()
    assert len(kept) >= 2
    for _ in range(10):
        threads.run(lambda item: barrier.wait(), range(3), 3)
    assert fastrnn_threads() == kept


def test_several_threads_may_call_at_once():
    def many(offset):
        for _ in range(50):
            wanted = list(range(offset, offset + 5))
            assert threads.run(lambda item: item, wanted, 3) == wanted
        return offset

    assert threads.run(many, range(4), 4) == [0, 1, 2, 3]
    assert threads._pool.n_working == 0


def test_counts_are_right_however_threads_come_and_go():
    # Only without a GIL can one come between the steps of another.
    pool, count = threads.Pool(threads._start_thread), []
    blas = OneThread(lambda: (count.append, lambda: 5))
    barrier = threading.Barrier(4, timeout=30)

    def come_and_go(k):
        barrier.wait()
        for _ in range(1000):
            pool.use(k % 3, 16, 0, lambda handovers, watch: blas.call(len, handovers))

    others = [threading.Thread(target=come_and_go, args=(k,)) for k in range(1, 4)]
    for other in others:
        other.start()
    come_and_go(0)
    for other in others:
        other.join()
    assert (pool.n_working, blas.users) == (0, 0)
    assert count == [1, 5] * (len(count) // 2)


def test_what_was_worked_on_is_let_go():
    class Memory:
        pass

    memory = Memory()
    gone = weakref.ref(memory)
    both = threading.Barrier(2, timeout=30)
    threads.run(lambda item, memory=memory: both.wait(), range(2), 2)
    del memory
    assert gone() is None


def test_no_one_watches_where_processors_are_short():
    pool = threads.Pool(threads._start_thread)

    def watched(n, call):
        return pool.use(n, 4, 1000, lambda handovers, watch: (watch, call()))

    # The caller is one of those who work.
    assert watched(3, lambda: watched(0, lambda: pool.n_working)) == (1000, (0, 5))
    assert watched(2, lambda: watched(0, lambda: pool.n_working)) == (1000, (1000, 4))
    assert watched(4, lambda: pool.n_working) == (0, 5)
    assert pool.n_working == 0


def test_work_is_done_though_no_thread_can_be_started(monkeypatch):
    def fail():
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_pool", threads.Pool(fail))
    assert threads.run(abs, [-1, -2, -3], 3) == [1, 2, 3]


def test_small_work_stays_in_the_calling_thread(monkeypatch):
    monkeypatch.setattr(threads, "WORTHWHILE_FLOPS", 1000)

    def slow(item):
        time.sleep(0.01)
        return threading.get_ident()

    assert set(threads.run(slow, range(8), 2, 999)) == {threading.get_ident()}
    both = threading.Barrier(2, timeout=30)
    threads.run(lambda item: both.wait(), range(2), 2, 1000)


def test_idle_threads_use_no_processor():
    spent = run_script(
        """
        import time
        from fastrnn.network import threads

        threads.run(time.sleep, [0.01] * 4, 2)
        time.sleep(0.05)
        start = time.process_time()
        time.sleep(1)
        print(time.process_time() - start)
        """
    )
    assert float(spent) < 0.02


@pytest.mark.parametrize("left", ["nothing", "work", "calls"])
def test_threads_do_not_delay_or_disturb_the_end_of_the_program(left):
    """Whatever is left when it ends: threads that watch, work that goes on, or calls of `run`."""
    run_script(
        f"""
        import threading, time
        from fastrnn.network import threads

        def call_for_ever():
            while True:
                threads.run(abs, range(4), 2)

        threads.run(abs, range(4), 2)
        if "{left}" == "work":
            start = lambda: threads.run(time.sleep, [100, 100], 2)
            threading.Thread(target=start, daemon=True).start()
            time.sleep(0.1)
        elif "{left}" == "calls":
            threading.Thread(target=call_for_ever, daemon=True).start()
            time.sleep(0.1)
        """
    )


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
        with threads.single_blas_thread:
            assert get_threads() == 1
            with threads.single_blas_thread:
                assert get_threads() == 1
            assert get_threads() == 1
        assert get_threads() == 2
        with pytest.raises(KeyError), threads.single_blas_thread:
            raise KeyError
        assert get_threads() == 2
        inside = 1 if vector_math.products() == "blas" else 2  # where no BLAS runs, all stays
        assert threads.run(lambda item: get_threads(), range(2), 2) == [inside, inside]
        assert get_threads() == 2
    finally:
        set_threads(found)


def send_blas_threads(connection):
    _, get_threads = threads._blas_thread_functions()
    found = get_threads()
    with threads.single_blas_thread:
        inside = get_threads()
    connection.send((threads.single_blas_thread.users, found, inside, get_threads()))
    connection.close()


def run_layer():
    x = np.random.default_rng(0).standard_normal((5, 64, 3))
    return LSTM(3, 4, dtype="float64", random_state=0).forward(x, n_jobs=2)[0]


def send_layer(connection):
    connection.send(run_layer())
    connection.close()


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
        with threads.single_blas_thread:
            answer = answer_of_a_forked_child(send_blas_threads)
        assert answer == (0, 2, 1, 2)
    finally:
        set_threads(found)


@CAN_FORK
def test_children_forked_while_others_predict_and_fit_can_do_so_too():
    # Whatever lock a thread holds at that moment, the child would wait for it for ever.
    run_script(
        """
        import os, signal, sys, threading, warnings
        import numpy as np
        from fastrnn import RNNClassifier
        from fastrnn.network import threads

        warnings.simplefilter("ignore")
        threads.WORTHWHILE_FLOPS = 1  # threads share even this
        sys.setswitchinterval(1e-6)
        X, y = [np.ones((3 + k % 2, 2)) * k for k in range(32)], np.arange(32) % 2
        model = RNNClassifier(2, max_iter=1, random_state=0, n_jobs=2).fit(X, y)
        expected, over = model.predict_proba(X), threading.Event()

        def work():
            while not over.is_set():
                model.predict_proba(X)

        worker = threading.Thread(target=work)
        worker.start()
        for k in range(200):
            child = os.fork()
            if not child:
                signal.alarm(20)  # is the end of one that hangs
                same = (model.predict_proba(X) == expected).all()
                RNNClassifier(2, max_iter=1, n_jobs=2).fit(X, y)
                os._exit(not same)
            if status := os.waitpid(child, 0)[1]:
                break
        over.set()
        worker.join()
        assert status == 0, f"child {k} ended with {os.waitstatus_to_exitcode(status)}"
        """
    )


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


def test_both_directions_run_at_once(monkeypatch):
    layer = LSTM(3, 4, bidirectional=True, random_state=0)
    let_directions_meet(monkeypatch)
    y, _ = layer.forward(np.ones((5, 1, 3)), training=True, n_jobs=2)
    layer.backward(np.ones_like(y))


def test_inference_is_cut_only_where_each_thread_has_enough_to_do(monkeypatch):
    layer = LSTM(3, 4, random_state=0)
    shards = []
    forward = one_direction.forward
    monkeypatch.setattr(
        one_direction, "forward", lambda *a, **k: (shards.append(1), forward(*a, **k))[1]
    )
    x = np.ones((5, 64, 3))
    flops = 2 * 5 * 64 * (3 + 4) * 16
    for worthwhile, n_shards in (flops, 1), (flops / 2, 2), (flops / 3, 3), (flops / 9, 4):
        shards.clear()
        monkeypatch.setattr(threads, "WORTHWHILE_FLOPS", worthwhile)
        layer.forward(x, n_jobs=4)
        assert len(shards) == (4 if vector_math.products() == "blas" else n_shards)


@pytest.mark.parametrize("n_sequences", [1, 40])
def test_what_becomes_of_x_and_y_does_not_matter_to_backward(n_sequences):
    layer = LSTM(3, 8, dtype="float64", random_state=0)
    original = np.random.default_rng(0).standard_normal((20, n_sequences, 3))
    gradients = []
    for spoil in False, True:
        x = original.copy()
        y, (h, c) = layer.forward(x, training=True)
        if spoil:
            for array in x, y, h, c:
                array.fill(np.nan)
        dx, _ = layer.backward(np.ones_like(y))
        gradients.append([dx, *(grad.copy() for grad in layer.grads.values())])
    for array, spoilt in zip(*gradients, strict=True):
        np.testing.assert_array_equal(array, spoilt)
