"""From walkers to pixels on the CPU: where points fall, the 3 x 3 box filter and the tone map."""

import numpy as np

from fractalvid.kernels.compiled.compile import subroutine
from fractalvid.kernels.compiled.elementary import F32, I32, log
from fractalvid.kernels.compiled.random import U32, U64
from fractalvid.kernels.cpu.walkers import ESCAPE

F64 = np.float64
HALVES, BYTES = U64(0x0080_0080_0080), U64(0x00FF_00FF_00FF)  # in each of three lanes of 16 bits

TINY = F32(1e-30)
ONE_POINT = U64(1 << 32)
"""A point in a histogram of colours: the sum of at most 2³² / 255 indices stays below it."""


@subroutine
def locate(x, y, p, height, width, pixel):
    """Index of each point in a histogram with a border of one pixel, where everything outside lands.

    Returns whether any walker escaped.
    """
    # Cast at every step, since Numba makes `|` of two int32 an int64, which halves the width of vectors.
    escaped = I32(0)
    zero = F32(0.0)
    right = F32(width + 1)
    bottom = F32(height + 1)
    stride = I32(width + 2)
    a, b, c = p[0, 0], p[0, 1], p[0, 2]
    d, e, f = p[1, 0], p[1, 1], p[1, 2]
    g, h, w = p[2, 0], p[2, 1], p[2, 2]
    one = F32(1.0)
    if g == zero and h == zero:
        a, b, c, d, e, f = a / w, b / w, c / w + one, d / w, e / w, f / w + one
        for k in range(x.shape[0]):
            u = a * x[k] + b * y[k] + c
            v = d * x[k] + e * y[k] + f
            u = u if u > zero else zero
            v = v if v > zero else zero
            u = u if u < right else right
            v = v if v < bottom else bottom
            pixel[k] = U32(I32(v) * stride + I32(u))
            escaped = I32(escaped | (I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)))
    else:
        for k in range(x.shape[0]):
            q = g * x[k] + h * y[k] + w
            q = one / q if q > TINY else F32(np.nan)  # behind the camera: nowhere
            u = (a * x[k] + b * y[k] + c) * q + one
            v = (d * x[k] + e * y[k] + f) * q + one
            u = u if u > zero else zero
            v = v if v > zero else zero
            u = u if u < right else right
            v = v if v < bottom else bottom
            pixel[k] = U32(I32(v) * stride + I32(u))
            escaped = I32(escaped | (I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)))
    return escaped != I32(0)


@subroutine
def count(pixel, n, histogram):
    """Count the first n pixels."""
    for k in range(n):
        histogram[pixel[k]] += U32(1)


@subroutine
def mix(shade, colours, index):
    """Move a row's colours half way to those of the maps just taken, and note them in 8 bits."""
    for k in range(shade.shape[0]):
        shade[k] = (shade[k] + colours[k]) * F32(0.5)
        index[k] = U32(shade[k] * F32(255.0) + F32(0.5))


@subroutine
def count_colours(pixel, index, n, histogram):
    """Count the first n pixels in the upper half of 64 bits, and add up their colour indices in the lower."""
    for k in range(n):
        histogram[pixel[k]] += ONE_POINT + U64(index[k])


@subroutine
def box3(histogram, height, width, box, row):
    """Sum of the 3 x 3 neighbourhood of every pixel; nothing lies outside the frame."""
    stride = width + 2
    for i in range(1, height + 1):
        histogram[i * stride] = U32(0)
        histogram[i * stride + width + 1] = U32(0)
    histogram[:stride] = U32(0)
    histogram[(height + 1) * stride : (height + 2) * stride] = U32(0)
    for i in range(height):
        above = histogram[i * stride : (i + 1) * stride]
        here = histogram[(i + 1) * stride : (i + 2) * stride]
        below = histogram[(i + 2) * stride : (i + 3) * stride]
        for k in range(stride):
            row[k] = above[k] + here[k] + below[k]
        left, middle, right, out = row[:width], row[1 : width + 1], row[2 : width + 2], box[i]
        for k in range(width):
            out[k] = left[k] + middle[k] + right[k]


@subroutine
def tone_map(box, gain, white, inverse, out):
    """Grey = min(1, log(1 + gain · box · s³) / log(1 + white)), with s of `kernels.tone.plan` at the pixel's centre."""
    height, width = box.shape
    scale = F32(255.0) / log(F32(1.0) + white)
    flat = inverse[0] == F32(0.0) and inverse[1] == F32(0.0)
    for i in range(height):
        counts, grey = box[i], out[i]
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
        both, number, mean = box[i], counts[i], index[i]
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
    wide = np.empty(256, np.uint64)
    for e in range(256):
        wide[e] = U64(palette[e, 0]) | U64(palette[e, 1]) << U64(16) | U64(palette[e, 2]) << U64(32)
    for i in range(height):
        brightness, entry, colour = grey[i], index[i], out[i]
        for k in range(width):
            v = U64(curve[brightness[k]]) * wide[entry[k]] + HALVES
            v = (v + ((v >> U64(8)) & BYTES)) >> U64(8)  # v / 255, rounded, for every product of two bytes
            colour[k, 0] = np.uint8(v)
            colour[k, 1] = np.uint8(v >> U64(16))
            colour[k, 2] = np.uint8(v >> U64(32))
