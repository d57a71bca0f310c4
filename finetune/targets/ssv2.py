"""Something-Something V2 (Goyal et al., "The 'something something' video database", ICCV 2017), whole and mini.

The mini set is the half of the classes with all their videos (Chen et al., "Deep Analysis of CNN-based Spatio-temporal
Representations for Action Recognition", CVPR 2021). Left and right are classes, so clips are not mirrored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec

from fractalvid.finetune.targets.base import SIDES, Side, TargetProtocol, Video, require_folder, require_videos
from fractalvid.finetune.targets.files.lists import find_list, first_folder, list_folders
from fractalvid.finetune.targets.files.matching import benchmark_videos, placed
from fractalvid.utils.documents import MAX_LOG_BYTES, DocumentError, convert, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted

_CLASSES = {"ssv2": 174, "ssv2-mini": 87}
_PAGE = "https://www.qualcomm.com/developer/software/something-something-v-2-dataset"
_FOLDERS = ("20bn-something-something-v2", "videos")
_LISTS: dict[str, tuple[str, ...]] = {
    "train": ("something-something-v2-train.json", "train.json"),
    "test": ("something-something-v2-validation.json", "validation.json"),
    "labels": ("something-something-v2-labels.json", "labels.json"),
}
_OBTAIN = {
    "ssv2": (
        f"Something-Something V2 (220,847 clips in 174 classes) comes from {_PAGE}, for research: the parts of the "
        "video archive together unpack to 20bn-something-something-v2/ with <id>.webm, and the labels to labels/ with "
        "train.json, validation.json and labels.json (something-something-v2-train.json and so on in older copies). "
        "Labels of the test part were never given out: tested is the validation part, as in the field."
    ),
    "ssv2-mini": (
        f"The mini set is 87 classes of Something-Something V2 ({_PAGE}) with all their clips: put its labels.json, "
        "which names the 87, into labels/, with its own train.json and validation.json or those of the whole set, of "
        "which the clips of other classes are left aside."
    ),
}
_LAYOUT = "<id>.webm in 20bn-something-something-v2/, videos/ or directly, with the JSON lists in labels/ or beside it"


@dataclass(frozen=True)
class _Entry:
    """A clip of a list; its template names the class, else its label does."""

    id: Annotated[str, msgspec.Meta(min_length=1)] | int
    label: str | None = None
    template: str | None = None


def class_of(template: str) -> str:
    """The class that a template names: lists have `Putting [something] on [a table]`, the labels no brackets."""
    return " ".join(template.replace("[", "").replace("]", "").split())


def read_labels(path: Path) -> tuple[str, ...]:
    """Read `labels.json`: class name -> number from 0 (as text), or a list of names; names in order of the numbers."""
    content: Any = read_json(path, Any, what="the labels")
    if isinstance(content, list) and len({name for name in content if isinstance(name, str)}) == len(content):
        content = {name: number for number, name in enumerate(content)}
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path}: expected an object of class names and their numbers, or a list of different names")
    numbers = {str(number): class_of(name) for name, number in content.items()}
    if set(numbers) != {str(number) for number in range(len(content))} or len(set(numbers.values())) < len(content):
        raise UserError(f"{path}: its {len(content)} classes must be numbered 0 to {len(content) - 1}, each once")
    return tuple(numbers[str(number)] for number in range(len(content)))


def read_list(path: Path) -> list[tuple[str, str]]:
    """Read a list of objects with `id` and `template` (or `label`): (id, class) of each clip."""
    entries = read_json(path, Any, what="the list", most=MAX_LOG_BYTES)
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: expected a list of objects with id and template or label")
    clips = []
    for number, values in enumerate(entries, start=1):
        try:
            entry = convert(values, _Entry, where="it")
        except DocumentError as error:
            raise UserError(f"{path}, entry {number}: expected an object with id and template; {error}") from None
        name = entry.template or entry.label
        if not name:
            withheld = "; the labels of the test part are not public" if "test" in path.name else ""
            raise UserError(f"{path}, entry {number}: the clip {entry.id} has neither template nor label{withheld}")
        clips.append((str(entry.id), class_of(name)))
    return clips


@dataclass(frozen=True)
class SomethingSomething:
    """The 174 classes of `ssv2`, or the 87 of `ssv2-mini`; `annotations` is the folder with the lists."""

    name: str = "ssv2"
    annotations: Path | None = None
    layout: str = _LAYOUT

    @property
    def protocol(self) -> TargetProtocol:
        """Clips are 12 frames a second and some 4 s long."""
        return TargetProtocol(splits=("val",), num_classes=_CLASSES[self.name], mirror=False)

    @property
    def obtain(self) -> str:
        """Where clips and lists come from."""
        return _OBTAIN[self.name]

    def _list(self, root: Path, part: str) -> Path:
        folders = list_folders(self.annotations, (root, root.parent), "labels", "annotations")
        there = (name for name in _LISTS[part] if any((folder / name).is_file() for folder in folders))
        return find_list(next(there, _LISTS[part][-1]), folders, f"of {self.name}, from {_PAGE}")

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """Class names, in the order of `labels.json`."""
        path = self._list(root, "labels")
        names = read_labels(path)
        if len(names) != _CLASSES[self.name]:
            other = next((name for name, count in _CLASSES.items() if count == len(names)), "")
            hint = f"; they are those of {other}" if other else ""
            raise UserError(f"{path} names {len(names)} classes; {self.name} has {_CLASSES[self.name]}{hint}")
        return names

    def index(self, root: Path, split: str) -> list[Video]:
        """The clips of the training and the validation list."""
        require_folder(root, _LAYOUT)
        base = first_folder(root, *_FOLDERS)
        files = [PurePosixPath(path).name for path in benchmark_videos(root, base, depth=1)]
        require_videos(base, files, _LAYOUT)
        labels = {name: label for label, name in enumerate(self.classes(root, split))}
        listed = [video for side in SIDES for video in self._side(self._list(root, side), labels, side)]
        return placed(listed, root, base, files, of=self.name)

    def _side(self, path: Path, labels: Mapping[str, int], side: Side) -> list[Video]:
        clips = read_list(path)
        others = [name for _, name in clips if name not in labels]
        if others and (self.name == "ssv2" or len(others) == len(clips)):
            raise UserError(f"{path}: class {others[0]!r} is not in labels.json{nearest_note(others[0], labels)}")
        if others:
            note(f"{path}: {counted(len(others), 'clip')} of other classes than the {len(labels)} are left aside")
        return [Video(f"{clip}.webm", labels[name], side) for clip, name in clips if name in labels]

    def group(self, path: str) -> str | None:
        """Unknown: the lists do not say who filmed a clip."""
        return None
