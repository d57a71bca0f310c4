"""The one reader of JSON and TOML: what others may have written is bounded, and typed, before anybody uses it.

A type is what `msgspec.convert` takes: dataclasses, lists and dicts of them, numbers with bounds. Whatever a file holds
instead is one line that names the file, the field and what was expected there.
"""

import dataclasses
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from os import PathLike, fstat
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn, TypeVar

import msgspec
import numpy as np

from fractalvid.utils.errors import UserError

T = TypeVar("T")
Place = str | PathLike[str]

MAX_BYTES = 2**26
"""Of a document, unless its reader says otherwise."""
MAX_LOG_BYTES = 2**30
"""Of those that grow with a data set or a run: an index, rows, a log."""
MAX_TOML_BYTES = 2**16
_TOML_LINE = 4096  # the parser's time grows with the square of the parts of a key
_PIECE = 2**20
MAX_DEPTH = 32
"""Tables within tables. Python's own limit would fall on whoever walks through them later."""
_DIGITS = 20  # of 2**64
_SHOWN = 200

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""Of things that there are."""
ByteCount = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Of a file, or a place in one."""
Seed = Annotated[int, msgspec.Meta(ge=0)]  # msgspec knows no bounds beyond 2**63; `_DIGITS` is one
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Table = dict[str, Any]
"""With text for keys, and anything for values."""


class DocumentError(UserError):
    """A document that can't be read, or does not hold what it should."""


def read_json(path: Path, kind: type[T], *, what: str, most: int = MAX_BYTES, non_finite: bool = False) -> T:
    """The content of a JSON file.

    Args:
        path: the file.
        kind: the type it must have.
        what: what it is called in an error: "the card".
        most: bytes that it may have.
        non_finite: allow NaN and Infinity, which Python writes and JSON does not know.

    Raises:
        DocumentError: it can't be read, is no JSON, too large or nested too deep, or is not of the type.
    """
    return parse_json(read_bytes(path, what=what, most=most), kind, where=f"{what} {path}", non_finite=non_finite)


def read_toml(path: Path, kind: type[T], *, what: str) -> T:
    """The content of a TOML file; arguments and errors as of `read_json`."""
    where = f"{what} {path}"
    data = read_bytes(path, what=what, most=MAX_TOML_BYTES)
    longest = max(map(len, data.splitlines()), default=0)
    if longest > _TOML_LINE:
        _refuse(where, f"a line of {longest} characters")
    try:
        # Editors of Windows begin a file with a byte order mark, which TOML does not know.
        content = tomllib.loads(data.decode("utf-8-sig"))
    except RecursionError:
        _refuse(where, f"nested more than {MAX_DEPTH} deep")
    except ValueError as error:  # also of bytes that are no UTF-8
        raise DocumentError(f"{where} is not valid TOML: {_short(error)}") from None
    _check_values(content, where)
    return convert(content, kind, where=where)


def read_bytes(path: Path, *, what: str, most: int = MAX_BYTES) -> bytes:
    """The content of a file of bounded size.

    Raises:
        DocumentError: it can't be read, or is larger than `most` bytes.
    """
    try:
        with path.open("rb") as file:
            data = _at_most(file, most) if fstat(file.fileno()).st_size <= most else None
    except (OSError, ValueError) as error:  # the latter of names with a zero byte
        raise DocumentError(f"cannot read {what} {path}: {getattr(error, 'strerror', None) or error}") from error
    if data is None or len(data) > most:
        raise DocumentError(f"{what} {path} is larger than {most / 2**20:g} MiB: it can't be what it should")
    return data


def _at_most(file: BinaryIO, most: int) -> bytes:
    """What a file holds, or of one that holds more, `most` bytes and some."""
    # Python sets aside as many bytes as it is told to read, which most systems lend and some refuse.
    data = file.read(fstat(file.fileno()).st_size + 1)
    pieces = [data]
    # A pipe or a device says that it has no size.
    while data and sum(map(len, pieces)) <= most:
        data = file.read(_PIECE)
        pieces.append(data)
    return b"".join(pieces)


def parse_json(data: bytes | str, kind: type[T], *, where: str, non_finite: bool = False) -> T:
    """What some JSON text holds; `where` names it in errors, else as `read_json`."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        _refuse(where, f"nested more than {MAX_DEPTH} deep")
    try:
        # Names of files that are no Unicode stand in our own files as halves of surrogate pairs, which others refuse.
        content = (_ANY_NUMBER if non_finite else _FINITE).decode(data.decode("utf-8-sig"))
    except RecursionError:
        _refuse(where, "nested too deep")
    except _NumberError as error:
        _refuse(where, str(error))
    except ValueError as error:
        raise DocumentError(f"{where} is damaged: it is not JSON ({_short(error)})") from None
    return convert(content, kind, where=where)


def convert(content: Any, kind: type[T], *, where: str) -> T:
    """Plain values, as JSON or TOML give them, as a type.

    Raises:
        DocumentError: the first field that is not of its type.
    """
    try:
        return msgspec.convert(content, kind, strict=True)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at ")
        field = place.strip("`").removeprefix("$").removeprefix(".")
        said = said.replace("Object missing required field", "no").replace("Expected", "expected")
        said = _short(_TYPE.sub(_called, said))
        _refuse(where, f"{field}: {said}" if field else said)
    except UserError as error:  # of a dataclass that checks itself
        _refuse(where, str(error))


def convert_config(values: Table, kind: type[T], *, where: str, complete: bool = False) -> T:
    """A dataclass of settings from its values; other than in documents that may grow, there is none that it ignores.

    Args:
        values: by the names of its fields.
        kind: a dataclass.
        where: as of `parse_json`.
        complete: whether all must be there, where a default need not have been what was meant.

    Raises:
        DocumentError: a value of another type, a name that is no field's, or one that the dataclass refuses.
    """
    lacking = (field.name for field in dataclasses.fields(kind) if field.name not in values)  # type: ignore[arg-type]
    first = next(lacking, None)
    if complete and first is not None:
        _refuse(where, f"no {first}")
    config = convert(values, kind, where=where)
    unknown = next(_unknown(values, config), None)
    if unknown is not None:
        _refuse(where, f"{unknown[:_SHOWN]!r} is no setting")
    return config


def _unknown(values: Mapping[str, Any], config: Any) -> Iterator[str]:
    """Names of values that are no fields, in nested tables too."""
    names = {field.name for field in dataclasses.fields(config)}
    for name, value in values.items():
        if name not in names:
            yield name
        elif dataclasses.is_dataclass(inner := getattr(config, name)) and isinstance(value, Mapping):
            yield from _unknown(value, inner)


_TYPE = re.compile("`([^`]*)`")
_CALLED = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "null": "nothing"}
_CALLED |= {"array": "a list", "object": "a table"}
"""What types are called for people."""


def _called(match: re.Match[str]) -> str:
    return " or ".join(_CALLED.get(name, name) for name in match[1].split(" | "))


def _refuse(where: str, reason: str) -> NoReturn:
    raise DocumentError(f"{where} is damaged, or is none ({reason})") from None


def _short(error: object) -> str:
    """The first line of what a parser says, which may quote what it was given."""
    line = next(iter(str(error).splitlines()), "")
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


class _NumberError(ValueError):
    """A number that no document needs."""


def _int(text: str) -> int:
    if len(text) > _DIGITS:
        raise _NumberError(f"a number of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _NumberError(f"{text[:_DIGITS]} is too large a number")
    return value


def _constant(text: str) -> float:
    raise _NumberError(f"{text} is no number of JSON")


_FINITE = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=_constant)
_ANY_NUMBER = json.JSONDecoder(parse_int=_int, parse_float=_float)

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1


def _depth(data: bytes) -> int:
    """How deep lists and objects are nested, found without nesting anything."""
    steps = _STEP[np.frombuffer(_STRING.sub(b"", data), np.uint8)]
    return int(np.cumsum(steps[steps != 0], dtype=np.int64).max(initial=0))


def _check_values(content: Any, where: str) -> None:
    """Refuse what TOML allows and nobody can use: dotted keys without end, numbers beyond all bounds."""
    for value, depth in _walk(content):
        if depth > MAX_DEPTH:
            _refuse(where, f"nested more than {MAX_DEPTH} deep")
        large = type(value) is int and abs(value) >= 2**64
        if large or (isinstance(value, float) and not math.isfinite(value)):
            _refuse(where, "a number beyond all bounds")


def _walk(content: Any) -> Iterator[tuple[Any, int]]:
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(one, depth + 1) for one in inner]
