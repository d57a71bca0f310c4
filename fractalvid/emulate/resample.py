"""Clips from disk seen smaller: what a stream draws anew, point by point, has to be averaged here.

The grey of a fractal is the logarithm of a density (`kernels.tone`), and a pixel shows the mean density of what falls
on it and its neighbours. So clips are averaged as densities, over as many pixels of the frame as a point is drawn on.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.emulate.geometry import Homographies, in_pixels
from fractalvid.emulate.parameters import Emulation
from fractalvid.emulate.warp import warp

Floats = NDArray[np.float64]

FRACTAL_RANGE = 8.7
"""Logarithm of white over the faintest density, typical of clips; means hardly depend on it."""
FRACTAL_FOOTPRINT = 3.0
"""Pixels, either way, on which a point of a chaos game is drawn (`fractalvid.kernels.cpu.picture.box3`)."""
MAX_TAPS = 4
"""Places a pixel and axis that are averaged: enough for clips seen five times smaller."""
_PLACES = 5


@dataclass(frozen=True)
class Tone:
    """How grey follows from what adds up: its logarithm, or as it is.

    Attributes:
        footprint: pixels, either way, over which clips of that kind are drawn.
        logarithmic: whether grey is a logarithm.
    """

    footprint: float
    logarithmic: bool

    def linear(self, grey: Tensor) -> Tensor:
        """What adds up, float32, from greys uint8."""
        if not self.logarithmic:
            return grey.float()
        table = torch.expm1(torch.arange(256, dtype=torch.float32) * (FRACTAL_RANGE / 255))
        return table.index_select(0, grey.reshape(-1).int()).view(grey.shape)

    def grey(self, linear: Tensor) -> Tensor:
        """The inverse, rounded; changes its argument."""
        if self.logarithmic:
            linear.clamp_(min=0).log1p_().mul_(255 / FRACTAL_RANGE)
        return linear.clamp_(max=255).add_(0.5).to(torch.uint8)


FRACTAL = Tone(FRACTAL_FOOTPRINT, logarithmic=True)
PAINTED = Tone(1.0, logarithmic=False)


def taps(
    matrices: Floats, size: tuple[int, int], frame: tuple[int, int], tone: Tone
) -> tuple[NDArray[np.int64], Floats]:
    """How many places are averaged a pixel, (B, 2) along x and y, and how far apart the outer ones are, (B, T, 2).

    Under matrices that make clips m times smaller along an axis, a point drawn over n of their pixels covers n / m of
    the frame's; places up to n - n / m pixels apart make it n. Where clips are enlarged, one place does.

    Args:
        matrices: (B, T, 3, 3), from pixels of clips to pixels of the frame.
        size: H and W of clips.
        frame: H and W of the frame.
        tone: what clips are drawn over.
    """
    x, y = ((np.arange(_PLACES) + 0.5) / _PLACES * side for side in (size[1], size[0]))
    grid = np.stack([*np.meshgrid(x, y), np.ones((_PLACES, _PLACES))], axis=-1).reshape(-1, 3, 1)
    seen = (matrices[:, :, None] @ grid)[..., 0]
    place, depth = seen[..., :2] / seen[..., 2:], seen[..., 2:, None]
    slope = (matrices[:, :, None, :2, :2] - place[..., None] * matrices[:, :, None, 2:, :2]) / depth
    # The mean over the part that is seen.
    inside = ((place > 0) & (place < (frame[1], frame[0]))).all(axis=-1, keepdims=True) + 1e-3
    scale = (np.sqrt((slope**2).sum(axis=-1)) * inside).sum(axis=2) / inside.sum(axis=2)
    smaller = np.maximum(1 / np.maximum(scale, 1e-6), 1).max(axis=1)
    # A quarter of a place more or less is nothing.
    count = np.clip(np.ceil(smaller - 0.25), 1, MAX_TAPS).astype(np.int64)
    return count, tone.footprint * np.maximum(1 - scale, 0)


def warp_figures(
    video: Tensor,
    frames: NDArray[np.int64],
    drawn: Emulation,
    matrices: Homographies,
    crop: NDArray[np.float32],
    size: int,
    tone: Tone,
) -> Tensor:
    """Foregrounds and their copies, joined by maximum: uint8 (B, C, T, size, size).

    Args:
        video: uint8 (B, C, N, H, W).
        frames: (B, L, T), which of the N frames each copy shows.
        drawn: of B samples.
        matrices: of the same.
        crop: (B, 3, 3), crop and flip in pixels, which act last.
        size: of the frame.
        tone: of the clips.
    """
    count, channels = video.shape[:2]
    frame = (size, size)
    out = torch.empty((count, channels, frames.shape[2], *frame), dtype=torch.uint8)
    same = (crop == np.eye(3)).all(axis=(1, 2)) & (video.shape[3:] == frame)
    for number in np.unique(drawn.figures.copies).tolist():
        rows = np.flatnonzero(drawn.figures.copies == number)
        camera = crop[rows].astype(np.float64)[:, None] @ in_pixels(matrices.camera[rows], (1, 1), frame)
        layers = []
        for layer in range(number + 1):
            shown = video[torch.from_numpy(rows)[:, None], :, torch.from_numpy(frames[rows, layer])].movedim(2, 1)
            still = same[rows] & _still(matrices.camera[rows]) & _still(matrices.figures[rows, layer])
            layers.append(_warped(shown, camera, matrices.figures[rows, layer], still, frame, tone))
        out[torch.from_numpy(rows)] = torch.stack(layers).amax(dim=0)
    return out


def _still(matrices: Floats) -> NDArray[np.bool_]:
    """Which samples (B,) the matrices (B, T, 3, 3) leave as they are."""
    return np.asarray((matrices == np.eye(3)).all(axis=(1, 2, 3)))


def _warped(
    shown: Tensor, camera: Floats, figures: Floats, still: NDArray[np.bool_], frame: tuple[int, int], tone: Tone
) -> Tensor:
    """Frames uint8 (B, C, T, h, w) under matrices (B, T, 3, 3), or as they are where they are still (B,).

    The camera's matrices are from the scene to pixels, those of the figures from their view to the scene.
    """
    moved = np.flatnonzero(~still)
    if not len(moved):
        return shown
    place = torch.from_numpy(moved)
    seen = tone.grey(_averaged(tone.linear(shown[place]), camera[moved], figures[moved], frame, tone))
    if len(moved) == len(shown):
        return seen
    out = shown.clone()
    out[place] = seen
    return out


def _averaged(pictures: Tensor, camera: Floats, figures: Floats, frame: tuple[int, int], tone: Tone) -> Tensor:
    """Pictures float32 (B, C, T, h, w) under matrices (B, T, 3, 3), each pixel the mean of as many places as it takes.

    Places are those of `taps`, on a grid about the pixel.
    """
    source = (pictures.shape[3], pictures.shape[4])
    count, span = taps(camera @ in_pixels(figures, source, (1, 1)), source, frame, tone)
    total = torch.zeros((*pictures.shape[:3], *frame), dtype=torch.float32)
    for i, j in np.ndindex(*count.max(axis=0)):
        rows = np.flatnonzero((count > (i, j)).all(axis=1))
        if not len(rows):
            continue
        offset = span[rows] * np.where(count[rows] > 1, (i, j) / np.maximum(count[rows] - 1, 1) - 0.5, 0)[:, None]
        nudged = camera[rows].copy()
        nudged[..., :2, 2] += offset
        weight = torch.from_numpy(1 / count[rows].prod(axis=1)).float().view(-1, 1, 1, 1, 1)
        place = torch.from_numpy(rows)
        part = warp(pictures[place], nudged, figures[rows], frame, outside="zeros")
        total.index_add_(0, place, part.mul_(weight))
    return total
