"""Checks of settings and arguments. What they refuse becomes a `UserError` that names the setting and the value."""

import dataclasses
import math
import types
import typing
from collections.abc import Collection, Mapping
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from fractalvid.utils.errors import UserError

Range = tuple[float, float]
"""The smallest and the largest value, both included."""

MAX_COUNT = 2**31 - 1
"""The largest number of clips, batches or processes that a setting may ask for."""
MAX_SETTING = 1e6
"""Largest value of settings without a limit of their own: no picture needs more, and float32 is far from overflow."""
MAX_THREADS = 1024
"""Threads that a setting may ask for."""


def is_real(value: object) -> bool:
    """Whether a value is a real number, Python's or NumPy's; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether a value is an integer, Python's or NumPy's; True and False are none, and neither is 2.0."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_fields(config: object, where: str = "") -> None:
    """Refuse a frozen dataclass whose fields do not hold what their annotations say. To be called first of all checks.

    An int will do for a float, a list or an array for a tuple, text for a path, and NumPy's scalars for Python's, which
    take their place: what is kept can be compared, hashed and written as JSON. Whether a number is in its range, and
    neither infinite nor NaN, is for other checks.

    Args:
        config: the dataclass, in its `__post_init__`.
        where: what stands before the fields' names in messages, such as "background.".

    Raises:
        UserError: with the field's name, what it must be, and the value.
    """
    kind: Any = type(config)
    for name, hint in _hints(kind).items():
        value = getattr(config, name)
        fitted = _fitted(value, hint)
        if fitted is _MISFIT:
            raise UserError(f"{where}{name} must be {_described(hint)}, got {shown(value)}")
        if _is_long(fitted):
            raise UserError(f"{where}{name} is {shown(value)}: no number that long has a meaning here")
        if isinstance(fitted, str | Path) and "\0" in str(fitted):  # no name of a file may hold one
            raise UserError(f"{where}{name} holds a zero byte: {shown(value)}")
        if type(value) not in (bool, int, float, str) or isinstance(fitted, Path):
            object.__setattr__(config, name, fitted)


_LONGEST_SHOWN = 200
"""Letters of a value in a message."""

_LONGEST_INTEGER = 128
"""Bits of an integer."""
_MISFIT = object()
"""In place of a value that is not what its annotation says."""


@cache
def _hints(config_type: Any) -> Mapping[str, Any]:
    """The annotations of a dataclass's fields."""
    hints = typing.get_type_hints(config_type)
    return {field.name: hints[field.name] for field in dataclasses.fields(config_type)}


def _fitted(value: Any, hint: Any) -> Any:
    """A value as its annotation says, which is itself, or the same of another type; or `_MISFIT`."""
    if isinstance(value, Mapping):  # for a dataclass; documents are read elsewhere
        return _MISFIT
    if dataclasses.is_dataclass(value) and isinstance(value, _classes(hint)):  # msgspec takes none of a subclass
        return value
    try:
        return msgspec.convert(_plain(value), hint, strict=True, dec_hook=_instance)
    except (msgspec.ValidationError, OverflowError):  # of an int that no float can hold
        return _MISFIT


def _classes(hint: Any) -> tuple[type, ...]:
    """The plain classes that an annotation allows."""
    return tuple(option for option in typing.get_args(hint) or (hint,) if isinstance(option, type))


def _instance(kind: Any, value: Any) -> Any:
    """What msgspec knows nothing of: an instance is itself, and text will do for a path."""
    if isinstance(value, kind):
        return value
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError  # which msgspec tells as a misfit


def _is_long(value: Any) -> bool:
    """Whether a value is an integer of more bits than any that has a meaning; Python would refuse to print some."""
    return isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER


def shown(value: object) -> str:
    """A value as messages show it: in Python's words, and not over a line where somebody gave a whole array."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # a number of more digits than Python prints
        return "a number of very many digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays as Python's, in tuples and lists too."""
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


_NAMES = {bool: "True or False", int: "a whole number", float: "a number", str: "a word", type(None): "None"}
_NAMES |= {Path: "a path"}
_MANY = {int: "whole numbers", float: "numbers", str: "words"}


def _described(hint: Any) -> str:
    """What an annotation asks for, in words."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_described(option) for option in options)
    if origin is Literal:
        return " or ".join(map(str, options))
    if origin is tuple:
        return _described_tuple(options)
    return _NAMES.get(hint) or f"{'an' if hint.__name__[0] in 'AEIOU' else 'a'} {hint.__name__}"


def _described_tuple(options: tuple[Any, ...]) -> str:
    kind = _MANY.get(options[0], "values")
    if options[-1] is not Ellipsis:
        return f"a range (low, high) of {kind}" if len(options) == 2 else f"a tuple of {len(options)} {kind}"
    words = typing.get_args(options[0])
    return f"a tuple of some of {', '.join(map(str, words))}" if words else f"a tuple of {kind}"


def check_p(name: str, value: float) -> None:
    """Refuse what is no number in 0..1.

    Raises:
        UserError: with the setting's name.
    """
    if not (is_real(value) and 0 <= value <= 1):
        raise UserError(f"{name} must be a probability in 0..1, got {shown(value)}")


def check_range(name: str, values: Range, low: float, high: float) -> None:
    """Refuse what is no pair of numbers, is reversed, or does not lie within `low`..`high`; infinity is refused too.

    Raises:
        UserError: with the setting's name.
    """
    pair = isinstance(values, tuple | list) and len(values) == 2 and all(map(is_real, values))
    if not (pair and low <= values[0] <= values[1] <= high) or math.isinf(values[1]):
        ends = f"{low:g}..{high:g}" if math.isfinite(high) else f"{low:g} and above"
        raise UserError(f"{name} must be a range (low, high) within {ends}, got {shown(values)}")


def check_number(
    name: str, value: float, low: float, high: float, *, above_low: bool = False, below_high: bool = False
) -> None:
    """Refuse what is no number in `low`..`high`, or equals an end that `above_low` or `below_high` leaves out.

    Raises:
        UserError: with the setting's name.
    """
    inside = is_real(value) and low <= value <= high
    if not inside or (above_low and value == low) or (below_high and value == high):
        ends = f"{'above ' if above_low else ''}{low:g} to {'below ' if below_high else ''}{high:g}"
        raise UserError(f"{name} must be a number, {ends}, got {shown(value)}")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Refuse what is none of some words.

    Raises:
        UserError: with the setting's name.
    """
    if value not in choices:
        raise UserError(f"{name} must be {' or '.join(choices)}, got {shown(value)}")


def check_integer(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is no whole number in `low`..`high`; 2.0 is none.

    Raises:
        UserError: with the setting's name.
    """
    if not (is_whole(value) and low <= value <= high):
        raise UserError(f"{name} must be a whole number, {low} to {high}, got {shown(value)}")


def check_count(name: str, value: int | None) -> None:
    """Refuse what is neither a whole number from 1 to `MAX_COUNT` nor None.

    Raises:
        UserError: with the argument's name.
    """
    if value is not None and not (is_whole(value) and value >= 1):
        raise UserError(f"{name} must be at least 1, got {shown(value)}: give a whole number")
    if value is not None and value > MAX_COUNT:
        raise UserError(f"{name} must be at most {MAX_COUNT}, got {shown(value)}")


def check_at_most(config: object, most: Mapping[str, float]) -> None:
    """Refuse fields of a dataclass that are above their largest values; None is in order.

    Raises:
        UserError: with the field's name.
    """
    for name, limit in most.items():
        value = getattr(config, name)
        if value is not None and not value <= limit:
            raise UserError(f"{name} must be a number of at most {limit:.12g}, got {shown(value)}")


def check_instance(name: str, value: object, kind: type) -> None:
    """Refuse what is no instance of a class.

    Raises:
        UserError: with the argument's name.
    """
    if not isinstance(value, kind):
        raise UserError(f"{name} must be {_described(kind)}, got {shown(value)}")


def check_share(batch_size: int, rank: int, world_size: int) -> None:
    """Refuse a batch size, a rank and a number of processes that do not make a process' share of a global batch.

    Raises:
        UserError: with the argument's name.
    """
    check_integer("batch_size", batch_size, 1, MAX_COUNT)
    check_integer("world_size", world_size, 1, MAX_COUNT)
    check_integer("rank", rank, 0, world_size - 1)
