"""Notes to the user that are no errors: each is said once in a command."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from fractalvid.utils.messages.phrases import one_line

_said = set[str]()
_silent = ContextVar("silent", default=False)


def note(text: str) -> None:
    """Write a line to stderr, unless it was written before in this command."""
    if text not in _said and not _silent.get():
        _said.add(text)
        from tqdm import tqdm  # brings much that other commands do not need

        tqdm.write(f"note: {one_line(text)}", file=sys.stderr)


def forget_notes() -> None:
    """Begin another command, in which all may be said again."""
    _said.clear()


@contextmanager
def noting_nothing() -> Iterator[None]:
    """Inside, this thread's notes are left out: what is looked at is nothing that the user has asked for."""
    before = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(before)


@contextmanager
def noting_fallbacks() -> Iterator[None]:
    """Inside, a warning that the CPU works instead of a GPU is a note: a command's user needs no source line."""
    before = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        # All of ours name the CPU; what other packages warn of keeps its place in the source.
        if issubclass(category, RuntimeWarning) and "the CPU" in str(message):
            note(str(message))
        else:
            before(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
