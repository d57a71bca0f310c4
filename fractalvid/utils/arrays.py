"""What drawn parts share: uniforms over a range, and dataclasses of arrays taken as a whole."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.utils.checks import Range


def within(u: NDArray[np.float64], values: Range) -> NDArray[np.float64]:
    """Uniforms of [0, 1) over a range."""
    return values[0] + u * (values[1] - values[0])


def map_arrays(function: Callable[..., Any], *parts: Any) -> Any:
    """`function` of every array of dataclasses of one type, and of those inside them."""
    first = parts[0]
    if not dataclasses.is_dataclass(first):
        return function(*parts)
    names = [field.name for field in dataclasses.fields(first)]
    values = {name: map_arrays(function, *(getattr(part, name) for part in parts)) for name in names}
    return dataclasses.replace(first, **values)  # type: ignore[type-var]  # an instance, not a class
