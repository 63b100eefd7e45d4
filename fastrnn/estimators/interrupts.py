"""Ctrl-C where several processes train one model: it waits for a place at which all can stop."""

import signal
import threading
from typing import Any, NoReturn, Self


class NotedInterrupts:
    """Notes Ctrl-C in the place of raising it where it could be lost, or leave others alone.

    `stop` raises it. Where it comes after the last call of that it is raised on leaving.
    """

    def __enter__(self) -> Self:
        self.seen, self._is_told = False, False
        self._before: Any = None  # what Python had to do
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            if self.seen and not self._is_told and error[0] is None:
                signal.raise_signal(signal.SIGINT)

    def stop(self) -> NoReturn:
        """Raise what was noted, here or in another process."""
        self._is_told = True
        raise KeyboardInterrupt

    def _note(self, *signal_and_frame: object) -> None:
        self.seen = True
