"""Clips on the fly: whole batches rendered while a network trains, the same for every number of workers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from fractalvid.bank import Bank
from fractalvid.camera import identity_camera
from fractalvid.draws import Domain, Field, uniforms, words
from fractalvid.emulate.backgrounds import KnownFits
from fractalvid.emulate.config import EmulationConfig, resolve
from fractalvid.emulate.draw import Emulation, draw_emulation
from fractalvid.errors import UserError
from fractalvid.instances import VALIDATION
from fractalvid.samples import Batch, Samples, StreamConfig, render_samples, sample_camera, window

__all__ = ["Batch", "FractalStream", "StreamConfig", "ValidationClips"]


class FractalStream(IterableDataset[Batch]):
    """An endless stream of batches of a bank's classes, every class once a round, in an order drawn for each.

    Sample i is a function of (bank, seed, i, config). Batch m of rank r of R holds samples (m R + r) B + 0..B-1, and
    worker w of k makes batches w, w + k, ..., so `DataLoader(stream, batch_size=None, num_workers=k)` yields the same
    sequence for every k.

    Args:
        bank: the classes.
        batch_size: B, on this rank.
        config: how samples are taken.
        seed: determines order, time window, crop, flip and emulation; pixels are the bank's.
        instances: show only instances 0..n-1 of each class, in a keyed order; by default every round shows new ones.
        rank: which of `world_size` processes this is.
        world_size: R.
        threads: for rendering; by default all cores, or one in a DataLoader's worker.
        emulate: instead of the config's: how clips are made to look filmed, or the name of a preset.
    """

    def __init__(
        self,
        bank: Bank,
        *,
        batch_size: int,
        config: StreamConfig | None = None,
        seed: int,
        instances: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        threads: int | None = None,
        emulate: EmulationConfig | str | None = None,
    ) -> None:
        """See the class."""
        if batch_size < 1 or (instances is not None and instances < 1):
            raise UserError("batch_size and instances must be at least 1")
        _check_threads(threads)
        if not 0 <= rank < world_size:
            raise UserError(f"rank {rank} is not in 0..{world_size - 1}")
        self.bank = bank
        self.batch_size = batch_size
        self.config = StreamConfig() if config is None else config
        if emulate is not None:
            self.config = replace(self.config, emulate=resolve(emulate))
        self.seed = seed
        self.instances = instances
        self.rank = rank
        self.world_size = world_size
        self.threads = threads
        self._known = None if self.config.emulate is None else KnownFits(bank, self.config.emulate.background.pool)
        self._round = -1
        self._classes = np.empty(0, np.int64)
        self._begin = 0
        self._next = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch whose `next_index` this is, also on another world size with the same global batch."""
        index = int(state["next_index"])
        if index < 0 or index % (self.batch_size * self.world_size):
            raise UserError(f"the stream cannot go on at sample {index}: not a multiple of the global batch size")
        self._begin = self._next = index

    def state_dict(self) -> dict[str, int]:
        """The position after the last batch that was yielded in this process."""
        return {"next_index": self._next}

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        threads = self.threads if self.threads is not None or info is None else 1
        total = self.batch_size * self.world_size
        step = self._begin // total + worker
        while True:
            first = step * total + self.rank * self.batch_size
            samples = self.draw(np.arange(first, first + self.batch_size))
            self._next = (step + 1) * total
            yield render_samples(
                self.bank, samples, self.config, next_index=self._next, threads=threads, known=self._known
            )
            step += workers

    def draw(self, index: NDArray[np.int64]) -> Samples:
        """What samples `index` (B,) show."""
        config, bank = self.config, self.bank
        rounds, place = np.divmod(index, len(bank))
        class_id = np.empty(len(index), np.int64)
        for number in np.unique(rounds):
            here = rounds == number
            class_id[here] = self._order(int(number))[place[here]]
        low, high = index & 0xFFFFFFFF, index >> 32
        start = uniforms(self.seed, Domain.SAMPLE, Field.WINDOW, low, high, 1)[:, 0]
        emulation = self._emulation(index, class_id)
        return Samples(
            index=index,
            class_id=class_id,
            instance_id=self._instance(rounds, class_id),
            times=window(bank.native_frames[class_id], config.clip_len, config.frame_stride, start),
            camera=sample_camera(config, self.seed, low, high, emulation),
            emulation=emulation,
        )

    def _emulation(self, index: NDArray[np.int64], class_id: NDArray[np.int64]) -> Emulation | None:
        """How samples (B,) of classes (B,) are made to look filmed."""
        config = self.config
        if config.emulate is None:
            return None
        return draw_emulation(config.emulate, self.bank, self.seed, index, class_id=class_id, clip_len=config.clip_len)

    def _order(self, round_number: int) -> NDArray[np.int64]:
        """The order of the classes in a round: the stable argsort of one random word a class."""
        if self._round != round_number:
            low = words(self.seed, Domain.ORDER, Field.ORDER_KEY, round_number, np.arange(len(self.bank)), 1)
            self._classes = np.argsort(low[:, 0], kind="stable")
            self._round = round_number
        return self._classes

    def _instance(self, rounds: NDArray[np.int64], class_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """Instance e in round e; or, with n instances, the one at place e mod n of a permutation keyed by class."""
        if self.instances is None:
            return rounds % VALIDATION
        cycle, place = np.divmod(rounds, self.instances)
        rows, columns = np.broadcast_arrays(cycle, class_id)
        keys = uniforms(self.seed, Domain.ORDER, Field.PERMUTATION_KEY, rows, columns, self.instances)
        return np.take_along_axis(np.argsort(keys, axis=1, kind="stable"), place[:, None], axis=1)[:, 0]

    @staticmethod
    def validation(
        bank: Bank,
        *,
        num_clips: int,
        batch_size: int,
        config: StreamConfig | None = None,
        threads: int | None = None,
    ) -> "ValidationClips":
        """The first `num_clips` held-out clips of a bank, to be iterated as often as wanted."""
        return ValidationClips(bank, num_clips, batch_size, StreamConfig() if config is None else config, threads)


class ValidationClips:
    """Held-out instances of the same classes: class j mod K, instance 2³¹ + j div K, central window, whole view."""

    def __init__(self, bank: Bank, num_clips: int, batch_size: int, config: StreamConfig, threads: int | None) -> None:
        """See `FractalStream.validation`."""
        if num_clips < 1 or batch_size < 1:
            raise UserError("num_clips and batch_size must be at least 1")
        _check_threads(threads)
        self.bank, self.num_clips, self.batch_size = bank, num_clips, batch_size
        self.config, self.threads = config, threads

    def __len__(self) -> int:
        """The number of batches."""
        return -(-self.num_clips // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield every clip once; the last batch may be smaller."""
        for first in range(0, self.num_clips, self.batch_size):
            index = np.arange(first, min(first + self.batch_size, self.num_clips))
            class_id = index % len(self.bank)
            middle = np.full(len(index), 0.5, np.float32)
            samples = Samples(
                index=index,
                class_id=class_id,
                instance_id=VALIDATION + index // len(self.bank),
                times=window(self.bank.native_frames[class_id], self.config.clip_len, self.config.frame_stride, middle),
                camera=identity_camera(len(index)),
            )
            yield render_samples(self.bank, samples, self.config, next_index=int(index[-1]) + 1, threads=self.threads)


def _check_threads(threads: int | None) -> None:
    """Refuse fewer than one."""
    if threads is not None and threads < 1:
        raise UserError(f"threads must be at least 1, got {threads}")
