"""Filters of every frame with a small kernel of its own.

Kernels hold whole numbers, few enough bits that float32 sums them exactly: no result depends on the order of summation,
and so none on the batch, the number of threads or the library's choice of algorithm. Weights may have 12 bits, of which
TF32 keeps 11.
"""

import torch
from torch import Tensor
from torch.nn import functional


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
