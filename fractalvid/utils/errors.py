"""Errors that a user can cause, and the one place that turns them into a line and an exit code."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from fractalvid.utils.messages.log import show_log
from fractalvid.utils.messages.notes import forget_notes, noting_fallbacks
from fractalvid.utils.messages.phrases import one_line, shortened
from fractalvid.utils.messages.words import with_home

_SIGINT_CODE, _SIGPIPE_CODE = 130, 141  # what a shell reports of programs that end by these signals


class UserError(Exception):
    """Something that the user can put right. Its one line says what was wrong, where, and what to do."""

    def __str__(self) -> str:
        """The line, without its middle where it quotes at length."""
        return shortened(super().__str__())


def run_cli(program: str, main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong without being a mistake of the program ends it with one line.

    `help COMMAND` is `COMMAND --help`.

    Returns:
        The exit code: what `main` returns (None is 0); 2 for a `UserError`, an `OSError` and too little memory; 130
        for Ctrl-C; 141, without a line, where nobody reads the output any more (`| head`).
    """
    # A stream is None where the caller has closed it (`2>&-`).
    sys.stdout, sys.stderr = (stream or _open_null() for stream in (sys.stdout, sys.stderr))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    forget_notes()
    show_log()
    arguments = list(map(with_home, sys.argv[1:] if argv is None else argv))
    try:
        return _run(main, [*arguments[1:], "--help"] if arguments[:1] == ["help"] else arguments)
    except UserError as error:
        return _failed(program, _as_typed(str(error), arguments))
    except KeyboardInterrupt:
        _print_error(f"{program}: interrupted")
        return _SIGINT_CODE
    except BrokenPipeError:
        _discard_output()
        return _SIGPIPE_CODE
    except MemoryError as error:
        return _failed(program, f"not enough memory: {_first_line(error)}")
    except RuntimeError as error:
        if not _wants_memory(error):
            raise
        return _failed(program, f"not enough memory: {_first_line(error)}; smaller batches or clips take less")
    except OSError as error:
        _discard_output()
        named = "" if error.filename is None else f"{error.filename}: "
        return _failed(program, named + (error.strerror or _first_line(error)))


def _run(main: Callable[[list[str]], int | None], arguments: list[str]) -> int:
    """What `main` returns, once all that it printed is written. `--help` raises `SystemExit` with code 0."""
    try:
        with noting_fallbacks():
            code = main(arguments) or 0
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
        code = 0
    print(end="", flush=True)
    return code


def _as_typed(message: str, arguments: Sequence[str]) -> str:
    """A message that begins with a setting's name in the library, with the option that was typed for it instead."""
    options = (argument.partition("=")[0] for argument in arguments if argument.startswith("--"))
    typed = {option.lstrip("-").replace("-", "_"): option for option in options}
    name, space, rest = message.partition(" ")
    return f"{typed.get(name.replace('-', '_'), name)}{space}{rest}"


def _failed(program: str, text: str) -> int:
    _print_error(f"{program}: error: {one_line(text)}")
    return 2


def _print_error(line: str) -> None:
    """Print a line on standard error; where that can't be written (a full disk), the exit code has to do."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _open_null() -> TextIO:
    """A file that takes what nobody is to read, from child processes too."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.set_inheritable(descriptor, True)
    return os.fdopen(descriptor, "w", encoding="utf-8")


_WANT = ("can't allocate memory", "not enough memory: you tried", "Cannot allocate memory", "out of memory")
"""What PyTorch says on Linux, on Windows, of files in memory, and where CUDA says it."""


def _wants_memory(error: RuntimeError) -> bool:
    """Whether it is how PyTorch, or oneDNN below it, says that memory is out."""
    said = str(error)
    # Of oneDNN alone: what it can't make for other reasons, it names.
    return said == "could not execute a primitive" or any(text in said for text in _WANT)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _discard_output() -> None:
    """Drop what standard output can't take, so that the interpreter does not try again, and complain, when it ends."""
    try:
        print(end="", flush=True)
    except OSError:
        _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """Let what waits in a stream, and all that follows, go nowhere."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
