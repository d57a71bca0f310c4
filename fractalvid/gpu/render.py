"""Fitted clips into pictures on the device: `fractalvid.render.render_fits` in array code."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.classes import MAX_FRAMES
from fractalvid.colour import ColourConfig, brightness_curve, palettes_of
from fractalvid.draws import Field
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import DeviceFits, damp_maps, jobs_of
from fractalvid.render import BURN_IN
from kernels import launch
from kernels.launch import Array, Paints, Tuning


def render_fits(
    bank: DeviceBank,
    fits: DeviceFits,
    times: NDArray[np.float64],
    *,
    size: int,
    points: int,
    camera: NDArray[np.float32],
    colour: ColourConfig | None = None,
    tuning: Tuning = Tuning(),  # noqa: B008 (it is frozen)
) -> Array:
    """Render B fitted clips at times (B, F): uint8 (B, F, H, W), or (B, F, H, W, 3) in colour, on the device.

    Times and the camera's homographies, (B, 3, 3) or (B, F, 3, 3), are in the host's memory. White is the clip's
    own density.
    """
    xp = bank.xp
    b, f = times.shape
    curve = np.empty(0, np.uint8) if colour is None else brightness_curve(colour)
    nearest = np.minimum(np.rint(times).astype(np.int64), MAX_FRAMES - 1)
    before = np.minimum(times.astype(np.int64), MAX_FRAMES - 2)
    at = bank.moments(times)
    near, left, share, cameras, curve_there = launch.uploaded(
        *(xp, nearest, before, times - before, camera if camera.ndim == 4 else camera[:, None], curve)
    )
    classes = fits.instances.class_id
    maps = bank.maps_at(fits.instances, at)
    damp_maps(maps, _damping_at(xp, fits.damping, left, share))
    projection = xp.matmul(cameras, view_projection(bank, fits.box, size)[:, None])
    more: dict[str, Any] = {
        "start": xp.ascontiguousarray(fits.points[xp.arange(b)[:, None], near].reshape(b * f, -1, 2))
    }
    paints = None
    if colour is not None:
        more["colour"] = xp.repeat(bank.colours[classes], f, axis=0)
        paints = Paints(curve_there, _palettes(bank, fits, at.times, colour))
    jobs = jobs_of(
        *(bank, maps, bank.weights_at(classes, maps), classes, at),
        projection=xp.broadcast_to(projection, (b, f, 3, 3)),
        seed=fits.seed,
        **more,
    )
    area = xp.prod(fits.box[:, 2:] - fits.box[:, :2], axis=1)
    images = launch.render(
        *(bank.device, jobs),
        size=(size, size),
        points=points,
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
    corners = box.astype(np.float64)
    scale = size / (corners[:, 2:] - corners[:, :2])
    # From x and y in the plane to columns and rows, or to rows and columns.
    axes = slice(None) if bank.config.rows == "y" else slice(None, None, -1)
    matrices = xp.zeros((len(box), 3, 3))
    matrices[:, :2, :2][:, axes] = scale[:, :, None] * xp.eye(2)
    matrices[:, :2, 2][:, axes] = -corners[:, :2] * scale
    matrices[:, 2, 2] = 1
    return matrices.astype(np.float32)


def _damping_at(xp: Any, damping: Array, left: Array, share: Array) -> Array:
    """Damping (B, 20) between the native times `left` (B, F) and the next, at a share of the way."""
    rows = xp.arange(len(damping))[:, None]
    return (damping[rows, left] * (1 - share) + damping[rows, left + 1] * share).astype(np.float32)


def _palettes(bank: DeviceBank, fits: DeviceFits, times: Array, colour: ColourConfig) -> Array:
    """Palettes uint8 (B F, 256, 3) at times (B, F)."""
    own = fits.instances

    def numbers(field: Field, count: int) -> Array:
        return bank.uniforms(field, own.instance_id, own.class_id, count)

    last = bank.array["native_frames"][own.class_id] - 1
    palettes = palettes_of(colour, numbers, xp=bank.xp)
    return palettes.at(times / last[:, None], xp=bank.xp).reshape(-1, 256, 3)
