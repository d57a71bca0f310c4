"""WebDataset shards: POSIX tars in which the members of a clip stand side by side under one key.

A clip is `<class>_<instance>` with `.mp4`, `.mask.png` where the set has masks, `.cls` (the class as text) and `.json`.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from fractalvid.sets.formats import mask
from fractalvid.sets.formats.encoded_clip import ClipId, Packed
from fractalvid.sets.formats.encodings import Format
from fractalvid.sets.manifest import Row

_BLOCK = tarfile.BLOCKSIZE


def shard_path(number: int, kept: Format) -> str:
    """Where a shard lies under the set's folder."""
    return f"{kept.folder}/{number:06d}.tar"


def key_of(clip: ClipId) -> str:
    """What the names of a clip's members begin with; no dots, since readers split a name at its first."""
    return f"{clip[0]:06d}_{clip[1]:010d}"


def add_clip(tar: tarfile.TarFile, clip: Packed, kept: Format) -> int:
    """Append the members of a clip to a tar; returns where its video begins. The same clip gives the same bytes."""
    key, offset = key_of(clip.clip), tar.offset + _BLOCK
    members = {f"{key}.{kept.suffix}": clip.video}
    if clip.mask:
        members[f"{key}.{mask.SUFFIX}"] = clip.mask
    about = {"class_id": clip.clip[0], "instance_id": clip.clip[1], "frames": clip.frames}
    members |= {f"{key}.cls": str(clip.clip[0]).encode(), f"{key}.json": json.dumps(about).encode()}
    for name, data in members.items():
        # Owner, time and mode as they come: root, 1970, 0644. The bytes depend on names and contents alone.
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return offset


def mask_offset(row: Row) -> int:
    """Where in its shard a clip's mask begins: it is the member after the clip."""
    return row.offset + -(-row.bytes // _BLOCK) * _BLOCK + _BLOCK


class Shards:
    """A set in shards of `shard_size` clips, the last one of what is left.

    Clip j of the plan lies in shard j div shard_size, and the plan takes the classes in turn, so that a shard holds
    many classes. Its clips a class may grow, at its end; the number of classes may not, it is what the plan counts by.

    Args:
        out: the set's folder.
        kept: how its clips are kept.
        classes: how many.
        clips: instances a class.
        first: the first instance id.
        shard_size: clips a shard.
    """

    def __init__(self, out: Path, kept: Format, *, classes: int, clips: int, first: int, shard_size: int) -> None:
        """See the class."""
        self._out, self._format = out, kept
        self._classes, self._clips, self._first, self._size = classes, clips, first, shard_size
        self._tar: tarfile.TarFile | None = None
        self._rows: list[Row] = []

    def plan(self) -> Iterator[ClipId]:
        """Instance by instance, each of every class."""
        return ((c, self._first + i) for i in range(self._clips) for c in range(self._classes))

    def path(self, clip: ClipId) -> str:
        """Its shard."""
        return shard_path(self._place(*clip)[0], self._format)

    def counted(self, rows: list[Row]) -> list[Row]:
        """Those of whole shards: a last one that was shorter, before the set grew, is made again."""
        held: dict[int, dict[int, Row]] = {}
        for row in rows:
            number, position = self._place(row.class_id, row.instance_id)
            held.setdefault(number, {})[position] = row
        return [row for number, part in held.items() if len(part) == self._length(number) for row in part.values()]

    def write(self, clip: Packed) -> None:
        """Nothing can be written before its turn comes."""

    def collect(self, clip: Packed) -> list[Row]:
        """Add the clip to its shard; the rows of all its clips once the shard is whole and in its place."""
        number, position = self._place(*clip.clip)
        path = self._out / shard_path(number, self._format)
        if self._tar is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._tar = tarfile.TarFile(_unfinished(path), "w", format=tarfile.USTAR_FORMAT)
        offset = add_clip(self._tar, clip, self._format)
        self._rows.append(clip.row(self.path(clip.clip), offset))
        if position + 1 < self._length(number):
            return []
        rows, self._rows = self._rows, []
        self._tar.close()
        self._tar = None
        _unfinished(path).replace(path)
        return rows

    def close(self) -> None:
        """Remove the shard in the making."""
        if self._tar is not None:
            tar, self._tar, self._rows = self._tar, None, []
            try:
                tar.close()
            finally:
                Path(str(tar.name)).unlink(missing_ok=True)

    def _place(self, class_id: int, instance_id: int) -> tuple[int, int]:
        """The number of a clip's shard, and its place there."""
        return divmod((instance_id - self._first) * self._classes + class_id, self._size)

    def _length(self, number: int) -> int:
        return min(self._size, self._classes * self._clips - number * self._size)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
