"""Gradient noise in three dimensions, summed over octaves: what Perlin's noise is, with a hash in place of his table.

K. Perlin, "Improving noise", SIGGRAPH 2002. Every lattice point owns a gradient, a hash of its coordinates and a seed;
between points their ramps are blended with a curve whose first two derivatives vanish at the ends.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import driver, inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32
from fractalvid.kernels.compiled.random import U32
from fractalvid.kernels.compiled.threads import run_all
from fractalvid.kernels.compiled.types import FLOAT32_1D, FLOAT32_2D, FLOAT32_3D, INT64_1D, UINT8_3D, UINT32_1D
from fractalvid.kernels.drawing.jobs import NoiseJobs

LACUNARITY = F32(2.0)
"""How much finer each octave is than the one before."""
TIME_LACUNARITY = F32(1.5)
"""And how much faster; less than in space, or fine octaves would flicker."""
_SHIFT = F32(17.37)  # between octaves, so that their lattices do not coincide
_GRADIENT = F32(1 / 511.5)
_RMS = F32(0.1911)
"""Root mean square of one octave over space, time and seeds, measured."""
_TINY = F32(1e-6)


@inlined
def scramble(h):
    """The 32-bit finaliser of MurmurHash3 (A. Appleby, public domain): every bit of h touches every bit."""
    h = U32(h ^ U32(h >> U32(16)))
    h = U32(h * U32(0x85EBCA6B))
    h = U32(h ^ U32(h >> U32(13)))
    h = U32(h * U32(0xC2B2AE35))
    return U32(h ^ U32(h >> U32(16)))


@inlined
def _ramp(h, x, y, z):
    """Value at (x, y, z) of the ramp of a lattice point with hash h, its gradient uniform in a cube."""
    h = scramble(h)
    gx = F32(I32(h & U32(1023))) * _GRADIENT - F32(1.0)
    gy = F32(I32(U32(h >> U32(10)) & U32(1023))) * _GRADIENT - F32(1.0)
    gz = F32(I32(U32(h >> U32(20)) & U32(1023))) * _GRADIENT - F32(1.0)
    return gx * x + gy * y + gz * z


@inlined
def _blend(t):
    return t * t * t * (t * (t * F32(6.0) - F32(15.0)) + F32(10.0))


@inlined
def gradient_noise(x, y, z, seed):
    """Noise at a point, about in [-1, 1]; its root mean square is `_RMS`."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    hx, hy, hz = U32(I32(fx)) * U32(0x9E3779B1), U32(I32(fy)) * U32(0x85EBCA77), U32(I32(fz)) * U32(0xC2B2AE3D)
    hx0, hx1 = U32(U32(hx) + seed), U32(U32(hx) + U32(0x9E3779B1) + seed)
    hy0, hy1 = U32(hy), U32(U32(hy) + U32(0x85EBCA77))
    hz0, hz1 = U32(hz), U32(U32(hz) + U32(0xC2B2AE3D))
    x0, y0, z0 = x - fx, y - fy, z - fz
    x1, y1, z1 = x0 - F32(1.0), y0 - F32(1.0), z0 - F32(1.0)
    bx, by, bz = _blend(x0), _blend(y0), _blend(z0)
    a = _ramp(U32(hx0 ^ U32(hy0 ^ hz0)), x0, y0, z0)
    b = _ramp(U32(hx1 ^ U32(hy0 ^ hz0)), x1, y0, z0)
    c = _ramp(U32(hx0 ^ U32(hy1 ^ hz0)), x0, y1, z0)
    d = _ramp(U32(hx1 ^ U32(hy1 ^ hz0)), x1, y1, z0)
    low = (a + bx * (b - a)) * (F32(1.0) - by) + (c + bx * (d - c)) * by
    a = _ramp(U32(hx0 ^ U32(hy0 ^ hz1)), x0, y0, z1)
    b = _ramp(U32(hx1 ^ U32(hy0 ^ hz1)), x1, y0, z1)
    c = _ramp(U32(hx0 ^ U32(hy1 ^ hz1)), x0, y1, z1)
    d = _ramp(U32(hx1 ^ U32(hy1 ^ hz1)), x1, y1, z1)
    high = (a + bx * (b - a)) * (F32(1.0) - by) + (c + bx * (d - c)) * by
    return low + bz * (high - low)


def render_noise(jobs: NoiseJobs, *, size: tuple[int, int], threads: int | None = None) -> NDArray[np.uint8]:
    """Grey images uint8 (J, H, W): 1 to 255 around a mean of one half, 0 only behind the camera."""
    out = np.empty((len(jobs.seed), *size), np.uint8)
    arrays = tuple(np.ascontiguousarray(getattr(jobs, name)) for name in NoiseJobs.__dataclass_fields__)
    compiled = _compiled()
    pieces = np.array_split(np.arange(len(out)), max(1, len(out) // 4))
    run_all(lambda order: compiled(order, arrays, out), pieces, threads)
    return out


@subroutine
def _plane_row(q, i, x, y):
    """Plane coordinates of the pixel centres of row i; NaN behind the camera."""
    v = F32(i) + F32(0.5)
    for k in range(x.shape[0]):
        u = F32(k) + F32(0.5)
        w = q[2, 0] * u + q[2, 1] * v + q[2, 2]
        s = F32(1.0) / w if w > _TINY else F32(np.nan)
        x[k] = (q[0, 0] * u + q[0, 1] * v + q[0, 2]) * s
        y[k] = (q[1, 0] * u + q[1, 1] * v + q[1, 2]) * s


@subroutine
def _octave_row(x, y, scale, place, z, seed, amplitude, out):
    """Add an octave at (x, y) times `scale`, plus `place`."""
    for k in range(x.shape[0]):
        out[k] += amplitude * gradient_noise(x[k] * scale[0] + place[0], y[k] * scale[1] + place[1], z, seed)


@subroutine
def _grey_row(value, gain, out):
    for k in range(value.shape[0]):
        grey = F32(127.5) + gain * value[k]
        grey = min(max(grey, F32(1.0)), F32(255.0)) if grey == grey else F32(0.0)
        out[k] = np.uint8(I32(grey + F32(0.5)))


def _noise(order, arrays, out):
    inverse, frequency, place, octaves, persistence, contrast, seed = arrays
    height, width = out.shape[1:]
    x, y, value = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    scale, begin = np.empty(2, np.float32), np.empty(2, np.float32)
    for j in order:
        power = F32(0.0)
        amplitude = F32(1.0)
        for _ in range(octaves[j]):
            power += amplitude * amplitude
            amplitude *= persistence[j]
        gain = F32(255.0) * contrast[j] / (_RMS * np.sqrt(power))
        for i in range(height):
            _plane_row(inverse[j], i, x, y)
            value[:] = F32(0.0)
            scale[:] = frequency[j]
            begin[:] = place[j, :2]
            z = place[j, 2]
            amplitude = F32(1.0)
            for o in range(octaves[j]):
                _octave_row(x, y, scale, begin, z, U32(seed[j] + U32(o)), amplitude, value)
                scale[0] *= LACUNARITY
                scale[1] *= LACUNARITY
                begin[0] = begin[0] * LACUNARITY + _SHIFT
                begin[1] = begin[1] * LACUNARITY + _SHIFT
                z = z * TIME_LACUNARITY + _SHIFT
                amplitude *= persistence[j]
            _grey_row(value, gain, out[j, i])


_ARRAYS = types.Tuple((FLOAT32_3D, FLOAT32_2D, FLOAT32_2D, INT64_1D, FLOAT32_1D, FLOAT32_1D, UINT32_1D))


@cache
def _compiled() -> Any:
    return driver(types.void(INT64_1D, _ARRAYS, UINT8_3D), _noise).entry_point
