"""Where and when an action happens: boxes of a table, or of the demo, as masks of training clips.

The table is AVA-Kinetics' as a CSV with a header, video,time,x1,y1,x2,y2,action: the box of somebody who does it, as
shares of the frame, at a time in seconds. Times count from the start of the file; of files named as Kinetics names them
(<id>_<start>_<end>) they count from the start of the film, as AVA's own do.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.cache.frames import Bytes
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.files.lists import class_key, read_csv
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted
from fractalvid.video.reader import VideoFacts

COLUMNS = ("video", "time", "x1", "y1", "x2", "y2", "action")
REACH = 1.0
"""Seconds before and after its time for which a box holds; AVA's key frames are a second apart."""
_KINETICS = re.compile(r"_(\d{6})_(\d{6})$")

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """A line of the table: a box (x1, y1, x2, y2) at a time in seconds, and where it stands, for errors."""

    time: float
    box: tuple[float, float, float, float]
    where: str


@dataclass(frozen=True)
class Tube:
    """The boxes (n, 4) of one clip, at `times` (n,) in seconds from the start of its file."""

    times: NDArray[np.float64]
    boxes: Boxes

    def at(self, seconds: float) -> Boxes:
        """The boxes (m, 4) of the nearest time, if it is near enough."""
        away = np.abs(self.times - seconds)
        nearest = away.min()
        return self.boxes[away <= nearest + 1e-9] if nearest <= REACH else self.boxes[:0]


def read_boxes(path: Path) -> dict[tuple[str, str], list[Row]]:
    """Read the table: (video, action) -> its rows; a video as it is written there, without an ending.

    Raises:
        UserError: it can't be read, lacks a column, or a line has no number, or a box outside the frame.
    """
    columns, lines = read_csv(path, "--boxes ")
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise UserError(
            f"--boxes {path} has no column {missing[0]!r}: its first line has to be {','.join(COLUMNS)}, and AVA's own "
            "files have none"
        )
    table = defaultdict[tuple[str, str], list[Row]](list)
    for number, line in lines:
        where = f"--boxes {path}, line {number}"
        if not line["video"] or not line["action"]:
            raise UserError(f"{where}: the video or the action is empty")
        table[_stem(line["video"]), class_key(line["action"])].append(_row(line, where))
    if not table:
        raise UserError(f"--boxes {path} holds no box")
    return dict(table)


def _stem(video: str) -> str:
    """A video's name without its ending."""
    path = PurePosixPath(video.replace("\\", "/"))
    return path.stem if re.fullmatch(r"\.\w{2,4}", path.suffix) else path.name


def _row(line: Mapping[str, str], where: str) -> Row:
    try:
        time, x1, y1, x2, y2 = (float(line[name]) for name in COLUMNS[1:6])
    except ValueError:
        raise UserError(f"{where}: time or box is no number") from None
    if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
        raise UserError(f"{where}: the box {x1:g}, {y1:g}, {x2:g}, {y2:g} is none inside the frame, of shares 0 to 1")
    if not 0 <= time < float("inf"):
        raise UserError(f"{where}: the time {time:g} is no second of a video")
    return Row(time, (x1, y1, x2, y2), where)


def tubes_of(
    videos: tuple[Video, ...],
    classes: tuple[str, ...],
    table: Mapping[tuple[str, str], list[Row]],
    facts: Mapping[str, VideoFacts],
) -> dict[int, Tube]:
    """The tubes of those of `videos` that have boxes, by their place; of a film's boxes a clip has those in its time.

    Raises:
        UserError: a box lies outside the file that it names, or no clip has any.
    """
    tubes, strays = dict[int, Tube](), list[str]()
    for place, video in enumerate(videos):
        stem, action = PurePosixPath(video.path).stem, class_key(classes[video.label])
        named = _KINETICS.search(stem)
        start = float(named[1]) if named else 0.0
        end = start + _seconds(facts[video.path])
        own = table.get((stem, action), [])
        rows = own or table.get((stem[: named.start()] if named else stem, action), [])
        inside = [row for row in rows if start - REACH <= row.time <= end + REACH]
        strays += [
            f"{row.where}: second {row.time:g} lies outside {video.path}, which lasts from {start:g} to {end:g}"
            for row in rows
            if row not in inside
        ]
        if own and len(inside) < len(own):
            raise UserError(strays[-1])
        if inside:
            tubes[place] = Tube(np.array([row.time - start for row in inside]), np.array([row.box for row in inside]))
    if not tubes and strays:
        raise UserError(strays[0])
    if not tubes:
        raise UserError(f"--boxes: none of its videos and actions is among the {len(videos)} clips of the source")
    return tubes


def _seconds(facts: VideoFacts) -> float:
    return facts.frames / facts.rate if facts.rate else facts.duration


def describe_tubes(tubes: Mapping[int, Tube], videos: int) -> str:
    """How many clips have boxes."""
    lacking = videos - len(tubes)
    rest = f"; {counted(lacking, 'clip')} without any {'is' if lacking == 1 else 'are'} never masked" if lacking else ""
    return f"boxes of {len(tubes)} of {counted(videos, 'clip')}{rest}"


def draw_tube(tube: Tube, seconds: NDArray[np.floating[Any]], frame: tuple[int, int]) -> Bytes:
    """A tube in frames of so many rows and columns at `seconds` (T,): uint8 (T, H, W, 1), 255 inside its boxes."""
    height, width = frame
    white = np.zeros((len(seconds), height, width, 1), np.uint8)
    for number, second in enumerate(seconds):
        for x1, y1, x2, y2 in tube.at(float(second)):
            white[number, round(y1 * height) : round(y2 * height), round(x1 * width) : round(x2 * width)] = 255
    return white
