"""Frozen dataclasses as configuration: changed by recipes, kept as JSON, compared when a run goes on."""

import dataclasses
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tomli_w
from tyro.constructors import PrimitiveConstructorSpec

from fractalvid.cli.parsing import TEXT_FORMS
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest
from fractalvid.utils.messages.phrases import one_line

C = TypeVar("C")


def field_names(config: Any) -> Iterator[str]:
    """Dotted names of all values of a configuration: `stream.clip_len`."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from (f"{field.name}.{name}" for name in field_names(value))
        else:
            yield field.name


def override(config: C, values: Mapping[str, Any], *, where: str) -> C:
    """A copy of `config` with some fields changed; a nested table changes the fields of a nested dataclass.

    Args:
        config: an instance of a frozen dataclass.
        values: field name -> value, as TOML or JSON gives them.
        where: what to call `values` in an error.

    Raises:
        UserError: a key that is no field, naming the nearest one, or a value of the wrong kind.
    """
    return _override(config, values, where, "", list(field_names(config)))


def _override(config: C, values: Mapping[str, Any], where: str, prefix: str, known: list[str]) -> C:
    hints = get_type_hints(type(config), include_extras=True)
    names = {field.name for field in dataclasses.fields(config)}  # type: ignore[arg-type]  # C is a dataclass
    changed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            tables = {name.rpartition(".")[0] for name in known} - {""}
            guess = nearest(prefix + key, tables if isinstance(value, Mapping) and tables else known)
            raise UserError(f"{where}: {one_line(prefix + key)} is no setting; did you mean {guess}?")
        table = _table(getattr(config, key), hints[key])
        if table is not None and isinstance(value, Mapping):
            inner = [f"{prefix}{key}.{name}" for name in field_names(table)]
            changed[key] = _override(table, value, where, f"{prefix}{key}.", [*known, *inner])
            continue
        try:
            changed[key] = convert(value, hints[key], f"{prefix}{key}")
        except ValueError as error:
            raise UserError(f"{where}: {prefix}{key} can't be {value!r}: {error}") from error
    try:
        return dataclasses.replace(config, **changed)  # type: ignore[type-var]  # likewise
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _table(current: Any, hint: Any) -> Any:
    """The dataclass that a nested table changes: what is there, or the default of one that may be absent; or None."""
    if dataclasses.is_dataclass(current):
        return current
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return next((kind() for kind in get_args(inner) if isinstance(kind, type) and dataclasses.is_dataclass(kind)), None)


_NAMED = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}
_NAMED |= {Path: "a path in quotes", tuple: "a list", types.NoneType: "null"}
"""What values of a type are called in TOML, or, where it has none, in JSON."""


def convert(value: Any, hint: Any, name: str = "") -> Any:
    """`value` from TOML or JSON as the type `hint` of a field; `name` is what that one's table would be called.

    Raises:
        ValueError: it is no such thing.
    """
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(value, str) and hint in TEXT_FORMS:
        return TEXT_FORMS[hint].instance_from_str([value])
    if origin is Annotated:
        return _annotated(value, args, name)
    if origin in (Union, types.UnionType):
        return _first_of(value, args, name)
    if origin is Literal:
        if value in args:
            return value
        raise ValueError(f"it can be {', '.join(map(str, args))}")
    if origin is tuple and isinstance(value, list | tuple):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ValueError(f"it needs {len(kinds)} values")
        return tuple(convert(v, kind) for v, kind in zip(value, kinds, strict=True))
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is None or hint is types.NoneType:
        if value is None:
            return None
    elif type(value) is hint:
        return value
    table = f"a table [{name}]" if name else "a table"
    raise ValueError(f"it must be {table if dataclasses.is_dataclass(hint) else _NAMED.get(origin or hint, hint)}")


def _annotated(value: Any, args: tuple[Any, ...], name: str) -> Any:
    """A type that the command line reads in its own way is read that way from a recipe's strings, too."""
    for spec in args[1:]:
        if isinstance(spec, PrimitiveConstructorSpec) and isinstance(value, str):
            return spec.instance_from_str([value])
    return convert(value, args[0], name)


def _first_of(value: Any, hints: tuple[Any, ...], name: str) -> Any:
    reasons = []
    for hint in hints:
        try:
            return convert(value, hint, name)
        except ValueError as error:
            # Nobody can write that there is none: a setting is left out then.
            reasons += [str(error)] * (hint is not types.NoneType)
    raise ValueError(" or ".join([reasons[0], *(reason.removeprefix("it must be ") for reason in reasons[1:])]))


def to_json(config: Any) -> dict[str, Any]:
    """A configuration as JSON has it: nested dicts, lists for tuples, text for paths."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(config))
    return plain


def to_toml(values: Mapping[str, Any]) -> str:
    """A configuration, as JSON has it, as a recipe in TOML; what is absent (None) is left out."""
    return tomli_w.dumps(_present(values)).strip()


def _present(value: Any) -> Any:
    """`value` without what is None in it."""
    return {k: _present(v) for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the fields in which two configurations, as JSON, differ."""
    names: list[str] = []
    for key in dict.fromkeys([*old, *new]):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            names += differences(a, b, f"{prefix}{key}.")
        elif a != b or key not in old or key not in new:
            names.append(prefix + key)
    return names
