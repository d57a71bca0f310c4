"""Light that changes over the frame and over the clip: vignetting, exposure and white balance.

Gains are of linear light; greys follow it by a power of 1 / 2.2, as on a screen.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.utils.tensors import upload

CPU = torch.device("cpu")
GAMMA = 2.2
WAVES = 3
"""Slow cosines that a drift is made of."""


def drift(waves: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Smooth curves (B, T) over a clip's frames: cosines of 1 to `WAVES` half turns, of amplitudes (B, WAVES)."""
    share = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    cosines = np.cos(np.pi * np.outer(np.arange(1, WAVES + 1), share))
    # A product of matrices would add up in another order for another number of clips.
    return np.asarray((waves.astype(np.float64)[:, :, None] * cosines).sum(axis=1))


def light_tables(
    exposure: NDArray[np.float64], warmth: NDArray[np.float64], channels: int, device: torch.device = CPU
) -> Tensor:
    """Tables uint8 (B, C, T, 256) for gains of light 2^exposure (B, T) in every channel; in colour white balance, too.

    There, red has another 2^warmth and blue 2^-warmth, warmth (B, T).
    """
    sign = np.array([1, 0, -1] if channels == 3 else [0])
    stops = exposure[:, None] + sign[:, None] * warmth[:, None]
    greys = upload(np.exp2(stops / GAMMA)[..., None], device) * torch.arange(256, device=device)
    return greys.round_().clamp_(max=255).to(torch.uint8)


def vignette(video: Tensor, strength: NDArray[np.float32]) -> Tensor:
    """Darken uint8 (B, C, T, H, W): light is 1 - strength · r², with r 0 in the middle and 1 in the corners."""
    height, width = video.shape[3:]
    y, x = (torch.linspace(-1 + 1 / n, 1 - 1 / n, n, device=video.device) for n in (height, width))
    distance = (y[:, None] ** 2 + x**2) / 2
    light = 1 - upload(strength, video.device)[:, None, None] * distance
    return video.float().mul_(light.pow_(1 / GAMMA)[:, None, None]).add_(0.5).to(torch.uint8)
