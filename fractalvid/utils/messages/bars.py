"""How progress bars look where standard error is no terminal: whole lines in a log, few of them."""

import sys
import time
from typing import Any, TextIO

PAUSE = 30.0
"""Seconds at least from one line of a bar to the next in a log."""


class _LogLines:
    """Takes what tqdm writes of one bar, and puts lines into a log: its state every `PAUSE`, and how it ended.

    tqdm moves the cursor back instead, which tears a log to fragments and glues messages to them. Messages that
    `tqdm.write` writes go past this file, since no bar has to make room for them.
    """

    def __init__(self, log: TextIO) -> None:
        """Lines go into `log`."""
        self.encoding = log.encoding  # by which tqdm chooses its characters
        self._log, self._state, self._shown = log, "", time.monotonic()

    def write(self, text: str) -> None:
        """A state after a carriage return, or the line feed after the last."""
        state = text.strip()
        if state:
            self._state = state
        ended = text.endswith("\n")
        if self._state and (ended or time.monotonic() - self._shown >= PAUSE):
            self._log.write(f"{self._state}\n")
            self._state, self._shown = "", time.monotonic()

    def flush(self) -> None:
        """Have the log show it."""
        self._log.flush()


def bar_options() -> dict[str, Any]:
    """What every `tqdm` is given, beside what it counts: nothing at a terminal, or in a notebook, which shows bars."""
    if sys.stderr.isatty() or "ipykernel" in sys.modules:
        return {}
    return {"file": _LogLines(sys.stderr), "mininterval": PAUSE}
