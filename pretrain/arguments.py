"""Command lines read by tyro, with errors of one line."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import TypeVar

import tyro

from fractalvid.errors import UserError

T = TypeVar("T")


def parse(kind: type[T], args: Sequence[str], *, program: str, default: T, description: str) -> T:
    """An instance of the dataclass `kind` from the command line; `--help` prints and exits.

    Raises:
        UserError: arguments that `kind` doesn't take.
    """
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught):
            return tyro.cli(kind, args=args, prog=program, default=default, description=description)
    except SystemExit as end:
        if end.code in (None, 0):
            raise
        raise UserError(one_line(caught.getvalue(), program)) from None


def one_line(box: str, program: str) -> str:
    """What tyro says in a box, as one line: the first paragraph, and the option it suggests."""
    inside = [re.sub(r"^[│|]\s?|\s*[│|]$", "", line).strip() for line in box.splitlines()]
    lines = [line for line in inside if line and line[0] not in "╭╰"]
    ends = (i for i, line in enumerate(lines) if line.startswith(("─", "Got errors")))
    text = " ".join(lines[: next(ends, len(lines))])
    guesses = (
        re.findall(r"^(--[\w-]+)", "\n".join(lines[lines.index("Perhaps you meant:") :]), re.M)
        if ("Perhaps you meant:" in lines)
        else []
    )
    hint = f"did you mean {guesses[0]}? " if guesses else ""
    return f"{text.rstrip('.')}; {hint}see {program} --help"
