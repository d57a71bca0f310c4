"""Ctrl-C that lets a training step finish first."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from fractalvid.pretrain.machine.collectives import any_of
from fractalvid.pretrain.machine.processes import is_main


class StopRequest:
    """Inside this context SIGINT and SIGTERM only set `requested`; a second one interrupts at once.

    Outside the main thread, where Python takes no handlers, signals keep their usual effect.
    """

    def __init__(self) -> None:
        """Nothing is requested yet."""
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def agreed(self) -> bool:
        """Whether any process was asked to stop; each has to ask this after the same step."""
        return any_of(self.requested)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if is_main():
            # Not by print, which a signal may have interrupted.
            with suppress(OSError):
                os.write(2, b"\nstopping after this step; once more stops at once\n")
