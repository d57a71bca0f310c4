"""The specification: slow, obvious NumPy with an independent choice of map for every walker and step.

Random numbers come from the same counters as everywhere but are used differently than by the fast kernels, so results
agree in distribution, not bit for bit.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.kernels.compiled.random import philox4x32, seed_words, uniform
from fractalvid.kernels.jobs import Jobs
from fractalvid.kernels.tone import plan
from fractalvid.kernels.variations import VARIATIONS

WALKERS = 1024
ESCAPE = 1e6
FAR = 1e5


def _uniforms(jobs: Jobs, j: int, step: int, count: int, use: int) -> NDArray[np.float32]:
    """(count, 4) uniforms of job j, one row a walker."""
    counter = np.zeros((count, 4), np.uint32)
    counter[:, 0], counter[:, 1], counter[:, 3] = step, np.arange(count), use
    return uniform(philox4x32(seed_words(int(jobs.seed[j])), counter))


def _begin(jobs: Jobs, j: int, count: int) -> NDArray[np.float32]:
    if jobs.start is not None and jobs.start.shape[1]:
        return np.asarray(jobs.start[j][np.arange(count) % jobs.start.shape[1]], np.float32)
    return 2 * _uniforms(jobs, j, 0, count, 11)[:, :2] - 1


def _choose(jobs: Jobs, j: int, step: int, count: int) -> NDArray[np.int64]:
    """The map that each of `count` walkers takes in a step."""
    u = _uniforms(jobs, j, step, count, 12)[:, 0]
    edges = np.cumsum(jobs.weights[j])
    return np.searchsorted(edges / edges[-1], u, side="right").clip(0, len(edges) - 1)


def _move(jobs: Jobs, j: int, step: int, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply an independently chosen map and its variations to every walker (L, 2)."""
    chosen = _choose(jobs, j, step, len(points))
    m = jobs.maps[j][chosen]
    x = m[:, 0] * points[:, 0] + m[:, 1] * points[:, 1] + m[:, 2]
    y = m[:, 3] * points[:, 0] + m[:, 4] * points[:, 1] + m[:, 5]
    moved = np.zeros_like(points)
    for s in range(jobs.variation.shape[2]):
        # Two blocks of four uniforms for each summed variation.
        draws = np.column_stack([_uniforms(jobs, j, step, len(points), 20 + 2 * s + block) for block in (0, 1)])
        for i, k in enumerate(chosen):
            if jobs.amount[j, k, s] != 0:
                moved[i] += jobs.amount[j, k, s] * np.array(_vary(jobs, j, k, s, x[i], y[i], draws[i]), np.float32)
    return moved


def _vary(
    jobs: Jobs, j: int, k: int, s: int, x: np.float32, y: np.float32, draws: NDArray[np.float32]
) -> tuple[Any, Any]:
    """Summand s of map k at a point, with eight uniform random numbers of its own."""
    row = VARIATIONS[int(jobs.variation[j, k, s])]
    values = dict(zip("abcdef", jobs.maps[j, k], strict=True))
    values |= {f"p{i + 1}": p for i, p in enumerate(jobs.params[j, k, s])}
    values |= {f"u{i + 1}": u for i, u in enumerate(draws)}
    return row.function(x, y, *(values[name] for name in row.arguments))


def _restart(jobs: Jobs, j: int, step: int, points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Put escaped walkers back into [-1, 1]² in place; returns which they were."""
    with np.errstate(invalid="ignore", over="ignore"):
        escaped = ~(np.abs(points).sum(axis=1) <= ESCAPE)
    points[escaped] = 2 * _uniforms(jobs, j, step, len(points), 13)[escaped, :2] - 1
    return np.asarray(escaped)


def orbit(jobs: Jobs, n: int, burn_in: int, out: NDArray[np.float32]) -> None:
    """See `kernels.orbit`; writes (J, n, 2)."""
    count = min(n, WALKERS)
    for j in range(len(jobs)):
        points = _begin(jobs, j, count)
        written = step = 0
        while written < n:
            points = _move(jobs, j, step, points)
            kept = points.copy()
            kept[_restart(jobs, j, step, points)] = np.inf
            if step >= burn_in:
                part = kept[: n - written]
                out[j, written : written + len(part)] = part
                written += len(part)
            step += 1


def growth(jobs: Jobs, steps: int, burn_in: int, out: NDArray[np.float32]) -> None:
    """See `kernels.growth`; writes (J,)."""
    for j in range(len(jobs)):
        points = 2 * _uniforms(jobs, j, 0, 64, 11)[:, :2] - 1
        total = 0.0
        for step in range(burn_in + steps):
            points = (points * (FAR / np.hypot(points[:, 0], points[:, 1]))[:, None]).astype(np.float32)
            points = _move(jobs, j, step, points)
            if step >= burn_in:
                total += float(np.log(np.hypot(points[:, 0], points[:, 1]).clip(1.0, 1e15) / FAR).mean())
        out[j] = total / steps


def accumulate(
    jobs: Jobs,
    points: NDArray[np.int64],
    burn_in: int,
    counts: NDArray[np.uint32],
    outside: NDArray[np.int64],
    discarded: NDArray[np.int64],
    colour: NDArray[np.uint32] | None = None,
) -> None:
    """See `kernels.accumulate`; fills counts (J, H, W), outside (J,), discarded (J,) and, if given, colour (J, H, W).

    A walker's colour begins at 1/2 and moves half way to that of each map it takes.
    """
    counts[:] = 0
    sums = np.zeros(counts.shape, np.int64)
    height, width = counts.shape[1:]
    for j in range(len(jobs)):
        walkers = _begin(jobs, j, min(WALKERS, int(points[j])))
        shade = np.full(len(walkers), 0.5, np.float32)
        left, lost, step = int(points[j]), 0, 0
        while left:
            walkers = _move(jobs, j, step, walkers)
            if jobs.colour is not None:
                shade = (shade + jobs.colour[j][_choose(jobs, j, step, len(walkers))]) * np.float32(0.5)
            kept = walkers.copy()
            escaped = _restart(jobs, j, step, walkers)
            if step >= burn_in:
                n = min(left, len(walkers))
                lost += int(escaped[:n].sum())
                row, column = _project(jobs.projection[j], kept[:n][~escaped[:n]])
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                pixel = (row[inside].astype(int), column[inside].astype(int))
                np.add.at(counts[j], pixel, 1)
                np.add.at(sums[j], pixel, (255 * shade[:n][~escaped[:n]][inside] + 0.5).astype(int))
                left -= n
            step += 1
        discarded[j] = lost
        outside[j] = int(points[j]) - lost - int(counts[j].sum())
    if colour is not None:
        colour[:] = sums


def _project(
    matrix: NDArray[np.float32], points: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column of plane points (L, 2); a point behind the camera is nowhere (-1).

    Where the last row is constant nothing lies behind: a matrix is only known up to its sign.
    """
    projected = np.column_stack([points, np.ones(len(points))]) @ matrix.T.astype(np.float64)
    ahead = projected[:, 2] != 0 if not matrix[2, :2].any() else projected[:, 2] > 0
    scale = np.where(ahead, projected[:, 2], 1)
    column, row = projected[:, 0] / scale, projected[:, 1] / scale
    return np.where(ahead, np.floor(row), -1), np.where(ahead, np.floor(column), -1)


def box3(counts: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Sums of the 3 x 3 neighbourhoods of (J, H, W), nothing lying outside."""
    padded = np.pad(counts.astype(np.int64), ((0, 0), (1, 1), (1, 1)))
    height, width = counts.shape[1:]
    return np.asarray(sum(padded[:, i : i + height, k : k + width] for i in range(3) for k in range(3)))


def tone(
    jobs: Jobs,
    counts: NDArray[np.uint32],
    points: NDArray[np.int64],
    exposure: NDArray[np.float32] | str,
    clip: ArrayLike | None,
) -> NDArray[np.uint8]:
    """Grey uint8 (J, H, W) of counts, see `kernels.render`."""
    boxes = box3(counts).astype(np.float64)
    if isinstance(exposure, str):
        groups = np.zeros(len(jobs), int) if clip is None else np.asarray(clip)
        largest = np.array([max(1.0, boxes[groups == g].max()) for g in groups])
        grey = np.log1p(boxes) / np.log1p(largest)[:, None, None]
    else:
        gain, white, *inverse = plan(jobs.projection, exposure, points).T.astype(np.float64)
        height, width = counts.shape[1:]
        v, u = np.mgrid[:height, :width] + 0.5
        a, b, c = (row[:, None, None] for row in inverse)
        flat = (a == 0) & (b == 0)
        area = np.where(flat, 1.0, np.abs(a * u + b * v + c) ** 3)
        grey = np.log1p(gain[:, None, None] * area * boxes) / np.log1p(white)[:, None, None]
    return np.asarray((255 * grey.clip(0, 1) + 0.5), np.uint8)


def paint(
    grey: NDArray[np.uint8],
    counts: NDArray[np.uint32],
    colour: NDArray[np.uint32],
    curve: NDArray[np.uint8],
    palette: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Colours uint8 (J, H, W, 3) of greys (J, H, W), from counts and sums of indices, see `kernels.render`."""
    index = np.floor(box3(colour) / np.maximum(box3(counts), 1) + 0.5).astype(int)
    colours = palette[np.arange(len(grey))[:, None, None], index].astype(int)
    return np.asarray(np.floor(curve[grey][..., None] * colours / 255 + 0.5), np.uint8)
