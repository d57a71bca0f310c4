"""Statistics of orbit points: their extent, how much is near, how they fill and move over a grid of cells."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import driver, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32
from fractalvid.kernels.compiled.threads import available_cores, run_all
from fractalvid.kernels.compiled.types import FLOAT32_1D, FLOAT32_2D, FLOAT32_3D, FLOAT32_4D

GRID = 32
DENSE_SHARE = 0.95

_CELLS = GRID * GRID
_SIDE = F32(GRID)
_LANES = 128
"""Numbers, x and y in turn, whose extremes are looked for side by side."""


@subroutine
def _order_statistic(numbers, sign, axis, extremes, kept, smallest):
    """The last of as many smallest numbers of an axis, times `sign`, as `smallest` has room for.

    `extremes` are those of the lanes. Written without branches that depend on the numbers, since they can't be guessed.
    """
    whole = numbers.shape[0] // _LANES * _LANES
    # Of as many groups of lanes as numbers are looked for each has one up to here.
    bound = F32(-np.inf)
    step = 2 * smallest.shape[0]
    for first in range(axis, step, 2):
        least = F32(np.inf)
        for lane in range(first, _LANES, step):
            least = min(least, sign * extremes[lane])
        bound = max(bound, least)
    count = 0
    for lane in range(axis, _LANES, 2):
        if sign * extremes[lane] <= bound:
            for i in range(lane, whole, _LANES):
                value = sign * numbers[i]
                kept[count] = value
                count += 1 if value <= bound else 0
    for i in range(whole + axis, numbers.shape[0], 2):
        value = sign * numbers[i]
        kept[count] = value
        count += 1 if value <= bound else 0
    smallest[:] = F32(np.inf)
    for i in range(count):
        value = kept[i]
        for k in range(smallest.shape[0]):
            other = smallest[k]
            smallest[k] = value if value < other else other
            value = other if value < other else value
    return smallest[smallest.shape[0] - 1]


def _extent(points, kept, smallest, out):
    low = np.empty(_LANES, np.float32)
    high = np.empty(_LANES, np.float32)
    for j in range(points.shape[0]):
        numbers = points[j].reshape(-1)
        low[:] = F32(np.inf)
        high[:] = F32(-np.inf)
        for first in range(0, numbers.shape[0] - _LANES + 1, _LANES):
            row = numbers[first : first + _LANES]
            for lane in range(_LANES):
                low[lane] = row[lane] if row[lane] < low[lane] else low[lane]
                high[lane] = row[lane] if row[lane] > high[lane] else high[lane]
        for axis in range(2):
            out[j, axis] = _order_statistic(numbers, F32(1.0), axis, low, kept, smallest)
            out[j, 2 + axis] = -_order_statistic(numbers, F32(-1.0), axis, high, kept, smallest)


def _share_within(points, radius, out):
    for j in range(points.shape[0]):
        numbers = points[j].reshape(-1)
        inside = I32(0)  # and cast back at every step, as in `picture._place`
        for i in range(points.shape[1]):
            x, y = numbers[2 * i], numbers[2 * i + 1]
            inside = I32(inside + (I32(1) if x * x + y * y <= radius * radius else I32(0)))
        out[j] = F32(inside) / F32(points.shape[1])


@subroutine
def _locate(numbers, box, place):
    """The cell of each point; one more than there are for points outside."""
    left, top = box[0], box[1]
    scale_x = _SIDE / (box[2] - left)
    scale_y = _SIDE / (box[3] - top)
    for i in range(place.shape[0]):
        u = (numbers[2 * i] - left) * scale_x
        v = (numbers[2 * i + 1] - top) * scale_y
        inside = (u >= F32(0.0)) & (v >= F32(0.0)) & (u < _SIDE) & (v < _SIDE)
        column = u if inside else F32(0.0)
        row = v if inside else _SIDE
        place[i] = I32(row) * I32(GRID) + I32(column)


@subroutine
def _level(cells, most, enough):
    """The smallest number, at most `most`, such that cells with up to so many points hold `enough` together."""
    low = 0
    while low < most:
        level = (low + most) >> 1
        below = I32(0)
        for k in range(_CELLS):
            below = I32(below + (cells[k] if cells[k] <= level else I32(0)))
        if F32(below) < enough:
            low = level + 1
        else:
            most = level
    return low


@subroutine
def _changes(cells, before):
    """How many cells are occupied, the most points in one, and the sum of changes, of points outside too."""
    occupied, most, change = I32(0), I32(0), abs(cells[_CELLS] - before[_CELLS])
    for k in range(_CELLS):
        occupied = I32(occupied + I32(cells[k] > 0))
        most = max(most, cells[k])
        change = I32(change + abs(cells[k] - before[k]))
    return occupied, most, change


def _on_grid(points, box, share, dense, occupied, moved):
    n = points.shape[2]
    place = np.empty(n, np.uint32)
    cells = np.zeros(_CELLS + 1, np.int32)
    before = np.zeros(_CELLS + 1, np.int32)
    for j in range(points.shape[0]):
        for t in range(points.shape[1]):
            cells, before = before, cells
            cells[:] = 0
            _locate(points[j, t].reshape(-1), box[j], place)
            for i in range(n):
                cells[place[i]] += 1
            some, most, change = _changes(cells, before)
            level = _level(cells, most, share * F32(n - cells[_CELLS]))
            dense[j, t] = F32(max(level, 1)) * F32(_CELLS) / F32(n)
            occupied[j, t] = F32(some) / F32(_CELLS)
            moved[j, t] = F32(0.0) if t == 0 else F32(change) / F32(2 * n)


@cache
def _extent_kernel() -> Callable[..., None]:
    return _compiled(types.void(FLOAT32_3D, FLOAT32_1D, FLOAT32_1D, FLOAT32_2D), _extent)


@cache
def _share_kernel() -> Callable[..., None]:
    return _compiled(types.void(FLOAT32_3D, types.float32, FLOAT32_1D), _share_within)


@cache
def _grid_kernel() -> Callable[..., None]:
    return _compiled(types.void(FLOAT32_4D, FLOAT32_2D, types.float32, FLOAT32_2D, FLOAT32_2D, FLOAT32_2D), _on_grid)


def compile_all() -> None:
    """Compile what this module has, what is needed last first: another process may be at what is needed first."""
    for kernel in (_grid_kernel, _extent_kernel, _share_kernel):
        kernel()


def _compiled(signature: Any, function: Callable[..., None]) -> Callable[..., None]:
    kernel: Callable[..., None] = driver(signature, function).entry_point
    return kernel


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
    pieces = max(1, min(4 * workers, count // smallest)) if workers > 1 else 1
    edges = [count * piece // pieces for piece in range(pieces + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]


def extent(points: NDArray[np.float32], tail: float, *, threads: int | None = None) -> NDArray[np.float32]:
    """The box (J, 4) = left, top, right, bottom of points (J, n, 2) that leaves `tail` of them out on each side."""
    kernel, most = _extent_kernel(), int(tail * points.shape[1]) + 1
    out = np.empty((len(points), 4), np.float32)

    def work(part: slice) -> None:
        kernel(points[part], np.empty(points.shape[1] + 1, np.float32), np.empty(most, np.float32), out[part])

    run_all(work, _split(len(points), threads), threads)
    return out


def share_within(points: NDArray[np.float32], radius: float, *, threads: int | None = None) -> NDArray[np.float32]:
    """Share of the points (J, n, 2) within `radius` of the origin: (J,)."""
    kernel, out = _share_kernel(), np.empty(len(points), np.float32)
    run_all(lambda part: kernel(points[part], radius, out[part]), _split(len(points), threads), threads)
    return out


def on_grid(points: NDArray[np.float32], box: NDArray[np.float32], *, threads: int | None = None) -> OnGrid:
    """How points (B, F, n, 2) of B clips at F times fill and move over their views `box` (B, 4)."""
    kernel, out = _grid_kernel(), OnGrid(*(np.empty(points.shape[:2], np.float32) for _ in range(3)))

    def work(part: slice) -> None:
        kernel(points[part], box[part], DENSE_SHARE, out.dense[part], out.occupied[part], out.moved[part])

    run_all(work, _split(len(points), threads, 4), threads)
    return out
