"""Whole clips that look filmed, to be looked at: every one emulated, at full strength, neither cropped nor flipped."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.camera import CameraConfig
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import CurriculumConfig, EmulationConfig
from fractalvid.emulate.draw import draw_emulation
from fractalvid.emulate.layers import emulate_samples
from fractalvid.emulate.renderer import CpuRenderer, RenderOptions
from fractalvid.stream import StreamConfig, emulate_clips

WHOLE = CameraConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0)


def filmed_clips(
    bank: Bank,
    clip_id: NDArray[np.int64],
    config: EmulationConfig,
    *,
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    backgrounds: Path | None = None,
) -> list[NDArray[np.uint8]]:
    """Clips (B, 2) of a bank, at as many native frames as all of its clips have: uint8 (T, H, W), or (T, H, W, 3)."""
    frames = int(bank.native_frames.min())
    drawn = draw_emulation(_at_full(config), bank, 0, np.arange(len(clip_id)), class_id=clip_id[:, 0], clip_len=frames)
    renderer = CpuRenderer(bank, cache_size=0)
    shown = []
    for row in np.arange(len(clip_id))[:, None]:  # one at a time: clips to look at may be large
        done = emulate_samples(
            renderer,
            drawn.select(row),
            class_id=clip_id[row, 0],
            instance_id=clip_id[row, 1],
            times=np.arange(frames, dtype=np.float64)[None],
            crop=np.eye(3, dtype=np.float32)[None],
            options=RenderOptions(size, points, colour, backgrounds=backgrounds),
        )
        shown.append(_picture(done.video))
    return shown


def filmed_files(
    clips: Sequence[NDArray[np.uint8]],
    clip_id: NDArray[np.int64],
    bank: Bank,
    config: EmulationConfig,
    *,
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    backgrounds: Path | None = None,
) -> list[NDArray[np.uint8]]:
    """The same of clips (T, H, W) or (T, H, W, 3) of a generated set, whose ids are (B, 2), with its own bank."""
    # Sets hold as many frames of a clip as was asked for; a stride that is too long shrinks until they span the clip.
    longest = int(bank.native_frames.max())
    shown = []
    for row, clip in enumerate(clips):
        whole = StreamConfig(
            clip_len=len(clip), frame_stride=longest, size=size, points=points, camera=WHOLE, colour=colour,
            emulate=_at_full(config), backgrounds=backgrounds,
        )  # fmt: skip
        video = torch.from_numpy(clip)[None]
        video = video[:, None] if clip.ndim == 3 else video.movedim(-1, 1)
        batch = emulate_clips(video, clip_id[row : row + 1], np.array([row]), bank=bank, config=whole, seed=0)
        shown.append(_picture(batch.video.mul(255).round().to(torch.uint8)[:, : video.shape[1]]))
    return shown


def _at_full(config: EmulationConfig) -> EmulationConfig:
    """Every sample emulated, and nothing cropped or flipped."""
    return dataclasses.replace(config, curriculum=CurriculumConfig(samples=0), crop=None)


def _picture(video: torch.Tensor) -> NDArray[np.uint8]:
    """Uint8 (1, C, T, H, W) as (T, H, W), or (T, H, W, 3)."""
    clip = video[0, 0] if video.shape[1] == 1 else video[0].movedim(0, -1)
    return np.ascontiguousarray(clip.numpy())
