"""Says that kernels are being compiled, and how many of how many: until they are kept, all waits for it.

It goes to the log `fractalvid.kernels`, which a program sees where it asks for it. The commands show it.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from numba.core import event

from fractalvid.kernels.compiled.cache import CAN_KEEP

LOG = logging.getLogger("fractalvid.kernels")
_EVERY_SECONDS = 5.0

_expected: set[str] = set()
_done: set[str] = set()
_told_at: float | None = None
_lock = Lock()


def expect(kernels: Iterable[str]) -> None:
    """Kernels that are needed now, by name; those that are compiled already are counted among them."""
    with _lock:
        _expected.update(kernels)


class _Start(event.Listener):
    """Told by Numba when it compiles, and not when it reads what is kept."""

    def on_start(self, event: Any) -> None:
        """Say so, if nothing was said in the last seconds."""
        _tell()

    def on_end(self, event: Any) -> None:
        """Nothing: parts of a kernel end before it does."""


@contextmanager
def compiling(kernel: str) -> Iterator[None]:
    """Within, `kernel` is compiled or read from what is kept; only the former is worth a line."""
    expect([kernel])
    with event.install_listener("numba:compile", _Start()):
        yield
    with _lock:
        _done.add(kernel)


def _tell() -> None:
    global _told_at
    with _lock:
        now = time.monotonic()
        if _told_at is not None and now - _told_at < _EVERY_SECONDS:
            return
        first, _told_at = _told_at is None, now
        done, expected = len(_done), len(_expected)
    kept = "for this machine, once" if CAN_KEEP else "that no folder can keep (fractalvid doctor says more)"
    LOG.info("compiling kernels%s: %d of %d are there", f" {kept}" if first else "", done, expected)
