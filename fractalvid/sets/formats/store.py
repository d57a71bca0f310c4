"""Where the clips of a set are put: what the stores of clip files and of shards have in common."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fractalvid.sets.formats.clip_files import ClipFiles
from fractalvid.sets.formats.encoded_clip import EncodedClip
from fractalvid.sets.formats.encodings import Format
from fractalvid.sets.formats.shards import Shards
from fractalvid.sets.manifest import ClipId, ManifestRow
from fractalvid.sets.part import WHOLE, Part

Written = TypeVar("Written")
"""What a store still has to know of a clip once it was written: its row, or all its bytes."""


class Store(Protocol[Written]):
    """Places the clips of one set, in one order, and says which of its rows count.

    Workers, which may be processes, call `write`; its result, which should be small, goes to the one thread that
    calls `collect`.
    """

    def plan(self, part: Part = WHOLE) -> Iterator[ClipId]:
        """Every clip of a part of the set, in the order in which they are made. No file has clips of two parts."""

    def count(self, part: Part = WHOLE) -> int:
        """How many these are."""

    def path(self, clip: ClipId) -> str:
        """The file that a clip of the plan lies in, under the set's folder."""

    def complete_rows(self, rows: list[ManifestRow]) -> list[ManifestRow]:
        """Those rows of an earlier run whose clips need not be made again."""

    def write(self, clip: EncodedClip) -> Written:
        """Write what can be written apart from other clips."""

    def collect(self, written: Written) -> list[ManifestRow]:
        """Take the next clip of the plan, which was written; returns the rows whose files are complete now."""

    def close(self) -> None:
        """Leave nothing half-written."""


def open_store(out: Path, file_format: Format, *, classes: int, clips: int, first: int, shard_size: int) -> Store[Any]:
    """The store of a format.

    Args:
        out: the set's folder.
        file_format: of the clips.
        classes: how many.
        clips: instances a class.
        first: the first instance id.
        shard_size: clips a shard, where there are shards.
    """
    if file_format.sharded:
        return Shards(out, file_format, classes=classes, clips=clips, first=first, shard_size=shard_size)
    return ClipFiles(out, file_format, classes=classes, clips=clips, first=first)
