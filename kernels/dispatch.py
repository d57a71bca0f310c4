"""The four public kernels: what they take, what they return, which backend answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels import cpu, reference, tone
from kernels.jobs import Jobs
from kernels.threads import available_cores, run_all
from kernels.variations import LINEAR, VARIATIONS

Backend = Literal["auto", "cpu", "reference"]
Size = int | tuple[int, int]

ROWS = 4
ORBIT_COLUMNS = 128
GROWTH_WALKERS = 64
MAX_PIXELS = 2**28
CHUNK_STEPS = 300_000
"""Steps of walkers that are worth a hand-over to another thread, a third of a millisecond."""


@dataclass(frozen=True)
class Accumulated:
    """Where the points of each job fell: counts + outside + discarded = points, exactly.

    Attributes:
        counts: uint32 (J, H, W).
        outside: int64 (J,), points beside the frame.
        discarded: int64 (J,), points of walkers that left for infinity in that step and were restarted.
    """

    counts: NDArray[np.uint32]
    outside: NDArray[np.int64]
    discarded: NDArray[np.int64]


def backends() -> tuple[str, ...]:
    """Names of the backends that can run here."""
    return ("cpu", "reference")


def _columns(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns of walkers for a number of points; of nothing else, so that pixels depend on nothing else."""
    return np.where(points < 200_000, 256, 512)


def orbit(
    jobs: Jobs, n: int, *, burn_in: int = 32, backend: Backend = "auto", threads: int | None = None
) -> NDArray[np.float32]:
    """Points of each job's attractor: float32 (J, n, 2); a point that left for infinity is (inf, inf)."""
    _check_positive(n=n)
    out = np.empty((len(jobs), n, 2), np.float32)
    if _is_reference(backend):
        reference.orbit(jobs, n, burn_in, out)
        return out
    cost = np.full(len(jobs), ORBIT_COLUMNS * burn_in + n)
    _launch("orbit", jobs, (1, np.full(len(jobs), ORBIT_COLUMNS)), threads, (burn_in, out), cost)
    return out


def growth(
    jobs: Jobs, steps: int = 24, *, burn_in: int = 8, backend: Backend = "auto", threads: int | None = None
) -> NDArray[np.float32]:
    """Rate of growth at infinity: float32 (J,), the mean of log(|p'| / |p|) over 64 walkers kept at radius 1e5.

    Negative means that orbits stay bounded on average. For linear systems it is the top Lyapunov exponent.
    """
    _check_positive(steps=steps)
    out = np.empty(len(jobs), np.float32)
    if _is_reference(backend):
        reference.growth(jobs, steps, burn_in, out)
        return out
    cost = np.full(len(jobs), GROWTH_WALKERS * (burn_in + steps))
    _launch("growth", jobs, (1, np.full(len(jobs), GROWTH_WALKERS)), threads, (burn_in, steps, out), cost)
    return out


def accumulate(
    jobs: Jobs,
    *,
    size: Size,
    points: int | ArrayLike,
    burn_in: int = 32,
    backend: Backend = "auto",
    threads: int | None = None,
) -> Accumulated:
    """Count `points` (an int or (J,)) of each job's orbit in a frame of `size` (H, W) after `burn_in` free steps."""
    height, width = _frame(size)
    amounts = _points(points, len(jobs))
    counts = np.empty((len(jobs), height, width), np.uint32)
    outside = np.empty(len(jobs), np.int64)
    discarded = np.empty(len(jobs), np.int64)
    if _is_reference(backend):
        reference.accumulate(jobs, amounts, burn_in, counts, outside, discarded)
    else:
        tail = (amounts, burn_in, counts, outside, discarded)
        _launch("accumulate", jobs, (ROWS, _columns(amounts)), threads, tail, amounts)
    return Accumulated(counts, outside, discarded)


def render(
    jobs: Jobs,
    *,
    size: Size,
    points: int | ArrayLike,
    exposure: NDArray[np.float32] | Literal["max"],
    clip: ArrayLike | None = None,
    burn_in: int = 32,
    backend: Backend = "auto",
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Grey images uint8 (J, H, W): tone(box3(accumulate)), without keeping the histograms.

    Args:
        jobs: the batch.
        size: H and W in pixels.
        points: recorded points a job, an int or (J,).
        exposure: float32 (J, 2), the area of the view box in the plane and the density that is white
            (`kernels.tone`); or "max", the clip's largest log count is white, as in the reference method.
        clip: int32 (J,), which clip a job belongs to where exposure is "max"; by default all are one clip.
        burn_in: steps before the first recorded point.
        backend: which implementation.
        threads: at most this many; a job stays on one.
    """
    height, width = _frame(size)
    amounts = _points(points, len(jobs))
    if isinstance(exposure, str) and exposure != "max":
        raise ValueError(f"exposure must be an array or 'max', got {exposure!r}")
    if _is_reference(backend):
        counts = accumulate(jobs, size=size, points=amounts, burn_in=burn_in, backend="reference").counts
        return reference.tone(jobs, counts, amounts, exposure, clip)
    out = np.empty((len(jobs), height, width), np.uint8)
    columns = _columns(amounts)
    if not isinstance(exposure, str):
        plan = tone.plan(jobs.projection, exposure, amounts)
        _launch("render", jobs, (ROWS, columns), threads, (amounts, burn_in, plan, out), amounts)
        return out
    groups = _groups(clip, len(jobs))
    for group in np.unique(groups).tolist():
        # Clip by clip: a clip's box sums must be kept until its largest is known, but not those of all clips.
        members = np.flatnonzero(groups == group)
        boxes = np.empty((len(members), height, width), np.uint32)
        part = jobs.select(members)
        tail = (amounts[members], burn_in, boxes)
        _launch("boxes", part, (ROWS, columns[members]), threads, tail, amounts[members])
        toned = np.empty(boxes.shape, np.uint8)
        cpu.tone_by_largest()(boxes, toned)
        out[members] = toned
    return out


def _launch(
    name: str,
    jobs: Jobs,
    walkers: tuple[int, NDArray[np.int64]],
    threads: int | None,
    tail: tuple[Any, ...],
    cost: NDArray[np.int64],
) -> None:
    """Feed chunks of jobs that share their variations and their number of walkers to the threads.

    `walkers` are their rows and, a job, their columns (J,); `cost` (J,) the steps of walkers a job takes.
    """
    rows, columns = walkers
    start = np.empty((len(jobs), 0, 2), np.float32) if jobs.start is None else jobs.start
    work = []
    for variations, fused, alike in _by_variation(jobs):
        compiled = cpu.kernel(name, variations, fused)
        # One variation at amount 1 without parameters needs no table of amounts and parameters.
        tabled = () if fused and not VARIATIONS[variations[0]].params else variations
        numbers = np.array(tabled, np.int32)
        arrays = (
            *(jobs.maps, jobs.weights, jobs.variation, jobs.amount, jobs.params),
            *(numbers, jobs.projection, jobs.seed, start),
        )
        for count in np.unique(columns[alike]).tolist():
            members = alike[columns[alike] == count]
            work += [(compiled, order, arrays, (rows, count)) for order in _chunks(members, cost, threads)]

    def call(item: tuple[Any, NDArray[np.int64], tuple[Any, ...], tuple[int, int]]) -> None:
        compiled, order, arrays, shape = item
        compiled(order, arrays, shape, *tail)

    run_all(call, work, threads)


def _by_variation(jobs: Jobs) -> Iterator[tuple[tuple[int, ...], bool, NDArray[np.int64]]]:
    """Split jobs by the variations they use: (numbers, one for all maps at amount 1?, which jobs)."""
    first = jobs.variation[:, :1, :1]
    if jobs.variation.shape[2] == 1 and np.all(jobs.variation == first) and np.all(jobs.amount == 1):
        numbers = first.reshape(-1)
        for k in np.unique(numbers).tolist():
            yield (k,), True, np.flatnonzero(numbers == k)
        return
    kinds: dict[tuple[int, ...], list[int]] = {}
    for j in range(len(jobs)):
        used = np.unique(jobs.variation[j][(jobs.amount[j] != 0) & (jobs.weights[j] > 0)[:, None]])
        kinds.setdefault(tuple(used.tolist()) or (LINEAR,), []).append(j)
    for variations, members in kinds.items():
        yield variations, False, np.array(members, np.int64)


def _chunks(members: NDArray[np.int64], cost: NDArray[np.int64], threads: int | None) -> list[NDArray[np.int64]]:
    """Pieces large enough to be worth a hand-over, small enough to keep all threads busy to the end."""
    workers = available_cores() if threads is None else threads
    pieces = min(len(members), int(cost[members].sum()) // CHUNK_STEPS, 8 * workers) if workers > 1 else 1
    return np.array_split(members, max(1, pieces))


def _groups(clip: ArrayLike | None, count: int) -> NDArray[np.int64]:
    groups = np.zeros(count, np.int64) if clip is None else np.asarray(clip, np.int64)
    if groups.shape != (count,):
        raise ValueError(f"clip must be ({count},), got {groups.shape}")
    return groups


def _is_reference(backend: str) -> bool:
    if backend not in ("auto", *backends()):
        raise ValueError(f"unknown backend {backend!r}; here: auto, {', '.join(backends())}")
    return backend == "reference"


def _frame(size: Size) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError(f"size must be at least 1 x 1 and at most {MAX_PIXELS} pixels, got {height} x {width}")
    return height, width


def _points(points: int | ArrayLike, count: int) -> NDArray[np.int64]:
    amounts = np.require(np.broadcast_to(np.asarray(points, np.int64), (count,)), requirements=["C", "W"])
    if amounts.min() < 1 or amounts.max() >= 2**31:
        raise ValueError("points must be at least 1 and below 2**31")
    return amounts


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
