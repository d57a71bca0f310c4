"""What lies behind figures: which layer is in front in each cell, and how it moves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.truth.known import FIGURE, UNKNOWN
from fractalvid.truth.layout import Layout, Scenes

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

LEAST = 2
"""Points of a figure that make a cell the figure's, of the 1024 that are followed. What one alone does in a cell says
little, so a cell with fewer, but some, is nobody's."""
CLEAR, DENSE = 0.3, 0.7
"""A veil whose mean opacity in a cell is at most the one is looked through, at least the other it is in front; between
them, nothing is."""
_LOOKS = 2
"""Places a side of a cell where a veil's opacity is looked up."""
_OPACITY = 24


def front_layers(layout: Layout, count: Ints) -> NDArray[np.int8]:
    """`Truth.front` int8 (B, T, G, G), from how many points of figures are in each cell (B, T, G, G)."""
    front = np.zeros(count.shape, np.int8)
    if layout.scenes is not None:
        front[layout.scenes.rows] = _veils_in_front(veil_opacity(layout.scenes, count.shape[-1]))
    front[count > 0] = UNKNOWN
    front[count >= LEAST] = FIGURE
    return front


def _veils_in_front(opacity: Singles) -> NDArray[np.int8]:
    """The nearest veil that is in front, from opacities (N, 2, T, G, G): int8 (N, T, G, G), 0 for the ground."""
    front = np.zeros((len(opacity), *opacity.shape[2:]), np.int8)
    for number in range(opacity.shape[1]):
        front[opacity[:, number] > CLEAR] = UNKNOWN
        front[opacity[:, number] >= DENSE] = 1 + number
    return front


def veil_opacity(scenes: Scenes, grid: int) -> Singles:
    """Mean opacities float32 (N, 2, T, G, G) of the far and the near veil in cells; 0 of one that is not there."""
    frames, side = scenes.layers.shape[2], scenes.packed.shape[-1]
    row, veil = np.nonzero(np.arange(2) < scenes.veils[:, None])
    tiles = (scenes.packed[row, 1 + veil] >> np.uint32(_OPACITY)).astype(np.float32) / 255
    look = (np.arange(grid * _LOOKS, dtype=np.float32) + np.float32(0.5)) / np.float32(grid * _LOOKS)
    inverse = np.linalg.inv(scenes.layers[row, 1 + veil] @ scenes.place[row, 1 + veil, None]).astype(np.float32)
    a, b, c, d, e, f, g, h, i = np.moveaxis(inverse.reshape(-1, frames, 9, 1, 1), 2, 0)
    x, y = look, look[:, None]
    depth = g * x + (h * y + i)
    column, line = (_pixel((p * x + (q * y + r)) / depth, side) for p, q, r in ((a, b, c), (d, e, f)))
    first = side * side * np.arange(len(row), dtype=np.int32)[:, None, None, None]
    seen = tiles.ravel().take(first + line * side + column)
    opacity = np.zeros((len(scenes.rows), 2, frames, grid, grid), np.float32)
    opacity[row, veil] = seen.reshape(-1, frames, grid, _LOOKS, grid, _LOOKS).mean(axis=(3, 5))
    return opacity


def _pixel(share: Singles, side: int) -> NDArray[np.int32]:
    """The pixel of a tile at a share of its side; tiles are reflected at their ends."""
    half = share * np.float32(0.5)
    half -= np.floor(half)
    inside = np.float32(side) - np.abs(half * np.float32(2 * side) - np.float32(side))
    return np.asarray(np.minimum(inside.astype(np.int32), side - 1))


def flow_behind(layout: Layout, front: NDArray[np.int8]) -> tuple[Floats, NDArray[np.bool_]]:
    """The flow (B, 2, T - 1, G, G) in the middle of cells of what lies behind, and where it is known (B, T - 1, G, G).

    Args:
        layout: of the samples.
        front: (B, T, G, G), what is in front.
    """
    count, frames, grid = front.shape[:3]
    flow = np.zeros((count, 2, frames - 1, grid, grid))
    known = np.zeros((count, frames - 1, grid, grid), np.bool_)
    rows = np.flatnonzero(layout.pictured)
    if len(rows):
        flow[rows], known[rows] = picture_flow(layout.camera[rows], layout.background[rows], grid)
    if layout.scenes is not None:
        scenes, nearest = layout.scenes, front[layout.scenes.rows, :-1]
        of_layer = layer_flow(scenes.layers, grid)
        taken = np.maximum(nearest, 0) * (nearest < FIGURE)
        flow[scenes.rows] = np.take_along_axis(of_layer, taken[:, None, None].astype(np.int64), axis=1)[:, 0]
        known[scenes.rows] = True
    return flow, known


def layer_flow(layers: Floats, grid: int) -> Floats:
    """How far the middles of cells move under matrices (..., T, 3, 3) of matter at rest: (..., 2, T - 1, G, G)."""
    step = layers[..., 1:, :, :] @ np.linalg.inv(layers[..., :-1, :, :])
    places = _middles(grid)
    return np.asarray(
        np.moveaxis(_seen(step, places) - places[:2], -2, -3).reshape(*step.shape[:-3], 2, -1, grid, grid)
    )


def picture_flow(camera: Floats, background: Floats, grid: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The same of a picture whose scene is reflected at its ends: flow (B, 2, T - 1, G, G), and where it is known.

    A place beside the scene shows what its reflection does, mirrored. It is not known where that leaves its side of
    the mirror.

    Args:
        camera: (B, T, 3, 3), from the scene to the frame.
        background: (B, T, 3, 3), from the picture to the scene.
        grid: G.
    """
    places = _middles(grid)
    scene = _seen(np.linalg.inv(camera[:, :-1]), places)
    side = np.floor(scene)
    mirrored = np.where(side % 2 == 1, -1.0, 1.0)
    inside = np.asarray(np.where(mirrored < 0, 1 - (scene - side), scene - side), np.float64)
    step = background[:, 1:] @ np.linalg.inv(background[:, :-1])
    moved: Floats = scene + mirrored * (_seen(step, _homogeneous(inside)) - inside)
    known = (np.floor(moved) == side).all(axis=-2)
    flow = _seen(camera[:, 1:], _homogeneous(moved)) - places[:2]
    shape = (*flow.shape[:2], grid, grid)
    return np.moveaxis(flow, 1, 2).reshape(len(flow), 2, *shape[1:]), known.reshape(shape)


def _middles(grid: int) -> Floats:
    """The middles of G x G cells, (3, G G)."""
    middle = (np.arange(grid) + 0.5) / grid
    y, x = (values.ravel() for values in np.meshgrid(middle, middle, indexing="ij"))
    return np.stack([x, y, np.ones_like(x)])


def _homogeneous(places: Floats) -> Floats:
    return np.concatenate([places, np.ones_like(places[..., :1, :])], axis=-2)


def _seen(matrices: NDArray[np.floating[Any]], places: Floats) -> Floats:
    """Places (..., 3, N) under matrices (..., 3, 3): (..., 2, N)."""
    seen = matrices @ places
    return np.asarray(seen[..., :2, :] / seen[..., 2:, :])
