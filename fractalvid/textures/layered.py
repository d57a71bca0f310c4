"""Banks whose pictures are painted layers."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels import drawing
from fractalvid.kernels.drawing import Layers
from fractalvid.textures.bank import TextureBank


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
        return drawing.paint_layers(self.layers_at(fit, times), projection, size=size, indices=indices, threads=threads)
