"""Files that appear complete or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fractalvid.errors import UserError


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` once everything is on the disk."""
    # One name for each target, so that what a kill leaves behind is replaced by the next attempt.
    temporary = path.with_name(f".{path.name}.tmp")
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
        temporary.unlink(missing_ok=True)


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file, then put it in the place of `path`.

    Raises:
        UserError: the folder can't be written to, or the disk is full; what `path` held is still there.
    """
    with _replacing(path) as file:
        write(file)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all; raises as `write_with` does."""
    write_with(path, lambda file: file.write(text.encode("utf-8")))
