"""Folders that one process works in at a time, on every system."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fractalvid.utils.errors import UserError


@contextmanager
def held(lock: Path, busy: str) -> Iterator[None]:
    """Hold the file `lock`, made where it is missing.

    Raises:
        UserError: another process holds it, said with the words `busy`.
        OSError: the file can't be made.
    """
    try:
        hold = FileLock(lock).acquire(blocking=False)
    except Timeout:
        raise UserError(busy) from None
    with hold:
        yield


@contextmanager
def in_turn(lock: Path) -> Iterator[None]:
    """Wait for the file `lock`, and hold it; where the file system knows no locks, go on without."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(FileLock(lock))
        yield
