"""What training prints."""

import math
import shutil
import sys
import time

__all__ = ["Progress"]


class Progress:
    """One line an epoch on standard output; on a terminal also a bar on standard error.

    The bar is overwritten in place, wiped before anything else is printed, and never written to
    a file or pipe.
    """

    def __init__(self, settings):
        self.verbose, self.max_iter = bool(settings.verbose), settings.max_iter
        self.loss = math.nan  # of the last minibatch
        self._bar = self.verbose and sys.stderr is not None and sys.stderr.isatty()
        self._bar_width = 0

    def start_epoch(self, epoch, n_minibatches):
        """Start the clock and the bar of an epoch, counted from 1."""
        self._epoch, self._n_minibatches = epoch, n_minibatches
        self._started = time.perf_counter()
        self._next_draw = self._started + 0.1

    def minibatch(self, number, loss):
        """Move the bar, not more often than every 0.1 s; `number`, from 1, is done."""
        self.loss = loss
        if not self._bar or time.perf_counter() < self._next_draw:
            return
        done = 20 * number // self._n_minibatches
        text = (
            f"epoch {self._epoch}/{self.max_iter} [{'#' * done}{'.' * (20 - done)}] "
            f"{number}/{self._n_minibatches}  loss {loss:.6g}"
        )[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write("\r" + text.ljust(self._bar_width))
        sys.stderr.flush()
        self._bar_width = len(text)
        self._next_draw = time.perf_counter() + 0.1

    def end_epoch(self, history):
        """Print the line of the epoch, the last entry of the history, if verbose."""
        score = ""
        if history.validation_scores:
            score = f"  validation score {history.validation_scores[-1]:.4f}"
        self.note(
            f"epoch {self._epoch:{len(str(self.max_iter))}}/{self.max_iter}"
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
        if self._bar_width:
            sys.stderr.write("\r" + " " * self._bar_width + "\r")
            sys.stderr.flush()
            self._bar_width = 0
