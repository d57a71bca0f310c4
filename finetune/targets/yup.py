"""YUP++ (Feichtenhofer, Pinz and Wildes, "Temporal Residual Networks for Dynamic Scene Recognition", CVPR 2017)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fractalvid.finetune.targets.base import Side, TargetProtocol, Video, contents, require_folder
from fractalvid.finetune.targets.files.lists import find_list, first_folder, list_folders, read_lines
from fractalvid.finetune.targets.files.matching import benchmark_videos, match_files, note_matches
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.video.folders import subfolders

CLASSES = 20
_CAMERAS = {"static": "camera_stationary", "moving": "camera_moving"}
_SIDES: dict[str, Side] = {"train": "train", "test": "test"}
_PROTOCOL = TargetProtocol(splits=("1", "1-static", "1-moving"), num_classes=CLASSES)
_OBTAIN = (
    "YUP++ (1,200 clips of 20 scenes) comes from https://vision.eecs.yorku.ca/research/dynamic-scenes/: YUP++.zip "
    "unpacks to camera_stationary/, camera_moving/ and 10_90_randsplit_1.txt. Split 1 is all of it, of which 1-static "
    "and 1-moving are the clips of one camera."
)
_LAYOUT = "camera_stationary/<class>/*.mp4, camera_moving/<class>/*.mp4 and 10_90_randsplit_1.txt"


class _Line(NamedTuple):
    clip: str
    camera: str
    side: Side


def read_list(path: Path) -> list[_Line]:
    """Read `10_90_randsplit_<n>.txt`: lines `<clip> <static|moving>_<train|test>`."""
    lines = []
    for number, line in read_lines(path, "'<clip> static_train' and so on"):
        clip, _, where = line.rpartition(" ")
        camera, _, side = where.partition("_")
        if not clip.strip() or camera not in _CAMERAS or side not in _SIDES:
            raise UserError(f"{path}, line {number}: expected '<clip> static_train' or the like, found {line!r}")
        lines.append(_Line(clip.strip().removesuffix(".mp4"), camera, _SIDES[side]))
    return lines


@dataclass(frozen=True)
class Yup:
    """The 20 scenes of YUP++, learned from a tenth of the clips; `annotations` is the folder with the split."""

    annotations: Path | None = None
    name: str = "yup++"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = _OBTAIN
    layout: str = _LAYOUT

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """The folders of the two cameras, in alphabetical order."""
        require_folder(root, _LAYOUT)
        base = first_folder(root, "YUP++")
        names = sorted({name for folder in _CAMERAS.values() for name in _folders(base / folder)})
        if not names:
            raise UserError(f"{root} is not YUP++: expected {_LAYOUT}, found {contents(base)}")
        if len(names) > CLASSES:
            raise UserError(f"{base} has {len(names)} class folders; YUP++ has {CLASSES}")
        return tuple(names)

    def index(self, root: Path, split: str) -> list[Video]:
        """The clips of the split, all or those of one camera."""
        classes = self.classes(root, split)
        base = first_folder(root, "YUP++")
        number, _, only = split.partition("-")
        name = f"10_90_randsplit_{number}.txt"
        path = find_list(name, list_folders(self.annotations, (base, root, root.parent)), "from YUP++.zip")
        lines = [line for line in read_list(path) if only in ("", line.camera)]
        files = {folder: _files(root, base, folder) for folder in _CAMERAS.values()}
        listed = {f"{_CAMERAS[line.camera]}/{line.clip}.mp4": line for line in lines}
        matched = match_files(listed, [f"{folder}/{clip}" for folder, clips in files.items() for clip in clips])
        note_matches(self.name, matched, matched.values())
        videos = []
        for key, line in listed.items():
            folder, _, clip = matched.get(key, key).partition("/")
            scene, place = files[folder].get(clip, (_class_of(line.clip, classes, path), None))
            place = place or (base / folder / scene / clip).relative_to(root).as_posix()
            videos.append(Video(place, classes.index(scene), line.side))
        return videos

    def group(self, path: str) -> str | None:
        """Unknown: the names do not say which clips are of one recording."""
        return None


def _folders(folder: Path) -> list[str]:
    return subfolders(folder) if folder.is_dir() else []


def _files(root: Path, base: Path, folder: str) -> dict[str, tuple[str, str]]:
    """Name of each clip of a camera -> its class, and its path below the root."""
    if not (base / folder).is_dir():
        return {}
    paths = (Path(path) for path in benchmark_videos(root, base / folder))
    return {path.name: (path.parent.name, path.as_posix()) for path in paths if path.parent.name != folder}


def _class_of(clip: str, classes: Iterable[str], path: Path) -> str:
    """The class of a clip that is not there: its name begins so."""
    name = clip.partition("_")[0]
    scene = next((one for one in classes if one.casefold() == name.casefold()), None)
    if scene is None:
        raise UserError(f"{path}: {clip} is not there, and {name!r} is no class folder{nearest_note(name, classes)}")
    return scene
