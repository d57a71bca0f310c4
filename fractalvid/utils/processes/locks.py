"""Folders that one process works in at a time, on every system."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fractalvid.utils.errors import UserError


@contextmanager
def exclusive_lock(lock: Path, busy: str) -> Iterator[None]:
    """Hold the file `lock`, made where it is missing, or refuse.

    Raises:
        UserError: another process holds it; the text is `busy`.
        OSError: the file can't be made.
    """
    try:
        hold = FileLock(lock).acquire(blocking=False)
    except Timeout:
        raise UserError(busy) from None
    with hold:
        yield


@contextmanager
def waiting_lock(lock: Path) -> Iterator[None]:
    """Wait until nobody else holds the file `lock`, then hold it. Where the file system knows no locks, go on."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(FileLock(lock))
        yield
