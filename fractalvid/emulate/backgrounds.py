"""What is behind: pictures of other clips of the same bank, at their drawn times."""

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.camera import Camera, camera_matrices
from fractalvid.emulate.parameters import Backgrounds
from fractalvid.emulate.renderer import Array, Renderer, RenderOptions


def render_backgrounds(renderer: Renderer, drawn: Backgrounds, options: RenderOptions) -> tuple[Array, Array]:
    """Pictures of backgrounds (B,), every one rendered once and all of them in one go.

    Returns:
        Those of the S that stand still, each the maximum of two: uint8 (S, H, W), or (S, H, W, 3) in colour; and those
        of the M that move, uint8 (M, T, H, W), or (M, T, H, W, 3).
    """
    xp, still, moving = renderer.xp, np.flatnonzero(~drawn.dynamic), np.flatnonzero(drawn.dynamic)
    walk = drawn.walk[moving]
    first = walk.min(axis=1)
    # A walk goes step by step, and meets all frames between its first and its last.
    count = walk.max(axis=1) + 1 - first
    begin = np.cumsum(count) - count
    walked = np.arange(count.sum()) + np.repeat(first - begin, count)
    rows = np.concatenate([np.repeat(still, 2), np.repeat(moving, count)])
    clip_id = np.concatenate([drawn.clip_id[still].reshape(-1, 2), np.repeat(drawn.clip_id[moving, 0], count, axis=0)])
    pictures = renderer.render(
        renderer.fit(clip_id, options.threads),
        np.concatenate([drawn.still[still].reshape(-1), walked])[:, None].astype(np.float64),
        camera=_crop(drawn, options.size)[rows],
        options=options,
    )[:, 0]
    pairs = pictures[: 2 * len(still)].reshape(-1, 2, *pictures.shape[1:])
    place = 2 * len(still) + begin[:, None] + walk - first[:, None]
    return xp.maximum(pairs[:, 0], pairs[:, 1]), pictures[xp.asarray(place)]


def _crop(drawn: Backgrounds, size: int) -> NDArray[np.float32]:
    """Homographies (B, 3, 3), in pixels, that show the drawn part."""
    corner, extent = drawn.corner.astype(np.float32), drawn.extent.astype(np.float32)
    return camera_matrices(Camera(corner, extent, np.zeros(len(corner), np.bool_)), size)
