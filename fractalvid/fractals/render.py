"""Fractal clips from fitted instances: pure functions of (bank, fits, times, size, points)."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import Size
from fractalvid.core.colour import ColourConfig, brightness_curve, check_points, draw_palettes, map_colours
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.fractals.bank import MAX_MAPS, ClassBank
from fractalvid.fractals.fit import LINEAR_PART, Fits
from fractalvid.fractals.instances import maps_at, weights_at
from fractalvid.kernels import Jobs, render
from fractalvid.utils.errors import UserError

BURN_IN = 8
"""Walkers begin on the attractor, so a few steps are enough to part those that begin at the same point."""


def view_projection(box: NDArray[np.float32], size: Size, rows: Literal["x", "y"] = "y") -> NDArray[np.float32]:
    """Homographies (B, 3, 3) that map view boxes (B, 4) to a frame of that size, whose rows follow x or y."""
    height, width = (size, size) if isinstance(size, int) else size
    along_x, along_y = (width, height) if rows == "y" else (height, width)
    left, top, right, bottom = box.astype(np.float64).T
    matrices = np.zeros((len(box), 3, 3))
    matrices[:, 0, 0] = along_x / (right - left)
    matrices[:, 1, 1] = along_y / (bottom - top)
    matrices[:, 0, 2] = -left * matrices[:, 0, 0]
    matrices[:, 1, 2] = -top * matrices[:, 1, 1]
    matrices[:, 2, 2] = 1
    if rows == "x":
        matrices = matrices[:, [1, 0, 2]]
    return matrices.astype(np.float32)


def render_fits(
    bank: ClassBank,
    fits: Fits,
    times: ArrayLike,
    *,
    size: Size,
    points: int,
    exposure: str = "density",
    camera: NDArray[np.float32] | None = None,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Render B fitted clips at times (B, F): uint8 (B, F, H, W), or (B, F, H, W, 3) in colour.

    `camera` (B, 3, 3) or (B, F, 3, 3) takes pixels of the whole view to pixels of the frame (crop, flip, motion); what
    it shows is drawn under it, nothing is resampled.
    """
    if exposure not in ("density", "max"):
        raise UserError(f"exposure must be density or max, got {exposure!r}")
    if colour is not None:
        check_points(points)
    at = np.asarray(times, np.float64)
    b, f = at.shape
    projection = view_projection(fits.box, size, bank.config.rows)[:, None]
    if camera is not None:
        projection = (camera if camera.ndim == 4 else camera[:, None]) @ projection
    projection = np.broadcast_to(projection, (b, f, 3, 3))
    maps = maps_at(bank, fits.instances, at)
    if np.any(fits.damping < 1):
        maps[..., LINEAR_PART] *= _damping_at(fits.damping, at)[..., None, None]
    chosen = bank.variations_at(fits.instances.class_id, at)
    nearest = np.minimum(np.rint(at).astype(np.int64), MAX_FRAMES - 1)
    own, palette = (None, None) if colour is None else _colours(bank, fits, at, colour)
    jobs = Jobs.of(
        maps.reshape(b * f, *maps.shape[2:]),
        weights_at(bank, fits.instances, maps).reshape(b * f, -1),
        **{name: values.reshape(b * f, *values.shape[2:]) for name, values in chosen.items()},
        projection=projection.reshape(b * f, 3, 3),
        # One seed a clip, not a frame: the noise then moves with the figure instead of flickering.
        seed=np.repeat(fits.seed, f),
        start=fits.points[np.arange(b)[:, None], nearest].reshape(b * f, -1, 2),
        colour=own,
    )
    area = np.prod(fits.box[:, 2:] - fits.box[:, :2], axis=1)
    images = render(
        jobs,
        size=size,
        points=points,
        exposure="max" if exposure == "max" else np.repeat(np.stack([area, fits.white], axis=1), f, axis=0),
        clip=np.repeat(np.arange(b), f),
        palette=palette,
        curve=None if colour is None else brightness_curve(colour),
        burn_in=BURN_IN,
        threads=threads,
    )
    return images.reshape(b, f, *images.shape[1:])


def _colours(
    bank: ClassBank, fits: Fits, times: NDArray[np.float64], colour: ColourConfig
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The colour of each map in jobs (B F, 8), and their palettes (B F, 256, 3)."""
    classes, frames = fits.instances.class_id, times.shape[1]
    own = map_colours(bank.seed, classes, bank.num_maps[classes], MAX_MAPS)
    palettes = draw_palettes(colour, bank.seed, classes, fits.instances.instance_id)
    palette = palettes.at(times / (bank.native_frames[classes] - 1)[:, None])
    return np.repeat(own, frames, axis=0), palette.reshape(-1, 256, 3)


def _damping_at(damping: NDArray[np.float32], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """Damping (B, 20) at times (B, F), linear between native times."""
    left = np.minimum(times.astype(np.int64), MAX_FRAMES - 2)
    share = times - left
    rows = np.arange(len(damping))[:, None]
    return np.asarray(damping[rows, left] * (1 - share) + damping[rows, left + 1] * share, np.float32)
