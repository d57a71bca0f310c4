"""Volleyball (Ibrahim et al., "A Hierarchical Deep Temporal Model for Group Activity Recognition", CVPR 2016).

What a whole team does, of 8 group activities. Left and right are classes, so clips are not mirrored.
"""

from dataclasses import dataclass
from pathlib import Path

from fractalvid.finetune.targets.base import Side, TargetProtocol, Video, contents, require_folder
from fractalvid.finetune.targets.files.lists import first_folder, read_lines
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.utils.messages.phrases import first_few

CLASSES = ("r_set", "r_spike", "r_pass", "r_winpoint", "l_set", "l_spike", "l_pass", "l_winpoint")
_SPLIT: dict[Side, tuple[int, ...]] = {
    "train": (1, 3, 6, 7, 10, 13, 15, 16, 18, 22, 23, 31, 32, 36, 38, 39, 40, 41, 42, 48, 50, 52, 53, 54),
    "val": (0, 2, 8, 12, 17, 19, 24, 26, 27, 28, 30, 33, 46, 49, 51),
    "test": (4, 5, 9, 11, 14, 20, 21, 25, 29, 34, 35, 37, 43, 44, 45, 47),
}
# Clips are 41 frames long: the annotated one, and 20 before and behind it.
_PROTOCOL = TargetProtocol(splits=("official",), num_classes=len(CLASSES), groups_apart=True, mirror=False)
_OBTAIN = (
    "Volleyball comes from https://github.com/mostafa-saad/deep-activity-rec: its archive unpacks to folders 0 to 54, "
    "a video each, with annotations.txt and a folder of 41 pictures for each annotated frame. An "
    "empty annotations.txt says that a video is to be left out."
)
_LAYOUT = (
    "<video>/annotations.txt and <video>/<frame>/*.jpg for the videos 0 to 54, in videos/, volleyball/ or directly"
)
_EXPECTED = "'<frame>.jpg <activity> <boxes>'"


def read_annotations(path: Path) -> list[tuple[str, int]]:
    """Read a video's `annotations.txt`: (frame, label) of each line; nothing of an empty one.

    Some activities are written with `-` and some with `_`; the boxes of players behind them are passed over.
    """
    clips = []
    for number, line in read_lines(path, _EXPECTED, empty=True):
        picture, activity, *_ = [*line.split(), ""]
        frame = picture.removesuffix(".jpg")
        if frame == picture or not frame.isdecimal():
            raise UserError(f"{path}, line {number}: expected {_EXPECTED}, found {line[:60]!r}")
        name = activity.replace("-", "_")
        if name not in CLASSES:
            hint = nearest_note(name, CLASSES)
            raise UserError(f"{path}, line {number}: {activity!r} is none of the {len(CLASSES)} activities{hint}")
        clips.append((frame, CLASSES.index(name)))
    return clips


@dataclass(frozen=True)
class Volleyball:
    """The 8 group activities of Volleyball; each clip is a folder of pictures."""

    name: str = "volleyball"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """The activities of the right team, then those of the left."""
        return CLASSES

    def index(self, root: Path, split: str) -> list[Video]:
        """The annotated clips of all 55 videos."""
        require_folder(root, _LAYOUT)
        base = first_folder(root, "videos", "volleyball")
        lists = {number: base / str(number) / "annotations.txt" for numbers in _SPLIT.values() for number in numbers}
        lacking = sorted(number for number, path in lists.items() if not path.is_file())
        if len(lacking) == len(lists):
            raise UserError(f"{root} is not Volleyball: expected {_LAYOUT}, found {contents(base)}")
        if lacking:
            videos = first_few(map(str, lacking))
            raise UserError(
                f"{base} has no annotations.txt of {len(lacking)} of {len(lists)} videos ({videos}); an empty one "
                "leaves a video out"
            )
        return [
            Video((base / str(number) / frame).relative_to(root).as_posix(), label, side)
            for side, numbers in _SPLIT.items()
            for number in numbers
            for frame, label in read_annotations(lists[number])
        ]

    def group(self, path: str) -> str | None:
        """The match that a clip is of."""
        video, _, frame = path.rpartition("/")
        return video.rpartition("/")[2] or None if frame else None
