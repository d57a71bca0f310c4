"""Anybody's own videos: `train/<class>/*` and `test/<class>/*`, or a table of paths and labels."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from fractalvid.finetune.targets.base import (
    SIDES,
    Side,
    TargetProtocol,
    Video,
    check_same_case,
    contents,
    require_folder,
    subfolders,
    video_names,
)
from fractalvid.finetune.targets.lists import did_you_mean, read_csv
from fractalvid.utils.errors import UserError
from fractalvid.utils.nearest import ALIKE, nearest
from fractalvid.utils.phrases import first_few

_EXPECTED = "train/<class>/<video> and test/<class>/<video> (or name a table with --csv)"
_EXPECTED_TEST = "test/<class>/<video> (or name a table with --csv)"
_PROTOCOL = TargetProtocol()
_OBTAIN = (
    "Your own videos: put each into train/<class>/ or test/<class>/ below the data folder, with clips of one recording "
    "on one side, or leave them where they are and list them in a CSV file with the columns path (relative to the data "
    "folder), label and split (train or test), given with --csv."
)


@dataclass(frozen=True)
class Entry:
    """A line of the table: path relative to the data root, class name, and on which side it is."""

    path: str
    label: str
    side: Side


@dataclass(frozen=True)
class Folder:
    """Videos in folders, or listed in a CSV file.

    The table has the columns `path` (relative to the data root), `label_column`, and either `split_column`
    with `train` or `test`, or, where `fold_column` is given, a fold: the videos whose fold is the split's
    name are the test set, all others train. A line whose split or fold is empty is not used. `group_column`
    names the source of each video (a film, a person): clips of one are not independent. `test_only` asks for no
    training videos.
    """

    table: Path | None = None
    label_column: str = "label"
    split_column: str = "split"
    fold_column: str | None = None
    name: str = "folder"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _EXPECTED
    group_column: str | None = None
    test_only: bool = False

    @property
    def _sides(self) -> tuple[Side, ...]:
        return ("test",) if self.test_only else SIDES

    @property
    def _expected(self) -> str:
        return _EXPECTED_TEST if self.test_only else _EXPECTED

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """The names of the training folders, or the labels of the table (as numbers if all are numbers).

        Where only the test set is asked for, those of its folders.
        """
        if self.table is None:
            side = self._sides[0]
            require_folder(root / side, f"the {side} videos, one folder a class")
            return tuple(subfolders(root / side))
        labels = {entry.label for entry in self.entries(root, split)}
        if all(label.isdecimal() for label in labels):
            return tuple(sorted(labels, key=int))
        return tuple(sorted(labels))

    def index(self, root: Path, split: str) -> list[Video]:
        """All videos of the folders or of the table."""
        require_folder(root, self._expected if self.table is None else f"the videos that {self.table} lists")
        if self.table is None:
            return self._from_folders(root)
        label = {name: number for number, name in enumerate(self.classes(root, split))}
        return [Video(entry.path, label[entry.label], entry.side) for entry in self.entries(root, split)]

    def _from_folders(self, root: Path) -> list[Video]:
        if not all((root / side).is_dir() for side in self._sides):
            raise UserError(f"{root} is no folder data set: expected {self._expected}, found {contents(root)}")
        classes = self.classes(root, "")
        if not classes:
            raise UserError(f"{root / self._sides[0]} holds no class folders: expected {self._expected}")
        tested = subfolders(root / "test")
        check_same_case(tested, classes, root / self._sides[0])
        for name in tested:
            if name not in classes:
                hint = did_you_mean(name, classes)
                raise UserError(f"test class {name!r} in {root / 'test'} has no folder in {root / 'train'}{hint}")
        for name in classes:
            folder = root / self._sides[0] / name
            if not video_names(folder):
                raise UserError(f"class folder {folder} holds no video: fill or remove it")
        return [
            Video(f"{side}/{name}/{video}", label, side)
            for side in self._sides
            for label, name in enumerate(classes)
            if (root / side / name).is_dir()
            for video in video_names(root / side / name)
        ]

    def group(self, path: str) -> str | None:
        """What the table's `group_column` says of a video; None without one, or where it says nothing."""
        return self._groups.get(path) if self.group_column is not None else None

    @cached_property
    def _groups(self) -> dict[str, str]:
        """Path -> source, of the videos whose source is said."""
        column = self.group_column or ""
        return {_normal(line["path"]): line[column] for _, line in self._lines() if line[column]}

    def entries(self, root: Path, split: str) -> list[Entry]:
        """The used lines of the table. Raises `UserError` for missing columns and impossible values."""
        assert self.table is not None
        entries, seen = [], dict[str, tuple[int, Side | None]]()
        for number, line in self._lines():
            where = f"{self.table}, line {number}"
            if not line["path"] or not line[self.label_column]:
                raise UserError(f"{where}: the path or the {self.label_column} is empty")
            if self.group_column is not None and PurePath(line["path"]).is_absolute():
                raise UserError(f"{where}: with --group-column, paths must be relative to the data folder")
            path, label = _relative(line["path"], root), line[self.label_column]
            side = self._side(line[self.fold_column or self.split_column], split, where)
            if path in seen:
                first, other = seen[path]
                leak = f" ({other}, here {side}: a result would say nothing)" if {side, other} == set(SIDES) else ""
                raise UserError(f"{where}: {path} is already listed in line {first}{leak}")
            seen[path] = number, side
            if side is not None:
                entries.append(Entry(path, label, side))
        self._check_sides(entries, split)
        _check_labels(entries, self.table, trained=not self.test_only)
        return entries

    def _lines(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The table's lines as (line number, column -> value)."""
        assert self.table is not None
        columns, lines = read_csv(self.table, "the table ")
        groups = () if self.group_column is None else (self.group_column,)
        for needed in ("path", self.label_column, self.fold_column or self.split_column, *groups):
            if needed not in columns:
                near = nearest(needed, columns, at_least=ALIKE)
                hint = f"; did you mean {near!r}?" if near else ""
                has = f"its columns are {first_few(columns, 12)}" if columns else "its first line is empty"
                raise UserError(f"{self.table} has no column {needed!r}: {has}{hint}")
        return lines

    def _side(self, value: str, split: str, where: str) -> Side | None:
        if not value:
            return None
        if self.fold_column is not None:
            return "test" if value == split else "train"
        for side in SIDES:
            if value.casefold() == side:
                return side
        raise UserError(f"{where}: {self.split_column} is {value!r}; expected train, test or nothing")

    def _check_sides(self, entries: list[Entry], split: str) -> None:
        sides = {entry.side for entry in entries}
        if self.fold_column is not None and "test" not in sides:
            folds = sorted({line[self.fold_column] for _, line in self._lines()} - {""})
            has = f"its folds are {first_few(folds, 12)}" if folds else "that column is empty"
            raise UserError(f"{self.table} has no fold {split!r} in {self.fold_column}: {has}")
        for side in self._sides:
            if side not in sides:
                raise UserError(f"{self.table} lists no {side} video")


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
            hint = did_you_mean(label, known)
            raise UserError(f"{table}: label {label!r} has test but no training videos{hint}")


def _check_numbers(labels: set[str], table: Path) -> None:
    """Raise `UserError` where all labels are numbers, and two are the same one."""
    first: dict[int, str] = {}
    for label in sorted(labels) if all(label.isdecimal() for label in labels) else ():
        other = first.setdefault(int(label), label)
        if other != label:
            raise UserError(f"{table}: the labels {other!r} and {label!r} are the same number; write it in one way")
