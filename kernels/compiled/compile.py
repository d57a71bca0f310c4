"""How kernels are compiled: one place for the flags that decide speed and bits."""

import hashlib
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, cast

from numba import config, njit

from fractalvid.kernels.compiled import ahead
from fractalvid.kernels.compiled.cache import CAN_KEEP
from fractalvid.kernels.compiled.library import OwnCopies
from fractalvid.kernels.compiled.progress import compiling

# Fused multiply-adds halve the polynomials; no other liberty is taken, so results depend neither on vector width nor on
# load. NumPy's error model leaves out the checks for division by zero, which would stop vectorisation.
FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

# For what compiled code alone calls: unpacking Python's arguments takes longest to compile.
_CALLED = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

COMPILED: list[tuple[str, bool]] = []
"""Drivers made in this process so far, and whether each came from the disk cache."""

_deciding = RLock()
"""Held while Numba's setting is changed, which is the process's."""


def _jitted(function: Callable[..., Any], *signature: Any, **options: Any) -> Any:
    """The dispatcher of a function, also where NUMBA_DISABLE_JIT is set: that is for people's own functions.

    Kernels are written for compiled types, such as pointers, and do not run as Python.
    """
    settings = cast(Any, config)
    with _deciding:
        disabled, settings.DISABLE_JIT = settings.DISABLE_JIT, 0
        try:
            return njit(*signature, **options)(function)
        finally:
            settings.DISABLE_JIT = disabled


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that becomes part of its callers before their types are known: for one that arrays or tuples pass."""
    jitted: Callable[..., Any] = _jitted(function, inline="always", **FLAGS)
    return jitted


def scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """A small function of numbers that becomes part of the machine code of its callers.

    It is compiled once a process. `inlined` copies it into each caller, and copies of copies are what takes longest in
    a chain of such functions.
    """
    jitted: Callable[..., Any] = _jitted(function, forceinline=True, **FLAGS)
    return jitted


def subroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is compiled for itself and called by drivers, which hold it in their own disk cache.

    Python cannot call it: what would unpack Python's arguments is left out, since compiling that takes longer.
    """
    jitted: Callable[..., Any] = _jitted(function, inline="never", **_CALLED, **FLAGS)
    return jitted


def disk_cached(function: Callable[..., Any]) -> Any:
    """A function that Python calls too, compiled for whatever it is called with and held in the disk cache."""
    return _jitted(function, cache=CAN_KEEP, nogil=True)


@cache
def digest() -> str:
    """A digest of all code that is compiled: the folders of compiled kernels, and the table of variations."""
    kernels = Path(__file__).parents[1]
    files = [path for folder in ("compiled", "cpu", "drawing") for path in sorted((kernels / folder).glob("*.py"))]
    content = b"".join(path.read_bytes() for path in [*files, kernels / "variations.py"])
    return hashlib.sha256(content).hexdigest()[:12]


def driver(signature: Any, function: Callable[..., Any], *, as_pointer: bool = False) -> Any:
    """Compile a top-level function for one signature, kept in the disk cache; returns Numba's compile result.

    Python can call it; or, where it is handed over `as_pointer`, compiled code.
    """
    # Numba's cache notices changes of the function's own file only, not of what is compiled into it from others.
    function.__qualname__ = f"{function.__name__}_{digest()}"
    key = f"{function.__qualname__}-{zlib.crc32(str(signature).encode()):08x}"
    with compiling(function.__name__):
        ahead.wait_for(key)
        ahead.report(ahead.BEGUN, key)
        wrappers = {"no_cfunc_wrapper": not as_pointer, "no_cpython_wrapper": as_pointer}
        dispatcher = _jitted(function, signature, cache=CAN_KEEP, pipeline_class=OwnCopies, **wrappers, **FLAGS)
        ahead.report(ahead.DONE, key)
    COMPILED.append((function.__name__, sum(dispatcher.stats.cache_hits.values()) > 0))
    return dispatcher.get_compile_result(signature)
