"""Tasks dealt out to the devices at hand: a process each, or this one where there is only one.

A task that fails is told to the caller and ends nothing else; neither does a process that dies. Ctrl-C reaches the
caller alone, which has each process finish its step and save it.
"""

import _thread
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, Generic, TypeVar

from fractalvid.finetune.grids.failures import Failure, failure_of
from fractalvid.finetune.videos.machine import Machine
from fractalvid.kernels.compiled import available_cores
from fractalvid.pretrain.engine import resumed_unasked
from fractalvid.pretrain.machine import resolve_device
from fractalvid.utils.checks import MAX_THREADS, check_integer
from fractalvid.utils.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where tasks run: a device, and of this machine's cores so many (None: all, as the only place).

    `share` is its part of the memory for decoded videos.
    """

    device: str
    cores: int | None = None
    share: float = 1.0

    def machine(self, machine: Machine) -> Machine:
        """What a run there may use, of what the user allows in all."""
        if self.cores is None:
            return replace(machine, device=self.device)
        memory = machine.cache_gb * self.share
        return replace(machine, device=self.device, threads=self.cores, cache_gb=memory, progress=False)


Work = Callable[[T], object]
OpenWork = Callable[[Place], Work[T]]
"""Called once in each process, and pickled on its way there: what it gives does the tasks."""
Ended = Callable[[T, Failure | None], object]
"""Told of each task that has ended, in the caller's process."""


def find_places(device: str, jobs: int | None) -> tuple[Place, ...]:
    """Where runs go: one for each GPU, or this machine's cores as one place; `jobs` says how many instead.

    Raises:
        UserError: no such device, or a number that there cannot be.
    """
    if jobs is not None:
        check_integer("--jobs", jobs, 1, MAX_THREADS)
    chosen = resolve_device(device)
    names = [device]
    if chosen.type == "cuda" and chosen.index is None:
        import torch

        names = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    count = jobs or len(names)
    if count == 1:
        return (Place(names[0]),)
    cores = max(1, available_cores() // count)
    return tuple(Place(names[number % len(names)], cores, 1 / count) for number in range(count))


def deal(tasks: Sequence[T], open_work: OpenWork[T], places: Sequence[Place], ended: Ended[T]) -> None:
    """Do all tasks, in order as places become free.

    Raises:
        UserError: what `open_work` refuses.
        KeyboardInterrupt: Ctrl-C, once what was under way has been saved.
    """
    if len(places) > 1 and len(tasks) > 1:
        _deal_out(tasks, open_work, places, ended)
    elif tasks:
        work = open_work(Place(places[0].device))
        for task in tasks:
            ended(task, attempt(work, task))


def attempt(work: Work[T], task: T) -> Failure | None:
    """Do a task; why it failed, if it did."""
    try:
        with resumed_unasked():
            work(task)
    except Exception as error:  # one run's bad luck, whatever it is, is not the end of the others
        return failure_of(error)
    return None


class _Worker(Generic[T]):
    """A process that does tasks one at a time, and the one that it has now."""

    def __init__(self, open_work: OpenWork[T], place: Place) -> None:
        context = multiprocessing.get_context("spawn")
        self.place = place
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(theirs, open_work, place))
        self.process.start()
        theirs.close()
        self.task: T | None = None

    def hand(self, task: T) -> None:
        self.task = task
        with contextlib.suppress(OSError):  # one that has died: `answer` says so
            self.pipe.send(task)

    def answer(self) -> Failure | UserError | None:
        try:
            return self.pipe.recv()  # type: ignore[no-any-return]  # what `_serve` sends
        except (EOFError, OSError):
            self.process.join()
            return Failure(f"its process has ended with exit code {self.process.exitcode}")

    def interrupt(self) -> None:
        """Have it stop after its step, if it has anything to do."""
        if self.task is None or self.process.pid is None or not self.process.is_alive():
            return
        if sys.platform == "win32":
            self.process.terminate()
        else:
            os.kill(self.process.pid, signal.SIGINT)

    def join(self) -> None:
        """Wait until it has ended; a second Ctrl-C ends it at once."""
        self.pipe.close()
        try:
            self.process.join()
        except KeyboardInterrupt:
            self.process.kill()
            raise


def _deal_out(tasks: Sequence[T], open_work: OpenWork[T], places: Sequence[Place], ended: Ended[T]) -> None:
    waiting = deque(tasks)
    workers = [_Worker[T](open_work, place) for place in places[: len(tasks)]]
    with _stopped(workers):
        for worker in workers:
            worker.hand(waiting.popleft())
        while busy := [worker for worker in workers if worker.task is not None]:
            ready = wait([worker.pipe for worker in busy])
            for worker in (worker for worker in busy if worker.pipe in ready):
                task, answer = worker.task, worker.answer()
                worker.task = None
                if isinstance(answer, UserError):
                    raise answer
                assert task is not None
                ended(task, answer)
                if waiting and not worker.process.is_alive():
                    workers.remove(worker)
                    workers.append(worker := _Worker[T](open_work, worker.place))
                if waiting:
                    worker.hand(waiting.popleft())


@contextlib.contextmanager
def _stopped(workers: list[_Worker[Any]]) -> Iterator[None]:
    """In the end, have all processes stop; a signal to end, too, lets them save what is under way."""
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        yield
    finally:
        for worker in workers:
            worker.interrupt()
        for worker in workers:
            worker.join()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _raise_interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _serve(pipe: "Connection[Any, Any]", open_work: OpenWork[T], place: Place) -> None:
    """What a process does: tasks from the pipe, until there are no more."""
    if sys.platform != "win32":
        os.setsid()  # Ctrl-C at a terminal is the caller's
    _follow_parent()
    import torch

    if place.cores is not None:
        torch.set_num_threads(place.cores)
    with contextlib.suppress(EOFError, KeyboardInterrupt, OSError):
        try:
            work = open_work(place)
        except UserError as error:
            pipe.recv()
            pipe.send(error)
            return
        while True:
            pipe.send(attempt(work, pipe.recv()))


def _follow_parent() -> None:
    """Stop as by Ctrl-C where the caller's process is gone."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            _thread.interrupt_main()

    threading.Thread(target=watch, daemon=True).start()
