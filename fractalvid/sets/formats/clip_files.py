"""A file a clip: <folder>/<class>/<instance>.<suffix>, its mask under masks/ beside it."""

from collections.abc import Iterator
from pathlib import Path

from fractalvid.sets.formats.encoded_clip import ClipId, Packed
from fractalvid.sets.formats.encodings import Format
from fractalvid.sets.manifest import Row, mask_path
from fractalvid.utils.files import replace_file


def clip_path(clip: ClipId, kept: Format) -> str:
    """Where a clip lies under the set's folder."""
    return f"{kept.folder}/{clip[0]:06d}/{clip[1]:010d}.{kept.suffix}"


class ClipFiles:
    """A set of one file a clip; its classes and its clips a class may grow.

    Args:
        out: the set's folder.
        kept: how its clips are kept.
        classes: how many.
        clips: instances a class.
        first: the first instance id.
    """

    def __init__(self, out: Path, kept: Format, *, classes: int, clips: int, first: int) -> None:
        """See the class."""
        self._out, self._format = out, kept
        self._classes, self._instances = classes, range(first, first + clips)

    def plan(self) -> Iterator[ClipId]:
        """Class by class, as the paths sort."""
        return ((c, i) for c in range(self._classes) for i in self._instances)

    def path(self, clip: ClipId) -> str:
        """A file of its own."""
        return clip_path(clip, self._format)

    def counted(self, rows: list[Row]) -> list[Row]:
        """All of them: a row is written when its files are complete."""
        return rows

    def write(self, clip: Packed) -> None:
        """Write the clip's files."""
        row = clip.row(self.path(clip.clip))
        self._replace(row.path, clip.video)
        if clip.mask:
            self._replace(mask_path(row), clip.mask)

    def collect(self, clip: Packed) -> list[Row]:
        """The clip's row."""
        return [clip.row(self.path(clip.clip))]

    def close(self) -> None:
        """Nothing is open."""

    def _replace(self, path: str, data: bytes) -> None:
        target = self._out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, data)
