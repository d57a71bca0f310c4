"""Workers that make the clips of a set: threads for a small set, processes for a large one.

Threads start at once but share Python's lock: with small clips, more than five of them are no faster. Processes take a
second to start and share nothing.
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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.colour import foreground
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import clip_times, fit_clips, load_bank, render_fits
from fractalvid.sets.config import SetConfig
from fractalvid.sets.formats import EncodedClip, Store, open_store
from fractalvid.sets.formats.mask import encode_mask
from fractalvid.sets.manifest import ClipId
from fractalvid.utils.errors import UserError

CLIPS_FOR_PROCESSES = 2000
"""From so many clips on, processes are worth their start."""
BATCH_PIXELS = 2**24
"""Of clips that are rendered together: large ones are rendered one by one."""


@dataclass(frozen=True)
class ClipMaker:
    """Renders, encodes and writes clips of a set. What comes out does not depend on which of them are asked together.

    Attributes:
        bank: the classes.
        store: where the clips go.
        config: what they look like.
    """

    bank: Bank
    store: Store[Any]
    config: SetConfig

    def __call__(self, clips: list[ClipId]) -> list[Any]:
        """Make some clips on this thread, small ones in batches, which take less Python a clip.

        Returns:
            What the store's `write` gave for each.
        """
        frames = 1 if self.config.file_format.still else self.config.frames
        times = {clip: clip_times(self.bank, clip.class_id, frames) for clip in clips}
        written: dict[ClipId, Any] = {}
        for count in sorted({len(own) for own in times.values()}):
            equally_long = [clip for clip in clips if len(times[clip]) == count]
            most = max(1, BATCH_PIXELS // (count * self.config.size**2))
            for first in range(0, len(equally_long), most):
                batch = equally_long[first : first + most]
                videos = self._render(batch, np.stack([times[clip] for clip in batch]))
                for clip, video in zip(batch, videos, strict=True):
                    written[clip] = self.store.write(self._encode(clip, video))
        return [written[clip] for clip in clips]

    def _render(self, clips: list[ClipId], times: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Clips at times (B, T): (B, T, H, W), or (B, T, H, W, 3) in colour."""
        classes, instances = np.array(clips, np.int64).T
        return render_fits(
            self.bank,
            fit_clips(self.bank, classes, instances, threads=1),
            times,
            size=self.config.size,
            points=self.config.points,
            exposure=self.config.exposure,
            colour=self.config.colour,
            threads=1,
        )

    def _encode(self, clip: ClipId, frames: NDArray[np.uint8]) -> EncodedClip:
        config = self.config
        mask = encode_mask(foreground(frames, colour=config.colour is not None)) if config.masks else b""
        return EncodedClip.of(clip, len(frames), config.file_format.encode(frames, clip, config.video), mask)


def store_of(out: Path, config: SetConfig, classes: int) -> Store[Any]:
    """The store of a set of so many classes."""
    return open_store(
        out,
        config.file_format,
        classes=classes,
        clips=config.clips,
        first=config.first_instance,
        shard_size=config.shard_size,
    )


class Workers:
    """Threads or processes that make clips of one set."""

    def __init__(self, pool: Executor, maker: ClipMaker | None) -> None:
        """`maker` is what threads share; None for processes, which have their own."""
        self._pool, self._maker = pool, maker

    def make(self, clips: list[ClipId]) -> "Future[list[Any]]":
        """Have some clips made; the result is that of `ClipMaker`."""
        return self._pool.submit(_make if self._maker is None else self._maker, clips)


@contextmanager
def open_workers(maker: ClipMaker, out: Path, *, workers: int, clips: int) -> Iterator[Workers]:
    """Workers, each on one core. An error, or an interrupt, ends them after the clips that they are making.

    Args:
        maker: of the set in the folder `out`, which holds its bank already.
        out: the set's folder.
        workers: how many.
        clips: about how many clips there are to make.

    Raises:
        UserError: a process was killed from outside.
    """
    processes = workers > 1 and clips >= CLIPS_FOR_PROCESSES
    pool = _processes(maker, out, workers) if processes else ThreadPoolExecutor(workers, "clips")
    with pool:
        try:
            yield Workers(pool, None if processes else maker)
        except BrokenExecutor as error:
            raise UserError(
                f"a worker was killed, perhaps for want of memory; what is in {out} stays valid: the same command goes "
                "on, with fewer --workers"
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_maker: ClipMaker | None = None
"""In a worker process: its own maker."""

_MAX_ON_WINDOWS = 61
"""Processes that one can wait for on Windows."""


def _processes(maker: ClipMaker, out: Path, workers: int) -> Executor:
    # Spawned, not forked: there are threads already, and a forked child has only copies of the locks that they hold.
    context = multiprocessing.get_context("spawn")
    workers = min(workers, _MAX_ON_WINDOWS) if sys.platform == "win32" else workers
    return ProcessPoolExecutor(workers, context, initializer=_start_process, initargs=(out, maker.config))


def _start_process(out: Path, config: SetConfig) -> None:
    """Set up a worker process."""
    global _maker
    # Ctrl-C reaches all processes at once; the one that started this one answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    bank = load_bank(out / BANK_FILE)
    _maker = ClipMaker(bank, store_of(out, config, len(bank)), config)


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: nobody would collect what it makes."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make(clips: list[ClipId]) -> list[Any]:
    assert _maker is not None
    return _maker(clips)
