"""The manifest of a generated set: a row for each complete clip, written once the clip's files are on the disk."""

import csv
import io
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import NamedTuple

from fractalvid.core.constants import MAX_CLIP_FRAMES
from fractalvid.utils.documents import read_bytes
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import DurableFolder, write_text

MANIFEST_FILE = "manifest.csv"
"""What the manifest is called in a set's folder."""


class ClipId(NamedTuple):
    """Which clip of a bank."""

    class_id: int
    instance_id: int


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A complete clip: where it lies, what it shows, how long and how large it is.

    Attributes:
        path: of its file under the set's folder; clips of a shard share one.
        class_id: its class.
        instance_id: its instance of that class.
        frames: T.
        bytes: of the encoded clip.
        digest: of the encoded clip (`fractalvid.sets.formats.digest`).
        offset: where in the file it begins; 0 unless it lies in a shard.
        mask_bytes: of the encoded mask; 0 where there is none.
        mask_digest: of the encoded mask; empty where there is none.
    """

    path: str
    class_id: int
    instance_id: int
    frames: int
    bytes: int
    digest: str
    offset: int = 0
    mask_bytes: int = 0
    mask_digest: str = ""

    @property
    def clip(self) -> ClipId:
        """Which clip it is."""
        return ClipId(self.class_id, self.instance_id)

    def files(self) -> list[str]:
        """The paths of all files that hold a part of it: its mask has one of its own, unless it lies in a shard."""
        return [self.path, mask_path(self)] if self.mask_bytes and not self.offset else [self.path]


def mask_path(clip: ManifestRow | ClipId) -> str:
    """Where the mask of a clip that has a file of its own lies under the set's folder."""
    return f"{MASK_FOLDER}/{clip.class_id:06d}/{clip.instance_id:010d}.png"


MASK_FOLDER = "masks"
"""Of masks that are files of their own."""
_MAX_BYTES = 2**34
"""Of a manifest: a hundred million clips."""
_MAX_SIZE = 2**62
"""Of a file, or a place in one: systems count in 63 bits."""
HEADER = ",".join(field.name for field in fields(ManifestRow)) + "\n"


def read_manifest(path: Path) -> list[ManifestRow]:
    """The rows of a manifest; a last line that a kill cut short does not count.

    Raises:
        UserError: the file is no manifest.
    """
    try:
        text = read_bytes(path, what="the manifest", most=_MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a manifest of fractalvid: it is no text") from None
    whole = text[: text.rfind("\n") + 1]
    if whole and not whole.startswith(HEADER):
        raise UserError(f"{path} is not a manifest of fractalvid: its first line should be {HEADER.strip()!r}")
    return [_row(line, f"{path}, line {n}") for n, line in enumerate(whole.split("\n"), 1) if n > 1 and line]


def write_manifest(path: Path, rows: list[ManifestRow]) -> None:
    """Write a manifest anew, whole or not at all."""
    write_text(path, HEADER + "".join(map(_line, rows)))


class ManifestWriter:
    """Appends rows, once the files that they name are on the disk. Only one thread may use it.

    Args:
        root: the set's folder.
        rows: what the manifest holds so far; it is written anew with them, so that no half line is left.
    """

    def __init__(self, root: Path, rows: list[ManifestRow]) -> None:
        """Open the manifest in `root`."""
        self.root = root
        self._folder = DurableFolder(root)
        path = root / MANIFEST_FILE
        write_manifest(path, rows)
        self._file = path.open("a", encoding="utf-8", newline="")

    def append(self, rows: list[ManifestRow]) -> None:
        """Make the rows' files durable, then the rows."""
        self._folder.sync(self.root / path for row in rows for path in row.files())
        self._file.write("".join(map(_line, rows)))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _row(line: str, where: str) -> ManifestRow:
    """A line's row. Each line is parsed alone, so that a stray quote spoils no other."""
    try:
        (values,) = csv.reader([line], strict=True)
        path, class_id, instance_id, frames, size, digest, offset, mask_bytes, mask_digest = values
        row = ManifestRow(
            path=path,
            class_id=int(class_id),
            instance_id=int(instance_id),
            frames=int(frames),
            bytes=int(size),
            digest=digest,
            offset=int(offset),
            mask_bytes=int(mask_bytes),
            mask_digest=mask_digest,
        )
    except (ValueError, csv.Error) as error:
        reason = str(error)[:80]
    else:
        sizes = row.bytes, row.offset, row.mask_bytes
        possible = 1 <= row.frames <= MAX_CLIP_FRAMES and min(sizes) >= 0 and max(sizes) <= _MAX_SIZE
        if possible and "\0" not in path:
            return row
        reason = "impossible numbers"
    raise UserError(f"{where} is damaged ({reason}); remove that line and run the command again")


def _line(row: ManifestRow) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(astuple(row))
    return text.getvalue()
