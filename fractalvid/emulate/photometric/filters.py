"""Filters of every frame with a small kernel of its own.

Kernels hold whole numbers, few enough bits that float32 sums them exactly: no result depends on the order of summation,
and so none on the batch, the number of threads or the library's choice of algorithm. Weights may have 12 bits, of which
TF32 keeps 11.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fractalvid.utils.tensors import upload

Floats = NDArray[np.float64]

ONE = 4096
"""What the weights of a blur add up to."""
_LINE_SAMPLES = 32
CPU = torch.device("cpu")


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
    return _each_by_its_own(padded.view(1, -1, *padded.shape[-2:]), weights).view(video.shape)


def _each_by_its_own(planes: Tensor, weights: Tensor) -> Tensor:
    """Planes float32 (1, N, H, W) convolved with weights (N, 1, k, k), in full float32 whatever the settings.

    PyTorch's settings of TF32 and of cuDNN hold for the whole process, and another thread may train by them. So they
    are left alone, and this one call, that `conv2d` makes too, says what it wants: neither. A GPU then has a kernel of
    PyTorch's own for planes that have a filter each, from two planes on; a single one would be a product of matrices,
    for which TF32 is one of those settings.
    """
    count = len(weights)
    if count == 1:
        planes, weights = planes.expand(-1, 2, -1, -1), weights.expand(2, -1, -1, -1)
    step, border = [1, 1], [0, 0]
    sums = torch._convolution(
        planes,
        weights,
        bias=None,
        stride=step,
        padding=border,
        dilation=step,
        transposed=False,
        output_padding=border,
        groups=len(weights),
        benchmark=False,
        deterministic=False,
        cudnn_enabled=False,
        allow_tf32=False,
    )
    return sums[:, :count]


def blur(video: Tensor, kernels: Tensor) -> Tensor:
    """Weighted means, rounded: uint8 (B, C, T, H, W), by kernels (B, T or 1, k, k) whose weights add up to `ONE`."""
    sums = convolve(video, kernels)
    return sums.mul_(1 / ONE).add_(0.5).to(torch.uint8)


def gaussian_kernels(sigma: NDArray[np.float32], device: torch.device = CPU) -> Tensor:
    """Gaussians of standard deviation sigma (B,) in pixels over 3 × 3 pixels: int64 (B, 1, 3, 3)."""
    side = np.exp(-0.5 / sigma.astype(np.float64) ** 2)
    row = np.stack([side, np.ones_like(side), side], axis=1) / (1 + 2 * side)[:, None]
    return _whole(upload(row[:, None, :, None] * row[:, None, None, :], device))


def line_kernels(line: Floats, device: torch.device = CPU) -> Tensor:
    """Even lines through the middle, by vectors (B, T or 1, 2) in pixels from end to end: int64 (B, T or 1, k, k).

    k is what the longest needs; zeros around a shorter one change nothing.
    """
    radius = int(np.ceil(np.abs(line).max(initial=0) / 2))
    share = (np.arange(_LINE_SAMPLES) + 0.5) / _LINE_SAMPLES - 0.5
    place = upload(line[..., None, :] * share[:, None], device)
    # Each sample falls on the four pixels around it, as in bilinear interpolation.
    near = (1 - (place[..., None] - torch.arange(-radius, radius + 1, device=device)).abs_()).clamp_(min=0)
    return _whole((near[..., 1, :, None] * near[..., 0, None, :]).mean(dim=2))


def _whole(weights: Tensor) -> Tensor:
    """Weights (..., k, k) in parts of `ONE`; the middle takes what rounding leaves, so that they add up to it."""
    whole = (ONE * weights).round_().long()
    middle = weights.shape[-1] // 2
    whole[..., middle, middle] += ONE - whole.sum(dim=(-2, -1))
    return whole
