"""The CPU drivers: nogil functions over a list of jobs, a job wholly on one thread."""

from functools import cache
from typing import Any, Literal

import numpy as np
from numba import types

from fractalvid.kernels.compiled.compile import driver, inlined, part
from fractalvid.kernels.compiled.elementary import F32, I32, log
from fractalvid.kernels.compiled.random import U32, U64
from fractalvid.kernels.cpu.picture import box3, count, count_colours, locate, mix, paint, split, tone_map
from fractalvid.kernels.cpu.row_loops import SLAB_TYPE, slab
from fractalvid.kernels.cpu.sums import PASS_ROWS, pick_tables, step_picked
from fractalvid.kernels.cpu.walkers import ESCAPE, REFRESH, begin, draw_offsets, offset_of, refresh, restart, step_row
from fractalvid.kernels.variations import AFFINE_ROWS, VARIATIONS

FAR = F32(1e5)


@inlined
def _scratch(rows, c, maps, choice, variations):
    """Positions (R, C), a row of moved points, and the tables of `refresh`."""
    x = np.empty((rows, c), np.float32)
    y = np.empty((rows, c), np.float32)
    columns = np.zeros((AFFINE_ROWS + variations.shape[0] * PASS_ROWS, 2 * c), np.float32)
    picked = pick_tables(c, choice, variations)
    tables = (np.empty(maps.shape[1], np.int64), np.empty(c, np.int64), np.empty(c, np.int64), columns, picked)
    return x, y, np.empty(c, np.float32), np.empty(c, np.float32), tables


@inlined
def _job(arrays, j):
    maps, weights, choice, amount, params, variations, projection, seeds, _ = arrays
    return maps[j], weights[j], choice[j], amount[j], params[j], variations, projection[j], seeds[j]


@inlined
def _colour_scratch(rows, c):
    """Colours of walkers (R, C), their 8-bit indices in a row, and the colour of each column, doubled for offsets."""
    return np.empty((rows, c), np.float32), np.empty(c, np.uint32), np.empty(2 * c, np.float32)


@part
def _own_colours(colour, owner, columns):
    """Fill `columns` with the colour of each column's map."""
    c = owner.shape[0]
    for k in range(c):
        columns[k] = colour[owner[k]]
    columns[c:] = columns[:c]


@part
def _tally(slabs, passes, scratch, job, start, points, burn_in, size, histogram, pixel, colours):
    """Walk one job and count its points; the histogram's last entry takes the discarded ones.

    `colours` is None, or (colour of each map, scratch for colours); the histogram then is one of 64 bits.
    """
    x, y, u, v, tables = scratch
    # Unpacked once, and not handed to inlined functions: that would count the references to all of it at every step.
    columns, picked = tables[3], tables[4]
    projection, seed = job[6], job[7]
    height, width = size
    rows, c = x.shape
    discarded = U32(histogram.shape[0] - 1)
    histogram[:] = U32(0)
    begin(x, y, start, seed)
    if colours is not None:
        colour, (shade, index, own) = colours
        shade[:] = F32(0.5)
    words = draw_offsets(seed, 0, 0)
    counted = 0
    step = 0
    while counted < points:
        if step % REFRESH == 0:
            refresh(job, passes, tables, step)
            if colours is not None:
                _own_colours(colour, tables[2], own)
        for r in range(rows):
            if r & 3 == 0:
                words = draw_offsets(seed, step, r)
            xr = x[r]
            yr = y[r]
            offset = offset_of(words, r, c)
            if passes < 0:
                step_picked(slabs, -passes, xr, yr, u, v, columns, offset, (seed, step, r), picked)
            else:
                step_row(slabs, passes, xr, yr, u, v, columns, offset, (seed, step, r))
            if colours is not None:
                mix(shade[r], own[offset : offset + c], index)
            if locate(xr, yr, projection, height, width, pixel):
                for k in range(c):
                    if not (abs(xr[k]) + abs(yr[k]) <= ESCAPE):
                        pixel[k] = discarded
                restart(xr, yr, seed, step, r)
            if step >= burn_in:
                n = min(c, points - counted)
                if colours is None:
                    count(pixel, n, histogram)
                else:
                    count_colours(pixel, index, n, histogram)
                counted += n
        step += 1


def _accumulate(slabs, passes, order, arrays, shape, points, burn_in, counts, outside, discarded):
    height, width = counts.shape[1:]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[2], arrays[5])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint32)
    for j in order:
        job = _job(arrays, j)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel, None)
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
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[2], arrays[5])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint32)
    line = np.empty(width + 2, np.uint32)
    box = np.empty((height, width), np.uint32)
    for j in order:
        job = _job(arrays, j)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel, None)
        box3(histogram, height, width, box, line)
        tone_map(box, tone[j, 0], tone[j, 1], tone[j, 2:], out[j])


def _boxes(slabs, passes, order, arrays, shape, points, burn_in, out):
    height, width = out.shape[1:]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[2], arrays[5])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint32)
    line = np.empty(width + 2, np.uint32)
    for j in order:
        job = _job(arrays, j)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel, None)
        box3(histogram, height, width, out[j], line)


def _accumulate_colour(slabs, passes, order, arrays, shape, points, burn_in, colour, both, outside, discarded):
    height, width = both.shape[1:]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[2], arrays[5])
    colours = _colour_scratch(shape[0], shape[1])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint64)
    for j in order:
        job = _job(arrays, j)
        own = (colour[j], colours)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel, own)
        discarded[j] = np.int64(histogram[-1] >> U64(32))
        inside = np.int64(0)
        for i in range(height):
            row = histogram[(i + 1) * (width + 2) + 1 : (i + 2) * (width + 2) - 1]
            both[j, i] = row
            for k in range(width):
                inside += np.int64(row[k] >> U64(32))
        outside[j] = points[j] - inside - discarded[j]


def _render_colour(slabs, passes, order, arrays, shape, points, burn_in, colour, tone, curve, palette, out):
    height, width = out.shape[1:3]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[2], arrays[5])
    colours = _colour_scratch(shape[0], shape[1])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint64)
    line = np.empty(width + 2, np.uint64)
    box = np.empty((height, width), np.uint64)
    counts = np.empty((height, width), np.uint32)
    index = np.empty((height, width), np.uint8)
    grey = np.empty((height, width), np.uint8)
    for j in order:
        job = _job(arrays, j)
        own = (colour[j], colours)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel, own)
        box3(histogram, height, width, box, line)
        split(box, counts, index)
        tone_map(counts, tone[j, 0], tone[j, 1], tone[j, 2:], grey)
        paint(grey, index, curve, palette[j], out[j])


def _boxes_colour(slabs, passes, order, arrays, shape, points, burn_in, colour, out):
    height, width = out.shape[1:]
    scratch = _scratch(shape[0], shape[1], arrays[0], arrays[2], arrays[5])
    colours = _colour_scratch(shape[0], shape[1])
    pixel = np.empty(shape[1], np.uint32)
    histogram = np.empty((height + 2) * (width + 2) + 1, np.uint64)
    line = np.empty(width + 2, np.uint64)
    for j in order:
        job = _job(arrays, j)
        own = (colour[j], colours)
        _tally(slabs, passes, scratch, job, arrays[8][j], points[j], burn_in, (height, width), histogram, pixel, own)
        box3(histogram, height, width, out[j], line)


def _tone_by_largest(boxes, out):
    largest = U32(1)
    for j in range(boxes.shape[0]):
        largest = max(largest, boxes[j].max())
    affine = np.zeros(3, np.float32)
    for j in range(boxes.shape[0]):
        tone_map(boxes[j], F32(1.0), F32(largest), affine, out[j])


def _paint_by_largest(boxes, curve, palette, out):
    height, width = boxes.shape[1:]
    counts = np.empty((height, width), np.uint32)
    index = np.empty((height, width), np.uint8)
    grey = np.empty((height, width), np.uint8)
    largest = U32(max(U64(1), boxes.max() >> U64(32)))
    affine = np.zeros(3, np.float32)
    for j in range(boxes.shape[0]):
        split(boxes[j], counts, index)
        tone_map(counts, F32(1.0), F32(largest), affine, grey)
        paint(grey, index, curve, palette[j], out[j])


def _orbit(slabs, passes, order, arrays, shape, burn_in, out):
    rows, c = shape
    x, y, u, v, tables = _scratch(rows, c, arrays[0], arrays[2], arrays[5])
    columns, picked = tables[3], tables[4]
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
                refresh(job, passes, tables, step)
            for r in range(rows):
                if r & 3 == 0:
                    words = draw_offsets(seed, step, r)
                offset = offset_of(words, r, c)
                if passes < 0:
                    step_picked(slabs, -passes, x[r], y[r], u, v, columns, offset, (seed, step, r), picked)
                else:
                    step_row(slabs, passes, x[r], y[r], u, v, columns, offset, (seed, step, r))
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
    """Multiply each walker's growth |p|/FAR into `ratio` and put it back to radius FAR; what overflowed, anywhere."""
    for k in range(x.shape[0]):
        r = np.sqrt(x[k] * x[k] + y[k] * y[k])
        lost = not (r < F32(1e15))
        r = r if r > F32(1.0) else F32(1.0)
        r = F32(1e15) if lost else r
        x[k] = F32(0.6) * FAR if lost else x[k] * (FAR / r)
        y[k] = F32(0.8) * FAR if lost else y[k] * (FAR / r)
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
    x, y, u, v, tables = _scratch(rows, c, arrays[0], arrays[2], arrays[5])
    columns, picked = tables[3], tables[4]
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
                refresh(job, passes, tables, step)
            # Four ratios fit a float32, five might not; logarithms are the dear part.
            if step & 3 == 0 or step == burn_in:
                logs = _take_logs(ratio)
                total += logs if step > burn_in else F32(0.0)
            if step & 3 == 0:
                words = draw_offsets(seed, step, 0)
            offset = offset_of(words, step, c)
            if passes < 0:
                step_picked(slabs, -passes, x[0], y[0], u, v, columns, offset, (seed, step, 0), picked)
            else:
                step_row(slabs, passes, x[0], y[0], u, v, columns, offset, (seed, step, 0))
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
_B1 = types.Array(types.uint8, 1, "C")
_B3 = types.Array(types.uint8, 3, "C")
_B4 = types.Array(types.uint8, 4, "C")
_W3 = types.Array(types.uint64, 3, "C")
_ARRAYS = types.Tuple((_F3, _F2, _N3, _F3, _F4, _N1, _F3, _S1, _F3))
_SHAPE = types.UniTuple(types.int64, 2)
_KERNELS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "accumulate": (_accumulate, (_I1, types.int64, _U3, _I1, _I1)),
    "render": (_render, (_I1, types.int64, _F2, _B3)),
    "boxes": (_boxes, (_I1, types.int64, _U3)),
    "accumulate_colour": (_accumulate_colour, (_I1, types.int64, _F2, _W3, _I1, _I1)),
    "render_colour": (_render_colour, (_I1, types.int64, _F2, _F2, _B1, _B3, _B4)),
    "boxes_colour": (_boxes_colour, (_I1, types.int64, _F2, _W3)),
    "orbit": (_orbit, (types.int64, _F3)),
    "growth": (_growth, (types.int64, types.int64, _F1)),
}


_ROOM = (1, 3, len(VARIATIONS))
"""Numbers of slabs that drivers are compiled for: one variation, a sum, and a choice by map."""


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


@cache
def paint_by_largest() -> Any:
    """Compiled: the same in colour, from box sums of colours, (boxes, curve, palette (J, 256, 3), out) -> None."""
    return driver(types.void(_W3, _B1, _B3, _B4), _paint_by_largest).entry_point


def kernel(name: str, variations: tuple[int, ...], how: Literal["fused", "dense", "picked"]) -> Any:
    """The compiled kernel `name` for jobs that use these variations; takes (order, arrays, shape, ...).

    One variation at amount 1 that serves every map is "fused" with the maps; else see `fractalvid.kernels.cpu.sums`.
    """
    slabs = tuple(slab(number, how == "fused") for number in variations)
    passes = {"fused": 0, "dense": len(slabs), "picked": -len(slabs)}[how]
    # Few drivers serve every number of variations: what is left over is never called.
    room = next(most for most in _ROOM if most >= len(slabs))
    compiled = _compiled(name, room)
    slabs += slabs[:1] * (room - len(slabs))
    return lambda *arguments: compiled(slabs, passes, *arguments)
