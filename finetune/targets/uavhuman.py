"""UAV-Human (Li et al., "UAV-Human: A Large Benchmark for Human Behavior Understanding", CVPR 2021).

Actions seen from the air, split by subjects.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fractalvid.finetune.targets.base import TargetProtocol, Video, contents, require_folder
from fractalvid.finetune.targets.files.lists import find_list, list_folders, read_lines
from fractalvid.finetune.targets.files.matching import benchmark_videos
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted, first_few

CLASSES, SUBJECTS = 155, 119
_PROTOCOL = TargetProtocol(splits=("cross-subject-v1", "cross-subject-v2"), num_classes=CLASSES, groups_apart=True)
_OBTAIN = (
    "UAV-Human comes from https://sutdcv.github.io/uav-human-web/, for research: put the .avi files of its RGB videos "
    "for action recognition into the data folder. The page https://github.com/sutdcv/UAV-Human says which subjects "
    "train in cross-subject-v1 and -v2: write their numbers, as they stand there, into cross-subject-v1.txt (or -v2)."
)
_LAYOUT = "P<subject>S..G..B..H..UC..LC..A<action>R<n>_<time>.avi files, flat or in folders, with cross-subject-v1.txt"
_NAME = re.compile(r"P(?P<subject>\d{3})S\d+G\d+B\d+H\d+UC\d+LC\d+A(?P<action>\d{3})R\d+(_\d+)?$", re.ASCII)


def read_subjects(path: Path) -> frozenset[int]:
    """Read the list of training subjects: whole numbers from 0, separated by commas, blanks or lines."""
    subjects = set[int]()
    for number, line in read_lines(path, "of training subjects, as '0, 2, 5'"):
        for word in line.replace(",", " ").replace(";", " ").split():
            code = word.removeprefix("P")
            if not (code.isascii() and code.isdecimal()) or int(code) >= SUBJECTS:
                raise UserError(f"{path}, line {number}: {word!r} is no subject, which are 0 to {SUBJECTS - 1}")
            subjects.add(int(code))
    if len(subjects) == SUBJECTS:
        raise UserError(f"{path} lists all {SUBJECTS} subjects for training, and leaves none to test on")
    return frozenset(subjects)


@dataclass(frozen=True)
class UavHuman:
    """The 155 actions of UAV-Human; `annotations` is the folder with the lists of training subjects."""

    annotations: Path | None = None
    name: str = "uavhuman"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """`A000` to `A154`, as the files have them."""
        return tuple(f"A{action:03d}" for action in range(CLASSES))

    def index(self, root: Path, split: str) -> list[Video]:
        """All files that are named as the benchmark's, by their subject."""
        require_folder(root, _LAYOUT)
        folders = list_folders(self.annotations, (root, root.parent), "annotations")
        training = read_subjects(find_list(f"{split}.txt", folders, "the numbers of the training subjects"))
        videos, others = list[Video](), list[str]()
        for path in benchmark_videos(root):
            name = _NAME.match(PurePosixPath(path).stem)
            if name is None:
                others.append(path)
                continue
            action = int(name["action"])
            if action >= CLASSES:
                raise UserError(f"{root / path}: action {action} of 0 to {CLASSES - 1}")
            videos.append(Video(path, action, "train" if int(name["subject"]) in training else "test"))
        if not videos:
            raise UserError(f"{root} is not UAV-Human: expected {_LAYOUT}, found {contents(root)}")
        if others:
            note(f"left aside in {root}: {counted(len(others), 'video')} of other names, as {first_few(others, 1)}")
        return videos

    def group(self, path: str) -> str | None:
        """The subject."""
        name = _NAME.match(PurePosixPath(path).stem)
        return f"P{name['subject']}" if name else None
