"""Decoded clips in memory, and which frames of them make a training or test window."""

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.augment import Bytes
from finetune.targets.base import Row
from fractalvid.video_io import read_video

_Key = tuple[str, int | None, int | None]


def decoded_side(size: int) -> int:
    """Short side in pixels at which videos are kept for inputs of `size`: a little room to crop from."""
    return round(size * 8 / 7)


class Memory:
    """A number of bytes that several stores share. Safe to use from several threads."""

    def __init__(self, limit_bytes: int) -> None:
        """At most `limit_bytes` in all."""
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Reserve `count` bytes; False where they do not fit any more."""
        with self._lock:
            fits = self.used_bytes + count <= self.limit_bytes
            self.used_bytes += count if fits else 0
            return fits


class ClipStore:
    """Decoded, resized clips, kept in memory within a limit, so that later epochs need no decoder.

    Once full it keeps what it has: an order that visits everything once an epoch would make any exchange
    useless. Safe to use from several threads.
    """

    def __init__(self, root: Path, *, short_side: int, memory: Memory) -> None:
        """A store of the videos below `root`, resized to `short_side` pixels, that keeps what `memory` has room for."""
        self.root = root
        self.short_side = short_side
        self.memory = memory
        self.decoded = 0
        self._clips: dict[_Key, Bytes] = {}
        self._lock = threading.Lock()

    def get(self, row: Row) -> Bytes:
        """The frames of a row: uint8 (T, H, W, 3). Raises `VideoError` if the file no longer decodes."""
        key = (row.path, row.start, row.end)
        with self._lock:
            known = self._clips.get(key)
        if known is not None:
            return known
        frames: Bytes = read_video(self.root / row.path, short_side=self.short_side)
        if row.start is not None or row.end is not None:
            frames = frames[row.start : row.end].copy()  # a view would keep the whole video alive
        with self._lock:
            self.decoded += 1
            if key not in self._clips and self.memory.take(frames.nbytes):
                self._clips[key] = frames
        return frames


def effective_stride(length: int, clip_len: int, stride: int) -> int:
    """The stride that fits: a clip shorter than the window is seen with a smaller stride, down to 1."""
    if clip_len == 1:
        return 1
    return int(np.clip((length - 1) // (clip_len - 1), 1, stride))


def window(length: int, clip_len: int, stride: int, position: float) -> NDArray[np.int64]:
    """Frame numbers (clip_len,) of a window at `position` in [0, 1) of the room it has.

    Where even stride 1 does not fit, the last frame repeats, as the field does.
    """
    step = effective_stride(length, clip_len, stride)
    room = max(0, length - 1 - (clip_len - 1) * step)
    start = int(position * (room + 1))
    chosen: NDArray[np.int64] = np.minimum(start + step * np.arange(clip_len), length - 1)
    return chosen


def view_windows(length: int, clip_len: int, stride: int, views: int) -> NDArray[np.int64]:
    """Frame numbers (views, clip_len) of windows spread from the first to the last; one alone is central."""
    step = effective_stride(length, clip_len, stride)
    room = max(0, length - 1 - (clip_len - 1) * step)
    starts = np.linspace(0, room, views) if views > 1 else np.array([room / 2])
    # floor(x + 1/2), not rint: two halves in a row must not round to the same even number.
    first = np.floor(starts + 0.5).astype(np.int64)
    chosen: NDArray[np.int64] = np.minimum(first[:, None] + step * np.arange(clip_len), length - 1)
    return chosen
