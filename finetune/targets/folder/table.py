"""A table of somebody's own videos: which clip of which file is of which class, and on which side."""

import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import NamedTuple

from fractalvid.finetune.targets.base import SIDES, Side
from fractalvid.finetune.targets.files.lists import read_csv
from fractalvid.finetune.targets.files.matching import composed
from fractalvid.finetune.targets.folder.layouts import Part, part_named, side_of_parts
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import did_you_mean, nearest_note
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted, first_few


@dataclass(frozen=True)
class Entry:
    """A line of the table.

    `path` is relative to the data root, `listed_as` what the table says for it; the clip is the frames `start` to `end`
    (exclusive), the whole video where they are None.
    """

    path: str
    listed_as: str
    label: str
    side: Side
    start: int | None = None
    end: int | None = None


class _Row(NamedTuple):
    entry: Entry
    part: Part


@dataclass(frozen=True)
class VideoTable:
    """The CSV file at `path`, and the names of its columns (`target.Folder` says what they are)."""

    path: Path
    path_column: str = "path"
    label_column: str = "label"
    split_column: str = "split"
    fold_column: str | None = None
    group_column: str | None = None
    start_column: str | None = None
    end_column: str | None = None
    test_only: bool = False

    @property
    def _sides(self) -> tuple[Side, ...]:
        return ("test",) if self.test_only else SIDES

    @cached_property
    def groups(self) -> dict[str, str]:
        """Path -> source, of the videos whose source is said."""
        column = self.group_column or ""
        return {_normal(line[self.path_column]): line[column] for _, line in self._lines() if line[column]}

    def entries(self, root: Path, split: str) -> list[Entry]:
        """The used lines of the table. Raises `UserError` for missing columns and impossible values."""
        rows, seen = list[_Row](), dict[tuple[str, int | None], tuple[int, Part | None]]()
        for number, line in self._lines():
            where = f"{self.path}, line {number}"
            raw, label = line[self.path_column], composed(line[self.label_column])
            if not raw or not label:
                raise UserError(f"{where}: the {self.path_column} or the {self.label_column} is empty")
            if self.group_column is not None and PurePath(raw).is_absolute():
                raise UserError(f"{where}: with --group-column, paths must be relative to the data folder")
            path = _relative(_slashed(raw, root), root)
            start, end = self._cut(line, where)
            part = self._part(line[self.fold_column or self.split_column], split, where)
            if (path, start) in seen:
                first, other = seen[path, start]
                both = None not in (part, other) and part != other
                leak = f" ({other}, here {part}: a result would say nothing)" if both else ""
                raise UserError(f"{where}: {path} is already listed in line {first}{leak}")
            seen[path, start] = number, part
            if part is not None:
                rows.append(_Row(Entry(path, _normal(raw), label, "train", start, end), part))
        entries = self._used(rows)
        self._check_sides(entries, split)
        _check_labels(entries, self.path, trained=not self.test_only)
        return entries

    def _used(self, rows: Sequence[_Row]) -> list[Entry]:
        """The rows of training and of testing; where none is called test, those called val are tested."""
        parts = Counter(row.part for row in rows)
        if parts["val"] and parts["test"]:
            held_out, chosen = (
                counted(parts["val"], "video"),
                "left aside" if self.test_only else "looked at while training",
            )
            note(f"{self.path}: {held_out} of val {chosen}: those of test are what is tested")
        elif parts["val"]:
            held_out = counted(parts["val"], "video")
            note(f"{self.path}: no {self.split_column} is test: the {held_out} of val are what is tested")
        sides = side_of_parts(parts)
        used = [replace(row.entry, side=sides[row.part]) for row in rows]
        return [entry for entry in used if entry.side != "val" or not self.test_only]

    def _lines(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The table's lines as (line number, column -> value)."""
        columns, lines = read_csv(self.path, "the table ")
        more = [name for name in (self.group_column, self.start_column, self.end_column) if name is not None]
        for needed in (self.path_column, self.label_column, self.fold_column or self.split_column, *more):
            if needed not in columns:
                hint = did_you_mean(needed, columns)
                has = f"its columns are {first_few(columns, 12)}" if columns else "its first line is empty"
                other = self._column_option(needed) if columns else ""
                raise UserError(f"{self.path} has no column {needed!r}: {has}{hint}{other}")
        return lines

    def _column_option(self, needed: str) -> str:
        """Which option names another column, where one of the usual names is missing."""
        usual = {"path": "--path-column", "label": "--label-column", "split": "--split-column"}
        return f"; {usual[needed]} names another" if needed in usual else ""

    def _cut(self, line: dict[str, str], where: str) -> tuple[int | None, int | None]:
        """The first frame of a clip and the first behind it; None where the columns are empty, or there are none."""
        texts = ["" if name is None else line[name] for name in (self.start_column, self.end_column)]
        if not all(text == "" or (text.isascii() and text.isdecimal()) for text in texts):
            raise UserError(f"{where}: the frames are {texts[0]!r} to {texts[1]!r}; they are whole numbers from 0")
        start, end = (int(text) if text else None for text in texts)
        if end is not None and (start or 0) >= end:
            raise UserError(f"{where}: frames {start or 0} to {end} are none; {self.end_column} is the first behind")
        return start, end

    def _part(self, value: str, split: str, where: str) -> Part | None:
        if not value:
            return None
        if self.fold_column is not None:
            return "test" if value == split else "train"
        part = part_named(value)
        if part is None:
            raise UserError(f"{where}: {self.split_column} is {value!r}; expected train, test, val or nothing")
        return part

    def _check_sides(self, entries: list[Entry], split: str) -> None:
        sides = {entry.side for entry in entries}
        if self.fold_column is not None and "test" not in sides:
            folds = sorted({line[self.fold_column] for _, line in self._lines()} - {""})
            has = f"its folds are {first_few(folds, 12)}" if folds else "that column is empty"
            raise UserError(f"{self.path} has no fold {split!r} in {self.fold_column}: {has}")
        for side in self._sides:
            if side not in sides:
                raise UserError(f"{self.path} lists no {side} video")


def _slashed(path: str, root: Path) -> str:
    """A path of the table with `/` where it has backslashes, as Windows writes them; a name may have those, too."""
    return path.replace("\\", "/") if "\\" in path and not os.path.exists(root / path) else path


def _relative(path: str, root: Path) -> str:
    """A path of the table relative to the root where it lies below it, with `/`, without `.` and `..`."""
    pure = PurePath(path)
    if pure.is_absolute() and pure.is_relative_to(root.absolute()):
        pure = pure.relative_to(root.absolute())
    return _normal(pure)


def _normal(path: str | PurePath) -> str:
    return posixpath.normpath(PurePath(path).as_posix())


def _check_labels(entries: list[Entry], table: Path, *, trained: bool) -> None:
    """Raise `UserError` for labels that mean the same, and where they are trained, for those only tested.

    The same are labels that differ only in case, or, where all are numbers, in how a number is written.
    """
    _check_numbers({entry.label for entry in entries}, table)
    known = sorted({entry.label for entry in entries if entry.side == "train"})
    first: dict[str, str] = {}
    for label in known + sorted({entry.label for entry in entries} - set(known)):
        other = first.setdefault(label.casefold(), label)
        if other != label:
            raise UserError(f"{table}: the labels {other!r} and {label!r} differ only in upper and lower case")
        if trained and label not in known:
            hint = nearest_note(label, known)
            raise UserError(f"{table}: label {label!r} has test but no training videos{hint}")


def _check_numbers(labels: set[str], table: Path) -> None:
    """Raise `UserError` where all labels are numbers, and two are the same one."""
    first: dict[int, str] = {}
    for label in sorted(labels) if all(label.isdecimal() for label in labels) else ():
        other = first.setdefault(int(label), label)
        if other != label:
            raise UserError(f"{table}: the labels {other!r} and {label!r} are the same number; write it in one way")
