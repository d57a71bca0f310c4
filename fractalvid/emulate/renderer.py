"""What emulation needs rendered, whoever renders it: the seam between the layers of a clip and a CPU or a GPU."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank, Fit
from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.fit import Fits
from fractalvid.kinds import fit_clips, render_fits
from fractalvid.utils.arrays import map_arrays, rows_of

Array = Any
"""An array of NumPy, or of the library of the device that renders."""

CACHED_POINTS = 128
"""Points at which walkers begin that are cached of each clip: as good as all, and an eighth of the memory."""


@dataclass(frozen=True)
class RenderOptions:
    """How pictures are rendered.

    Attributes:
        size: H and W.
        points: points of the chaos game a frame.
        colour: how clips are coloured; grey where None.
        threads: at most this many of a CPU's; all cores by default.
        backgrounds: a folder with pictures for the grounds of scenes.
    """

    size: int
    points: int
    colour: ColourConfig | None = None
    threads: int | None = None
    backgrounds: Path | None = None


class Renderer(Protocol):
    """Renders clips of a bank: `CpuRenderer`, or `fractalvid.gpu.layers.DeviceLayers` on a GPU.

    What it has to know about clips before it renders them, their fit, is its own affair.
    """

    @property
    def bank(self) -> Bank:
        """The classes."""

    @property
    def xp(self) -> ModuleType:
        """The library of its pictures: NumPy or one like it."""

    def fit_figures(
        self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], rows: NDArray[np.int64], threads: int | None
    ) -> Any:
        """The fits of foregrounds: of the clips at `rows` (R,) of those (B,) that a batch shows."""

    def fit(self, clip_id: NDArray[np.int64], threads: int | None) -> Any:
        """The fits of backgrounds (B, 2), class and instance: cached, since they come again."""

    def render(
        self, fit: Any, times: NDArray[np.float64], *, camera: NDArray[np.float32], options: RenderOptions
    ) -> Array:
        """Pictures uint8 (B, F, H, W), or (B, F, H, W, 3) in colour, of the library `xp`.

        Args:
            fit: of B clips.
            times: (B, F), native frames.
            camera: homographies (B, 3, 3) or (B, F, 3, 3), in pixels.
            options: of the pictures.
        """


class CpuRenderer:
    """Renders on the CPU, and caches the fits of backgrounds.

    Pictures never depend on what is cached. Threads may share a renderer; other processes begin with an empty cache.

    Args:
        bank: the classes.
        cache_size: how many clips' fits are cached at most; as many as the pool of backgrounds has entries is enough.
    """

    xp: ModuleType = np

    def __init__(self, bank: Bank, cache_size: int) -> None:
        """See the class."""
        self.bank = bank
        self._cache_size = cache_size
        self._cache: dict[tuple[int, int], Fits] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Only the bank and the size of the cache go to other processes."""
        return CpuRenderer, (self.bank, self._cache_size)

    def __len__(self) -> int:
        """How many fits are cached."""
        return len(self._cache)

    def fit(self, clip_id: NDArray[np.int64], threads: int | None) -> Fit:
        """Fits of clips (B, 2), class and instance."""
        if self.bank.kind != "ifs":
            return fit_clips(self.bank, clip_id[:, 0], clip_id[:, 1], threads=threads)  # too cheap for a cache
        wanted = [(int(c), int(i)) for c, i in clip_id]
        fits = {key: self._cache[key] for key in dict.fromkeys(wanted) if key in self._cache}
        missing = [key for key in dict.fromkeys(wanted) if key not in fits]
        if missing:
            new = self._fit_each(missing, threads)
            fits |= new
            for key, fit in new.items():
                if len(self._cache) < self._cache_size:
                    self._cache[key] = fit
        together: Fits = map_arrays(lambda *arrays: np.concatenate(arrays), *(fits[key] for key in wanted))
        return together

    def _fit_each(self, keys: list[tuple[int, int]], threads: int | None) -> dict[tuple[int, int], Fits]:
        """A fit of its own for each clip."""
        class_id, instance_id = np.array(keys, np.int64).T
        fits = fit_clips(self.bank, class_id, instance_id, threads=threads)
        assert isinstance(fits, Fits)
        fits = dataclasses.replace(fits, orbit=fits.orbit[:, :, :CACHED_POINTS])
        # Copies: a view of a row would keep the whole array.
        return {
            key: map_arrays(lambda array, row=row: array[row : row + 1].copy(), fits) for row, key in enumerate(keys)
        }

    def fit_figures(
        self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], rows: NDArray[np.int64], threads: int | None
    ) -> Fit:
        """Fits of the clips at `rows` (R,) of those (B,) that a batch shows: each is fitted once."""
        if self.bank.kind != "ifs":
            return fit_clips(self.bank, class_id[rows], instance_id[rows], threads=threads)
        fits = fit_clips(self.bank, class_id, instance_id, threads=threads)
        if np.array_equal(rows, np.arange(len(class_id))):
            return fits
        chosen: Fit = rows_of(fits, rows)
        return chosen

    def render(
        self, fit: Fit, times: NDArray[np.float64], *, camera: NDArray[np.float32], options: RenderOptions
    ) -> NDArray[np.uint8]:
        """Pictures by `fractalvid.kinds.render_fits`."""
        return render_fits(
            self.bank,
            fit,
            times,
            size=options.size,
            points=options.points,
            camera=camera,
            colour=options.colour,
            threads=options.threads,
        )
