"""Drivers that count points in frames: walk each job, then do with its histogram what a task asks for.

A driver takes (calls, mode, passes, order, batch, shape, burn_in, task). It plays the jobs of a `Batch` whose numbers
stand in `order`, with walkers in rows and columns of `shape`; `calls` are `walkers.Calls`, `mode` and `passes` those of
`kernels.cpu.sums`. A task holds what a driver needs besides, and the arrays it fills.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32
from fractalvid.kernels.compiled.pointers import at, fill, twice
from fractalvid.kernels.compiled.random import U32, U64
from fractalvid.kernels.cpu.batch import job_of
from fractalvid.kernels.cpu.picture import (
    CAMERA,
    box3,
    count,
    locate_and_count,
    look,
    mix,
    paint,
    split,
    tone_map,
)
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

COUNT_BITS = 32
"""A histogram of colours has its counts above these bits, and the sums of colour indices in them."""


class CountTask(NamedTuple):
    """`kernels.accumulate`: counts uint32 (J, H, W), points outside the frame and discarded ones int64 (J,)."""

    points: NDArray[np.int64]
    counts: NDArray[np.uint32]
    outside: NDArray[np.int64]
    discarded: NDArray[np.int64]


class ColourCountTask(NamedTuple):
    """The same of jobs with colours (J, N): counts and sums of colour indices, uint64 (J, H, W) by `COUNT_BITS`."""

    points: NDArray[np.int64]
    colour: NDArray[np.float32]
    counts_and_sums: NDArray[np.uint64]
    outside: NDArray[np.int64]
    discarded: NDArray[np.int64]


class RenderTask(NamedTuple):
    """`kernels.render`: pictures uint8 (J, H, W) by plans (J, 5) of `kernels.tone`."""

    points: NDArray[np.int64]
    plan: NDArray[np.float32]
    pictures: NDArray[np.uint8]


class ColourRenderTask(NamedTuple):
    """The same in colour, (J, H, W, 3), by a curve (256,) and palettes (J, 256, 3)."""

    points: NDArray[np.int64]
    colour: NDArray[np.float32]
    plan: NDArray[np.float32]
    curve: NDArray[np.uint8]
    palette: NDArray[np.uint8]
    pictures: NDArray[np.uint8]


class BoxTask(NamedTuple):
    """Sums uint32 (J, H, W) of the 3 x 3 neighbourhoods of pixels."""

    points: NDArray[np.int64]
    sums: NDArray[np.uint32]


class ColourBoxTask(NamedTuple):
    """The same of counts and sums of colour indices, uint64 (J, H, W) by `COUNT_BITS`."""

    points: NDArray[np.int64]
    colour: NDArray[np.float32]
    sums: NDArray[np.uint64]


FrameTask = CountTask | ColourCountTask | RenderTask | ColourRenderTask | BoxTask | ColourBoxTask


class Frame(NamedTuple):
    """What points are counted in, used again for every job.

    Attributes:
        height: of the frame in pixels, without the border.
        width: the same.
        camera: float32 (CAMERA,), of `picture.look`.
        pixel: uint32 (2, C), where in the histogram the points of two rows of walkers fall, in turn.
        histogram: uint32 or, in colour, uint64; the frame with a border of one pixel, and an entry for points
            that are discarded.
    """

    height: int
    width: int
    camera: NDArray[np.float32]
    pixel: NDArray[np.uint32]
    histogram: NDArray[np.unsignedinteger]


class Colours(NamedTuple):
    """The colours of a job and its walkers.

    Attributes:
        of_map: float32 (N,).
        shade: float32 (R, C), of each walker.
        indices: uint32 (2, C), the 8-bit index of each walker of two rows, in turn.
        of_column: float32 (2 C,), of the map that owns a column; twice over, so that rows may begin anywhere.
    """

    of_map: NDArray[np.float32]
    shade: NDArray[np.float32]
    indices: NDArray[np.uint32]
    of_column: NDArray[np.float32]


@inlined
def _new_frame(height, width, columns, entry):
    """A frame with a histogram of numbers of type `entry`."""
    camera, pixel = np.empty(CAMERA, np.float32), np.empty((2, columns), np.uint32)
    return Frame(height, width, camera, pixel, np.empty((height + 2) * (width + 2) + 1, entry))


@inlined
def _new_colours(shape):
    """Room for walkers' shades and indices, and for columns' colours: what `Colours` has besides those of the maps."""
    rows, columns = shape
    shade, indices = np.empty((rows, columns), np.float32), np.empty((2, columns), np.uint32)
    return shade, indices, np.empty(2 * columns, np.float32)


@subroutine
def _colour_columns(colours, owner):
    """Fill in the colour of each column's map."""
    c = owner.shape[0]
    for k in range(c):
        colours.of_column[k] = colours.of_map[owner[k]]
    twice(at(colours.of_column, 0), c)


@subroutine
def _walk(calls, mode, passes, walkers, job, points, burn_in, frame, colours):
    """Walk one job and count its points, and add up their colours unless `colours` is None."""
    # What the loop over rows uses is taken out of its tuple once, as a pointer (see `kernels.compiled.pointers`).
    loops, assign = calls
    moving, tables, seed = stepping(walkers, mode), walkers.tables, job.seed
    height, width, pixels, camera = frame.height, frame.width, at(frame.pixel, 0), at(frame.camera, 0)
    rows, c = walkers.x.shape
    histogram, discarded = at(frame.histogram, 0), U32(frame.histogram.shape[0] - 1)
    fill(histogram, frame.histogram.shape[0], U32(0))
    begin(walkers.x, walkers.y, job.start, seed)
    look(job.projection, frame.camera)
    indices = None
    old_indices = None
    if colours is not None:
        shades, all_indices, of_column = at(colours.shade, 0), at(colours.indices, 0), at(colours.of_column, 0)
        fill(shades, rows * c, F32(0.5))
    words = draw_offsets(seed, 0, 0)
    counted = 0
    pending: Any = np.int64(0)  # points of the row before, located and not counted yet
    turn: Any = np.int64(0)
    step = np.int64(0)
    while counted < points:
        if step % STEPS_OF_A_TABLE == 0:
            assign(job, mode, tables, step)
            if colours is not None:
                _colour_columns(colours, tables.owner)
        for r in range(rows):
            if r & 3 == 0:
                words = draw_offsets(seed, step, r)
            offset = offset_of(words, r, c)
            x, y = step_row(loops, mode, passes, moving, r, offset, (seed, step, r))
            pixel, old = at(pixels, turn * c), at(pixels, (1 - turn) * c)
            if colours is not None:
                indices, old_indices = at(all_indices, turn * c), at(all_indices, (1 - turn) * c)
                mix(at(shades, r * c), at(of_column, offset), c, indices)
            if locate_and_count(x, y, c, camera, height, width, pixel, old, old_indices, pending, histogram):
                _discard(x, y, c, discarded, pixel)
                restart(x, y, c, seed, step, r)
            turn = 1 - turn
            pending = min(c, points - counted) if step >= burn_in else 0
            counted += pending
            if counted == points:
                break  # of this row there may be a part to count, and no row comes after it
        step += 1
    last = (1 - turn) * c
    count(at(pixels, last), None if colours is None else at(all_indices, last), pending, histogram)


@subroutine
def _discard(x, y, n, discarded, pixel):
    """Put the points of walkers that escaped where the histogram counts such."""
    for k in range(n):
        if not (abs(x[k]) + abs(y[k]) <= ESCAPE):
            pixel[k] = discarded


@subroutine
def _take_counts(frame, shift, out):
    """Copy a histogram without its border; returns how many points are in it, and how many were discarded.

    An entry's count lies `shift` bits up in it.
    """
    inside = np.int64(0)
    for i in range(frame.height):
        row = at(frame.histogram, (i + 1) * (frame.width + 2) + 1)
        for k in range(frame.width):
            out[i, k] = row[k]
            inside += np.int64(row[k] >> shift)
    return inside, np.int64(frame.histogram[-1] >> shift)


def _accumulate(calls, mode, passes, order, batch, shape, burn_in, task):
    height, width = task.counts.shape[1:]
    walkers, frame = new_walkers(shape, batch, mode), _new_frame(height, width, shape[1], np.uint32)
    for j in order:
        _walk(calls, mode, passes, walkers, job_of(batch, j), task.points[j], burn_in, frame, None)
        inside, task.discarded[j] = _take_counts(frame, U32(0), task.counts[j])
        task.outside[j] = task.points[j] - inside - task.discarded[j]


def _accumulate_colour(calls, mode, passes, order, batch, shape, burn_in, task):
    height, width = task.counts_and_sums.shape[1:]
    walkers, frame = new_walkers(shape, batch, mode), _new_frame(height, width, shape[1], np.uint64)
    shade, indices, of_column = _new_colours(shape)
    for j in order:
        colours = Colours(task.colour[j], shade, indices, of_column)
        _walk(calls, mode, passes, walkers, job_of(batch, j), task.points[j], burn_in, frame, colours)
        inside, task.discarded[j] = _take_counts(frame, U64(COUNT_BITS), task.counts_and_sums[j])
        task.outside[j] = task.points[j] - inside - task.discarded[j]


def _render(calls, mode, passes, order, batch, shape, burn_in, task):
    height, width = task.pictures.shape[1:]
    walkers, frame = new_walkers(shape, batch, mode), _new_frame(height, width, shape[1], np.uint32)
    box, line = np.empty((height, width), np.uint32), np.empty(width + 2, np.uint32)
    for j in order:
        _walk(calls, mode, passes, walkers, job_of(batch, j), task.points[j], burn_in, frame, None)
        box3(frame.histogram, height, width, box, line)
        tone_map(box, task.plan[j, 0], task.plan[j, 1], task.plan[j, 2:], task.pictures[j])


def _render_colour(calls, mode, passes, order, batch, shape, burn_in, task):
    height, width = task.pictures.shape[1:3]
    walkers, frame = new_walkers(shape, batch, mode), _new_frame(height, width, shape[1], np.uint64)
    shade, indices, of_column = _new_colours(shape)
    box, line = np.empty((height, width), np.uint64), np.empty(width + 2, np.uint64)
    counts = np.empty((height, width), np.uint32)
    mean, grey = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
    for j in order:
        colours = Colours(task.colour[j], shade, indices, of_column)
        _walk(calls, mode, passes, walkers, job_of(batch, j), task.points[j], burn_in, frame, colours)
        box3(frame.histogram, height, width, box, line)
        split(box, counts, mean)
        tone_map(counts, task.plan[j, 0], task.plan[j, 1], task.plan[j, 2:], grey)
        paint(grey, mean, task.curve, task.palette[j], task.pictures[j])


def _boxes(calls, mode, passes, order, batch, shape, burn_in, task):
    height, width = task.sums.shape[1:]
    walkers, frame = new_walkers(shape, batch, mode), _new_frame(height, width, shape[1], np.uint32)
    line = np.empty(width + 2, np.uint32)
    for j in order:
        _walk(calls, mode, passes, walkers, job_of(batch, j), task.points[j], burn_in, frame, None)
        box3(frame.histogram, height, width, task.sums[j], line)


def _boxes_colour(calls, mode, passes, order, batch, shape, burn_in, task):
    height, width = task.sums.shape[1:]
    walkers, frame = new_walkers(shape, batch, mode), _new_frame(height, width, shape[1], np.uint64)
    shade, indices, of_column = _new_colours(shape)
    line = np.empty(width + 2, np.uint64)
    for j in order:
        colours = Colours(task.colour[j], shade, indices, of_column)
        _walk(calls, mode, passes, walkers, job_of(batch, j), task.points[j], burn_in, frame, colours)
        box3(frame.histogram, height, width, task.sums[j], line)


def _tone_by_largest(sums, pictures):
    """Tone box sums (J, H, W) by the largest of them."""
    largest = U32(1)
    for j in range(sums.shape[0]):
        largest = max(largest, sums[j].max())
    flat = np.zeros(3, np.float32)
    for j in range(sums.shape[0]):
        tone_map(sums[j], F32(1.0), F32(largest), flat, pictures[j])


def _paint_by_largest(sums, curve, palette, pictures):
    """The same in colour, from the sums of a `ColourBoxTask`, with palettes (J, 256, 3)."""
    height, width = sums.shape[1:]
    counts = np.empty((height, width), np.uint32)
    mean, grey = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
    largest = U32(max(U64(1), sums.max() >> U64(COUNT_BITS)))
    flat = np.zeros(3, np.float32)
    for j in range(sums.shape[0]):
        split(sums[j], counts, mean)
        tone_map(counts, F32(1.0), F32(largest), flat, grey)
        paint(grey, mean, curve, palette[j], pictures[j])
