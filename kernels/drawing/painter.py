"""Pictures of textured layers, the nearest first: ellipses and convex polygons, drawn exactly under a homography.

Edges are found in pixels: the image of a straight edge is a line, that of a circle a conic, and a pixel lies inside by
one half minus its centre's distance from them, at a corner by the product of two. Textures are evaluated at pixel
centres. Nothing is resampled.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import driver, inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32
from fractalvid.kernels.compiled.threads import run_all
from fractalvid.kernels.compiled.types import (
    FLOAT32_1D,
    FLOAT32_2D,
    FLOAT32_3D,
    FLOAT32_4D,
    FLOAT32_5D,
    FLOAT64_4D,
    INT32_2D,
    INT64_1D,
    UINT8_1D,
    UINT8_3D,
    UINT8_4D,
    UINT32_2D,
)
from fractalvid.kernels.cpu.picture import paint
from fractalvid.kernels.drawing.coverage import (
    FAR,
    TINY,
    adjugate,
    bounds,
    covered_share,
    edges,
    layer_coordinates,
    most_of_a_pixel,
    multiply,
    outside_disc,
    outside_polygon,
    visible_window,
)
from fractalvid.kernels.drawing.jobs import ABSENT, MAX_CORNERS, Layers
from fractalvid.kernels.drawing.textures import texture_at

_COVERED = F32(1 / 256)
"""Less of a pixel than this does not count as open, or as covered."""


def paint_layers(
    layers: Layers,
    projection: NDArray[np.float64],
    *,
    size: tuple[int, int],
    indices: bool = False,
    threads: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Grey pictures uint8 (B, F, H, W) and, if `indices`, the palette index of what is seen most in each pixel.

    Args:
        layers: what is painted.
        projection: float64 (B, F, 3, 3), homographies from the plane to pixels; pixel i covers [i, i + 1).
        size: H and W.
        indices: whether to return indices, uint8 (B, F, H, W); else None.
        threads: at most this many, by default all cores.
    """
    b, f = layers.place.shape[:2]
    if projection.shape != (b, f, 3, 3):
        raise ValueError(f"projection must be ({b}, {f}, 3, 3), got {projection.shape}")
    grey = np.empty((b, f, *size), np.uint8)
    index = np.empty((b, f, *(size if indices else (0, 0))), np.uint8)
    arrays = tuple(np.ascontiguousarray(getattr(layers, name)) for name in Layers.__dataclass_fields__)
    views = np.ascontiguousarray(projection, np.float64)
    compiled = _compiled()
    pieces = np.array_split(np.arange(b * f), max(1, b * f // 4))
    run_all(lambda order: compiled(order, arrays, views, grey, index), pieces, threads)
    return grey, index if indices else None


def colourise(
    grey: NDArray[np.uint8],
    index: NDArray[np.uint8],
    curve: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    *,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Colour pictures uint8 (J, H, W, 3): `curve` (256,) of the grey times the palette at the index, over 255.

    Args:
        grey: uint8 (J, H, W).
        index: uint8 (J, H, W), palette index of each pixel.
        curve: uint8 (256,), the brightness of each grey.
        palette: uint8 (J, 256, 3).
        threads: at most this many, by default all cores.
    """
    out = np.empty((*grey.shape, 3), np.uint8)
    arrays = tuple(map(np.ascontiguousarray, (grey, index, curve, palette)))
    compiled = _compiled_colours()
    pieces = np.array_split(np.arange(len(grey)), max(1, len(grey) // 4))
    run_all(lambda order: compiled(order, *arrays, out), pieces, threads)
    return out


@inlined
def _shade(layer, coordinates, row, figure):
    """Lay a row of a layer under what was painted before; returns how many pixels it closed.

    `open_` is the share of each pixel that is still uncovered, `light` the grey so far, `most` the largest share that
    one layer has of a pixel and `index` that layer's. Of pieces that are `united`, `before` is what was open above the
    first, and `own` the most that one of them covers.
    """
    kind, pattern, seed, tones, tints = layer
    p, q, w, distance, second, full = coordinates
    open_, light, most, index = row
    united, before, own = figure
    closed = 0
    for k in range(p.shape[0]):
        cover = min(covered_share(distance[k]) * covered_share(second[k]), full)
        if cover < _COVERED or open_[k] == F32(0.0) or w[k] <= F32(0.0):
            continue
        share = open_[k] * cover
        if united:
            if cover <= own[k]:
                continue
            share = min(before[k] * (cover - own[k]), open_[k])
            own[k] = cover
        if open_[k] - share < _COVERED:
            share = open_[k]
            closed += 1
        open_[k] -= share
        s = F32(1.0) / w[k]
        value = texture_at(kind, p[k] * s, q[k] * s, pattern[0], pattern[1], pattern[2], pattern[3], seed)
        light[k] += share * (tones[0] + value * (tones[1] - tones[0]))
        if share > most[k]:
            most[k] = share
            index[k] = tints[0] + value * (tints[1] - tints[0])
    return closed


_FARTHEST = 2.0**40
"""Periods from the origin at which copies are still looked for."""


@inlined
def _copies(centre, reach, low, high, period):
    """First and last multiple of the period at which a layer may be seen, or the middle ones of very many."""
    if period == 0.0:
        return 0, 0
    first = np.ceil((low - reach - centre) / period)
    last = np.floor((high + reach - centre) / period)
    # Whole only at the end, and bounded: what float64 holds and int64 doesn't would become any number.
    middle = min(max(np.floor(0.5 * (first + last)), -_FARTHEST), _FARTHEST)
    return int(max(first, middle - FAR)), int(min(last, middle + FAR))


@subroutine
def _paint_layer(layer, united, place, shift, shape, projection, scratch, pixels):
    """Paint one copy of a layer; returns how many pixels it closed."""
    corners, sides = shape
    matrices, lines, box, rows = scratch
    m, n, own, inverse = matrices
    p, q, w, distance, second = rows
    open_, light, most, index, before, covered = pixels
    height, width = open_.shape
    for i in range(2):
        own[i, 0], own[i, 1], own[i, 2] = place[3 * i], place[3 * i + 1], float(place[3 * i + 2]) + shift[i]
        own[2, i] = 0.0
    own[2, 2] = 1.0
    multiply(projection, own, m)
    turn = adjugate(m, n)
    bounds(m, height, width, box)
    if abs(turn) < TINY or box[0] >= box[1] or box[2] >= box[3]:
        return 0
    for i in range(3):
        for j in range(3):
            inverse[i, j] = F32(n[i, j] / turn)
    if sides > 0:
        edges(m, 1.0 if turn > 0.0 else -1.0, corners, sides, lines)
    full = most_of_a_pixel(m, turn, lines, sides)
    first, end = box[2], box[3]
    span = end - first
    closed = 0
    for i in range(box[0], box[1]):
        layer_coordinates(inverse, i, first, p[:span], q[:span], w[:span])
        if sides == 0:
            outside_disc(inverse, p[:span], q[:span], w[:span], distance[:span], second[:span])
        else:
            outside_polygon(lines, sides, i, first, distance[:span], second[:span])
        coordinates = p[:span], q[:span], w[:span], distance[:span], second[:span], full
        row = open_[i, first:end], light[i, first:end], most[i, first:end], index[i, first:end]
        figure = united, before[i, first:end], covered[i, first:end]
        closed += _shade(layer, coordinates, row, figure)
    return closed


@subroutine
def _finish(open_, light, most, index, background, grey, indices):
    """What is still open shows the background; then to 8 bits. A pixel that shows anything is at least 1."""
    for i in range(grey.shape[0]):
        for k in range(grey.shape[1]):
            value = F32(255.0) * (light[i, k] + open_[i, k] * background[0])
            some = value > F32(0.0)
            value = min(max(value, F32(1.0)), F32(255.0)) if some else F32(0.0)
            grey[i, k] = np.uint8(I32(value + F32(0.5)))
    for i in range(indices.shape[0]):
        for k in range(indices.shape[1]):
            tint = index[i, k] if most[i, k] >= open_[i, k] else background[1]
            indices[i, k] = np.uint8(I32(F32(255.0) * min(max(tint, F32(0.0)), F32(1.0)) + F32(0.5)))


def _paint(order, arrays, projections, grey, indices):
    place, corners, sides, texture, pattern, seed, tones, tints, background, united, period = arrays
    height, width = grey.shape[2:]
    frames, count = place.shape[1:3]
    matrices = (np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3), np.float32))
    lines, box = np.empty((MAX_CORNERS, 3), np.float32), np.empty(4, np.int64)
    window, shift = np.empty(4), np.empty(2)
    p, q, w = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    rows = p, q, w, np.empty(width, np.float32), np.empty(width, np.float32)
    scratch = matrices, lines, box, rows
    open_, light = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    most, index = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    before, covered = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    pixels = open_, light, most, index, before, covered
    for job in order:
        b, f = job // frames, job % frames
        still = corners[b, f % corners.shape[1]]
        projection = projections[b, f]
        open_[:], light[:], most[:], index[:] = F32(1.0), F32(0.0), F32(0.0), F32(0.0)
        repeat = float(period[b])
        visible_window(projection, height, width, repeat, window, matrices[1])
        left, figure = height * width, 0
        for i in range(count):
            if sides[b, i] == ABSENT or left == 0:
                continue
            if united[b, i] > 0 and united[b, i] != figure:
                before[:], covered[:] = open_, F32(0.0)
            figure = united[b, i]
            at = place[b, f, i]
            layer = texture[b, i], pattern[b, i], seed[b, i], tones[b, i], tints[b, i]
            x0, x1 = _copies(at[2], abs(at[0]) + abs(at[1]), window[0], window[1], repeat)
            y0, y1 = _copies(at[5], abs(at[3]) + abs(at[4]), window[2], window[3], repeat)
            for x in range(x0, x1 + 1):
                for y in range(y0, y1 + 1):
                    shift[0], shift[1] = x * repeat, y * repeat
                    shape = still[i], sides[b, i]
                    left -= _paint_layer(layer, figure > 0, at, shift, shape, projection, scratch, pixels)
        _finish(open_, light, most, index, background[b], grey[b, f], indices[b, f])


def _colourise(order, grey, index, curve, palette, out):
    for j in order:
        paint(grey[j], index[j], curve, palette[j], out[j])


_ARRAYS = types.Tuple(
    (
        FLOAT32_4D,
        FLOAT32_5D,
        INT32_2D,
        INT32_2D,
        FLOAT32_3D,
        UINT32_2D,
        FLOAT32_3D,
        FLOAT32_3D,
        FLOAT32_2D,
        INT32_2D,
        FLOAT32_1D,
    )
)


@cache
def _compiled() -> Any:
    signature = types.void(INT64_1D, _ARRAYS, FLOAT64_4D, UINT8_4D, UINT8_4D)
    return driver(signature, _paint).entry_point


@cache
def _compiled_colours() -> Any:
    return driver(types.void(INT64_1D, UINT8_3D, UINT8_3D, UINT8_1D, UINT8_3D, UINT8_4D), _colourise).entry_point
