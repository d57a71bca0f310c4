"""Loops over frames that lie channels-last, of float32 or of bfloat16, whose bits are given as uint16.

A row is W·C numbers one after the other, and what belongs to channels is repeated to that length, so that inner loops
are long. Maxima are of 3 x 3 places, of every other row and column, as `FramePool` takes them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from fractalvid.kernels.compiled.compile import driver, scalar, subroutine
from fractalvid.kernels.compiled.pointers import at, distinct, fill
from fractalvid.kernels.compiled.types import FLOAT32_1D, FLOAT32_3D, INT32_1D, UINT8_3D
from fractalvid.kernels.compiled.vectors import wide

NOWHERE = 9
"""The place of a maximum that is not above 0; others count the 3 x 3 row by row."""

F32, I32, U8, U16, U32 = np.float32, np.int32, np.uint8, np.uint16, np.uint32
_NUMBERS = {"float32": types.float32, "uint16": types.uint16}


def widened(value: Any) -> Any:
    """A number as float32: a bfloat16 is the upper half of one."""


@overload(widened, inline="always")
def _widened(value):
    if value is types.uint16:
        return lambda value: U32(U32(value) << U32(16)).view(F32)
    return lambda value: value


def narrowed(value: Any, like: Any) -> Any:
    """A float32 as what `like` is, rounded to nearest, ties to even."""


@overload(narrowed, inline="always")
def _narrowed(value, like):
    if like is types.uint16:
        return lambda value, like: _bfloat16(value)
    return lambda value, like: value


@scalar
def _bfloat16(value):
    bits = F32(value).view(U32)
    rounded = U32(U32(bits + U32(0x7FFF) + U32(U32(bits >> U32(16)) & U32(1))) >> U32(16))
    return U16(rounded if value == value else U32(0x7FC0))


@subroutine
def _add_row(x, origin, once, twice, n):
    distinct()
    wide()
    for j in range(n):
        d = widened(x[j]) - origin[j]
        once[j] += d
        twice[j] += d * d


def sum_rows(x, origin, sums):
    """Of each frame of x (F, H, WC): sums (F, 2, WC) of what exceeds `origin` (WC,), and of its squares."""
    frames, height, n = x.shape
    for f in range(frames):
        once = at(sums, 2 * f * n)
        fill(once, 2 * n, F32(0.0))
        for h in range(height):
            _add_row(at(x, (f * height + h) * n), at(origin, 0), once, at(once, n), n)


@subroutine
def _first_row(x, scale, shift, code, best, chosen, place, n):
    distinct()
    wide()
    for j in range(n):
        chosen[j] = widened(x[j])
        best[j] = chosen[j] * scale[j] + shift[j]
        place[j] = code


@subroutine
def _larger_row(x, scale, shift, code, best, chosen, place, n):
    distinct()
    wide()
    for j in range(n):
        own = widened(x[j])
        value = own * scale[j] + shift[j]
        more = value > best[j]
        best[j] = value if more else best[j]
        chosen[j] = own if more else chosen[j]
        place[j] = code if more else place[j]


@subroutine
def _first_column(best, chosen, place, code, top, of, where, n):
    distinct()
    wide()
    for c in range(n):
        top[c] = best[c]
        of[c] = chosen[c]
        where[c] = place[c] + code


@subroutine
def _larger_column(best, chosen, place, code, top, of, where, n):
    distinct()
    wide()
    for c in range(n):
        more = best[c] > top[c]
        top[c] = best[c] if more else top[c]
        of[c] = chosen[c] if more else of[c]
        where[c] = place[c] + code if more else where[c]


@subroutine
def _keep_row(top, of, where, out, chosen, place, n):
    distinct()
    wide()
    for j in range(n):
        nothing = top[j] <= F32(0.0)  # what is no number isn't nothing, and stays none
        out[j] = narrowed(F32(0.0) if nothing else top[j], out[j])
        chosen[j] = narrowed(of[j], chosen[j])
        place[j] = U8(I32(NOWHERE) if nothing else where[j])


def pool_rows(x, channels, scale, shift, scratch, codes, chosen, place, out):
    """Write to `out` (F, OH, OW·C) the maxima of max(0, x · scale + shift), of x (F, H, W·C).

    To `chosen`, of the same shape, goes x where the maximum is, and to `place`, in uint8, that place. `scale` and
    `shift` are float32 (W·C,); `scratch` and `codes`, float32 and int32 (2·W·C + 2·OW·C,), are for rows.
    """
    frames, height, n = x.shape
    out_height, out_n = out.shape[1], out.shape[2]
    width, out_width = n // channels, out_n // channels
    best, of_best, top, of_top = at(scratch, 0), at(scratch, n), at(scratch, 2 * n), at(scratch, 2 * n + out_n)
    by_row, by_column = at(codes, 0), at(codes, n)
    for f in range(frames):
        for oh in range(out_height):
            first = max(2 * oh - 1, 0)
            for h in range(first, min(2 * oh + 2, height)):
                code, here = I32(3 * (h - 2 * oh + 1)), at(x, (f * height + h) * n)
                if h == first:
                    _first_row(here, at(scale, 0), at(shift, 0), code, best, of_best, by_row, n)
                else:
                    _larger_row(here, at(scale, 0), at(shift, 0), code, best, of_best, by_row, n)
            for ow in range(out_width):
                first, to = max(2 * ow - 1, 0), ow * channels
                for w in range(first, min(2 * ow + 2, width)):
                    code, k = I32(w - 2 * ow + 1), w * channels
                    a, b, c = at(best, k), at(of_best, k), at(by_row, k)
                    if w == first:
                        _first_column(a, b, c, code, at(top, to), at(of_top, to), at(by_column, to), channels)
                    else:
                        _larger_column(a, b, c, code, at(top, to), at(of_top, to), at(by_column, to), channels)
            to = (f * out_height + oh) * out_n
            _keep_row(top, of_top, by_column, at(out, to), at(chosen, to), at(place, to), out_n)


@subroutine
def _add_gradients(gradient, chosen, place, mean, once, twice, n):
    distinct()
    wide()
    for j in range(n):
        g = F32(0.0) if place[j] == U8(NOWHERE) else widened(gradient[j])
        once[j] += g
        twice[j] += g * (widened(chosen[j]) - mean[j])


def sum_gradients(gradient, chosen, place, mean, sums):
    """Of each frame: sums (F, 2, WC) of the gradients of maxima, and of these times x's excess over the mean there.

    `gradient`, `chosen` and `place` are (F, OH, WC), `mean` (WC,).
    """
    frames, height, n = gradient.shape
    for f in range(frames):
        once = at(sums, 2 * f * n)
        fill(once, 2 * n, F32(0.0))
        for h in range(height):
            k = (f * height + h) * n
            _add_gradients(at(gradient, k), at(chosen, k), at(place, k), at(mean, 0), once, at(once, n), n)


@subroutine
def _add_where(gradient, place, code, here, n):
    distinct()
    wide()
    for c in range(n):
        here[c] += widened(gradient[c]) if place[c] == code else F32(0.0)


@subroutine
def _finish_row(here, x, scale, slope, constant, out, n):
    distinct()
    wide()
    for j in range(n):
        out[j] = narrowed(scale[j] * here[j] + (slope[j] * widened(x[j]) + constant[j]), out[j])


def spread_gradients(gradient, place, channels, x, scale, slope, constant, scratch, out):
    """Write to `out` (F, H, W·C) scale · the gradients of the maxima that are there + slope · x + constant.

    `gradient` and `place` are (F, OH, OW·C), `x` is (F, H, W·C), the others float32 (W·C,); `scratch` is for a row.
    """
    frames, height, n = x.shape
    out_height, out_n = gradient.shape[1], gradient.shape[2]
    width, out_width = n // channels, out_n // channels
    here = at(scratch, 0)
    for f in range(frames):
        for h in range(height):
            fill(here, n, F32(0.0))
            for oh in range(h // 2, min((h + 1) // 2 + 1, out_height)):
                of = (f * out_height + oh) * out_n
                for ow in range(out_width):
                    k = of + ow * channels
                    for w in range(max(2 * ow - 1, 0), min(2 * ow + 2, width)):
                        code = U8(3 * (h - 2 * oh + 1) + w - 2 * ow + 1)
                        _add_where(at(gradient, k), at(place, k), code, at(here, w * channels), channels)
            k = (f * height + h) * n
            _finish_row(here, at(x, k), at(scale, 0), at(slope, 0), at(constant, 0), at(out, k), n)


@cache
def compiled(function: Callable[..., None], numbers: str) -> Any:
    """One of the loops above, for maps of `numbers` (float32 or uint16), compiled when first asked for."""
    maps, row, codes = types.Array(_NUMBERS[numbers], 3, "C"), FLOAT32_1D, INT32_1D
    arguments = {
        sum_rows: (maps, row, FLOAT32_3D),
        pool_rows: (maps, types.int64, row, row, row, codes, maps, UINT8_3D, maps),
        sum_gradients: (maps, maps, UINT8_3D, row, FLOAT32_3D),
        spread_gradients: (maps, UINT8_3D, types.int64, maps, row, row, row, row, maps),
    }
    return driver(types.void(*arguments[function]), function).entry_point
