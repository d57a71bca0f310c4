"""Held-out clips, in batches that are the same whenever they are asked for."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch

from fractalvid.core.bank import Bank
from fractalvid.core.camera import identity_camera
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.device import Chunk, DeviceRenderer, available_device, device_renderer
from fractalvid.stream.render import render_samples
from fractalvid.stream.samples import Samples, window_times
from fractalvid.utils.checks import MAX_COUNT, check_count, check_integer


class ValidationClips:
    """Held-out instances of the same classes: class j mod K, instance 2³¹ + j div K, central window, whole view.

    Args:
        bank: the classes.
        num_clips: how many there are in all.
        batch_size: B; the last batch may be smaller.
        config: how samples are taken.
        threads: at most this many for rendering; by default all cores.
        rank: which of `world_size` processes this is: it has batches rank, rank + world_size, ...
        world_size: R.
        device: where batches are wanted, and rendered as those of a stream are.
    """

    def __init__(
        self,
        bank: Bank,
        *,
        num_clips: int,
        batch_size: int,
        config: StreamConfig | None = None,
        threads: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        """See the class."""
        check_integer("num_clips", num_clips, 1, MAX_COUNT)
        check_integer("batch_size", batch_size, 1, MAX_COUNT)
        check_count("threads", threads)
        self.bank, self.num_clips, self.batch_size = bank, num_clips, batch_size
        self.config, self.threads = StreamConfig() if config is None else config, threads
        self.device = available_device(device)
        self._first = range(rank * batch_size, num_clips, world_size * batch_size)

    def __len__(self) -> int:
        """The number of batches."""
        return len(self._first)

    def __iter__(self) -> Iterator[Batch]:
        """Yield every clip once."""
        if not self._first:
            return
        if self._renderer is not None:
            yield from self._renderer.feed(Chunk([samples], (samples.next_index,)) for samples in self._drawn())
            return
        for samples in self._drawn():
            batch = render_samples(self.bank, samples, self.config, next_index=samples.next_index, threads=self.threads)
            yield batch if self.device.type == "cpu" else batch.to(self.device)

    @cached_property
    def _renderer(self) -> DeviceRenderer | None:
        """What renders on the GPU, made when first used; None where the CPU renders."""
        return device_renderer(self.bank, self.config, self.device)

    def _drawn(self) -> Iterator[Samples]:
        """What each batch shows."""
        for first in self._first:
            index = np.arange(first, min(first + self.batch_size, self.num_clips))
            class_id = index % len(self.bank)
            middle = np.full(len(index), 0.5, np.float32)
            native_frames = self.bank.native_frames[class_id]
            yield Samples(
                index=index,
                class_id=class_id,
                instance_id=FIRST_VALIDATION_ID + index // len(self.bank),
                times=window_times(native_frames, self.config.clip_len, self.config.frame_stride, middle),
                camera=identity_camera(len(index)),
            )
