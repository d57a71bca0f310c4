"""Who renders the clips of a set: threads where it is short, processes where it is long.

Threads start at once, but the Python of one waits for that of the others: of small clips, five keep up with any number.
Processes take a second to start and wait for nobody.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.colour import foreground
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import clip_times, fit_clips, load_bank, render_fits
from fractalvid.sets.config import SetConfig
from fractalvid.sets.formats import ClipId, Packed, Store, open_store
from fractalvid.sets.formats.encoded_clip import pack
from fractalvid.sets.formats.mask import encode_mask
from fractalvid.utils.errors import UserError

"""The bank of a set, in its folder."""
LONG = 2000
"""Clips that are worth processes."""
BATCH_PIXELS = 2**24
"""Of clips that are rendered at once: large ones go one by one."""


@dataclass(frozen=True)
class Maker:
    """Renders clips of a set and writes them; which they are with does not matter.

    Attributes:
        bank: the classes.
        store: where the clips go.
        config: what they look like.
    """

    bank: Bank
    store: Store
    config: SetConfig

    def __call__(self, clips: list[ClipId]) -> list[Packed]:
        """Render and write some clips, on this thread; small ones in batches, which have less Python a clip."""
        frames = 1 if self.config.kept.still else self.config.frames
        times = {clip: clip_times(self.bank, clip[0], frames) for clip in clips}
        made: dict[ClipId, Packed] = {}
        for count in sorted({len(own) for own in times.values()}):
            equal = [clip for clip in clips if len(times[clip]) == count]
            most = max(1, BATCH_PIXELS // (count * self.config.size**2))
            for first in range(0, len(equal), most):
                batch = equal[first : first + most]
                pictures = self._rendered(batch, np.stack([times[clip] for clip in batch]))
                for clip, own in zip(batch, pictures, strict=True):
                    made[clip] = self._packed(clip, own)
                    self.store.write(made[clip])
        return [made[clip] for clip in clips]

    def _rendered(self, clips: list[ClipId], times: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Clips at times (B, T): (B, T, H, W), or (B, T, H, W, 3) in colour."""
        classes, instances = np.array(clips, np.int64).T
        return render_fits(
            *(self.bank, fit_clips(self.bank, classes, instances, threads=1), times),
            size=self.config.size,
            points=self.config.points,
            exposure=self.config.exposure,
            colour=self.config.colour,
            threads=1,
        )

    def _packed(self, clip: ClipId, frames: NDArray[np.uint8]) -> Packed:
        config = self.config
        mask = encode_mask(foreground(frames, colour=config.colour is not None)) if config.masks else b""
        return pack(clip, len(frames), config.kept.encode(frames, clip, config.video), mask)


def store_of(out: Path, config: SetConfig, classes: int) -> Store:
    """Where a set of so many classes keeps its clips."""
    return open_store(
        *(out, config.kept),
        classes=classes,
        clips=config.clips,
        first=config.first_instance,
        shard_size=config.shard_size,
    )


class Workers:
    """Threads or processes that make clips of one set."""

    def __init__(self, pool: Executor, maker: Maker | None) -> None:
        """`maker` is what threads share; processes have their own."""
        self._pool, self._maker = pool, maker

    def make(self, clips: list[ClipId]) -> "Future[list[Packed]]":
        """Have some clips made and written."""
        return self._pool.submit(_make if self._maker is None else self._maker, clips)


@contextmanager
def open_workers(maker: Maker, out: Path, workers: int, clips: int) -> Iterator[Workers]:
    """As many workers, each on one core; an error, or an interrupt, ends them after the clips that they are at.

    Args:
        maker: of the set in the folder `out`, which holds its bank already.
        out: the set's folder.
        workers: how many.
        clips: about how many clips there are to make.

    Raises:
        UserError: a process was killed from outside.
    """
    apart = workers > 1 and clips >= LONG
    pool = _processes(maker, out, workers) if apart else ThreadPoolExecutor(workers, "clips")
    with pool:
        try:
            yield Workers(pool, None if apart else maker)
        except BrokenExecutor as error:
            raise UserError(
                f"a worker was killed, perhaps for want of memory; what is in {out} stays valid: the same command goes "
                "on, with fewer --workers"
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_maker: Maker | None = None
"""In a worker process: what it makes clips with."""

_WINDOWS_MOST = 61
"""Processes that Windows lets one wait for."""


def _processes(maker: Maker, out: Path, workers: int) -> Executor:
    # Spawned, not forked: there are threads already, and a forked child has only copies of the locks that they hold.
    context = multiprocessing.get_context("spawn")
    workers = min(workers, _WINDOWS_MOST) if sys.platform == "win32" else workers
    return ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(out, maker.config))


def _begin(out: Path, config: SetConfig) -> None:
    """Set up a worker process."""
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everyone at once; whoever started us answers it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    bank = load_bank(out / BANK_FILE)
    _maker = Maker(bank, store_of(out, config, len(bank)), config)


def _end_with_parent() -> None:
    """Not to go on for nobody when the process that started this one is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make(clips: list[ClipId]) -> list[Packed]:
    assert _maker is not None
    return _maker(clips)
