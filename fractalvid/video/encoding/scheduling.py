"""Threads that stay as important as they were, whatever an encoder makes of them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def ordinary_threads() -> Iterator[None]:
    """Give this thread, and those that begin meanwhile, the scheduling that this one had before.

    SVT-AV1, run by root, makes its threads and the one that calls it real-time, for good. Such a thread takes a core
    from everything else on the machine: where there is one core, the encoder waits for ever for its own others.
    """
    if sys.platform != "linux":
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    before = set(_threads())
    try:
        yield
    finally:
        for thread in [0, *(set(_threads()) - before)]:
            with suppress(OSError):  # it has ended, or a sandbox forbids such calls
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, priority)


def _threads() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_THREADS)]
    except OSError:  # no /proc is mounted
        return []
