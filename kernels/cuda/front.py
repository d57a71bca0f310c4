"""Which backend answers, and the four kernels on a GPU for jobs that lie there or are brought there.

"auto" means the GPU for jobs whose arrays lie in its memory (CuPy's), and the CPU for all others: nothing is ever
copied to another memory unasked, and what a program gives does not depend on the machine having a GPU. "cuda" takes
NumPy's arrays too: they are copied there, and the results back. Where there is no GPU it says so in one line, and the
CPU answers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels import tone
from fractalvid.kernels.cuda import cupy_device as gpu
from fractalvid.kernels.cuda import game as launch
from fractalvid.kernels.cuda.device import to_device, to_host
from fractalvid.kernels.jobs import Jobs

Backend = Literal["auto", "cpu", "cuda", "reference"]


def backends() -> tuple[str, ...]:
    """Names of the backends that can run here."""
    return ("cpu", "reference") if gpu.missing() else ("cpu", "cuda", "reference")


def find_device(backend: str, jobs: Jobs) -> gpu.CupyDevice | None:
    """The GPU that answers: the one where the jobs lie, or else the first. None where the CPU does.

    Raises:
        ValueError: an unknown backend, or one of the CPU for jobs in a GPU's memory.
    """
    known = ("auto", "cpu", "cuda", "reference")
    if backend not in known:
        raise ValueError(f"unknown backend {backend!r}; one of: {', '.join(known)}")
    there = gpu.is_on_gpu(jobs.maps)
    if there and backend in ("cpu", "reference"):
        raise ValueError(f"backend {backend!r} takes NumPy arrays, and these jobs lie in a GPU's memory")
    if there:
        return gpu.find(jobs.maps.device.id)  # type: ignore[attr-defined]  # CuPy's
    return gpu.find() if backend == "cuda" else None


def orbit(device: gpu.CupyDevice, jobs: Jobs, n: int, burn_in: int) -> Any:
    """`kernels.orbit` on the GPU."""
    return _played(device, jobs, partial(launch.orbit, device, n=n, burn_in=burn_in))


def growth(device: gpu.CupyDevice, jobs: Jobs, steps: int, burn_in: int) -> Any:
    """`kernels.growth` on the GPU."""
    return _played(device, jobs, partial(launch.growth, device, steps=steps, burn_in=burn_in))


def accumulate(
    device: gpu.CupyDevice, jobs: Jobs, size: tuple[int, int], points: NDArray[np.int64], burn_in: int
) -> launch.Counted:
    """`kernels.accumulate` on the GPU."""
    work = partial(launch.accumulate, device, size=size, points=points, burn_in=burn_in)
    done: launch.Counted = _played(device, jobs, work)
    return done


def render(
    device: gpu.CupyDevice,
    jobs: Jobs,
    size: tuple[int, int],
    points: NDArray[np.int64],
    exposure: Any,
    groups: NDArray[np.int64],
    paints: launch.Paints | None,
    burn_in: int,
) -> Any:
    """`kernels.render` on the GPU; `groups` (J,) is its `clip`, and the arrays of `paints` lie where they like."""
    given: dict[str, Any] = {"size": size, "points": points, "burn_in": burn_in}
    if isinstance(exposure, np.ndarray):
        tone.plan(to_host(device, jobs).projection, exposure, points)  # refuses what can't be drawn
    with device.stream():
        xp = device.xp
        if paints is not None:
            given["paints"] = launch.Paints(*(xp.ascontiguousarray(xp.asarray(array)) for array in paints))
        if isinstance(exposure, str):
            return _played(device, jobs, partial(launch.render_by_largest, device, clip=groups, **given))
        return _played(device, jobs, partial(launch.render, device, exposure=xp.asarray(exposure), **given))


def _played(device: gpu.CupyDevice, jobs: Jobs, work: Callable[..., Any]) -> Any:
    """What `work(jobs, takes=)` gives on the GPU, brought to where the jobs came from."""
    here = not gpu.is_on_gpu(jobs.maps)
    with device.stream():
        takes = launch.taken(jobs if here else to_host(device, jobs))
        done: Any = work(to_device(device, jobs), takes=takes)
        if not here:
            return done
        # On the same stream still: on another, the copy would not wait for what it copies.
        if isinstance(done, launch.Counted):
            return launch.Counted(*(None if part is None else device.xp.asnumpy(part) for part in done))
        return device.xp.asnumpy(done)
