"""How the sections of `benchmarks.gpu` take times on the device, and what they report to."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

RUNS = 7
PAUSE = 20_000_000
"""Cycles for which the GPU waits while the host queues the work that is timed: about ten milliseconds."""


@dataclass
class Report:
    """Measurements as rows of a table (what, measured, wanted) and as numbers, and when time is up.

    Attributes:
        until: when the last section has to be done, on the clock `time.monotonic`.
        rows: the table so far.
        data: the numbers behind each row, by its first column.
    """

    until: float
    rows: list[list[str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def add(self, what: str, shown: str, wanted: str = "", **numbers: Any) -> None:
        """Add a row and print it."""
        self.rows.append([what, shown, wanted])
        self.data[what] = numbers or shown
        print(f"{what}: {shown}", flush=True)

    @property
    def left(self) -> float:
        """Seconds until time is up."""
        return self.until - time.monotonic()


def on_device(work: Callable[[], Any], runs: int = RUNS) -> float:
    """Seconds that `work` takes on the device: the median of `runs` calls, after one that is not counted."""
    work()
    torch.cuda.synchronize()
    seconds: list[float] = []
    for _ in range(runs):
        begin, end = _event(), _event()
        # While the GPU waits, the host queues the work, so that the host's own time is not measured.
        torch.cuda._sleep(PAUSE)  # type: ignore[no-untyped-call]
        begin.record()
        work()
        end.record()
        end.synchronize()
        seconds.append(begin.elapsed_time(end) / 1e3)
    return statistics.median(seconds)


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
