"""Anybody's own videos: `train/<class>/*` and `test/<class>/*`, or a table of paths and labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from fractalvid.finetune.targets.base import (
    SIDES,
    Side,
    TargetProtocol,
    Video,
    check_same_case,
    contents,
    require_folder,
)
from fractalvid.finetune.targets.files.matching import find_listed, note_left_aside
from fractalvid.finetune.targets.folder.layouts import (
    ClassFolder,
    class_folders,
    class_names,
    equal_but_for_ending,
    part_folders,
    part_named,
    side_of_parts,
)
from fractalvid.finetune.targets.folder.shares import draw_share, own_source, source_of
from fractalvid.finetune.targets.folder.table import VideoTable
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted
from fractalvid.video.folders import LeftAside, find_videos, subfolders

_EXPECTED = (
    "train/<class>/<video> and test/<class>/<video>, or val/<class>/<video> "
    "(or <class>/<video> alone with --val-share, or name a table with --csv)"
)
_EXPECTED_TEST = "test/<class>/<video> (or name a table with --csv)"
_PROTOCOL = TargetProtocol()
_OBTAIN = (
    "Your own videos: put each into train/<class>/ or test/<class>/ below the data folder, with clips of one recording "
    "on one side, or leave them where they are and list them in a CSV file with the columns path (relative to the data "
    "folder), label and split (train or test), given with --csv."
)


@dataclass(frozen=True)
class Folder:
    """Videos in folders, or listed in a CSV file.

    Folders are those of `layouts`: train/ and test/ (or val/, where there is no test/) with a folder for each class, or
    folders of classes alone, of which `val_share` is drawn for testing with `val_seed`, by "group" (`shares.source_of`)
    or by "file".

    The table has the columns `path_column` (relative to the data root), `label_column`, and either `split_column`
    with `train` and `test` (or `val`, where no line says test), or, where `fold_column` is given, a fold: the videos
    whose fold is the split's name are the test set, all others train. A line whose split or fold is empty is not used.
    `start_column` and `end_column` cut clips out of longer videos: the first frame, from 0, and the first behind it.
    `group_column` names the source of each video (a film, a person): clips of one are not independent. `test_only` asks
    for no training videos.
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
    path_column: str = "path"
    start_column: str | None = None
    end_column: str | None = None
    val_share: float | None = None
    val_by: str = "group"
    val_seed: int = 0

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
        if self._table is None:
            folders = self._class_folders(root)
            return class_names(folder for folder in folders if folder.side in (self._sides[0], None))
        labels = {entry.label for entry in self._table.entries(root, split)}
        if all(label.isdecimal() for label in labels):
            return tuple(sorted(labels, key=int))
        return tuple(sorted(labels))

    def index(self, root: Path, split: str) -> list[Video]:
        """All videos of the folders or of the table."""
        require_folder(root, self._expected if self.table is None else f"the videos that {self.table} lists")
        if self._table is None:
            return self._from_folders(root)
        label = {name: number for number, name in enumerate(self.classes(root, split))}
        entries = self._table.entries(root, split)
        found = find_listed(str(self.table), root, dict.fromkeys(entry.path for entry in entries))
        self._listed_as.update({found.get(entry.path, entry.path): entry.listed_as for entry in entries})
        return [
            Video(found.get(entry.path, entry.path), label[entry.label], entry.side, entry.start, entry.end)
            for entry in entries
        ]

    @cached_property
    def _table(self) -> VideoTable | None:
        """How the table is read, if there is one."""
        if self.table is None:
            return None
        of_both = {each.name for each in fields(VideoTable)} & {each.name for each in fields(self)}
        return VideoTable(self.table, **{name: getattr(self, name) for name in of_both})

    def _class_folders(self, root: Path) -> list[ClassFolder]:
        """The folders of the classes; whatever is not laid out as expected is a `UserError`."""
        parts = part_folders(root)
        if self.val_share is not None:  # a class may be called train, too
            parts = {part: name for part, name in parts.items() if subfolders(root / name)}
        sides = {name: side for part, side in side_of_parts(parts).items() if (name := parts.get(part)) is not None}
        if set(self._sides) <= set(sides.values()):
            self._check_filled(root, sides)
            used = self._sides if self.test_only else (*self._sides, "val")
            return [
                folder for name, side in sides.items() if side in used for folder in class_folders(root, name, side)
            ]
        if self.val_share is not None and set(parts) <= {"train"}:
            return class_folders(root, parts.get("train", ""), None)
        share = "; --val-share 0.2 takes a fifth of each class for testing" if "test" not in sides.values() else ""
        raise UserError(
            f"{root} is no folder data set: expected {self._expected}, found {contents(root)}"
            f"{share if subfolders(root) and not self.test_only else ''}"
        )

    def _check_filled(self, root: Path, sides: Mapping[str, Side]) -> None:
        """Refuse a side without class folders; with `val_share` such a one is none."""
        for name, side in sides.items():
            if side in self._sides and not subfolders(root / name):
                share = side == "test" and not self.test_only
                hint = ", or give --val-share 0.2 to test on a fifth of each class" if share else ""
                raise UserError(f"{root / name} holds no class folder: fill it{hint}")

    def _from_folders(self, root: Path) -> list[Video]:
        folders = self._class_folders(root)
        classes = self.classes(root, "")
        if not classes:
            raise UserError(f"{root} holds no class folders: expected {self._expected}")
        _check_tested(root, folders, classes)
        found = {folder: find_videos(root / folder.path) for folder in folders}
        for folder, (videos, _, left) in found.items():
            if not videos and folder.side in (self._sides[0], None):
                held = f" ({left})" if left else ""
                raise UserError(f"class folder {root / folder.path} holds no video{held}: fill or remove it")
        self._note_folders(root, {folder: left for folder, (_, _, left) in found.items()})
        listed = [
            Video(f"{folder.path}/{video}", classes.index(folder.name), folder.side or "train")
            for folder, (videos, _, _) in found.items()
            for video in videos
        ]
        twins = equal_but_for_ending(video.path for video in listed)
        if twins:
            example = " and ".join(twins[0][:2])
            note(f"{root}: {counted(len(twins), 'video')} lie there with several endings, all are taken: {example}")
        if self.val_share is None or not _undivided(folders):
            return listed
        return draw_share(listed, self.val_share, self.val_seed, self._source, classes)

    def draws_tests(self, root: Path) -> bool:
        """Whether `val_share` is what is tested: folders of classes that name no side."""
        return self.val_share is not None and self.table is None and _undivided(self._class_folders(root))

    @property
    def _source(self) -> Callable[[str], str]:
        return source_of if self.val_by == "group" else own_source

    def _note_folders(self, root: Path, of_classes: Mapping[ClassFolder, LeftAside]) -> None:
        """Tell which sides are taken, and what is left aside in the folders of the classes and above them."""
        if self.layout == "nothing":
            return  # the program has drawn what lies there, and nobody put anything beside it
        parts, left = part_folders(root), LeftAside()
        used = {folder.path.split("/")[0] for folder in of_classes}
        for below in ["", *sorted({folder.path.split("/")[0] for folder in of_classes if "/" in folder.path})]:
            around = find_videos(root / below, depth=1)
            start = f"{below}/" if below else ""
            left.extend(around.left, start)
            for video in around.videos:
                left.add("in no folder of a class", start + video)
            if not below:
                for name in around.folders:
                    if name not in used and part_named(name) is None:
                        left.add("folders beside train and test", name)
        for folder, more in of_classes.items():
            left.extend(more, f"{folder.path}/")
        note_left_aside(root, left)
        if "test" in parts and "val" in parts:
            chosen = "left aside" if self.test_only else "what is looked at while training"
            note(f"{root / parts['val']} is {chosen}: {parts['test']}/ is what is tested")
        elif "val" in parts:
            note(f"{root} has no test/: {parts['val']}/ is what is tested")

    def group(self, path: str) -> str | None:
        """The source of a video: what the table's `group_column` says, or its name where `val_by` goes by that."""
        if self.group_column is not None:
            return self._table.groups.get(self._listed_as.get(path, path)) if self._table else None
        return source_of(path) if self.val_share is not None and self.val_by == "group" else None

    @cached_property
    def _listed_as(self) -> dict[str, str]:
        """Path of a file -> how the table writes it, where that is not the same; known once `index` has looked."""
        return {}


def _undivided(folders: Sequence[ClassFolder]) -> bool:
    """Whether folders of classes leave it open what is tested."""
    return all(folder.side is None for folder in folders)


def _check_tested(root: Path, folders: Sequence[ClassFolder], classes: Sequence[str]) -> None:
    """Raise `UserError` for classes of tests or of validation without a training folder."""
    tested = {folder.name: folder for folder in folders if folder.side in ("val", "test")}
    trained = [folder.path for folder in folders if folder.side == "train"]
    train = root / (trained[0] if trained else "").partition("/")[0]
    check_same_case(list(tested), classes, train)
    for name, folder in tested.items():
        if name not in classes:
            hint = nearest_note(name, classes)
            where = (root / folder.path).parent
            raise UserError(f"{folder.side} class {name!r} in {where} has no folder in {train}{hint}")
