"""Foregrounds: the points of a clip and of its copies drawn under their homographies."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.emulate.renderer import Array, Renderer, RenderOptions
from fractalvid.kinds import KINDS

Floats = NDArray[np.float64]


def render_figures(
    renderer: Renderer,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    times: Floats,
    matrices: Floats,
    *,
    copies: NDArray[np.int64],
    options: RenderOptions,
) -> tuple[Array, Any]:
    """Foregrounds and their copies, joined by maximum: uint8 (B, T, H, W), or (B, T, H, W, 3) in colour.

    And the fits of all of them, as `layers_of` lists them.

    Args:
        renderer: draws them.
        class_id: (B,).
        instance_id: (B,).
        times: (B, L, T), native frames.
        matrices: (B, L, T, 3, 3), from pixels of the whole view to pixels of the frame.
        copies: (B,), how many of the L are there besides the first.
        options: of the pictures.
    """
    xp, channels = renderer.xp, [] if options.colour is None else [1]
    layer, clip = layers_of(copies, times.shape[1])
    fit = renderer.fit_figures(class_id, instance_id, clip, options.threads)
    rendered = renderer.render(
        fit,
        times[clip, layer],
        camera=matrices[clip, layer].astype(np.float32),
        options=options,
    )
    if KINDS[renderer.bank.kind].endless:
        inside = in_view(matrices[clip, layer], options.size)
        rendered *= xp.asarray(inside.reshape(*inside.shape, *channels))
    figures, end = rendered[: len(copies)], len(copies)
    for number in range(1, int(copies.max()) + 1):
        begin, end = end, end + int((copies >= number).sum())
        rows = xp.asarray(clip[begin:end])
        figures[rows] = xp.maximum(figures[rows], rendered[begin:end])
    return figures, fit


def layers_of(copies: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of figures and of their clips, (R,) each: the originals first, then all first copies, and so on.

    Args:
        copies: (B,), how many each clip has besides the original.
        most: one more than the largest number there can be.
    """
    layer, clip = np.nonzero(np.arange(most)[:, None] <= copies)
    return layer, clip


def in_view(matrices: Floats, size: int) -> NDArray[np.bool_]:
    """Which pixels of frames show a place of the view: (..., size, size).

    Args:
        matrices: (..., 3, 3), from pixels of the whole view to pixels of the frame.
        size: H and W of both.
    """
    centre = np.arange(size, dtype=np.float32) + np.float32(0.5)
    x, y, depth = (
        row[..., 0, None, None] * centre + (row[..., 1, None, None] * centre[:, None] + row[..., 2, None, None])
        for row in np.moveaxis(np.linalg.inv(matrices).astype(np.float32), -2, 0)
    )
    inside = np.asarray(depth > 0)
    for place in (x, y):
        inside &= (place >= 0) & (place <= size * depth)
    return inside
