"""Shapes that cover a ground like fallen leaves: discs, ellipses and convex polygons with textures of their own."""

import numpy as np

from fractalvid.emulate.scene.config import SceneConfig
from fractalvid.emulate.scene.parameters import Floats, Shapes
from fractalvid.kernels.drawing.jobs import ABSENT, MAX_CORNERS, TEXTURES
from fractalvid.utils.arrays import within

UNIFORMS_A_SHAPE = 14 + MAX_CORNERS
_SEEDS = 2**24
_WEIGHTS = {"flat": 2, "ramp": 3, "stripes": 1, "checks": 0.3, "rings": 0.5, "clouds": 5, "mosaic": 2}
_CHANCE = np.cumsum([_WEIGHTS[name] for name in TEXTURES]) / sum(_WEIGHTS.values())
"""How often shapes have each texture, added up."""


def draw_shapes(config: SceneConfig, count: Floats, u: Floats, brightness: Floats, contrast: Floats) -> Shapes:
    """Shapes of B samples from uniforms (B, N, 22).

    Args:
        config: of scenes.
        count: (B,), of how many there are, uniform.
        u: uniforms of the shapes.
        brightness: (B,), of the scene.
        contrast: (B,), of the scene.
    """
    number = np.arange(u.shape[1])
    least, most = config.shapes
    there = number < (least + (count * (most - least + 1)).astype(np.int64)).clip(max=most)[:, None]
    sides = np.where(u[..., 5] < 0.4, 0, 3 + (u[..., 6] * (MAX_CORNERS - 2)).astype(np.int64))
    direction = 2 * np.pi * u[..., 7]
    pattern = (np.cos(direction), np.sin(direction), 3 * 8 ** u[..., 8], 2 * np.pi * u[..., 9])
    middle = brightness[:, None] + contrast[:, None] * (2 * u[..., 10] - 1)
    half = 0.6 * contrast[:, None] * u[..., 11] * np.where(u[..., 13] < 0.5, -1, 1)
    tint = u[..., 12]
    return Shapes(
        place=_places(config, u),
        corners=_corners(sides, u[..., 14:]),
        sides=np.where(there, sides, ABSENT),
        texture=np.minimum(np.searchsorted(_CHANCE, u[..., 4], side="right"), len(TEXTURES) - 1),
        pattern=np.stack(pattern, axis=-1),
        seed=(u[..., 9] * _SEEDS).astype(np.int64),
        tones=np.stack([middle - half, middle + half], axis=-1).clip(0.02, 1),
        tints=np.stack([tint, (tint + 0.2 * u[..., 13]).clip(0, 1)], axis=-1),
    )


def _places(config: SceneConfig, u: Floats) -> Floats:
    """Ellipses' places (B, N, 6), anywhere on the tile; small radii more often: their density is r⁻²."""
    least, most = config.extent
    radius = 1 / (1 / least + u[..., 2] * (1 / most - 1 / least))
    aspect = 2 ** (u[..., 3] - 0.5)
    wide, high, angle = radius * aspect, radius / aspect, 2 * np.pi * u[..., 13]
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = (wide * cosine, -high * sine, u[..., 0], wide * sine, high * cosine, u[..., 1])
    return np.stack(rows, axis=-1)


def _corners(sides: np.ndarray, u: Floats) -> Floats:
    """Polygons (B, N, 8, 2) on the unit circle, counter-clockwise and a little uneven."""
    number = np.minimum(np.arange(MAX_CORNERS), np.maximum(sides, 1)[..., None] - 1)
    angle = 2 * np.pi * (number + within(u, (0.0, 0.6))) / np.maximum(sides, 1)[..., None]
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)
