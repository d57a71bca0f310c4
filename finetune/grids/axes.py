"""Axes of a grid: settings by their dotted names, each with the values that it takes in turn."""

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fractalvid.pretrain.recipes import override
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import one_line

C = TypeVar("C")
Axes = Mapping[str, Sequence[Any]]
"""Dotted name of a setting -> its values, in order."""

MOST_CELLS = 10_000
"""Of a grid: more are a mistake."""
_MOST_NAME = 100
"""Characters of a folder's name."""


def flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, by dotted names."""
    values: dict[str, Any] = {}
    for name, value in tables.items():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return values


def parse_value(text: str) -> bool | int | float | str:
    """What a word of a command line is as TOML would have it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def check_axes(axes: Axes, *, where: str) -> None:
    """Raise `UserError` for axes that make no grid: none, an empty one, a value twice, or too many cells."""
    if not axes:
        raise UserError(f"{where}: no setting has several values; give some, as --lr 1e-4 5e-4 1e-3")
    for name, values in axes.items():
        check_values(name, values, where=where)
    cells = math.prod(map(len, axes.values()))
    if cells > MOST_CELLS:
        raise UserError(f"{where}: {cells:,} cells, and a grid has at most {MOST_CELLS:,}")


def check_values(name: str, values: Any, *, where: str) -> None:
    """Raise `UserError` for what is no list of values, an empty one, or one with a value twice."""
    if not isinstance(values, list | tuple):
        raise UserError(f"{where}: {name} must be a list of values, got {shown(values)}")
    if not values:
        raise UserError(f"{where}: {name} has no values")
    twice = next((value for k, value in enumerate(values) if value in values[:k]), None)
    if twice is not None:
        raise UserError(f"{where}: {name} names {shown(twice)} twice")


def combinations(axes: Axes) -> Iterator[dict[str, Any]]:
    """Every cell of the grid as its settings, the last axis changing first."""
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def changed(config: C, values: Mapping[str, Any], *, where: str) -> C:
    """A frozen dataclass with other values of settings by dotted names; all at once, since one may allow another.

    Raises:
        UserError: no such setting, naming the nearest, or a value that it cannot have.
    """
    tables: dict[str, Any] = {}
    for item in values.items():
        tables = _merged(tables, _nested(item))
    return override(config, tables, where=where)


def _nested(item: tuple[str, Any]) -> dict[str, Any]:
    first, *rest = item[0].split(".")
    return {first: _nested((".".join(rest), item[1])) if rest else item[1]}


def _merged(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    both = {name for name in left.keys() & right.keys() if isinstance(left[name], dict)}
    return {**left, **right, **{name: _merged(left[name], right[name]) for name in both}}


def shown(value: Any) -> str:
    """A value of a cell as tables show it."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return "-".join(map(shown, value)) if isinstance(value, list | tuple) else one_line(str(value))


def folder_name(values: Mapping[str, Any]) -> str:
    """What the folder of a cell is called: its settings, or of very many a digest of them."""
    name = "_".join(f"{key}-{shown(value)}" for key, value in values.items())
    plain = re.sub(r"[^\w.+-]", "-", name)
    if plain == name and len(name) <= _MOST_NAME:
        return name
    return f"{plain[:_MOST_NAME]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
