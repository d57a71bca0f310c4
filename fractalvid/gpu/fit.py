"""What clips show, found on the device: `fractalvid.view.fit_clips` in array code, in the same rounds.

How many clips of a round must be drawn again is read back, some bytes a round; nothing else leaves the device.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.acceptance import Fault
from fractalvid.classes import MAX_FRAMES
from fractalvid.draws import Field
from fractalvid.gpu.bank import LINEAR_PART, DeviceBank, DeviceInstances
from fractalvid.view import MAX_DAMPINGS, MIN_EXTENT, ORBIT_POINTS, SETTLING, STRONGER, _rounds
from kernels import Jobs, launch
from kernels.launch import Array
from kernels.points import OnGrid

GROWTH_STEPS, GROWTH_BURN_IN = 24, 8


@dataclass(frozen=True)
class DeviceFits:
    """What B clips need to be rendered, see `fractalvid.view.Fits`; all arrays but `attempt` are the device's."""

    instances: DeviceInstances
    attempt: NDArray[np.int64]
    damping: Array
    box: Array
    white: Array
    points: Array
    seed: Array


@dataclass
class _Drawn:
    """For B clips the attempt that was taken: rate (B, 20), orbit (B, 20, 1024, 2), view and faults of that orbit."""

    attempt: NDArray[np.int64]
    bounded: NDArray[np.bool_]
    rate: Array
    points: Array


@dataclass
class _Looks:
    box: Array
    white: Array
    fault: NDArray[np.int8]


def fit_clips(bank: DeviceBank, class_id: NDArray[np.int64], instance_id: NDArray[np.int64]) -> DeviceFits:
    """Accept or redraw instances (B,) of classes (B,), which are in the host's memory, and find their views."""
    xp = bank.xp
    drawn = _search(bank, class_id, instance_id, np.zeros(len(class_id), np.int64))
    damping = xp.ones_like(drawn.rate)
    wild = np.flatnonzero(~drawn.bounded)
    if len(wild):
        rows = xp.asarray(wild)
        instances = _instances(bank, class_id[wild], instance_id[wild], drawn.attempt[wild])
        damping[rows], drawn.points[rows] = _damp(bank, class_id[wild], instances, drawn.rate[rows])
    looks = _look(bank, class_id, drawn.points)
    _replace_broken(bank, class_id, instance_id, drawn, looks)
    instances = _instances(bank, class_id, instance_id, drawn.attempt)
    seed = bank.seeds(Field.PIXEL_SEED, instances.instance_id, instances.class_id)
    return DeviceFits(instances, drawn.attempt, damping, looks.box, looks.white, drawn.points, seed)


def _instances(
    bank: DeviceBank, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], attempt: NDArray[np.int64]
) -> DeviceInstances:
    return bank.draw_instances(*(bank.xp.asarray(array) for array in (class_id, instance_id, attempt)))


def _search(
    bank: DeviceBank, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], first: NDArray[np.int64]
) -> _Drawn:
    """Draw attempts `first` (B,), at most `attempts`, and later ones until one is bounded."""
    xp, most = bank.xp, bank.config.attempts
    found: _Drawn | None = None
    left = np.arange(len(class_id))
    for tries in _rounds(most):
        tried = np.repeat(left, len(tries))
        number = np.minimum(first[tried] + np.tile(tries, len(left)), most)
        instances = _instances(bank, class_id[tried], instance_id[tried], number)
        on_device, rates, orbits = _try(bank, class_id[tried], instances)
        bounded = _to_host(bank, on_device)
        success = bounded.reshape(len(left), len(tries))
        taken = np.where(success.any(axis=1), success.argmax(axis=1), len(tries) - 1)
        chosen = np.arange(len(left)) * len(tries) + taken
        if found is None:
            found = _Drawn(number, bounded, rates, orbits)
        else:
            rows, of_round = xp.asarray(left), xp.asarray(chosen)
            found.attempt[left], found.bounded[left] = number[chosen], bounded[chosen]
            found.rate[rows], found.points[rows] = rates[of_round], orbits[of_round]
        left = left[~success.any(axis=1)]
        if not len(left):
            break
    if found is None:
        raise ValueError("no attempts")
    return found


def _try(bank: DeviceBank, class_id: NDArray[np.int64], instances: DeviceInstances) -> tuple[Array, Array, Array]:
    """Which instances are bounded on average (B,), their rates (B, 20) and orbits (B, 20, 1024, 2)."""
    jobs = _native_jobs(bank, instances, None)
    rate = _rates(bank, class_id, jobs)
    points, near = _orbits(bank, jobs)
    enough = (near >= _inside(bank, class_id)[:, None]).all(axis=1)
    return (rate < bank.config.max_rate).all(axis=1) & enough, rate, points


def _orbits(bank: DeviceBank, jobs: Jobs) -> tuple[Array, Array]:
    """Orbits (B, 20, 1024, 2) and how much of each lies within the radius (B, 20)."""
    points = launch.orbit(bank.device, jobs, ORBIT_POINTS, burn_in=SETTLING, takes=bank.takes)
    near = launch.share_within(bank.device, points, bank.config.radius)
    return points.reshape(-1, MAX_FRAMES, ORBIT_POINTS, 2), near.reshape(-1, MAX_FRAMES)


def _rates(bank: DeviceBank, class_id: NDArray[np.int64], jobs: Jobs) -> Array:
    """Rates of growth at infinity (B, 20); -inf where a variation grows so fast there that they say nothing."""
    rate = launch.growth(bank.device, jobs, GROWTH_STEPS, burn_in=GROWTH_BURN_IN, takes=bank.takes)
    silent = bank.having(class_id, "superlinear")[:, None]
    return bank.xp.where(silent, np.float32(-np.inf), rate.reshape(-1, MAX_FRAMES))


def _inside(bank: DeviceBank, class_id: NDArray[np.int64]) -> Array:
    config = bank.config
    return bank.xp.where(bank.having(class_id, "unbounded"), config.unbounded_inside, config.inside)


def _native_jobs(bank: DeviceBank, instances: DeviceInstances, damping: Array | None) -> Jobs:
    """Jobs of B instances at 20 native times, the last one repeated: B · 20 of them."""
    xp, times = bank.xp, bank.native_times(instances.class_id)
    maps = bank.maps_at(instances, times)
    if damping is not None:
        maps[..., LINEAR_PART] *= damping[:, :, None, None]
    seed = bank.seeds(Field.FIT_SEED, instances.instance_id, instances.class_id)
    return jobs_of(
        bank,
        maps,
        instances.class_id,
        times,
        projection=xp.broadcast_to(xp.eye(3, dtype=np.float32), (*times.shape, 3, 3)),
        seed=seed,
    )


def jobs_of(
    bank: DeviceBank, maps: Array, class_id: Array, times: Array, *, projection: Array, seed: Array, **more: Array
) -> Jobs:
    """Jobs of B clips at F times: maps (B, F, 8, 6), projection (B, F, 3, 3), seed (B,), others (B F, ...)."""
    xp, count = bank.xp, times.size
    arrays: dict[str, Any] = {"maps": maps, "weights": bank.weights_at(class_id, maps), "projection": projection}
    arrays |= bank.variations_at(class_id, times)
    flat = {name: xp.ascontiguousarray(array.reshape(count, *array.shape[2:])) for name, array in arrays.items()}
    return Jobs(**flat, seed=xp.repeat(seed, times.shape[1]), **more)


def _damp(
    bank: DeviceBank, class_id: NDArray[np.int64], instances: DeviceInstances, rate: Array
) -> tuple[Array, Array]:
    """Factors (B, 20) that bound unbounded instances, and their orbits then."""
    xp, config = bank.xp, bank.config
    damping = xp.minimum(1, xp.exp(config.max_rate - rate)).astype(np.float32)
    stray, inside = xp.zeros(damping.shape, bool), _inside(bank, class_id)[:, None]
    for _ in range(MAX_DAMPINGS):
        damping = xp.where(stray, damping * STRONGER, damping)
        jobs = _native_jobs(bank, instances, damping)
        points, near = _orbits(bank, jobs)
        stray = (_rates(bank, class_id, jobs) >= config.max_rate) | (near < inside)
        if not _to_host(bank, stray).any():
            break
    return damping, points


def _look(bank: DeviceBank, class_id: NDArray[np.int64], points: Array) -> _Looks:
    """What orbits (B, 20, 1024, 2) of classes (B,) show."""
    xp = bank.xp
    box = _boxes(bank, class_id, points)
    grid = launch.on_grid(bank.device, points, box)
    frames = xp.asarray(bank.bank.native_frames[class_id])
    real = xp.arange(MAX_FRAMES) < frames[:, None]
    # The median over the native times: padding is sorted behind them.
    dense = xp.sort(xp.where(real, grid.dense, np.float32(np.inf)), axis=1)
    rows = xp.arange(len(frames))
    white = (dense[rows, (frames - 1) // 2] + dense[rows, frames // 2]) * np.float32(0.5)
    return _Looks(box, white, _faults(bank, grid, real, frames))


def _faults(bank: DeviceBank, grid: OnGrid, real: Array, frames: Array) -> NDArray[np.int8]:
    """`fractalvid.acceptance.faults`, read back."""
    xp, config = bank.xp, bank.config
    occupied: Any = grid.occupied
    empty = ((occupied <= config.empty) & real).sum(axis=1) >= config.broken * frames
    full = ((occupied > config.full) & real).sum(axis=1) >= config.broken * frames
    still = xp.where(real, grid.moved, np.float32(0)).sum(axis=1) < config.still * xp.maximum(frames - 1, 1)
    fault = xp.where(empty, int(Fault.EMPTY), xp.where(full, int(Fault.FULL), xp.where(still, int(Fault.STILL), 0)))
    found: NDArray[np.int8] = _to_host(bank, fault.astype(np.int8))
    return found


def _boxes(bank: DeviceBank, class_id: NDArray[np.int64], points: Array) -> Array:
    """View boxes (B, 4), see `fractalvid.view`."""
    xp, config = bank.xp, bank.config
    ends = launch.extent(bank.device, points.reshape(-1, ORBIT_POINTS, 2), config.tail).reshape(-1, MAX_FRAMES, 4)
    far = bank.bank.takes(class_id, "unbounded")
    if far.any():
        middle = launch.extent(bank.device, points.reshape(-1, ORBIT_POINTS, 2), 0.1).reshape(-1, MAX_FRAMES, 4)
        low, high = middle[..., :2], middle[..., 2:]
        reach = np.float32(config.fence) * (high - low)
        fenced = xp.concatenate(
            [xp.maximum(ends[..., :2], low - reach), xp.minimum(ends[..., 2:], high + reach)], axis=2
        )
        ends = xp.where(xp.asarray(far)[:, None, None], fenced, ends)
    ends = xp.clip(ends, -10 * config.radius, 10 * config.radius)
    low, high = ends[..., :2].min(axis=1), ends[..., 2:].max(axis=1)
    size = xp.maximum((high - low) * np.float32(1 + 2 * config.margin), np.float32(MIN_EXTENT))
    if config.equal_scales:
        size = xp.broadcast_to(size.max(axis=1, keepdims=True), size.shape)
    centre = (low + high) * np.float32(0.5)
    half = size * np.float32(0.5)
    return xp.ascontiguousarray(xp.concatenate([centre - half, centre + half], axis=1).astype(np.float32))


def _replace_broken(
    bank: DeviceBank, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], drawn: _Drawn, looks: _Looks
) -> None:
    """Put the next attempt that is bounded and whole, where there is one, in the place of broken ones."""
    xp, most = bank.xp, bank.config.attempts
    rows = np.flatnonzero((looks.fault != Fault.NONE) & drawn.bounded)
    attempt = drawn.attempt[rows]
    while len(rows):
        rows, attempt = rows[attempt < most], attempt[attempt < most]
        if not len(rows):
            break
        later = _search(bank, class_id[rows], instance_id[rows], attempt + 1)
        seen = _look(bank, class_id[rows], later.points)
        good = later.bounded & (seen.fault == Fault.NONE)
        to, of = xp.asarray(rows[good]), xp.asarray(np.flatnonzero(good))
        drawn.attempt[rows[good]], looks.fault[rows[good]] = later.attempt[good], seen.fault[good]
        drawn.points[to], looks.box[to], looks.white[to] = later.points[of], seen.box[of], seen.white[of]
        again = later.bounded & ~good
        rows, attempt = rows[again], later.attempt[again]


def selected(fits: DeviceFits, rows: slice) -> DeviceFits:
    """Some of the clips."""
    own = fits.instances
    parts: dict[str, Any] = {name: value[rows] for name, value in vars(fits).items() if name != "instances"}
    return replace(fits, instances=DeviceInstances(*(array[rows] for array in vars(own).values())), **parts)


def _to_host(bank: DeviceBank, array: Array) -> Any:
    """An array in the host's memory; waits for the device."""
    return array.copy() if bank.xp is np else bank.xp.asnumpy(array)
