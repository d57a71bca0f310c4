"""Instances of a class: coefficients multiplied by random curves and shifted (reference method, section 1).

Draw, then apply: `draw_instances` makes the random part of a batch. Maps, weights and jobs at any time are pure
functions of it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.curves import SUBFRAMES, grid, sample_grid, spline_matrix
from fractalvid.core.seeds import Domain, Field, integers, seeds64, uniforms, words
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import MAX_MAPS
from fractalvid.fractals.ifs import map_weights
from fractalvid.kernels import Jobs

MIN_KNOTS, MAX_KNOTS = 4, 7
COEFFICIENTS = 6
LINEAR_PART = [0, 1, 3, 4]
"""The coefficients a b d e of x' = a x + b y + c, y' = d x + e y + f, which damping multiplies."""


@dataclass(frozen=True)
class Instances:
    """The random part of B instances.

    Attributes:
        class_id: int64 (B,).
        instance_id: int64 (B,).
        attempt: int64 (B,), how often the instance was drawn again.
        factor: float32 (B, S, 6), multipliers of the six coefficients on the grid of `fractalvid.core.curves`.
        offset: float32 (B, 8, 6), added a map and coefficient.
    """

    class_id: NDArray[np.int64]
    instance_id: NDArray[np.int64]
    attempt: NDArray[np.int64]
    factor: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __len__(self) -> int:
        """The number of instances B."""
        return len(self.class_id)


def draw_instances(bank: ClassBank, class_id: ArrayLike, instance_id: ArrayLike, attempt: ArrayLike = 0) -> Instances:
    """Draw attempts (B,) at instances (B,) of classes (B,); they broadcast."""
    classes, ids, tries = np.broadcast_arrays(
        np.atleast_1d(np.asarray(class_id, np.int64)), np.asarray(instance_id, np.int64), np.asarray(attempt, np.int64)
    )

    def numbers(field: Field, count: int) -> NDArray[np.float32]:
        return uniforms(bank.seed, Domain.INSTANCE, field, ids, classes, count, attempt=tries)

    config = bank.config
    count = integers(numbers(Field.KNOT_COUNT, 1)[:, 0], MIN_KNOTS, MAX_KNOTS)
    knots = numbers(Field.KNOTS, MAX_KNOTS * COEFFICIENTS).reshape(-1, MAX_KNOTS, COEFFICIENTS)
    knots = 1 + config.instance_scale * (2 * knots - 1)
    offset = numbers(Field.OFFSETS, MAX_MAPS * COEFFICIENTS).reshape(-1, MAX_MAPS, COEFFICIENTS)
    splines = spline_table()[bank.native_frames[classes] - 1, count - MIN_KNOTS]
    return Instances(
        class_id=classes.copy(),
        instance_id=ids.copy(),
        attempt=tries.copy(),
        factor=np.matmul(splines, knots),
        offset=np.float32(config.instance_offset) * (2 * offset - 1),
    )


@cache
def spline_table() -> NDArray[np.float32]:
    """Spline matrices (T - 1, knots - 4, S, 7) for every clip length and number of knots, padded."""
    size = len(grid(MAX_FRAMES))
    table = np.zeros((MAX_FRAMES, MAX_KNOTS - MIN_KNOTS + 1, size, MAX_KNOTS), np.float32)
    for frames in range(2, MAX_FRAMES + 1):
        at = np.minimum(np.arange(size) / SUBFRAMES / (frames - 1), 1)
        for count in range(MIN_KNOTS, MAX_KNOTS + 1):
            table[frames - 1, count - MIN_KNOTS, :, :count] = spline_matrix(count, tuple(at.tolist()))
    return table


def maps_at(bank: ClassBank, instances: Instances, times: ArrayLike) -> NDArray[np.float32]:
    """Affine coefficients of B instances at times (B, F) in native frames: float32 (B, F, 8, 6), padded."""
    factor = sample_grid(instances.factor, times)
    maps = bank.maps_at(instances.class_id, times)
    maps *= factor[:, :, None]
    maps += instances.offset[:, None]
    return maps


def weights_at(bank: ClassBank, instances: Instances, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities float32 (B, F, 8) of the instances' maps (B, F, 8, 6)."""
    return map_weights(maps, bank.num_maps[instances.class_id])


def jobs_at(
    bank: ClassBank,
    instances: Instances,
    times: ArrayLike,
    damping: NDArray[np.float32] | None = None,
    *,
    seed: NDArray[np.uint64],
    **fields: Any,
) -> Jobs:
    """Jobs of B instances at times (B, F) in native frames, clip by clip: B · F of them.

    Args:
        bank: the classes.
        instances: drawn from it.
        times: (B, F), in [0, T - 1].
        damping: float32 (B, 20), factors of the linear parts of the maps at native times; linear in between.
        seed: (B,), one for all frames of a clip: noise then moves with the figure instead of flickering.
        fields: further arguments of `Jobs.of`, with a row for each job.
    """
    at = np.asarray(times, np.float64)
    maps = maps_at(bank, instances, at)
    if damping is not None and np.any(damping < 1):
        maps[..., LINEAR_PART] *= _damping_at(damping, at)[..., None, None]
    arrays = {"maps": maps, "weights": weights_at(bank, instances, maps)}
    arrays |= bank.variations_at(instances.class_id, at)
    by_job = {name: array.reshape(at.size, *array.shape[2:]) for name, array in arrays.items()}
    return Jobs.of(**by_job, seed=np.repeat(seed, at.shape[1]), **fields)


def clip_seeds(bank: ClassBank, field: Field, class_id: ArrayLike, instance_id: ArrayLike) -> NDArray[np.uint64]:
    """Seeds uint64 (B,) of instances in the domain `PIXELS`."""
    return seeds64(words(bank.seed, Domain.PIXELS, field, instance_id, class_id, 2))


def native_times(bank: ClassBank, class_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times 0..T-1 of classes (B,), the last repeated up to `MAX_FRAMES`: (B, 20)."""
    return np.minimum(np.arange(MAX_FRAMES), bank.native_frames[class_id][:, None] - 1)


def is_native(frames: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the 20 times of `native_times` are no repetition, in clips of `frames` (B,) native frames: (B, 20)."""
    return np.asarray(np.arange(MAX_FRAMES) < frames[:, None])


def _damping_at(damping: NDArray[np.float32], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """Damping (B, 20) at times (B, F), linear between native times."""
    left = np.minimum(times.astype(np.int64), MAX_FRAMES - 2)
    share = times - left
    rows = np.arange(len(damping))[:, None]
    return np.asarray(damping[rows, left] * (1 - share) + damping[rows, left + 1] * share, np.float32)
