"""Test views: clips spread uniformly over a video, times squares spread along its long side."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.finetune.cache.frames import Bytes, Frames
from fractalvid.finetune.clips.augment import resize
from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.clips.sampling import view_frames


def squares(frames: Bytes, crops: int) -> Iterator[Bytes]:
    """Squares of the frame's short side, spread along the long side of (T, H, W, 3); one alone is central."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    room = max(height, width) - side
    for offset in np.linspace(0, room, crops) if crops > 1 else [room / 2]:
        first = int(offset + 0.5)
        yield frames[:, first : first + side] if height > width else frames[:, :, first : first + side]


def video_views(frames: Frames, config: ViewConfig) -> Tensor:
    """All views of a video: uint8 (N, H, W, 3) to uint8 (views · crops, T, size, size, 3)."""
    windows = view_frames(len(frames), config.frames, config.views)
    # A frame is in several windows: resize each once, then pick.
    used, where = np.unique(windows, return_inverse=True)
    return cut_views(frames[used], where.reshape(windows.shape), config)


def cut_views(seen: Bytes, windows: NDArray[np.int64], config: ViewConfig) -> Tensor:
    """The views of a video of which only the frames `seen` are there: `windows` (views, T) counts among those."""
    cut = [resize(np.ascontiguousarray(square), config.size) for square in squares(seen, config.crops)]
    picks = torch.from_numpy(windows)
    return torch.cat([video[picks] for video in cut])
