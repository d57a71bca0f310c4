"""What is behind: pictures of other clips of the same bank, at their drawn times."""

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.bank import Bank, Fit
from fractalvid.camera import Camera, camera_matrices
from fractalvid.colour import ColourConfig
from fractalvid.emulate.arrays import map_arrays
from fractalvid.emulate.draw import Backgrounds
from fractalvid.emulate.renderer import Array, Renderer
from fractalvid.kinds import fit_clips, render_fits
from fractalvid.view import Fits

STARTS = 128
"""Points at which walkers begin that are kept of each clip: as good as all, and an eighth of the memory."""


class KnownFits:
    """Draws clips on the CPU (`renderer.Renderer`), and keeps what is found about those that stand behind.

    There are as many of these as the pool has entries, which bounds the memory. The result never depends on what is
    kept, threads may share it, and worker processes begin with an empty one.
    """

    xp: ModuleType = np

    def __init__(self, bank: Bank, limit: int) -> None:
        """Nothing is known yet; at most `limit` clips are kept."""
        self.bank = bank
        self._limit = limit
        self._known: dict[tuple[int, int], Fits] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Only the bank and the limit go to other processes."""
        return KnownFits, (self.bank, self._limit)

    def __len__(self) -> int:
        """How many clips are known."""
        return len(self._known)

    def fit(self, clip_id: NDArray[np.int64], threads: int | None) -> Fit:
        """Fits of clips (B, 2), class and instance."""
        if self.bank.kind != "ifs":
            return fit_clips(self.bank, clip_id[:, 0], clip_id[:, 1], threads=threads)  # nothing to be found: no cost
        wanted = [(int(c), int(i)) for c, i in clip_id]
        found = {key: self._known[key] for key in dict.fromkeys(wanted) if key in self._known}
        new = [key for key in dict.fromkeys(wanted) if key not in found]
        if new:
            fits = fit_clips(self.bank, *np.array(new, np.int64).T, threads=threads)
            assert isinstance(fits, Fits)
            fits = dataclasses.replace(fits, points=fits.points[:, :, :STARTS])
            for row, key in enumerate(new):
                # A copy: a part of the whole would keep the whole.
                found[key] = map_arrays(lambda array, row=row: array[row : row + 1].copy(), fits)
                if len(self._known) < self._limit:
                    self._known[key] = found[key]
        together: Fits = map_arrays(lambda *arrays: np.concatenate(arrays), *(found[key] for key in wanted))
        return together

    def fit_figures(self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], threads: int | None) -> Fit:
        """Fits of clips (B,) that stand in front."""
        return fit_clips(self.bank, class_id, instance_id, threads=threads)

    def render(self, fit: Fit, times: NDArray[np.float64], **options: Any) -> NDArray[np.uint8]:
        """See `fractalvid.kinds.render_fits`."""
        return render_fits(self.bank, fit, times, **options)


def render_stills(
    renderer: Renderer,
    drawn: Backgrounds,
    *,
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> Array:
    """Pictures of backgrounds (B,) that stand still, the maximum of two: uint8 (B, H, W), or (B, H, W, 3) in colour."""
    pictures = renderer.render(
        renderer.fit(drawn.clip_id.reshape(-1, 2), threads),
        drawn.still.reshape(-1, 1).astype(np.float64),
        size=size,
        points=points,
        camera=np.repeat(_crop(drawn, size), 2, axis=0),
        colour=colour,
        threads=threads,
    )
    pairs = pictures.reshape(-1, 2, *pictures.shape[2:])
    return renderer.xp.maximum(pairs[:, 0], pairs[:, 1])


def render_moving(
    renderer: Renderer,
    drawn: Backgrounds,
    *,
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> Array:
    """Pictures of backgrounds (B,) that move: uint8 (B, T, H, W), or (B, T, H, W, 3). Each is rendered once."""
    xp, first = renderer.xp, drawn.walk.min(axis=1)
    count = int((drawn.walk.max(axis=1) - first).max()) + 1
    last = renderer.bank.native_frames[drawn.clip_id[:, 0, 0]] - 1
    pictures = renderer.render(
        renderer.fit(drawn.clip_id[:, 0], threads),
        np.minimum(first[:, None] + np.arange(count), last[:, None]).astype(np.float64),
        size=size,
        points=points,
        camera=_crop(drawn, size),
        colour=colour,
        threads=threads,
    )
    return pictures[xp.arange(len(pictures))[:, None], xp.asarray(drawn.walk - first[:, None])]


def _crop(drawn: Backgrounds, size: int) -> NDArray[np.float32]:
    """Homographies (B, 3, 3), in pixels, that show the drawn part."""
    corner, extent = drawn.corner.astype(np.float32), drawn.extent.astype(np.float32)
    return camera_matrices(Camera(corner, extent, np.zeros(len(corner), np.bool_)), size)
