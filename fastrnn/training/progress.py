"""What training prints."""

import math
import shutil
import sys
import time

__all__ = ["Bar", "Progress"]


class Bar:
    """A bar on standard error, if that is a terminal: overwritten in place, and wiped at the end.

    It is drawn every 0.1 s at most, and never written to a file or pipe.
    """

    def __init__(self, is_wanted):
        self._is_there = bool(is_wanted) and sys.stderr is not None and sys.stderr.isatty()
        self._width, self._next = 0, time.perf_counter() + 0.1

    def draw(self, what, done, total, after=""):
        """Show how much is done of something."""
        if not self._is_there or time.perf_counter() < self._next:
            return
        n = 20 * done // total
        text = f"{what} [{'#' * n}{'.' * (20 - n)}] {done}/{total}{after}"
        text = text[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width, self._next = len(text), time.perf_counter() + 0.1

    def close(self):
        """Wipe it."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0


class Progress:
    """One line an epoch on standard output, and a bar, wiped before anything else is printed."""

    def __init__(self, settings):
        self.settings, self.verbose = settings, bool(settings.verbose)
        self.loss = math.nan  # of the last minibatch
        self._bar = Bar(self.verbose)

    def start_epoch(self, epoch, n_minibatches):
        """Start the clock and the bar of an epoch, counted from 1."""
        is_again = epoch > self.settings.max_iter
        most = self.settings.most_epochs if is_again else self.settings.max_iter
        self._epoch, self._most, self._n_minibatches = epoch, most, n_minibatches
        self._started = time.perf_counter()

    def minibatch(self, number, loss):
        """Move the bar; `number`, from 1, is done."""
        self.loss = loss
        what = f"epoch {self._epoch}/{self._most}"
        self._bar.draw(what, number, self._n_minibatches, f"  loss {loss:.6g}")

    def end_epoch(self, history):
        """Print the line of the epoch, the last entry of the history, if verbose."""
        score = ""
        if history.validation_scores:
            score = f"  validation score {history.validation_scores[-1]:.4f}"
        self.note(
            f"epoch {self._epoch:{len(str(self._most))}}/{self._most}"
            f"  loss {history.loss:.6f}{score}"
            f"  gradient norm {history.gradient_norms[-1]:.3g}"
            f"  {time.perf_counter() - self._started:.2f} s"
        )

    def note(self, text):
        """Print a line, if verbose."""
        if self.verbose:
            self.close()
            print(text, flush=True)

    def close(self):
        """Wipe the bar."""
        self._bar.close()
