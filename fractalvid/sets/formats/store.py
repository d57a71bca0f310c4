"""Where the clips of a set are put: the interface of a file a clip, and of shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from fractalvid.sets.formats.clip_files import ClipFiles
from fractalvid.sets.formats.encoded_clip import ClipId, Packed
from fractalvid.sets.formats.encodings import Format
from fractalvid.sets.formats.shards import Shards
from fractalvid.sets.manifest import Row


class Store(Protocol):
    """Places the clips of one set, in one order, and says which of its rows count."""

    def plan(self) -> Iterator[ClipId]:
        """Every clip of the set, in the order in which they are made."""

    def path(self, clip: ClipId) -> str:
        """The file that a clip of the plan lies in, under the set's folder."""

    def counted(self, rows: list[Row]) -> list[Row]:
        """Those rows of an earlier run that count: what they name need not be made again."""

    def write(self, clip: Packed) -> None:
        """Write what can be written apart from other clips; called by many threads."""

    def collect(self, clip: Packed) -> list[Row]:
        """Take a clip that was written; returns the rows that are complete now. One thread, in the plan's order."""

    def close(self) -> None:
        """Leave nothing half-written."""


def open_store(out: Path, kept: Format, *, classes: int, clips: int, first: int, shard_size: int) -> Store:
    """The store of a format.

    Args:
        out: the set's folder.
        kept: how its clips are kept.
        classes: how many.
        clips: instances a class.
        first: the first instance id.
        shard_size: clips a shard, where there are shards.
    """
    if kept.sharded:
        return Shards(out, kept, classes=classes, clips=clips, first=first, shard_size=shard_size)
    return ClipFiles(out, kept, classes=classes, clips=clips, first=first)
