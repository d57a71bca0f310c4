"""The four public kernels: what they take, what they return. `kernels.cuda.front` says which backend answers."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.kernels import reference, tone
from fractalvid.kernels.checks import MAX_STEPS, check_threads, check_whole, float_array, whole_array
from fractalvid.kernels.cpu import drivers, schedule
from fractalvid.kernels.cpu.frames import (
    COUNT_BITS,
    BoxTask,
    ColourBoxTask,
    ColourCountTask,
    ColourRenderTask,
    CountTask,
    FrameTask,
    RenderTask,
)
from fractalvid.kernels.cpu.orbits import GrowthTask, OrbitTask
from fractalvid.kernels.cpu.walkers import COLUMNS, GROWTH_COLUMNS, ORBIT_COLUMNS, ROWS
from fractalvid.kernels.cuda import front, game
from fractalvid.kernels.cuda.cupy_device import is_on_gpu
from fractalvid.kernels.cuda.front import Backend, find_device
from fractalvid.kernels.jobs import Jobs

Size = int | tuple[int, int]

MAX_PIXELS = 2**28
MAX_COLOUR_POINTS = (2**32 - 1) // 255
"""Points of a coloured job: their 8-bit indices must add up in 32 bits, were all in one pixel."""


@dataclass(frozen=True)
class Accumulated:
    """Where the points of each job fell: counts + outside + discarded = points, exactly.

    Attributes:
        counts: uint32 (J, H, W).
        outside: int64 (J,), points beside the frame.
        discarded: int64 (J,), points of walkers that left for infinity in that step and were restarted.
        colour: uint32 (J, H, W), the sum of the 8-bit colour indices of the points counted; None for jobs without.
    """

    counts: NDArray[np.uint32]
    outside: NDArray[np.int64]
    discarded: NDArray[np.int64]
    colour: NDArray[np.uint32] | None = None


def orbit(
    jobs: Jobs,
    n: int,
    *,
    burn_in: int = 32,
    rows: NDArray[np.int64] | None = None,
    backend: Backend = "auto",
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Points of each job's attractor: float32 (J, n, 2); a point that left for infinity is (inf, inf).

    Where only some jobs are wanted, `rows` (R,) says which: the CPU leaves the others out, whose points mean nothing.
    """
    check_whole("n", n, 1, MAX_STEPS)
    _check_run(burn_in, threads)
    rows = _rows(rows, len(jobs))
    device = find_device(backend, jobs)
    if device is not None:
        points: NDArray[np.float32] = front.orbit(device, jobs, n, burn_in)
        return points
    out = np.empty((len(jobs), n, 2), np.float32)
    if backend == "reference":
        reference.orbit(jobs, n, burn_in, out)
        return out
    cost = np.full(len(jobs), ORBIT_COLUMNS * burn_in + n)
    shape = 1, ORBIT_COLUMNS
    schedule.run(OrbitTask(out), jobs, shape=shape, burn_in=burn_in, cost=cost, threads=threads, wanted=rows)
    return out


def growth(
    jobs: Jobs,
    steps: int = 24,
    *,
    burn_in: int = 8,
    rows: NDArray[np.int64] | None = None,
    backend: Backend = "auto",
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Rate of growth at infinity: float32 (J,), the mean of ``log(|p'| / |p|)`` over 64 walkers kept at radius 1e5.

    Negative means that orbits stay bounded on average. For linear systems it is the top Lyapunov exponent.
    `rows` is that of `orbit`.
    """
    check_whole("steps", steps, 1, MAX_STEPS)
    _check_run(burn_in, threads)
    rows = _rows(rows, len(jobs))
    device = find_device(backend, jobs)
    if device is not None:
        rates: NDArray[np.float32] = front.growth(device, jobs, steps, burn_in)
        return rates
    out = np.empty(len(jobs), np.float32)
    if backend == "reference":
        reference.growth(jobs, steps, burn_in, out)
        return out
    cost = np.full(len(jobs), GROWTH_COLUMNS * (burn_in + steps))
    task, shape = GrowthTask(steps, out), (1, GROWTH_COLUMNS)
    schedule.run(task, jobs, shape=shape, burn_in=burn_in, cost=cost, threads=threads, wanted=rows)
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
    """Count `points` (an int or (J,)) of each job's orbit in a frame of `size` (H, W) after `burn_in` free steps.

    Where the jobs have colours, the walkers' colour indices are added up too; points are then at most 16,843,009.
    """
    frame = (len(jobs), *_frame(size))
    _check_run(burn_in, threads)
    amounts = _points(points, len(jobs))
    if jobs.colour is not None:
        _check_colour_points(amounts)
    device = find_device(backend, jobs)
    if device is not None:
        done = front.accumulate(device, jobs, size=frame[1:], points=amounts, burn_in=burn_in)
        return Accumulated(done.counts, done.outside, done.discarded, done.colour)
    counts = np.empty(frame, np.uint32)
    colour = None if jobs.colour is None else np.empty(frame, np.uint32)
    outside = np.empty(len(jobs), np.int64)
    discarded = np.empty(len(jobs), np.int64)
    if backend == "reference":
        reference.accumulate(jobs, amounts, burn_in, counts, outside, discarded, colour)
    elif jobs.colour is None:
        _play(CountTask(amounts, counts, outside, discarded), jobs, burn_in, threads)
    else:
        both = np.empty(frame, np.uint64)
        _play(ColourCountTask(amounts, jobs.colour, both, outside, discarded), jobs, burn_in, threads)
        counts, colour = (both >> np.uint64(COUNT_BITS)).astype(np.uint32), both.astype(np.uint32)
    return Accumulated(counts, outside, discarded, colour)


def render(
    jobs: Jobs,
    *,
    size: Size,
    points: int | ArrayLike,
    exposure: NDArray[np.float32] | Literal["max"],
    clip: ArrayLike | None = None,
    palette: NDArray[np.uint8] | None = None,
    curve: NDArray[np.uint8] | None = None,
    burn_in: int = 32,
    backend: Backend = "auto",
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Grey images uint8 (J, H, W): tone(box3(accumulate)), without keeping the histograms; or coloured (J, H, W, 3).

    A coloured pixel is curve[grey] times the palette's entry at the mean colour index of its 3 x 3 neighbourhood.

    Args:
        jobs: the batch.
        size: H and W in pixels.
        points: recorded points a job, an int or (J,).
        exposure: float32 (J, 2), the area of the view box in the plane and the density that is white
            (`fractalvid.kernels.tone`); or "max", the clip's largest log count is white, as in the reference method.
        clip: int32 (J,), which clip a job belongs to where exposure is "max"; by default all are one clip.
        palette: uint8 (J, 256, 3), for colour; the jobs then need theirs, and points are at most 16,843,009.
        curve: uint8 (256,), the brightness of each grey in a coloured image; by default the same.
        burn_in: steps before the first recorded point.
        backend: which implementation.
        threads: at most this many; a job stays on one.
    """
    height, width = _frame(size)
    _check_run(burn_in, threads)
    amounts = _points(points, len(jobs))
    exposure = _exposure(exposure, len(jobs))
    paints = _paints(jobs, palette, curve, amounts)
    device = find_device(backend, jobs)
    if device is not None:
        images: NDArray[np.uint8] = front.render(
            device,
            jobs,
            size=(height, width),
            points=amounts,
            exposure=exposure,
            groups=_groups(clip, len(jobs)),
            paints=paints,
            burn_in=burn_in,
        )
        return images
    colours = None if paints is None or jobs.colour is None else _ColourArrays.of(jobs.colour, paints)
    if backend == "reference":
        done = accumulate(jobs, size=size, points=amounts, burn_in=burn_in, backend="reference")
        grey = reference.tone(jobs, done.counts, amounts, exposure, clip)
        if colours is None or done.colour is None:
            return grey
        return reference.paint(grey, done.counts, done.colour, colours.curve, colours.palette)
    out = np.empty((len(jobs), height, width, *(() if colours is None else (3,))), np.uint8)
    if isinstance(exposure, str):
        _by_largest(jobs, amounts, _groups(clip, len(jobs)), colours, burn_in, threads, out)
        return out
    plan = tone.plan(jobs.projection, exposure, amounts)
    if colours is None:
        _play(RenderTask(amounts, plan, out), jobs, burn_in, threads)
    else:
        _play(ColourRenderTask(amounts, colours.own, plan, colours.curve, colours.palette, out), jobs, burn_in, threads)
    return out


def _play(task: FrameTask, jobs: Jobs, burn_in: int, threads: int | None) -> None:
    """Do a task that counts points in frames."""
    schedule.run(task, jobs, shape=(ROWS, COLUMNS), burn_in=burn_in, cost=task.points, threads=threads)


class _ColourArrays(NamedTuple):
    """The jobs' colours (J, N), the curve (256,) and the palettes (J, 256, 3), as the compiled kernels want them."""

    own: NDArray[np.float32]
    curve: NDArray[np.uint8]
    palette: NDArray[np.uint8]

    @classmethod
    def of(cls, own: NDArray[np.float32], paints: game.Paints) -> "_ColourArrays":
        """Checked ones, contiguous and writeable."""
        return cls(own, *(np.require(array, requirements=["C", "W"]) for array in paints))


def _by_largest(
    jobs: Jobs,
    points: NDArray[np.int64],
    groups: NDArray[np.int64],
    paints: _ColourArrays | None,
    burn_in: int,
    threads: int | None,
    out: NDArray[np.uint8],
) -> None:
    """Render into `out` by each clip's largest count: a clip's sums are kept until that is known, not all clips'."""
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        of_group, toned = jobs.select(members), np.empty((len(members), *out.shape[1:]), np.uint8)
        if paints is None:
            sums = np.empty(toned.shape[:3], np.uint32)
            _play(BoxTask(points[members], sums), of_group, burn_in, threads)
            drivers.tone_by_largest()(sums, toned)
        else:
            both = np.empty(toned.shape[:3], np.uint64)
            _play(ColourBoxTask(points[members], paints.own[members], both), of_group, burn_in, threads)
            drivers.paint_by_largest()(both, paints.curve, paints.palette[members], toned)
        out[members] = toned


def _paints(
    jobs: Jobs, palette: NDArray[np.uint8] | None, curve: NDArray[np.uint8] | None, points: NDArray[np.int64]
) -> game.Paints | None:
    """What is given, checked and left where it lies: the backend that answers brings it to itself. None is grey."""
    if palette is None:
        if curve is not None:
            raise ValueError("a curve needs a palette")
        return None
    if jobs.colour is None:
        raise ValueError("a palette needs jobs with colours")
    _check_colour_points(points)
    given = (np.arange(256, dtype=np.uint8) if curve is None else curve, palette)
    greys, colours = (array if is_on_gpu(array) else np.asarray(array) for array in given)
    if greys.shape != (256,) or colours.shape != (len(jobs), 256, 3) or not greys.dtype == colours.dtype == np.uint8:
        raise ValueError(f"curve must be uint8 (256,), palette uint8 (J, 256, 3); got {greys.shape}, {colours.shape}")
    return game.Paints(greys, colours)


def _check_colour_points(points: NDArray[np.int64]) -> None:
    """Refuse points of coloured jobs whose indices might not add up in 32 bits."""
    if points.max() > MAX_COLOUR_POINTS:
        raise ValueError(f"points of coloured jobs must be at most {MAX_COLOUR_POINTS}, got {points.max()}")


def _groups(clip: ArrayLike | None, count: int) -> NDArray[np.int64]:
    if clip is None:
        return np.zeros(count, np.int64)
    groups = whole_array("clip", clip, -(2**63), 2**63 - 1).astype(np.int64)
    if groups.shape != (count,):
        raise ValueError(f"clip must be ({count},), got {groups.shape}")
    return groups


def _exposure(exposure: NDArray[np.float32] | Literal["max"], count: int) -> NDArray[np.float32] | Literal["max"]:
    """Areas and white densities, whose shape `tone.plan` checks; those on a GPU as they are."""
    if isinstance(exposure, str):
        if exposure != "max":
            raise ValueError(f"exposure must be an array or 'max', got {exposure!r}")
        return exposure
    if is_on_gpu(exposure):
        return exposure
    return float_array("exposure", exposure)


def _frame(size: Size) -> tuple[int, int]:
    both = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(both) != 2:
        raise ValueError(f"size must be H and W, got {size!r}")
    for side in both:
        check_whole("size", side, 1, MAX_PIXELS)
    height, width = int(both[0]), int(both[1])
    if height * width > MAX_PIXELS:
        raise ValueError(f"size must be at least 1 x 1 and at most {MAX_PIXELS} pixels, got {height} x {width}")
    return height, width


def _points(points: int | ArrayLike, count: int) -> NDArray[np.int64]:
    amounts = whole_array("points", points, 1, MAX_STEPS).astype(np.int64)
    if amounts.shape not in ((), (1,), (count,)):
        raise ValueError(f"points must be a number or ({count},), got {amounts.shape}")
    return np.require(np.broadcast_to(amounts, (count,)), requirements=["C", "W"])


def _rows(rows: NDArray[np.int64] | None, count: int) -> NDArray[np.int64] | None:
    """The jobs that are wanted, each of them one that there is."""
    return None if rows is None else whole_array("rows", rows, 0, count - 1).astype(np.int64)


def _check_run(burn_in: int, threads: int | None) -> None:
    check_whole("burn_in", burn_in, 0, MAX_STEPS)
    check_threads(threads)
