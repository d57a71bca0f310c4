"""Arithmetic with drawn arrays: uniforms over a range, and one function for all arrays of a dataclass."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.utils.checks import Range


def within(u: NDArray[np.float64], values: Range) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) stretched over a range."""
    return values[0] + u * (values[1] - values[0])


def map_arrays(function: Callable[..., Any], *parts: Any) -> Any:
    """Apply a function to the arrays of dataclasses of one type, field by field, and so in dataclasses inside them.

    None stays.

    Args:
        function: (array of each part) -> array.
        parts: dataclasses whose fields are arrays or such dataclasses.

    Returns:
        A dataclass of that type.
    """
    first = parts[0]
    if first is None:
        return None
    if not dataclasses.is_dataclass(first):
        return function(*parts)
    names = [field.name for field in dataclasses.fields(first)]
    values = {name: map_arrays(function, *(getattr(part, name) for part in parts)) for name in names}
    return dataclasses.replace(first, **values)  # type: ignore[type-var]  # an instance, not a class


def rows_of(part: Any, rows: slice | NDArray[np.int64]) -> Any:
    """A dataclass of arrays, at some rows of each; None stays."""
    return map_arrays(lambda array: array[rows], part)
