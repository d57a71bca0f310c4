"""What a loss of power leaves: a model of a file system in which only what was synced is sure to survive.

A folder's names are as they were when it was last synced, a file's contents likewise. Two disks are made of what is
there at a moment. On the strict one nothing else survived, neither names nor contents. On the journalled one all names
did, since file systems write those in order, but of contents that were not synced only the first half.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tests.faults.disk import Moment

Names = dict[str, int]
"""What a folder holds: names, and the numbers of their files and folders."""


@dataclass(frozen=True)
class Seen:
    """A file or a folder as it was when it was synced."""

    contents: bytes | Names


class Disk:
    """Follows the syncs of a process, and makes the disks that a loss of power at some moments would leave.

    Args:
        root: the folder that is looked at, with all in it; what is there already is on the disk.
        images: where the disks are put, `<operation>-strict` and `<operation>-journal`.
        moments: operations before which power is lost.
    """

    def __init__(self, root: Path, images: Path, moments: frozenset[int]) -> None:
        """See the class."""
        self._root, self._images, self._moments = root, images, moments
        self._synced: dict[int, Seen] = {}
        self._held: list[int] = []
        self._sync(root)
        for path in root.rglob("*"):
            self._sync(path)

    def __call__(self, moment: Moment) -> None:
        """See `tests.faults.disk.Observer`."""
        if moment.after and moment.operation == "fsync":
            path = Path(moment.path).absolute()
            if path.is_relative_to(self._root) and path.exists():
                self._sync(path)
        elif not moment.after and moment.number in self._moments:
            for name in ("strict", "journal"):
                image = self._images / f"{moment.number:05d}-{name}"
                self._put(self._root.stat().st_ino, self._root, image, strict=name == "strict")

    def _sync(self, path: Path) -> None:
        number = path.stat().st_ino
        if number not in self._synced:
            self._held.append(os.open(path, os.O_RDONLY))  # or its number may become another file's
        self._synced[number] = Seen(_names(path) if path.is_dir() else path.read_bytes())

    def _put(self, number: int, path: Path | None, target: Path, *, strict: bool) -> None:
        """Make what is left of a file or a folder, which lies at `path`, if it still does."""
        synced = self._synced.get(number)
        if isinstance(synced.contents, dict) if synced else path is not None and path.is_dir():
            target.mkdir(parents=True)
            known = synced.contents if synced and isinstance(synced.contents, dict) else {}
            now = _names(path) if path is not None else {}
            for name, inner in (known if strict else now).items():
                there = path / name if path is not None and now.get(name) == inner else None
                self._put(inner, there, target / name, strict=strict)
        else:
            sure = synced.contents if synced and isinstance(synced.contents, bytes) else b""
            target.write_bytes(sure if strict or path is None else _torn(sure, path.read_bytes()))


def _names(folder: Path) -> Names:
    return {name: (folder / name).lstat().st_ino for name in os.listdir(folder) if _is_kept(folder / name)}


def _is_kept(path: Path) -> bool:
    return stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR)


def _torn(sure: bytes, now: bytes) -> bytes:
    """Contents of which the system has written half of what it had not promised."""
    return now[: (len(sure) + len(now)) // 2] if now.startswith(sure) else sure
