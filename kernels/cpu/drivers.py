"""The compiled functions that Python calls: a driver for each kind of task, compiled when first used."""

from functools import cache
from typing import Any

from numba import types

from fractalvid.kernels.compiled.compile import driver
from fractalvid.kernels.compiled.types import (
    FLOAT32_1D,
    FLOAT32_2D,
    FLOAT32_3D,
    INT64_1D,
    UINT8_1D,
    UINT8_3D,
    UINT8_4D,
    UINT32_3D,
    UINT64_3D,
    named_tuple,
)
from fractalvid.kernels.cpu import frames, orbits
from fractalvid.kernels.cpu.batch import BATCH_TYPE
from fractalvid.kernels.cpu.row_loops import ROW_LOOP_TYPE, loop_name, row_loop
from fractalvid.kernels.cpu.sums import FUSED, Mode
from fractalvid.kernels.cpu.walkers import Calls, _assign_columns, assign_type, assigning
from fractalvid.kernels.variations import VARIATIONS

Task = frames.FrameTask | orbits.OrbitTask | orbits.GrowthTask

_SHAPE_TYPE = types.UniTuple(types.int64, 2)
DRIVERS: dict[type, tuple[Any, tuple[Any, ...]]] = {
    frames.CountTask: (frames._accumulate, (INT64_1D, UINT32_3D, INT64_1D, INT64_1D)),
    frames.ColourCountTask: (frames._accumulate_colour, (INT64_1D, FLOAT32_2D, UINT64_3D, INT64_1D, INT64_1D)),
    frames.RenderTask: (frames._render, (INT64_1D, FLOAT32_2D, UINT8_3D)),
    frames.ColourRenderTask: (
        frames._render_colour,
        (INT64_1D, FLOAT32_2D, FLOAT32_2D, UINT8_1D, UINT8_3D, UINT8_4D),
    ),
    frames.BoxTask: (frames._boxes, (INT64_1D, UINT32_3D)),
    frames.ColourBoxTask: (frames._boxes_colour, (INT64_1D, FLOAT32_2D, UINT64_3D)),
    orbits.OrbitTask: (orbits._orbit, (FLOAT32_3D,)),
    orbits.GrowthTask: (orbits._growth, (types.int64, FLOAT32_1D)),
}
"""For each kind of task the driver's Python function, and the types of the task's fields."""

_NUMBERS_OF_LOOPS = (1, 3, len(VARIATIONS))
"""How many row loops drivers are compiled for: that of one variation, those of a sum, and those of a choice by map."""


def signature_of(task: type, loops: int, fused: bool) -> Any:
    """The signature of a driver for a number of row loops."""
    pointers = types.UniTuple(types.FunctionType(ROW_LOOP_TYPE), loops)
    calls = named_tuple(Calls, pointers, types.FunctionType(assign_type(fused)))
    modes = types.none if fused else types.int64, types.int64
    fields = named_tuple(task, *DRIVERS[task][1])
    return types.void(calls, *modes, INT64_1D, BATCH_TYPE, _SHAPE_TYPE, types.int64, fields)


@cache
def compiled(task: type, loops: int, fused: bool) -> Any:
    """A driver for a number of row loops. They arrive as pointers, so it serves every choice of variations."""
    function, signature = DRIVERS[task][0], signature_of(task, loops, fused)
    # Not through the dispatcher: it would look up the types of all arguments again at every call.
    return driver(signature, function).entry_point


def loops_for(passes: int) -> int:
    """How many row loops the driver takes that serves so many."""
    return next(number for number in _NUMBERS_OF_LOOPS if number >= passes)


def kernel_names(task: type, variations: tuple[int, ...], mode: Mode) -> list[str]:
    """What `driver_for` compiles, by name."""
    own = DRIVERS[task][0].__name__, _assign_columns.__name__
    return [*own, *(loop_name(number, mode is FUSED) for number in variations)]


def driver_for(task: type, variations: tuple[int, ...], mode: Mode) -> Any:
    """The driver of a kind of task for jobs that use these variations in a mode of `kernels.cpu.sums`.

    It takes (order, batch, shape, burn_in, task), see `kernels.cpu.frames`.
    """
    loops = tuple(row_loop(number, mode is FUSED) for number in variations)
    passes = len(loops)
    most = loops_for(passes)
    entry = compiled(task, most, mode is FUSED)
    loops += loops[:1] * (most - passes)  # to fill up; never called
    calls = Calls(loops, assigning(mode is FUSED))
    return lambda *arguments: entry(calls, mode, passes, *arguments)


@cache
def tone_by_largest() -> Any:
    """Compiled: tone box sums (J, H, W) by the largest of them, (sums, pictures) -> None."""
    return driver(types.void(UINT32_3D, UINT8_3D), frames._tone_by_largest).entry_point


@cache
def paint_by_largest() -> Any:
    """Compiled: the same in colour, (sums, curve, palette, pictures) -> None."""
    return driver(types.void(UINT64_3D, UINT8_1D, UINT8_3D, UINT8_4D), frames._paint_by_largest).entry_point
