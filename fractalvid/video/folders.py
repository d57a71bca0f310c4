"""Which videos a folder holds, and what else lies in it: whatever is left aside is counted and named.

A folder of numbered pictures is a video, too, whose path is that of the folder.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fractalvid.utils.messages.phrases import first_few
from fractalvid.video.names import are_frames, is_frame_folder, is_ignored_name, is_video_name, picture_files

NOT_A_VIDEO = "not a video"
DANGLING = "dangling links"
CIRCLE = "links in a circle or to a folder that was read already"
LFS_POINTER = "Git LFS pointers"
ANNEX_POINTER = "git-annex pointers"
UNREADABLE = "unreadable"
NO_PICTURES = "folders without pictures"
NOT_THERE = "not there"

_POINTERS = ((b"version https://git-lfs.github.com/spec/", LFS_POINTER), (b"/annex/objects/", ANNEX_POINTER))
_POINTER_BYTES = 1024
"""No pointer is larger."""


@dataclass
class LeftAside:
    """What was left aside: reason -> paths, in the order in which they were met."""

    paths: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, path: str) -> None:
        """Note one more path."""
        self.paths.setdefault(reason, []).append(path)

    def extend(self, other: "LeftAside", below: str = "") -> None:
        """Add what was left aside in another folder; `below` goes before each path."""
        for reason, paths in other.paths.items():
            self.paths.setdefault(reason, []).extend(below + path for path in paths)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.paths)

    def __str__(self) -> str:
        """As "not a video: 3 such as notes.txt; dangling links: 8 such as a/1.mp4"."""
        parts = (f"{reason}: {len(paths)} such as {first_few(paths[:1])}" for reason, paths in self.paths.items())
        return "; ".join(parts) or "nothing"


class Found(NamedTuple):
    """The videos of a folder, relative to it, with `/`, sorted; its folders of that kind; and what was left aside."""

    videos: list[str]
    folders: list[str]
    left: LeftAside


def absent(path: Path) -> str | None:
    """Why there is no content at a path that is named as a video: None where there is; a word for messages."""
    try:
        if os.path.isfile(path):  # unlike `Path.is_file`, no error for names that are too long for the system
            return _pointer(path)
        if os.path.isdir(path):
            return None if picture_files(path) else NO_PICTURES
    except OSError:
        return UNREADABLE
    return DANGLING if os.path.islink(path) and not os.path.exists(path) else NOT_THERE


def find_videos(folder: Path, *, depth: int | None = None, frames: bool = True) -> Found:
    """The videos in a folder and in the folders in it, links followed, each folder read once.

    Args:
        folder: where to look.
        depth: how many levels of folders are looked into: 1 for the folder alone; None for all.
        frames: whether folders in it that hold numbered pictures and no other data are videos (`is_frame_folder`).
    """
    found = Found([], [], LeftAside())
    read = set[tuple[int, int]]()
    ahead, links = [""], list[str]()
    while ahead or links:
        # What links lead to comes last, so that a folder has the name under which it lies.
        below = ahead.pop() if ahead else links.pop(0)
        try:
            entries = _entries(folder / below, read)
        except OSError:
            found.left.add(UNREADABLE, below or str(folder))
            continue
        if entries is None:
            found.left.add(CIRCLE, below)
            continue
        if below and frames and are_frames(entries):
            found.videos.append(below)
            continue
        if below:
            found.folders.append(below)
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            reason, is_folder = _judge(entry)
            if reason is not None:
                found.left.add(reason, path)
            elif not is_folder:
                found.videos.append(path)
            elif depth is None or path.count("/") + 1 < depth:
                (links if entry.is_symlink() else ahead).append(path)
            else:
                (found.videos if frames and is_frame_folder(entry.path) else found.folders).append(path)
    for paths in (found.videos, found.folders, *found.left.paths.values()):
        paths.sort(key=lambda path: path.split("/"))
    return found


def _entries(folder: Path, read: set[tuple[int, int]]) -> list[os.DirEntry[str]] | None:
    """What lies in a folder, sorted; None where it was read before."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in read:
        return None
    read.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name, reverse=True)


def _judge(entry: os.DirEntry[str]) -> tuple[str | None, bool]:
    """Why an entry of a folder is left aside, None where it is not, and whether it is a folder."""
    ignored = is_ignored_name(entry.name)
    try:
        if ignored is not None or entry.is_dir():
            return ignored, True
        if not entry.is_file():
            return (DANGLING if entry.is_symlink() and not os.path.exists(entry.path) else NOT_A_VIDEO), False
        if not is_video_name(entry.name):
            return NOT_A_VIDEO, False
        return (_pointer(entry) if os.access(entry.path, os.R_OK) else UNREADABLE), False
    except OSError:  # a link to itself
        return (CIRCLE if entry.is_symlink() else UNREADABLE), False


def _pointer(file: Path | os.DirEntry[str]) -> str | None:
    """Which program left a pointer in the place of the content, if one did."""
    if file.stat().st_size > _POINTER_BYTES:
        return None
    try:
        with open(file, "rb") as opened:
            start = opened.read(64)
    except OSError:
        return UNREADABLE
    return next((reason for words, reason in _POINTERS if start.startswith(words)), None)


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder that may hold data, sorted."""
    return find_videos(folder, depth=1, frames=False).folders


def video_names(folder: Path) -> list[str]:
    """Names of the videos in a folder, without those of its folders, sorted."""
    return find_videos(folder, depth=1).videos


def without(left: LeftAside, suffixes: Iterable[str]) -> LeftAside:
    """What was left aside but for files with these endings, which are no videos to anybody: lists, archives."""
    kept = LeftAside()
    for reason, path in _pairs(left):
        if reason != NOT_A_VIDEO or os.path.splitext(path)[1].lower() not in suffixes:
            kept.add(reason, path)
    return kept


def _pairs(left: LeftAside) -> Iterator[tuple[str, str]]:
    return ((reason, path) for reason, paths in left.paths.items() for path in paths)
