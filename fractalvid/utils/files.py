"""Files that appear complete or not at all."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fractalvid.utils.errors import UserError


def _temporary(path: Path) -> Path:
    """One temporary name for each target: the next attempt replaces what a killed process left behind."""
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` once all of it is on the disk."""
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch.save turns some OSErrors into RuntimeErrors
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"can't write {path}: {reason}; nothing was replaced") from error
    finally:
        with suppress(OSError):  # what can't be removed (a name that is too long) must not hide the first error
            temporary.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes) -> None:
    """Replace the content of `path`, whole or not at all, without waiting for the disk.

    Raises:
        OSError: the folder can't be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # what can't be removed (a name that is too long) must not hide the first error
            temporary.unlink(missing_ok=True)


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file, then put it in the place of `path`.

    Raises:
        UserError: the folder can't be written to, or the disk is full; `path` is as it was.
    """
    with _replacing(path) as file:
        write(file)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes, whole or not at all; raises as `write_with` does."""
    write_with(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all; raises as `write_with` does. What is no UTF-8 becomes a question mark."""
    write_bytes(path, text.encode("utf-8", errors="replace"))


def make_folder(folder: Path) -> None:
    """Make the folder that a command's --out names, unless it is there.

    Raises:
        UserError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"can't make the folder {folder}: {error.strerror}; choose another --out") from error


def check_place(path: Path) -> None:
    """Make the folder of a file and try to write there: called before the long work whose result goes there.

    Raises:
        UserError: the file could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _temporary(path).open("wb").close()
        _temporary(path).unlink()
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}; choose another --out") from error
