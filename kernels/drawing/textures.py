"""Textures of painted layers: functions of a layer's own coordinates with values in [0, 1]."""

import numpy as np

from fractalvid.kernels.compiled.compile import inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32, sin
from fractalvid.kernels.compiled.random import U32
from fractalvid.kernels.drawing.noise import gradient_noise, scramble

_NOISE_GAIN = F32(1.3)


@inlined
def _wave(x):
    return F32(0.5) + F32(0.5) * sin(x)


@subroutine
def _clouds(x, y, z, seed):
    """Two octaves of gradient noise, in [0, 1]."""
    coarse = gradient_noise(x, y, z, seed)
    fine = gradient_noise(x * F32(2.0) + F32(9.7), y * F32(2.0) + F32(5.3), z, U32(seed + U32(1)))
    return min(max(F32(0.5) + _NOISE_GAIN * (coarse + F32(0.5) * fine), F32(0.0)), F32(1.0))


@subroutine
def _mosaic(x, y, seed):
    """A random grey for each cell around scattered points, in [0, 1]: dead leaves that lie still."""
    cx, cy = np.floor(x), np.floor(y)
    nearest = F32(9.0)
    grey = F32(0.0)
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            px, py = cx + F32(dx), cy + F32(dy)
            h = scramble(U32(U32(U32(I32(px)) * U32(0x9E3779B1)) ^ U32(U32(U32(I32(py)) * U32(0x85EBCA77)) + seed)))
            qx = px + F32(I32(h & U32(255))) * F32(1 / 255) - x
            qy = py + F32(I32(U32(h >> U32(8)) & U32(255))) * F32(1 / 255) - y
            distance = qx * qx + qy * qy
            if distance < nearest:
                nearest = distance
                grey = F32(I32(U32(h >> U32(16)) & U32(255))) * F32(1 / 255)
    return grey


@subroutine
def texture_at(kind, p, q, cosine, sine, frequency, phase, seed):
    """Value of a texture of TEXTURES at the layer's own coordinates, in [0, 1]."""
    along = cosine * p + sine * q
    if kind == 0:
        return F32(1.0)
    if kind == 1:
        return min(max(F32(0.5) + F32(0.5) * along, F32(0.0)), F32(1.0))
    if kind == 2:
        return _wave(frequency * along + phase)
    across = cosine * q - sine * p
    if kind == 3:
        return F32(0.5) + F32(0.5) * sin(frequency * along + phase) * sin(frequency * across + phase)
    if kind == 4:
        return _wave(frequency * np.sqrt(p * p + q * q) + phase)
    # A wave of the other textures is two cells of these.
    cells = frequency * F32(1 / np.pi)
    if kind == 5:
        return _clouds(cells * along, cells * across, phase, seed)
    return _mosaic(cells * along + phase, cells * across, seed)
