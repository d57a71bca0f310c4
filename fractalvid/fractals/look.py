"""Which instances are plainly broken: nearly empty, nearly full, or motionless. Nothing finer is selected.

Over-selection hurts pre-training, so the thresholds (fields of `fractals.bank.ClassConfig`) are set where a clip
shows nothing: a dot, an even field, a still. They look at orbits on a coarse grid, which the view needs anyway.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from fractalvid.fractals.bank import ClassConfig
from fractalvid.kernels.cpu.points import OnGrid


class Fault(IntEnum):
    """Why an instance is not taken as it was drawn."""

    NONE = 0
    EMPTY = 1
    FULL = 2
    STILL = 3
    UNBOUNDED = 4


def faults(config: ClassConfig, grid: OnGrid, frames: NDArray[np.int64]) -> NDArray[np.int8]:
    """The fault (B,) of clips with `frames` (B,) native times, `Fault.NONE` where there is none.

    Args:
        config: the thresholds.
        grid: what the orbits are at native times (B, F), padded at the end.
        frames: T of each clip.
    """
    real = np.arange(grid.occupied.shape[1]) < frames[:, None]
    empty = ((grid.occupied <= config.empty) & real).sum(axis=1) >= config.broken * frames
    full = ((grid.occupied > config.full) & real).sum(axis=1) >= config.broken * frames
    still = np.where(real, grid.moved, 0).sum(axis=1) < config.still * np.maximum(frames - 1, 1)
    return np.select([empty, full, still], [Fault.EMPTY, Fault.FULL, Fault.STILL], Fault.NONE).astype(np.int8)
