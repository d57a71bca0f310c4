"""Clips on the fly: whole batches rendered while a network trains, the same for every number of workers."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import IterableDataset, get_worker_info

from fractalvid.core.bank import Bank, Fit, check_bank, check_seed
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.presets import resolve
from fractalvid.emulate.renderer import CpuRenderer
from fractalvid.emulate.scene.pictures import list_pictures
from fractalvid.kernels.compiled import available_cores
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.device import Chunk, DeviceRenderer, available_device, device_renderer
from fractalvid.stream.order import ClassOrder, InstanceOrder
from fractalvid.stream.position import Position, index_of_state
from fractalvid.stream.render import fit_together, render_views
from fractalvid.stream.samples import Samples, checked_index, draw_samples
from fractalvid.stream.second_view import SecondView, draw_backwards, eased, second_seed
from fractalvid.stream.threads import one_ahead
from fractalvid.stream.validation import ValidationClips
from fractalvid.truth import check_truth
from fractalvid.utils.arrays import rows_of
from fractalvid.utils.checks import check_count, check_instance, check_share, is_whole
from fractalvid.utils.errors import UserError

TOGETHER = 64
"""Clips that one thread draws and fits at once at most, of at most 4 batches, so that they share NumPy's calls.
More would be faster still, and come in bursts that a loader's workers, two batches ahead, do not hide. Where several
threads fit them while others are rendered there are none, and it is twice as many."""


class FractalStream(IterableDataset[Batch]):
    """An endless stream of batches of a bank's classes, every class once a round, in an order drawn for each.

    Sample i is a function of (bank, seed, i, config). Batch m of rank r of R holds samples (m R + r) B + 0..B-1, and
    worker w of k makes batches w, w + k, ..., so `DataLoader(stream, batch_size=None, num_workers=k)` yields the same
    sequence for every k.

    Every new iterator begins at the same sample, also that of a loop's second epoch: train for one endless epoch, or
    call `load_state_dict` with the last batch's `next_index` before each; workers that persist go on from there, too.
    Copies, and what was pickled, are streams of their own from then on, which begin where this one would.

    Args:
        bank: the classes.
        batch_size: B, on this rank.
        config: how samples are taken.
        seed: 0..2**64-1, determines order, time window, crop, flip and emulation; pixels are the bank's.
        instances: show only instances 0..n-1 of each class, at most 2^20 of them, in a keyed order; by default every
            round shows new ones.
        rank: which of `world_size` processes this is. It isn't asked of `torch.distributed`: without it all processes
            get the same clips.
        world_size: R, how many processes there are.
        threads: for rendering; by default all cores, or one in a DataLoader's worker.
        emulate: instead of the config's: how clips are made to look filmed, or as text, "light" or "light,share=0.5".
        views: 2 gives another view of each instance beside the first, as `video2` and, with masks, `mask2`. What the
            config asks of truth is that of the first.
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
        check_bank(bank)
        check_seed(seed)
        check_share(batch_size, rank, world_size)
        check_count("threads", threads)
        if not is_whole(views) or views not in (1, 2) or (views == 1 and second is not None):
            raise UserError(f"views is {views!r}; it must be 1, or 2, which alone has a second view")
        self.bank = bank
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self.config = StreamConfig() if config is None else config
        check_instance("config", self.config, StreamConfig)
        if emulate is not None:
            self.config = replace(self.config, emulate=resolve(emulate))
        check_truth(self.config.truth, bank.kind, self.config.clip_len)
        if self.config.backgrounds is not None:
            list_pictures(self.config.backgrounds)
        self.seed, self.instances, self.threads = seed, instances, threads
        self.views = views
        self.second = SecondView() if second is None else second
        check_instance("second", self.second, SecondView)
        self.device = available_device(device)
        emulated = self.config.emulate
        # Each view has a pool of backgrounds of its own.
        self._pool = 0 if emulated is None else views * emulated.background.pool
        self._cpu_renderer = None if emulated is None else CpuRenderer(bank, self._pool)
        self._classes = ClassOrder(seed, len(bank))
        self._cycles = None if instances is None else InstanceOrder(seed, instances, len(bank))
        self._position = Position()
        self._next = 0

    def __copy__(self) -> "FractalStream":
        """The same stream, with a position of its own; a `deepcopy` and what was pickled have one, too."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), _position=deepcopy(self._position))
        return other

    def __repr__(self) -> str:
        """One line: what the stream shows, and how."""
        frames, size = self.config.clip_len, self.config.size
        shape = f"{self.batch_size} clips of {frames} x {size} x {size}"
        more = f", rank {self.rank} of {self.world_size}" if self.world_size > 1 else ""
        more += ", 2 views" if self.views == 2 else ""
        return f"{type(self).__name__}({len(self.bank)} classes, batches of {shape}{more}, seed={self.seed})"

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch whose `next_index` this is, also on another world size with the same global batch.

        Raises:
            UserError: the state has no `next_index`, or one at which no batch begins.
        """
        index = index_of_state(state, self.batch_size * self.world_size)
        self._next = index
        self._position.set(index, in_worker=get_worker_info() is not None)

    def state_dict(self) -> dict[str, int]:
        """The position after the last batch that was yielded in this process, which a `StatefulDataLoader` asks.

        A `DataLoader` with workers yields in these: keep `batch.next_index` then, which is right everywhere.
        """
        return {"next_index": self._next}

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever, from the position that is set now."""
        info = get_worker_info()
        if info is not None and self.device.type == "cuda":
            raise UserError("a stream on a GPU has no DataLoader workers: num_workers=0, or device='cpu'")
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        threads = self.threads if self.threads is not None or info is None else 1
        begin = self._position.begin(in_worker=info is not None)
        step = begin // (self.batch_size * self.world_size)
        if self._renderer is not None:
            return self._from_device(self._renderer, step)
        return self._from_cpu(step + worker, worker, workers, threads)

    def _from_device(self, renderer: DeviceRenderer, step: int) -> Iterator[Batch]:
        """Batches `step`, `step` + 1, ..., rendered on the GPU."""
        batches = renderer.batches_at_once(self.batch_size, self.views)
        for batch in renderer.feed(self._chunks(step, batches)):
            self._next = batch.next_index
            yield batch

    def _from_cpu(self, step: int, worker: int, workers: int, threads: int | None) -> Iterator[Batch]:
        """Batches `step`, `step` + `workers`, ...; on several threads, the next are fitted while some are rendered."""
        total = self.batch_size * self.world_size
        one_thread = (threads or available_cores()) == 1

        def fit(group: tuple[NDArray[np.int64], list[Samples]]) -> Fit | None:
            return fit_together(self.bank, group[1][0], threads)

        groups = self._groups(step, workers, TOGETHER if one_thread else 2 * TOGETHER)
        for (steps, views), fits in ((group, fit(group)) for group in groups) if one_thread else one_ahead(fit, groups):
            for number, own in enumerate(steps.tolist()):
                rows = slice(number * self.batch_size, (number + 1) * self.batch_size)
                batch = self._render([rows_of(view, rows) for view in views], threads, rows_of(fits, rows))
                # Loaders that keep the state of each worker give it back to the same one, which adds its number again.
                self._next = (own + workers - worker) * total
                yield replace(batch, next_index=(own + 1) * total)

    def _groups(self, step: int, workers: int, clips: int) -> Iterator[tuple[NDArray[np.int64], list[Samples]]]:
        """Batches that are drawn together, of so many clips at most: first one, then two at a time, then four."""
        count, most = 1, min(4, max(1, clips // self.batch_size))
        while True:
            steps = step + workers * np.arange(count)
            yield steps, self._drawn(self._positions(steps))
            step += workers * count
            count = min(2 * count, most)

    def _positions(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions in the stream of this rank's samples of batches `steps` (M,), batch by batch."""
        first = steps * (self.batch_size * self.world_size) + self.rank * self.batch_size
        return np.asarray((first[:, None] + np.arange(self.batch_size)).reshape(-1))

    def at(self, index: ArrayLike, *, threads: int | None = None) -> Batch:
        """The samples `index` (B,), wherever they lie in the stream.

        Raises:
            UserError: an index that is no whole number of 0..2⁶²-1, none at all, or no number of threads.
        """
        check_count("threads", threads)
        views = self._drawn(checked_index(index))
        if self._renderer is not None:
            return self._renderer.batch(Chunk(views, (views[0].next_index,)))
        return self._render(views, self.threads if threads is None else threads)

    def _render(self, views: list[Samples], threads: int | None, fit: Fit | None = None) -> Batch:
        """A batch that the CPU renders; `fit` is that of plain clips, where it is known."""
        batch = render_views(self.bank, views, self.config, threads=threads, renderer=self._cpu_renderer, fit=fit)
        return batch if self.device.type == "cpu" else batch.to(self.device)

    @cached_property
    def _renderer(self) -> DeviceRenderer | None:
        """What renders on the GPU, made when first used; None where the CPU renders."""
        return device_renderer(self.bank, self.config, self.device, cache_size=self._pool)

    def _chunks(self, step: int, batches: int) -> Iterator[Chunk]:
        """So many batches at a time, from `step` on, for ever."""
        total = self.batch_size * self.world_size
        while True:
            steps = np.arange(step, step + batches)
            yield Chunk(self._drawn(self._positions(steps)), tuple(((steps + 1) * total).tolist()))
            step += batches

    def _drawn(self, index: NDArray[np.int64]) -> list[Samples]:
        """What samples `index` (B,) show in each view."""
        first = self.draw(index)
        return [first] if self.views == 1 else [first, self.draw_second(first)]

    def draw(self, index: ArrayLike) -> Samples:
        """What samples `index` (B,) show, in their first view; raises as `at` does."""
        index = checked_index(index)
        rounds, place = np.divmod(index, len(self.bank))
        class_id = self._classes.at(rounds, place)
        # Without a fixed number of instances, round e shows instance e.
        instance_id = rounds % FIRST_VALIDATION_ID if self._cycles is None else self._cycles.at(rounds, class_id)
        return draw_samples(self.bank, index, class_id, instance_id, self.config, self.seed)

    def draw_second(self, first: Samples) -> Samples:
        """The second views of samples whose first are given: the same instances, in a way of their own."""
        config, seed = eased(self.config, self.second.strength), second_seed(self.seed)
        drawn = draw_samples(self.bank, first.index, first.class_id, first.instance_id, config, seed)
        return replace(drawn, backwards=draw_backwards(self.second, self.seed, first.index))

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
        return ValidationClips(
            bank,
            num_clips=num_clips,
            batch_size=batch_size,
            config=config,
            threads=threads,
            rank=rank,
            world_size=world_size,
            device=device,
        )
