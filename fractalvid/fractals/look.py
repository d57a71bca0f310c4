"""What an orbit shows: the box of the plane that the clip views, its exposure, and whether it is plainly broken.

Over-selection hurts pre-training, so only clips that show nothing are broken: a dot, an even field, a still. The
thresholds, fields of `ClassConfig`, apply to orbits on a coarse grid over the view, which exposure needs anyway.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.instances import is_native
from fractalvid.kernels.cpu.points import OnGrid, extent, on_grid

MIN_EXTENT = 1e-3
"""Smallest width and height of a view."""
MIDDLE_TAIL = 0.1
"""Share of an orbit that is cut off on each side, per axis and time, to leave the middle of it."""


@dataclass(frozen=True)
class Look:
    """What B orbits show.

    Attributes:
        box: float32 (B, 4), the view's left, top, right and bottom in the plane.
        white: float32 (B,), the density that is shown as white, relative to a uniform one.
        fault: int8 (B,), see `Fault`.
    """

    box: NDArray[np.float32]
    white: NDArray[np.float32]
    fault: NDArray[np.int8]


def look_at(
    bank: ClassBank, class_id: NDArray[np.int64], orbit: NDArray[np.float32], *, threads: int | None = None
) -> Look:
    """View, exposure and fault of orbits (B, 20, P, 2) of classes (B,) at native times, the last one repeated.

    White is the median over native times of the density below which 95 % of the points lie.
    """
    box = view_boxes(bank, class_id, orbit, threads=threads)
    grid, frames = on_grid(orbit, box, threads=threads), bank.native_frames[class_id]
    # Repetitions become infinite, so they are sorted behind the native times: much faster than a median with a mask.
    dense = np.sort(np.where(is_native(frames), grid.dense, np.float32(np.inf)), axis=1)
    rows = np.arange(len(frames))
    white = (dense[rows, (frames - 1) // 2] + dense[rows, frames // 2]) * np.float32(0.5)
    return Look(box, white, faults(bank.config, grid, frames))


def view_boxes(
    bank: ClassBank, class_id: NDArray[np.int64], orbit: NDArray[np.float32], *, threads: int | None = None
) -> NDArray[np.float32]:
    """View boxes float32 (B, 4): quantiles of the orbit on each axis, their union over all times, and a margin."""
    config, points = bank.config, orbit.shape[2]
    ends = extent(orbit.reshape(-1, points, 2), config.tail, threads=threads).reshape(len(orbit), MAX_FRAMES, 4)
    far = bank.have_trait(class_id, "unbounded")
    if far.any():
        ends[far] = _fenced(ends[far], orbit[far], config.fence)
    ends = np.clip(ends, -10 * config.radius, 10 * config.radius)
    low, high = ends[..., :2].min(axis=1), ends[..., 2:].max(axis=1)
    size = np.maximum((high - low) * (1 + 2 * config.margin), MIN_EXTENT)
    if config.equal_scales:
        size = np.broadcast_to(size.max(axis=1, keepdims=True), size.shape)
    centre = (low + high) / 2
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)


def _fenced(ends: NDArray[np.float32], orbit: NDArray[np.float32], fence: float) -> NDArray[np.float32]:
    """Extents (B, 20, 4) of orbits (B, 20, P, 2), no farther out than `fence` spans of the middle 80 %.

    The tails of these orbits are so heavy that leaving out any fixed share of them is too much or too little.
    """
    points = orbit.shape[2]
    cut = int(MIDDLE_TAIL * points)
    parted = np.partition(orbit, (cut, points - 1 - cut), axis=2)
    low, high = parted[:, :, cut], parted[:, :, -1 - cut]
    reach = np.float32(fence) * (high - low)
    return np.concatenate([np.maximum(ends[..., :2], low - reach), np.minimum(ends[..., 2:], high + reach)], axis=2)


class Fault(IntEnum):
    """Why an attempt at an instance is rejected."""

    NONE = 0
    EMPTY = 1
    FULL = 2
    STILL = 3
    UNBOUNDED = 4


def faults(config: ClassConfig, grid: OnGrid, frames: NDArray[np.int64]) -> NDArray[np.int8]:
    """The fault int8 (B,) of clips, `Fault.NONE` where there is none; never `Fault.UNBOUNDED`.

    Args:
        config: the thresholds.
        grid: the orbits at F times (B, F), of which the first `frames` are native.
        frames: (B,), T of each clip.
    """
    real = np.arange(grid.occupied.shape[1]) < frames[:, None]
    empty = ((grid.occupied <= config.empty) & real).sum(axis=1) >= config.broken * frames
    full = ((grid.occupied > config.full) & real).sum(axis=1) >= config.broken * frames
    still = np.where(real, grid.moved, 0).sum(axis=1) < config.still * np.maximum(frames - 1, 1)
    return np.select([empty, full, still], [Fault.EMPTY, Fault.FULL, Fault.STILL], Fault.NONE).astype(np.int8)
