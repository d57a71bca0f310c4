"""Clips of textures: the part that does not depend on the kind."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import Size
from fractalvid.core.camera import per_frame
from fractalvid.core.colour import ColourConfig, brightness_curve, clip_palettes
from fractalvid.kernels.drawing import colourise
from fractalvid.textures.bank import TextureBank
from fractalvid.utils.errors import UserError


def fit_textures(bank: TextureBank, class_id: ArrayLike, instance_id: ArrayLike, *, threads: int | None = None) -> Any:
    """Draw instances (B,) of classes (B,), see `fractalvid.kinds.fit_clips`; so quick that it takes one thread."""
    classes, ids = np.broadcast_arrays(np.atleast_1d(np.asarray(class_id, np.int64)), np.asarray(instance_id, np.int64))
    return bank.draw(classes.copy(), ids.copy())


def render_textures(
    bank: TextureBank,
    fit: Any,
    times: ArrayLike,
    *,
    size: Size,
    points: int,
    exposure: str = "density",
    camera: NDArray[np.float32] | None = None,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Render B clips at times (B, F), see `fractalvid.kinds.render_fits`. With no chaos game, `points` is unused."""
    if exposure != "density":
        raise UserError(f"exposure {exposure!r} belongs to the chaos game: clips of {bank.kind} have none")
    at = np.asarray(times, np.float64)
    frame = (size, size) if isinstance(size, int) else size
    projection = projections(at.shape, frame, camera)
    grey, index = bank.pictures(fit, at, projection, size=frame, indices=colour is not None, threads=threads)
    if colour is None or index is None:
        return grey
    palette = clip_palettes(colour, bank, fit.class_id, fit.instance_id, at)
    flat = (-1, *frame)
    painted = colourise(grey.reshape(flat), index.reshape(flat), brightness_curve(colour), palette, threads=threads)
    return painted.reshape(*grey.shape, 3)


def projections(
    shape: tuple[int, ...], size: tuple[int, int], camera: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Homographies (B, F, 3, 3) from the plane to pixels; the view is [0, 1]², as wide and high as the frame."""
    height, width = size
    whole = np.diag([width, height, 1.0])
    if camera is not None:
        whole = per_frame(camera).astype(np.float64) @ whole
    return np.broadcast_to(whole, (*shape, 3, 3))
