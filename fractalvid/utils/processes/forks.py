"""What a forked process has anew: of the process that it comes from, it has no threads and no children."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def per_process(make: Callable[[], T]) -> Callable[[], T]:
    """What `make` makes, once here and anew in each process that is forked: to be called where it is used.

    So with locks: a fork copies one that a thread holds, and nobody there would open it. It is kept as long as the
    process lives.
    """
    own = make()

    def begin() -> None:
        nonlocal own
        own = make()

    if sys.platform != "win32":  # nothing forks there
        os.register_at_fork(after_in_child=begin)
    return lambda: own
