"""Decoded clips: from memory, from a cache on disk, or from their files."""

import math
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from fractalvid.finetune.cache.frames import Bytes, Frames, Numbers, ReadFrames
from fractalvid.finetune.cache.reader import DecodedCache
from fractalvid.finetune.targets.base import Video
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.reader import VideoFacts, read_frames, read_video, scaled_size

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

    def fits(self, count: int) -> bool:
        """Whether `count` more bytes would fit now."""
        return self.used_bytes + count <= self.limit_bytes


class ClipStore:
    """Decoded, resized clips, kept in memory within a limit, so that later epochs need no decoder.

    Once full it keeps what it has: an order that visits everything once an epoch would make any exchange
    useless. What a cache on disk holds is mapped from there and needs no room. Safe to use from several threads.
    """

    def __init__(
        self,
        root: Path,
        *,
        short_side: int,
        memory: Memory,
        facts: Mapping[str, VideoFacts] | None = None,
        cache: DecodedCache | None = None,
        max_pixels: int = MAX_PIXELS,
        isolate: bool = False,
    ) -> None:
        """A store of the videos below `root`, resized to `short_side` pixels, that keeps what `memory` has room for.

        `facts`: path -> what is known of videos, which saves decoding more of them than is looked at; `cache`: decoded
        videos on disk, at `short_side` pixels or more; `max_pixels`: what a frame of a file may have; `isolate`: child
        processes decode files.
        """
        self.root = root
        self.short_side = short_side
        self.memory = memory
        self.facts = facts or {}
        self.cache = cache
        self.max_pixels = max_pixels
        self.isolate = isolate
        self.decoded = 0
        self._clips: dict[_Key, Bytes] = {}
        self._lock = threading.Lock()

    def origin(self, paths: Iterable[str]) -> str:
        """Where the frames of these videos come from, for the record."""
        return f"{'files' if self.cache is None else 'cache'}, {self.kept(paths)}"

    def kept(self, paths: Iterable[str]) -> str:
        """How the frames of these videos are kept, as far as samples depend on it.

        Larger frames and JPEG pictures give slightly other samples, and so do files where a cache holds such.
        """
        plain = f"{self.short_side} pixels"
        if self.cache is None:
            return plain
        kind = self.cache.kind
        cached = f"{kind.short_side} pixels" + ("" if kind.quality is None else f", JPEG {kind.quality}")
        lacking = sum(path not in self.cache.rows for path in set(paths))
        return f"{cached}, {lacking} from files" if lacking and cached != plain else cached

    def get(self, video: Video) -> Bytes:
        """All frames of a video, decoded: uint8 (T, H, W, 3). Raises `VideoError` if the file no longer decodes."""
        key = (video.path, video.start, video.end)
        with self._lock:
            known = self._clips.get(key)
        if known is not None:
            return known
        frames: Bytes = read_video(
            self.root / video.path, short_side=self.short_side, max_pixels=self.max_pixels, isolate=self.isolate
        )
        if video.start is not None or video.end is not None:
            frames = frames[video.start : video.end].copy()  # a view would keep the whole video alive
        with self._lock:
            self.decoded += 1
            if key not in self._clips and self.memory.take(frames.nbytes):
                self._clips[key] = frames
        return frames

    def clip(self, video: Video) -> Frames:
        """The frames of a video, of which only those that are looked at may ever be read.

        From memory, else from the cache on disk, else from the file: all of them where there is room to keep them or
        nothing is known of the video, else only up to the last that is looked at. Raises as `get` does, and so may
        looking at the frames.
        """
        with self._lock:
            known = self._clips.get((video.path, video.start, video.end))
        if known is not None:
            return known
        cached = self.cache.frames(video.path) if self.cache is not None else None
        if cached is not None:
            return _cut(cached, video)
        facts = self.facts.get(video.path)
        if facts is None:
            return self.get(video)
        width, height = scaled_size(facts.width, facts.height, self.short_side)
        whole = ReadFrames((facts.frames, height, width, 3), partial(self._read, self.root / video.path))
        frames = _cut(whole, video)
        return self.get(video) if self.memory.fits(math.prod(frames.shape)) else frames

    def _read(self, path: Path, numbers: Numbers) -> Bytes:
        with self._lock:
            self.decoded += 1
        return read_frames(path, numbers, short_side=self.short_side, max_pixels=self.max_pixels, isolate=self.isolate)


def _cut(frames: Frames, video: Video) -> Frames:
    """The frames that are the listed cut of a file."""
    if video.start is None and video.end is None:
        return frames
    return frames.part(video.start, video.end) if isinstance(frames, ReadFrames) else frames[video.start : video.end]
