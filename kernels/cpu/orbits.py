"""Drivers that follow orbits: points of attractors, and growth at infinity. They take what those of `frames` do."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import subroutine
from fractalvid.kernels.compiled.elementary import F32, I32, log
from fractalvid.kernels.compiled.pointers import at
from fractalvid.kernels.cpu.batch import job_of
from fractalvid.kernels.cpu.walkers import (
    ESCAPE,
    STEPS_OF_A_TABLE,
    begin,
    draw_offsets,
    new_walkers,
    offset_of,
    restart,
    step_row,
    stepping,
)

FAR = F32(1e5)
"""The radius at which growth at infinity is measured."""
_OVERFLOW = F32(1e15)
"""A radius whose square float32 still holds; what is farther out counts as this far."""
_UNIT = F32(2.0**-20)
"""Where a product of ratios begins. Four ratios of 1e-5 to 1e10 then fit float32, and scaling by a power of two changes
no digit of theirs."""
_HUGE = F32(1e30)
"""A product of ratios that is above this may overflow once it is brought back from `_UNIT` to 1."""
_LOG_OF_UNIT = F32(np.log(2.0**-20))


class OrbitTask(NamedTuple):
    """`kernels.orbit`: points float32 (J, n, 2)."""

    points: NDArray[np.float32]


class GrowthTask(NamedTuple):
    """`kernels.growth` over so many steps: rates float32 (J,)."""

    steps: int
    rates: NDArray[np.float32]


@subroutine
def _follow(calls, mode, passes, walkers, job, burn_in, points):
    """Write the points (n, 2) of one job's orbit."""
    rows, c = walkers.x.shape
    loops, assign = calls
    moving, seed = stepping(walkers, mode), job.seed
    out, n = at(points, 0), points.shape[0]
    begin(walkers.x, walkers.y, job.start, seed)
    words = draw_offsets(seed, 0, 0)
    written = 0
    step = np.int64(0)
    while written < n:
        if step % STEPS_OF_A_TABLE == 0:
            assign(job, mode, walkers.tables, step)
        for r in range(rows):
            if r & 3 == 0:
                words = draw_offsets(seed, step, r)
            x, y = step_row(loops, mode, passes, moving, r, offset_of(words, r, c), (seed, step, r))
            taken = min(c, n - written) if step >= burn_in else 0
            if _record(x, y, c, at(out, 2 * written), taken):
                restart(x, y, c, seed, step, r)
            written += taken
        step += 1


def _orbit(calls, mode, passes, order, batch, shape, burn_in, task):
    walkers = new_walkers(shape, batch, mode)
    for j in order:
        _follow(calls, mode, passes, walkers, job_of(batch, j), burn_in, task.points[j])


@subroutine
def _record(x, y, n, out, taken):
    """Write the first `taken` points of n, infinite where they escaped; returns whether any of the n did."""
    escaped = I32(0)
    for k in range(n):
        escaped = I32(escaped | (I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)))
    for k in range(taken):
        kept = abs(x[k]) + abs(y[k]) <= ESCAPE
        out[2 * k] = x[k] if kept else F32(np.inf)
        out[2 * k + 1] = y[k] if kept else F32(np.inf)
    return escaped != I32(0)


@subroutine
def _grow(calls, mode, passes, walkers, job, burn_in, steps, ratios):
    """The rate of growth of one job; `ratios` float32 (C,) holds the products of each walker."""
    c = walkers.x.shape[1]
    loops, assign = calls
    moving, seed, ratio = stepping(walkers, mode), job.seed, at(ratios, 0)
    begin(walkers.x, walkers.y, job.start[:0], seed)
    words = draw_offsets(seed, 0, 0)
    total = F32(0.0)
    _renormalise(moving.x, moving.y, ratio, c)
    for step in range(burn_in + steps):
        if step % STEPS_OF_A_TABLE == 0:
            assign(job, mode, walkers.tables, step)
        # The product of four ratios fits float32 (see `_UNIT`), that of five may not; logarithms cost most here.
        if step & 3 == 0 or step == burn_in:
            logs = _take_logs(ratio, c)
            total += logs if step > burn_in else F32(0.0)
        if step & 3 == 0:
            words = draw_offsets(seed, step, 0)
        x, y = step_row(loops, mode, passes, moving, 0, offset_of(words, step, c), (seed, step, 0))
        _renormalise(x, y, ratio, c)
    return (total + _take_logs(ratio, c)) / F32(c * steps)


def _growth(calls, mode, passes, order, batch, shape, burn_in, task):
    walkers = new_walkers(shape, batch, mode)
    ratios = np.full(shape[1], _UNIT)
    for j in order:
        task.rates[j] = _grow(calls, mode, passes, walkers, job_of(batch, j), burn_in, task.steps, ratios)


@subroutine
def _renormalise(x, y, ratio, n):
    """Multiply each walker's growth |p| / FAR into `ratio`, and put it back to radius FAR.

    A walker that overflowed has no direction left: it goes on in any.
    """
    for k in range(n):
        r = np.sqrt(x[k] * x[k] + y[k] * y[k])
        lost = not (r < _OVERFLOW)
        r = r if r > F32(1.0) else F32(1.0)
        r = _OVERFLOW if lost else r
        x[k] = F32(0.6) * FAR if lost else x[k] * (FAR / r)
        y[k] = F32(0.8) * FAR if lost else y[k] * (FAR / r)
        ratio[k] = ratio[k] * (r / FAR)


@subroutine
def _take_logs(ratio, n):
    """The sum of the logarithms of all products, less that of `_UNIT`, where they begin anew."""
    total = F32(0.0)
    for k in range(n):
        huge = ratio[k] > _HUGE
        total += log(ratio[k] if huge else ratio[k] * (F32(1.0) / _UNIT)) - (_LOG_OF_UNIT if huge else F32(0.0))
        ratio[k] = _UNIT
    return total
