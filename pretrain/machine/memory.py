"""How memory that was freed is used again: without giving it back to the system in between."""

import ctypes
import os
import sys

_TRIM, _MAP = -1, -3
"""`mallopt`'s names: freed bytes above which some are given back, and the size from which a block is mapped alone."""
_KEPT, _LARGE, _LARGE_BEFORE = 2**31 - 1, 2**30, 2**25
"""Bytes; the last is what glibc before 2.35 takes at most."""
_OWN = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_")


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to 2 GiB at the end of its heap, unless the user's environment says otherwise.

    By itself it gives large arrays back and asks for them anew, in every step, and the system clears each page before
    it hands it over: a tenth of a training step on a CPU (benchmarks/results/cpu_training.md).
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _OWN):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and mallopt(_TRIM, _KEPT):
        mallopt(_MAP, _LARGE) or mallopt(_MAP, _LARGE_BEFORE)
