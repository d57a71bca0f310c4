"""Batches rendered on the GPU while a network trains there: drawn on the host, and never copied back.

Clips are made in chunks of some batches, on a stream of their own, one chunk ahead: what is queued there runs beside
the network's work, and a batch waits for nothing but its own chunk. On the host, samples are drawn, and with them the
small matrices and tables by which they are made to look filmed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.camera import camera_matrices
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.emulate.draw import Emulation
from fractalvid.emulate.layers import channels_first, emulate_samples
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import ORBIT_POINTS
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import DeviceFits
from fractalvid.gpu.layers import DeviceBackgrounds, DeviceLayers
from fractalvid.gpu.render import render_on_device
from fractalvid.kernels.cuda import cupy_device as gpu
from fractalvid.kernels.cuda.device import Device
from fractalvid.kernels.cuda.game import Tuning
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.render import to_float, turned
from fractalvid.stream.samples import Samples
from fractalvid.utils.tensors import upload

CHUNK_BYTES = 2**28
"""Pictures and orbits of a chunk are at most so large, unless a single batch is larger. Two chunks are there at once:
one that is used, one that is made."""
MOST_BATCHES = 8
"""Batches of a chunk: what the host does for a chunk is nearly the same for one batch and for eight."""
MOST_BEHIND = 2
"""Clips that stand behind a view of a sample at most: two stills that are blended."""
EMULATED_PART, EMULATED_BYTES = 32, 2**30
"""Emulation may take this part of the GPU's memory while it works, or so many bytes of a CPU's. It decides how many
samples of a chunk are emulated at once."""
PIXEL_BYTES, CLIP_BYTES = 40, 2**20
"""What it takes at most for a pixel of a channel, in float32, places and grids, and for a clip besides, in tables."""


@dataclass(frozen=True)
class _View:
    """A view of the samples of a chunk: uint8 (N, C, T, H, W), what was drawn, and masks where they are known."""

    video: Tensor
    mask: Tensor | None
    backwards: NDArray[np.bool_] | None


@dataclass(frozen=True)
class _Chunk:
    """Some batches on the device: each view, and what else a `Batch` has, for all samples together."""

    views: tuple[_View, ...]
    target: Tensor
    clip_id: Tensor
    background_id: Tensor | None
    next_index: tuple[int, ...]
    ready: Any


def kernel_device(torch_device: torch.device) -> gpu.CupyDevice | None:
    """The GPU cuda:N to render on, or None after one line that says why it is not used."""
    return gpu.find(torch_device.index)


def _working_room(device: torch.device) -> int:
    """What emulation may take on a device."""
    if device.type != "cuda":
        return EMULATED_BYTES
    return int(torch.cuda.get_device_properties(device).total_memory) // EMULATED_PART


def _side_stream(device: torch.device) -> Any:
    """A stream beside PyTorch's, whose blocks go first; None where there are no streams."""
    return torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


class DeviceRenderer:
    """Renders samples of a bank of fractals on a device.

    Args:
        device: what kernels run on.
        torch_device: the same for PyTorch; a CPU has no streams, and everything happens in order.
        bank: the classes.
        config: of the samples.
        tuning: of the kernels.
        kept: of how many backgrounds what is found is kept.
    """

    def __init__(
        self,
        device: Device,
        torch_device: torch.device,
        bank: ClassBank,
        config: StreamConfig,
        tuning: Tuning = Tuning(),  # noqa: B008 (it is frozen)
        *,
        kept: int = 0,
    ) -> None:
        """Copy the bank."""
        self.torch_device, self.config, self.tuning = torch_device, config, tuning
        self._device = device
        self._side = _side_stream(torch_device)
        self._room = _working_room(torch_device)
        self._consumed: Any = None
        with self._aside():
            self._bank = DeviceBank(device, bank)
            self._known = DeviceBackgrounds(self._bank, kept)

    def chunk(self, batch_size: int, views: int) -> int:
        """How many batches are made at once."""
        plain = self.config.emulate is None
        # With a figure, all that stands behind it in any view may be new.
        fitted = 1 if plain else 1 + views * MOST_BEHIND
        clip = views * self._pixels() + fitted * MAX_FRAMES * ORBIT_POINTS * 8
        return max(1, min(MOST_BATCHES, CHUNK_BYTES // (clip * batch_size)))

    def _pixels(self) -> int:
        """Bytes of a clip in uint8."""
        config = self.config
        return config.clip_len * config.size**2 * (1 if config.colour is None else 3)

    def _at_once(self) -> int:
        """How many samples are emulated at once."""
        return max(1, self._room // (PIXEL_BYTES * self._pixels() + CLIP_BYTES))

    def batch(self, views: Sequence[Samples], next_index: int) -> Batch:
        """One batch."""
        return next(self._batches(self._queued(views, (next_index,))))

    def feed(self, drawn: Iterator[tuple[Sequence[Samples], tuple[int, ...]]]) -> Iterator[Batch]:
        """Batches of chunks, which are given as drawn views and the `next_index` of each batch; one chunk ahead."""
        ready = self._queued(*next(drawn))
        for views, next_index in drawn:
            following = self._queued(views, next_index)
            yield from self._batches(ready)
            ready = following
        yield from self._batches(ready)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Everything inside is queued on our own stream, by PyTorch and by CuPy."""
        if self._side is None:
            yield
            return
        plain = torch.autocast(self.torch_device.type, enabled=False)  # sums must stay exact
        with torch.cuda.stream(self._side), self._device.stream(), plain:
            if self._consumed is not None:
                # Memory that batches were read from is used again.
                self._side.wait_event(self._consumed)
            yield

    def _queued(self, views: Sequence[Samples], next_index: tuple[int, ...]) -> _Chunk:
        """Queue a chunk: one fit, and a rendering a view."""
        first = views[0]
        ids = np.stack([first.class_id, first.instance_id], axis=1)
        drawn = None if first.emulation is None else first.emulation.background.named()
        with self._aside():
            fits = self._known.fit_with(ids, _behind(views))
            shown = tuple(self._rendered(fits, ids, view) for view in views)
            clip_id = upload(ids, self.torch_device)
            target = clip_id[:, 0].contiguous()
            background_id = None if drawn is None else upload(drawn, self.torch_device)
            ready = None if self._side is None else self._side.record_event()
        return _Chunk(shown, target, clip_id, background_id, next_index, ready)

    def _rendered(self, fits: DeviceFits, ids: NDArray[np.int64], samples: Samples) -> _View:
        """A view of fitted clips (N, 2)."""
        if samples.emulation is not None:
            layers = DeviceLayers(self._known, ids, fits, self.tuning)
            return self._filmed(layers, samples, samples.emulation)
        config = self.config
        frames = render_on_device(
            *(self._bank, fits, samples.times),
            size=config.size,
            points=config.points,
            camera=camera_matrices(samples.camera, config.size),
            colour=config.colour,
            tuning=self.tuning,
        )
        return _View(channels_first(frames, config.colour), None, samples.backwards)

    def _filmed(self, layers: DeviceLayers, samples: Samples, drawn: Emulation) -> _View:
        """Samples as they were drawn to be filmed, some at a time."""
        config, crop = self.config, camera_matrices(samples.camera, self.config.size)
        parts = []
        for rows in np.array_split(np.arange(len(drawn)), -(-len(drawn) // self._at_once())):
            done = emulate_samples(
                layers,
                drawn.select(rows),
                class_id=samples.class_id[rows],
                instance_id=samples.instance_id[rows],
                times=samples.times[rows],
                crop=crop[rows],
                size=config.size,
                points=config.points,
                colour=config.colour,
            )
            parts.append((done.video, done.mask if config.masks else None))
        videos, masks = zip(*parts, strict=True)
        return _View(torch.cat(videos), torch.cat(masks) if config.masks else None, samples.backwards)

    def _batches(self, chunk: _Chunk) -> Iterator[Batch]:
        """Its batches, made ready for the network on the current stream."""
        if chunk.ready is not None:
            current = torch.cuda.current_stream(self.torch_device)
            current.wait_event(chunk.ready)
            for tensor in (chunk.target, chunk.clip_id, chunk.background_id):
                if tensor is not None:
                    tensor.record_stream(current)
        size = len(chunk.target) // len(chunk.next_index)
        for number, next_index in enumerate(chunk.next_index):
            rows = slice(number * size, (number + 1) * size)
            shown = [self._shown(view, rows) for view in chunk.views]
            if chunk.ready is not None:
                self._consumed = torch.cuda.current_stream(self.torch_device).record_event()
            (video, mask), (video2, mask2) = shown[0], shown[1] if len(shown) > 1 else (None, None)
            yield Batch(
                video=video,
                target=chunk.target[rows],
                clip_id=chunk.clip_id[rows],
                next_index=next_index,
                mask=mask,
                background_id=None if chunk.background_id is None else chunk.background_id[rows],
                video2=video2,
                mask2=mask2,
            )

    def _shown(self, view: _View, rows: slice) -> tuple[Tensor, Tensor | None]:
        """A view of a batch as a video (B, C, T, H, W) in float32, and its masks (B, T, H, W) where asked for."""
        config, clips, mask = self.config, view.video[rows], None
        if config.masks:
            mask = (clips > 0).any(dim=1) if view.mask is None else view.mask[rows].clone()
        video = torch.empty(clips.shape, device=clips.device)
        to_float(clips, config, out=video)
        video = video.expand(-1, config.channels, -1, -1, -1)
        return (video, mask) if view.backwards is None else turned(video, mask, view.backwards[rows])


def _behind(views: Sequence[Samples]) -> NDArray[np.int64]:
    """Clips (M, 2), class and instance, that stand behind any sample of these views."""
    drawn = [view.emulation.background for view in views if view.emulation is not None]
    ids = [background.clip_id[background.present].reshape(-1, 2) for background in drawn]
    return np.concatenate([np.empty((0, 2), np.int64), *ids])
