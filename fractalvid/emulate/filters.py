"""Filters of every frame with a small kernel of its own.

Kernels hold whole numbers, few enough bits that float32 sums them exactly: no result depends on the order of summation,
and so none on the batch, the number of threads or the library's choice of algorithm.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Floats = NDArray[np.float64]

ONE = 4096
"""What the weights of a blur add up to."""
_LINE_SAMPLES = 32


def continued(frames: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """Frames float32 (..., H, W) continued by reflection, or, where they are too small for it, by their edge."""
    small = max(left, right) >= frames.shape[-1] or max(top, bottom) >= frames.shape[-2]
    flat = frames.reshape(1, -1, *frames.shape[-2:])
    padded = functional.pad(flat, (left, right, top, bottom), mode="replicate" if small else "reflect")
    return padded.view(*frames.shape[:-2], *padded.shape[-2:])


def convolve(video: Tensor, kernels: Tensor) -> Tensor:
    """Sums of neighbours by weights, frames being continued by reflection.

    Args:
        video: uint8 (B, C, T, H, W).
        kernels: whole numbers (B, T or 1, k, k), k odd, whose absolute values add up to at most 2^16 in each kernel.

    Returns:
        float32 (B, C, T, H, W) of whole numbers.
    """
    side = kernels.shape[-1]
    padded = continued(video.float(), *[side // 2] * 4)
    weights = kernels[:, None].expand(*video.shape[:3], side, side).reshape(-1, 1, side, side).float()
    sums = functional.conv2d(padded.view(1, -1, *padded.shape[-2:]), weights, groups=len(weights))
    return sums.view(video.shape)


def blur(video: Tensor, kernels: NDArray[np.int64]) -> Tensor:
    """Weighted means, rounded: uint8 (B, C, T, H, W), by kernels (B, T or 1, k, k) whose weights add up to `ONE`."""
    sums = convolve(video, torch.from_numpy(kernels).to(video.device))
    return sums.mul_(1 / ONE).add_(0.5).to(torch.uint8)


def gaussian_kernels(sigma: NDArray[np.float32]) -> NDArray[np.int64]:
    """Gaussians of standard deviation sigma (B,) in pixels over 3 × 3 pixels: (B, 1, 3, 3)."""
    side = np.exp(-0.5 / sigma.astype(np.float64) ** 2)
    row = np.stack([side, np.ones_like(side), side], axis=1) / (1 + 2 * side)[:, None]
    return _whole(row[:, None, :, None] * row[:, None, None, :])


def line_kernels(line: Floats) -> NDArray[np.int64]:
    """Even lines through the middle, by vectors (B, T or 1, 2) in pixels from end to end: (B, T or 1, k, k).

    k is what the longest needs; zeros around a shorter one change nothing.
    """
    radius = int(np.ceil(np.abs(line).max(initial=0) / 2))
    share = (np.arange(_LINE_SAMPLES) + 0.5) / _LINE_SAMPLES - 0.5
    place = line[..., None, :] * share[:, None]
    # Each sample falls on the four pixels around it, as in bilinear interpolation.
    near = np.maximum(0, 1 - np.abs(place[..., None] - np.arange(-radius, radius + 1)))
    return _whole((near[..., 1, :, None] * near[..., 0, None, :]).mean(axis=2))


def _whole(weights: Floats) -> NDArray[np.int64]:
    """Weights (..., k, k) in parts of `ONE`; the middle takes what rounding leaves, so that they add up to it."""
    whole = np.rint(ONE * weights).astype(np.int64)
    middle = weights.shape[-1] // 2
    whole[..., middle, middle] += ONE - whole.sum(axis=(-2, -1))
    return whole
