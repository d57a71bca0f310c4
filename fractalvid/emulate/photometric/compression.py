"""What lossy coding leaves of a frame: 8 × 8 blocks, their DCT, quantised as in JPEG and in MPEG's intra frames.

The two-dimensional transform of a block is one product with a 64 × 64 matrix, and back is another. The matrix holds
whole numbers (2^13 times the orthonormal one, rounded), so float32 sums are exact, whatever their order: the same
pixels in any batch. What is multiplied has 11 bits and a sign at most, which TF32 keeps: a program may well have chosen
that for its products of matrices.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.seeds import Field, integers
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.photometric.effect import Effect, RandomNumbers
from fractalvid.emulate.photometric.filters import continued
from fractalvid.utils.tensors import on_active, upload


@dataclass(frozen=True)
class Compression:
    """Compression of B clips.

    Attributes:
        quality: int64 (B,), 1..100, or 0 where there is none.
    """

    quality: NDArray[np.int64]


def _draw_compression(config: PhotometricConfig, numbers: RandomNumbers) -> Compression:
    coded, u = numbers.occurrence(Field.COMPRESSION, config.compression.p)
    first, last = config.compression.quality
    return Compression(np.where(coded, integers(u[0].astype(np.float32), int(first), int(last)), 0))


def _apply_compression(video: Tensor, drawn: Compression) -> Tensor:
    return on_active(video, drawn.quality > 0, lambda clips, rows: compress(clips, drawn.quality[rows]))


COMPRESSION = Effect(counts={Field.COMPRESSION: 2}, draw=_draw_compression, apply=_apply_compression)

_LUMINANCE = """
16 11 10 16  24  40  51  61   12 12 14 19  26  58  60  55   14 13 16 24  40  57  69  56   14 17 22 29  51  87  80  62
18 22 37 56  68 109 103  77   24 35 55 64  81 104 113  92   49 64 78 87 103 121 120 101   72 92 95 98 112 100 103  99
"""
_CHROMINANCE = """
17 18 24 47 99 99 99 99   18 21 26 66 99 99 99 99   24 26 56 99 99 99 99 99   47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99
"""
STEPS = np.array([_LUMINANCE.split(), _CHROMINANCE.split()], np.float64)
"""Quantisation steps (2, 64) of quality 50 (ITU-T T.81, annex K), for brightness and for colour, by rows."""
_SCALE = 2.0**13


def quantisation_steps(quality: NDArray[np.int64]) -> NDArray[np.float32]:
    """Steps (B, 2, 64) at qualities (B,) of 1 to 100, scaled as in the Independent JPEG Group's library."""
    percent = np.where(quality < 50, 5000 // np.maximum(quality, 1), 200 - 2 * quality)
    return np.clip(np.floor((STEPS * percent[:, None, None] + 50) / 100), 1, 255).astype(np.float32)


def compress(video: Tensor, quality: NDArray[np.int64]) -> Tensor:
    """Code and decode every frame of uint8 (B, 1 or 3, T, H, W) at qualities (B,). Colour keeps its resolution."""
    steps = upload(quantisation_steps(quality)[:, [0] if video.shape[1] == 1 else [0, 1, 1]], video.device)
    if video.shape[1] == 1:
        return _quantised(video, steps).add_(128).to(torch.uint8)
    return _to_rgb(_quantised(_to_ycc(video), steps))


@cache
def _transform(device: torch.device) -> Tensor:
    """2^13 times the DCT of 8 × 8 pixels, in whole numbers: float32 (64 coefficients, 64 pixels)."""
    frequency, place = np.arange(8)[:, None], np.arange(8)
    one = np.cos(np.pi / 16 * frequency * (2 * place + 1)) / 2
    one[0] = np.sqrt(1 / 8)
    return torch.from_numpy(np.rint(_SCALE * np.kron(one, one))).float().to(device)


def _quantised(planes: Tensor, steps: Tensor) -> Tensor:
    """Quantise uint8 (B, C, T, H, W) less 128 with steps (B, C, 64): float32 whole numbers -128..127."""
    height, width = planes.shape[3:]
    padded = continued(planes.float().sub_(128), 0, -width % 8, 0, -height % 8)
    down, across = (n // 8 for n in padded.shape[3:])
    blocks = padded.view(*planes.shape[:3], down, 8, across, 8).transpose(4, 5)
    transform, steps = _transform(planes.device), steps[:, :, None]
    levels = (blocks.reshape(*planes.shape[:2], -1, 64) @ transform.T).mul_(1 / (_SCALE * steps)).round_()
    decoded = (levels.mul_(steps) @ transform).mul_(1 / _SCALE).round_().clamp_(-128, 127)
    whole = decoded.view(*planes.shape[:3], down, across, 8, 8).transpose(4, 5).reshape(padded.shape)
    return whole[..., :height, :width]


def _to_ycc(video: Tensor) -> Tensor:
    """Brightness and two colour differences (JFIF), uint8, of red, green and blue."""
    red, green, blue = video.float().unbind(1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = torch.stack([y, (blue - y) / 1.772 + 128, (red - y) / 1.402 + 128], dim=1)
    return planes.round_().clamp_(0, 255).to(torch.uint8)


def _to_rgb(planes: Tensor) -> Tensor:
    """Red, green and blue, uint8, of brightness less 128 and colour differences."""
    y, cb, cr = planes.unbind(1)
    y = y + 128
    green = y - (0.114 * 1.772 / 0.587) * cb - (0.299 * 1.402 / 0.587) * cr
    return torch.stack([y + 1.402 * cr, green, y + 1.772 * cb], dim=1).round_().clamp_(0, 255).to(torch.uint8)
