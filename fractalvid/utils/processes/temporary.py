"""Temporary folders that outlive no process for long: what killed ones left goes when the next one is made."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fractalvid.utils.errors import UserError
from fractalvid.utils.processes.locks import exclusive_lock, waiting_lock

LOCK = ".lock"
"""A file in each such folder, which its process holds while it lives."""
_PREFIX = "fractalvid-work-"
_MAKING_SECONDS = 60.0
"""A folder that is without its lock for longer is being made by nobody."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder among the system's temporary files, removed in the end.

    Raises:
        OSError: it can't be made.
    """
    remove_abandoned(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with waiting_lock(folder / LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(folders: Iterable[Path]) -> None:
    """Remove those of some folders whose processes were killed; a living one holds the lock in its folder."""
    for folder in folders:
        with suppress(UserError, OSError):
            if _is_ours(folder):
                _remove_if_abandoned(folder)


def _is_ours(folder: Path) -> bool:
    """Whether this user made it: temporary files of all users may lie in one place."""
    about = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and (sys.platform == "win32" or about.st_uid == os.getuid())


def _remove_if_abandoned(folder: Path) -> None:
    if (folder / LOCK).is_file():
        with exclusive_lock(folder / LOCK, "its process lives"):
            shutil.rmtree(folder)
    elif time.time() - folder.stat().st_mtime > _MAKING_SECONDS:
        folder.rmdir()  # nothing but a folder is made before the lock
