"""How layers look: outlines, and textures of a class with tones, directions and phases of an instance."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.drawing.textures import TEXTURES
from fractalvid.textures.bank import Range, evenly, evenly_in_logarithm
from fractalvid.textures.motion import TURN

Floats = NDArray[np.float64]

Texture = Literal["flat", "ramp", "stripes", "checks", "rings", "clouds", "mosaic"]
LOOK_NUMBERS = 4
WAVELENGTH_LIMITS: Range = (0.01, 2.0)
_TINT_SPAN = 0.2
"""Share of the palette that the texture of one layer covers."""


@dataclass(frozen=True)
class Looks:
    """The look of B clips' layers, for `fractalvid.kernels.drawing.painter.Layers`."""

    texture: NDArray[np.int32]
    pattern: NDArray[np.float32]
    tones: NDArray[np.float32]
    tints: NDArray[np.float32]


def sample_look(config: Any, rng: np.random.Generator) -> dict[str, Any]:
    """A class's texture, wavelength and contrast, from the fields `textures`, `wavelength` and `contrast`."""
    return {
        "texture": np.int64(TEXTURES.index(str(rng.choice(config.textures)))),
        "wavelength": evenly_in_logarithm(rng, config.wavelength),
        "contrast": evenly(rng, config.contrast),
    }


def looks(bank: Any, class_id: NDArray[np.int64], numbers: Floats, size: Floats, darkest: float) -> Looks:
    """Looks of layers of the given size (B, L) from four numbers each (4, B, L).

    A texture is as fine in the plane on large layers as on small ones. Bright tones lie in [darkest, 1], and the dark
    ones of a texture the class's contrast below them.
    """
    turn, phase, tone, tint = numbers
    angle = TURN * turn
    frequency = TURN * size / bank.wavelength[class_id][:, None]
    bright = darkest + (1 - darkest) * tone
    dark = bright * (1 - bank.contrast[class_id][:, None])
    first = (1 - _TINT_SPAN) * tint
    return Looks(
        texture=np.broadcast_to(bank.texture[class_id][:, None], size.shape).astype(np.int32),
        pattern=np.stack([np.cos(angle), np.sin(angle), frequency, TURN * phase], axis=-1).astype(np.float32),
        tones=np.stack([dark, bright], axis=-1).astype(np.float32),
        tints=np.stack([first, first + _TINT_SPAN], axis=-1).astype(np.float32),
    )


def regular_corners(sides: NDArray[np.int64], irregular: Floats, own: Floats) -> NDArray[np.float32]:
    """Corners (B, L, S, 2) of convex polygons with `sides` (B, L) of at most S corners, on or in the unit circle.

    Args:
        sides: how many corners; those beyond repeat the first ones.
        irregular: (B, L), 0 for regular polygons, up to 1.
        own: (2 S, B, L), numbers in [0, 1): angle and distance of each corner.
    """
    most = len(own) // 2
    corner = np.arange(most)
    count = np.maximum(sides, 3)[..., None]
    share = irregular[..., None]
    # A corner strays by less than half of the way to its neighbours, and never so far inwards that it dents.
    stray = share * 0.8 * (np.moveaxis(own[:most], 0, -1) - 0.5)
    angle = np.ascontiguousarray(TURN * (corner + stray) / count)
    radius = 1 - share * _dent(count) * np.moveaxis(own[most:], 0, -1)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).astype(np.float32)


def _dent(count: NDArray[np.int64]) -> Floats:
    """How far a corner may move inwards: triangles stay convex anyway, others by how far their chords are."""
    return np.where(count == 3, 0.4, np.where(count == 4, 0.25, 0.1))
