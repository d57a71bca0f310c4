"""Checks that settings of objectives share."""

import math

from fractalvid.utils.errors import UserError


def check_size(name: str, value: int | None) -> None:
    """Raise a `UserError`, which calls it `name`, for a number that can't be one of components or entries."""
    if value is not None and not 1 <= value <= 2**24:
        raise UserError(f"{name} is {value}; it must be at least 1 and at most {2**24}")


def check_temperature(name: str, value: float) -> None:
    """Raise a `UserError`, which calls it `name`, for what can't divide."""
    if not 0 < value < math.inf:
        raise UserError(f"{name} is {value}; it must be above 0")


def check_weight(name: str, value: float) -> None:
    """Raise a `UserError`, which calls it `name`, for what can't weigh a loss."""
    if not 0 <= value < math.inf:
        raise UserError(f"{name} is {value}; it must be 0 (off) or above")
