"""Statistics of orbit points: their extent, how much is near, how dense the dense part is."""

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


def _white_density(points, box, share, cells, out):
    n = points.shape[1]
    tally = np.empty(n + 1, np.int64)
    for j in range(points.shape[0]):
        cells[:] = 0
        tally[:] = 0
        scale_x = F32(cells.shape[1]) / (box[j, 2] - box[j, 0])
        scale_y = F32(cells.shape[0]) / (box[j, 3] - box[j, 1])
        seen = 0
        for i in range(n):
            u = (points[j, i, 0] - box[j, 0]) * scale_x
            v = (points[j, i, 1] - box[j, 1]) * scale_y
            if u >= F32(0.0) and v >= F32(0.0) and u < F32(cells.shape[1]) and v < F32(cells.shape[0]):
                cells[np.int64(v), np.int64(u)] += 1
                seen += 1
        for row in range(cells.shape[0]):
            for column in range(cells.shape[1]):
                tally[cells[row, column]] += cells[row, column]
        below = 0
        level = 0
        while level < n and F32(below + tally[level]) < share * F32(seen):
            below += tally[level]
            level += 1
        out[j] = F32(max(level, 1)) * F32(cells.size) / F32(n)


_extent_kernel = driver(types.void(_F3, types.int64, _F1, _F1, _F2), _extent).entry_point
_share_kernel = driver(types.void(_F3, types.float32, _F1), _share_within).entry_point
_white_kernel = driver(
    types.void(_F3, _F2, types.float32, types.Array(types.int64, 2, "C"), _F1), _white_density
).entry_point


def _split(count: int, threads: int | None) -> list[slice]:
    """Even pieces of J systems, of at least 64."""
    workers = available_cores() if threads is None else threads
    edges = np.linspace(0, count, max(1, min(4 * workers, count // 64)) + 1).astype(int)
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


def white_density(
    points: NDArray[np.float32], box: NDArray[np.float32], *, threads: int | None = None
) -> NDArray[np.float32]:
    """Density (J,), 1 being uniform, below which 95 % of the points (J, n, 2) in `box` (J, 4) lie on a grid of 32²."""
    out = np.empty(len(points), np.float32)

    def work(part: slice) -> None:
        _white_kernel(points[part], box[part], DENSE_SHARE, np.empty((GRID, GRID), np.int64), out[part])

    run_all(work, _split(len(points), threads), threads)
    return out
