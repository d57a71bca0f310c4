"""What is decided of clips from statistics of their orbits, on the device: launchers of `verdicts.cu`.

Decisions stay on the device, as masks (B,) and other arrays, so that the host never waits for them. Traits of classes
are arrays (K,); `class_id` int64 (B,) says which class a clip is of.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fractalvid.kernels.cpu.points import OnGrid
from fractalvid.kernels.cuda.device import Array, Device, pointer
from fractalvid.kernels.cuda.source import Module

MODULE = Module("verdicts", folder=Path(__file__).parent)

THREADS = 128


class DeviceLook(NamedTuple):
    """View boxes float32 (B, 4), white densities float32 (B,) and faults int8 (B,)."""

    box: Array
    white: Array
    fault: Array


def empty_look(device: Device, count: int) -> DeviceLook:
    """Arrays for what B clips show, not filled yet."""
    empty = device.xp.empty
    return DeviceLook(empty((count, 4), np.float32), empty(count, np.float32), empty(count, np.int8))


def admit(device: Device, open_: Array, class_id: Array, rate: Array, silent: Array, most: float) -> Array:
    """Which open clips (B,) grow slower than `most` at all times, by rates (B, F), or are of a silent class."""
    out = device.xp.empty(len(open_), np.bool_)
    tail = (class_id, rate, silent, np.float32(most), out)
    _launch(device, "admit", rate.shape, (open_, *_shape(rate), *tail))
    return out


def view_boxes(
    device: Device,
    ends: Array,
    middle: Array | None,
    class_id: Array,
    far: Array,
    out: Array,
    *,
    fence: float,
    limit: float,
    widening: float,
    least: float,
    equal_scales: bool,
    where: Array | None,
) -> None:
    """Views `out` (B, 4) around extents (B, F, 4): see `fractalvid.fractals.fit`.

    Args:
        device: what it runs on.
        ends: extents.
        middle: extents of the middle 80 %, None where no class is far.
        class_id: (B,).
        far: classes whose extents end `fence` spans beyond the middle.
        out: filled where `where` (B,) says so.
        fence: see `far`.
        limit: no extent goes farther from the origin.
        widening: the size of a view over what it shows.
        least: its smallest size.
        equal_scales: both axes have the larger size.
        where: a mask, or None for all.
    """
    sizes = map(np.float32, (fence, limit, widening, least))
    tail = (class_id, ends, pointer(middle), far, *sizes, np.int32(equal_scales), out)
    _launch(device, "view_boxes", ends.shape, (pointer(where), *_shape(ends), *tail))


def judge(
    device: Device,
    grid: OnGrid,
    class_id: Array,
    frames: Array,
    out: DeviceLook,
    *,
    empty: float,
    full: float,
    broken: float,
    still: float,
    where: Array | None,
) -> None:
    """White and faults, see `fractalvid.fractals.look.faults`, of clips whose classes have `frames` (K,)."""
    dense: Any = grid.dense
    limits = (np.float32(empty), np.float32(full), np.float64(broken), np.float64(still))
    tail = (class_id, dense, grid.occupied, grid.moved, frames, *limits, out.white, out.fault)
    _launch(device, "judge", dense.shape, (pointer(where), *_shape(dense), *tail))


def settle(
    device: Device,
    admitted: Array,
    class_id: Array,
    near: Array,
    inside: Array,
    fault: Array,
    attempt: int,
    taken: Array,
    open_: Array,
) -> None:
    """What an attempt at admitted clips comes to: `taken` int64 (B,) and `open_` bool (B,) change.

    A clip whose orbit is bounded, `near` (B, F) being at least `inside` (K,), takes the attempt, and is open no longer.
    Where it has a fault it stays open, and takes the attempt only if it had taken none (-1).
    """
    tail = (class_id, near, inside, fault, np.int64(attempt), taken, open_)
    _launch(device, "settle", near.shape, (admitted, *_shape(near), *tail))


def damp(
    device: Device,
    open_: Array,
    class_id: Array,
    *,
    rate: Array,
    silent: Array,
    most: float,
    near: Array,
    inside: Array,
    stronger: float,
    damping: Array,
    maps: Array,
) -> None:
    """Multiply `damping` (B, F) and the linear parts of `maps` (B, F, N, 6) of open clips where they stray.

    They stray where `rate` (B, F) is `most` or more, or `near` (B, F) below `inside` (K,). Clips that stray nowhere are
    open no longer.
    """
    strays = (class_id, rate, silent, np.float32(most), near, inside)
    arguments = (open_, np.int32(rate.shape[1]), *strays, np.float32(stronger), np.int32(maps.shape[2]), damping, maps)
    device.launch(MODULE, "damp", (len(open_), 1), THREADS, 0, arguments)


def _launch(device: Device, kernel: str, shape: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
    """A thread a clip."""
    device.launch(MODULE, kernel, (-(-shape[0] // THREADS), 1), THREADS, 0, arguments)


def _shape(values: Array) -> tuple[np.int32, np.int32]:
    """B and F."""
    return np.int32(values.shape[0]), np.int32(values.shape[1])
