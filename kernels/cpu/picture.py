"""From walkers to pixels on the CPU: where points fall, the 3 x 3 box filter and the tone map."""

import numpy as np

from fractalvid.kernels.compiled.compile import inlined, scalar, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32, log
from fractalvid.kernels.compiled.pointers import at, distinct, fill
from fractalvid.kernels.compiled.random import U32, U64
from fractalvid.kernels.compiled.vectors import wide
from fractalvid.kernels.cpu.walkers import ESCAPE

F64 = np.float64
HALVES, BYTES = U64(0x0080_0080_0080), U64(0x00FF_00FF_00FF)  # in each of three lanes of 16 bits

TINY = F32(1e-30)
ONE_POINT = U64(1 << 32)
"""A point in a histogram of colours: the sum of at most 2³² / 255 indices stays below it."""


BLOCK = 16
"""Points that are located side by side, before as many of the row before are counted. It divides every row."""
CAMERA = 9
"""Numbers of a camera."""


@subroutine
def look(projection, camera):
    """Fill the CAMERA numbers that `locate_and_count` takes, row by row those of a projection (3, 3).

    Without perspective its scale is applied here, once; so is the width of the histogram's border.
    """
    for i in range(3):
        for k in range(3):
            camera[3 * i + k] = projection[i, k]
    if projection[2, 0] == F32(0.0) and projection[2, 1] == F32(0.0):
        for i in range(2):
            for k in range(3):
                camera[3 * i + k] = projection[i, k] / projection[2, 2]
            camera[3 * i + 2] += F32(1.0)


@scalar
def _within(position, end):
    """A point's cell along an axis of the histogram; outside the frame, and where it is no number, the border."""
    position = position if position > F32(0.0) else F32(0.0)
    return I32(position if position < end else end)


@inlined
def _numbers(camera):
    """A camera's numbers, out of memory: read there, they might have been changed by any number stored."""
    return camera[0], camera[1], camera[2], camera[3], camera[4], camera[5], camera[6], camera[7], camera[8]


@inlined
def _place(x, y, first, n, camera, height, width, pixel):
    """Index of each of n points in a histogram with a border of one pixel; returns 1 if any walker escaped, or 0."""
    # Cast at every step, since Numba makes `|` of two int32 an int64, which halves the width of vectors.
    escaped = I32(0)
    right, bottom, stride, one = F32(width + 1), F32(height + 1), I32(width + 2), F32(1.0)
    a, b, c, d, e, f, g, h, w = camera
    if g == F32(0.0) and h == F32(0.0):
        for k in range(first, first + n):
            u = a * x[k] + b * y[k] + c
            v = d * x[k] + e * y[k] + f
            pixel[k] = U32(_within(v, bottom) * stride + _within(u, right))
            escaped = I32(escaped | (I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)))
    else:
        for k in range(first, first + n):
            q = g * x[k] + h * y[k] + w
            q = one / q if q > TINY else F32(np.nan)  # behind the camera: nowhere
            u = (a * x[k] + b * y[k] + c) * q + one
            v = (d * x[k] + e * y[k] + f) * q + one
            pixel[k] = U32(_within(v, bottom) * stride + _within(u, right))
            escaped = I32(escaped | (I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)))
    return escaped


@subroutine
def locate_and_count(x, y, n, camera, height, width, pixel, old, indices, pending, histogram):
    """Locate n points, and `count` those of the row before in between: whole blocks of the first `pending`.

    `pixel` gets the index of each point in a histogram with a border of one pixel, where everything outside lands.
    Counting waits for memory and locating for arithmetic, so both take little longer than one of them. The row must be
    another: what vectors have just stored can't be read in parts without waiting for all of it.

    Returns whether any walker escaped.
    """
    distinct()
    wide()
    numbers = _numbers(camera)
    escaped = I32(0)
    for first in range(0, n, BLOCK):
        escaped = I32(escaped | _place(x, y, first, BLOCK, numbers, height, width, pixel))
        if first < pending:
            _count(old, indices, first, BLOCK, histogram)
    return escaped != I32(0)


@inlined
def _count(pixel, indices, first, n, histogram):
    if indices is None:
        for k in range(n):
            histogram[pixel[first + k]] += U32(1)
    else:
        for k in range(n):
            histogram[pixel[first + k]] += ONE_POINT + U64(indices[first + k])


@subroutine
def count(pixel, indices, n, histogram):
    """Count n points; in colour in the upper half of 64 bits, while their indices are added up in the lower."""
    _count(pixel, indices, 0, n, histogram)


@subroutine
def mix(shade, colours, n, index):
    """Move a row's colours half way to those of the maps just taken, and note them in 8 bits."""
    distinct()
    for k in range(n):
        shade[k] = (shade[k] + colours[k]) * F32(0.5)
        index[k] = U32(shade[k] * F32(255.0) + F32(0.5))


@subroutine
def box3(histogram, height, width, box, row):
    """Sum of the 3 x 3 neighbourhood of every pixel; nothing lies outside the frame."""
    stride = width + 2
    counts, sums = at(histogram, 0), at(row, 0)
    for i in range(1, height + 1):
        counts[i * stride] = U32(0)
        counts[i * stride + width + 1] = U32(0)
    fill(counts, stride, U32(0))
    fill(at(counts, (height + 1) * stride), stride, U32(0))
    for i in range(height):
        above, out = at(counts, i * stride), at(box, i * width)
        here, below = at(above, stride), at(above, 2 * stride)
        for k in range(stride):
            sums[k] = above[k] + here[k] + below[k]
        for k in range(width):
            out[k] = sums[k] + sums[k + 1] + sums[k + 2]


@subroutine
def tone_map(box, gain, white, inverse, out):
    """Grey = min(1, log(1 + gain · box · s³) / log(1 + white)), with s of `kernels.tone.plan` at the pixel's centre."""
    wide()
    height, width = box.shape
    scale = F32(255.0) / log(F32(1.0) + white)
    flat = inverse[0] == F32(0.0) and inverse[1] == F32(0.0)
    for i in range(height):
        counts, grey = at(box, i * width), at(out, i * width)
        if flat:
            for k in range(width):
                value = log(F32(1.0) + gain * F32(counts[k])) * scale
                grey[k] = np.uint8(I32(min(value, F32(255.0)) + F32(0.5)))
        else:
            for k in range(width):
                s = abs(inverse[0] * (F32(k) + F32(0.5)) + inverse[1] * (F32(i) + F32(0.5)) + inverse[2])
                value = log(F32(1.0) + gain * s * s * s * F32(counts[k])) * scale
                grey[k] = np.uint8(I32(min(value, F32(255.0)) + F32(0.5)))


@subroutine
def split(box, counts, index):
    """Part box sums of colours (H, W) into counts, and the mean index of each pixel, rounded to 8 bits."""
    height, width = box.shape
    for i in range(height):
        both, number, mean = at(box, i * width), at(counts, i * width), at(index, i * width)
        for k in range(width):
            number[k] = U32(both[k] >> U64(32))
        for k in range(width):
            # Exact in float64, and faster than a division of integers.
            total = F64(both[k] & U64(0xFFFFFFFF))
            mean[k] = np.uint8(I32(total / F64(max(number[k], U32(1))) + F64(0.5)))


@subroutine
def paint(grey, index, curve, palette, out):
    """Colours (H, W, 3): `curve` (256,) of the grey times the palette (256, 3) at the index, over 255, rounded."""
    height, width = grey.shape
    # The three channels of a colour, 16 bits apart in one word, are multiplied at once.
    words = np.empty(256, np.uint64)
    for e in range(256):
        words[e] = U64(palette[e, 0]) | U64(palette[e, 1]) << U64(16) | U64(palette[e, 2]) << U64(32)
    for i in range(height):
        brightness, entry, colour = at(grey, i * width), at(index, i * width), at(out, 3 * i * width)
        for k in range(width):
            v = U64(curve[brightness[k]]) * words[entry[k]] + HALVES
            v = (v + ((v >> U64(8)) & BYTES)) >> U64(8)  # v / 255, rounded, for every product of two bytes
            colour[3 * k] = np.uint8(v)
            colour[3 * k + 1] = np.uint8(v >> U64(16))
            colour[3 * k + 2] = np.uint8(v >> U64(32))
