"""Which scene each video shows, from a table: a label a video, of a classifier of places or of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.files.lists import read_csv
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted, first_few


@dataclass(frozen=True)
class Scenes:
    """The scenes' names, in the order of their numbers, and the number of each video's, by its path."""

    names: tuple[str, ...]
    of: Mapping[str, int]


def read_scenes(path: Path) -> dict[str, str]:
    """Read a table with the columns video and scene: path of a video below the data folder -> its scene.

    Raises:
        UserError: it can't be read, lacks a column, names a video twice, or leaves one empty.
    """
    columns, lines = read_csv(path, "--scenes ")
    missing = [name for name in ("video", "scene") if name not in columns]
    if missing:
        raise UserError(f"--scenes {path} has no column {missing[0]!r}: its first line has to be video,scene")
    scenes = dict[str, str]()
    for number, line in lines:
        video, scene = line["video"].replace("\\", "/"), line["scene"]
        if not video or not scene:
            raise UserError(f"--scenes {path}, line {number}: the video or the scene is empty")
        if video in scenes:
            raise UserError(f"--scenes {path}, line {number}: {video} has a scene already")
        scenes[video] = scene
    return scenes


def match_scenes(path: Path, table: Mapping[str, str], trained: Sequence[Video], root: Path) -> Scenes:
    """The scenes of the videos that are trained on; those of other videos below `root` are passed over.

    Raises:
        UserError: a training video has none, a row is of no video, or all are of one scene.
    """
    wanted = list(dict.fromkeys(video.path for video in trained))
    lacking = [video for video in wanted if video not in table]
    strange = [video for video in table.keys() - set(wanted) if not (root / video).exists()]
    if strange:
        named = f"names {counted(len(strange), 'video')} that {'is' if len(strange) == 1 else 'are'} not in {root}"
        raise UserError(f"--scenes {path} {named}: {first_few(sorted(strange), 3)}")
    if lacking:
        of = f"{len(lacking)} of {counted(len(wanted), 'training video')}"
        raise UserError(f"--scenes {path} has no scene of {of}: {first_few(lacking, 3)}; it names them by their paths")
    names = tuple(sorted({table[video] for video in wanted}))
    if len(names) < 2:
        raise UserError(f"--scenes {path}: all training videos are of the scene {names[0]!r}; there must be 2 at least")
    numbers = {name: number for number, name in enumerate(names)}
    return Scenes(names, {video: numbers[table[video]] for video in wanted})
