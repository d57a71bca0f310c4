"""What points of figures do in the cells of a frame, and in the frame as a whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """Figures of B clips of T frames on G x G cells.

    Attributes:
        count: int64 (B, T, G, G), points there.
        moved: int64 (B, T - 1, G, G), those of which it is known where they are in the next frame; 0 where they have no
            common flow: fewer than half are known, or their displacements differ by a cell (root of the mean square).
        flow: float64 (B, 2, T - 1, G, G), their mean displacement to there; 0 where none is known.
    """

    count: Ints
    moved: Ints
    flow: NDArray[np.float64]


def into_cells(x: Singles, y: Singles, followed: NDArray[np.bool_], clip: Ints, clips: int, grid: int) -> Cells:
    """Sort points into cells.

    Args:
        x: (R, T, P), in shares of the frame.
        y: (R, T, P).
        followed: (R, P), of which points it is known where they go.
        clip: (R,), of which clip each figure is.
        clips: B.
        grid: G.
    """
    frames = x.shape[1]
    inside = in_sight(x, y)
    with np.errstate(invalid="ignore"):
        cell = (y * grid).astype(np.int32) * grid + (x * grid).astype(np.int32)
    first = (clip[:, None] * frames + np.arange(frames)).astype(np.int32) * (grid * grid)
    key = np.where(inside, cell + first[..., None], clips * frames * grid * grid)
    total = clips * frames * grid * grid + 1

    def summed(keys: NDArray[np.int32], weights: Singles | None = None) -> NDArray[np.float64]:
        values = np.bincount(keys.ravel(), None if weights is None else weights.ravel(), minlength=total)
        return np.asarray(values[:-1].reshape(clips, frames, grid, grid))

    dx, dy = (np.diff(values, axis=1) for values in (x, y))
    known = np.isfinite(dx) & np.isfinite(dy) & followed[:, None]
    begins = np.where(known, key[:, :-1], total - 1)
    moved = summed(begins)[:, :-1]
    sums = [summed(begins, np.where(known, values, 0))[:, :-1] for values in (dx, dy)]
    flow = np.stack(sums, axis=1) / np.maximum(moved, 1)[:, None]
    squares = summed(begins, np.where(known, dx * dx + dy * dy, 0))[:, :-1] / np.maximum(moved, 1)
    spread = np.sqrt(np.maximum(squares - (flow * flow).sum(axis=1), 0))
    count = summed(key)
    one = (2 * moved >= count[:, :-1]) & (spread * grid < 1)
    return Cells(count.astype(np.int64), np.where(one, moved, 0).astype(np.int64), flow)


def mean_motion(
    x: Singles, y: Singles, followed: NDArray[np.bool_], clip: Ints, clips: int
) -> tuple[Singles, NDArray[np.bool_]]:
    """`Truth.motion` float32 (B, 3) and `Truth.moving` bool (B,) of points; arguments are those of `into_cells`."""
    inside = in_sight(x, y)
    both = inside[:, :-1] & inside[:, 1:] & followed[:, None]
    dx, dy = (np.where(both, np.diff(values, axis=1), np.float32(0)) for values in (x, y))
    sums = np.stack([values.sum(axis=(1, 2)) for values in (dx, dy, np.sqrt(dx * dx + dy * dy), both)], axis=1)
    total = np.zeros((clips, 4))
    np.add.at(total, clip, sums)
    moving = total[:, 3] > 0
    return (total[:, :3] / np.maximum(total[:, 3:], 1)).astype(np.float32), moving


def in_sight(x: Singles, y: Singles) -> NDArray[np.bool_]:
    """Which points lie in the frame."""
    with np.errstate(invalid="ignore"):
        return np.asarray((x >= 0) & (x < 1) & (y >= 0) & (y < 1))
