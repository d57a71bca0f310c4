"""Clips on the fly: whole batches rendered while a network trains, the same for every number of workers."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from fractalvid.core.bank import Bank, check_seed
from fractalvid.core.camera import identity_camera
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.core.seeds import Domain, Field, index_words, uniforms, words
from fractalvid.emulate.backgrounds import KnownFits
from fractalvid.emulate.config import EmulationConfig, resolve
from fractalvid.emulate.draw import draw_emulation
from fractalvid.fractals.bank import ClassBank
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.device import DeviceRenderer, kernel_device
from fractalvid.stream.order import InstanceOrder
from fractalvid.stream.render import render_samples
from fractalvid.stream.samples import Samples, sample_camera, window
from fractalvid.stream.second_view import SecondView, draw_backwards, eased, render_views, second_seed
from fractalvid.utils.checks import MAX_COUNT, check_count, check_integer, check_share
from fractalvid.utils.errors import UserError


class FractalStream(IterableDataset[Batch]):
    """An endless stream of batches of a bank's classes, every class once a round, in an order drawn for each.

    Sample i is a function of (bank, seed, i, config). Batch m of rank r of R holds samples (m R + r) B + 0..B-1, and
    worker w of k makes batches w, w + k, ..., so `DataLoader(stream, batch_size=None, num_workers=k)` yields the same
    sequence for every k.

    Every new iterator begins at the same sample, also that of a loop's second epoch: train for one endless epoch, or
    call `load_state_dict` with the last batch's `next_index` before each (and leave out the DataLoader's
    persistent_workers, which keep streams of their own).

    Args:
        bank: the classes.
        batch_size: B, on this rank.
        config: how samples are taken.
        seed: 0..2**64-1, determines order, time window, crop, flip and emulation; pixels are the bank's.
        instances: show only instances 0..n-1 of each class, at most 2^20 of them, in a keyed order; by default every
            round shows new ones.
        rank: which of `world_size` processes this is.
        world_size: R.
        threads: for rendering; by default all cores, or one in a DataLoader's worker.
        emulate: instead of the config's: how clips are made to look filmed, or the name of a preset.
        views: 2 gives another view of each instance beside the first, as `video2` and, with masks, `mask2`.
        second: how that one differs from the first (`stream.second_view`); by default it runs backwards half the time.
        device: where batches are wanted. "cuda" also renders and emulates fractals there, without DataLoader workers;
            pictures are those of the CPU but for rounding (docs/design.md). The other kinds, and all of it where CuPy
            is missing, are rendered on the CPU and copied, and one line says so.
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
        views: Literal[1, 2] = 1,
        second: SecondView | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """See the class."""
        check_seed(seed)
        check_share(batch_size, rank, world_size)
        check_count("threads", threads)
        if views not in (1, 2) or (views == 1 and second is not None):
            raise UserError(f"views is {views}; it must be 1, or 2, which alone has a second view")
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
        self.views = views
        self.second = SecondView() if second is None else second
        emulated = self.config.emulate
        # Each view has a pool of backgrounds of its own.
        self._pool = 0 if emulated is None else views * emulated.background.pool
        self._known = None if emulated is None else KnownFits(bank, self._pool)
        self.device = _checked_device(device)
        self._round = -1
        self._classes = np.empty(0, np.int64)
        self._cycled = None if instances is None else InstanceOrder(seed, instances, len(bank))
        self._begin = 0
        self._next = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch whose `next_index` this is, also on another world size with the same global batch."""
        try:
            index = int(state["next_index"])
        except (KeyError, TypeError, ValueError):
            raise UserError(f"a stream's state is {{'next_index': a number}}, not {state!r}") from None
        if index < 0 or index % (self.batch_size * self.world_size):
            raise UserError(f"the stream cannot go on at sample {index}: not a multiple of the global batch size")
        self._begin = self._next = index

    def state_dict(self) -> dict[str, int]:
        """The position after the last batch that was yielded in this process, which a `StatefulDataLoader` asks."""
        return {"next_index": self._next}

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        threads = self.threads if self.threads is not None or info is None else 1
        total = self.batch_size * self.world_size
        step = self._begin // total + worker
        if info is not None and self.device.type == "cuda":
            raise UserError("a stream on a GPU has no DataLoader workers: num_workers=0, or device='cpu'")
        if self._renderer is not None:
            for batch in self._renderer.feed(self._chunks(step, self._renderer.chunk(self.batch_size, self.views))):
                self._next = batch.next_index
                yield batch
            return
        while True:
            first = step * total + self.rank * self.batch_size
            batch = self.at(np.arange(first, first + self.batch_size), threads=threads)
            step += workers
            # Loaders that keep the state of each worker give it back to the same one, which adds its number again.
            self._next = (step - worker) * total
            yield replace(batch, next_index=(step - workers + 1) * total)

    def at(self, index: NDArray[np.int64], *, threads: int | None = None) -> Batch:
        """The samples `index` (B,), wherever they lie in the stream."""
        views, after = self._drawn(index), int(index[-1]) + 1
        if self._renderer is not None:
            return self._renderer.batch(views, after)
        threads = self.threads if threads is None else threads
        batch = render_views(self.bank, views, self.config, next_index=after, threads=threads, known=self._known)
        return batch if self.device.type == "cpu" else batch.to(self.device)

    @cached_property
    def _renderer(self) -> DeviceRenderer | None:
        """What renders on the GPU, made when first used; None where the CPU renders."""
        return _device_renderer(self.bank, self.config, self.device, kept=self._pool)

    def _chunks(self, step: int, batches: int) -> Iterator[tuple[list[Samples], tuple[int, ...]]]:
        """Views of so many batches from `step` on, and the `next_index` of each, for ever."""
        total = self.batch_size * self.world_size
        while True:
            steps = np.arange(step, step + batches)
            first = steps * total + self.rank * self.batch_size
            index = (first[:, None] + np.arange(self.batch_size)).reshape(-1)
            yield self._drawn(index), tuple(((steps + 1) * total).tolist())
            step += batches

    def _drawn(self, index: NDArray[np.int64]) -> list[Samples]:
        """What samples `index` (B,) show in each view."""
        first = self.draw(index)
        return [first] if self.views == 1 else [first, self.draw_second(first)]

    def draw(self, index: NDArray[np.int64]) -> Samples:
        """What samples `index` (B,) show, in their first view."""
        rounds, place = np.divmod(index, len(self.bank))
        class_id = np.empty(len(index), np.int64)
        for number in np.unique(rounds):
            here = rounds == number
            class_id[here] = self._order(int(number))[place[here]]
        return self._taken(index, class_id, self._instance(rounds, class_id), self.config, self.seed)

    def draw_second(self, first: Samples) -> Samples:
        """The second views of samples whose first are given: the same instances, in a way of their own."""
        config = eased(self.config, self.second.strength)
        drawn = self._taken(first.index, first.class_id, first.instance_id, config, second_seed(self.seed))
        return replace(drawn, backwards=draw_backwards(self.second, self.seed, first.index))

    def _taken(
        self,
        index: NDArray[np.int64],
        class_id: NDArray[np.int64],
        instance_id: NDArray[np.int64],
        config: StreamConfig,
        seed: int,
    ) -> Samples:
        """Samples of instances: `seed` and `config` determine time window, crop, flip and emulation."""
        bank, emulate = self.bank, config.emulate
        start = uniforms(seed, Domain.SAMPLE, Field.WINDOW, *index_words(index), 1)[:, 0]
        emulation = None
        if emulate is not None:
            emulation = draw_emulation(emulate, bank, seed, index, class_id=class_id, clip_len=config.clip_len)
        return Samples(
            index=index,
            class_id=class_id,
            instance_id=instance_id,
            times=window(bank.native_frames[class_id], config.clip_len, config.frame_stride, start),
            camera=sample_camera(config, seed, index, emulation),
            emulation=emulation,
        )

    def _order(self, round_number: int) -> NDArray[np.int64]:
        """The order of the classes in a round: the stable argsort of one random word a class."""
        if self._round != round_number:
            low = words(self.seed, Domain.ORDER, Field.ORDER_KEY, round_number, np.arange(len(self.bank)), 1)
            self._classes = np.argsort(low[:, 0], kind="stable")
            self._round = round_number
        return self._classes

    def _instance(self, rounds: NDArray[np.int64], class_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """Instance e in round e; or, with n instances, the one at place e mod n of a permutation keyed by class."""
        if self._cycled is None:
            return rounds % FIRST_VALIDATION_ID
        return self._cycled.at(rounds, class_id)

    @staticmethod
    def validation(
        bank: Bank,
        *,
        num_clips: int,
        batch_size: int,
        config: StreamConfig | None = None,
        threads: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
    ) -> "ValidationClips":
        """The first `num_clips` held-out clips of a bank, to be iterated as often as wanted.

        Of their batches, processes take turns: rank r of R has r, r + R, ... They are on `device`, and rendered there
        as those of a stream are.
        """
        config = StreamConfig() if config is None else config
        there = _checked_device(device)
        return ValidationClips(bank, num_clips, batch_size, config, threads, (rank, world_size), there)


class ValidationClips:
    """Held-out instances of the same classes: class j mod K, instance 2³¹ + j div K, central window, whole view."""

    def __init__(
        self,
        bank: Bank,
        num_clips: int,
        batch_size: int,
        config: StreamConfig,
        threads: int | None,
        turn: tuple[int, int] = (0, 1),
        device: torch.device = torch.device("cpu"),  # noqa: B008 (it is a constant)
    ) -> None:
        """See `FractalStream.validation`; `turn` is rank and world size."""
        check_integer("num_clips", num_clips, 1, MAX_COUNT)
        check_integer("batch_size", batch_size, 1, MAX_COUNT)
        check_count("threads", threads)
        self.bank, self.num_clips, self.batch_size = bank, num_clips, batch_size
        self.config, self.threads, self.device = config, threads, device
        rank, world_size = turn
        self._first = range(rank * batch_size, num_clips, world_size * batch_size)

    def __len__(self) -> int:
        """The number of batches."""
        return len(self._first)

    def __iter__(self) -> Iterator[Batch]:
        """Yield every clip once; the last batch may be smaller."""
        if not self._first:
            return
        if self._renderer is not None:
            yield from self._renderer.feed(([samples], (_after(samples),)) for samples in self._drawn())
            return
        for samples in self._drawn():
            batch = render_samples(self.bank, samples, self.config, next_index=_after(samples), threads=self.threads)
            yield batch if self.device.type == "cpu" else batch.to(self.device)

    @cached_property
    def _renderer(self) -> DeviceRenderer | None:
        """What renders on the GPU, made when first used; None where the CPU renders."""
        return _device_renderer(self.bank, self.config, self.device)

    def _drawn(self) -> Iterator[Samples]:
        """What each batch shows."""
        for first in self._first:
            index = np.arange(first, min(first + self.batch_size, self.num_clips))
            class_id = index % len(self.bank)
            middle = np.full(len(index), 0.5, np.float32)
            yield Samples(
                index=index,
                class_id=class_id,
                instance_id=FIRST_VALIDATION_ID + index // len(self.bank),
                times=window(self.bank.native_frames[class_id], self.config.clip_len, self.config.frame_stride, middle),
                camera=identity_camera(len(index)),
            )


def _after(samples: Samples) -> int:
    """The `next_index` of samples."""
    return int(samples.index[-1]) + 1


def _device_renderer(bank: Bank, config: StreamConfig, device: torch.device, *, kept: int = 0) -> DeviceRenderer | None:
    """What renders clips of a bank on a GPU; None where the CPU renders, after one line that says why."""
    if device.type == "cpu":
        return None
    if bank.kind != "ifs":
        line = f"clips of {bank.kind} are rendered on the CPU, and copied to {device}"
        warnings.warn(line, RuntimeWarning, stacklevel=3)
        return None
    found, fractals = kernel_device(device), cast(ClassBank, bank)
    return None if found is None else DeviceRenderer(found, device, fractals, config, kept=kept)


def _checked_device(device: torch.device | str) -> torch.device:
    """A device to have batches on: a GPU that is asked for and not there is the CPU, and one line says so."""
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UserError(f"device {str(device)!r} is unknown; it can be cpu, cuda or cuda:N") from None
    if chosen.type not in ("cpu", "cuda"):
        raise UserError(f"a stream has no device {chosen}; it can be cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        warnings.warn(f"{chosen} is not there; the stream stays on the CPU", RuntimeWarning, stacklevel=3)
        return torch.device("cpu")
    if chosen.type == "cuda" and chosen.index is None:
        # Each thread has a current one of its own, and it may be another that reads the stream.
        return torch.device("cuda", torch.cuda.current_device())
    return chosen
