"""Files that appear complete or not at all."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fractalvid.utils.errors import UserError


def _temporary(path: Path) -> Path:
    """One name for each target, so that what a kill leaves behind is replaced by the next attempt."""
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` once everything is on the disk."""
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch.save turns some of the first into the second
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"can't write {path}: {reason}; nothing was replaced") from error
    finally:
        with suppress(OSError):  # what can't be removed, such as a name that is too long, hides no error before it
            temporary.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes) -> None:
    """Put bytes in the place of `path`, whole or not at all, without waiting for the disk.

    Raises:
        OSError: the folder can't be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # what can't be removed, such as a name that is too long, hides no error before it
            temporary.unlink(missing_ok=True)


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file, then put it in the place of `path`.

    Raises:
        UserError: the folder can't be written to, or the disk is full; what `path` held is still there.
    """
    with _replacing(path) as file:
        write(file)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes, whole or not at all; raises as `write_with` does."""
    write_with(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all; raises as `write_with` does. Names that are not UTF-8 show a ? in it."""
    write_bytes(path, text.encode("utf-8", errors="replace"))


def make_folder(folder: Path) -> None:
    """Make the folder that a command's --out names, unless it is there; a `UserError` where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"can't make the folder {folder}: {error.strerror}; choose another --out") from error


def check_place(path: Path) -> None:
    """Make the folder of a file and try to write there, before the long work whose result the file is to hold.

    Raises:
        UserError: the file could not be written; nothing was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _temporary(path).open("wb").close()
        _temporary(path).unlink()
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}; choose another --out") from error
