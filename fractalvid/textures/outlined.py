"""Banks whose layers are discs or convex polygons, each in one of its class's two outlines."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.drawing import ABSENT, TEXTURES, Layers
from fractalvid.textures.instances import TextureInstances, draw_texture_instances
from fractalvid.textures.layered import LayeredBank
from fractalvid.textures.motion import TURN
from fractalvid.textures.styles import STYLE_NUMBERS, WAVELENGTH_LIMITS, layer_styles
from fractalvid.utils.checks import Range

Floats = NDArray[np.float64]

OUTLINED_LIMITS: dict[str, Range] = {
    "irregularity": (0.0, 1.0),
    "wavelength": WAVELENGTH_LIMITS,
    "contrast": (0.0, 0.95),
    "speed": (0.0, 0.5),
    "coherence": (0.0, 1.0),
    "spin": (0.0, 1.5),
    "beat": (0.0, 1.5),
}
"""Limits of the ranges that configurations of outlined layers share."""
OUTLINED_BOUNDS: dict[str, Range] = {"texture": (0, len(TEXTURES) - 1), "wavelength": WAVELENGTH_LIMITS}
"""Bounds of the arrays that banks of outlined layers share."""


class OutlinedBank(LayeredBank):
    """A bank of outlined layers; a kind adds where they are and how large.

    Attributes:
        clip_numbers: how many random numbers a clip takes.
        place_numbers: how many random numbers the place, size and choice of outline of a layer take.
        max_corners: most corners of an outline.
        sides: int64 (K, 2), corners of the two outlines of each class, 0 for discs.
        count: int64 (K,), number of layers.
        irregularity: float64 (K,), how far corners stray from those of regular polygons, 0 to 1.
    """

    clip_numbers: ClassVar[int]
    place_numbers: ClassVar[int]
    max_corners: ClassVar[int]

    sides: NDArray[np.int64]
    count: NDArray[np.int64]
    irregularity: NDArray[np.float64]

    def draw(self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64]) -> TextureInstances:
        """Draw what is random about instances (B,): numbers for clips and, a layer, for place, style and corners."""
        return draw_texture_instances(
            self.seed,
            class_id,
            instance_id,
            figure=self.clip_numbers,
            layers=int(self.count[class_id].max()),
            numbers=self.place_numbers + STYLE_NUMBERS + 2 * self.max_corners,
        )

    def outlined_layers(
        self,
        drawn: TextureInstances,
        *,
        size: Floats,
        choice: Floats,
        place: NDArray[np.float32],
        darkest: float,
        background: NDArray[np.float32],
        period: float,
    ) -> Layers:
        """The layers of B clips.

        Args:
            drawn: of `draw`.
            size: radii (B, L).
            choice: (B, L), below 1/2 for the first outline of the class.
            place: (B, F, L, 6), see `Layers`.
            darkest: of the bright tones.
            background: (B, 2), grey and palette index of the ground.
            period: layers repeat that often in the plane; 0 if they don't.
        """
        c, own = drawn.class_id, drawn.layers[self.place_numbers :]
        sides = np.where(choice < 0.5, self.sides[c][:, :1], self.sides[c][:, 1:])
        style = layer_styles(self, c, own[:STYLE_NUMBERS], size, darkest)
        irregular = np.broadcast_to(self.irregularity[c][:, None], size.shape)
        present = np.arange(size.shape[1]) < self.count[c][:, None]
        return Layers(
            place=place,
            corners=regular_corners(sides, irregular, own[STYLE_NUMBERS:])[:, None],
            sides=np.where(present, sides, ABSENT).astype(np.int32),
            texture=style.texture,
            pattern=style.pattern,
            seed=drawn.seeds,
            tones=style.tones,
            tints=style.tints,
            background=background,
            united=np.zeros(size.shape, np.int32),
            period=np.full(len(c), period, np.float32),
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
