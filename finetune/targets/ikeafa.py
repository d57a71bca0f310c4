"""Ikea FA (Toyer et al., "Human Pose Forecasting via Deep Markov Models", DICTA 2017): assembling a table.

Clips are cut by frames from long videos, and split by the person who assembles. The annotations are given out as arrays
of MATLAB and HDF5 a video, so what is read is a table made of them, a line a clip.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fractalvid.finetune.targets.base import Side, TargetProtocol, Video, require_folder, require_videos
from fractalvid.finetune.targets.files.lists import (
    class_key,
    find_list,
    first_folder,
    list_folders,
    read_csv,
    read_lines,
)
from fractalvid.finetune.targets.files.matching import benchmark_videos, match_files, note_matches
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few

CLASSES = 12
_TABLE, _SUBJECTS = "ikeafa.csv", "test_subjects.txt"
_COLUMNS = ("video", "start", "end", "label", "subject")
_PROTOCOL = TargetProtocol(splits=("subjects",), num_classes=CLASSES, groups_apart=True)
_OBTAIN = (
    "Ikea FA comes from http://users.cecs.anu.edu.au/~u5568237/ikea/ (ikea-fa-release-data.zip): 111 videos, with "
    "frame-wise actions as arrays of MATLAB and HDF5. Write a line for each stretch of one action into ikeafa.csv with "
    f"the columns {','.join(_COLUMNS)} (frames from 0; end is the first frame behind it), and the subjects to test on "
    "into test_subjects.txt, one a line."
)
_LAYOUT = "videos in videos/ or directly, with ikeafa.csv and test_subjects.txt beside them"


@dataclass(frozen=True)
class Cut:
    """A line of the table: frames `start` to `end` (exclusive) of a video, what is done in them and by whom."""

    video: str
    start: int
    end: int
    label: str
    subject: str


def read_table(path: Path) -> list[Cut]:
    """Read the table. Raises `UserError` for missing columns, empty values and ranges that hold no frame."""
    columns, lines = read_csv(path, "the table ")
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        raise UserError(f"{path} has no column {missing[0]!r}: expected {','.join(_COLUMNS)}")
    cuts = []
    for number, line in lines:
        where = f"{path}, line {number}"
        empty = [column for column in _COLUMNS if not line[column]]
        if empty:
            raise UserError(f"{where}: the {empty[0]} is empty")
        if not all(line[name].isascii() and line[name].isdecimal() for name in ("start", "end")):
            raise UserError(f"{where}: start and end are frame numbers from 0, found {line['start']}, {line['end']}")
        start, end = int(line["start"]), int(line["end"])
        if start >= end:
            raise UserError(f"{where}: frames {start} to {end} are none; end is the first frame behind the clip")
        cuts.append(Cut(line["video"], start, end, line["label"], line["subject"]))
    if not cuts:
        raise UserError(f"{path} lists no clip")
    return cuts


@dataclass(frozen=True)
class IkeaFa:
    """The 12 actions of Ikea FA; `annotations` is the folder with the table and the test subjects."""

    annotations: Path | None = None
    name: str = "ikeafa"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def _list(self, root: Path, name: str) -> Path:
        return find_list(name, list_folders(self.annotations, (root, root.parent), "annotations"), f"see {_OBTAIN}")

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """The table's actions, in alphabetical order."""
        path = self._list(root, _TABLE)
        names = sorted({cut.label for cut in read_table(path)})
        known: dict[str, str] = {}
        for name in names:
            other = known.setdefault(class_key(name), name)
            if other != name:
                raise UserError(f"{path}: the actions {other!r} and {name!r} are one; write it in one way")
        if len(names) > CLASSES:
            raise UserError(f"{path} has {len(names)} actions; Ikea FA has {CLASSES}: leave out what is none")
        return tuple(names)

    def index(self, root: Path, split: str) -> list[Video]:
        """The clips of the table."""
        require_folder(root, _LAYOUT)
        classes, cuts = self.classes(root, split), read_table(self._list(root, _TABLE))
        base = first_folder(root, "videos")
        files = benchmark_videos(root, base)
        require_videos(base, files, _LAYOUT)
        tested = self._tested(root, cuts)
        start = "" if base == root else f"{base.relative_to(root).as_posix()}/"
        matched = match_files((start + cut.video for cut in cuts), files)
        note_matches(self.name, {name: file for name, file in matched.items() if Path(name).suffix}, files)
        videos = []
        for cut in cuts:
            path = matched.get(start + cut.video, start + cut.video)
            if self._subjects.setdefault(path, cut.subject) != cut.subject:
                raise UserError(
                    f"{_TABLE}: {cut.video} is of {self._subjects[path]} in one line and {cut.subject} in another"
                )
            side: Side = "test" if cut.subject in tested else "train"
            videos.append(Video(path, classes.index(cut.label), side, cut.start, cut.end))
        return videos

    def _tested(self, root: Path, cuts: list[Cut]) -> set[str]:
        path = self._list(root, _SUBJECTS)
        tested = {line.strip() for _, line in read_lines(path, "of a subject each")}
        unknown = sorted(tested - {cut.subject for cut in cuts})
        if unknown:
            raise UserError(f"{path}: no clip of the table is of subject {first_few(map(repr, unknown), 3)}")
        return tested

    @cached_property
    def _subjects(self) -> dict[str, str]:
        """Path of each video -> its subject; known once `index` has looked."""
        return {}

    def group(self, path: str) -> str | None:
        """The subject."""
        return self._subjects.get(path)
