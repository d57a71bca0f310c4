"""Banks whose pictures are painted layers, and layers with outlines of their own."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.drawing.painter import ABSENT, Layers, paint_layers
from fractalvid.textures.bank import TextureBank
from fractalvid.textures.instances import Drawn
from fractalvid.textures.styles import LOOK_NUMBERS, looks, regular_corners


class LayeredBank(TextureBank):
    """A bank whose clips are layers, the nearest first."""

    @abstractmethod
    def layers_at(self, fit: Any, times: NDArray[np.float64]) -> Layers:
        """The layers of B clips, of `draw`, at times (B, F) in native frames."""

    def pictures(
        self,
        fit: Any,
        times: NDArray[np.float64],
        projection: NDArray[np.float64],
        *,
        size: tuple[int, int],
        indices: bool,
        threads: int | None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """See `TextureBank.pictures`."""
        return paint_layers(self.layers_at(fit, times), projection, size=size, indices=indices, threads=threads)


def outlined_layers(
    bank: Any,
    drawn: Drawn,
    size: NDArray[np.float64],
    which: NDArray[np.float64],
    *,
    first: int,
    place: NDArray[np.float32],
    darkest: float,
    background: NDArray[np.float32],
    period: float,
) -> Layers:
    """Layers of B clips that are discs or polygons, in one of their class's two outlines each.

    Args:
        bank: has `sides` (K, 2), `count` and `irregularity` (K,), and what `looks` asks for.
        drawn: of the clips.
        size: radii (B, L).
        which: (B, L), below 1/2 for the first outline.
        first: of the layers' numbers for look and corners.
        place: (B, F, L, 6), see `Layers`.
        darkest: of the bright tones.
        background: (B, 2), grey and palette index of the ground.
        period: layers repeat that often in the plane; 0 if they don't.
    """
    c, own = drawn.class_id, drawn.layers[first:]
    sides = np.where(which < 0.5, bank.sides[c][:, :1], bank.sides[c][:, 1:])
    look = looks(bank, c, own[:LOOK_NUMBERS], size, darkest)
    irregular = np.broadcast_to(bank.irregularity[c][:, None], size.shape)
    present = np.arange(size.shape[1]) < bank.count[c][:, None]
    return Layers(
        place=place,
        corners=regular_corners(sides, irregular, own[LOOK_NUMBERS:])[:, None],
        sides=np.where(present, sides, ABSENT).astype(np.int32),
        texture=look.texture,
        pattern=look.pattern,
        seed=drawn.seeds,
        tones=look.tones,
        tints=look.tints,
        background=background,
        united=np.zeros(size.shape, np.int32),
        period=np.full(len(c), period, np.float32),
    )
