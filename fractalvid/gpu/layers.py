"""Clips for emulation drawn on the device: `fractalvid.emulate.renderer.Renderer` for a chunk of samples.

Fits of background clips are kept there. New backgrounds are fitted together with the figures, since a fit costs the
host nearly the same for one clip and for hundreds.
"""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import index_words
from fractalvid.emulate.renderer import CACHED_POINTS, RenderOptions
from fractalvid.fractals.bank import ClassBank
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import DeviceFits, fit_on_device
from fractalvid.gpu.render import render_on_device
from fractalvid.kernels.cuda.device import Array
from fractalvid.kernels.cuda.game import Tuning
from fractalvid.utils.arrays import map_arrays

MOST_KEPT = 8192
"""Largest number of clips whose fits are kept: 180 MB of them, four pools of backgrounds."""


class DeviceBackgrounds:
    """Fits of background clips in one table on the device, which is made when the first is known.

    Args:
        bank: the classes.
        limit: how many clips the table may hold. When it is full, all are forgotten.
    """

    def __init__(self, bank: DeviceBank, limit: int) -> None:
        """Nothing is known."""
        self.bank, self._limit = bank, min(limit, MOST_KEPT)
        self._place: dict[int, int] = {}
        self._room = 0
        self._table: Any = None

    def __len__(self) -> int:
        """How many clips are known."""
        return len(self._place)

    def fit_with(self, figures: NDArray[np.int64], behind: NDArray[np.int64]) -> DeviceFits:
        """Fits of figures (B, 2); those of their background clips (M, 2) are found along with them and kept."""
        wanted = dict.fromkeys(_keys(behind))
        new = [key for key in wanted if key not in self._place]
        if len(self._place) + len(new) > max(self._limit, self._room):
            self._place.clear()
            new = list(wanted)
        count, ids = len(figures), np.concatenate([figures, _clips(new)])
        fits = fit_on_device(self.bank, ids[:, 0], ids[:, 1])
        if not new:
            return fits
        self._keep(new, map_arrays(lambda array: array[count:], fits))
        own: DeviceFits = map_arrays(lambda array: array[:count], fits)
        return own

    def fits(self, clip_id: NDArray[np.int64]) -> DeviceFits:
        """Fits of background clips (B, 2) that the last `fit_with` was given."""
        return select(self.bank, self._table, [self._place[key] for key in _keys(clip_id)])

    def _keep(self, new: list[int], fits: DeviceFits) -> None:
        """Put fits into the next free rows of the table."""
        xp, fits = self.bank.xp, replace(fits, orbit=fits.orbit[:, :, :CACHED_POINTS])
        if len(self._place) + len(new) > self._room:
            self._room = max(self._limit, len(new))
            self._table = map_arrays(lambda array: xp.empty((self._room, *array.shape[1:]), array.dtype), fits)
        first = len(self._place)
        self._place |= {key: first + row for row, key in enumerate(new)}

        def put(table: Array, array: Array) -> Array:
            table[first : first + len(new)] = array
            return table

        map_arrays(put, self._table, fits)


class DeviceLayers:
    """Draws the layers of some samples.

    Args:
        known: fits of backgrounds, among them those of these samples.
        figures: (B, 2), class and instance of the clips that stand in front.
        fits: of the figures.
        tuning: of the kernels.
    """

    def __init__(
        self,
        known: DeviceBackgrounds,
        figures: NDArray[np.int64],
        fits: DeviceFits,
        tuning: Tuning = Tuning(),  # noqa: B008
    ) -> None:
        """Note which clip is where."""
        self.bank: ClassBank = known.bank.bank
        self.xp: ModuleType = known.bank.xp
        self._known, self._fits, self._tuning = known, fits, tuning
        self._place = {key: row for row, key in enumerate(_keys(figures))}

    def fit_figures(
        self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], rows: NDArray[np.int64], threads: int | None
    ) -> DeviceFits:
        """Fits of the clips at `rows` (R,) among figures of classes and instances (M,)."""
        place = [self._place[key] for key in _keys(np.stack([class_id, instance_id], axis=1)[rows])]
        return select(self._known.bank, self._fits, place)

    def fit(self, clip_id: NDArray[np.int64], threads: int | None) -> DeviceFits:
        """Fits of background clips (B, 2)."""
        return self._known.fits(clip_id)

    def render(
        self, fit: DeviceFits, times: NDArray[np.float64], *, camera: NDArray[np.float32], options: RenderOptions
    ) -> Array:
        """Pictures on the device, see `fractalvid.gpu.render.render_on_device`."""
        return render_on_device(
            self._known.bank,
            fit,
            times,
            size=options.size,
            points=options.points,
            camera=camera,
            colour=options.colour,
            tuning=self._tuning,
        )


def select(bank: DeviceBank, fits: DeviceFits, rows: list[int]) -> DeviceFits:
    """The fits of these rows."""
    there = bank.xp.asarray(np.array(rows, np.int64))
    chosen: DeviceFits = map_arrays(lambda array: array[there], fits)
    return chosen


def _keys(clip_id: NDArray[np.int64]) -> list[int]:
    """One number for each clip (B, 2): class and instance, 32 bits each."""
    keys: list[int] = (clip_id[:, 0] << 32 | clip_id[:, 1]).tolist()
    return keys


def _clips(keys: list[int]) -> NDArray[np.int64]:
    """The inverse of `_keys`."""
    instance_id, class_id = index_words(np.array(keys, np.int64))
    return np.stack([class_id, instance_id], axis=1)
