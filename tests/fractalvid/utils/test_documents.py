"""Documents of others: any content at all gives a value or one line, soon."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fractalvid.utils.documents import (
    Count,
    DocumentError,
    Table,
    convert_config,
    parse_json,
    read_bytes,
    read_json,
    read_toml,
)


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 1.0


@dataclasses.dataclass(frozen=True)
class Thing:
    count: Count
    name: str
    about: Table = dataclasses.field(default_factory=dict)
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"count": NaN, "name": ""}', "NaN is no number"),
        ('{"count": -Infinity, "name": ""}', "-Infinity is no number"),
        ('{"count": 1, "name": 1e999}', "1e999 is too large"),
        (f'{{"count": {"9" * 5000}}}', "a number of 5000 digits"),
        ('{"count": 2147483648, "name": ""}', "count: expected a whole number <= 2147483647"),
        ('{"count": [1], "name": ""}', "count: expected a whole number, got a list"),
        ('{"count": true, "name": ""}', "count: expected a whole number, got true or false"),
        ('{"count": 1}', "no name"),
        ('{"count": 1, "name": "", "inner": {"rate": "x"}}', "inner.rate: expected a number, got text"),
        ("[]", "expected a table, got a list"),
        ("[" * 100_000, "nested more than"),
        ('{"a":' * 100_000, "nested more than"),
        ('"' + '\\"[' * 100_000, "is not JSON"),
        ("", "is not JSON"),
        ("\udcff", "is not JSON"),
    ],
)
def test_what_is_no_document_is_one_line_that_names_file_and_field(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DocumentError, match=said) as error:
        read_json(path, Thing, what="the thing")
    assert str(error.value).startswith(f"the thing {path}")
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500 + len(str(path))


def test_names_that_are_no_unicode_and_brackets_in_text_are_read() -> None:
    text = json.dumps({"count": 1, "name": "a\udcff", "about": {"b": "[" * 1000, "c": '\\"{' * 100}})
    assert parse_json(text, Thing, where="").name == "a\udcff"


def test_logs_may_hold_what_is_no_number_of_json() -> None:
    assert parse_json('{"loss": Infinity}', Table, where="", non_finite=True) == {"loss": float("inf")}


def test_settings_have_no_names_that_nobody_reads() -> None:
    assert convert_config({"count": 1, "name": ""}, Thing, where="x") == Thing(1, "")
    values: list[tuple[Any, str]] = [({"no": 1}, "'no' is no"), ({"inner": {"no": 1}}, "'no' is no")]
    for value, said in values:
        with pytest.raises(DocumentError, match=said):
            convert_config({"count": 1, "name": "", **value}, Thing, where="x")
    with pytest.raises(DocumentError, match="no about"):
        convert_config({"count": 1, "name": ""}, Thing, where="x", complete=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 2000, "nested|valid TOML"),
        ("a = " + "[" * 100 + "]" * 100, "nested more than"),
        (".".join(["a"] * 20_000) + " = 1", "a line of"),
        ("a = " + "9" * 4000, "beyond all bounds"),
        ("a = " + "9" * 4096, "a line of"),
        ("a = nan", "beyond all bounds"),
        ("a = 1\n" * 20_000, "larger than"),
        ("a = \xff", "valid TOML"),
    ],
)
def test_toml_likewise(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(DocumentError, match=said):
        read_toml(path, Table, what="the recipe")


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / ("x" * 5000), tmp_path / "a\0b"):
        with pytest.raises(DocumentError, match="cannot read the thing"):
            read_bytes(path, what="the thing")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    for path in (tmp_path / "large", Path("/dev/zero")):
        with pytest.raises(DocumentError, match="larger than"):
            read_bytes(path, what="the thing", most=1000)


def test_no_more_memory_is_asked_for_than_a_file_needs(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"abc")
    assert read_bytes(tmp_path / "small", what="it", most=2**50) == b"abc"
    with pytest.raises(DocumentError, match="larger than"):
        read_bytes(tmp_path / "small", what="it", most=2)
    if Path("/dev/zero").exists():
        with pytest.raises(DocumentError, match="larger than 3 MiB"):
            read_bytes(Path("/dev/zero"), what="it", most=3 * 2**20)
