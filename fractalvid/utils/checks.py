"""Checks of settings and arguments, by their names."""

import math
from numbers import Integral, Real

from fractalvid.utils.errors import UserError

Range = tuple[float, float]

LARGEST = 2**31 - 1
"""Of what is counted: clips, batches, processes."""


def check_p(name: str, value: float) -> None:
    """Refuse what is no probability.

    Raises:
        UserError: with the setting's name.
    """
    if not (isinstance(value, Real) and 0 <= value <= 1):
        raise UserError(f"{name} must be a probability in 0..1, got {value!r}")


def check_range(name: str, values: Range, low: float, high: float) -> None:
    """Refuse what is no range (low, high), is reversed, or leaves low..high.

    Raises:
        UserError: with the setting's name.
    """
    pair = isinstance(values, tuple | list) and len(values) == 2 and all(isinstance(value, Real) for value in values)
    if not (pair and low <= values[0] <= values[1] <= high) or math.isinf(values[1]):
        shown = f"{low:g}..{high:g}" if math.isfinite(high) else f"{low:g} and above"
        raise UserError(f"{name} must be a range (low, high) within {shown}, got {values!r}")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse what is no number of low..high.

    Raises:
        UserError: with the setting's name.
    """
    if not (isinstance(value, Real) and low <= value <= high):
        raise UserError(f"{name} must be a number, {low:g} to {high:g}, got {value!r}")


def check_integer(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is no whole number of low..high, also one that is written as 2.0.

    Raises:
        UserError: with the setting's name.
    """
    if not (isinstance(value, Integral) and low <= value <= high):
        raise UserError(f"{name} must be a whole number, {low} to {high}, got {value!r}")


def check_count(name: str, value: int | None) -> None:
    """Refuse what is neither a whole number from 1 up nor None, which leaves it to the callee.

    Raises:
        UserError: with the argument's name.
    """
    if value is not None and not (isinstance(value, Integral) and value >= 1):
        raise UserError(f"{name} must be at least 1, got {value!r}: give a whole number")


def check_share(batch_size: int, rank: int, world_size: int) -> None:
    """Refuse what is no process' share of a global batch.

    Raises:
        UserError: with the argument's name.
    """
    check_integer("batch_size", batch_size, 1, LARGEST)
    check_integer("world_size", world_size, 1, LARGEST)
    check_integer("rank", rank, 0, world_size - 1)
