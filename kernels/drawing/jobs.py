"""What there is to draw, as arrays: layers and noise. Nothing is compiled here, so that commands soon know of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TEXTURES = ("flat", "ramp", "stripes", "checks", "rings", "clouds", "mosaic")
"""Names of the textures that a layer may have, in the order of their numbers."""
MAX_CORNERS = 8
ABSENT = -1
"""In place of a number of corners: no layer."""


@dataclass(frozen=True)
class Layers:
    """B clips of F frames, each painted with up to L layers; the first lies on top.

    A layer is the unit disc, or a convex polygon inside the square [-1, 1]² of its own coordinates (p, q) whose corners
    follow each other counter-clockwise. Grey and palette index are those of `tones` and `tints`, mixed by its texture.

    Attributes:
        place: float32 (B, F, L, 6), a b c d e f of x = a p + b q + c, y = d p + e q + f, to the plane.
        corners: float32 (B, 1 or F, L, S, 2), polygons; those of one frame may serve all.
        sides: int32 (B, L), how many corners count; 0 for the disc, `ABSENT` for no layer.
        texture: int32 (B, L), index into TEXTURES.
        pattern: float32 (B, L, 4), the texture's direction as cosine and sine, its frequency in radians a unit, phase.
        seed: uint32 (B, L), of textures with randomness in them.
        tones: float32 (B, L, 2), grey in [0, 1] where the texture is 0 and 1.
        tints: float32 (B, L, 2), palette index in [0, 1] there.
        background: float32 (B, 2), grey and palette index where there is no layer.
        united: int32 (B, L), layers that follow each other with the same number above 0 are pieces of one figure: where
            they lie over each other, their soft edges do not add up.
        period: float32 (B,), layers repeat that often in the plane, both ways; 0 if they don't.
    """

    place: NDArray[np.float32]
    corners: NDArray[np.float32]
    sides: NDArray[np.int32]
    texture: NDArray[np.int32]
    pattern: NDArray[np.float32]
    seed: NDArray[np.uint32]
    tones: NDArray[np.float32]
    tints: NDArray[np.float32]
    background: NDArray[np.float32]
    united: NDArray[np.int32]
    period: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        b, f, n = self.place.shape[:3]
        shapes = {
            "place": (b, f, n, 6),
            "sides": (b, n),
            "texture": (b, n),
            "pattern": (b, n, 4),
            "seed": (b, n),
            "tones": (b, n, 2),
            "tints": (b, n, 2),
            "background": (b, 2),
            "united": (b, n),
            "period": (b,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be {shape}, got {getattr(self, name).shape}")
        b_c, f_c, n_c, most, two = self.corners.shape
        if (b_c, n_c, two) != (b, n, 2) or f_c not in (1, f) or most > MAX_CORNERS:
            raise ValueError(f"corners must be ({b}, 1 or {f}, {n}, up to {MAX_CORNERS}, 2), got {self.corners.shape}")
        if not np.all((self.sides <= most) & np.isin(self.sides, (ABSENT, 0, *range(3, MAX_CORNERS + 1)))):
            raise ValueError(f"sides must be {ABSENT}, 0 or 3 to {most}")
        if not np.all((self.texture >= 0) & (self.texture < len(TEXTURES))):
            raise ValueError(f"texture must be 0 to {len(TEXTURES) - 1}")


@dataclass(frozen=True)
class NoiseJobs:
    """J frames of noise over the whole plane.

    Attributes:
        inverse: float32 (J, 3, 3), homography from pixels to the plane, (column, row, 1) -> (x, y, w).
        frequency: float32 (J, 2), lattice cells of the first octave a unit of the plane, along x and y.
        place: float32 (J, 3), added to the lattice coordinates; the third is the frame's time.
        octaves: int64 (J,), at least 1.
        persistence: float32 (J,), the amplitude of each octave in that of the one before.
        contrast: float32 (J,), the standard deviation of the picture, grey being in [0, 1].
        seed: uint32 (J,).
    """

    inverse: NDArray[np.float32]
    frequency: NDArray[np.float32]
    place: NDArray[np.float32]
    octaves: NDArray[np.int64]
    persistence: NDArray[np.float32]
    contrast: NDArray[np.float32]
    seed: NDArray[np.uint32]
