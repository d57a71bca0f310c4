"""Fractal clips from fitted instances: a pure function of (bank, fits, times, size, points)."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import Size
from fractalvid.core.camera import per_frame
from fractalvid.core.colour import ColourConfig, brightness_curve, check_points, clip_palettes, map_colours
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import MAX_MAPS
from fractalvid.fractals.fit import Fits
from fractalvid.fractals.instances import jobs_at
from fractalvid.kernels import render
from fractalvid.utils.checks import check_choice

BURN_IN = 8
"""Steps before points count. Walkers begin on the attractor, so a few part those that begin at the same point."""


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


def render_fractals(
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
    """Render B fitted clips at times (B, F), see `fractalvid.kinds.render_fits`.

    Raises:
        UserError: an unknown exposure, or more points than coloured clips can have.
    """
    check_choice("exposure", exposure, ("density", "max"))
    if colour is not None:
        check_points(points)
    at = np.asarray(times, np.float64)
    b, f = at.shape
    map_colour, palette = (None, None) if colour is None else _colours(bank, fits, at, colour)
    jobs = jobs_at(
        bank,
        fits.instances,
        at,
        fits.damping,
        seed=fits.seed,
        projection=_projections(bank, fits, (b, f), size, camera),
        start=_starts(fits, at),
        colour=map_colour,
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


def _projections(
    bank: ClassBank, fits: Fits, shape: tuple[int, int], size: Size, camera: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Homographies from the plane to pixels of B clips at F times: (B F, 3, 3)."""
    projection = view_projection(fits.box, size, bank.config.rows)[:, None]
    if camera is not None:
        projection = per_frame(camera) @ projection
    return np.broadcast_to(projection, (*shape, 3, 3)).reshape(-1, 3, 3)


def _starts(fits: Fits, times: NDArray[np.float64]) -> NDArray[np.float32]:
    """Where walkers begin at times (B, F), the orbits at the nearest native times: (B F, P, 2)."""
    nearest = np.minimum(np.rint(times).astype(np.int64), MAX_FRAMES - 1)
    return fits.orbit[np.arange(len(fits))[:, None], nearest].reshape(times.size, -1, 2)


def _colours(
    bank: ClassBank, fits: Fits, times: NDArray[np.float64], colour: ColourConfig
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The colours of the maps of all jobs (B F, 8), and their palettes (B F, 256, 3)."""
    classes = fits.instances.class_id
    own = map_colours(bank.seed, classes, bank.num_maps[classes], MAX_MAPS)
    palettes = clip_palettes(colour, bank, classes, fits.instances.instance_id, times)
    return np.repeat(own, times.shape[1], axis=0), palettes
