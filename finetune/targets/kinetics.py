"""Kinetics-400 (Kay et al., "The Kinetics Human Action Video Dataset", 2017) and -600 (Carreira et al., 2018)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fractalvid.finetune.targets.base import (
    Side,
    TargetProtocol,
    Video,
    contents,
    require_folder,
)
from fractalvid.finetune.targets.files.lists import class_key, first_folder, list_folders, read_csv
from fractalvid.finetune.targets.files.matching import benchmark_videos, note_matches
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.video.folders import subfolders

# The official archives call validation "validate", the usual copies of them "val".
_WORDS = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("test",)}
_COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
_LAYOUT = (
    "train/ and val/ with <class>/<video> or <youtube_id>_<start>_<end>.mp4 "
    "(those without class folders need train.csv and val.csv, in annotations/)"
)
_OBTAIN = (
    "Kinetics is a list of YouTube clips. https://github.com/cvdfoundation/kinetics-dataset hosts copies of them: "
    "k{number}_downloader.sh and k{number}_extractor.sh give train/, val/ and test/ with files "
    "<youtube_id>_<start>_<end>.mp4 (copy those in replacement/, if any, over the broken ones of the same names), and "
    "https://s3.amazonaws.com/kinetics/{number}/annotations/ has train.csv and val.csv with the columns "
    "label,youtube_id,time_start,time_end,split, to be put into annotations/. Folders of classes below train/ and "
    "val/, as crawlers make them, serve as well, with or without the tables. Some clips are always missing: "
    "--allow-missing counts them."
)


@dataclass(frozen=True)
class Clip:
    """A line of a table: 10 s of a video, from `start` to `end` in seconds."""

    label: str
    youtube_id: str
    start: int
    end: int

    def stems(self) -> tuple[str, str]:
        """What its file is called, without the ending: as the official crawler names it, or by the id alone."""
        return f"{self.youtube_id}_{self.start:06d}_{self.end:06d}", self.youtube_id


def read_table(path: Path, part: str) -> list[Clip]:
    """Read one of the official tables, of which all lines belong to `part` (train, val or test).

    Raises:
        UserError: columns are missing (the test labels of a challenge were withheld), or lines malformed.
    """
    clips = []
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        try:
            start, end = int(float(line["time_start"])), int(float(line["time_end"]))
        except (ValueError, OverflowError):
            raise UserError(f"{where}: time_start and time_end are no numbers") from None
        if line["split"].casefold() not in _WORDS[part]:
            raise UserError(f"{where}: its split is {line['split']!r}, but this is the table of {part}")
        if not line["label"] or not line["youtube_id"]:
            raise UserError(f"{where}: the label or the youtube_id is empty")
        clips.append(Clip(line["label"], line["youtube_id"], start, end))
    if not clips:
        raise UserError(f"{path} lists no clip")
    return clips


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    columns, lines = read_csv(path)
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        hint = "; the test labels were withheld, so test on the split val" if missing == ["label"] else ""
        raise UserError(f"{path} has no column {missing[0]!r}: expected {','.join(_COLUMNS)}{hint}")
    return lines


@dataclass(frozen=True)
class Kinetics:
    """Kinetics with its `number` of classes, trained on train and tested on val (as the field does) or test.

    What the folders hold is listed by the official tables where they are in `annotations` or the data folder, else by
    folders for the classes. `test_only` asks for no training videos: the classes are those of the test.
    """

    number: int
    annotations: Path | None = None
    test_only: bool = False

    @property
    def name(self) -> str:
        """`kinetics400` or `kinetics600`."""
        return f"kinetics{self.number}"

    @property
    def protocol(self) -> TargetProtocol:
        """10 views of 3 crops, as published results have them."""
        return TargetProtocol(crops=3, splits=("val", "test"), num_classes=self.number)

    @property
    def obtain(self) -> str:
        """Where the clips come from."""
        return _OBTAIN.format(number=self.number)

    @property
    def layout(self) -> str:
        """Folders of clips, and tables."""
        return _LAYOUT

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """The labels of the training table, or the names of the training folders, in alphabetical order."""
        tables = self._tables(root, split)
        side, part = next(iter(self._parts(split).items()))
        if tables is None:
            require_folder(root, _LAYOUT)
            base = _part_folder(root, part)
            names = subfolders(base) if base != root else []
            if not names:
                raise UserError(f"{root} is not Kinetics: expected {_LAYOUT}, found {contents(root)}")
        else:
            names = sorted({clip.label for clip in read_table(tables[side], part)})
        if len(names) > self.number:
            raise UserError(f"{root} has {len(names)} classes; {self.name} has {self.number}")
        return tuple(names)

    def index(self, root: Path, split: str) -> list[Video]:
        """The clips of the tables, or of the folders."""
        require_folder(root, _LAYOUT)
        tables, classes = self._tables(root, split), self.classes(root, split)
        videos = []
        for side, part in self._parts(split).items():
            base = _part_folder(root, part)
            if tables is None:
                videos += _from_folders(root, base, classes, side, part)
            else:
                videos += _from_table(root, base, classes, side, tables[side], part)
        return videos

    def group(self, path: str) -> str | None:
        """The YouTube video, where the file is named after one."""
        stem = PurePosixPath(path).stem
        return stem[:11] if len(stem) in (11, 25) else None

    def _parts(self, split: str) -> dict[Side, str]:
        """What each side is called."""
        return {"test": split} if self.test_only else {"train": "train", "test": split}

    def _tables(self, root: Path, split: str) -> dict[Side, Path] | None:
        """The tables of training and testing; None where there are none, for folders of classes need none."""
        parts = self._parts(split)
        folders = list_folders(self.annotations, (root,), "annotations", self.name)
        tables: dict[Side, Path] = {}
        for side, part in parts.items():
            wanted = [pattern for word in _WORDS[part] for pattern in (f"{word}.csv", f"*[-_]{word}.csv")]
            files = (file for folder in folders for pattern in wanted for file in sorted(folder.glob(pattern)))
            file = next(files, None)
            if file is not None:
                tables[side] = file
        if not tables and self.annotations is None:
            return None
        for side, part in parts.items():
            if side not in tables:
                looked = self.annotations or root
                raise UserError(f"no {part}.csv (columns {','.join(_COLUMNS)}) in {looked}; see --annotations")
        return tables


def _part_folder(root: Path, part: str) -> Path:
    return first_folder(root, *_WORDS[part])


def _labels(classes: tuple[str, ...]) -> dict[str, int]:
    return {class_key(name): label for label, name in enumerate(classes)}


def _from_folders(root: Path, base: Path, classes: tuple[str, ...], side: Side, part: str) -> list[Video]:
    if base == root:
        raise UserError(f"{root} has no folder {part}: expected {_LAYOUT}, found {contents(root)}")
    labels = _labels(classes)
    if len(labels) < len(classes):
        raise UserError(f"{base} has class folders that differ only in case, spaces or underscores; put them together")
    videos = []
    for name in subfolders(base):
        if class_key(name) not in labels:
            raise UserError(f"class folder {name!r} in {base} has no training videos{nearest_note(name, classes)}")
    for path in benchmark_videos(root, base):
        name = PurePosixPath(path).parent.name
        if class_key(name) in labels:
            videos.append(Video(path, labels[class_key(name)], side))
    return videos


def _from_table(root: Path, base: Path, classes: tuple[str, ...], side: Side, table: Path, part: str) -> list[Video]:
    labels = _labels(classes)
    folders = [] if base == root else subfolders(base)
    there = benchmark_videos(root, base)
    full = {PurePosixPath(path).parent.name for path in there}
    for name in folders:
        if class_key(name) not in labels and name in full:
            raise UserError(f"class folder {name!r} in {base} is no label of {table}{nearest_note(name, classes)}")
    official_last = sorted(reversed(there), key=lambda path: path.endswith(".mp4"))
    files = {PurePosixPath(path).stem: path for path in official_last}
    videos = dict[Video, None]()  # some tables list a clip twice
    for clip in read_table(table, part):
        label = labels.get(class_key(clip.label))
        if label is None:
            raise UserError(f"{table}: label {clip.label!r} has no training videos{nearest_note(clip.label, classes)}")
        official, short = clip.stems()
        name = f"{clip.label}/{official}.mp4" if folders else f"{official}.mp4"
        path = files.get(official) or files.get(short) or (base / name).relative_to(root).as_posix()
        videos[Video(path, label, side)] = None
    taken = {path: path for path in dict.fromkeys(video.path for video in videos)}
    note_matches(f"{root} ({part})", taken, there)
    return list(videos)
