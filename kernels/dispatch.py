"""The four public kernels: what they take, what they return, which backend answers.

"auto" means the GPU for jobs whose arrays lie in its memory (CuPy's), and the CPU for all others: nothing is ever
copied to another memory unasked, and what a program gives does not depend on the machine having a GPU. "cuda" takes
NumPy's arrays too: they are copied there, and the results back. Where there is no GPU it says so in one line, and the
CPU answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels import cpu, gpu, launch, reference, tone
from kernels.jobs import Jobs
from kernels.threads import available_cores, run_all
from kernels.variations import LINEAR, VARIATIONS

Backend = Literal["auto", "cpu", "cuda", "reference"]
Size = int | tuple[int, int]
How = Literal["fused", "dense", "picked"]
_HOW: tuple[How, ...] = ("fused", "dense", "picked")
_HOW_BITS = 60
"""Below these bits of a key lies the set of variations, a bit each."""

ROWS = 4
ORBIT_COLUMNS = 128
GROWTH_WALKERS = 64
MAX_PIXELS = 2**28
MAX_COLOUR_POINTS = (2**32 - 1) // 255
"""Points of a coloured job: their 8-bit indices must add up in 32 bits, were all in one pixel."""
CHUNK_STEPS = 300_000
"""Steps of walkers that are worth a hand-over to another thread, a third of a millisecond."""


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


def backends() -> tuple[str, ...]:
    """Names of the backends that can run here."""
    return ("cpu", "reference") if gpu.missing() else ("cpu", "cuda", "reference")


def _columns(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns of walkers for a number of points; of nothing else, so that pixels depend on nothing else."""
    return np.where(points < 200_000, 256, 512)


def orbit(
    jobs: Jobs, n: int, *, burn_in: int = 32, backend: Backend = "auto", threads: int | None = None
) -> NDArray[np.float32]:
    """Points of each job's attractor: float32 (J, n, 2); a point that left for infinity is (inf, inf)."""
    _check_positive(n=n)
    device = _device(backend, jobs)
    if device is not None:
        points: NDArray[np.float32] = _on_gpu(device, jobs, partial(launch.orbit, device, n=n, burn_in=burn_in))
        return points
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
    device = _device(backend, jobs)
    if device is not None:
        rates: NDArray[np.float32] = _on_gpu(device, jobs, partial(launch.growth, device, steps=steps, burn_in=burn_in))
        return rates
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
    """Count `points` (an int or (J,)) of each job's orbit in a frame of `size` (H, W) after `burn_in` free steps.

    Where the jobs have colours, the walkers' colour indices are added up too; points are then at most 16,843,009.
    """
    frame = (len(jobs), *_frame(size))
    amounts = _points(points, len(jobs))
    if jobs.colour is not None:
        _few(amounts)
    device = _device(backend, jobs)
    if device is not None:
        return _accumulated(device, jobs, frame[1:], amounts, burn_in)
    counts = np.empty(frame, np.uint32)
    colour = None if jobs.colour is None else np.empty(frame, np.uint32)
    outside = np.empty(len(jobs), np.int64)
    discarded = np.empty(len(jobs), np.int64)
    if _is_reference(backend):
        reference.accumulate(jobs, amounts, burn_in, counts, outside, discarded, colour)
    elif colour is None:
        tail: tuple[Any, ...] = (amounts, burn_in, counts, outside, discarded)
        _launch("accumulate", jobs, (ROWS, _columns(amounts)), threads, tail, amounts)
    else:
        both = np.empty(frame, np.uint64)
        tail = (amounts, burn_in, jobs.colour, both, outside, discarded)
        _launch("accumulate_colour", jobs, (ROWS, _columns(amounts)), threads, tail, amounts)
        counts, colour = (both >> np.uint64(32)).astype(np.uint32), both.astype(np.uint32)
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
            (`kernels.tone`); or "max", the clip's largest log count is white, as in the reference method.
        clip: int32 (J,), which clip a job belongs to where exposure is "max"; by default all are one clip.
        palette: uint8 (J, 256, 3), for colour; the jobs then need theirs, and points are at most 16,843,009.
        curve: uint8 (256,), the brightness of each grey in a coloured image; by default the same.
        burn_in: steps before the first recorded point.
        backend: which implementation.
        threads: at most this many; a job stays on one.
    """
    height, width = _frame(size)
    amounts = _points(points, len(jobs))
    if isinstance(exposure, str) and exposure != "max":
        raise ValueError(f"exposure must be an array or 'max', got {exposure!r}")
    paints = None if palette is None else _paints(jobs, palette, curve, amounts)
    device = _device(backend, jobs)
    if device is not None:
        groups = _groups(clip, len(jobs))
        images: NDArray[np.uint8] = _rendered(device, jobs, (height, width), amounts, exposure, groups, paints, burn_in)
        return images
    if _is_reference(backend):
        done = accumulate(jobs, size=size, points=amounts, burn_in=burn_in, backend="reference")
        grey = reference.tone(jobs, done.counts, amounts, exposure, clip)
        if paints is None or done.colour is None:
            return grey
        return reference.paint(grey, done.counts, done.colour, paints.curve, paints.palette)
    out = np.empty((len(jobs), height, width, *(() if paints is None else (3,))), np.uint8)
    if isinstance(exposure, str):
        _by_largest(jobs, amounts, _groups(clip, len(jobs)), paints, burn_in, threads, out)
        return out
    plan, walkers = tone.plan(jobs.projection, exposure, amounts), (ROWS, _columns(amounts))
    if paints is None:
        _launch("render", jobs, walkers, threads, (amounts, burn_in, plan, out), amounts)
    else:
        tail = (amounts, burn_in, paints.own, plan, paints.curve, paints.palette, out)
        _launch("render_colour", jobs, walkers, threads, tail, amounts)
    return out


class _Paints(NamedTuple):
    """The jobs' colours (J, N), the curve (256,) and the palettes (J, 256, 3), as the compiled kernels want them."""

    own: NDArray[np.float32]
    curve: NDArray[np.uint8]
    palette: NDArray[np.uint8]


def _by_largest(
    jobs: Jobs,
    points: NDArray[np.int64],
    groups: NDArray[np.int64],
    paints: _Paints | None,
    burn_in: int,
    threads: int | None,
    out: NDArray[np.uint8],
) -> None:
    """Render into `out` by each clip's largest count: a clip's sums are kept until that is known, not all clips'."""
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        part, cost = jobs.select(members), points[members]
        walkers, toned = (ROWS, _columns(cost)), np.empty((len(members), *out.shape[1:]), np.uint8)
        if paints is None:
            boxes = np.empty(toned.shape[:3], np.uint32)
            _launch("boxes", part, walkers, threads, (cost, burn_in, boxes), cost)
            cpu.tone_by_largest()(boxes, toned)
        else:
            both = np.empty(toned.shape[:3], np.uint64)
            _launch("boxes_colour", part, walkers, threads, (cost, burn_in, part.colour, both), cost)
            cpu.paint_by_largest()(both, paints.curve, paints.palette[members], toned)
        out[members] = toned


def _paints(
    jobs: Jobs, palette: NDArray[np.uint8], curve: NDArray[np.uint8] | None, points: NDArray[np.int64]
) -> _Paints:
    if jobs.colour is None:
        raise ValueError("a palette needs jobs with colours")
    _few(points)
    table = np.arange(256, dtype=np.uint8) if curve is None else np.require(curve, requirements=["C", "W"])
    colours = np.require(palette, requirements=["C", "W"])
    if table.shape != (256,) or colours.shape != (len(jobs), 256, 3) or not table.dtype == colours.dtype == np.uint8:
        raise ValueError(f"curve must be uint8 (256,), palette uint8 (J, 256, 3); got {table.shape}, {colours.shape}")
    return _Paints(jobs.colour, table, colours)


def _few(points: NDArray[np.int64]) -> None:
    """Refuse points of coloured jobs whose indices might not add up in 32 bits."""
    if points.max() > MAX_COLOUR_POINTS:
        raise ValueError(f"points of coloured jobs must be at most {MAX_COLOUR_POINTS}, got {points.max()}")


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
    for variations, how, alike in _by_variation(jobs):
        compiled = cpu.kernel(name, variations, how)
        # One variation at amount 1 without parameters needs no table of amounts and parameters.
        tabled = () if how == "fused" and not VARIATIONS[variations[0]].params else variations
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


def _by_variation(jobs: Jobs) -> Iterator[tuple[tuple[int, ...], How, NDArray[np.int64]]]:
    """Split jobs by the variations they use: (numbers, how a step applies them, which jobs). A job's own affair."""
    numbers = jobs.variation[:, 0, 0]
    if jobs.variation.shape[2] == 1 and np.all(jobs.variation == numbers[:, None, None]) and np.all(jobs.amount == 1):
        yield from (((k,), "fused", np.flatnonzero(numbers == k)) for k in np.unique(numbers).tolist())
        return
    used = (jobs.amount != 0) & (jobs.weights > 0)[:, :, None]
    bits = np.where(used, np.uint64(1) << jobs.variation.astype(np.uint64), np.uint64(0))
    by_map = np.bitwise_or.reduce(bits, axis=2)
    by_job = np.bitwise_or.reduce(by_map, axis=1)
    number, own = _ones(by_job), _ones(by_map).max(axis=1)
    alone = (used.sum(axis=2) == 1) | (jobs.weights == 0)
    fused = (number == 1) & alone.all(axis=1) & ((jobs.amount == 1) | ~used).all(axis=(1, 2))
    # Collecting columns costs about as much as one variation more.
    how = np.where(fused, 0, np.where(number <= own + 1, 1, 2)).astype(np.uint64)
    kinds, kind = np.unique(by_job | how << np.uint64(_HOW_BITS), return_inverse=True)
    for k, code in enumerate(kinds.tolist()):
        mask = code & ((1 << _HOW_BITS) - 1)
        together = tuple(n for n in VARIATIONS if mask >> n & 1) or (LINEAR,)
        yield together, _HOW[code >> _HOW_BITS], np.flatnonzero(kind == k)


def _ones(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits of each number are set."""
    single = np.unpackbits(np.ascontiguousarray(bits)[..., None].view(np.uint8), axis=-1)
    return np.asarray(single.sum(axis=-1, dtype=np.int64))


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
    return backend == "reference"


def _device(backend: str, jobs: Jobs) -> gpu.CupyDevice | None:
    """The GPU that answers, None where the CPU does."""
    known = ("auto", "cpu", "cuda", "reference")
    if backend not in known:
        raise ValueError(f"unknown backend {backend!r}; one of: {', '.join(known)}")
    there = gpu.is_on_gpu(jobs.maps)
    if there and backend in ("cpu", "reference"):
        raise ValueError(f"backend {backend!r} takes NumPy arrays, and these jobs lie in a GPU's memory")
    return gpu.find() if there or backend == "cuda" else None


def _on_gpu(device: gpu.CupyDevice, jobs: Jobs, work: Callable[..., Any]) -> Any:
    """What `work(jobs, takes=)` gives on the GPU, brought to where the jobs came from."""
    here = not gpu.is_on_gpu(jobs.maps)
    with device.stream():
        takes = launch.taken(jobs if here else launch.to_host(device, jobs))
        done: Any = work(launch.to_device(device, jobs), takes=takes)
    if not here:
        return done
    if isinstance(done, launch.Counted):
        return launch.Counted(*(None if part is None else device.xp.asnumpy(part) for part in done))
    return device.xp.asnumpy(done)


def _accumulated(
    device: gpu.CupyDevice, jobs: Jobs, size: tuple[int, int], points: NDArray[np.int64], burn_in: int
) -> Accumulated:
    """`accumulate` on the GPU."""

    def work(moved: Jobs, takes: launch.Taken) -> launch.Counted:
        return launch.accumulate(device, moved, size=size, points=points, burn_in=burn_in, takes=takes)

    done = _on_gpu(device, jobs, work)
    return Accumulated(done.counts, done.outside, done.discarded, done.colour)


def _rendered(
    device: gpu.CupyDevice,
    jobs: Jobs,
    size: tuple[int, int],
    points: NDArray[np.int64],
    exposure: Any,
    groups: NDArray[np.int64],
    paints: "_Paints | None",
    burn_in: int,
) -> Any:
    """`render` on the GPU."""
    given: dict[str, Any] = {"size": size, "points": points, "burn_in": burn_in}
    if isinstance(exposure, np.ndarray):
        tone.plan(launch.to_host(device, jobs).projection, exposure, points)  # refuses what can't be drawn
    with device.stream():
        xp = device.xp
        if paints is not None:
            given["paints"] = launch.Paints(xp.asarray(paints.curve), xp.asarray(paints.palette))
        if isinstance(exposure, str):
            return _on_gpu(device, jobs, partial(launch.render_by_largest, device, clip=groups, **given))
        return _on_gpu(device, jobs, partial(launch.render, device, exposure=xp.asarray(exposure), **given))


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
