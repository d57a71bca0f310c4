"""Clips from classes: a pure function of (bank, class id, instance id, config)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.classes import MAX_FRAMES, ClassBank
from fractalvid.errors import UserError
from fractalvid.instances import maps_at, weights_at
from fractalvid.view import LINEAR_PART, Fits, fit_clips
from kernels import Jobs, render

PAPER_POINTS = 934_400
PAPER_SIZE = 256
BURN_IN = 8
"""Walkers begin on the attractor, so a few steps are enough to part those that begin at the same point."""

Size = int | tuple[int, int]


def render_clip(
    bank: ClassBank,
    class_id: int,
    instance_id: int,
    *,
    size: Size = PAPER_SIZE,
    frames: int | None = None,
    points: int = PAPER_POINTS,
    exposure: str = "density",
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """One grey clip, uint8 (T, H, W).

    Args:
        bank: the classes.
        class_id: which class, 0..K-1.
        instance_id: which instance of it, 0..2³²-1; from 2³¹ up they are validation.
        size: H and W in pixels.
        frames: so many equidistant times of the clip; by default its T native ones.
        points: points a frame.
        exposure: "density" (see `kernels.tone`) or "max", as in the reference method: the largest count is white.
        threads: at most this many, by default all cores.
    """
    if not (0 <= class_id < len(bank) and 0 <= instance_id < 2**32):
        raise UserError(f"class {class_id}, instance {instance_id}: out of range for a bank of {len(bank)} classes")
    fits = fit_clips(bank, [class_id], [instance_id], threads=threads)
    times = clip_times(bank, class_id, frames)
    clips = render_fits(bank, fits, times[None], size=size, points=points, exposure=exposure, threads=threads)
    return np.asarray(clips[0])


def clip_times(bank: ClassBank, class_id: int, frames: int | None) -> NDArray[np.float64]:
    """The (F,) times in native frames that `frames` asks for; one frame is the middle of the clip."""
    native = int(bank.native_frames[class_id])
    if frames is None:
        return np.arange(native).astype(np.float64)
    if frames < 1:
        raise UserError(f"frames must be at least 1, got {frames}")
    return np.linspace(0, native - 1, frames) if frames > 1 else np.array([(native - 1) / 2])


def view_projection(box: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Homographies (B, 3, 3) that map view boxes (B, 4) to a frame of that size."""
    height, width = (size, size) if isinstance(size, int) else size
    left, top, right, bottom = box.astype(np.float64).T
    matrices = np.zeros((len(box), 3, 3))
    matrices[:, 0, 0] = width / (right - left)
    matrices[:, 1, 1] = height / (bottom - top)
    matrices[:, 0, 2] = -left * matrices[:, 0, 0]
    matrices[:, 1, 2] = -top * matrices[:, 1, 1]
    matrices[:, 2, 2] = 1
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
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Render B fitted clips at times (B, F): uint8 (B, F, H, W).

    `camera` (B, 3, 3) or (B, F, 3, 3) takes pixels of the whole view to pixels of the frame (crop, flip, motion); what
    it shows is drawn under it, nothing is resampled.
    """
    if exposure not in ("density", "max"):
        raise UserError(f"exposure must be density or max, got {exposure!r}")
    at = np.asarray(times, np.float64)
    b, f = at.shape
    projection = view_projection(fits.box, size)[:, None]
    if camera is not None:
        projection = (camera if camera.ndim == 4 else camera[:, None]) @ projection
    projection = np.broadcast_to(projection, (b, f, 3, 3))
    maps = maps_at(bank, fits.instances, at)
    if np.any(fits.damping < 1):
        maps[..., LINEAR_PART] *= _damping_at(fits.damping, at)[..., None, None]
    nearest = np.minimum(np.rint(at).astype(np.int64), MAX_FRAMES - 1)
    jobs = Jobs.of(
        maps.reshape(b * f, *maps.shape[2:]),
        weights_at(bank, fits.instances, maps).reshape(b * f, -1),
        variation=np.repeat(bank.variation[fits.instances.class_id], f),
        projection=projection.reshape(b * f, 3, 3),
        # One seed a clip, not a frame: the noise then moves with the figure instead of flickering.
        seed=np.repeat(fits.seed, f),
        start=fits.points[np.arange(b)[:, None], nearest].reshape(b * f, -1, 2),
    )
    area = np.prod(fits.box[:, 2:] - fits.box[:, :2], axis=1)
    images = render(
        jobs,
        size=size,
        points=points,
        exposure="max" if exposure == "max" else np.repeat(np.stack([area, fits.white], axis=1), f, axis=0),
        clip=np.repeat(np.arange(b), f),
        burn_in=BURN_IN,
        threads=threads,
    )
    return images.reshape(b, f, *images.shape[1:])


def _damping_at(damping: NDArray[np.float32], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """Damping (B, 20) at times (B, F), linear between native times."""
    left = np.minimum(times.astype(np.int64), MAX_FRAMES - 2)
    share = times - left
    rows = np.arange(len(damping))[:, None]
    return np.asarray(damping[rows, left] * (1 - share) + damping[rows, left + 1] * share, np.float32)
