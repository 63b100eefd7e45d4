"""What training prints."""

import io
import re
import sys

import numpy as np
import pytest
from plain_network import MeanNetwork, fit, scripted


class Terminal(io.StringIO):
    def isatty(self):
        return True


def screen(text):
    """Return the lines that stay on a terminal after \\r has overwritten them."""
    lines = []
    for line in text.split("\n"):
        cells = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


LINE = re.compile(r"epoch +\d+/10  loss \d\.\d{6}  gradient norm [\d.e-]+  \d+\.\d\d s")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_not_verbose_prints_nothing(monkeypatch, solver):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    fit(solver=solver, max_iter=2)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_verbose_prints_one_line_an_epoch(capsys, solver):
    _, history = fit(solver=solver, verbose=True, tol=0.0)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert "\r" not in out
    assert len(lines) == history.n_iter
    assert all(LINE.fullmatch(line) for line in lines), out
    assert f"epoch  2/10  loss {history.loss_curve[1]:.6f}" in lines[1]


def test_verbose_prints_the_score_and_why_training_stopped(capsys):
    left = [0.5, 0.25, 0.25]
    fit(early_stopping=True, validate=lambda: left.pop(0), verbose=True, n_iter_no_change=2)
    *_, last, reason = capsys.readouterr().out.splitlines()
    assert "  validation score 0.2500  gradient norm" in last
    assert reason == "Validation score did not improve by tol=0.0001 for 2 epochs. Stopping."


def test_verbose_prints_the_rate_that_adaptive_goes_to(capsys):
    fit(
        scripted([1.0] * 10),
        batch_size=23,
        learning_rate="adaptive",
        n_iter_no_change=4,
        verbose=True,
    )
    assert "Learning rate is now 0.01." in capsys.readouterr().out


def test_a_terminal_shows_a_bar_and_keeps_none(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    monkeypatch.setenv("COLUMNS", "80")
    fit(verbose=True, tol=0.0)
    text = terminal.getvalue()
    assert "\repoch 3/10 [############........] 3/5  loss 0." in text
    assert all(LINE.fullmatch(line) for line in screen(text)[:10]), screen(text)
    assert screen(text)[10:] == [""]


def test_the_bar_fits_the_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    monkeypatch.setenv("COLUMNS", "20")
    fit(verbose=True, max_iter=1)
    assert max(len(part) for part in terminal.getvalue().split("\r")) == 19


def test_the_bar_is_drawn_ten_times_a_second(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    ticks = iter(0.01 * np.arange(10**6))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    fit(verbose=True, max_iter=1, batch_size=1)
    assert 2 <= terminal.getvalue().count("[") <= 6


def test_the_bar_is_wiped_after_an_interrupt_and_an_error(monkeypatch):
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    for event in (KeyboardInterrupt, RuntimeError):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        network = MeanNetwork(3, 2)

        def press(call, event=event):
            if call == 4:
                raise event

        network.before_call = press
        expected = pytest.warns(UserWarning) if event is KeyboardInterrupt else pytest.raises(event)
        with expected:
            fit(network, verbose=True)
        assert "[" in terminal.getvalue()
        assert screen(terminal.getvalue()) == [""]


def test_the_bar_is_not_written_to_a_pipe(monkeypatch, capsys):
    monkeypatch.setattr("time.perf_counter", iter(range(10**6)).__next__)
    fit(verbose=True, max_iter=2)
    assert "[" not in "".join(capsys.readouterr())
