"""EGTEA Gaze+ (Li, Liu and Rehg, "In the Eye of Beholder", ECCV 2018): actions of cooking, seen by who acts."""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fractalvid.finetune.targets.base import SIDES, TargetProtocol, Video, require_folder, require_videos
from fractalvid.finetune.targets.files.lists import find_list, first_folder, list_folders, read_lines
from fractalvid.finetune.targets.files.matching import benchmark_videos, match_files, note_matches
from fractalvid.utils.errors import UserError

CLASSES = 106
_PROTOCOL = TargetProtocol(splits=("1", "2", "3"), num_classes=CLASSES, average_splits=True)
_ARCHIVE = "from action_annotation.zip"
_OBTAIN = (
    "EGTEA Gaze+ comes from https://cbs.ic.gatech.edu/fpv/: video_clips.tar unpacks to cropped_clips/ with a folder of "
    ".mp4 clips a session, and action_annotation.zip holds action_idx.txt and the lists train_split1.txt, "
    "test_split1.txt and so on. In the data folder: `tar xf video_clips.tar`, then "
    "`unzip action_annotation.zip -d action_annotation`."
)
_LAYOUT = (
    "<clip>.mp4 in cropped_clips/ or directly, flat or in a folder a session, with the lists in action_annotation/"
)
_EXPECTED = "'<clip> <action> <verb> <noun> [<noun> ...]'"
# <session>-<start ms>-<end ms>-F<first frame>-F<last frame>
_CLIP = re.compile(r"(?P<session>.+?)-\d+-\d+-F\d+-F\d+$", re.ASCII)


def read_classes(path: Path) -> tuple[str, ...]:
    """Read `action_idx.txt`: lines `<name of several words> <number from 1>`."""
    names = dict[int, str]()
    for number, line in read_lines(path, "'<action> <number>'"):
        name, _, code = line.rpartition(" ")
        if not name.strip() or not (code.isascii() and code.isdecimal()) or int(code) in names:
            raise UserError(f"{path}, line {number}: expected '<action> <another number>', found {line!r}")
        names[int(code)] = name.strip()
    if sorted(names) != list(range(1, CLASSES + 1)):
        raise UserError(f"{path} numbers {len(names)} actions; EGTEA Gaze+ has {CLASSES}, numbered from 1")
    return tuple(names[number] for number in range(1, CLASSES + 1))


def read_list(path: Path) -> list[tuple[str, int]]:
    """Read `train_split<n>.txt` or `test_split<n>.txt`: (clip, label from 0) of each line, by its action."""
    clips = []
    for number, line in read_lines(path, _EXPECTED):
        clip, *codes = line.split()
        if not codes or not all(code.isascii() and code.isdecimal() for code in codes):
            raise UserError(f"{path}, line {number}: expected {_EXPECTED}, found {line!r}")
        if not 1 <= int(codes[0]) <= CLASSES:
            raise UserError(f"{path}, line {number}: the action of {clip} is {codes[0]} of 1 to {CLASSES}")
        clips.append((clip.removesuffix(".mp4"), int(codes[0]) - 1))
    return clips


@dataclass(frozen=True)
class Egtea:
    """The 106 actions and 3 splits of EGTEA Gaze+; `annotations` is the folder with the official lists."""

    annotations: Path | None = None
    name: str = "egtea"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def _list(self, root: Path, name: str) -> Path:
        places = ("action_annotation", "annotations")
        return find_list(name, list_folders(self.annotations, (root, root.parent), *places), _ARCHIVE)

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """Actions, in the order of `action_idx.txt`."""
        return read_classes(self._list(root, "action_idx.txt"))

    def index(self, root: Path, split: str) -> list[Video]:
        """The clips of a split's two lists, found by their names wherever they lie."""
        require_folder(root, _LAYOUT)
        base = first_folder(root, "cropped_clips")
        files = {PurePosixPath(path).name: path for path in benchmark_videos(root, base)}
        require_videos(base, files, _LAYOUT)
        listed = [
            Video(f"{clip}.mp4", label, side)
            for side in SIDES
            for clip, label in read_list(self._list(root, f"{side}_split{split}.txt"))
        ]
        matched = match_files((video.path for video in listed), files)
        note_matches(self.name, matched, files)

        def place(clip: str) -> str:
            session = self.group(clip)
            missing = (base / session / clip if session else base / clip).relative_to(root).as_posix()
            return files[matched[clip]] if clip in matched else missing

        return [replace(video, path=place(video.path)) for video in listed]

    def group(self, path: str) -> str | None:
        """The session, of one person and one recipe; the official splits have sessions on both sides."""
        clip = _CLIP.match(PurePosixPath(path).stem)
        return clip["session"] if clip else None
