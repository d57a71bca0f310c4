"""From classes and a configuration to clips as bytes."""

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.colour import foreground
from fractalvid.kinds import clip_times, fit_clips, render_fits
from fractalvid.sets.config import SetConfig
from fractalvid.sets.formats import EncodedClip
from fractalvid.sets.formats.mask import encode_mask
from fractalvid.sets.manifest import ClipId

BATCH_PIXELS = 2**24
"""Of clips that are rendered together: large ones are rendered one by one."""


def encode_clips(bank: Bank, config: SetConfig, clips: list[ClipId]) -> list[EncodedClip]:
    """Render and encode clips on this thread, small ones in batches, which take less Python a clip.

    What comes out does not depend on which of them are asked together.
    """
    frames = 1 if config.file_format.still else config.frames
    times = {clip: clip_times(bank, clip.class_id, frames) for clip in clips}
    made: dict[ClipId, EncodedClip] = {}
    for count in sorted({len(own) for own in times.values()}):
        equally_long = [clip for clip in clips if len(times[clip]) == count]
        most = max(1, BATCH_PIXELS // (count * config.size**2))
        for first in range(0, len(equally_long), most):
            batch = equally_long[first : first + most]
            videos = _render(bank, config, batch, np.stack([times[clip] for clip in batch]))
            made |= {clip: _encode(config, clip, video) for clip, video in zip(batch, videos, strict=True)}
    return [made[clip] for clip in clips]


def _render(bank: Bank, config: SetConfig, clips: list[ClipId], times: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Clips at times (B, T): (B, T, H, W), or (B, T, H, W, 3) in colour."""
    classes, instances = np.array(clips, np.int64).T
    return render_fits(
        bank,
        fit_clips(bank, classes, instances, threads=1),
        times,
        size=config.size,
        points=config.points,
        exposure=config.exposure,
        colour=config.colour,
        threads=1,
    )


def _encode(config: SetConfig, clip: ClipId, frames: NDArray[np.uint8]) -> EncodedClip:
    mask = encode_mask(foreground(frames, colour=config.colour is not None)) if config.masks else b""
    return EncodedClip.of(clip, len(frames), config.file_format.encode(frames, clip, config.video), mask)
