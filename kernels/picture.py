"""From walkers to pixels on the CPU: where points fall, the 3 x 3 box filter and the tone map."""

import numpy as np

from kernels.compile import part
from kernels.elementary import F32, I32, log
from kernels.random import U32
from kernels.walkers import ESCAPE

TINY = F32(1e-30)


@part
def locate(x, y, p, height, width, pixel):
    """Index of each point in a histogram with a border of one pixel, where everything outside lands.

    Returns whether any walker escaped.
    """
    bad = I32(0)
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
            bad |= I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)
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
            bad |= I32(0) if abs(x[k]) + abs(y[k]) <= ESCAPE else I32(1)
    return bad != I32(0)


@part
def count(pixel, n, histogram):
    """Count the first n pixels."""
    for k in range(n):
        histogram[pixel[k]] += U32(1)


@part
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


@part
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
