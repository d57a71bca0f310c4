"""Errors of command lines, whatever characters the output takes."""

import io
import sys
from dataclasses import dataclass

import pytest

from fractalvid.arguments import one_line, parse
from fractalvid.errors import UserError

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
