"""What folders of clips hold, as far as it can be told without opening one."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fractalvid.sets import SetReader
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import note
from fractalvid.video.folders import find_videos


class ListedVideo(NamedTuple):
    """A file and its class, None without labels."""

    path: Path
    label: int | None


class VideoList(NamedTuple):
    """The videos of a folder, and the names of their classes; none without labels."""

    videos: list[ListedVideo]
    classes: tuple[str, ...]


def list_videos(root: Path) -> VideoList:
    """The videos of a folder. Their classes are a folder each; they have none where all lie side by side.

    Raises:
        UserError: no folder, no videos, or some with a class and some without.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder of videos")
    found = find_videos(root)
    if not found.videos:
        raise UserError(f"{root} holds no videos" + (f"; left aside: {found.left}" if found.left else ""))
    if found.left:
        note(f"left aside in {root}: {found.left}")
    folders = [unicodedata.normalize("NFC", name.partition("/")[0]) if "/" in name else None for name in found.videos]
    classes = tuple(sorted({name for name in folders if name is not None}))
    numbers = {name: number for number, name in enumerate(classes)}
    videos = []
    for name, folder in zip(found.videos, folders, strict=True):
        if folder is None and classes:
            raise UserError(
                f"{root / name} lies beside folders of classes: put every video into the folder of its class, or none"
            )
        videos.append(ListedVideo(root / name, None if folder is None else numbers[folder]))
    return VideoList(videos, classes)


@cache
def stored_clips(path: Path) -> int:
    """How many clips the set in the folder `path` has."""
    return len(SetReader(path).rows)
