"""What a clip shows, found once from its orbit at its native times: boundedness, view box and exposure.

Nothing here depends on the frames, size or points asked for, so every rendering of a clip agrees on them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.classes import MAX_FRAMES, ClassBank
from fractalvid.draws import Domain, Field, seeds64, words
from fractalvid.instances import Instances, draw_instances, maps_at, weights_at
from kernels import Jobs, growth, orbit
from kernels.points import extent, share_within, white_density

ORBIT_POINTS = 1024
LINEAR_PART = [0, 1, 3, 4]
MIN_EXTENT = 1e-3


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
    while len(left):
        instances = draw_instances(bank, classes[left], ids[left], attempt[left])
        rate[left], points[left] = _explore(bank, instances, None, threads)
        ok = _bounded(bank, instances, rate[left], points[left])
        left = left[~ok & (attempt[left] < bank.config.attempts)]
        attempt[left] += 1
    instances = draw_instances(bank, classes, ids, attempt)
    damping = np.ones_like(rate)
    lost = np.flatnonzero((attempt == bank.config.attempts) & ~_bounded(bank, instances, rate, points))
    if len(lost):
        # A little more than to the threshold: the rate is an estimate.
        damping[lost] = np.minimum(1, np.exp(bank.config.max_rate - rate[lost]))
        _, points[lost] = _explore(bank, _select(instances, lost), damping[lost], threads)
    box = _boxes(bank, points)
    white = _white(bank, instances, points, box)
    seed = seeds64(words(bank.seed, Domain.PIXELS, Field.PIXEL_SEED, ids, classes, 2))
    return Fits(instances, damping, box, white, points, seed)


def native_times(bank: ClassBank, class_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times 0..T-1 of each class (B,), the last repeated up to MAX_FRAMES: (B, 20)."""
    return np.minimum(np.arange(MAX_FRAMES), bank.native_frames[class_id][:, None] - 1)


def _explore(
    bank: ClassBank, instances: Instances, damping: NDArray[np.float32] | None, threads: int | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rate of growth (B, 20) and orbit points (B, 20, 1024, 2) at native times."""
    frames = bank.native_frames[instances.class_id]
    real = np.arange(MAX_FRAMES) < frames[:, None]
    maps = maps_at(bank, instances, native_times(bank, instances.class_id))
    if damping is not None:
        maps[..., LINEAR_PART] *= damping[:, :, None, None]
    weights = weights_at(bank, instances, maps)
    seed = seeds64(words(bank.seed, Domain.PIXELS, Field.FIT_SEED, instances.instance_id, instances.class_id, 2))
    clip = np.nonzero(real)[0]
    jobs = Jobs.of(maps[real], weights[real], variation=bank.variation[instances.class_id][clip], seed=seed[clip])
    # Spread back over the padded times: job number of (clip, time), the last time repeated.
    last = np.cumsum(frames)[:, None] - 1
    spread = np.minimum(last - frames[:, None] + 1 + np.arange(MAX_FRAMES), last)
    return growth(jobs, threads=threads)[spread], orbit(jobs, ORBIT_POINTS, threads=threads)[spread]


def _bounded(
    bank: ClassBank, instances: Instances, rate: NDArray[np.float32], points: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which of the instances are bounded on average at every native time (B,)."""
    config = bank.config
    near = share_within(points.reshape(-1, ORBIT_POINTS, 2), config.radius).reshape(rate.shape)
    return np.asarray((rate < config.max_rate).all(axis=1) & (near >= config.inside).all(axis=1))


def _boxes(bank: ClassBank, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """View boxes (B, 4): per time the quantiles of each axis, the union over times, and a margin."""
    config = bank.config
    ends = extent(points.reshape(-1, ORBIT_POINTS, 2), config.tail).reshape(len(points), MAX_FRAMES, 4)
    ends = np.clip(ends, -10 * config.radius, 10 * config.radius)
    low, high = ends[..., :2].min(axis=1), ends[..., 2:].max(axis=1)
    size = np.maximum((high - low) * (1 + config.margin), MIN_EXTENT)
    if config.equal_scales:
        size = np.broadcast_to(size.max(axis=1, keepdims=True), size.shape)
    centre = (low + high) / 2
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)


def _white(
    bank: ClassBank, instances: Instances, points: NDArray[np.float32], box: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Median over native times of the density below which 95 % of the points lie (B,)."""
    repeated = np.repeat(box, MAX_FRAMES, axis=0)
    dense = white_density(points.reshape(-1, ORBIT_POINTS, 2), repeated).reshape(len(points), MAX_FRAMES)
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
