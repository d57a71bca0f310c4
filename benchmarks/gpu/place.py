"""Where sections of `benchmarks.gpu` work: a GPU; or, where tests run them, whatever else kernels run on."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gpu.report import GPU, Report
from fractalvid.kernels import Jobs
from fractalvid.kernels.cuda import cupy_device
from fractalvid.kernels.cuda.device import Array, Device, to_device
from fractalvid.kernels.jobs import fused_variation

RUNS = 7
PAUSE = 20_000_000
"""Cycles for which the GPU waits while the host queues the work that is timed: about ten milliseconds."""


@dataclass(frozen=True)
class Place:
    """A device by both of its names.

    Attributes:
        kernels: what the kernels run on.
        torch: PyTorch's name of it; where that is no GPU, times are the host's.
    """

    kernels: Device
    torch: torch.device

    def wait(self) -> None:
        """Until all that was queued is done."""
        if self.torch.type == "cuda":
            torch.cuda.synchronize(self.torch)

    def seconds(self, work: Callable[[], Any], runs: int = RUNS) -> float:
        """What `work` takes on the device: the median of `runs` calls, after one that is not counted."""
        work()
        self.wait()
        timed = _between_events if self.torch.type == "cuda" else _on_the_clock
        return statistics.median(timed(work) for _ in range(runs))

    def to_host(self, array: Array) -> NDArray[Any]:
        """An array of the device's in the host's memory."""
        if isinstance(array, np.ndarray):
            return array
        with self.kernels.stream():  # on another, the copy would not wait for what it copies
            return np.asarray(self.kernels.xp.asnumpy(array))

    def moved(self, jobs: Jobs) -> Jobs:
        """Jobs on the device; which are fused is said by the host, as everywhere."""
        fused = fused_variation(jobs.variation, jobs.amount, jobs.weights)
        return to_device(self.kernels, replace(jobs, fused=fused))


def gpu(index: int) -> Place:
    """The GPU of that number."""
    torch.cuda.set_device(index)
    torch.cuda.init()  # type: ignore[no-untyped-call]  # from here on kernels follow PyTorch's stream
    return Place(cupy_device.device(index), torch.device("cuda", index))


def begin(report: Report, index: int) -> Place:
    """The GPU of that number, and a row that says what it is."""
    place = gpu(index)
    about = torch.cuda.get_device_properties(place.torch)
    versions = {"torch": torch.__version__, "cupy": str(place.kernels.xp.__version__), "cuda": str(torch.version.cuda)}
    capability = f"{about.major}.{about.minor}"
    numbers: dict[str, Any] = {
        "name": about.name,
        "capability": capability,
        "multiprocessors": about.multi_processor_count,
    }
    shown = f"{about.name}, compute capability {capability}, {about.multi_processor_count} multiprocessors; "
    report.add(GPU, shown + ", ".join(f"{name} {number}" for name, number in versions.items()), **numbers | versions)
    return place


def missing(index: int) -> str | None:
    """Why there is no GPU of that number to measure, in one line; None where there is."""
    return cupy_device.missing(index) or (None if torch.cuda.is_available() else "no GPU is used: PyTorch sees none")


def _on_the_clock(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _between_events(work: Callable[[], Any]) -> float:
    first, last = _event(), _event()
    # While the GPU waits, the host queues the work, so that the host's own time is not measured.
    torch.cuda._sleep(PAUSE)  # type: ignore[no-untyped-call]
    first.record()
    work()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last)) / 1e3


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
