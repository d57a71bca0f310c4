"""Fitted clips into pictures on the device: `fractalvid.render.render_fits` in array code."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.classes import MAX_FRAMES, MAX_MAPS
from fractalvid.colour import ColourConfig, brightness_curve, draw_palettes, map_colours
from fractalvid.gpu.bank import LINEAR_PART, DeviceBank
from fractalvid.gpu.fit import DeviceFits, jobs_of
from fractalvid.render import BURN_IN
from kernels import launch
from kernels.launch import Array, Paints, Tuning


def render_fits(
    bank: DeviceBank,
    fits: DeviceFits,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    times: NDArray[np.float64],
    *,
    size: int,
    points: int,
    camera: NDArray[np.float32],
    colour: ColourConfig | None = None,
    tuning: Tuning = Tuning(),  # noqa: B008 (it is frozen)
) -> Array:
    """Render B fitted clips at times (B, F): uint8 (B, F, H, W), or (B, F, H, W, 3) in colour, on the device.

    Ids, times and the camera's homographies (B, 3, 3) are in the host's memory. White is the clip's own density.
    """
    xp = bank.xp
    b, f = times.shape
    at, classes = xp.asarray(times), fits.instances.class_id
    maps = bank.maps_at(fits.instances, at)
    maps[..., LINEAR_PART] *= _damping_at(xp, fits.damping, at)[..., None, None]
    nearest = xp.minimum(xp.rint(at).astype(np.int64), MAX_FRAMES - 1)
    projection = xp.matmul(xp.asarray(camera), view_projection(bank, fits.box, size))[:, None]
    more: dict[str, Any] = {
        "start": xp.ascontiguousarray(fits.points[xp.arange(b)[:, None], nearest].reshape(b * f, -1, 2))
    }
    paints = None
    if colour is not None:
        more["colour"], paints = _colours(bank, class_id, instance_id, times, colour)
    jobs = jobs_of(
        *(bank, maps, classes, at),
        projection=xp.broadcast_to(projection, (b, f, 3, 3)),
        seed=fits.seed,
        **more,
    )
    area = xp.prod(fits.box[:, 2:] - fits.box[:, :2], axis=1)
    images = launch.render(
        *(bank.device, jobs),
        size=(size, size),
        points=np.full(b * f, points, np.int64),
        exposure=xp.repeat(xp.stack([area, fits.white], axis=1), f, axis=0),
        burn_in=BURN_IN,
        takes=bank.takes,
        paints=paints,
        tuning=tuning,
    )
    return images.reshape(b, f, *images.shape[1:])


def view_projection(bank: DeviceBank, box: Array, size: int) -> Array:
    """`fractalvid.render.view_projection`: homographies (B, 3, 3) from view boxes (B, 4) to square frames."""
    xp = bank.xp
    left, top, right, bottom = box.astype(np.float64).T
    matrices = xp.zeros((len(box), 3, 3))
    matrices[:, 0, 0] = size / (right - left)
    matrices[:, 1, 1] = size / (bottom - top)
    matrices[:, 0, 2] = -left * matrices[:, 0, 0]
    matrices[:, 1, 2] = -top * matrices[:, 1, 1]
    matrices[:, 2, 2] = 1
    if bank.config.rows == "x":
        matrices = matrices[:, [1, 0, 2]]
    return matrices.astype(np.float32)


def _damping_at(xp: Any, damping: Array, times: Array) -> Array:
    """Damping (B, 20) at times (B, F), linear between native times."""
    left = xp.minimum(times.astype(np.int64), MAX_FRAMES - 2)
    share = times - left
    rows = xp.arange(len(damping))[:, None]
    return (damping[rows, left] * (1 - share) + damping[rows, left + 1] * share).astype(np.float32)


def _colours(
    bank: DeviceBank,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    times: NDArray[np.float64],
    colour: ColourConfig,
) -> tuple[Array, Paints]:
    """The colour of each map in jobs (B F, 8), and their palettes: drawn on the host, the CPU's to the bit.

    A palette is a fiftieth of the picture it paints at 112 x 112 pixels.
    """
    xp, own_bank = bank.xp, bank.bank
    own = map_colours(own_bank.seed, class_id, own_bank.num_maps[class_id], MAX_MAPS)
    palettes = draw_palettes(colour, own_bank.seed, class_id, instance_id)
    palette = palettes.at(times / (own_bank.native_frames[class_id] - 1)[:, None]).reshape(-1, 256, 3)
    paints = Paints(xp.asarray(brightness_curve(colour)), xp.asarray(palette))
    return xp.ascontiguousarray(xp.repeat(xp.asarray(own), times.shape[1], axis=0)), paints
