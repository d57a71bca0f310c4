"""What makes a training go on that was stopped: the commands that share the loop differ in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_needed = ContextVar("needed", default=" with --resume")


@contextmanager
def resumed_unasked() -> Iterator[None]:
    """Inside, what is said of going on is that of a command which does so by itself, and has no --resume."""
    token = _needed.set("")
    try:
        yield
    finally:
        _needed.reset(token)


def going_on() -> str:
    """As `the same command with --resume goes on`."""
    return f"the same command{_needed.get()} goes on"
