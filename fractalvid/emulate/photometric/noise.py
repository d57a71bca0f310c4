"""Noise of a sensor, from a hash of a key and a counter: a function of the clip's key, on every device."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.seeds import Field
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.photometric.effect import Effect, Floats, RandomNumbers, where_occurring
from fractalvid.utils.arrays import within
from fractalvid.utils.tensors import on_active, upload


@dataclass(frozen=True)
class SensorNoise:
    """Noise of B clips.

    Attributes:
        read: float32 (B,), noise of every pixel, in grey levels.
        shot: float32 (B,), noise that light adds in white, in grey levels.
        noise_key: uint32 (B, 2), what every pixel's noise is made from.
    """

    read: Floats
    shot: Floats
    noise_key: NDArray[np.uint32]


def _draw_noise(config: PhotometricConfig, numbers: RandomNumbers) -> SensorNoise:
    noisy, u = numbers.occurrence(Field.SENSOR_NOISE, config.noise.p)
    # The key's words come after those of the three uniforms and of what fills their block.
    key = numbers.words[Field.SENSOR_NOISE][:, 4:]
    return SensorNoise(
        read=where_occurring(noisy, within(u[0], config.noise.read)),
        shot=where_occurring(noisy, within(u[1], config.noise.shot)),
        noise_key=np.where(noisy[:, None], key, np.uint32(0)),
    )


def _apply_noise(video: Tensor, drawn: SensorNoise) -> Tensor:
    def add_noise(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        return sensor_noise(clips, drawn.read[rows], drawn.shot[rows], drawn.noise_key[rows])

    return on_active(video, (drawn.read > 0) | (drawn.shot > 0), add_noise)


SENSOR_NOISE = Effect(counts={Field.SENSOR_NOISE: 6}, draw=_draw_noise, apply=_apply_noise)

_GOLDEN, _FIRST, _SECOND = -1640531527, 0x7FEB352D, -2073254261
"""2^32 / the golden ratio, and the multipliers of Wellons' hash `lowbias32`, as signed words."""


def random_words(key: Tensor, count: int) -> Tensor:
    """Random words int32 (B, count), which wrap around, for keys int32 (B, 2).

    It is Wellons' `lowbias32` with shifts that keep the sign, and with the second key added half-way.
    """
    state = torch.arange(count, dtype=torch.int32, device=key.device).mul_(_GOLDEN) + key[:, :1]
    state.bitwise_xor_(state >> 16).mul_(_FIRST).add_(key[:, 1:])
    state.bitwise_xor_(state >> 15).mul_(_SECOND)
    return state.bitwise_xor_(state >> 16)


_PARTS = 4096


@cache
def _quantiles(device: torch.device) -> Tensor:
    """The normal distribution's quantiles in the middle of equal parts, to 3.7: few enough for the fastest cache."""
    part = torch.arange(_PARTS, dtype=torch.float64).add_(0.5).div_(_PARTS)
    quantiles: Tensor = torch.special.ndtri(part)
    return quantiles.float().to(device)


def normals(key: Tensor, count: int) -> Tensor:
    """Normally distributed float32 (B, count) for keys int32 (B, 2)."""
    halves = random_words(key, (count + 1) // 2).view(torch.int16)[:, :count]
    place = halves.int().bitwise_and_(_PARTS - 1)
    return _quantiles(key.device).index_select(0, place.view(-1)).view(place.shape)


def sensor_noise(
    video: Tensor, read: NDArray[np.float32], shot: NDArray[np.float32], key: NDArray[np.uint32]
) -> Tensor:
    """Add noise of variance read² + shot² · v / 255 to greys v, each pixel, channel and frame its own.

    Args:
        video: uint8 (B, C, T, H, W).
        read: (B,), in grey levels.
        shot: (B,), in grey levels.
        key: (B, 2).
    """
    variance = read[:, None].astype(np.float64) ** 2 + shot[:, None].astype(np.float64) ** 2 * (np.arange(256) / 255)
    deviation = upload(np.sqrt(variance).astype(np.float32), video.device)
    begin = 256 * torch.arange(len(video), dtype=torch.int32, device=video.device)
    place = video.flatten(1).int().add_(begin[:, None]).view(-1)
    keys = upload(key.view(np.int32), video.device)
    noise = normals(keys, video[0].numel()).view(-1).mul_(deviation.view(-1).index_select(0, place))
    return noise.view(video.shape).add_(video).round_().clamp_(0, 255).to(torch.uint8)
