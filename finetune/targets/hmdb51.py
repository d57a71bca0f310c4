"""HMDB51 (Kuehne et al., "HMDB: a large video database for human motion recognition", ICCV 2011)."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fractalvid.finetune.targets.base import (
    Side,
    TargetProtocol,
    Video,
    check_same_case,
    contents,
    require_folder,
)
from fractalvid.finetune.targets.files.lists import list_folders, read_lines
from fractalvid.finetune.targets.files.matching import benchmark_videos, composed, match_files, note_matches
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.utils.messages.phrases import first_few
from fractalvid.video.folders import subfolders

_PROTOCOL = TargetProtocol(splits=("1", "2", "3"), num_classes=51, average_splits=True)
_LISTS = "testTrainMulti_7030_splits"
_OBTAIN = (
    "HMDB51 (CC BY 4.0) comes from https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database: "
    "hmdb51_org.rar holds one .rar a class, which unpacks to a folder of .avi files, and test_train_splits.rar holds "
    "the folder testTrainMulti_7030_splits with a list for each class and split. In the data folder: "
    "`unrar x hmdb51_org.rar`, then `unrar x` each of the .rar files in it, then `unrar x test_train_splits.rar` (or "
    "`7z x`, `unar -D`, `bsdtar xf`)."
)
_LAYOUT = "one folder of .avi files a class (brush_hair/, cartwheel/, ...; unpack the .rar of each class)"
# <film>_<class>_<body part>_<camera motion>_np<people>_<view>_<quality>_<number>, as the data set's page explains.
_ATTRIBUTES = re.compile(r"_[a-z]+_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+$")
_SIDES: dict[str, Side | None] = {"0": None, "1": "train", "2": "test"}
# The lists and the archives disagree on these characters: "#20_Rhythm..." is listed, "@20_Rhythm..." unpacks.
_FOLD = str.maketrans("#&", "@@")


def folded(name: str) -> str:
    """A file name without what lists and archives disagree on: `#`, `&`, `@` and Unicode composition."""
    return composed(name).translate(_FOLD)


def match_names(listed: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """Listed name -> file name, as `files.matching.match_files` finds it; `#`, `&` and `@` are one sign."""
    return match_files(listed, files, folded)


def read_list(path: Path) -> dict[str, Side | None]:
    """Read `<class>_test_split<n>.txt`: lines `<name> <0|1|2>`, where 1 trains, 2 tests and 0 is not used."""
    sides: dict[str, Side | None] = {}
    for number, line in read_lines(path, "'<video name> <0, 1 or 2>'"):
        name, _, code = line.rpartition(" ")
        name = name.rstrip()
        if not name or code not in _SIDES:
            raise UserError(f"{path}, line {number}: expected '<video name> <0, 1 or 2>', found {line!r}")
        if name in sides:
            raise UserError(f"{path}, line {number}: {name} is listed twice")
        sides[name] = _SIDES[code]
    return sides


@dataclass(frozen=True)
class Hmdb51:
    """The 51 classes and 3 splits of HMDB51; `annotations` is the folder with the official split files."""

    annotations: Path | None = None
    name: str = "hmdb51"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def list_files(self, root: Path, split: str) -> dict[str, Path]:
        """The split file of each class, in the order of the classes."""
        ending = f"_test_split{split}.txt"
        places = (root, root.parent) if self.annotations is None else (self.annotations,)
        for folder in list_folders(self.annotations, places, _LISTS):
            files = sorted(folder.glob(f"*{ending}"))
            if files:
                return {file.name.removesuffix(ending): file for file in files}
        looked = " or ".join(str(place) for place in places)
        raise UserError(
            f"no HMDB51 split files (<class>{ending}, from test_train_splits.rar) in {looked}; "
            "give their folder with --annotations"
        )

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """Class names in alphabetical order, which is the order of the official files."""
        return tuple(self.list_files(root, split))

    def index(self, root: Path, split: str) -> list[Video]:
        """The videos that the split files put into training or test."""
        require_folder(root, _LAYOUT)
        lists = self.list_files(root, split)
        folders = subfolders(root)
        check_same_case(list(lists), folders, root)
        if not set(lists).intersection(folders):
            raise UserError(f"{root} is not HMDB51: expected {_LAYOUT}, found {contents(root)}")
        files = defaultdict[str, list[str]](list)
        for path in benchmark_videos(root):
            folder, _, video = path.rpartition("/")
            files[folder].append(video)
        unlisted = [name for name in folders if name not in lists and files[name]]
        if unlisted:
            hint = nearest_note(unlisted[0], lists)
            raise UserError(
                f"no split file *_test_split{split}.txt for the class folder(s) {first_few(unlisted)}{hint} in {root}"
            )
        videos, matched = list[Video](), dict[str, str]()
        for label, (name, file) in enumerate(lists.items()):
            sides = read_list(file)
            found = match_names(sides, files[name])
            matched |= {f"{name}/{video}": f"{name}/{there}" for video, there in found.items()}
            videos += [Video(f"{name}/{found.get(video, video)}", label, side) for video, side in sides.items() if side]
        note_matches(self.name, matched, (f"{folder}/{video}" for folder in lists for video in files[folder]))
        return videos

    def group(self, path: str) -> str:
        """The film or upload that a clip was cut from: its name without class, attributes, digits and signs."""
        video = PurePosixPath(path)
        film = _ATTRIBUTES.sub("", video.stem).removesuffix(f"_{video.parent.name}")
        return re.sub(r"[\W\d_]+", "", film.casefold()) or film
