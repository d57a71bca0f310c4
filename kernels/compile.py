"""How kernels are compiled: one place for the flags that decide speed and bits."""

from collections.abc import Callable
from typing import Any

from numba import njit

# Fused multiply-adds halve the polynomials; no other liberty is taken, so results depend neither on vector width nor on
# load. NumPy's error model leaves out the checks for division by zero, which would stop vectorisation.
FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

_inlined = njit(inline="always", **FLAGS)
_part = njit(inline="never", **FLAGS)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A small function that becomes part of its callers."""
    jitted: Callable[..., Any] = _inlined(function)
    return jitted


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is compiled for itself and called by drivers, which hold it in their own disk cache."""
    jitted: Callable[..., Any] = _part(function)
    return jitted


def driver(signature: Any, function: Callable[..., Any]) -> Any:
    """Compile a top-level function for one signature, kept in the disk cache; returns Numba's compile result."""
    return njit(signature, cache=True, **FLAGS)(function).get_compile_result(signature)
