"""How people lay out their own videos: what they call the sides, and where the folders of the classes are."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from fractalvid.finetune.targets.base import Side
from fractalvid.finetune.targets.files.matching import composed
from fractalvid.utils.errors import UserError
from fractalvid.video.folders import subfolders

Part = Literal["train", "val", "test"]
_WORDS: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "validate", "dev"),
    "test": ("test", "testing"),
}


def part_named(word: str) -> Part | None:
    """The part of a data set that a folder's or a column's word means; None for any other word."""
    return next((part for part, words in _WORDS.items() if word.casefold() in words), None)


def side_of_parts(parts: Iterable[Part]) -> dict[Part, Side]:
    """What each part is for: val is to choose by, or what is tested where there is no test part."""
    return {"train": "train", "val": "val" if "test" in parts else "test", "test": "test"}


def part_folders(root: Path) -> dict[Part, str]:
    """The folders in `root` that are called train, val or test, in words that people use.

    Raises:
        UserError: two of them mean the same.
    """
    found: dict[Part, str] = {}
    for name in subfolders(root):
        part = part_named(name)
        if part is not None and found.setdefault(part, name) != name:
            raise UserError(f"{root} has both {found[part]}/ and {name}/; keep one folder of {part} videos")
    return found


class ClassFolder(NamedTuple):
    """A folder below the root whose videos are of one class; `side` is None where sides are still to be drawn."""

    path: str
    name: str
    side: Side | None


def class_folders(root: Path, below: str, side: Side | None) -> list[ClassFolder]:
    """The folders in the folder `below` ("" for the root), each a class."""
    start = f"{below}/" if below else ""
    return [ClassFolder(start + name, composed(name), side) for name in subfolders(root / below)]


def class_names(folders: Iterable[ClassFolder]) -> tuple[str, ...]:
    """The classes of some folders, in alphabetical order; one in two Unicode spellings is one."""
    return tuple(sorted({folder.name for folder in folders}))


def equal_but_for_ending(paths: Iterable[str]) -> list[list[str]]:
    """Groups of paths that differ in nothing but their ending."""
    groups = defaultdict[str, list[str]](list)
    for path in paths:
        groups[os.path.splitext(composed(path))[0]].append(path)
    return [group for group in groups.values() if len(group) > 1]
