"""Where a step's time goes, on devices that compute while Python has gone on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch


@dataclass
class Stopwatch:
    """Seconds spent in named parts of steps. It never waits for a GPU: what that has not finished is told later.

    Attributes:
        device: what computes.
    """

    device: torch.device
    _seconds: dict[str, float] = field(default_factory=dict)
    _pending: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = field(default_factory=list)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Count the time that what is computed inside takes to `name`."""
        if self.device.type == "cuda":
            begin, end = (_event() for _ in range(2))
            begin.record()
            yield
            end.record()
            self._pending.append((name, begin, end))
            return
        started = time.perf_counter()
        yield
        self._add(name, time.perf_counter() - started)

    def take(self) -> dict[str, float]:
        """The seconds by name that are known and were not taken before."""
        known = [entry for entry in self._pending if entry[2].query()]  # type: ignore[no-untyped-call]  # as below
        self._pending = self._pending[len(known) :]  # a stream finishes events in their order
        for name, begin, end in known:
            self._add(name, begin.elapsed_time(end) / 1000)
        taken, self._seconds = self._seconds, {}
        return taken

    def _add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch leaves its events untyped
