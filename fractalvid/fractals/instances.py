"""Instances of a class: coefficients multiplied by random curves and shifted (reference method, section 1).

Draw, then apply: `draw_instances` makes the random part for a batch, `maps_at` is a pure function of it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.curves import SUBFRAMES, grid, sample_grid, spline_matrix
from fractalvid.core.seeds import Domain, Field, integers, uniforms
from fractalvid.fractals.bank import MAX_MAPS, ClassBank
from fractalvid.fractals.ifs import map_weights

MIN_KNOTS, MAX_KNOTS = 4, 7
COEFFICIENTS = 6


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
    """Draw instances (B,) of classes (B,) of a bank."""
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
    splines = _splines()[bank.native_frames[classes] - 1, count - MIN_KNOTS]
    return Instances(
        *(classes.copy(), ids.copy(), tries.copy()),
        factor=np.matmul(splines, knots),
        offset=np.float32(config.instance_offset) * (2 * offset - 1),
    )


@cache
def _splines() -> NDArray[np.float32]:
    """Spline matrices (T - 1, knots - 4, S, 7) for every clip length and number of knots, padded."""
    size = len(grid(MAX_FRAMES))
    table = np.zeros((MAX_FRAMES, MAX_KNOTS - MIN_KNOTS + 1, size, MAX_KNOTS), np.float32)
    for frames in range(2, MAX_FRAMES + 1):
        at = np.minimum(np.arange(size) / SUBFRAMES / (frames - 1), 1)
        for count in range(MIN_KNOTS, MAX_KNOTS + 1):
            table[frames - 1, count - MIN_KNOTS, :, :count] = spline_matrix(count, tuple(at.tolist()))
    return table


def maps_at(bank: ClassBank, instances: Instances, times: ArrayLike) -> NDArray[np.float32]:
    """Affine coefficients of the instances at times (B, F) in native frames: float32 (B, F, 8, 6), padded."""
    factor = sample_grid(instances.factor, times)
    maps = bank.maps_at(instances.class_id, times)
    maps *= factor[:, :, None]
    maps += instances.offset[:, None]
    return maps


def weights_at(bank: ClassBank, instances: Instances, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (B, F, 8) of those maps (B, F, 8, 6)."""
    return map_weights(maps, bank.num_maps[instances.class_id])
