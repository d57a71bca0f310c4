"""One pool of threads a process, made when first needed and never inherited through a fork."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")

_pools: dict[int, ThreadPoolExecutor] = {}

# A forked child has the pool object but none of its threads: it must make its own.
if sys.platform != "win32":  # nor does that fork
    os.register_at_fork(after_in_child=_pools.clear)


def available_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Callable[[Item], Any], items: Sequence[Item], threads: int | None = None) -> None:
    """Call `work` on every item, on at most `threads` threads (all cores by default); the first error is raised."""
    threads = available_cores() if threads is None else threads
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    if threads == 1 or len(items) == 1:
        _exhaust(work(item) for item in items)
        return
    pool = _pools.setdefault(threads, ThreadPoolExecutor(threads, "kernels"))
    _exhaust(pool.map(work, items))


def _exhaust(results: Iterable[Any]) -> None:
    for _ in results:
        pass
