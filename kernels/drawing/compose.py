"""Frames of scenes: tiles seen under homographies, one over the other, and an opaque figure in front.

Tiles are read between their pixels (bilinear), and reflected beyond their ends. The figure is what a chaos game left:
where it is dense it is opaque, its density is a relief under a lamp, and it throws a shadow on what is behind.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import driver, inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32
from fractalvid.kernels.compiled.pointers import at
from fractalvid.kernels.compiled.random import U32
from fractalvid.kernels.compiled.threads import run_all
from fractalvid.kernels.compiled.types import FLOAT32_2D, FLOAT32_4D, INT64_1D, UINT8_5D, UINT32_4D
from fractalvid.kernels.drawing.matter import LAYERS

LOOK = ("reach", "faint", "dense", "relief_x", "relief_y", "skin", "shadow", "shadow_x", "shadow_y", "veils", "soft")
"""What a figure looks like, in this order: the density, as grey in [0, 1], from which on it is opaque; its tone where
it is faint and where it is dense; how strongly its relief shows, along x and y; how deep its skin is; how dark its
shadow, and where that falls, in pixels; how many veils are behind it; how soft the lens is, 0 to 1."""
_OPACITY = 3
_TINY = F32(1e-6)


def compose_scenes(
    tiles: NDArray[np.uint32],
    places: NDArray[np.float32],
    figures: NDArray[np.uint8],
    look: NDArray[np.float32],
    *,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Frames uint8 (B, C, T, H, W) of scenes.

    Args:
        tiles: uint32 (B, 4, S, S), see `fractalvid.kernels.drawing.make_tiles`; grey ones for C of 1.
        places: float32 (B, T, 4, 9), homographies from pixels of the frame to shares of each tile.
        figures: uint8 (B, C, T, H, W), 0 where there is none.
        look: float32 (B, 11), see `LOOK`.
        threads: at most this many, by default all cores.
    """
    count, channels, frames = figures.shape[:3]
    if tiles.shape[:2] != (count, LAYERS) or places.shape != (count, frames, LAYERS, 9):
        raise ValueError(f"tiles and places must be of {count} clips of {frames} frames and {LAYERS} layers")
    if channels not in (1, 3) or look.shape != (count, len(LOOK)):
        raise ValueError(f"figures must have 1 or 3 channels and look {len(LOOK)} numbers a clip")
    out = np.empty_like(figures)
    arrays = tuple(map(np.ascontiguousarray, (tiles, places, figures, look)))
    compiled = _compiled()
    pieces = np.array_split(np.arange(count * frames), max(1, count * frames // 4))
    run_all(lambda order: compiled(order, *arrays, out), pieces, threads)
    return out


@inlined
def _folded(share, side):
    """A share of the tile, reflected at its ends, as a place between pixels 0 and side - 1."""
    half = F32(0.5) * share
    inside = F32(1.0) - abs(F32(2.0) * (half - np.floor(half)) - F32(1.0))
    return min(max(inside * F32(side) - F32(0.5), F32(0.0)), F32(side) - F32(1.01))


@subroutine
def _places(m, row, side, x, y):
    """Where the pixels of a row look in a tile."""
    v = F32(row) + F32(0.5)
    x0, y0, w0 = m[1] * v + m[2], m[4] * v + m[5], m[7] * v + m[8]
    a, d, g = m[0], m[3], m[6]
    for k in range(x.shape[0]):
        u = F32(k) + F32(0.5)
        s = F32(1.0) / max(g * u + w0, _TINY)
        x[k] = _folded((a * u + x0) * s, side)
        y[k] = _folded((d * u + y0) * s, side)


@subroutine
def _four(tile, side, x, y, corners):
    """The four pixels around each place, packed; `tile` is a pointer, and x and y become shares between them."""
    for k in range(x.shape[0]):
        column, line = I32(x[k]), I32(y[k])
        first = np.int64(line) * side + column
        corners[0, k], corners[1, k] = tile[first], tile[first + 1]
        corners[2, k], corners[3, k] = tile[first + side], tile[first + side + 1]
        x[k] -= F32(column)
        y[k] -= F32(line)


@subroutine
def _channel(corners, shift, x, y, out):
    """One byte of what lies between four pixels, 0 to 255."""
    byte = U32(shift)
    for k in range(x.shape[0]):
        a = F32(I32(U32(corners[0, k] >> byte) & U32(255)))
        b = F32(I32(U32(corners[1, k] >> byte) & U32(255)))
        c = F32(I32(U32(corners[2, k] >> byte) & U32(255)))
        d = F32(I32(U32(corners[3, k] >> byte) & U32(255)))
        top = a + x[k] * (b - a)
        out[k] = top + y[k] * (c + x[k] * (d - c) - top)


@subroutine
def _over(opacity, value, out):
    """A layer over what is there; opacities up to 255."""
    for k in range(out.shape[0]):
        out[k] += opacity[k] * F32(1 / 255) * (value[k] - out[k])


@subroutine
def _smooth(figures, b, c, f, across, plane):
    """A channel of a figure in [0, 1], softened by 1 2 1 along both axes: single points become dust, edges soft."""
    height, width = plane.shape
    for i in range(height):
        for k in range(width):
            left, right = figures[b, c, f, i, max(k - 1, 0)], figures[b, c, f, i, min(k + 1, width - 1)]
            across[i, k] = F32(I32(left) + I32(2) * I32(figures[b, c, f, i, k]) + I32(right)) * F32(1 / 4080)
    for i in range(height):
        up, down = max(i - 1, 0), min(i + 1, height - 1)
        for k in range(width):
            plane[i, k] = across[up, k] + F32(2.0) * across[i, k] + across[down, k]


@subroutine
def _densest(planes, out):
    """The largest of all channels."""
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            most = planes[0, i, k]
            for c in range(1, planes.shape[0]):
                most = max(most, planes[c, i, k])
            out[i, k] = most


@subroutine
def _opaque(density, row, reach, out):
    """How opaque a row of densities is, 0 to 255: that rises smoothly up to `reach`. The nearest row, where none is."""
    i = min(max(row, 0), density.shape[0] - 1)
    for k in range(out.shape[0]):
        t = min(density[i, k] / reach, F32(1.0))
        out[k] = F32(255.0) * t * t * (F32(3.0) - F32(2.0) * t)


@subroutine
def _darken(opacity, strength, shift, out):
    """The shadow of what lies `shift` pixels to the left."""
    last = out.shape[0] - 1
    for k in range(out.shape[0]):
        out[k] *= F32(1.0) - strength * F32(1 / 255) * opacity[min(max(k - shift, 0), last)]


@subroutine
def _light(density, row, skin, look, out):
    """The light that a row of the figure throws back, 0 to 255: its tone, its relief under a lamp, its skin."""
    up, down, last = max(row - 1, 0), min(row + 1, density.shape[0] - 1), out.shape[0] - 1
    for k in range(out.shape[0]):
        along = density[row, min(k + 1, last)] - density[row, max(k - 1, 0)]
        slope = look[3] * along + look[4] * (density[down, k] - density[up, k])
        relief = min(max(F32(1.0) + slope, F32(0.3)), F32(1.8))
        grain = F32(1.0) + look[5] * (skin[k] * F32(2 / 255) - F32(1.0))
        out[k] = F32(255.0) * (look[1] + (look[2] - look[1]) * density[row, k]) * relief * grain


@subroutine
def _coloured(plane, density, row, light, out):
    """A channel of a row of the figure, in its own colour at that light."""
    for k in range(out.shape[0]):
        out[k] = light[k] * plane[row, k] / max(density[row, k], F32(1 / 255))


@subroutine
def _through_lens(picture, soft, across, out, b, c, f):
    """A channel seen through a lens: `soft` / 4 of each neighbour, along both axes; in bytes."""
    height, width = picture.shape[1:]
    side, middle = F32(0.25) * soft, F32(1.0) - F32(0.5) * soft
    for i in range(height):
        for k in range(width):
            ends = picture[c, i, max(k - 1, 0)] + picture[c, i, min(k + 1, width - 1)]
            across[i, k] = side * ends + middle * picture[c, i, k]
    for i in range(height):
        up, down = max(i - 1, 0), min(i + 1, height - 1)
        for k in range(width):
            value = side * (across[up, k] + across[down, k]) + middle * across[i, k]
            out[b, c, f, i, k] = np.uint8(I32(min(max(value, F32(0.0)), F32(255.0)) + F32(0.5)))


@subroutine
def _behind(tiles, b, maps, row, veils, scratch, picture):
    """A row of ground and veils."""
    x, y, corners, value, opacity = scratch
    side = tiles.shape[2]
    for layer in range(1 + veils):
        _places(maps[layer], row, side, x, y)
        _four(at(tiles, (b * LAYERS + layer) * side * side), side, x, y, corners)
        if layer > 0:
            _channel(corners, 8 * _OPACITY, x, y, opacity)
        for c in range(picture.shape[0]):
            _channel(corners, 8 * c, x, y, value)
            if layer == 0:
                picture[c, row] = value
            else:
                _over(opacity, value, picture[c, row])


def _compose(order, tiles, places, figures, look, out):
    channels, frames, height, width = figures.shape[1:]
    side = tiles.shape[2]
    x, y = np.empty(width, np.float32), np.empty(width, np.float32)
    corners = np.empty((4, width), np.uint32)
    value, opacity, light = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    scratch = x, y, corners, value, opacity
    picture = np.empty((channels, height, width), np.float32)
    planes = np.empty((channels, height, width), np.float32)
    density, across = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    for job in order:
        b, f = job // frames, job % frames
        style, maps = look[b], places[b, f]
        for c in range(channels):
            _smooth(figures, b, c, f, across, planes[c])
        _densest(planes, density)
        for i in range(height):
            _behind(tiles, b, maps, i, I32(style[9]), scratch, picture)
            if style[6] > F32(0.0):
                _opaque(density, i - I32(style[8]), style[0], opacity)
                for c in range(channels):
                    _darken(opacity, style[6], I32(style[7]), picture[c, i])
            _places(maps[LAYERS - 1], i, side, x, y)
            _four(at(tiles, (b * LAYERS + LAYERS - 1) * side * side), side, x, y, corners)
            _channel(corners, 0, x, y, value)
            _light(density, i, value, style, light)
            _opaque(density, i, style[0], opacity)
            for c in range(channels):
                if channels == 1:
                    _over(opacity, light, picture[c, i])
                else:
                    _coloured(planes[c], density, i, light, value)
                    _over(opacity, value, picture[c, i])
        for c in range(channels):
            _through_lens(picture, style[10], across, out, b, c, f)


@cache
def _compiled() -> Any:
    signature = types.void(INT64_1D, UINT32_4D, FLOAT32_4D, UINT8_5D, FLOAT32_2D, UINT8_5D)
    return driver(signature, _compose).entry_point
