"""Fitted clips into pictures on the device: `fractalvid.fractals.render.render_fractals` in array code."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.camera import per_frame
from fractalvid.core.colour import ColourConfig, brightness_curve, palettes_of
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.seeds import Field
from fractalvid.fractals.render import BURN_IN
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import DeviceFits, jobs_of
from fractalvid.gpu.jobs import project
from fractalvid.kernels.cuda import game
from fractalvid.kernels.cuda.device import Array, uploaded
from fractalvid.kernels.cuda.game import Paints, Tuning


def render_on_device(
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
    at = bank.grid_times(times)
    near, cameras, curve_there = uploaded(xp, nearest, per_frame(camera), curve)
    classes = fits.instances.class_id
    class_maps = bank.class_maps(classes, at)
    maps, weights = bank.instance_maps(class_maps, classes, fits.instances, at, fits.damping)
    projection, exposure = project(bank.device, fits.box, fits.white, cameras, f, size=size, rows=bank.config.rows)
    more: dict[str, Any] = {
        "start": xp.ascontiguousarray(fits.orbit[xp.arange(b)[:, None], near].reshape(b * f, -1, 2))
    }
    paints = None
    if colour is not None:
        more["colour"] = xp.repeat(bank.colours[classes], f, axis=0)
        paints = Paints(curve_there, _palettes(bank, fits, at.times, colour))
    images = game.render(
        bank.device,
        jobs_of(bank, maps, weights, classes, at, projection=projection, seed=fits.seed, **more),
        size=(size, size),
        points=points,
        exposure=exposure.reshape(-1, 2),
        burn_in=BURN_IN,
        variations=bank.variations,
        paints=paints,
        tuning=tuning,
    )
    return images.reshape(b, f, *images.shape[1:])


def _palettes(bank: DeviceBank, fits: DeviceFits, times: Array, colour: ColourConfig) -> Array:
    """Palettes uint8 (B F, 256, 3) at times (B, F)."""
    own = fits.instances

    def numbers(field: Field, count: int) -> Array:
        return bank.uniforms(field, own.instance_id, own.class_id, count)

    last = bank.array["native_frames"][own.class_id] - 1
    palettes = palettes_of(colour, numbers, xp=bank.xp)
    return palettes.at(times / last[:, None], xp=bank.xp).reshape(-1, 256, 3)
