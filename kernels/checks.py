"""Checks of what kernels are given. What they refuse becomes a `ValueError` that names the argument."""

import reprlib
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_STEPS = 2**31 - 1
"""Steps and points are counted in 32 bits."""


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is no whole number in `low`..`high`; neither 2.0 nor True is one."""
    if isinstance(value, bool) or not (isinstance(value, Integral) and low <= value <= high):
        raise ValueError(f"{name} must be a whole number, {low} to {high}, got {value!r}")


def check_threads(threads: int | None) -> None:
    """Refuse what is neither a number of threads nor None."""
    if threads is not None:
        check_whole("threads", threads, 1, MAX_STEPS)


def float_array(name: str, values: ArrayLike, *, finite: bool = True) -> NDArray[np.float32]:
    """Numbers as float32, by default none but finite ones; contiguous and writeable as compiled kernels demand."""
    array: NDArray[np.float32] = _converted(name, values, lambda: np.require(values, np.float32, ["C", "W"]))
    if finite and not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite")
    return array


def whole_array(name: str, values: ArrayLike, low: int, high: int) -> NDArray[Any]:
    """Whole numbers in `low`..`high`, of any integer type; 2.0 is none."""
    array: NDArray[Any] = _converted(name, values, lambda: _integers(values))
    # Python's integers beyond 64 bits make arrays of objects, and an empty list makes one of floats.
    whole = array.dtype.kind in "iu" or array.size == 0
    outside = [value for value in _extremes(array) if not low <= value <= high] if whole else [_brief(values)]
    if outside:
        raise ValueError(f"{name} must be whole numbers, {low} to {high}, got {outside[0]}")
    return array


def _extremes(array: NDArray[Any]) -> list[int]:
    """The least and the largest of whole numbers, if there are any."""
    return [int(array.min()), int(array.max())] if array.size else []


def _integers(values: ArrayLike) -> NDArray[Any]:
    """An array of the values. NumPy makes floats of a list with integers on both sides of 2⁶³: here they stay exact."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and not isinstance(values, np.ndarray):
        exact = np.asarray(values, object)
        if all(isinstance(value, Integral) and not isinstance(value, bool) for value in exact.flat):
            return exact.astype(np.uint64)
    return array


def _converted(name: str, values: ArrayLike, convert: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
            return convert()
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be numbers, got {_brief(values)}: {error}") from None


def _brief(values: ArrayLike) -> str:
    """Values in one short line, however many there are."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return " ".join(reprlib.repr(listed).split())
