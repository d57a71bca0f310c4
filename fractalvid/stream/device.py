"""Batches rendered on the GPU while a network trains there: drawn on the host, and never copied back.

Clips are made in chunks of some batches, on a stream of their own, one chunk ahead: what is queued there runs beside
the network's work, and a batch waits for nothing but its own chunk. On the host, samples are drawn, and with them the
small matrices and tables by which they are made to look filmed.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.bank import Bank
from fractalvid.core.camera import camera_matrices
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.emulate.layers import channels_first
from fractalvid.emulate.parameters import Emulation
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import ORBIT_POINTS
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import DeviceFits
from fractalvid.gpu.layers import DeviceBackgrounds, DeviceLayers
from fractalvid.gpu.render import render_on_device
from fractalvid.kernels.cuda import cupy_device
from fractalvid.kernels.cuda.device import Device
from fractalvid.kernels.cuda.game import Tuning
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.render import film, reverse_frames, to_float
from fractalvid.stream.samples import Samples
from fractalvid.utils.checks import shown
from fractalvid.utils.errors import UserError
from fractalvid.utils.tensors import upload

CHUNK_BYTES = 2**28
"""Pictures and orbits of a chunk take at most so many bytes, unless a single batch takes more. Two chunks exist at
once: one is read while the next is made."""
MAX_BATCHES = 8
"""Batches of a chunk at most: the host's work for a chunk is nearly the same for one batch and for eight."""
MAX_BACKGROUNDS = 2
"""Clips behind one view of a sample at most: two stills that are blended."""
EMULATION_PART, EMULATION_BYTES = 32, 2**30
"""Emulation may take this part of the GPU's memory, or so many bytes of a CPU's, while it works. That decides how many
samples of a chunk are emulated at once."""
PIXEL_BYTES, CLIP_BYTES = 40, 2**20
"""What emulation takes at most: a pixel of a channel, in float32, places and grids; and a clip besides, in tables."""


@dataclass(frozen=True)
class Chunk:
    """Some batches of equal size, drawn together.

    Attributes:
        views: one or two views of the same N samples.
        next_index: that of each batch.
    """

    views: Sequence[Samples]
    next_index: tuple[int, ...]


@dataclass(frozen=True)
class _RenderedView:
    """A view of the N samples of a chunk.

    Attributes:
        video: uint8 (N, C, T, H, W).
        mask: bool (N, T, H, W), None where it follows from the video or nobody asks for it.
        backwards: bool (N,), which are to be seen backwards; None where none is.
    """

    video: Tensor
    mask: Tensor | None
    backwards: NDArray[np.bool_] | None


@dataclass(frozen=True)
class _RenderedChunk:
    """Some batches on the device: each view, and what else a `Batch` has, for all samples together.

    `ready` is the event after which it can be read, None on a device without streams.
    """

    views: tuple[_RenderedView, ...]
    target: Tensor
    clip_id: Tensor
    background_id: Tensor | None
    next_index: tuple[int, ...]
    ready: Any


def available_device(device: torch.device | str) -> torch.device:
    """A device to have batches on: the CPU instead of a GPU that is not there, and one line says so.

    Raises:
        UserError: a device that no stream has.
    """
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise UserError(f"device {shown(device)} is unknown; it can be cpu, cuda or cuda:N") from None
    if chosen.type not in ("cpu", "cuda"):
        raise UserError(f"a stream has no device {chosen}; it can be cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        warnings.warn(f"{chosen} is not there; the stream stays on the CPU", RuntimeWarning, stacklevel=3)
        return torch.device("cpu")
    if chosen.type == "cuda" and chosen.index is None:
        # Each thread has a current one of its own, and it may be another that reads the stream.
        return torch.device("cuda", torch.cuda.current_device())
    return chosen


def device_renderer(
    bank: Bank, config: StreamConfig, device: torch.device, *, cache_size: int = 0
) -> "DeviceRenderer | None":
    """What renders clips of a bank on a GPU; None where the CPU renders, after one line that says why."""
    if device.type == "cpu":
        return None
    if bank.kind != "ifs":
        line = f"clips of {bank.kind} are rendered on the CPU, and copied to {device}"
        warnings.warn(line, RuntimeWarning, stacklevel=3)
        return None
    if config.emulate is not None and config.emulate.scene.p > 0:
        warnings.warn(f"scenes are rendered on the CPU, and copied to {device}", RuntimeWarning, stacklevel=3)
        return None
    if config.truth:
        line = f"{', '.join(config.truth)} are found on the CPU: clips are rendered there, and copied to {device}"
        warnings.warn(line, RuntimeWarning, stacklevel=3)
        return None
    kernels = kernel_device(device)
    if kernels is None:
        return None
    return DeviceRenderer(kernels, device, cast(ClassBank, bank), config, cache_size=cache_size)


def kernel_device(torch_device: torch.device) -> cupy_device.CupyDevice | None:
    """The GPU cuda:N to render on, or None after one line that says why it is not used."""
    return cupy_device.find(torch_device.index)


def _working_room(device: torch.device) -> int:
    """Bytes that emulation may take on a device."""
    if device.type != "cuda":
        return EMULATION_BYTES
    return int(torch.cuda.get_device_properties(device).total_memory) // EMULATION_PART


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
        cache_size: how many backgrounds' fits are cached at most.
    """

    def __init__(
        self,
        device: Device,
        torch_device: torch.device,
        bank: ClassBank,
        config: StreamConfig,
        tuning: Tuning = Tuning(),  # noqa: B008 (it is frozen)
        *,
        cache_size: int = 0,
    ) -> None:
        """Copy the bank."""
        self.torch_device, self.config, self.tuning = torch_device, config, tuning
        self._device = device
        self._side = _side_stream(torch_device)
        self._room = _working_room(torch_device)
        self._consumed: Any = None
        with self._aside():
            self._bank = DeviceBank(device, bank)
            self._backgrounds = DeviceBackgrounds(self._bank, cache_size)

    def batches_at_once(self, batch_size: int, views: int) -> int:
        """How many batches of so many samples and views make a chunk."""
        plain = self.config.emulate is None
        # With a figure, all that stands behind it in any view may be new.
        fitted = 1 if plain else 1 + views * MAX_BACKGROUNDS
        clip = views * self._pixels() + fitted * MAX_FRAMES * ORBIT_POINTS * 8
        return max(1, min(MAX_BATCHES, CHUNK_BYTES // (clip * batch_size)))

    def _pixels(self) -> int:
        """Bytes of a clip in uint8."""
        config = self.config
        return config.clip_len * config.size**2 * (1 if config.colour is None else 3)

    def _emulated_at_once(self) -> int:
        """How many samples are emulated at once."""
        return max(1, self._room // (PIXEL_BYTES * self._pixels() + CLIP_BYTES))

    def batch(self, chunk: Chunk) -> Batch:
        """The first batch of a chunk."""
        return next(self._batches(self._queued(chunk)))

    def feed(self, chunks: Iterator[Chunk]) -> Iterator[Batch]:
        """The batches of chunks; while those of one are read, the next is made."""
        ready = self._queued(next(chunks))
        for chunk in chunks:
            following = self._queued(chunk)
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

    def _queued(self, chunk: Chunk) -> _RenderedChunk:
        """Queue a chunk: one fit, and a rendering a view."""
        first = chunk.views[0]
        named = None if first.emulation is None else first.emulation.background.named()
        with self._aside():
            fits = self._backgrounds.fit_with(first.clip_id, _behind(chunk.views))
            views = tuple(self._rendered(fits, view) for view in chunk.views)
            clip_id = upload(first.clip_id, self.torch_device)
            return _RenderedChunk(
                views=views,
                target=clip_id[:, 0].contiguous(),
                clip_id=clip_id,
                background_id=None if named is None else upload(named, self.torch_device),
                next_index=chunk.next_index,
                ready=None if self._side is None else self._side.record_event(),
            )

    def _rendered(self, fits: DeviceFits, samples: Samples) -> _RenderedView:
        """A view of fitted clips."""
        if samples.emulation is not None:
            layers = DeviceLayers(self._backgrounds, samples.clip_id, fits, self.tuning)
            return self._filmed(layers, samples, samples.emulation)
        config = self.config
        frames = render_on_device(
            self._bank,
            fits,
            samples.times,
            size=config.size,
            points=config.points,
            camera=camera_matrices(samples.camera, config.size),
            colour=config.colour,
            tuning=self.tuning,
        )
        return _RenderedView(channels_first(frames, config.colour), None, samples.backwards)

    def _filmed(self, layers: DeviceLayers, samples: Samples, emulation: Emulation) -> _RenderedView:
        """Samples as they were drawn to be filmed, some at a time."""
        parts = np.array_split(np.arange(len(emulation)), -(-len(emulation) // self._emulated_at_once()))
        videos, masks = [], []
        for rows in parts:
            filmed = film(layers, samples, emulation, rows, self.config)
            videos.append(filmed.video)
            if self.config.masks:
                masks.append(filmed.mask)
        return _RenderedView(torch.cat(videos), torch.cat(masks) if masks else None, samples.backwards)

    def _batches(self, chunk: _RenderedChunk) -> Iterator[Batch]:
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

    def _shown(self, view: _RenderedView, rows: slice) -> tuple[Tensor, Tensor | None]:
        """A view of a batch as a video (B, C, T, H, W) in float32, and its masks (B, T, H, W) where asked for."""
        config, clips, mask = self.config, view.video[rows], None
        if config.masks:
            mask = (clips > 0).any(dim=1) if view.mask is None else view.mask[rows].clone()
        video = torch.empty(clips.shape, device=clips.device)
        to_float(clips, config, out=video)
        video = video.expand(-1, config.channels, -1, -1, -1)
        return (video, mask) if view.backwards is None else reverse_frames(video, mask, view.backwards[rows])


def _behind(views: Sequence[Samples]) -> NDArray[np.int64]:
    """Clips (M, 2), class and instance, that stand behind any sample of these views."""
    drawn = [view.emulation.background for view in views if view.emulation is not None]
    ids = [background.clip_id[background.present].reshape(-1, 2) for background in drawn]
    return np.concatenate([np.empty((0, 2), np.int64), *ids])
