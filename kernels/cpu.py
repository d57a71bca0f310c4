"""The CPU drivers: nogil functions over a list of jobs, a job wholly on one thread."""

from functools import cache
from typing import Any

import numpy as np
from numba import types

from kernels.compile import driver, inlined, part
from kernels.elementary import F32, I32, log
from kernels.picture import box3, count, locate, tone_map
from kernels.random import U32
from kernels.variations import AFFINE_ROWS, MAX_PARAMS, SLAB_TYPE, slab
from kernels.walkers import ESCAPE, REFRESH, begin, draw_offsets, offset_of, refresh, restart, step_row

FAR = F32(1e5)


@inlined
def _scratch(rows, c, maps, variations):
    """Positions (R, C), a row of moved points, and the tables of `refresh`."""
    x = np.empty((rows, c), np.float32)
    y = np.empty((rows, c), np.float32)
    columns = np.zeros((AFFINE_ROWS + variations.shape[0] * (1 + MAX_PARAMS), 2 * c), np.float32)
    tables = (np.empty(maps.shape[1], np.int64), np.empty(c, np.int64), np.empty(c, np.int64), columns)
    return x, y, np.empty(c, np.float32), np.empty(c, np.float32), tables


@inlined
def _job(arrays, j):
    maps, weights, choice, amount, params, variations, projection, seeds, _ = arrays
    return maps[j], weights[j], choice[j], amount[j], params[j], variations, projection[j], seeds[j]


@part
def _tally(slabs, passes, scratch, job, start, points, burn_in, size, histogram, pixel):
    """Walk one job and count its points; the histogram's last entry takes the discarded ones."""
    x, y, u, v, tables = scratch
    share, block, owner, columns = tables
    projection, seed = job[6], job[7]
    height, width = size
    rows, c = x.shape
    discarded = U32(histogram.shape[0] - 1)
    histogram[:] = U32(0)
    begin(x, y, start, seed)
    words = draw_offsets(seed, 0, 0)
    counted = 0
    step = 0
    while counted < points:
        if step % REFRESH == 0:
            refresh(job, share, block, owner, columns, step)
        for r in range(rows):
            if r & 3 == 0:
                words = draw_offsets(seed, step, r)
            xr = x[r]
            yr = y[r]
            step_row(slabs, passes, xr, yr, u, v, columns, offset_of(words, r, c))
            if locate(xr, yr, projection, height, width, pixel):
                for k in range(c):
                    if not (abs(xr[k]) + abs(yr[k]) <= ESCAPE):
                        pixel[k] = discarded
                restart(xr, yr, seed, step, r)
            if step >= burn_in:
                n = min(c, points - counted)
                count(pixel, n, histogram)
                counted += n
        step += 1


def _accumulate(slabs, passes, order, arrays, shape, points, burn_in, counts, outside, discarded):
    height, width = counts.shape[1:]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[5])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint32)
    for j in order:
        job = _job(arrays, j)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel)
        discarded[j] = histogram[-1]
        inside = np.int64(0)
        for i in range(height):
            row = histogram[(i + 1) * (width + 2) + 1 : (i + 2) * (width + 2) - 1]
            counts[j, i] = row
            for k in range(width):
                inside += np.int64(row[k])
        outside[j] = points[j] - inside - discarded[j]


def _render(slabs, passes, order, arrays, shape, points, burn_in, tone, out):
    height, width = out.shape[1:]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[5])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint32)
    line = np.empty(width + 2, np.uint32)
    box = np.empty((height, width), np.uint32)
    for j in order:
        job = _job(arrays, j)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel)
        box3(histogram, height, width, box, line)
        tone_map(box, tone[j, 0], tone[j, 1], tone[j, 2:], out[j])


def _boxes(slabs, passes, order, arrays, shape, points, burn_in, out):
    height, width = out.shape[1:]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[5])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint32)
    line = np.empty(width + 2, np.uint32)
    for j in order:
        job = _job(arrays, j)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel)
        box3(histogram, height, width, out[j], line)


def _tone_by_largest(boxes, out):
    largest = U32(1)
    for j in range(boxes.shape[0]):
        largest = max(largest, boxes[j].max())
    affine = np.zeros(3, np.float32)
    for j in range(boxes.shape[0]):
        tone_map(boxes[j], F32(1.0), F32(largest), affine, out[j])


def _orbit(slabs, passes, order, arrays, shape, burn_in, out):
    rows, c = shape
    x, y, u, v, tables = _scratch(rows, c, arrays[0], arrays[5])
    share, block, owner, columns = tables
    n = out.shape[1]
    for j in order:
        job = _job(arrays, j)
        seed = job[7]
        begin(x, y, arrays[8][j], seed)
        words = draw_offsets(seed, 0, 0)
        written = 0
        step = 0
        while written < n:
            if step % REFRESH == 0:
                refresh(job, share, block, owner, columns, step)
            for r in range(rows):
                if r & 3 == 0:
                    words = draw_offsets(seed, step, r)
                step_row(slabs, passes, x[r], y[r], u, v, columns, offset_of(words, r, c))
                taken = min(c, n - written) if step >= burn_in else 0
                if _record(x[r], y[r], out[j, written : written + taken]):
                    restart(x[r], y[r], seed, step, r)
                written += taken
            step += 1


@part
def _record(x, y, out):
    """Write the first points of a row, infinite where they escaped; returns whether any of the row did."""
    bad = I32(0)
    for k in range(x.shape[0]):
        bad |= I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)
    for k in range(out.shape[0]):
        kept = abs(x[k]) + abs(y[k]) <= ESCAPE
        out[k, 0] = x[k] if kept else F32(np.inf)
        out[k, 1] = y[k] if kept else F32(np.inf)
    return bad != I32(0)


@part
def _renormalise(x, y, ratio):
    """Multiply each walker's growth |p|/FAR into `ratio` and put it back to radius FAR."""
    for k in range(x.shape[0]):
        r = np.sqrt(x[k] * x[k] + y[k] * y[k])
        r = r if r > F32(1.0) else F32(1.0)
        r = r if r < F32(1e15) else F32(1e15)
        x[k] = x[k] * (FAR / r)
        y[k] = y[k] * (FAR / r)
        ratio[k] = ratio[k] * (r / FAR)


@part
def _take_logs(ratio):
    """Sum of the logarithms, and 1 in their place."""
    total = F32(0.0)
    for k in range(ratio.shape[0]):
        total += log(max(ratio[k], F32(1e-37)))
        ratio[k] = F32(1.0)
    return total


def _growth(slabs, passes, order, arrays, shape, burn_in, steps, out):
    rows, c = shape
    x, y, u, v, tables = _scratch(rows, c, arrays[0], arrays[5])
    share, block, owner, columns = tables
    ratio = np.empty(c, np.float32)
    for j in order:
        job = _job(arrays, j)
        seed = job[7]
        begin(x, y, arrays[8][j][:0], seed)
        words = draw_offsets(seed, 0, 0)
        total = F32(0.0)
        _renormalise(x[0], y[0], ratio)
        for step in range(burn_in + steps):
            if step % REFRESH == 0:
                refresh(job, share, block, owner, columns, step)
            # Four ratios fit a float32, five might not; logarithms are the dear part.
            if step & 3 == 0 or step == burn_in:
                logs = _take_logs(ratio)
                total += logs if step > burn_in else F32(0.0)
            if step & 3 == 0:
                words = draw_offsets(seed, step, 0)
            step_row(slabs, passes, x[0], y[0], u, v, columns, offset_of(words, step, c))
            _renormalise(x[0], y[0], ratio)
        out[j] = (total + _take_logs(ratio)) / F32(c * steps)


_F1 = types.Array(types.float32, 1, "C")
_F2 = types.Array(types.float32, 2, "C")
_F3 = types.Array(types.float32, 3, "C")
_F4 = types.Array(types.float32, 4, "C")
_I1 = types.Array(types.int64, 1, "C")
_N1 = types.Array(types.int32, 1, "C")
_N3 = types.Array(types.int32, 3, "C")
_U3 = types.Array(types.uint32, 3, "C")
_S1 = types.Array(types.uint64, 1, "C")
_B3 = types.Array(types.uint8, 3, "C")
_ARRAYS = types.Tuple((_F3, _F2, _N3, _F3, _F4, _N1, _F3, _S1, _F3))
_SHAPE = types.UniTuple(types.int64, 2)
_KERNELS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "accumulate": (_accumulate, (_I1, types.int64, _U3, _I1, _I1)),
    "render": (_render, (_I1, types.int64, _F2, _B3)),
    "boxes": (_boxes, (_I1, types.int64, _U3)),
    "orbit": (_orbit, (types.int64, _F3)),
    "growth": (_growth, (types.int64, types.int64, _F1)),
}


@cache
def _compiled(name: str, slabs: int) -> Any:
    """A driver for a number of slabs. They arrive as pointers, so it serves every choice of variations."""
    function, tail = _KERNELS[name]
    pointers = types.UniTuple(types.FunctionType(SLAB_TYPE), slabs)
    signature = types.void(pointers, types.int64, _I1, _ARRAYS, _SHAPE, *tail)
    # Not through the dispatcher: it would look up the types of all arguments again at every call.
    return driver(signature, function).entry_point


@cache
def tone_by_largest() -> Any:
    """Compiled: tone box sums (J, H, W) by the largest of them, (boxes, out) -> None."""
    return driver(types.void(_U3, _B3), _tone_by_largest).entry_point


def kernel(name: str, variations: tuple[int, ...], fused: bool) -> Any:
    """The compiled kernel `name` for jobs that use these variations; takes (order, arrays, shape, ...).

    `fused` says that one variation at amount 1 serves every map.
    """
    slabs = tuple(slab(number, fused) for number in variations)
    compiled = _compiled(name, len(slabs))
    return lambda *arguments: compiled(slabs, 0 if fused else len(slabs), *arguments)
