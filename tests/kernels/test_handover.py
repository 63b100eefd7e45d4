"""Handing calls to another thread: what becomes of one that nobody has begun."""

import threading

from fastrnn.kernels.handover import Handover, wait_for_all


def test_a_call_that_nobody_has_begun_is_taken_back():
    # Without that, who has done all the work himself would wait until a sleeping thread is awake.
    done, handover = [], Handover()
    for k in range(3):
        handover.begin(lambda k=k: done.append(k), 0)
        wait_for_all([handover], 0, False)  # where no thread serves, to wait would take for ever
    threading.Thread(target=handover.serve, daemon=True).start()
    for k in range(3, 6):
        handover.begin(lambda k=k: done.append(k), 0)
        wait_for_all([handover], 0)
    assert done == [3, 4, 5]


def test_a_call_that_was_begun_is_waited_for():
    begun, ended, handover = threading.Event(), [], Handover()
    threading.Thread(target=handover.serve, daemon=True).start()

    def call():
        begun.set()
        ended.append(threading.Event().wait(0.05))

    for _ in range(3):
        begun.clear()
        handover.begin(call, 0)
        begun.wait()
        wait_for_all([handover], 0, False)
    assert len(ended) == 3


def test_calls_are_begun_once_or_taken_back_however_they_meet():
    done, handover = [], Handover()
    threading.Thread(target=handover.serve, daemon=True).start()
    for k in range(20_000):
        handover.begin(lambda k=k: done.append(k), 1000 * (k % 2))
        wait_for_all([handover], 0, k % 3 == 0)
    assert done == sorted(set(done))
    assert set(range(0, 20_000, 3)) <= set(done)
