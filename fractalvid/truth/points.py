"""Points of figures followed through the frames of a clip.

A point of an attractor is where an endless sequence of maps leads. The same sequence under the maps of two frames gives
the same point of the figure in both, so its displacement is known: no two pictures have to be compared. Maps that do
not contract (`horseshoe` doubles angles) lead elsewhere from every start: such points are told by following them from
two.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import Fits
from fractalvid.fractals.instances import jobs_at
from fractalvid.fractals.render import view_projection
from fractalvid.kernels import orbit

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

POINTS = 1024
STEPS = 16
"""Steps before points count. They begin in the same place in all frames of a clip, one near its attractors."""
_STARTS = 128
_SAME = 0.01
"""Shares of the view by which the places of a point may differ that began in two places, and be known."""


def follow_points(
    bank: ClassBank, fits: Fits, times: Floats, *, threads: int | None = None
) -> tuple[Singles, NDArray[np.bool_]]:
    """Follow points of R fitted clips through times (R, T). All frames of a clip choose maps with the same weights.

    Those are the mean over its frames: those of single frames drift, and with them, choices would.

    Returns:
        Places float32 (R, T, P, 2) in the plane, of points that took the same maps in all T; infinite where one left
        for infinity. And bool (R, P), whether those maps alone decide where it is: from another start, it would be
        less than 1 % of the view away in every frame.
    """
    count, frames = times.shape
    middle = np.clip(np.rint(times.mean(axis=1)), 0, MAX_FRAMES - 1).astype(np.int64)
    start = np.repeat(fits.orbit[np.arange(count), middle, :_STARTS], frames, axis=0)
    jobs = jobs_at(bank, fits.instances, times, fits.damping, seed=fits.seed, start=start)
    weights = jobs.weights.reshape(count, frames, -1).mean(axis=1)
    jobs = replace(jobs, weights=np.repeat(weights, frames, axis=0))
    places, others = (
        orbit(replace(jobs, start=begin), POINTS, burn_in=STEPS, threads=threads).reshape(count, frames, POINTS, 2)
        for begin in (start, np.ascontiguousarray(start[:, ::-1]))
    )
    span = (fits.box[:, 2:] - fits.box[:, :2]).max(axis=1)[:, None, None]
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.linalg.norm(places - others, axis=-1) / span
    return places, np.asarray((apart < _SAME).all(axis=1))


def in_frame(bank: ClassBank, fits: Fits, points: Singles, figures: Floats) -> tuple[Singles, Singles]:
    """Where points (R, T, P, 2) of the plane are seen, x and y (R, T, P) in shares of the frame; NaN behind the camera.

    Args:
        bank: the classes.
        fits: of the R clips.
        points: of `follow_points`.
        figures: (R, T, 3, 3), from the whole view to the frame.
    """
    view = view_projection(fits.box, 1, bank.config.rows).astype(np.float64)
    entries = (figures @ view[:, None]).astype(np.float32).reshape(*figures.shape[:2], 9, 1)
    a, b, c, d, e, f, g, h, i = np.moveaxis(entries, 2, 0)
    x, y = np.ascontiguousarray(points[..., 0]), np.ascontiguousarray(points[..., 1])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        depth = g * x + (h * y + i)
        depth = np.where(depth > 0, depth, np.float32(np.nan))
        return (a * x + (b * y + c)) / depth, (d * x + (e * y + f)) / depth
