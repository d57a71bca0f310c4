"""Checks of settings and arguments. What they refuse becomes a `UserError` that names the setting and the value."""

import math
from collections.abc import Collection
from numbers import Integral, Real

from fractalvid.utils.errors import UserError

Range = tuple[float, float]
"""The smallest and the largest value, both included."""

MAX_COUNT = 2**31 - 1
"""The largest number of clips, batches or processes that a setting may ask for."""


def check_p(name: str, value: float) -> None:
    """Refuse what is no number in 0..1.

    Raises:
        UserError: with the setting's name.
    """
    if not (isinstance(value, Real) and 0 <= value <= 1):
        raise UserError(f"{name} must be a probability in 0..1, got {value!r}")


def check_range(name: str, values: Range, low: float, high: float) -> None:
    """Refuse what is no pair of numbers, is reversed, or does not lie within `low`..`high`; infinity is refused too.

    Raises:
        UserError: with the setting's name.
    """
    pair = isinstance(values, tuple | list) and len(values) == 2 and all(isinstance(value, Real) for value in values)
    if not (pair and low <= values[0] <= values[1] <= high) or math.isinf(values[1]):
        shown = f"{low:g}..{high:g}" if math.isfinite(high) else f"{low:g} and above"
        raise UserError(f"{name} must be a range (low, high) within {shown}, got {values!r}")


def check_number(
    name: str, value: float, low: float, high: float, *, above_low: bool = False, below_high: bool = False
) -> None:
    """Refuse what is no number in `low`..`high`, or equals an end that `above_low` or `below_high` leaves out.

    Raises:
        UserError: with the setting's name.
    """
    inside = isinstance(value, Real) and low <= value <= high
    if not inside or (above_low and value == low) or (below_high and value == high):
        ends = f"{'above ' if above_low else ''}{low:g} to {'below ' if below_high else ''}{high:g}"
        raise UserError(f"{name} must be a number, {ends}, got {value!r}")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Refuse what is none of some words.

    Raises:
        UserError: with the setting's name.
    """
    if value not in choices:
        raise UserError(f"{name} must be {' or '.join(choices)}, got {value!r}")


def check_integer(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is no whole number in `low`..`high`; 2.0 is none.

    Raises:
        UserError: with the setting's name.
    """
    if not (isinstance(value, Integral) and low <= value <= high):
        raise UserError(f"{name} must be a whole number, {low} to {high}, got {value!r}")


def check_count(name: str, value: int | None) -> None:
    """Refuse what is neither a whole number from 1 up nor None.

    Raises:
        UserError: with the argument's name.
    """
    if value is not None and not (isinstance(value, Integral) and value >= 1):
        raise UserError(f"{name} must be at least 1, got {value!r}: give a whole number")


def check_share(batch_size: int, rank: int, world_size: int) -> None:
    """Refuse a batch size, a rank and a number of processes that do not make a process' share of a global batch.

    Raises:
        UserError: with the argument's name.
    """
    check_integer("batch_size", batch_size, 1, MAX_COUNT)
    check_integer("world_size", world_size, 1, MAX_COUNT)
    check_integer("rank", rank, 0, world_size - 1)
