"""Many files worked on by a few threads, never more than a few at a time."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def as_done(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int | None = None
) -> Generator[tuple[Item, Result], None, None]:
    """Every item with what `work` makes of it, as they are done; the first error is raised.

    At most `ahead` items (twice the threads) are under way or wait to be taken: results don't pile up where the taker
    is slow, and an interrupt need not wait for all of them.
    """
    threads = max(1, threads)
    queue = iter(items)
    running: dict[Future[Result], Item] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix="files") as pool:
        try:
            while True:
                while len(running) < (2 * threads if ahead is None else max(1, ahead)):
                    try:
                        item = next(queue)
                    except StopIteration:
                        break
                    running[pool.submit(work, item)] = item
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """What `work` makes of each item, in the order of the items; at most `threads` + 1 results wait."""
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="files")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > max(1, threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
