"""Drawn photometric effects applied to the pixels of clips: pure functions."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.emulate.photometric.compression import compress
from fractalvid.emulate.photometric.draw import Photometric
from fractalvid.emulate.photometric.filters import blur, gaussian_kernels, line_kernels
from fractalvid.emulate.photometric.light import drift, light_tables, vignette
from fractalvid.emulate.photometric.noise import sensor_noise
from fractalvid.emulate.photometric.operations import apply_operations
from fractalvid.emulate.photometric.randaugment import GEOMETRIC, Operation
from fractalvid.emulate.photometric.tables import look_up
from fractalvid.utils.tensors import on_active


def apply_photometric(video: Tensor, drawn: Photometric) -> Tensor:
    """Change uint8 (B, C, T, H, W), C 1 or 3, as drawn: the same shape, and the same bits where nothing is drawn.

    Each clip's result depends on nothing but the clip and its draws. RandAugment's geometric operations are left out.
    """
    if video.dtype != torch.uint8 or video.ndim != 5 or video.shape[1] not in (1, 3) or len(video) != len(drawn):
        raise ValueError(f"video must be uint8 ({len(drawn)}, 1 or 3, T, H, W), got {video.dtype} {list(video.shape)}")
    channels, frames, height, width = video.shape[1:]
    tinted = _any(drawn.white_balance) if channels == 3 else np.zeros(len(drawn), np.bool_)

    def motion_blur(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        return blur(clips, line_kernels(drawn.streak[rows].astype(np.float64) * (width, height), clips.device))

    def light(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        exposure, warmth = (drift(waves[rows], frames) for waves in (drawn.exposure, drawn.white_balance))
        return look_up(clips, light_tables(exposure, warmth, channels, clips.device))

    def soft(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        return blur(clips, gaussian_kernels(drawn.sigma[rows], clips.device))

    def noise(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        return sensor_noise(clips, drawn.read[rows], drawn.shot[rows], drawn.noise_key[rows])

    video = video.contiguous()
    video = on_active(video, _any(drawn.streak), motion_blur)
    video = on_active(video, drawn.vignette > 0, lambda clips, rows: vignette(clips, drawn.vignette[rows]))
    video = on_active(video, _any(drawn.exposure) | tinted, light)
    video = on_active(video, (drawn.read > 0) | (drawn.shot > 0), noise)
    video = on_active(video, drawn.quality > 0, lambda clips, rows: compress(clips, drawn.quality[rows]))
    changed = _any(~np.isin(drawn.operation, (Operation.IDENTITY, *GEOMETRIC)))
    video = on_active(
        video, changed, lambda clips, rows: apply_operations(clips, drawn.operation[rows], drawn.argument[rows])
    )
    return on_active(video, drawn.sigma > 0, soft)


def _any(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether anything of each clip (B, ...) is not 0: (B,)."""
    return np.asarray((values.reshape(len(values), -1) != 0).any(axis=1))
