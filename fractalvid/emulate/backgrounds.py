"""What is behind: pictures of other clips of the same bank, at their drawn times."""

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank, Fit
from fractalvid.core.camera import Camera, camera_matrices
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.draw import Backgrounds
from fractalvid.emulate.renderer import Array, Renderer
from fractalvid.fractals.fit import Fits
from fractalvid.kinds import fit_clips, render_fits
from fractalvid.utils.arrays import map_arrays

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
            fits = dataclasses.replace(fits, orbit=fits.orbit[:, :, :STARTS])
            for row, key in enumerate(new):
                # A copy: a part of the whole would keep the whole.
                found[key] = map_arrays(lambda array, row=row: array[row : row + 1].copy(), fits)
                if len(self._known) < self._limit:
                    self._known[key] = found[key]
        together: Fits = map_arrays(lambda *arrays: np.concatenate(arrays), *(found[key] for key in wanted))
        return together

    def fit_figures(
        self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64], rows: NDArray[np.int64], threads: int | None
    ) -> Fit:
        """Fits of the clips at `rows` (R,) of those (B,) that stand in front: each is found once."""
        if self.bank.kind != "ifs":
            return fit_clips(self.bank, class_id[rows], instance_id[rows], threads=threads)
        fits = fit_clips(self.bank, class_id, instance_id, threads=threads)
        if np.array_equal(rows, np.arange(len(class_id))):
            return fits
        chosen: Fit = map_arrays(lambda array: array[rows], fits)
        return chosen

    def render(self, fit: Fit, times: NDArray[np.float64], **options: Any) -> NDArray[np.uint8]:
        """See `fractalvid.kinds.render_fits`."""
        return render_fits(self.bank, fit, times, **options)


def render_backgrounds(
    renderer: Renderer,
    drawn: Backgrounds,
    *,
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> tuple[Array, Array]:
    """Pictures of backgrounds (B,), every one rendered once and all of them in one go.

    Returns:
        Those of the S that stand still, each the maximum of two: uint8 (S, H, W), or (S, H, W, 3) in colour; and those
        of the M that move, uint8 (M, T, H, W), or (M, T, H, W, 3).
    """
    xp, still, moving = renderer.xp, np.flatnonzero(~drawn.dynamic), np.flatnonzero(drawn.dynamic)
    walk = drawn.walk[moving]
    first = walk.min(axis=1)
    # A walk goes step by step, and meets all frames between its first and its last.
    count = walk.max(axis=1) + 1 - first
    begin = np.cumsum(count) - count
    walked = np.arange(count.sum()) + np.repeat(first - begin, count)
    rows = np.concatenate([np.repeat(still, 2), np.repeat(moving, count)])
    clip_id = np.concatenate([drawn.clip_id[still].reshape(-1, 2), np.repeat(drawn.clip_id[moving, 0], count, axis=0)])
    pictures = renderer.render(
        renderer.fit(clip_id, threads),
        np.concatenate([drawn.still[still].reshape(-1), walked])[:, None].astype(np.float64),
        size=size,
        points=points,
        camera=_crop(drawn, size)[rows],
        colour=colour,
        threads=threads,
    )[:, 0]
    pairs = pictures[: 2 * len(still)].reshape(-1, 2, *pictures.shape[1:])
    place = 2 * len(still) + begin[:, None] + walk - first[:, None]
    return xp.maximum(pairs[:, 0], pairs[:, 1]), pictures[xp.asarray(place)]


def _crop(drawn: Backgrounds, size: int) -> NDArray[np.float32]:
    """Homographies (B, 3, 3), in pixels, that show the drawn part."""
    corner, extent = drawn.corner.astype(np.float32), drawn.extent.astype(np.float32)
    return camera_matrices(Camera(corner, extent, np.zeros(len(corner), np.bool_)), size)
