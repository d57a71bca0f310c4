"""Tiles of textured matter: packed colours and opacity of the layers that a scene is made of.

A tile is a square picture of 32 bits a pixel: three channels, or grey in the first, and opacity in the last. It is made
once a clip; `fractalvid.kernels.drawing.compose` moves it. Colours are a grey times a tint: what a tint adds has no
luma, so the grey of a coloured tile is the grey one.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import driver, inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32, I32
from fractalvid.kernels.compiled.random import U32
from fractalvid.kernels.compiled.threads import run_all
from fractalvid.kernels.compiled.types import FLOAT32_3D, FLOAT32_4D, INT64_1D, UINT8_3D, UINT8_4D, UINT32_4D

LAYERS = 4
"""Ground, two veils from far to near, and the skin of the figure."""
NOISE, SHAPED, FIGURED = 0, 1, 2
"""Grounds: noise alone; shapes that cover it; noise with a figure on it, that of a clip seen from near."""
SURFACE = ("kind", "bands", "dark", "bright", "threshold", "sharpness", "detail")
"""What a layer's matter has, in this order: `NOISE`, `SHAPED` or `FIGURED`; how often its noise runs from dark to
bright; grey in [0, 1] at both ends; the noise that is half opaque, and how fast opacity rises with it; the depth of its
grain."""


class Matter(NamedTuple):
    """What the tiles of B clips are made from.

    Attributes:
        shapes: uint8 (B, S, S), grey of the shapes, or of the figure, on the ground.
        tints: uint8 (B, S, S), the tint of the shapes.
        noise: uint8 (B, 3, S, S), of the ground and both veils.
        surface: float32 (B, 4, 7), see `SURFACE`.
        chroma: float32 (B, 4, 3, 2), blue and red difference, in parts of the grey, of tints 0, 1/2 and 1.
    """

    shapes: NDArray[np.uint8]
    tints: NDArray[np.uint8]
    noise: NDArray[np.uint8]
    surface: NDArray[np.float32]
    chroma: NDArray[np.float32]


def make_tiles(matter: Matter, *, colour: bool, threads: int | None = None) -> NDArray[np.uint32]:
    """Tiles uint32 (B, 4, S, S): red, green, blue and opacity from the lowest byte up; grey alone in the lowest.

    Args:
        matter: of B clips.
        colour: whether tiles have tints.
        threads: at most this many, by default all cores.
    """
    count, side = len(matter.noise), matter.noise.shape[2]
    tiles = np.empty((count, LAYERS, side, side), np.uint32)
    arrays = Matter(*map(np.ascontiguousarray, matter))
    compiled = _compiled()
    pieces = np.array_split(np.arange(count), count)
    run_all(lambda order: compiled(order, *arrays, colour, tiles), pieces, threads)
    return tiles


@inlined
def _byte(value):
    """0..255 from a value in [0, 1], clamped."""
    return U32(I32(F32(255.0) * min(max(value, F32(0.0)), F32(1.0)) + F32(0.5)))


@inlined
def _waves(value, bands):
    """A value that runs from 0 to 1 and back `bands` times while the other runs from 0 to 1."""
    half = F32(0.5) * value * bands
    return F32(1.0) - abs(F32(2.0) * (half - np.floor(half)) - F32(1.0))


@inlined
def _painted(grey, tint, chroma, colour):
    """Packed channels of a grey in [0, 1] and a tint in [0, 1]."""
    if not colour:
        return _byte(grey)
    place = F32(2.0) * tint
    part = min(place, F32(1.0))
    rest = max(place - F32(1.0), F32(0.0))
    blue = chroma[0, 0] + part * (chroma[1, 0] - chroma[0, 0]) + rest * (chroma[2, 0] - chroma[1, 0])
    red = chroma[0, 1] + part * (chroma[1, 1] - chroma[0, 1]) + rest * (chroma[2, 1] - chroma[1, 1])
    r = _byte(grey * (F32(1.0) + F32(1.402) * red))
    g = _byte(grey * (F32(1.0) - F32(0.344136) * blue - F32(0.714136) * red))
    b = _byte(grey * (F32(1.0) + F32(1.772) * blue))
    return U32(r | U32(g << U32(8)) | U32(b << U32(16)))


@subroutine
def _ground(shapes, tints, noise, surface, chroma, colour, tile):
    """Opaque, with grain; the tint of noise is the noise seen from the other side."""
    unit = F32(1 / 255)
    side = tile.shape[0]
    for i in range(side):
        for k in range(side):
            grain = F32(noise[i, k]) * unit
            if surface[0] == F32(SHAPED):
                grey, tint = F32(shapes[i, k]) * unit, F32(tints[i, k]) * unit
            else:
                grey = surface[2] + (surface[3] - surface[2]) * _waves(grain, surface[1])
                tint = F32(noise[k, i]) * unit
            if surface[0] == F32(FIGURED):
                density = F32(shapes[i, k]) * unit
                share = min(F32(4.0) * density, F32(1.0))
                grey += share * (surface[3] + density * (surface[2] - surface[3]) - grey)
                tint += share * (density - tint)
            grey *= F32(1.0) + surface[6] * (F32(2.0) * grain - F32(1.0))
            tile[i, k] = U32(_painted(grey, tint, chroma, colour) | U32(0xFF000000))


@subroutine
def _veil(noise, surface, chroma, colour, tile):
    """Opaque where its noise is above a threshold."""
    unit = F32(1 / 255)
    side = tile.shape[0]
    for i in range(side):
        for k in range(side):
            shape, tint = F32(noise[i, k]) * unit, F32(noise[k, i]) * unit
            opacity = _byte((shape - surface[4]) * surface[5] + F32(0.5))
            grey = surface[2] + (surface[3] - surface[2]) * _waves(tint, surface[1])
            grey *= F32(1.0) + surface[6] * (F32(2.0) * shape - F32(1.0))
            tile[i, k] = U32(_painted(grey, tint, chroma, colour) | U32(opacity << U32(24)))


@subroutine
def _skin(noise, surface, tile):
    """Grain for the figure, in the lowest byte: a veil's noise, turned."""
    side = tile.shape[0]
    for i in range(side):
        for k in range(side):
            tile[i, k] = _byte(_waves(F32(noise[side - 1 - k, i]) * F32(1 / 255), surface[1]))


def _make(order, shapes, tints, noise, surface, chroma, colour, tiles):
    for b in order:
        _ground(shapes[b], tints[b], noise[b, 0], surface[b, 0], chroma[b, 0], colour, tiles[b, 0])
        for veil in range(1, 3):
            _veil(noise[b, veil], surface[b, veil], chroma[b, veil], colour, tiles[b, veil])
        _skin(noise[b, 1], surface[b, 3], tiles[b, 3])


@cache
def _compiled() -> Any:
    matter = (UINT8_3D, UINT8_3D, UINT8_4D, FLOAT32_3D, FLOAT32_4D)
    return driver(types.void(INT64_1D, *matter, types.boolean, UINT32_4D), _make).entry_point
