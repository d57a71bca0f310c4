"""Numba's types of the arrays that compiled code takes: C-contiguous, by element and number of axes."""

from typing import Any

from numba import types


def _array(element: Any, axes: int) -> Any:
    return types.Array(element, axes, "C")


FLOAT32_1D = _array(types.float32, 1)
FLOAT32_2D = _array(types.float32, 2)
FLOAT32_3D = _array(types.float32, 3)
FLOAT32_4D = _array(types.float32, 4)
FLOAT32_5D = _array(types.float32, 5)
FLOAT64_4D = _array(types.float64, 4)
INT32_1D = _array(types.int32, 1)
INT32_2D = _array(types.int32, 2)
INT32_3D = _array(types.int32, 3)
INT64_1D = _array(types.int64, 1)
INT64_2D = _array(types.int64, 2)
UINT8_1D = _array(types.uint8, 1)
UINT8_2D = _array(types.uint8, 2)
UINT8_3D = _array(types.uint8, 3)
UINT8_4D = _array(types.uint8, 4)
UINT8_5D = _array(types.uint8, 5)
UINT32_1D = _array(types.uint32, 1)
UINT32_2D = _array(types.uint32, 2)
UINT32_3D = _array(types.uint32, 3)
UINT32_4D = _array(types.uint32, 4)
UINT64_1D = _array(types.uint64, 1)
UINT64_3D = _array(types.uint64, 3)


def named_tuple(cls: type, *fields: Any) -> Any:
    """The type of a `NamedTuple` whose fields are of these types."""
    return types.NamedTuple(fields, cls)
