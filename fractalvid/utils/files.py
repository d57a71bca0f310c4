"""Files that appear complete or not at all."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
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
        sync_folders([path.parent])
    except (OSError, RuntimeError) as error:  # torch.save turns some OSErrors into RuntimeErrors
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"can't write {path}: {reason}; nothing was replaced") from error
    finally:
        with suppress(OSError):  # what can't be removed (a name that is too long) must not hide the first error
            temporary.unlink(missing_ok=True)


def move_durably(temporary: Path, path: Path) -> None:
    """Put a finished file in the place of another, so that a loss of power leaves one of them, and whole.

    Raises:
        OSError: it can't be written.
    """
    sync_files([temporary])
    os.replace(temporary, path)
    sync_folders([path.parent])


def sync_files(paths: Iterable[Path]) -> None:
    """Have the contents of files on the disk. Raises `OSError`."""
    for path in paths:
        with path.open("r+b") as file:  # Windows syncs only what is open for writing
            os.fsync(file.fileno())


def sync_folders(folders: Iterable[Path]) -> None:
    """Have the names in folders on the disk: a file that was renamed, or made, may else be gone after a loss of power.

    Raises:
        OSError: the disk is full, or broken.
    """
    for folder in dict.fromkeys(folders):
        with suppress(PermissionError):  # of a folder that can be written to but not listed, and of all on Windows
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                _sync_where_possible(descriptor)
            finally:
                os.close(descriptor)


def _sync_where_possible(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that sync no folders
            raise


class DurableFolder:
    """A folder in which files are made by the hundred, then made durable together before anything counts on them.

    A sync costs a turn of the disk, so that one of each file and folder is all that is asked for.
    """

    def __init__(self, root: Path) -> None:
        """All files lie in `root` or below it."""
        self._root = root
        self._known = set[Path]()

    def sync(self, paths: Iterable[Path]) -> None:
        """Have files, their names and those of the folders that they lie in on the disk. Raises `OSError`."""
        files = list(dict.fromkeys(paths))
        sync_files(files)
        self.sync_names(files)

    def sync_names(self, paths: Iterable[Path]) -> None:
        """The same of files whose contents are there already."""
        folders = dict.fromkeys(path.parent for path in paths)
        for folder in list(folders):
            # A folder that was made for them is itself a name in the one above.
            while folder not in self._known:
                self._known.add(folder)
                folders[folder] = None
                if folder == self._root or folder == folder.parent:
                    folders[folder.parent] = None
                    break
                folder = folder.parent
        sync_folders(folders)


def remove_temporaries(folder: Path) -> None:
    """Remove what writes that were killed left in a folder of which this process is the owner: `.<name>.tmp`."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                path.unlink()


def remove_temporary(path: Path) -> None:
    """Remove what a write of this file left that was killed, where nobody else writes it."""
    with suppress(OSError):
        for temporary in (_temporary(path), unfinished(path)):
            temporary.unlink(missing_ok=True)


def unfinished(path: Path) -> Path:
    """What a file is called until it is whole, one of many that are not waited for one by one."""
    return path.with_name(f".{path.name}.part")


def replace_file(path: Path, data: bytes) -> None:
    """Replace the content of `path`, whole or not at all, without waiting for the disk.

    Raises:
        OSError: the folder can't be written to, or the disk is full.
    """
    temporary = unfinished(path)
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


def make_folders(folder: Path) -> None:
    """Make a folder, and those above it that are missing, and have their names on the disk.

    Raises:
        OSError: it can't be made.
    """
    link = broken_link(folder)
    if link is not None:
        raise FileExistsError(errno.EEXIST, f"{link} is a link to what is not there")
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    sync_folders(one.parent for one in missing)


def broken_link(folder: Path) -> Path | None:
    """The folder, or one above it, that is a link to what is not there, where none can be made; None if there is none.

    Raises:
        OSError: it can't be looked at.
    """
    missing = (one for one in (folder, *folder.parents) if not one.exists())
    return next((one for one in missing if one.is_symlink()), None)


def make_folder(folder: Path) -> None:
    """Make the folder that a command's --out names, unless it is there.

    Raises:
        UserError: it can't be made.
    """
    try:
        make_folders(folder)
    except OSError as error:
        raise UserError(f"can't make the folder {folder}: {error.strerror}; choose another --out") from error


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but what writes that were killed left: hidden files, `.<name>.tmp`."""
    return all(path.name.startswith(".") and path.suffix == ".tmp" for path in folder.iterdir())


def is_there(path: Path) -> bool:
    """As `Path.exists`, which from Python 3.12 on calls what can't be looked at, or has too long a name, missing.

    Raises:
        OSError: that.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def check_can_make(out: Path) -> None:
    """Find out, before long work, whether the folder `out` is there to write to, or can be made; changes nothing.

    Raises:
        UserError: a file is in the way, or nothing can be written there.
    """
    there = out
    try:
        there = next(folder for folder in (out, *out.absolute().parents) if is_there(folder))
        if not there.is_dir():
            raise UserError(f"can't make the folder {out}: {there} is a file; choose another with --out")
        link = broken_link(out)
        if link is not None:
            raise UserError(f"can't make the folder {out}: {link} is a link to what is not there; remove it")
        # Permission bits alone say nothing to root, nor on file systems like /proc.
        with tempfile.TemporaryFile(dir=there):  # without a name, where the system knows such: a kill leaves nothing
            pass
    except OSError as error:
        raise UserError(
            f"can't make the folder {out}: can't write to {there} ({error.strerror}); choose another with --out"
        ) from error


def check_new(out: Path) -> None:
    """As `check_can_make`, of a folder that holds nothing yet.

    Raises:
        UserError: as there, or it holds something.
    """
    check_can_make(out)
    if out.is_dir() and not is_empty(out):
        raise UserError(f"{out} is not empty: choose another folder with --out")


def check_place(path: Path) -> None:
    """Make the folder of a file and try to write there: called before the long work whose result goes there.

    Raises:
        UserError: the file could not be written.
    """
    try:
        make_folders(path.parent)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _temporary(path).open("wb").close()
        _temporary(path).unlink()
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}; choose another --out") from error
