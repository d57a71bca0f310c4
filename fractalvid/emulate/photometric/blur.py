"""Blurs: along the line over which something moves while the shutter is open, and by a Gaussian."""

import dataclasses
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from fractalvid.core.seeds import Field
from fractalvid.emulate.photometric.config import MAX_STREAK, PhotometricConfig
from fractalvid.emulate.photometric.effect import Effect, Floats, RandomNumbers, any_nonzero, where_occurring
from fractalvid.emulate.photometric.filters import convolve
from fractalvid.utils.arrays import within
from fractalvid.utils.tensors import on_active, upload

ONE = 4096
"""What the weights of a blur add up to."""
_LINE_SAMPLES = 32
CPU = torch.device("cpu")


@dataclass(frozen=True)
class MotionBlur:
    """Motion blur of B clips.

    Attributes:
        streak: float32 (B, T or 1, 2), the line (x, y) over which motion blurs a point, in shares of the frame.
        shutter: float32 (B,), share of the time between two frames that the shutter is open.
    """

    streak: Floats
    shutter: Floats


def _draw_motion_blur(config: PhotometricConfig, numbers: RandomNumbers) -> MotionBlur:
    """A line for the hand's own movement; `follow_camera` adds the picture's."""
    moved, u = numbers.occurrence(Field.MOTION_BLUR, config.motion_blur.p)
    length, angle = within(u[0], config.motion_blur.jerk), 2 * np.pi * u[1]
    return MotionBlur(
        streak=where_occurring(moved, length * np.stack([np.cos(angle), np.sin(angle)])).T[:, None],
        shutter=where_occurring(moved, within(u[2], config.motion_blur.shutter)),
    )


def _apply_motion_blur(video: Tensor, drawn: MotionBlur) -> Tensor:
    height, width = video.shape[3:]

    def along_lines(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        return blur(clips, line_kernels(drawn.streak[rows].astype(np.float64) * (width, height), clips.device))

    return on_active(video, any_nonzero(drawn.streak), along_lines)


MOTION_BLUR = Effect(counts={Field.MOTION_BLUR: 4}, draw=_draw_motion_blur, apply=_apply_motion_blur)

Moving = TypeVar("Moving", bound=MotionBlur)


def follow_camera(drawn: Moving, motion: ArrayLike) -> Moving:
    """Motion blur along the picture's own movement, besides the hand's, where a clip has any.

    Args:
        drawn: B clips.
        motion: (B, T, 2), how far the picture moves from one frame to the next (x, y), in shares of the frame.
    """
    streak = drawn.streak + drawn.shutter[:, None, None] * np.asarray(motion, np.float32)
    length = np.hypot(streak[..., :1], streak[..., 1:])
    return dataclasses.replace(drawn, streak=streak * (MAX_STREAK / np.maximum(length, MAX_STREAK)))


@dataclass(frozen=True)
class GaussianBlur:
    """Gaussian blur of B clips.

    Attributes:
        sigma: float32 (B,), standard deviation in pixels.
    """

    sigma: Floats


def _draw_gaussian_blur(config: PhotometricConfig, numbers: RandomNumbers) -> GaussianBlur:
    blurred, u = numbers.occurrence(Field.BLUR, config.blur.p)
    return GaussianBlur(where_occurring(blurred, within(u[0], config.blur.sigma)))


def _apply_gaussian_blur(video: Tensor, drawn: GaussianBlur) -> Tensor:
    return on_active(
        video, drawn.sigma > 0, lambda clips, rows: blur(clips, gaussian_kernels(drawn.sigma[rows], clips.device))
    )


GAUSSIAN_BLUR = Effect(counts={Field.BLUR: 2}, draw=_draw_gaussian_blur, apply=_apply_gaussian_blur)


def blur(video: Tensor, kernels: Tensor) -> Tensor:
    """Weighted means, rounded: uint8 (B, C, T, H, W), by kernels (B, T or 1, k, k) whose weights add up to `ONE`."""
    sums = convolve(video, kernels)
    return sums.mul_(1 / ONE).add_(0.5).to(torch.uint8)


def gaussian_kernels(sigma: Floats, device: torch.device = CPU) -> Tensor:
    """Gaussians of standard deviation sigma (B,) in pixels over 3 × 3 pixels: int64 (B, 1, 3, 3)."""
    side = np.exp(-0.5 / sigma.astype(np.float64) ** 2)
    row = np.stack([side, np.ones_like(side), side], axis=1) / (1 + 2 * side)[:, None]
    return _whole(upload(row[:, None, :, None] * row[:, None, None, :], device))


def line_kernels(line: NDArray[np.float64], device: torch.device = CPU) -> Tensor:
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
