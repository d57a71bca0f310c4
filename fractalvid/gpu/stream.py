"""Batches rendered on the GPU while a network trains there: drawn on the host, and never copied back.

Clips are made in chunks of some batches, on a stream of their own, one chunk ahead: what is queued there runs beside
the network's work, and a batch waits for nothing but its own chunk. Only crops, times and ids are drawn on the host.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.camera import camera_matrices
from fractalvid.classes import MAX_FRAMES, ClassBank
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import fit_clips
from fractalvid.gpu.render import render_fits
from fractalvid.samples import Batch, Samples, StreamConfig, to_float, turned
from fractalvid.view import ORBIT_POINTS
from kernels import gpu
from kernels.launch import Array, Device, Tuning

CHUNK_BYTES = 2**28
"""Pictures and orbits of a chunk are at most so large, unless a single batch is larger. Two chunks are there at once:
one that is used, one that is made."""
MOST_BATCHES = 8
"""Batches of a chunk: what the host does for a chunk is nearly the same for one batch and for eight."""


@dataclass(frozen=True)
class _Chunk:
    """Some batches on the device: pictures of each view, and what else a `Batch` has, for all samples together."""

    frames: tuple[Tensor, ...]
    backwards: tuple[NDArray[np.bool_] | None, ...]
    target: Tensor
    clip_id: Tensor
    next_index: tuple[int, ...]
    ready: Any


def render_device(torch_device: torch.device) -> gpu.CupyDevice | None:
    """The GPU to render on, or None after one line that says why it is not used."""
    return gpu.find(torch_device.index or 0)


def _side_stream(device: torch.device) -> Any:
    """A stream beside PyTorch's, whose blocks go first; None where there are no streams."""
    return torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def _tensor(array: Array) -> Tensor:
    """The same memory as a tensor."""
    tensor: Tensor = torch.utils.dlpack.from_dlpack(array)
    return tensor


class DeviceRenderer:
    """Renders samples of a bank of fractals on a device.

    Args:
        device: what kernels run on.
        torch_device: the same for PyTorch; a CPU has no streams, and everything happens in order.
        bank: the classes.
        config: of the samples; emulation is not done here.
        tuning: of the kernels.
    """

    def __init__(
        self,
        device: Device,
        torch_device: torch.device,
        bank: ClassBank,
        config: StreamConfig,
        tuning: Tuning = Tuning(),  # noqa: B008 (it is frozen)
    ) -> None:
        """Copy the bank."""
        self.torch_device, self.config, self.tuning = torch_device, config, tuning
        self._device = device
        self._side = _side_stream(torch_device)
        self._consumed: Any = None
        with self._aside():
            self._bank = DeviceBank(device, bank)

    def chunk(self, batch_size: int, views: int) -> int:
        """How many batches are made at once."""
        config = self.config
        picture = config.size**2 * (1 if config.colour is None else 3)
        clip = views * config.clip_len * picture + MAX_FRAMES * ORBIT_POINTS * 8
        return max(1, min(MOST_BATCHES, CHUNK_BYTES // (clip * batch_size)))

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
        with torch.cuda.stream(self._side), self._device.stream():
            if self._consumed is not None:
                # Memory that batches were read from is used again.
                self._side.wait_event(self._consumed)
            yield

    def _queued(self, views: Sequence[Samples], next_index: tuple[int, ...]) -> _Chunk:
        """Queue a chunk: one fit, and a rendering a view."""
        first, config = views[0], self.config
        with self._aside():
            fits = fit_clips(self._bank, first.class_id, first.instance_id)
            frames = tuple(
                _tensor(
                    render_fits(
                        *(self._bank, fits, view.class_id, view.instance_id, view.times),
                        size=config.size,
                        points=config.points,
                        camera=camera_matrices(view.camera, config.size),
                        colour=config.colour,
                        tuning=self.tuning,
                    )
                )
                for view in views
            )
            clip_id = torch.from_numpy(np.stack([first.class_id, first.instance_id], axis=1)).to(self.torch_device)
            ready = None if self._side is None else self._side.record_event()
        backwards = tuple(view.backwards for view in views)
        return _Chunk(frames, backwards, clip_id[:, 0].contiguous(), clip_id, next_index, ready)

    def _batches(self, chunk: _Chunk) -> Iterator[Batch]:
        """Its batches, made ready for the network on the current stream."""
        if chunk.ready is not None:
            current = torch.cuda.current_stream(self.torch_device)
            current.wait_event(chunk.ready)
            for tensor in (chunk.target, chunk.clip_id):
                tensor.record_stream(current)
        size = len(chunk.target) // len(chunk.next_index)
        for number, next_index in enumerate(chunk.next_index):
            rows = slice(number * size, (number + 1) * size)
            shown = [self._shown(chunk, view, rows) for view in range(len(chunk.frames))]
            if chunk.ready is not None:
                self._consumed = torch.cuda.current_stream(self.torch_device).record_event()
            (video, mask), (video2, mask2) = shown[0], shown[1] if len(shown) > 1 else (None, None)
            yield Batch(
                video=video,
                target=chunk.target[rows],
                clip_id=chunk.clip_id[rows],
                next_index=next_index,
                mask=mask,
                video2=video2,
                mask2=mask2,
            )

    def _shown(self, chunk: _Chunk, view: int, rows: slice) -> tuple[Tensor, Tensor | None]:
        """A view of a batch as a video (B, C, T, H, W) in float32, and its masks (B, T, H, W) where asked for."""
        config, frames = self.config, chunk.frames[view][rows]
        clips = frames[:, None] if config.colour is None else frames.movedim(-1, 1)
        mask = (clips > 0).any(dim=1) if config.masks else None
        video = torch.empty(clips.shape, device=clips.device)
        to_float(clips, config, out=video)
        video = video.expand(-1, config.channels, -1, -1, -1)
        backwards = chunk.backwards[view]
        return (video, mask) if backwards is None else turned(video, mask, backwards[rows])
