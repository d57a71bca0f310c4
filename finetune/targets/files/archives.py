"""Unpacking zip archives: nothing outside the folder, no file half written, and again without doing it twice."""

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from fractalvid.utils.errors import UserError
from fractalvid.utils.files import DurableFolder, sync_files, unfinished
from fractalvid.utils.messages.bars import bar_options

_PIECE = 2**20
_TOGETHER = 64
"""Files that are made durable together."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SMALL, _MOST_TIMES = 2**28, 100
"""What an archive may unpack to: so many bytes, or so many times its own."""
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
    durable = DurableFolder(into)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = list(_members(archive, opened, strip))
            files = {into / name: info for info, name in members}  # of two of one name the last one counts
            todo = [(info, path) for path, info in files.items() if not _is_there(path, info.file_size)]
            needed = sum(info.file_size for info, _ in todo)
            _check_size(archive, needed)
            _check_room(archive, into, needed)
            with tqdm(
                total=len(todo), desc=f"unpacking {archive.name}", unit="file", disable=not progress, **bar_options()
            ) as bar:
                for first in range(0, len(todo), _TOGETHER):
                    _extract_some(opened, todo[first : first + _TOGETHER], durable, bar.update)
            return len(todo)
    except (UserError, MemoryError):
        raise
    except OSError as error:
        raise UserError(f"cannot unpack {archive} into {into}: {error.strerror or error}") from error
    # Of any kind: zipfile hands on what its decompressors and the decoding of names raise at bytes that make no sense.
    except Exception as error:
        raise UserError(f"the archive {archive} cannot be unpacked: {error}; remove it and get it again") from error


def _members(archive: Path, opened: zipfile.ZipFile, strip: int) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files to unpack and their places; all names are judged before anything is written."""
    for info in opened.infolist():
        name = PurePosixPath(info.filename)
        if info.is_dir() or "__MACOSX" in name.parts:
            continue
        unsafe = not name.parts or name.is_absolute() or ".." in name.parts
        unsafe = unsafe or "\\" in info.filename or ":" in name.parts[0]
        if unsafe or (info.external_attr >> 16) & 0o170000 == _LINK:
            raise UserError(
                f"{archive} wants to write {info.filename!r}, outside its folder or as a link: not unpacked"
            )
        if len(name.parts) <= strip:
            raise UserError(f"{archive} holds {info.filename!r}, where files lie at least {strip} folders deep")
        if info.compress_type not in _METHODS:
            raise UserError(
                f"{archive} holds {info.filename!r} compressed in an unusual way, of which nobody knows beforehand how "
                "large it gets: unpack it yourself"
            )
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


def _check_size(archive: Path, needed: int) -> None:
    """Refuse archives of what does not exist: videos are compressed already."""
    packed = archive.stat().st_size
    if needed > max(_SMALL, _MOST_TIMES * packed):
        raise UserError(
            f"{archive} of {packed / 1e6:.1f} MB says that it unpacks to {needed / 1e9:.1f} GB: not unpacked"
        )


def _extract_some(
    opened: zipfile.ZipFile,
    members: list[tuple[zipfile.ZipInfo, Path]],
    durable: DurableFolder,
    advance: Callable[[], object],
) -> None:
    """Unpack files, and have them on the disk before any has its name, which says that it is whole."""
    temporaries = [(unfinished(path), path) for _, path in members]
    try:
        for (info, _), (temporary, _) in zip(members, temporaries, strict=True):
            _extract(opened, info, temporary)
            advance()
        sync_files(temporary for temporary, _ in temporaries)
        for temporary, path in temporaries:
            os.replace(temporary, path)
        durable.sync_names(path for _, path in temporaries)
    finally:
        for temporary, _ in temporaries:
            with suppress(OSError):  # of a name that is too long; the error on its way says so
                temporary.unlink(missing_ok=True)


def _extract(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    """Unpack a file, of no more bytes than it announces; the last read compares its checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(info) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file, _PIECE)
