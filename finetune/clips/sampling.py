"""Which frames of a video make a clip: a window of it, or one frame of each of its segments.

A window (dense sampling) is `clip_len` frames `frame_stride` apart. Segments are those of Temporal Segment Networks
(Wang et al. 2016, arXiv 1608.00859): the video is cut into `clip_len` parts of equal length, and one frame of each is
taken, at random to train, equally spaced to test. A video of fewer frames than parts shows some of them again.
"""

import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.clips.config import FrameConfig
from fractalvid.finetune.clips.draws import SEGMENTS, Floats, uniform
from fractalvid.video.windows import effective_stride, window

Indices = NDArray[np.int64]


def draw_offsets(seed: int, indices: Indices, config: FrameConfig) -> Floats | None:
    """Where in its segment each frame of the samples `indices` (B,) lies: (B, clip_len) in [0, 1); None for windows."""
    return uniform(seed, SEGMENTS, indices, config.clip_len).T if config.sampling == "segments" else None


def training_frames(length: int, config: FrameConfig, position: float, offsets: Floats | None = None) -> Indices:
    """Frame numbers (clip_len,) of a training clip.

    Args:
        length: frames of the video, at least 1.
        config: how they are chosen.
        position: where in its room a window begins, in [0, 1).
        offsets: float (clip_len,) in [0, 1): where in its segment each frame lies; segments need them.
    """
    length = config.usable(length)
    if config.sampling == "window":
        return window(length, config.clip_len, config.frame_stride, position)
    if offsets is None:
        raise ValueError("segments need an offset for each frame")
    return _in_segments(length, offsets)


def view_frames(length: int, config: FrameConfig, views: int) -> Indices:
    """Frame numbers (views, clip_len) of the test clips of a video.

    Windows are spread from the first to the last frame, one alone is central. Of segments, view v takes the frame at
    (v + 1/2) / views of each, so that all views together are equally spaced.
    """
    length = config.usable(length)
    if config.sampling == "window":
        return view_windows(length, config.clip_len, config.frame_stride, views)
    at = (np.arange(views) + 0.5) / views
    return _in_segments(length, np.repeat(at[:, None], config.clip_len, axis=1))


def view_windows(length: int, clip_len: int, stride: int, views: int) -> Indices:
    """Frame numbers (views, clip_len) of windows spread from the first to the last; one alone is central."""
    step = effective_stride(length, clip_len, stride)
    room = max(0, length - 1 - (clip_len - 1) * step)
    starts = np.linspace(0, room, views) if views > 1 else np.array([room / 2])
    # floor(x + 1/2), not rint: two halves in a row must not round to the same even number.
    first = np.floor(starts + 0.5).astype(np.int64)
    chosen: Indices = np.minimum(first[:, None] + step * np.arange(clip_len), length - 1)
    return chosen


def _in_segments(length: int, offsets: Floats) -> Indices:
    """Frame numbers of places in the segments: offsets (..., S) in [0, 1) -> int64 (..., S)."""
    segments = offsets.shape[-1]
    chosen: Indices = ((np.arange(segments) + offsets) * length / segments).astype(np.int64)
    return np.minimum(chosen, length - 1)  # rounding may reach the end
