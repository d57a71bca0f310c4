"""Held-out clips, in batches that are the same whenever they are asked for."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from fractalvid.core.bank import Bank, check_bank
from fractalvid.core.camera import identity_camera
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.device import Chunk, DeviceRenderer, available_device, device_renderer
from fractalvid.stream.render import render_samples
from fractalvid.stream.samples import Samples, window_times
from fractalvid.truth import check_truth
from fractalvid.utils.checks import MAX_COUNT, check_count, check_instance, check_integer, check_share
from fractalvid.utils.errors import UserError


class ValidationClips(IterableDataset[Batch]):
    """Held-out instances of the same classes: class j mod K, instance 2³¹ + j div K, central window, whole view.

    Workers of a DataLoader share the batches, `DataLoader(clips, batch_size=None, num_workers=k)`, which come in the
    same order for every k.

    Args:
        bank: the classes.
        num_clips: how many there are in all.
        batch_size: B; the last batch may be smaller.
        config: how samples are taken.
        threads: at most this many for rendering; by default all cores.
        rank: which of `world_size` processes this is: it has batches rank, rank + world_size, ...
        world_size: R, how many processes there are.
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
        check_bank(bank)
        check_integer("num_clips", num_clips, 1, MAX_COUNT)
        check_share(batch_size, rank, world_size)
        check_count("threads", threads)
        self.bank, self.num_clips, self.batch_size = bank, num_clips, batch_size
        self.config, self.threads = StreamConfig() if config is None else config, threads
        check_instance("config", self.config, StreamConfig)
        check_truth(self.config.truth, bank.kind, self.config.clip_len)
        self.device = available_device(device)
        self._first = range(rank * batch_size, num_clips, world_size * batch_size)

    def __len__(self) -> int:
        """The number of batches."""
        return len(self._first)

    def __repr__(self) -> str:
        """One line: how many clips, and how."""
        frames, size = self.config.clip_len, self.config.size
        return (
            f"{type(self).__name__}({self.num_clips} clips of {len(self.bank)} classes, batches of {self.batch_size} "
            f"clips of {frames} x {size} x {size})"
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield every clip once; in a worker, its share of the batches."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        if info is not None and self.device.type == "cuda":
            raise UserError("clips on a GPU have no DataLoader workers: num_workers=0, or device='cpu'")
        drawn = self._drawn(self._first[worker::workers])
        if not self._first:
            return
        if self._renderer is not None:
            yield from self._renderer.feed(Chunk([samples], (samples.next_index,)) for samples in drawn)
            return
        threads = self.threads if self.threads is not None or info is None else 1
        for samples in drawn:
            batch = render_samples(self.bank, samples, self.config, next_index=samples.next_index, threads=threads)
            yield batch if self.device.type == "cpu" else batch.to(self.device)

    @cached_property
    def _renderer(self) -> DeviceRenderer | None:
        """What renders on the GPU, made when first used; None where the CPU renders."""
        return device_renderer(self.bank, self.config, self.device)

    def _drawn(self, firsts: Iterable[int]) -> Iterator[Samples]:
        """What the batches that begin with these clips show."""
        for first in firsts:
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
