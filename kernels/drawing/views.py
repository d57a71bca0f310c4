"""Pictures seen under homographies, bilinear; and pairs of greys looked up: what emulation does to each pixel."""

from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import driver, inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32
from fractalvid.kernels.compiled.pointers import at
from fractalvid.kernels.compiled.threads import run_all
from fractalvid.kernels.compiled.types import FLOAT32_3D, FLOAT32_5D, INT64_1D, UINT8_3D, UINT8_5D

BEHIND = F32(1e-3)
"""Places whose third coordinate is below this lie behind the camera, or so near the horizon that nothing is seen."""
_NOWHERE = F32(-1e6)
_FRAMES = 4
"""Frames that are worth handing to a thread."""


def see_pictures(
    pictures: NDArray[np.float32],
    to_scene: NDArray[np.float32],
    to_picture: NDArray[np.float32],
    size: tuple[int, int],
    *,
    reflected: bool,
    folded: bool,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """What cameras see of pictures: float32 (B, C, T, H, W).

    Args:
        pictures: float32 (B, C, T or 1, h, w); 1 is one for all frames.
        to_scene: float32 (B, T, 9), affine, from pixels of the frame to shares of a scene.
        to_picture: float32 (B, T, 9), homographies from there to shares of the picture.
        size: H and W.
        reflected: whether what lies beside a picture is its reflection; else it is 0.
        folded: whether what lies beside the scene is its reflection, too.
        threads: at most this many, by default all cores.
    """
    count, channels = pictures.shape[:2]
    frames = to_scene.shape[1]
    if to_scene.shape != (count, frames, 9) or to_picture.shape != to_scene.shape:
        raise ValueError(f"matrices must be (B, T, 9) of {count} clips, got {to_scene.shape} and {to_picture.shape}")
    out = np.empty((count, channels, frames, *size), np.float32)
    arrays = tuple(map(np.ascontiguousarray, (pictures, to_scene, to_picture)))
    compiled = _seeing()
    run_all(lambda order: compiled(order, *arrays, reflected, folded, out), _pieces(count * frames), threads)
    return out


def look_up_pairs(
    front: NDArray[np.uint8], back: NDArray[np.float32], tables: NDArray[np.uint8], *, threads: int | None = None
) -> NDArray[np.uint8]:
    """tables[b, front, back] for every pixel: uint8 (B, C, T, H, W).

    Args:
        front: uint8 (B, C, T, H, W).
        back: float32 of the same shape, in 0..255, which is rounded.
        tables: uint8 (B, 256, 256).
        threads: at most this many, by default all cores.
    """
    out = np.empty_like(front)
    arrays = tuple(map(np.ascontiguousarray, (front, back, tables)))
    compiled = _pairing()
    run_all(lambda order: compiled(order, *arrays, out), _pieces(len(front) * front.shape[2]), threads)
    return out


def _pieces(frames: int) -> list[NDArray[np.int64]]:
    return np.array_split(np.arange(frames), max(1, frames // _FRAMES))


@inlined
def _fold(x):
    """A line folded into [0, 1] by reflection at both ends, again and again."""
    half = F32(0.5) * x
    return F32(1.0) - abs(F32(2.0) * (half - np.floor(half)) - F32(1.0))


@subroutine
def _shares(scene, picture, row, folded, x, y, n):
    """Where the n pixels of a row look, in shares of the picture; behind the camera far outside of it."""
    v = F32(row) + F32(0.5)
    a, b, c, d, e, f = scene[0], scene[1] * v + scene[2], picture[0], picture[1], picture[2], scene[3]
    g, h, i, j, k, m = scene[4] * v + scene[5], picture[3], picture[4], picture[5], picture[6], picture[7]
    last = picture[8]
    for p in range(n):
        u = F32(p) + F32(0.5)
        s, t = a * u + b, f * u + g
        if folded:
            s, t = _fold(s), _fold(t)
        depth = k * s + (m * t + last)
        seen = depth >= BEHIND
        over = F32(1.0) / (depth if seen else F32(1.0))
        x[p] = (c * s + (d * t + e)) * over if seen else _NOWHERE
        y[p] = (h * s + (i * t + j)) * over if seen else _NOWHERE


@subroutine
def _neighbours(x, n, side, reflected, low, high, part):
    """The two pixels between which each place lies along an axis, as indices, and the weight of both."""
    least, most = F32(0.0), F32(side - 1)
    for p in range(n):
        share = x[p]
        if reflected:
            # What lies behind the camera is nothing, and no reflection.
            share = _fold(share) if share > F32(-1e5) else share
            place = share * F32(side) - F32(0.5)
            place = min(max(place, least), most) if place > F32(-1e5) else place
        else:
            place = share * F32(side) - F32(0.5)
        place = min(max(place, F32(-2.0)), most + F32(2.0))
        first = np.floor(place)
        rest = place - first
        low[p] = I32(min(max(first, least), most))
        high[p] = I32(min(max(first + F32(1.0), least), most))
        part[p] = F32(1.0) - rest if least <= first <= most else F32(0.0)
        part[n + p] = rest if first >= F32(-1.0) and first + F32(1.0) <= most else F32(0.0)


@subroutine
def _between(picture, width, n, columns, lines, across, along, out):
    """What lies between four pixels each."""
    left, right = columns
    up, down = lines
    for p in range(n):
        first, second = np.int64(up[p]) * width, np.int64(down[p]) * width
        upper = across[p] * picture[first + left[p]] + across[n + p] * picture[first + right[p]]
        lower = across[p] * picture[second + left[p]] + across[n + p] * picture[second + right[p]]
        out[p] = along[p] * upper + along[n + p] * lower


@subroutine
def _see_frame(frame, pictures, to_scene, to_picture, reflected, folded, out, places, ends, weights):
    """One frame, all its channels, row by row; the last three are room for a row."""
    channels, shown, h, w = pictures.shape[1:]
    frames, height, width = out.shape[2:]
    b, t = frame // frames, frame % frames
    own = t if shown > 1 else 0
    scene, picture = at(to_scene, frame * 9), at(to_picture, frame * 9)
    x, y, across, along = at(places, 0), at(places, width), at(weights, 0), at(weights, 2 * width)
    left, right, up, down = at(ends, 0), at(ends, width), at(ends, 2 * width), at(ends, 3 * width)
    for row in range(height):
        _shares(scene, picture, row, folded, x, y, width)
        _neighbours(x, width, w, reflected, left, right, across)
        _neighbours(y, width, h, reflected, up, down, along)
        for c in range(channels):
            source = at(pictures, ((b * channels + c) * shown + own) * h * w)
            target = at(out, (((b * channels + c) * frames + t) * height + row) * width)
            _between(source, w, width, (left, right), (up, down), across, along, target)


def _see(order, pictures, to_scene, to_picture, reflected, folded, out):
    width = out.shape[4]
    places, ends, weights = (
        np.empty(2 * width, np.float32),
        np.empty(4 * width, np.int32),
        np.empty(4 * width, np.float32),
    )
    for frame in order:
        _see_frame(frame, pictures, to_scene, to_picture, reflected, folded, out, places, ends, weights)


@subroutine
def _pair(front, back, table, n, out):
    for p in range(n):
        behind = I32(min(max(back[p] + F32(0.5), F32(0.0)), F32(255.0)))
        out[p] = table[np.int64(front[p]) * 256 + np.int64(behind)]


def _pair_all(order, front, back, tables, out):
    channels, frames, height, width = front.shape[1:]
    for frame in order:
        b, t = frame // frames, frame % frames
        for c in range(channels):
            first = ((b * channels + c) * frames + t) * height * width
            table = at(tables, b * 65536)
            _pair(at(front, first), at(back, first), table, height * width, at(out, first))


@cache
def _seeing() -> Any:
    flags = types.boolean, types.boolean
    return driver(types.void(INT64_1D, FLOAT32_5D, FLOAT32_3D, FLOAT32_3D, *flags, FLOAT32_5D), _see).entry_point


@cache
def _pairing() -> Any:
    return driver(types.void(INT64_1D, UINT8_5D, FLOAT32_5D, UINT8_3D, UINT8_5D), _pair_all).entry_point
