"""WebDataset shards: POSIX tars in which the members of a clip stand side by side under one key.

A clip is `<class>_<instance>` with `.mp4`, `.mask.png` where the set has masks, `.cls` (the class as text) and `.json`.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fractalvid.sets.formats import mask
from fractalvid.sets.formats.encoded_clip import EncodedClip
from fractalvid.sets.formats.encodings import Format
from fractalvid.sets.manifest import ClipId, ManifestRow
from fractalvid.sets.part import WHOLE, Part
from fractalvid.utils.files import sync_files, unfinished

_BLOCK = tarfile.BLOCKSIZE


def add_clip(tar: tarfile.TarFile, clip: EncodedClip, file_format: Format) -> int:
    """Append the members of a clip to a tar; returns where its video begins. The same clip gives the same bytes."""
    class_id, instance_id = clip.clip
    # No dots before the suffix: readers split a name at its first one.
    key, offset = f"{class_id:06d}_{instance_id:010d}", tar.offset + _BLOCK
    members = {f"{key}.{file_format.suffix}": clip.video}
    if clip.mask:
        members[f"{key}.{mask.SUFFIX}"] = clip.mask
    about = {"class_id": class_id, "instance_id": instance_id, "frames": clip.frames}
    members |= {f"{key}.cls": str(class_id).encode(), f"{key}.json": json.dumps(about).encode()}
    for name, data in members.items():
        # Owner, time and mode stay at their defaults, so the bytes depend on names and contents alone.
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return offset


def mask_offset(row: ManifestRow) -> int:
    """Where in its shard a clip's mask begins: it is the member after the clip."""
    return row.offset + -(-row.bytes // _BLOCK) * _BLOCK + _BLOCK


class Shards:
    """The store of shards of `shard_size` clips each, the last one of what is left.

    Clip j of the plan lies in shard j // shard_size. The plan takes the classes in turn, so that a shard holds many
    classes. Its clips a class may grow, since they are appended to the plan; its classes may not, since the places of
    all clips in the plan follow from their number.

    A shard's bytes depend on the order of its clips, and only one shard is open at a time. So the thread that collects
    writes it, and workers hand over the bytes of their clips.

    Args:
        out: the set's folder.
        file_format: of the clips.
        classes: how many.
        clips: instances a class.
        first: the first instance id.
        shard_size: clips a shard.
    """

    def __init__(
        self, out: Path, file_format: Format, *, classes: int, clips: int, first: int, shard_size: int
    ) -> None:
        """See the class."""
        self._out, self._format = out, file_format
        self._classes, self._clips, self._first, self._size = classes, clips, first, shard_size
        self._tar: tarfile.TarFile | None = None
        self._rows: list[ManifestRow] = []

    def plan(self, part: Part = WHOLE) -> Iterator[ClipId]:
        """Instance by instance, each of every class; of a part its shards."""
        for shard in self._shards(part):
            for place in range(shard * self._size, shard * self._size + self._length(shard)):
                instance, class_id = divmod(place, self._classes)
                yield ClipId(class_id, self._first + instance)

    def count(self, part: Part = WHOLE) -> int:
        """How many clips of the plan are a part's."""
        return sum(map(self._length, self._shards(part)))

    def path(self, clip: ClipId) -> str:
        """Its shard."""
        return self._shard_path(self._place(clip).shard)

    def complete_rows(self, rows: list[ManifestRow]) -> list[ManifestRow]:
        """Those of whole shards: a last one that was shorter, before the set grew, is made again."""
        shards: dict[int, dict[int, ManifestRow]] = {}
        for row in rows:
            place = self._place(row.clip)
            shards.setdefault(place.shard, {})[place.position] = row
        whole = (by_position for shard, by_position in shards.items() if len(by_position) == self._length(shard))
        return [row for by_position in whole for row in by_position.values()]

    def write(self, clip: EncodedClip) -> EncodedClip:
        """Nothing can be written before the clip's turn comes."""
        return clip

    def collect(self, written: EncodedClip) -> list[ManifestRow]:
        """Add the clip to its shard; the rows of all its clips once the shard is whole and in its place."""
        place = self._place(written.clip)
        path = self._shard_path(place.shard)
        target = self._out / path
        if self._tar is None:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._tar = tarfile.TarFile(unfinished(target), "w", format=tarfile.USTAR_FORMAT)
        offset = add_clip(self._tar, written, self._format)
        self._rows.append(written.row(path, offset))
        if place.position + 1 < self._length(place.shard):
            return []
        rows, self._rows = self._rows, []
        self._tar.close()
        self._tar = None
        if target.exists():  # a shorter one, whose rows count: a loss of power must leave one of the two whole
            sync_files([unfinished(target)])
        unfinished(target).replace(target)
        return rows

    def close(self) -> None:
        """Remove a shard that is not whole."""
        if self._tar is not None:
            tar, self._tar, self._rows = self._tar, None, []
            try:
                tar.close()
            finally:
                Path(str(tar.name)).unlink(missing_ok=True)

    def _shards(self, part: Part) -> range:
        """The numbers of a part's shards."""
        return part.numbers(-(-self._classes * self._clips // self._size))

    def _place(self, clip: ClipId) -> "_Place":
        return _Place(*divmod((clip.instance_id - self._first) * self._classes + clip.class_id, self._size))

    def _length(self, shard: int) -> int:
        """Clips of a shard."""
        return min(self._size, self._classes * self._clips - shard * self._size)

    def _shard_path(self, shard: int) -> str:
        """Where a shard lies under the set's folder."""
        return f"{self._format.folder}/{shard:06d}.tar"


class _Place(NamedTuple):
    """The number of a clip's shard, and its position there."""

    shard: int
    position: int
