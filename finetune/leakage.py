"""Test videos that are trained on: an accuracy on them says nothing, so they are an error."""

import filecmp
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from finetune.targets.base import Row, Target, some
from fractalvid.errors import UserError


def check_lists(target: Target, rows: Sequence[Row]) -> None:
    """Raise `UserError` where lists have a video in training and in test, or twice.

    Cuts of one video may lie on both sides where they share no frame. Where the benchmark's splits keep groups of
    videos apart (`TargetProtocol.groups_apart`), a group on both sides means that the lists are of different splits.
    """
    known = defaultdict[str, list[Row]](list)
    leaking = []
    for row in rows:
        others = [other for other in known[row.path] if _overlap(row, other)]
        if any(other.side == row.side for other in others):
            raise UserError(f"{target.name} lists {row.path} twice for {row.side}; take one line out")
        leaking += [row.path] if others else []
        known[row.path].append(row)
    _refuse(target.name, leaking, "videos")
    if target.protocol.groups_apart:
        sides = ({target.group(row.path) for row in rows if row.side == side} for side in ("train", "test"))
        both = set.intersection(*sides) - {None}
        _refuse(f"{target.name}, lists of different splits", sorted(map(str, both)), "groups of videos")


def check_files(root: Path, rows: Sequence[Row]) -> None:
    """Raise `UserError` where a training and a test video that are there are one file under two paths.

    That is so for links, and for files of one class and name that hold the same bytes.
    """
    files = dict[tuple[int, int], str]()
    names = dict[tuple[int, str], str]()
    for row in (row for row in rows if row.side == "train"):
        files[_identity(root / row.path)] = row.path
        names[row.label, PurePosixPath(row.path).name] = row.path
    leaking = []
    for row in (row for row in rows if row.side == "test"):
        identity, named = _identity(root / row.path), names.get((row.label, PurePosixPath(row.path).name))
        same = files.get(identity) if identity[1] else None  # 0: a file system that has no such numbers
        if same is None and named is not None and filecmp.cmp(root / named, root / row.path, shallow=False):
            same = named
        if same is not None and same != row.path:
            leaking.append(f"{row.path} is {same}")
    _refuse(str(root), leaking, "videos")


def _overlap(a: Row, b: Row) -> bool:
    """Whether two rows of one video share a frame."""
    return (b.end is None or (a.start or 0) < b.end) and (a.end is None or (b.start or 0) < a.end)


def _identity(path: Path) -> tuple[int, int]:
    """What is equal for two paths that lead to one file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _refuse(where: str, leaking: Sequence[str], what: str) -> None:
    if leaking:
        raise UserError(
            f"{where}: {len(leaking)} {what} are in training and in test ({some(leaking, 3)}); a result on videos that "
            "were trained on says nothing, so take them out of one side"
        )
