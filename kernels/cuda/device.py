"""The interface of a device that kernels run on, and how arrays get there.

Launchers use this interface and know neither CuPy nor a GPU (`cupy_device` does), so tests can run them on the same
sources compiled as C++. The host never reads what arrays on the device hold, for it would have to wait; `to_host` does.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.cuda.source import Module
from fractalvid.kernels.jobs import Jobs

Array = Any
"""An array of the device's own library, CuPy as a rule."""

THREADS = 256
"""Threads of a block, unless a kernel needs another number."""
MOST_BLOCKS = 2**16
"""Blocks of a launch whose threads take any number of items."""
WORD = 4
"""Bytes of a word, the unit that shared memory is counted in."""


class Device(Protocol):
    """What kernels run on.

    Attributes:
        xp: its array library, CuPy or one like it.
        shared_bytes: shared memory a block may have.
        blocks: enough blocks to keep it busy. A kernel that skips some of its jobs has no more, which share the jobs.
    """

    xp: ModuleType
    shared_bytes: int
    blocks: int

    def launch(
        self, module: Module, kernel: str, grid: tuple[int, int], block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        """Queue a kernel; `arguments` are arrays, or NumPy scalars of the parameters' types."""

    def stream(self) -> AbstractContextManager[Any]:
        """Inside, arrays are made and changed on the stream that kernels are queued on."""

    def scattering(self) -> Array:
        """The fixed permutations of columns of `fractalvid.kernels.cpu.walkers`, on the device."""


def launch_each(device: Device, module: Module, kernel: str, count: int, arguments: Sequence[Any]) -> None:
    """Queue a kernel whose threads share out `count` items, one each where that is possible."""
    blocks = max(1, min(-(-count // THREADS), MOST_BLOCKS))
    device.launch(module, kernel, (blocks, 1), THREADS, 0, arguments)


def to_device(device: Device, jobs: Jobs) -> Jobs:
    """The jobs with their arrays on the device, contiguous."""
    moved: dict[str, Any] = {
        field.name: None
        if getattr(jobs, field.name) is None
        else device.xp.ascontiguousarray(device.xp.asarray(getattr(jobs, field.name)))
        for field in fields(jobs)
    }
    return replace(jobs, **moved)


def to_host(device: Device, jobs: Jobs) -> Jobs:
    """The jobs with what is looked at in the host's memory; waits for the device."""
    named = ("weights", "variation", "amount", "projection")
    moved: dict[str, Any] = {name: getattr(jobs, name) for name in named}
    if any(not isinstance(array, np.ndarray) for array in moved.values()):
        moved = {name: device.xp.asnumpy(array) for name, array in moved.items()}
    return replace(jobs, **moved)


def uploaded(xp: ModuleType, *arrays: NDArray[Any]) -> list[Array]:
    """Arrays in the host's memory on the device, by one copy that nobody waits for: CuPy stages it in pinned memory."""
    ends = np.cumsum([-(-array.nbytes // 16) * 16 for array in arrays]).tolist()
    packed = np.empty(ends[-1], np.uint8)
    spans = [slice(start, start + array.nbytes) for start, array in zip([0, *ends], arrays, strict=False)]
    for span, array in zip(spans, arrays, strict=True):
        packed[span] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    moved = xp.asarray(packed)
    return [moved[span].view(array.dtype).reshape(array.shape) for span, array in zip(spans, arrays, strict=True)]


def blocks_where(device: Device, mask: Array | None, count: int, each: int = 1) -> tuple[int, tuple[Any, ...]]:
    """Blocks for `count` jobs of B clips, and the arguments WHERE of `portable.cuh`.

    Args:
        device: what the kernel runs on.
        mask: bool (B,), the clips whose jobs are wanted, or None for all.
        count: jobs, the same number for each clip.
        each: blocks a job.
    """
    if mask is None:
        return count, (pointer(None), np.int32(0), np.int32(count))
    return min(count, -(-device.blocks // each)), (mask, np.int32(count // len(mask)), np.int32(count))


def pointer(array: Array | None) -> Any:
    """An array, or a null pointer."""
    return np.uint64(0) if array is None else array
