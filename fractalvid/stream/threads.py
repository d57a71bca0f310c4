"""Threads of our own, in each of which torch computes on one core.

Torch's own threads wait for each other in busy loops. Beside anything else that computes, a network in training above
all, they take many times as long, so work is dealt out by samples instead.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import torch

from fractalvid.kernels.compiled import available_cores
from fractalvid.utils.processes.forks import per_process

MIN_SAMPLES = 4
"""For every so many samples, another thread is worth it. Four at a time cost a tenth more each than eight, and keep 8
cores busy with a batch of 32; of fewer, NumPy and Python are the larger part of the work."""

T = TypeVar("T")
R = TypeVar("R")

_pools = per_process(dict[int, ThreadPoolExecutor])
_lock = per_process(threading.Lock)


def in_parts(work: Callable[[slice, int], None], count: int, threads: int | None = None) -> None:
    """Call `work` with parts of 0..count-1, each on its own thread, and how many threads it may use itself.

    Args:
        work: (rows, threads) -> None; what it does to some rows must not depend on which others are among them.
        count: how many samples.
        threads: at most this many in all, by default all cores.
    """
    most = available_cores() if threads is None else threads
    parts = max(1, min(most, -(-count // MIN_SAMPLES)))
    edges = [count * part // parts for part in range(parts + 1)]
    pool = _pool(parts)
    done = [pool.submit(work, slice(first, last), most // parts) for first, last in pairwise(edges)]
    for part in done:
        part.result()


def one_ahead(work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R], None, None]:
    """Items and what `work` makes of each, which another thread does while the caller uses the item before.

    That pays where both are partly Python, which one thread runs at a time, and partly compiled code for all cores. An
    error in `work` is raised where its item is due; the thread ends with the iterator.
    """
    beside, coming = ThreadPoolExecutor(1, "ahead"), deque[tuple[T, Future[R]]]()
    try:
        for item in items:
            coming.append((item, beside.submit(work, item)))
            if len(coming) == 2:
                ready, made = coming.popleft()
                yield ready, made.result()
        for ready, made in coming:
            yield ready, made.result()
    finally:
        beside.shutdown(wait=False, cancel_futures=True)


def _pool(size: int) -> ThreadPoolExecutor:
    """As many threads, made when first needed."""
    with _lock():
        pools = _pools()
        if size not in pools:
            ready = threading.Barrier(size + 1)
            # The number is each thread's own, but threads made later begin with the last one that anybody set.
            pool = ThreadPoolExecutor(size, "samples", initializer=lambda: torch.set_num_threads(1))
            for _ in range(size):
                pool.submit(ready.wait)
            ready.wait()
            torch.set_num_threads(torch.get_num_threads())
            pools[size] = pool
        return pools[size]
