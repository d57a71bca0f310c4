"""What emulation needs drawn, whoever draws it: the seam between the layers of a clip and a CPU or a GPU."""

from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.colour import ColourConfig

Array = Any
"""NumPy's, or that of the device's own library."""


class Renderer(Protocol):
    """Draws clips of a bank, for `layers`: `backgrounds.KnownFits` on a CPU, `fractalvid.gpu.layers` on a GPU."""

    @property
    def bank(self) -> Bank:
        """The classes."""

    @property
    def xp(self) -> ModuleType:
        """The library of its pictures: NumPy or one like it."""

    def fit_figures(
        self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], rows: NDArray[np.int64], threads: int | None
    ) -> Any:
        """What is to be known about the clips at `rows` (R,) of those (B,) that stand in front."""

    def fit(self, clip_id: NDArray[np.int64], threads: int | None) -> Any:
        """The same of clips (B, 2), class and instance, that stand behind: kept, since they come again."""

    def render(
        self,
        fit: Any,
        times: NDArray[np.float64],
        *,
        size: int,
        points: int,
        camera: NDArray[np.float32],
        colour: ColourConfig | None,
        threads: int | None,
    ) -> Array:
        """`fractalvid.kinds.render_fits`: uint8 (B, F, H, W), or (B, F, H, W, 3) in colour, of the library `xp`."""
