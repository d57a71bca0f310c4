"""A folder of one's own videos as a source, beside fractals or alone."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from fractalvid.core.camera import draw_camera
from fractalvid.core.seeds import Domain, Field, index_words, uniforms
from fractalvid.kernels.compiled import available_cores
from fractalvid.pretrain.clips.indexed import IndexedSource, Share, ShuffledOrder
from fractalvid.pretrain.clips.listing import list_videos
from fractalvid.pretrain.clips.survey import probe_all
from fractalvid.pretrain.machine import from_main
from fractalvid.stream import Batch, SecondView, StreamConfig
from fractalvid.stream.render import to_float
from fractalvid.stream.second_view import draw_backwards, eased, second_seed
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.reader import read_frames, read_video, scaled_size
from fractalvid.video.windows import window

KEPT_BYTES = 2**31
"""Of decoded videos that are kept in memory."""
UNLABELLED = -2
"""The class of the first video without a label; each has one of its own, below it."""


class OwnVideos(IndexedSource):
    """Samples of one's own videos: a window of time, a random resized crop and a flip, as a stream takes them.

    All videos are gone through once, then again in another order. Videos without labels are of a class of their own
    each, with negative numbers, which only objectives without labels can use.

    Args:
        root: a folder of videos, or of a folder a class.
        config: clip_len, frame_stride, size, camera, mean and std; the rest belongs to fractals.
        seed: determines order, window, crop and flip.
        share: which samples this process takes.
        first_label: the number of the first class, after those of a bank.
        threads: at most this many; by default all cores.
        second: gives a second view of each video, too, differing so from the first.
        progress: show a progress bar while the videos are read for the first time.
        max_pixels: what a frame of a video may have.
        isolate: decode in child processes (`fractalvid.video.isolation`).

    Raises:
        UserError: what is no folder of videos, or more than 5 % of them do not decode.
    """

    def __init__(
        self,
        root: Path,
        *,
        config: StreamConfig,
        seed: int,
        share: Share,
        first_label: int = 0,
        threads: int | None = None,
        second: SecondView | None = None,
        progress: bool = False,
        max_pixels: int = MAX_PIXELS,
        isolate: bool = False,
    ) -> None:
        """See the class."""
        super().__init__(share)
        self._root, self._max_pixels, self._isolate = root, max_pixels, isolate
        listed = from_main(partial(list_videos, root)).videos
        self._threads = available_cores() if threads is None else threads
        self._videos = probe_all(
            root, listed, threads=self._threads, progress=progress, max_pixels=max_pixels, isolate=isolate
        )
        self._config, self._seed, self._first, self._second = config, seed, first_label, second
        self._order = ShuffledOrder(seed, len(self._videos))
        self._side = round(config.size * 8 / 7)
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._reserved: set[int] = set()
        self._free_bytes, self._lock = KEPT_BYTES, threading.Lock()

    def __len__(self) -> int:
        """How many videos there are."""
        return len(self._videos)

    def digest(self) -> str:
        """Of what it holds: the videos by their names, lengths and classes."""
        names = (video.path.relative_to(self._root).as_posix() for video in self._videos)
        held = (f"{name}\t{video.facts.frames}\t{video.label}" for name, video in zip(names, self._videos, strict=True))
        return hashlib.blake2b("\n".join(held).encode(errors="surrogateescape"), digest_size=8).hexdigest()

    def at(self, index: NDArray[np.int64]) -> Batch:
        """The samples `index` (B,).

        Raises:
            VideoError: a video that could be read does no longer decode.
        """
        items = self._order[index]
        first = self._view(items, index, self._config, self._seed)
        label = [self._label(int(item)) for item in items]
        batch = Batch(
            video=first,
            target=torch.tensor(label),
            clip_id=torch.from_numpy(np.stack([label, items], axis=1)),
            next_index=int(index[-1]) + 1,
        )
        if self._second is None:
            return batch
        other = self._view(items, index, eased(self._config, self._second.strength), second_seed(self._seed))
        rows = torch.from_numpy(np.flatnonzero(draw_backwards(self._second, self._seed, index)))
        other[rows] = other[rows].flip(2)
        return replace(batch, video2=other)

    def _label(self, item: int) -> int:
        label = self._videos[item].label
        return UNLABELLED - item if label is None else self._first + label

    def _view(
        self, items: NDArray[np.int64], index: NDArray[np.int64], config: StreamConfig, seed: int
    ) -> torch.Tensor:
        """Videos float32 (B, 3, T, S, S) of one view."""
        start = uniforms(seed, Domain.SAMPLE, Field.WINDOW, *index_words(index), 1)[:, 0]
        camera = draw_camera(config.camera, seed, index)

        def sample(k: int) -> torch.Tensor:
            item = int(items[k])
            numbers = window(self._videos[item].facts.frames, config.clip_len, config.frame_stride, float(start[k]))
            cut = crop(self._frames(item, numbers), camera.corner[k], camera.extent[k], config.size)
            return cut.flip(3) if camera.flip[k] else cut

        with ThreadPoolExecutor(self._threads, "videos") as pool:
            clips = torch.stack(list(pool.map(sample, range(len(items)))))
        video = torch.empty(clips.shape)
        to_float(clips, config, out=video)
        return video

    def _frames(self, item: int, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Frames of a video: from memory, where there is room for all of them."""
        kept = self._kept.get(item)
        if kept is not None:
            return kept[numbers]
        path, facts = self._videos[item].path, self._videos[item].facts
        width, height = scaled_size(facts.width, facts.height, self._side)
        if not self._reserve(item, 3 * facts.frames * width * height):
            return read_frames(path, numbers, short_side=self._side, max_pixels=self._max_pixels, isolate=self._isolate)
        self._kept[item] = read_video(path, short_side=self._side, max_pixels=self._max_pixels, isolate=self._isolate)
        return self._kept[item][numbers]

    def _reserve(self, item: int, count: int) -> bool:
        """Reserve so many bytes for a video; False where there is no room, or this was done for it before."""
        with self._lock:
            if item in self._reserved or count > self._free_bytes:
                return False
            self._reserved.add(item)
            self._free_bytes -= count
            return True


def crop(
    frames: NDArray[np.uint8], corner: NDArray[np.float32], extent: NDArray[np.float32], size: int
) -> torch.Tensor:
    """A part of frames uint8 (T, H, W, 3): uint8 (3, T, size, size), bilinear with antialiasing.

    It lies at `corner` (2,) and is `extent` (2,) wide and high, in shares of the middle square.
    """
    height, width = frames.shape[1:3]
    side = min(height, width)
    begin = np.array([(width - side) / 2, (height - side) / 2]) + corner * side
    left, top = np.floor(begin).astype(int)
    columns, rows = np.maximum(np.rint(extent * side), 1).astype(int)
    part = torch.from_numpy(np.ascontiguousarray(frames[:, top : top + rows, left : left + columns]))
    resized = functional.interpolate(part.permute(0, 3, 1, 2), size=(size, size), mode="bilinear", antialias=True)
    return resized.permute(1, 0, 2, 3)
