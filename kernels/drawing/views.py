"""Pictures seen under homographies, bilinear; and pairs of greys blended: what emulation does to each pixel."""

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
from fractalvid.kernels.compiled.types import (
    FLOAT32_3D,
    FLOAT32_5D,
    INT32_2D,
    INT64_1D,
    UINT8_1D,
    UINT8_2D,
    UINT8_5D,
)

BEHIND = F32(1e-3)
"""Places whose third coordinate is below this lie behind the camera, or so near the horizon that nothing is seen."""
_NOWHERE = F32(-1e6)
_FRAMES = 4
"""Frames that are worth handing to a thread."""


def see_pictures(
    pictures: NDArray[np.uint8] | NDArray[np.float32],
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
        pictures: (B, C, T or 1, h, w), uint8, which is faster, or float32; 1 is one for all frames.
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
    compiled = _seeing(pictures.dtype == np.uint8)
    run_all(lambda order: compiled(order, *arrays, reflected, folded, out), _pieces(count * frames), threads)
    return out


def blend_pairs(
    front: NDArray[np.uint8],
    back: NDArray[np.float32],
    shares: tuple[NDArray[np.int32], NDArray[np.int32]],
    curves: NDArray[np.uint8],
    maximum: NDArray[np.uint8],
    *,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Pixels joined: uint8 (B, C, T, H, W), curves[b, shares[0][b, front] + shares[1][b, back]] or their maximum.

    Args:
        front: uint8 (B, C, T, H, W).
        back: float32 of the same shape, in 0..255, which is rounded.
        shares: int32 (B, 256) each, from 0 up, of greys of the one and of the other.
        curves: uint8 (B, S), an entry for every sum.
        maximum: uint8 (B,), not 0 for those clips that take the larger of both greys.
        threads: at most this many, by default all cores.
    """
    if (sum(share.max(axis=1) for share in shares) >= curves.shape[1]).any():
        raise ValueError(f"curves end at {curves.shape[1] - 1}, below some sums")
    out = np.empty_like(front)
    arrays = tuple(map(np.ascontiguousarray, (front, back, *shares, curves, maximum)))
    compiled = _blending()
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
def _neighbours(x, n, side, reflected, first, part):
    """The first of the two pixels between which each place lies along an axis, counted from 1, and both weights.

    0 is the border before the first pixel, and as much as a pixel that weighs nothing.
    """
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
        low = np.floor(place)
        rest = place - low
        first[p] = I32(min(max(low, F32(-1.0)), most)) + I32(1)
        part[p] = F32(1.0) - rest if least <= low <= most else F32(0.0)
        part[n + p] = rest if low >= F32(-1.0) and low + F32(1.0) <= most else F32(0.0)


@subroutine
def _pack(picture, height, width, quads):
    """The four pixels at every corner between pixels, borders included, in one word: (height + 1, width + 1)."""
    stride = width + 1
    for i in range(height + 1):
        upper, lower = at(picture, max(i - 1, 0) * width), at(picture, min(i, height - 1) * width)
        row = at(quads, i * stride)
        row[0] = _quad(upper[0], upper[0], lower[0], lower[0])
        for k in range(1, width):
            row[k] = _quad(upper[k - 1], upper[k], lower[k - 1], lower[k])
        row[width] = _quad(upper[width - 1], upper[width - 1], lower[width - 1], lower[width - 1])


@inlined
def _quad(a, b, c, d):
    return U32(U32(a) | U32(U32(b) << U32(8)) | U32(U32(c) << U32(16)) | U32(U32(d) << U32(24)))


@inlined
def _byte(word, place):
    return F32(I32(U32(word >> U32(8 * place)) & U32(255)))


@subroutine
def _between_bytes(quads, width, n, columns, lines, across, along, words, out):
    """What lies between four pixels each, packed by `_pack`.

    Words are fetched first, one by one, so that what follows is done by vectors.
    """
    stride = width + 1
    for p in range(n):
        words[p] = quads[np.int64(lines[p]) * stride + np.int64(columns[p])]
    for p in range(n):
        word = words[p]
        upper = across[p] * _byte(word, 0) + across[n + p] * _byte(word, 1)
        lower = across[p] * _byte(word, 2) + across[n + p] * _byte(word, 3)
        out[p] = along[p] * upper + along[n + p] * lower


@subroutine
def _between(picture, height, width, n, columns, lines, across, along, out):
    """What lies between four pixels each."""
    for p in range(n):
        left, right = max(columns[p] - 1, 0), min(columns[p], width - 1)
        up, down = at(picture, max(lines[p] - 1, 0) * width), at(picture, min(lines[p], height - 1) * width)
        upper = across[p] * up[left] + across[n + p] * up[right]
        lower = across[p] * down[left] + across[n + p] * down[right]
        out[p] = along[p] * upper + along[n + p] * lower


@subroutine
def _see_frame(frame, pictures, to_scene, to_picture, reflected, folded, out, room, quads):
    """One frame, all its channels, row by row; `room` is for a row, and `quads` None for pictures of floats."""
    channels, shown, h, w = pictures.shape[1:]
    frames, height, width = out.shape[2:]
    b, t = frame // frames, frame % frames
    own = t if shown > 1 else 0
    scene, picture = at(to_scene, frame * 9), at(to_picture, frame * 9)
    places, ends, weights, words = room[0], room[1], room[2], at(room[3], 0)
    x, y, across, along = at(places, 0), at(places, width), at(weights, 0), at(weights, 2 * width)
    columns, lines = at(ends, 0), at(ends, width)
    if quads is not None:
        for c in range(channels):
            first = ((b * channels + c) * shown + own) * h * w
            _pack(at(pictures, first), h, w, at(quads, c * (h + 1) * (w + 1)))
    for row in range(height):
        _shares(scene, picture, row, folded, x, y, width)
        _neighbours(x, width, w, reflected, columns, across)
        _neighbours(y, width, h, reflected, lines, along)
        for c in range(channels):
            target = at(out, (((b * channels + c) * frames + t) * height + row) * width)
            if quads is not None:
                own_quads = at(quads, c * (h + 1) * (w + 1))
                _between_bytes(own_quads, w, width, columns, lines, across, along, words, target)
            else:
                source = at(pictures, ((b * channels + c) * shown + own) * h * w)
                _between(source, h, w, width, columns, lines, across, along, target)


@inlined
def _room(width):
    """Places, their neighbours, weights and words, for a row."""
    places, ends, weights = (
        np.empty(2 * width, np.float32),
        np.empty(2 * width, np.int32),
        np.empty(4 * width, np.float32),
    )
    return places, ends, weights, np.empty(width, np.uint32)


def _see(order, pictures, to_scene, to_picture, reflected, folded, out):
    room = _room(out.shape[4])
    for frame in order:
        _see_frame(frame, pictures, to_scene, to_picture, reflected, folded, out, room, None)


def _see_bytes(order, pictures, to_scene, to_picture, reflected, folded, out):
    room = _room(out.shape[4])
    quads = np.empty(pictures.shape[1] * (pictures.shape[3] + 1) * (pictures.shape[4] + 1), np.uint32)
    for frame in order:
        _see_frame(frame, pictures, to_scene, to_picture, reflected, folded, out, room, quads)


@subroutine
def _round_greys(back, n, greys):
    for p in range(n):
        greys[p] = I32(min(max(back[p] + F32(0.5), F32(0.0)), F32(255.0)))


@subroutine
def _blend_row(front, greys, fore, behind, curve, n, out):
    for p in range(n):
        out[p] = curve[np.int64(fore[front[p]]) + np.int64(behind[greys[p]])]


@subroutine
def _larger_row(front, greys, n, out):
    for p in range(n):
        out[p] = np.uint8(max(I32(front[p]), greys[p]))


def _blend_all(order, front, back, fore, behind, curves, maximum, out):
    channels, frames, height, width = front.shape[1:]
    room = np.empty(width, np.int32)
    for frame in order:
        b, t = frame // frames, frame % frames
        one, other, curve, greys = at(fore, b * 256), at(behind, b * 256), at(curves, b * curves.shape[1]), at(room, 0)
        for c in range(channels):
            for row in range(height):
                first = (((b * channels + c) * frames + t) * height + row) * width
                _round_greys(at(back, first), width, greys)
                if maximum[b]:
                    _larger_row(at(front, first), greys, width, at(out, first))
                else:
                    _blend_row(at(front, first), greys, one, other, curve, width, at(out, first))


@cache
def _seeing(of_bytes: bool) -> Any:
    pictures, function = (UINT8_5D, _see_bytes) if of_bytes else (FLOAT32_5D, _see)
    flags = types.boolean, types.boolean
    return driver(types.void(INT64_1D, pictures, FLOAT32_3D, FLOAT32_3D, *flags, FLOAT32_5D), function).entry_point


@cache
def _blending() -> Any:
    arrays = UINT8_5D, FLOAT32_5D, INT32_2D, INT32_2D, UINT8_2D, UINT8_1D, UINT8_5D
    return driver(types.void(INT64_1D, *arrays), _blend_all).entry_point
