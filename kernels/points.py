"""Statistics of orbit points: their extent, how much is near, how they fill and move over a grid of cells."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels.compile import driver
from kernels.elementary import F32
from kernels.threads import available_cores, run_all

GRID = 32
DENSE_SHARE = 0.95

_F1 = types.Array(types.float32, 1, "C")
_F2 = types.Array(types.float32, 2, "C")
_F3 = types.Array(types.float32, 3, "C")
_F4 = types.Array(types.float32, 4, "C")
_I2 = types.Array(types.int32, 2, "C")


def _extent(points, cut, smallest, largest, out):
    for j in range(points.shape[0]):
        for axis in range(2):
            smallest[:] = F32(np.inf)
            largest[:] = F32(-np.inf)
            for i in range(points.shape[1]):
                value = points[j, i, axis]
                if value < smallest[cut]:
                    k = cut
                    while k > 0 and smallest[k - 1] > value:
                        smallest[k] = smallest[k - 1]
                        k -= 1
                    smallest[k] = value
                if value > largest[cut]:
                    k = cut
                    while k > 0 and largest[k - 1] < value:
                        largest[k] = largest[k - 1]
                        k -= 1
                    largest[k] = value
            out[j, axis] = smallest[cut]
            out[j, 2 + axis] = largest[cut]


def _share_within(points, radius, out):
    for j in range(points.shape[0]):
        inside = 0
        for i in range(points.shape[1]):
            x, y = points[j, i, 0], points[j, i, 1]
            inside += 1 if x * x + y * y <= radius * radius else 0
        out[j] = F32(inside) / F32(points.shape[1])


def _on_grid(points, box, share, cells, before, dense, occupied, moved):
    n = points.shape[2]
    tally = np.empty(n + 1, np.int64)
    for j in range(points.shape[0]):
        scale_x = F32(cells.shape[1]) / (box[j, 2] - box[j, 0])
        scale_y = F32(cells.shape[0]) / (box[j, 3] - box[j, 1])
        seen_before = 0
        for t in range(points.shape[1]):
            cells[:] = 0
            tally[:] = 0
            seen = 0
            for i in range(n):
                u = (points[j, t, i, 0] - box[j, 0]) * scale_x
                v = (points[j, t, i, 1] - box[j, 1]) * scale_y
                if u >= F32(0.0) and v >= F32(0.0) and u < F32(cells.shape[1]) and v < F32(cells.shape[0]):
                    cells[np.int64(v), np.int64(u)] += 1
                    seen += 1
            change = abs(seen - seen_before)
            for row in range(cells.shape[0]):
                for column in range(cells.shape[1]):
                    tally[cells[row, column]] += 1
                    change += abs(cells[row, column] - before[row, column])
            below = 0
            level = 0
            while level < n and F32(below + tally[level] * level) < share * F32(seen):
                below += tally[level] * level
                level += 1
            dense[j, t] = F32(max(level, 1)) * F32(cells.size) / F32(n)
            occupied[j, t] = F32(cells.size - tally[0]) / F32(cells.size)
            moved[j, t] = F32(0.0) if t == 0 else F32(change) / F32(2 * n)
            before[:] = cells
            seen_before = seen


_extent_kernel = driver(types.void(_F3, types.int64, _F1, _F1, _F2), _extent).entry_point
_share_kernel = driver(types.void(_F3, types.float32, _F1), _share_within).entry_point
_grid_kernel = driver(types.void(_F4, _F2, types.float32, _I2, _I2, _F2, _F2, _F2), _on_grid).entry_point


@dataclass(frozen=True)
class OnGrid:
    """What orbits of B clips at F times are on a grid of 32² cells over each clip's view.

    Attributes:
        dense: float32 (B, F), the density, 1 being uniform, below which 95 % of the points lie.
        occupied: float32 (B, F), share of the cells with a point.
        moved: float32 (B, F), share of the points that lie elsewhere than a time before: half the sum of the cells'
            changes, over the number of points; 0 at the first time.
    """

    dense: NDArray[np.float32]
    occupied: NDArray[np.float32]
    moved: NDArray[np.float32]


def _split(count: int, threads: int | None, smallest: int = 64) -> list[slice]:
    """Even pieces of J systems, of at least `smallest`."""
    workers = available_cores() if threads is None else threads
    edges = np.linspace(0, count, max(1, min(4 * workers, count // smallest)) + 1).astype(int)
    return [slice(low, high) for low, high in pairwise(edges.tolist())]


def extent(points: NDArray[np.float32], tail: float, *, threads: int | None = None) -> NDArray[np.float32]:
    """The box (J, 4) = left, top, right, bottom of points (J, n, 2) that leaves `tail` of them out on each side."""
    cut = int(tail * points.shape[1])
    out = np.empty((len(points), 4), np.float32)

    def work(part: slice) -> None:
        _extent_kernel(points[part], cut, np.empty(cut + 1, np.float32), np.empty(cut + 1, np.float32), out[part])

    run_all(work, _split(len(points), threads), threads)
    return out


def share_within(points: NDArray[np.float32], radius: float, *, threads: int | None = None) -> NDArray[np.float32]:
    """Share of the points (J, n, 2) within `radius` of the origin: (J,)."""
    out = np.empty(len(points), np.float32)
    run_all(lambda part: _share_kernel(points[part], radius, out[part]), _split(len(points), threads), threads)
    return out


def on_grid(points: NDArray[np.float32], box: NDArray[np.float32], *, threads: int | None = None) -> OnGrid:
    """How points (B, F, n, 2) of B clips at F times fill and move over their views `box` (B, 4)."""
    out = OnGrid(*(np.empty(points.shape[:2], np.float32) for _ in range(3)))

    def work(part: slice) -> None:
        cells, before = np.empty((2, GRID, GRID), np.int32)
        _grid_kernel(
            *(points[part], box[part], DENSE_SHARE, cells, before),
            *(out.dense[part], out.occupied[part], out.moved[part]),
        )

    run_all(work, _split(len(points), threads, 4), threads)
    return out
