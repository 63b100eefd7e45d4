"""Teams: threads that run one call of a kernel together."""

import threading
import time

import numpy as np
import pytest
from processes import CAN_FORK, TEAMS, answer_of_a_forked_child, run_script

from fastrnn.kernels import recurrence
from fastrnn.kernels.team import call_together
from fastrnn.layers import LSTM
from fastrnn.network import threads

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning"),  # JAX's, if a test imported it
]


class TestTeams:
    @TEAMS
    def test_who_gets_one(self, monkeypatch):
        monkeypatch.setattr(threads, "_count_processors", lambda: 8)
        monkeypatch.setattr(threads, "MEMBER_CALL_FLOPS", 1e6)
        monkeypatch.setattr(threads, "MEMBER_STEP_FLOPS", 1e4)
        monkeypatch.setattr(threads, "MEMBER_UNITS", 32)
        for n_threads, n_steps, flops, n_units, size in [
            (4, 100, 1e9, 128, 4),  # as many as there are threads
            (1, 100, 1e9, 128, 1),
            (20, 100, 1e9, 1024, 8),  # or processors
            (4, 100, 3.9e6, 128, 3),  # or as pay at a step
            (4, 400, 3.9e6, 128, 1),
            (4, 10, 2.5e6, 128, 2),  # or in all
            (4, 10, 0.9e6, 128, 1),
            (4, 100, 1e9, 127, 3),  # or as have units
            (4, 100, 1e9, 20, 1),
        ]:
            assert threads.form_team(n_threads, n_steps, flops, n_units).size == size

    def test_on_blas_there_are_none(self, monkeypatch):
        monkeypatch.setattr(threads, "products", lambda: "blas")
        assert threads.form_team(4, 100, 1e12, 1024).size == 1

    @TEAMS
    @pytest.mark.parametrize("caller", [True, False])
    def test_an_error_lets_nobody_wait(self, caller):
        # Whoever is left waits for the other at the first step.
        run_script(
            f"""
            import threading
            import numpy as np
            from fastrnn.network import threads
            from fastrnn.layers import RNN

            threads.form_team = lambda *arguments: threads.Team(3)
            threads._count_processors = lambda: 16
            threads.TEAMS_REST = 0
            layer = RNN(3, 130, random_state=0)
            x = np.ones((20, 2, 3), dtype=np.float32)
            expected, _ = layer.forward(x)
            call_together = threads.call_together

            def call(kernel, arguments, *others):
                def fail(*arguments):
                    if (threading.current_thread() is threading.main_thread()) is {caller}:
                        raise ZeroDivisionError("a member's")
                    kernel(*arguments)
                return call_together(fail, arguments, *others)

            for _ in range(100):
                threads.call_together = call
                try:
                    layer.forward(x, n_jobs=3)
                except ZeroDivisionError as error:
                    assert str(error) == "a member's"
                else:
                    raise AssertionError
                threads.call_together = call_together
                assert (layer.forward(x, n_jobs=3)[0] == expected).all()
            assert threads._pool.n_working == 0
            """
        )

    @TEAMS
    def test_ctrl_c(self):
        run_script(
            """
            import os, signal, threading
            import numpy as np
            from fastrnn.network import threads
            from fastrnn.layers import LSTM

            signal.signal(signal.SIGINT, signal.default_int_handler)
            threads.form_team = lambda *arguments: threads.Team(2)
            threads._count_processors = lambda: 16
            threads.TEAMS_REST = 0
            layer = LSTM(3, 130, random_state=0)
            x = np.ones((20, 2, 3), dtype=np.float32)
            expected, _ = layer.forward(x)
            for k in range(30):
                timer = threading.Timer(0.01 + 0.001 * k, os.kill, (os.getpid(), signal.SIGINT))
                timer.start()
                try:
                    while True:
                        layer.forward(x, n_jobs=2)
                except KeyboardInterrupt:
                    pass
                assert (layer.forward(x, n_jobs=2)[0] == expected).all()
                assert threads._pool.n_working == 0
            """
        )

    def test_many_members_on_few_processors(self, teams):
        layer = LSTM(3, 600, random_state=0)
        x = np.random.default_rng(0).standard_normal((30, 2, 3))
        expected, _ = layer.forward(x)
        np.testing.assert_array_equal(layer.forward(x, n_jobs=12)[0], expected)
        assert teams == [12]

    def test_after_one_that_waited_there_are_none_for_a_while(self, teams, monkeypatch):
        monkeypatch.setattr(threads, "call_together", call_together)
        monkeypatch.setattr(threads, "TEAMS_REST", 1000)
        layer = LSTM(3, 70, random_state=0)
        callers = []
        forward = recurrence.cell_forward

        def slow(*arguments):
            callers.append(threading.current_thread())
            if callers[-1] is not threading.main_thread():
                time.sleep(0.3)
            forward(*arguments)

        monkeypatch.setattr(recurrence, "cell_forward", slow)
        x = np.ones((5, 2, 3))
        expected, _ = layer.forward(x)
        assert len(callers) == 1
        np.testing.assert_array_equal(layer.forward(x, n_jobs=2)[0], expected)
        assert len(callers) == 3
        np.testing.assert_array_equal(layer.forward(x, n_jobs=2)[0], expected)
        assert callers[3:] == [threading.main_thread()]
        threads._pool.no_teams_until = time.monotonic()
        layer.forward(x, n_jobs=2)
        assert len(callers) == 6

    def test_where_processors_are_taken_there_are_none(self, teams, monkeypatch):
        layer = LSTM(3, 70, random_state=0)
        x = np.ones((5, 2, 3))
        layer.forward(x, n_jobs=2)
        assert teams == [2]
        threads._pool.use(15, 16, 0, lambda *others: layer.forward(x, n_jobs=2))
        assert teams == [2]

    def test_work_is_done_though_no_thread_can_be_started(self, teams, monkeypatch):
        def fail():
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threads, "_pool", threads.Pool(fail))
        layer = LSTM(3, 70, random_state=0)
        expected, _ = layer.forward(np.ones((5, 2, 3)))
        np.testing.assert_array_equal(layer.forward(np.ones((5, 2, 3)), n_jobs=3)[0], expected)
        assert teams == []

    @CAN_FORK
    def test_a_forked_child_can_have_one_too(self, teams):
        expected = run_wide_layer(1)
        np.testing.assert_array_equal(run_wide_layer(2), expected)
        np.testing.assert_array_equal(answer_of_a_forked_child(send_wide_layer), expected)


def run_wide_layer(n_jobs):
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    return LSTM(3, 70, random_state=0).forward(x, n_jobs=n_jobs)[0]


def send_wide_layer(connection):
    connection.send(run_wide_layer(2))
    connection.close()
