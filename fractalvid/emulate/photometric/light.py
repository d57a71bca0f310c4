"""Light that changes over the frame and over the clip: vignetting, exposure and white balance.

Gains are of linear light; greys follow it by a power of 1 / 2.2, as on a screen.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.seeds import Field
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.photometric.effect import Effect, Floats, RandomNumbers, any_nonzero, where_occurring
from fractalvid.emulate.photometric.tables import look_up
from fractalvid.utils.arrays import within
from fractalvid.utils.checks import Range
from fractalvid.utils.tensors import on_active, upload

CPU = torch.device("cpu")
GAMMA = 2.2
WAVES = 3
"""Slow cosines that a drift is made of."""


@dataclass(frozen=True)
class Vignette:
    """Vignetting of B clips.

    Attributes:
        vignette: float32 (B,), share of light that a corner loses.
    """

    vignette: Floats


def _draw_vignette(config: PhotometricConfig, numbers: RandomNumbers) -> Vignette:
    darkened, u = numbers.occurrence(Field.VIGNETTE, config.vignette.p)
    return Vignette(where_occurring(darkened, within(u[0], config.vignette.strength)))


def _apply_vignette(video: Tensor, drawn: Vignette) -> Tensor:
    return on_active(video, drawn.vignette > 0, lambda clips, rows: vignette(clips, drawn.vignette[rows]))


VIGNETTE = Effect(counts={Field.VIGNETTE: 2}, draw=_draw_vignette, apply=_apply_vignette)


def vignette(video: Tensor, strength: NDArray[np.float32]) -> Tensor:
    """Darken uint8 (B, C, T, H, W): light is 1 - strength · r², with r 0 in the middle and 1 in the corners."""
    height, width = video.shape[3:]
    y, x = (torch.linspace(-1 + 1 / n, 1 - 1 / n, n, device=video.device) for n in (height, width))
    distance = (y[:, None] ** 2 + x**2) / 2
    light = 1 - upload(strength, video.device)[:, None, None] * distance
    return video.float().mul_(light.pow_(1 / GAMMA)[:, None, None]).add_(0.5).to(torch.uint8)


@dataclass(frozen=True)
class LightDrift:
    """Exposure and white balance of B clips.

    Attributes:
        exposure: float32 (B, WAVES), amplitudes of the drift's cosines, in factors of 2 of light (see `drift`).
        white_balance: float32 (B, WAVES), the same, for red against blue.
    """

    exposure: Floats
    white_balance: Floats


def _draw_light_drift(config: PhotometricConfig, numbers: RandomNumbers) -> LightDrift:
    exposed, light = numbers.occurrence(Field.EXPOSURE, config.exposure.p)
    tinted, warmth = numbers.occurrence(Field.WHITE_BALANCE, config.white_balance.p)
    return LightDrift(
        exposure=where_occurring(exposed, _amplitudes(light, config.exposure.stops)).T,
        white_balance=where_occurring(tinted, _amplitudes(warmth, config.white_balance.stops)).T,
    )


def _amplitudes(u: NDArray[np.float64], stops: Range) -> NDArray[np.float64]:
    """Amplitudes (WAVES, B), slower ones larger, whose absolute values add up to what is drawn, from (1 + WAVES, B)."""
    amplitude = (2 * u[1:] - 1) / np.arange(1, WAVES + 1)[:, None]
    return np.asarray(amplitude * within(u[0], stops) / np.maximum(np.abs(amplitude).sum(axis=0), 1e-9))


def _apply_light_drift(video: Tensor, drawn: LightDrift) -> Tensor:
    """Both in one table, so that greys are rounded once."""
    channels, frames = video.shape[1:3]
    changed = any_nonzero(drawn.exposure)
    if channels == 3:
        changed |= any_nonzero(drawn.white_balance)

    def light(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        exposure, warmth = (drift(waves[rows], frames) for waves in (drawn.exposure, drawn.white_balance))
        return look_up(clips, light_tables(exposure, warmth, channels, clips.device))

    return on_active(video, changed, light)


LIGHT_DRIFT = Effect(
    counts={Field.EXPOSURE: 2 + WAVES, Field.WHITE_BALANCE: 2 + WAVES},
    draw=_draw_light_drift,
    apply=_apply_light_drift,
)


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
