"""Errors of command lines, whatever characters the output takes."""

import io
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
import tyro

from fractalvid.cli.parsing import parse
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Options:
    """What a command takes."""

    classes: int = 3


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_errors_are_the_same_in_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    with pytest.raises(UserError) as raised:
        parse(Options, ["--clasess", "3"], program="p", default=Options(), description="")
    assert str(raised.value) == "Unrecognized options: --clasess, 3; did you mean --classes? see p --help"
    with pytest.raises(UserError, match=r"^Error parsing --classes: invalid literal .* 'x'; see p --help$"):
        parse(Options, ["--classes", "x"], program="p", default=Options(), description="")


@dataclass(frozen=True)
class Crop:
    """A group of options."""

    crop_scale: float = 1.0


@dataclass(frozen=True)
class Nested:
    """Options in a group, one of two names, a choice, and one that may be absent."""

    crop: Crop = field(default_factory=Crop)
    model: Annotated[str, tyro.conf.arg(aliases=("--arch",))] = ""
    way: Literal["in", "out"] = "in"
    count: int | None = None


@pytest.mark.parametrize(
    ("given", "meant"), [("--crop-scale", "--crop.crop-scale"), ("--modle", "--model"), ("--arhc", "--arch")]
)
def test_the_whole_name_of_an_option_is_suggested_by_its_nearest_alias(given: str, meant: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(Nested, [given, "3"], program="p", default=Nested(), description="")
    assert str(raised.value) == f"Unrecognized options: {given}, 3; did you mean {meant}? see p --help"


@dataclass(frozen=True)
class Output:
    """What has no default."""

    out: str
    """Folder for
    the results."""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--crop.crop-scale"], "Missing value for argument '--crop.crop-scale'. Expected 1 values"),
        (["--way", "up"], "invalid choice 'up' for argument '--way'. Expected one of ('in', 'out')"),
        (["--count", "1.5"], "Error parsing --count: no type matching {None}|INT could be instantiated from ['1.5']"),
        (["--modle", "a", "--wya", "b"], "Unrecognized options: --modle, a, --wya, b; did you mean --model?"),
        (["4"], "Unrecognized options: 4"),
    ],
)
def test_every_refusal_is_one_line(given: list[str], said: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(Nested, given, program="p", default=Nested(), description="")
    assert str(raised.value).removesuffix("; see p --help").removesuffix(" see p --help") == said


def test_what_is_missing_is_explained() -> None:
    with pytest.raises(UserError) as raised:
        parse(Output, [], program="p", default=Output(tyro.MISSING), description="")
    assert str(raised.value) == "Missing from p: --out STR (Folder for the results); see p --help"


def test_a_tyro_without_its_private_interface_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("tyro._errors")
    with pytest.raises(SystemExit) as ended:
        parse(Options, ["--clasess", "3"], program="p", default=Options(), description="")
    assert ended.value.code == 2
    assert "--clasess" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["1", "4"])
def test_help_is_there_on_a_screen_without_room(columns: str) -> None:
    command = [sys.executable, "-m", "fractalvid", "verify", "--help-all"]
    done = subprocess.run(command, env=os.environ | {"COLUMNS": columns}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--repair" in done.stdout


@pytest.mark.parametrize("columns", ["4", "100", None])
def test_the_width_that_is_said_is_as_it_was(columns: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    parse(Options, ["--classes", "4"], program="p", default=Options(), description="")
    with pytest.raises(UserError):
        parse(Options, ["--classes", "x"], program="p", default=Options(), description="")
    assert os.environ.get("COLUMNS") == columns
