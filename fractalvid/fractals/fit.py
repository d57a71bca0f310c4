"""What a clip shows, found once from its orbit at its native times: acceptance, view box and exposure.

Nothing here depends on the frames, size or points asked for, so every rendering of a clip agrees on them.
"""

from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.seeds import Domain, Field, seeds64, words
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.instances import Instances, draw_instances, maps_at, weights_at
from fractalvid.fractals.look import Fault, faults
from fractalvid.kernels import Jobs, growth, orbit
from fractalvid.kernels.cpu.points import extent, on_grid, share_within

ORBIT_POINTS = 1024
SETTLING = 64
"""Steps before an orbit is looked at: systems near the threshold of boundedness settle slowly."""
LINEAR_PART = [0, 1, 3, 4]
MIN_EXTENT = 1e-3
MAX_DAMPINGS = 12
STRONGER = np.float32(0.85)


@dataclass(frozen=True)
class Fits:
    """What B clips need to be rendered at any time, size and number of points.

    Attributes:
        instances: the accepted draws.
        damping: float32 (B, 20), factor of the linear parts at native times, 1 where nothing was damped.
        box: float32 (B, 4), the view's left, top, right, bottom in the plane; rows of pixels follow y.
        white: float32 (B,), the density that is shown as white (1 = uniform over the view).
        points: float32 (B, 20, 1024, 2), orbit points at native times, where walkers begin; the last is repeated.
        seed: uint64 (B,), of the clip's pixels.
        rejected: int64 (B, 5), how many attempts were rejected for each `fractalvid.fractals.look.Fault`.
        fault: int8 (B,), what is wrong with the attempt that was taken all the same, `Fault.NONE` as a rule.
    """

    instances: Instances
    damping: NDArray[np.float32]
    box: NDArray[np.float32]
    white: NDArray[np.float32]
    points: NDArray[np.float32]
    seed: NDArray[np.uint64]
    rejected: NDArray[np.int64]
    fault: NDArray[np.int8]

    def __len__(self) -> int:
        """The number of clips B."""
        return len(self.instances)


def fit_clips(bank: ClassBank, class_id: ArrayLike, instance_id: ArrayLike, *, threads: int | None = None) -> Fits:
    """Accept or redraw instances (B,) of classes (B,), and find their views. A pure function of the bank and the ids.

    An instance is bounded if its rate of growth at infinity is below `max_rate` and `inside` of its orbit lies within
    `radius`, at every native time. One that is not, or that is broken (`fractals.look`), is drawn again, up to
    `attempts` times. Where none of them will do, the first bounded one is taken, or else the last one, damped.
    """
    classes, ids = np.broadcast_arrays(np.atleast_1d(np.asarray(class_id, np.int64)), np.asarray(instance_id, np.int64))
    drawn = _search(bank, classes, ids, np.zeros(len(classes), np.int64), threads)
    damping = np.ones_like(drawn.rate)
    wild = np.flatnonzero(~drawn.bounded)
    if len(wild):
        instances = draw_instances(bank, classes[wild], ids[wild], drawn.instances.attempt[wild])
        damping[wild], drawn.points[wild] = _damp(bank, instances, drawn.rate[wild], threads)
    looks = _look(bank, classes, drawn.points, threads)
    rejected = np.zeros((len(classes), len(Fault)), np.int64)
    rejected[:, Fault.UNBOUNDED] = drawn.instances.attempt + ~drawn.bounded
    _replace_broken(bank, classes, ids, drawn, looks, rejected, threads)
    seed = seeds64(words(bank.seed, Domain.PIXELS, Field.PIXEL_SEED, ids, classes, 2))
    return Fits(
        *(drawn.instances, damping, looks.box, looks.white),
        *(drawn.points, seed, rejected, looks.fault),
    )


@dataclass(frozen=True)
class _Drawn:
    """For B clips the first attempt that is bounded, or else the last: its rate (B, 20) and orbit (B, 20, 1024, 2)."""

    instances: Instances
    bounded: NDArray[np.bool_]
    rate: NDArray[np.float32]
    points: NDArray[np.float32]


@dataclass(frozen=True)
class _Looks:
    """View boxes (B, 4), white densities (B,) and faults (B,) of B orbits."""

    box: NDArray[np.float32]
    white: NDArray[np.float32]
    fault: NDArray[np.int8]


def _search(
    bank: ClassBank, classes: NDArray[np.int64], ids: NDArray[np.int64], first: NDArray[np.int64], threads: int | None
) -> _Drawn:
    """Draw attempts `first` (B,), at most `attempts`, and later ones until one is bounded."""
    most = bank.config.attempts
    found: _Drawn | None = None
    left = np.arange(len(classes))
    for tries in _rounds(most):
        tried = np.repeat(left, len(tries))
        # Past the last attempt there is only the last attempt: drawing it twice changes nothing.
        number = np.minimum(first[tried] + np.tile(tries, len(left)), most)
        now = _try(bank, draw_instances(bank, classes[tried], ids[tried], number), threads)
        success = now.bounded.reshape(len(left), len(tries))
        # The first attempt that is bounded, else the last of the round.
        taken = np.where(success.any(axis=1), success.argmax(axis=1), len(tries) - 1)
        if found is None:  # one attempt of each: what is large need not be copied
            found = now
        else:
            _put(found, left, now, np.arange(len(left)) * len(tries) + taken)
        left = left[~success.any(axis=1)]
        if not len(left):
            break
    assert found is not None
    return found


def _put(whole: Any, rows: NDArray[np.int64], part: Any, chosen: NDArray[Any]) -> None:
    """Put the `chosen` rows of a dataclass of arrays in the place of those `rows` of another."""
    for field in fields(whole):
        to, of = getattr(whole, field.name), getattr(part, field.name)
        if is_dataclass(to):
            _put(to, rows, of, chosen)
        else:
            to[rows] = of[chosen]


def _replace_broken(
    bank: ClassBank,
    classes: NDArray[np.int64],
    ids: NDArray[np.int64],
    drawn: _Drawn,
    looks: _Looks,
    rejected: NDArray[np.int64],
    threads: int | None,
) -> None:
    """Put the next attempt that is bounded and whole, where there is one, in the place of broken ones, and count."""
    most = bank.config.attempts
    rows = np.flatnonzero((looks.fault != Fault.NONE) & drawn.bounded)
    fault, attempt = looks.fault[rows], drawn.instances.attempt[rows]
    while len(rows):
        rejected[rows, fault] += 1
        rows, attempt = rows[attempt < most], attempt[attempt < most]
        if not len(rows):
            break
        later = _search(bank, classes[rows], ids[rows], attempt + 1, threads)
        rejected[rows, Fault.UNBOUNDED] += later.instances.attempt - attempt - later.bounded
        seen = _look(bank, classes[rows], later.points, threads)
        good = later.bounded & (seen.fault == Fault.NONE)
        _put(drawn, rows[good], later, good)
        _put(looks, rows[good], seen, good)
        again = later.bounded & ~good
        rows, fault, attempt = rows[again], seen.fault[again], later.instances.attempt[again]


def _look(bank: ClassBank, classes: NDArray[np.int64], points: NDArray[np.float32], threads: int | None) -> _Looks:
    """What orbits (B, 20, 1024, 2) of classes (B,) show.

    White is the median over native times of the density below which 95 % of the points lie.
    """
    box = _boxes(bank, classes, points, threads)
    grid, frames = on_grid(points, box, threads=threads), bank.native_frames[classes]
    # Padding is sorted behind the native times; NumPy's median that leaves it out takes longer than all the rest.
    dense = np.sort(np.where(_real(frames), grid.dense, np.float32(np.inf)), axis=1)
    rows = np.arange(len(frames))
    white = (dense[rows, (frames - 1) // 2] + dense[rows, frames // 2]) * np.float32(0.5)
    return _Looks(box, white, faults(bank.config, grid, frames))


def _rounds(attempts: int) -> list[NDArray[np.int64]]:
    """Attempts that are tried at once: most clips need one; several at a time cost less than several rounds."""
    edges = [0, 1, min(3, attempts + 1), attempts + 1]
    return [np.arange(low, high) for low, high in pairwise(edges) if low < high]


def _try(bank: ClassBank, instances: Instances, threads: int | None) -> _Drawn:
    """Which instances are bounded on average, their rates and orbits.

    Orbits are found only where the rate allows; the others mean nothing.
    """
    config, frames = bank.config, bank.native_frames[instances.class_id]
    jobs = _native_jobs(bank, instances, None)
    rate = _rates(bank, instances, jobs, threads)
    slow = np.asarray((rate < config.max_rate).all(axis=1))
    if not slow.any():
        return _Drawn(instances, slow, rate, np.empty((*rate.shape, ORBIT_POINTS, 2), np.float32))
    points = _orbits(jobs, frames, slow, threads)
    near = _near(points, config.radius, threads)
    bounded = slow & (near >= _inside(bank, instances.class_id)[:, None]).all(axis=1)
    return _Drawn(instances, bounded, rate, points)


def _orbits(
    jobs: Jobs, frames: NDArray[np.int64], wanted: NDArray[np.bool_], threads: int | None
) -> NDArray[np.float32]:
    """Orbits (B, 20, 1024, 2) of the clips that are `wanted` (B,); the others mean nothing."""
    rows = np.flatnonzero(_real(frames) & wanted[:, None])
    points = orbit(jobs, ORBIT_POINTS, burn_in=SETTLING, rows=rows, threads=threads)
    return _repeat_last(points.reshape(-1, MAX_FRAMES, ORBIT_POINTS, 2), frames)


def _near(points: NDArray[np.float32], radius: float, threads: int | None) -> NDArray[np.float32]:
    """Shares (B, 20) of orbits (B, 20, 1024, 2) that lie within the radius."""
    return share_within(points.reshape(-1, *points.shape[2:]), radius, threads=threads).reshape(points.shape[:2])


def _inside(bank: ClassBank, classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Which share of an orbit must lie within the radius, for classes (B,)."""
    return np.where(bank.takes(classes, "unbounded"), bank.config.unbounded_inside, bank.config.inside)


def _rates(bank: ClassBank, instances: Instances, jobs: Jobs, threads: int | None) -> NDArray[np.float32]:
    """Rates of growth at infinity (B, 20); -inf where a variation grows so fast there that they say nothing."""
    frames = bank.native_frames[instances.class_id]
    rate = growth(jobs, rows=np.flatnonzero(_real(frames)), threads=threads).reshape(-1, MAX_FRAMES)
    rate[bank.takes(instances.class_id, "superlinear")] = -np.inf
    return _repeat_last(rate, frames)


def native_times(bank: ClassBank, class_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times 0..T-1 of each class (B,), the last repeated up to MAX_FRAMES: (B, 20)."""
    return np.minimum(np.arange(MAX_FRAMES), bank.native_frames[class_id][:, None] - 1)


def _damp(
    bank: ClassBank, instances: Instances, rate: NDArray[np.float32], threads: int | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factors (B, 20) that bound unbounded instances, and their orbits then.

    At first just what the rate asks for, min(1, exp(max_rate - rate)); where the orbit still strays, more of it.
    """
    config, frames = bank.config, bank.native_frames[instances.class_id]
    damping = np.minimum(1, np.exp(config.max_rate - rate)).astype(np.float32)
    stray, inside = np.zeros(damping.shape, np.bool_), _inside(bank, instances.class_id)[:, None]
    for _ in range(MAX_DAMPINGS):
        damping[stray] *= STRONGER
        jobs = _native_jobs(bank, instances, damping)
        points = _orbits(jobs, frames, np.ones(len(frames), np.bool_), threads)
        near = _near(points, config.radius, threads)
        stray = (_rates(bank, instances, jobs, threads) >= config.max_rate) | (near < inside)
        if not stray.any():
            break
    return damping, points


def _native_jobs(bank: ClassBank, instances: Instances, damping: NDArray[np.float32] | None) -> Jobs:
    """Jobs of B instances at 20 native times, the last one repeated: B · 20 of them."""
    times = native_times(bank, instances.class_id)
    maps = maps_at(bank, instances, times)
    if damping is not None:
        maps[..., LINEAR_PART] *= damping[:, :, None, None]
    weights = weights_at(bank, instances, maps)
    seed = seeds64(words(bank.seed, Domain.PIXELS, Field.FIT_SEED, instances.instance_id, instances.class_id, 2))
    arrays = {"maps": maps, "weights": weights, **bank.variations_at(instances.class_id, times)}
    by_job = {name: array.reshape(times.size, *array.shape[2:]) for name, array in arrays.items()}
    return Jobs.of(**by_job, seed=np.repeat(seed, MAX_FRAMES))


def _real(frames: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of 20 native times are those of clips with `frames` (B,) of them: (B, 20)."""
    return np.asarray(np.arange(MAX_FRAMES) < frames[:, None])


def _repeat_last(values: NDArray[np.float32], frames: NDArray[np.int64]) -> NDArray[np.float32]:
    """Values (B, 20, ...) in which the one at the last native time stands for all times after it."""
    clip, time = np.nonzero(~_real(frames))
    values[clip, time] = values[clip, frames[clip] - 1]
    return values


def _boxes(
    bank: ClassBank, classes: NDArray[np.int64], points: NDArray[np.float32], threads: int | None
) -> NDArray[np.float32]:
    """View boxes (B, 4): per time the quantiles of each axis, the union over times, and a margin."""
    config = bank.config
    ends = extent(points.reshape(-1, ORBIT_POINTS, 2), config.tail, threads=threads).reshape(len(points), MAX_FRAMES, 4)
    far = bank.takes(classes, "unbounded")
    if far.any():
        ends[far] = _fenced(ends[far], points[far], config.fence)
    ends = np.clip(ends, -10 * config.radius, 10 * config.radius)
    low, high = ends[..., :2].min(axis=1), ends[..., 2:].max(axis=1)
    size = np.maximum((high - low) * (1 + 2 * config.margin), MIN_EXTENT)
    if config.equal_scales:
        size = np.broadcast_to(size.max(axis=1, keepdims=True), size.shape)
    centre = (low + high) / 2
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)


def _fenced(ends: NDArray[np.float32], points: NDArray[np.float32], fence: float) -> NDArray[np.float32]:
    """Extents (B, 20, 4) of orbits (B, 20, 1024, 2), no farther out than `fence` spans of the middle 80 %.

    The tails of such orbits are so heavy that any fixed share of them to be left out is too much or too little.
    """
    cut = ORBIT_POINTS // 10
    parted = np.partition(points, (cut, ORBIT_POINTS - 1 - cut), axis=2)
    low, high = parted[:, :, cut], parted[:, :, -1 - cut]
    reach = np.float32(fence) * (high - low)
    return np.concatenate([np.maximum(ends[..., :2], low - reach), np.minimum(ends[..., 2:], high + reach)], axis=2)
