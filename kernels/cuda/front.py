"""Which backend answers, and the four kernels on a GPU for jobs that lie there or are brought there.

"auto" means the GPU for jobs whose arrays lie in its memory (CuPy's), and the CPU for all others: nothing is ever
copied to another memory unasked, and what a program gives does not depend on the machine having a GPU. "cuda" takes
NumPy's arrays too: they are copied there, and the results back. Where there is no GPU it says so in one line, and the
CPU answers.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels import tone
from fractalvid.kernels.cuda import cupy_device, game
from fractalvid.kernels.cuda.cupy_device import CupyDevice
from fractalvid.kernels.cuda.device import to_device, to_host
from fractalvid.kernels.jobs import Jobs, fused_variation

Backend = Literal["auto", "cpu", "cuda", "reference"]


def backends() -> tuple[str, ...]:
    """Names of the backends that can run here."""
    return ("cpu", "reference") if cupy_device.missing() else ("cpu", "cuda", "reference")


def find_device(backend: str, jobs: Jobs) -> CupyDevice | None:
    """The GPU that answers: the one where the jobs lie, or else the first. None where the CPU does.

    Raises:
        ValueError: an unknown backend, or one of the CPU for jobs in a GPU's memory.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"unknown backend {backend!r}; one of: {', '.join(get_args(Backend))}")
    there = cupy_device.is_on_gpu(jobs.maps)
    if there and backend in ("cpu", "reference"):
        raise ValueError(f"backend {backend!r} takes NumPy arrays, and these jobs lie in a GPU's memory")
    if there:
        return cupy_device.find(jobs.maps.device.id)  # type: ignore[attr-defined]  # CuPy's
    return cupy_device.find() if backend == "cuda" else None


def orbit(device: CupyDevice, jobs: Jobs, n: int, burn_in: int) -> Any:
    """`kernels.orbit` on the GPU."""
    return _played(device, jobs, partial(game.orbit, device, n=n, burn_in=burn_in))


def growth(device: CupyDevice, jobs: Jobs, steps: int, burn_in: int) -> Any:
    """`kernels.growth` on the GPU."""
    return _played(device, jobs, partial(game.growth, device, steps=steps, burn_in=burn_in))


def accumulate(
    device: CupyDevice, jobs: Jobs, *, size: tuple[int, int], points: NDArray[np.int64], burn_in: int
) -> game.Counted:
    """`kernels.accumulate` on the GPU."""
    work = partial(game.accumulate, device, size=size, points=points, burn_in=burn_in)
    done: game.Counted = _played(device, jobs, work)
    return done


def render(
    device: CupyDevice,
    jobs: Jobs,
    *,
    size: tuple[int, int],
    points: NDArray[np.int64],
    exposure: Any,
    groups: NDArray[np.int64],
    paints: game.Paints | None,
    burn_in: int,
) -> Any:
    """`kernels.render` on the GPU; `groups` (J,) is its `clip`, and the arrays of `paints` lie where they like."""
    given: dict[str, Any] = {"size": size, "points": points, "burn_in": burn_in}
    if isinstance(exposure, np.ndarray):
        tone.plan(to_host(device, jobs).projection, exposure, points)  # refuses what can't be drawn
    with device.stream():
        xp = device.xp
        if paints is not None:
            given["paints"] = game.Paints(*(xp.ascontiguousarray(xp.asarray(array)) for array in paints))
        if isinstance(exposure, str):
            return _played(device, jobs, partial(game.render_by_largest, device, clip=groups, **given))
        return _played(device, jobs, partial(game.render, device, exposure=xp.asarray(exposure), **given))


def _played(device: CupyDevice, jobs: Jobs, work: Callable[..., Any]) -> Any:
    """What `work(jobs, variations=)` gives on the GPU, brought to where the jobs came from."""
    here = not cupy_device.is_on_gpu(jobs.maps)
    with device.stream():
        known = jobs if here else to_host(device, jobs)
        fused = fused_variation(known.variation, known.amount, known.weights)
        done: Any = work(to_device(device, replace(jobs, fused=fused)), variations=game.variations_of(known))
        if not here:
            return done
        # On the same stream still: on another, the copy would not wait for what it copies.
        if isinstance(done, game.Counted):
            return game.Counted(*(None if part is None else device.xp.asnumpy(part) for part in done))
        return device.xp.asnumpy(done)
