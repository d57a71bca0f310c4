"""Errors a user can cause, and the one place that turns them into a line and an exit code."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

_INTERRUPTED, _UNREAD = 130, 141  # what a shell reports of programs that end by SIGINT and SIGPIPE


class UserError(Exception):
    """Something the user can put right. The text says what was wrong, where, and what to do, in one line."""


def run_cli(program: str, main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """Run a command, with one line for whatever goes wrong that is no mistake of the program.

    Returns:
        The exit code: what `main` returns (None is 0); 2 for a `UserError`, what the system refuses, and memory that
        does not suffice; 130 for Ctrl-C; 141, without a line, where nobody reads the output any more (`| head`).
    """
    # None where the caller has closed them (`2>&-`).
    sys.stdout, sys.stderr = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    try:
        return _ended(main, list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        return _failed(program, str(error))
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return _UNREAD
    except MemoryError as error:
        return _failed(program, f"not enough memory: {_first_line(error)}")
    except OSError as error:
        _discard_output()
        named = "" if error.filename is None else f"{error.filename}: "
        return _failed(program, named + (error.strerror or _first_line(error)))


def _ended(main: Callable[[list[str]], int | None], arguments: list[str]) -> int:
    """What `main` returns, once all that it printed is written; `--help` ends it by an exception of its own."""
    try:
        code = main(arguments) or 0
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
        code = 0
    print(end="", flush=True)
    return code


def _failed(program: str, text: str) -> int:
    print(f"{program}: error: {text}", file=sys.stderr)
    return 2


def _nowhere() -> TextIO:
    """What takes all that nobody is to read, from the processes of this one as well."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.set_inheritable(descriptor, True)
    return os.fdopen(descriptor, "w", encoding="utf-8")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _discard_output() -> None:
    """Where standard output can't take what is left for it, have nobody try again, and complain, at the very end."""
    try:
        print(end="", flush=True)
    except OSError:
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
