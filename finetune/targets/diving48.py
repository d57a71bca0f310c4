"""Diving48 (Li, Li and Vasconcelos, "RESOUND: Towards Action Recognition without Representation Bias", ECCV 2018).

The lists also give `start_frame` and `end_frame`. They describe the clip that was cut from a competition's recording,
and the files that are distributed are those clips: nothing is cut again here, so that files at another frame rate
serve, too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from fractalvid.finetune.targets.base import SIDES, TargetProtocol, Video, require_folder, require_videos
from fractalvid.finetune.targets.files.lists import find_list, first_folder, list_folders
from fractalvid.finetune.targets.files.matching import benchmark_videos, placed
from fractalvid.utils.documents import DocumentError, convert, read_json
from fractalvid.utils.errors import UserError

CLASSES = 48
_PROTOCOL = TargetProtocol(splits=("v2", "v1"), num_classes=CLASSES)
_FILES = {"v2": "Diving48_V2_{side}.json", "v1": "Diving48_{side}.json"}
_VOCABULARY = "Diving48_vocab.json"
_PAGE = "http://www.svcl.ucsd.edu/projects/resound/dataset.html"
_OBTAIN = (
    f"Diving48 comes from {_PAGE}: Diving48_rgb.tar.gz unpacks to rgb/ with all clips, and beside it lie the lists "
    "Diving48_V2_train.json, Diving48_V2_test.json and Diving48_vocab.json. V2 (split v2, the default) has cleaned "
    "labels; the first release (split v1: Diving48_train.json and Diving48_test.json) is noisy, and its numbers do "
    "not compare. In the data folder: `tar xf Diving48_rgb.tar.gz`, with the .json files beside rgb/."
)
_LAYOUT = "rgb/<vid_name>.mp4, with the .json lists beside rgb/"


@dataclass(frozen=True)
class _Entry:
    """A video of a list."""

    vid_name: Annotated[str, msgspec.Meta(min_length=1)]
    label: int


def read_list(path: Path) -> list[tuple[str, int]]:
    """Read a list of objects with `vid_name` and `label` (0 to 47): (name, label) of each video."""
    entries = read_json(path, Any, what="the list")
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: expected a list of objects with vid_name and label")
    videos = []
    for number, values in enumerate(entries, start=1):
        try:
            entry = convert(values, _Entry, where="it")
        except DocumentError as error:
            raise UserError(f"{path}, entry {number}: expected an object with vid_name and label; {error}") from None
        if not 0 <= entry.label < CLASSES:
            raise UserError(
                f"{path}, entry {number}: the label of {entry.vid_name} is {entry.label}; Diving48's are 0 to "
                f"{CLASSES - 1}"
            )
        videos.append((entry.vid_name, entry.label))
    return videos


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Read `Diving48_vocab.json`, 48 lists of 4 words: class names such as `Back+15som+05Twis+FREE`."""
    names = tuple("+".join(words) for words in read_json(path, list[list[str]], what="the vocabulary"))
    if len(set(names)) != CLASSES:
        raise UserError(f"{path} names {len(set(names))} classes; Diving48 has {CLASSES}")
    return names


@dataclass(frozen=True)
class Diving48:
    """The 48 dives of Diving48; its versions v2 (cleaned) and v1 (the noisy first release) are its splits.

    Each version's lists use 47 of the 48 labels.
    """

    annotations: Path | None = None
    name: str = "diving48"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def _list(self, root: Path, name: str) -> Path:
        return find_list(name, list_folders(self.annotations, (root, root.parent), "annotations"), f"from {_PAGE}")

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """The 48 dives: take-off, somersaults, twists, position."""
        return read_vocabulary(self._list(root, _VOCABULARY))

    def index(self, root: Path, split: str) -> list[Video]:
        """The clips of a version's two lists."""
        require_folder(root, _LAYOUT)
        base = first_folder(root, "rgb", "videos")
        files = [Path(path).name for path in benchmark_videos(root, base, depth=1)]
        require_videos(base, files, _LAYOUT)
        listed = [
            Video(f"{name}.mp4", label, side)
            for side in SIDES
            for name, label in read_list(self._list(root, _FILES[split].format(side=side)))
        ]
        return placed(listed, root, base, files, of=self.name)

    def group(self, path: str) -> str:
        """The recording that the clip was cut from: its name without the number."""
        return Path(path).stem.rpartition("_")[0] or Path(path).stem
