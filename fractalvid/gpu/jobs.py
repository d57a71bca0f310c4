"""What jobs are made of, on the device: random words, instances, maps at times, projections; `jobs.cu`.

Each has a kernel of its own, where array code would queue dozens: the host's time is the scarcest of all.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from fractalvid.kernels.cuda.device import Array, Device, launch_each, pointer
from fractalvid.kernels.cuda.source import Module

MODULE = Module("jobs", folder=Path(__file__).parent)

WORDS = 4, 44, 48
"""How many random words an instance takes for its number of knots, 7 x 6 knots and 8 x 6 offsets: blocks of four."""


class GridTimes(NamedTuple):
    """Times (B, F) of clips, and where they lie on the grid of curves.

    Attributes:
        times: float64, in native frames.
        left: int64, the sample of a curve before each.
        right: int64, the one after it.
        share: float32, how far it is from the one to the other.
        rest: float32, 1 - share.
    """

    times: Array
    left: Array
    right: Array
    share: Array
    rest: Array


def instances(
    device: Device,
    knot_count: Array,
    knots: Array,
    offsets: Array,
    class_id: Array,
    frames: Array,
    splines: Array,
    *,
    scale: float,
    shift: float,
) -> tuple[Array, Array]:
    """Curves float32 (R, S, 6) and offsets float32 (R, 8, 6) of instances: see `fractals.instances.draw_instances`.

    Args:
        device: what it runs on.
        knot_count: random words uint32 (R, 4), the first of which decides the number of knots.
        knots: random words uint32 (R, 44).
        offsets: random words uint32 (R, 48).
        class_id: int64 (R,).
        frames: int64 (K,), of classes.
        splines: float32 (T, counts, S, 7), by frames - 1 and the number of knots.
        scale: curves lie within 1 ± this at their knots.
        shift: offsets lie within ± this.
    """
    words, tables = (knot_count, knots, offsets), (class_id, frames, splines)
    rows, (_, counts, samples, _) = len(class_id), splines.shape
    factor = device.xp.empty((rows, samples, 6), np.float32)
    offset = device.xp.empty((rows, 8, 6), np.float32)
    numbers = (*map(np.int32, (rows, samples, counts)), np.float32(scale), np.float32(shift))
    launch_each(device, MODULE, "instances", rows * samples, (*words, *tables, *numbers, factor, offset))
    return factor, offset


def class_maps(
    device: Device, keys: Array, signs: Array, curve: Array, class_id: Array, at: GridTimes, *, naive: bool
) -> Array:
    """Maps float32 (B, F, 8, 6) of classes: see `fractalvid.fractals.bank.ClassBank.maps_at`.

    Args:
        device: what it runs on.
        keys: float64 (K, 2, 8, 6), rotations, singular values and shifts at both keyframes.
        signs: float64 (K, 8, 4).
        curve: float32 (K, S, 8).
        class_id: int64 (B,).
        at: times (B, F) on the grid.
        naive: interpolate coefficients.
    """
    shape, out = at.times.shape, device.xp.empty((*at.times.shape, 8, 6), np.float32)
    numbers = map(np.int32, (*shape, curve.shape[1], naive))
    arguments = (keys, signs, curve, class_id, *at[1:], *numbers, out)
    launch_each(device, MODULE, "class_maps", shape[0] * shape[1] * 8, arguments)
    return out


def instance_maps(
    device: Device,
    maps: Array,
    class_id: Array,
    num_maps: Array,
    factor: Array,
    offset: Array,
    at: GridTimes,
    *,
    damping: Array | None = None,
) -> tuple[Array, Array]:
    """Maps float32 (A B, F, 8, 6) and weights float32 (A B, F, 8) of A instances a clip, one after the other.

    See `fractalvid.fractals.instances.maps_at` and `fractalvid.fractals.ifs.map_weights`.

    Args:
        device: what it runs on.
        maps: of classes, float32 (B, F, 8, 6).
        class_id: int64 (B,).
        num_maps: int64 (K,).
        factor: float32 (A B, S, 6).
        offset: float32 (A B, 8, 6).
        at: times (B, F) on the grid.
        damping: float32 (B, native), by which linear parts are multiplied at native times.
    """
    (clips, times), (rows, samples, _) = at.times.shape, factor.shape
    made = device.xp.empty((rows, times, 8, 6), np.float32)
    weights = device.xp.empty((rows, times, 8), np.float32)
    native = 0 if damping is None else damping.shape[1]
    tail = (at.times, pointer(damping), *map(np.int32, (native, rows, clips, times, samples)), made, weights)
    arguments = (maps, class_id, num_maps, factor, offset, *at[1:], *tail)
    launch_each(device, MODULE, "instance_maps", rows * times, arguments)
    return made, weights


def project(
    device: Device, box: Array, white: Array, camera: Array, times: int, *, size: int, rows: str
) -> tuple[Array, Array]:
    """Projections float32 (B, F, 3, 3), and exposures float32 (B, F, 2) as `kernels.render` takes them.

    Args:
        device: what it runs on.
        box: view boxes float32 (B, 4).
        white: float32 (B,).
        camera: homographies between pixels, float32 (B, F or 1, 3, 3).
        times: F.
        size: height and width of the frames.
        rows: the coordinate of the plane that rows of pixels follow, x or y.
    """
    clips, cameras = camera.shape[:2]
    projection = device.xp.empty((clips, times, 3, 3), np.float32)
    exposure = device.xp.empty((clips, times, 2), np.float32)
    numbers = map(np.int32, (clips, times, cameras, size, rows == "y"))
    launch_each(device, MODULE, "project", clips * times, (box, white, camera, *numbers, projection, exposure))
    return projection, exposure


def words(device: Device, key: Array, what: int, a: Array, b: Array, blocks: int, attempt: Array | None) -> Array:
    """Random words uint32 (R, 4 blocks) of counters (block, what | attempt, a, b), see `fractalvid.core.seeds.words`.

    `key` is uint32 (2,); `a`, `b` and `attempt`, where there is one, are int64 (R,).
    """
    rows = len(a)
    out = device.xp.empty((rows, 4 * blocks), np.uint32)
    arguments = (key, np.uint32(what), pointer(attempt), a, b, np.int32(rows), np.int32(blocks), out)
    launch_each(device, MODULE, "words", rows * blocks, arguments)
    return out
