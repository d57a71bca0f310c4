"""The manifest of a generated set: a row a clip that is complete, appended in groups that are safely on disk."""

import csv
import io
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from fractalvid.errors import UserError
from fractalvid.files import write_text


@dataclass(frozen=True)
class Row:
    """A complete clip: where it lies under the set's folder, what it shows, how long and how large it is."""

    path: str
    class_id: int
    instance_id: int
    frames: int
    bytes: int


HEADER = ",".join(field.name for field in fields(Row)) + "\n"


def read_manifest(path: Path) -> list[Row]:
    """The rows of a manifest; a last line that a kill cut short does not count.

    Raises:
        UserError: the file is no manifest.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a manifest of fractalvid: it is no text") from None
    whole = text[: text.rfind("\n") + 1]
    if whole and not whole.startswith(HEADER):
        raise UserError(f"{path} is not a manifest of fractalvid: its first line should be {HEADER.strip()!r}")
    try:
        return [Row(r[0], *(int(v) for v in r[1:5])) for r in list(csv.reader(io.StringIO(whole)))[1:] if r]
    except (ValueError, IndexError) as error:
        raise UserError(f"{path} is damaged ({error}); remove the damaged line and run the command again") from None


def write_manifest(path: Path, rows: list[Row]) -> None:
    """Write a manifest anew, whole or not at all."""
    write_text(path, HEADER + "".join(map(_line, rows)))


class ManifestWriter:
    """Appends rows, each group after the files it names are on the disk. Written by one thread.

    Args:
        root: the set's folder.
        rows: what the manifest holds so far; it is written anew with them, so that no half line is left.
    """

    def __init__(self, root: Path, rows: list[Row]) -> None:
        """Open the manifest in `root`."""
        self.root = root
        path = root / "manifest.csv"
        write_manifest(path, rows)
        self._file = path.open("a", encoding="utf-8", newline="")

    def append(self, rows: list[Row]) -> None:
        """Make the rows' files durable, then the rows."""
        for row in rows:
            descriptor = os.open(self.root / row.path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._file.write("".join(map(_line, rows)))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(row: Row) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(astuple(row))
    return text.getvalue()
