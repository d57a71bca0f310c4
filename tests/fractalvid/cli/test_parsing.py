"""Errors of command lines, whatever characters the output takes."""

import io
import sys
from dataclasses import dataclass, field
from typing import Annotated

import pytest
import tyro

from fractalvid.cli.parsing import one_line, parse
from fractalvid.utils.errors import UserError

FANCY = """\
╭─ Unrecognized options ─────────────────────────╮
│ Unrecognized options: --clasess, 3             │
│ ────────────────────────────────────────────── │
│ Perhaps you meant:                             │
│     --classes INT                              │
│         (default: 3)                           │
│ ────────────────────────────────────────────── │
│ For full helptext, run p --help                │
╰────────────────────────────────────────────────╯
"""
PLAIN = """\
 Unrecognized options
 ----------------------------------------------
  Unrecognized options: --clasess, 3
  ----------------------------------------------
  Perhaps you meant:
      --classes INT
          (default: 3)
  ----------------------------------------------
  For full helptext, run p --help

"""


@dataclass(frozen=True)
class Options:
    """What a command takes."""

    classes: int = 3


@pytest.mark.parametrize("box", [FANCY, PLAIN])
def test_a_box_is_one_line(box: str) -> None:
    assert one_line(box, "p") == "Unrecognized options: --clasess, 3; did you mean --classes? see p --help"


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
    """Options in a group, and one of two names."""

    crop: Crop = field(default_factory=Crop)
    model: Annotated[str, tyro.conf.arg(aliases=("--arch",))] = ""


@pytest.mark.parametrize(
    ("given", "meant"), [("--crop-scale", "--crop.crop-scale"), ("--modle", "--model"), ("--arhc", "--arch")]
)
def test_the_whole_name_of_an_option_is_suggested_by_its_nearest_alias(given: str, meant: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(Nested, [given, "3"], program="p", default=Nested(), description="")
    assert str(raised.value) == f"Unrecognized options: {given}, 3; did you mean {meant}? see p --help"
