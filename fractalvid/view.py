"""What a clip shows, found once from its orbit at its native times: boundedness, view box and exposure.

Nothing here depends on the frames, size or points asked for, so every rendering of a clip agrees on them.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.classes import MAX_FRAMES, ClassBank
from fractalvid.draws import Domain, Field, seeds64, words
from fractalvid.instances import Instances, draw_instances, maps_at, weights_at
from kernels import Jobs, growth, orbit
from kernels.points import extent, share_within, white_density

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
    """

    instances: Instances
    damping: NDArray[np.float32]
    box: NDArray[np.float32]
    white: NDArray[np.float32]
    points: NDArray[np.float32]
    seed: NDArray[np.uint64]

    def __len__(self) -> int:
        """The number of clips B."""
        return len(self.instances)


def fit_clips(bank: ClassBank, class_id: ArrayLike, instance_id: ArrayLike, *, threads: int | None = None) -> Fits:
    """Accept or redraw instances (B,) of classes (B,), then find their views. A pure function of the bank and the ids.

    An instance is bounded if its rate of growth at infinity is below `max_rate` and `inside` of its orbit lies within
    `radius`, at every native time. One that is not is drawn again, up to `attempts` times, and then damped.
    """
    classes, ids = np.broadcast_arrays(np.atleast_1d(np.asarray(class_id, np.int64)), np.asarray(instance_id, np.int64))
    attempt = np.zeros(len(classes), np.int64)
    rate = np.empty((len(classes), MAX_FRAMES), np.float32)
    points = np.empty((len(classes), MAX_FRAMES, ORBIT_POINTS, 2), np.float32)
    left = np.arange(len(classes))
    for tries in _rounds(bank.config.attempts):
        tried = np.repeat(left, len(tries))
        number = np.tile(tries, len(left))
        bounded, rates, orbits = _try(bank, draw_instances(bank, classes[tried], ids[tried], number), threads)
        success = bounded.reshape(len(left), len(tries))
        # The first attempt that is bounded, else the last of the round.
        taken = np.where(success.any(axis=1), success.argmax(axis=1), len(tries) - 1)
        chosen = np.arange(len(left)) * len(tries) + taken
        attempt[left], rate[left], points[left] = number[chosen], rates[chosen], orbits[chosen]
        left = left[~success.any(axis=1)]
        if not len(left):
            break
    instances = draw_instances(bank, classes, ids, attempt)
    damping = np.ones_like(rate)
    if len(left):
        damping[left], points[left] = _damp(bank, _select(instances, left), rate[left], threads)
    box = _boxes(bank, points, threads)
    white = _white(bank, instances, points, box, threads)
    seed = seeds64(words(bank.seed, Domain.PIXELS, Field.PIXEL_SEED, ids, classes, 2))
    return Fits(instances, damping, box, white, points, seed)


def _rounds(attempts: int) -> list[NDArray[np.int64]]:
    """Attempts that are tried at once: most clips need one; several at a time cost less than several rounds."""
    edges = [0, 1, min(3, attempts + 1), attempts + 1]
    return [np.arange(low, high) for low, high in pairwise(edges) if low < high]


def _try(
    bank: ClassBank, instances: Instances, threads: int | None
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """Which instances are bounded on average (B,), their rates (B, 20) and orbits (B, 20, 1024, 2).

    Orbits are found only where the rate allows; the others stay undefined.
    """
    config = bank.config
    jobs, spread = _native_jobs(bank, instances, None)
    rate = growth(jobs, threads=threads)[spread]
    slow = np.asarray((rate < config.max_rate).all(axis=1))
    points = np.empty((len(instances), MAX_FRAMES, ORBIT_POINTS, 2), np.float32)
    if slow.all():
        points[:] = orbit(jobs, ORBIT_POINTS, burn_in=SETTLING, threads=threads)[spread]
    elif slow.any():
        rows = np.flatnonzero(slow)
        jobs, spread = _native_jobs(bank, _select(instances, rows), None)
        points[rows] = orbit(jobs, ORBIT_POINTS, burn_in=SETTLING, threads=threads)[spread]
    near = share_within(points[slow].reshape(-1, ORBIT_POINTS, 2), config.radius, threads=threads)
    bounded = slow.copy()
    bounded[slow] = (near.reshape(-1, MAX_FRAMES) >= config.inside).all(axis=1)
    return bounded, rate, points


def native_times(bank: ClassBank, class_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times 0..T-1 of each class (B,), the last repeated up to MAX_FRAMES: (B, 20)."""
    return np.minimum(np.arange(MAX_FRAMES), bank.native_frames[class_id][:, None] - 1)


def _damp(
    bank: ClassBank, instances: Instances, rate: NDArray[np.float32], threads: int | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factors (B, 20) that bound unbounded instances, and their orbits then.

    At first just what the rate asks for, min(1, exp(max_rate - rate)); where the orbit still strays, more of it.
    """
    config = bank.config
    damping = np.minimum(1, np.exp(config.max_rate - rate)).astype(np.float32)
    stray = np.zeros(damping.shape, np.bool_)
    for _ in range(MAX_DAMPINGS):
        damping[stray] *= STRONGER
        jobs, spread = _native_jobs(bank, instances, damping)
        points = orbit(jobs, ORBIT_POINTS, burn_in=SETTLING, threads=threads)[spread]
        near = share_within(points.reshape(-1, ORBIT_POINTS, 2), config.radius, threads=threads)
        stray = (growth(jobs, threads=threads)[spread] >= config.max_rate) | (near.reshape(rate.shape) < config.inside)
        if not stray.any():
            break
    return damping, points


def _native_jobs(
    bank: ClassBank, instances: Instances, damping: NDArray[np.float32] | None
) -> tuple[Jobs, NDArray[np.int64]]:
    """Jobs of the instances at their native times, and for (clip, padded time) which job it is (B, 20)."""
    frames = bank.native_frames[instances.class_id]
    real = np.arange(MAX_FRAMES) < frames[:, None]
    maps = maps_at(bank, instances, native_times(bank, instances.class_id))
    if damping is not None:
        maps[..., LINEAR_PART] *= damping[:, :, None, None]
    weights = weights_at(bank, instances, maps)
    seed = seeds64(words(bank.seed, Domain.PIXELS, Field.FIT_SEED, instances.instance_id, instances.class_id, 2))
    clip = np.nonzero(real)[0]
    jobs = Jobs.of(maps[real], weights[real], variation=bank.variation[instances.class_id][clip], seed=seed[clip])
    last = np.cumsum(frames)[:, None] - 1
    return jobs, np.minimum(last - frames[:, None] + 1 + np.arange(MAX_FRAMES), last)


def _boxes(bank: ClassBank, points: NDArray[np.float32], threads: int | None) -> NDArray[np.float32]:
    """View boxes (B, 4): per time the quantiles of each axis, the union over times, and a margin."""
    config = bank.config
    ends = extent(points.reshape(-1, ORBIT_POINTS, 2), config.tail, threads=threads).reshape(len(points), MAX_FRAMES, 4)
    ends = np.clip(ends, -10 * config.radius, 10 * config.radius)
    low, high = ends[..., :2].min(axis=1), ends[..., 2:].max(axis=1)
    size = np.maximum((high - low) * (1 + 2 * config.margin), MIN_EXTENT)
    if config.equal_scales:
        size = np.broadcast_to(size.max(axis=1, keepdims=True), size.shape)
    centre = (low + high) / 2
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)


def _white(
    bank: ClassBank,
    instances: Instances,
    points: NDArray[np.float32],
    box: NDArray[np.float32],
    threads: int | None,
) -> NDArray[np.float32]:
    """Median over native times of the density below which 95 % of the points lie (B,)."""
    repeated = np.repeat(box, MAX_FRAMES, axis=0)
    dense = white_density(points.reshape(-1, ORBIT_POINTS, 2), repeated, threads=threads).reshape(
        len(points), MAX_FRAMES
    )
    real = np.arange(MAX_FRAMES) < bank.native_frames[instances.class_id][:, None]
    return np.nanmedian(np.where(real, dense, np.nan), axis=1).astype(np.float32)


def _select(instances: Instances, rows: NDArray[np.int64]) -> Instances:
    return Instances(
        instances.class_id[rows],
        instances.instance_id[rows],
        instances.attempt[rows],
        instances.factor[rows],
        instances.offset[rows],
    )
