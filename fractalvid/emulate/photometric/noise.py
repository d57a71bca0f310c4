"""Noise of a sensor, from a hash of a key and a counter: a function of the clip's key, on every device."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.utils.tensors import upload

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
