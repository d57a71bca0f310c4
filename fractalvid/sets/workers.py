"""Workers that make the clips of a set: threads for a small set, processes for a large one, or machines of a cluster.

Threads start at once but share Python's lock: with small clips, more than five of them are no faster. Processes take a
second to start and share nothing.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol

from fractalvid.core.bank import Bank
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import load_bank
from fractalvid.sets.config import SetConfig
from fractalvid.sets.encoding import encode_clips
from fractalvid.sets.formats import Store, open_store
from fractalvid.sets.manifest import ClipId
from fractalvid.utils.errors import UserError

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection
else:
    from multiprocessing.connection import Connection

_PATIENCE, _LOOKS = 2.0, 0.2
"""Seconds in which a pool finds out that a worker was killed, as long as that did not send anything; and from one look
for killed workers to the next."""
CLIPS_FOR_PROCESSES = 2000
"""From so many clips on, processes are worth their start."""


@dataclass(frozen=True)
class ClipMaker:
    """Renders, encodes and writes clips of a set.

    Attributes:
        bank: the classes.
        store: where the clips go.
        config: what they look like.
    """

    bank: Bank
    store: Store[Any]
    config: SetConfig

    def __call__(self, clips: list[ClipId]) -> list[Any]:
        """Make some clips on this thread; returns what the store's `write` gave for each."""
        return [self.store.write(clip) for clip in encode_clips(self.bank, self.config, clips)]


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


class Made(Protocol):
    """Clips in the making."""

    def result(self) -> list[Any]:
        """Wait for them; what `ClipMaker` returns."""


class Workers(Protocol):
    """Whoever makes clips of one set."""

    @property
    def at_once(self) -> int:
        """How many calls of `make` are worked at together."""

    def make(self, clips: list[ClipId]) -> Made:
        """Have some clips made."""


class LocalWorkers:
    """Threads or processes of this machine."""

    def __init__(self, pool: Executor, maker: ClipMaker | None, workers: int) -> None:
        """`maker` is what threads share; None for processes, which have their own."""
        self._pool, self._maker = pool, maker
        self.at_once = workers

    def make(self, clips: list[ClipId]) -> "Future[list[Any]]":
        """Have some clips made."""
        if self._maker is not None:
            return self._pool.submit(self._maker, clips)
        with _interrupts_held():  # a pool starts its processes one by one, as clips come in
            return self._pool.submit(_make, clips)


Engine = Callable[[ClipMaker, Path, int], AbstractContextManager[Workers]]
"""Opens workers that make clips of the set in a folder, about so many; an error or an interrupt ends them."""


def local_engine(workers: int) -> Engine:
    """So many workers of this machine, each on one core."""
    return lambda maker, out, clips: open_workers(maker, out, workers=workers, clips=clips)


@contextmanager
def open_workers(maker: ClipMaker, out: Path, *, workers: int, clips: int) -> Iterator[LocalWorkers]:
    """Workers of this machine, each on one core. An error, or an interrupt, ends them after the clips in their hands.

    Args:
        maker: of the set in the folder `out`, which holds its bank already.
        out: the set's folder.
        workers: how many.
        clips: about how many clips there are to make.

    Raises:
        UserError: a process was killed from outside.
    """
    if workers == 1 or clips < CLIPS_FOR_PROCESSES:
        with _drained(ThreadPoolExecutor(workers, "clips")) as pool:
            yield LocalWorkers(pool, maker, workers)
        return
    # Spawned, not forked: there are threads already, and a forked child has only copies of the locks that they hold.
    context = multiprocessing.get_context("spawn")
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # its own start lets Ctrl-C through again, whatever is held back
    over, end = context.Pipe(duplex=False)
    processes = min(workers, _MAX_ON_WINDOWS) if sys.platform == "win32" else workers
    began = (out, maker.config, over)
    own = ProcessPoolExecutor(processes, context, _start_process, began)
    with over, end, _drained(own) as pool:
        try:
            with _watched(own, end):
                yield LocalWorkers(pool, None, workers)
        except BrokenExecutor as error:
            # A pool waits for a worker that it had just started, and forgets to end it, when another one dies.
            end.close()
            raise UserError(
                f"a worker was killed, perhaps for want of memory; what is in {out} stays valid: the same command goes "
                "on, with fewer --workers"
            ) from error


@contextmanager
def _watched(pool: ProcessPoolExecutor, end: Connection) -> Iterator[None]:
    """Inside, a worker's death breaks the pool at any moment.

    By itself it waits for ever where one was killed while it sent what it had made: for the rest of that, which nobody
    sends, since the others wait for the lock that the dead one holds, and the pool keeps an end of their pipe itself.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            sentinels = [process.sentinel for process in list((pool._processes or {}).values())]
            if not sentinels:
                over.wait(_LOOKS)
            elif wait(sentinels, _LOOKS) and not over.wait(_PATIENCE):  # which it mostly finds out by itself
                end.close()
                pool._result_queue._writer.close()  # type: ignore[attr-defined]
                return

    watcher = threading.Thread(target=watch, name="workers", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back from this thread, and from processes that it starts: they can't ignore it before they are up.

    Here it counts afterwards. Where signals can't be held back, as on Windows, nothing is.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with _answered_later():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _answered_later() -> Iterator[None]:
    """Inside, Ctrl-C waits that reached another thread of this process: Python answers it in the main one at once."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came = list[int]()
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        for number in came:
            signal.raise_signal(number)


@contextmanager
def _drained(pool: Executor) -> Iterator[Executor]:
    """The pool; after an error it finishes what is in its workers' hands and nothing else."""
    with pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_maker: ClipMaker | None = None
"""In a worker process: its own maker."""

_MAX_ON_WINDOWS = 61
"""Processes that one can wait for on Windows."""


def _start_process(out: Path, config: SetConfig, over: Connection) -> None:
    """Set up a worker process, which ends when the other end of `over` is closed."""
    global _maker
    # Ctrl-C reaches all processes at once; the one that started this one answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # see `_interrupts_held`; one that waits is dropped
    threading.Thread(target=_end_with_parent, args=(over,), daemon=True).start()
    bank = load_bank(out / BANK_FILE)
    _maker = ClipMaker(bank, store_of(out, config, len(bank)), config)


def _end_with_parent(over: Connection) -> None:
    """End this process when the one that started it was killed, or gave up: nobody would collect what it makes."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel, over])
    os._exit(1)


def _make(clips: list[ClipId]) -> list[Any]:
    assert _maker is not None
    return _maker(clips)
