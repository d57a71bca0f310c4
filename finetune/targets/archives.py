"""Unpacking zip archives: nothing outside the folder, no file half written, and again without doing it twice."""

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from fractalvid.utils.errors import UserError

_PIECE = 2**20
_LINK = 0o120000  # the type of a symbolic link in Unix's file modes


def unpack_zip(archive: Path, into: Path, *, strip: int = 0, progress: bool = False) -> int:
    """Unpack the files of a zip archive below `into`.

    A file that is there with the size that the archive says is left as it is: each appears whole or not at all, so the
    same call again goes on where it was interrupted.

    Args:
        archive: the file.
        into: the folder; made where it is missing.
        strip: how many of the outermost folders in the archive to leave away.
        progress: whether to show a bar.

    Returns:
        How many files were written.

    Raises:
        UserError: the archive is damaged, wants to write outside the folder or make links, or there is no room.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = list(_members(archive, opened, strip))
            todo = [(info, into / name) for info, name in members if not _is_there(into / name, info.file_size)]
            _check_room(archive, into, sum(info.file_size for info, _ in todo))
            with tqdm(total=len(todo), desc=f"unpacking {archive.name}", unit="file", disable=not progress) as bar:
                for info, path in todo:
                    _extract(opened, info, path)
                    bar.update()
            return len(todo)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"the archive {archive} cannot be unpacked: {error}; remove it and get it again") from error
    except OSError as error:
        raise UserError(f"cannot unpack {archive} into {into}: {error.strerror or error}") from error


def _members(archive: Path, opened: zipfile.ZipFile, strip: int) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files to unpack and their places; all names are judged before anything is written."""
    for info in opened.infolist():
        name = PurePosixPath(info.filename)
        if info.is_dir() or "__MACOSX" in name.parts:
            continue
        unsafe = name.is_absolute() or ".." in name.parts or "\\" in info.filename or ":" in name.parts[0]
        if unsafe or (info.external_attr >> 16) & 0o170000 == _LINK:
            raise UserError(
                f"{archive} wants to write {info.filename!r}, outside its folder or as a link: not unpacked"
            )
        if len(name.parts) <= strip:
            raise UserError(f"{archive} holds {info.filename!r}, where files lie at least {strip} folders deep")
        yield info, PurePosixPath(*name.parts[strip:])


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False


def _check_room(archive: Path, into: Path, needed: int) -> None:
    into.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(into).free
    if needed > free:
        raise UserError(f"{archive} unpacks to {needed / 1e9:.1f} GB, and {into} has room for {free / 1e9:.1f} GB")


def _extract(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with opened.open(info) as packed, temporary.open("wb") as file:
            shutil.copyfileobj(packed, file, _PIECE)  # the last read compares the checksum
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
