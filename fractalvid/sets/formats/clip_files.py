"""A file a clip: <folder>/<class>/<instance>.<suffix>, its mask under masks/ beside it."""

from collections.abc import Iterator
from pathlib import Path

from fractalvid.sets.formats.encoded_clip import EncodedClip
from fractalvid.sets.formats.encodings import Format
from fractalvid.sets.manifest import ClipId, ManifestRow, mask_path
from fractalvid.sets.part import WHOLE, Part
from fractalvid.utils.files import replace_file


class ClipFiles:
    """The store of one file a clip; its classes and its clips a class may grow.

    Args:
        out: the set's folder.
        file_format: of the clips.
        classes: how many.
        clips: instances a class.
        first: the first instance id.
    """

    def __init__(self, out: Path, file_format: Format, *, classes: int, clips: int, first: int) -> None:
        """See the class."""
        self._out, self._format = out, file_format
        self._classes, self._instances = classes, range(first, first + clips)

    def plan(self, part: Part = WHOLE) -> Iterator[ClipId]:
        """Class by class, as the paths sort; of a part some of each class."""
        return (ClipId(c, self._instances[i]) for c in range(self._classes) for i in self._of_class(c, part))

    def count(self, part: Part = WHOLE) -> int:
        """How many clips of the plan are a part's."""
        return sum(len(self._of_class(c, part)) for c in range(self._classes))

    def path(self, clip: ClipId) -> str:
        """A file of its own."""
        return f"{self._format.folder}/{clip.class_id:06d}/{clip.instance_id:010d}.{self._format.suffix}"

    def complete_rows(self, rows: list[ManifestRow]) -> list[ManifestRow]:
        """All of them: a row is written when its files are complete."""
        return rows

    def write(self, clip: EncodedClip) -> ManifestRow:
        """Write the clip's files; returns its row."""
        row = clip.row(self.path(clip.clip))
        self._replace(row.path, clip.video)
        if clip.mask:
            self._replace(mask_path(row), clip.mask)
        return row

    def collect(self, written: ManifestRow) -> list[ManifestRow]:
        """The clip's row: its files are there."""
        return [written]

    def close(self) -> None:
        """Nothing is open."""

    def _of_class(self, class_id: int, part: Part) -> range:
        """Which of a class a part takes; it begins elsewhere in each class, or small sets would go to one part."""
        return part.numbers(len(self._instances), shift=class_id)

    def _replace(self, path: str, data: bytes) -> None:
        target = self._out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, data)
