"""The folder in which compiled kernels are kept from process to process, settled before anything is compiled.

Numba looks for one in three places, and raises an error where none of them can be written, as in a read-only container
under a user without a home. Then they are kept in a folder of the user's own among the temporary files.
"""

import os
import stat
import tempfile
from pathlib import Path
from typing import Any, cast

from numba import config
from numba.misc.appdirs import AppDirs


def users_folder() -> Path | None:
    """The folder that NUMBA_CACHE_DIR names, if it does; in it, `~` is the user's home."""
    name = os.path.expanduser(os.environ.get("NUMBA_CACHE_DIR", ""))
    return Path(name) if name and not name.startswith("~") else None


def numba_folders() -> list[Path]:
    """Where Numba keeps compiled kernels unless told otherwise: beside the code or, failing that, in a user's cache.

    The latter is absent where no home is known. Numba would make a folder named `~` in the current one.
    """
    folders: Any = AppDirs
    of_user = Path(os.path.expanduser(folders("numba", appauthor=False).user_cache_dir))
    return [Path(__file__).parent / "__pycache__", *([of_user] if of_user.is_absolute() else [])]


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or, where it does not exist, in the first above it that does."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def temporary_folder() -> Path | None:
    """A folder among the temporary files that only this user can write; None where that can't be.

    It is the same for all of the user's processes, and made where it is missing.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"fractalvid-{_user()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    # Compiled code is run as it is read: nobody else may have laid it there.
    foreign = hasattr(os, "getuid") and (found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077)
    return None if foreign or not stat.S_ISDIR(found.st_mode) or not writable(folder) else folder


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def choose_folder() -> bool:
    """Have Numba keep compiled kernels where it can; returns whether it can at all."""
    settings, chosen, (beside, *of_user) = cast(Any, config), users_folder(), numba_folders()
    settings.CACHE_DIR = str(chosen or "")
    folder = next(filter(writable, (*([chosen] if chosen else []), beside, *of_user)), None) or temporary_folder()
    if folder not in (None, beside):
        settings.CACHE_DIR = str(folder)
    return folder is not None


CAN_KEEP = choose_folder()
"""Whether compiled kernels are kept; otherwise each process compiles those it uses."""
