"""Clips from disk seen smaller: what a stream draws anew, point by point, has to be averaged here.

The grey of a fractal is the logarithm of a density (`kernels.tone`), and a pixel shows the mean density of what falls
on it and its neighbours. So clips are averaged as densities, over as many pixels of the frame as a point is drawn on.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
