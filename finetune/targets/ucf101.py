"""UCF101 (Soomro, Zamir and Shah, "UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild", 2012)."""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fractalvid.finetune.targets.base import SIDES, Download, TargetProtocol, Video, contents, require_folder
from fractalvid.finetune.targets.files.lists import find_list, first_folder, list_folders, read_lines
from fractalvid.finetune.targets.files.matching import benchmark_videos, match_files, note_matches
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note

_PROTOCOL = TargetProtocol(splits=("1", "2", "3"), num_classes=101, average_splits=True, groups_apart=True)
_LISTS = "ucfTrainTestlist"
_ARCHIVE = "from UCF101TrainTestSplits-RecognitionTask.zip"
_OBTAIN = (
    "UCF101 comes from https://www.crcv.ucf.edu/data/UCF101.php, for research: UCF101.rar unpacks to UCF-101/ with a "
    "folder of .avi files for each class, and UCF101TrainTestSplits-RecognitionTask.zip to ucfTrainTestlist/ with the "
    "lists of the three splits. In the data folder: `unrar x UCF101.rar` (or `7z x`, `unar -D`, `bsdtar xf`), then "
    "`unzip` the other; or `finetune prepare --target ucf101 --data DIR --download`."
)
_LAYOUT = "v_<Class>_g<NN>_c<NN>.avi files, flat or in a folder a class, in UCF-101/ or directly"
# Sizes and checksums as TensorFlow Datasets publishes them (tensorflow_datasets/url_checksums/ucf101.txt).
DOWNLOADS = (
    Download(
        "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
        "5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
        113_943,
        folder="ucfTrainTestlist",
        strip=1,
        provides="ucfTrainTestlist/*list0[123].txt",
        count=6,
    ),
    Download(
        "https://storage.googleapis.com/thumos14_files/UCF101_videos.zip",
        "dabf56f573cd19c79e096563529fec8126a2a34e18e10c72eb621dd687532b0d",
        6_960_400_115,
        folder="UCF-101",
        strip=1,
        provides="**/v_*_g??_c??.avi",
        count=13_320,
    ),
)
"""What `finetune prepare --download` fetches: the lists, and the videos."""
_VIDEO = re.compile(r"v_(?P<name>\w+)_g(?P<group>\d+)_c\d+", re.ASCII)


def read_classes(path: Path) -> tuple[str, ...]:
    """Read `classInd.txt`: lines `<number> <Class>`, numbered from 1."""
    names: list[str] = []
    for number, line in read_lines(path, "'<number> <Class>'"):
        code, _, name = line.partition(" ")
        if code != str(len(names) + 1) or not name.strip() or name.strip() in names:
            raise UserError(f"{path}, line {number}: expected '{len(names) + 1} <another class>', found {line!r}")
        names.append(name.strip())
    return tuple(names)


def read_list(path: Path, classes: tuple[str, ...]) -> list[tuple[str, int]]:
    """Read `trainlist0<n>.txt` (lines `<Class>/<name>.avi <number>`) or `testlist0<n>.txt` (without the number).

    Returns:
        (`<Class>/<name>.avi`, label from 0) of each video.
    """
    # The official files write one class both HandstandPushups and HandStandPushups.
    labels = {name.casefold(): label for label, name in enumerate(classes)}
    videos = []
    for number, line in read_lines(path, "'<Class>/<video>'"):
        where = f"{path}, line {number}"
        video, *code = line.split()
        name, slash, file = video.partition("/")
        if not slash or not file or len(code) > 1:
            raise UserError(f"{where}: expected '<Class>/<video> [<class number>]', found {line!r}")
        label = labels.get(name.casefold())
        if label is None:
            raise UserError(f"{where}: class {name!r} is not in classInd.txt{nearest_note(name, classes)}")
        if code and code[0] != str(label + 1):
            raise UserError(
                f"{where}: label {code[0]}, but classInd.txt has {name} as {label + 1} of 1 to {len(classes)}"
            )
        videos.append((video, label))
    return videos


@dataclass(frozen=True)
class Ucf101:
    """The 101 classes and 3 splits of UCF101; `annotations` is the folder with the official lists."""

    annotations: Path | None = None
    name: str = "ucf101"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def _list(self, root: Path, name: str) -> Path:
        return find_list(name, list_folders(self.annotations, (root, root.parent), _LISTS), _ARCHIVE)

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """Class names, in the order of `classInd.txt`."""
        return read_classes(self._list(root, "classInd.txt"))

    def index(self, root: Path, split: str) -> list[Video]:
        """The videos of a split's two lists, found by their names wherever they lie."""
        require_folder(root, _LAYOUT)
        classes = self.classes(root, split)
        base = first_folder(root, "UCF-101")
        files = {PurePosixPath(path).name: path for path in benchmark_videos(root, base)}
        if not any(_VIDEO.match(name) for name in files):
            raise UserError(f"{root} is not UCF101: expected {_LAYOUT}, found {contents(root)}")

        listed = [
            Video(video, label, side)
            for side in SIDES
            for video, label in read_list(self._list(root, f"{side}list0{split}.txt"), classes)
        ]
        matched = match_files((PurePosixPath(video.path).name for video in listed), files)
        note_matches(self.name, matched, files)

        def place(video: str) -> str:
            name = matched.get(PurePosixPath(video).name)
            return (base / video).relative_to(root).as_posix() if name is None else files[name]

        return [replace(video, path=place(video.path)) for video in listed]

    def group(self, path: str) -> str | None:
        """The class and the group gNN: clips of one group share actor and place, and stay on one side of a split."""
        parts = _VIDEO.match(PurePosixPath(path).name)
        return f"{parts['name'].casefold()}_g{parts['group']}" if parts else None
