"""Where a person says that an action happens, as boxes over time, and how far a network's saliency agrees."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.targets.files.lists import read_csv
from fractalvid.utils.errors import UserError

COLUMNS = ("video", "time", "x1", "y1", "x2", "y2")
REACH = 1.0
"""Seconds before and after its time for which a box holds."""
Saliency = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Box:
    """A box in shares of the frame, at a time in seconds; `where` it stands, for errors."""

    time: float
    x1: float
    y1: float
    x2: float
    y2: float
    where: str


def read_boxes(path: Path) -> dict[str, list[Box]]:
    """Boxes by the names of videos, without their folders, of a CSV file with the columns video,time,x1,y1,x2,y2.

    Raises:
        UserError: it can't be read, lacks a column, or a line has no number, or a box outside the frame.
    """
    columns, lines = read_csv(path, "--boxes ")
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise UserError(f"--boxes {path} has no column {missing[0]!r}: its first line has to be {','.join(COLUMNS)}")
    boxes = defaultdict[str, list[Box]](list)
    for number, line in lines:
        where = f"--boxes {path}, line {number}"
        try:
            time, x1, y1, x2, y2 = (float(line[name]) for name in COLUMNS[1:])
        except ValueError:
            raise UserError(f"{where}: time or box is no number") from None
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            raise UserError(f"{where}: {x1:g}, {y1:g}, {x2:g}, {y2:g} is no box inside the frame, in shares of 0 to 1")
        boxes[PurePosixPath(line["video"].replace("\\", "/")).name].append(Box(time, x1, y1, x2, y2, where))
    return dict(boxes)


def tube_mask(boxes: list[Box], times: NDArray[np.float64], length: float, shape: tuple[int, int], side: int) -> Mask:
    """Where boxes are in the frames that a network sees: bool (T, side, side).

    A frame has the boxes of the time that is nearest to its own, if that is at most `REACH` seconds away.

    Args:
        boxes: of the video.
        times: (T,), of the frames, in seconds.
        length: of the video, in seconds.
        shape: H and W of the video; of its frames the middle square is seen.
        side: pixels of that square.

    Raises:
        UserError: a box is of a time that the video does not have.
    """
    for box in boxes:
        if not 0 <= box.time <= length + REACH:
            raise UserError(
                f"{box.where}: second {box.time:g} lies outside the video, which lasts {length:.3g} seconds"
            )
    height, width = shape
    short, mask = min(shape), np.zeros((len(times), side, side), np.bool_)
    of_box = np.array([box.time for box in boxes])
    for frame, time in enumerate(times):
        away = np.abs(of_box - time)
        for number in np.flatnonzero((away <= away.min() + 1e-9) & (away <= REACH)):
            box = boxes[number]
            left, right = (((x - 0.5) * width / short + 0.5) * side for x in (box.x1, box.x2))
            top, bottom = (((y - 0.5) * height / short + 0.5) * side for y in (box.y1, box.y2))
            low, high = (np.clip(np.rint(ends), 0, side).astype(int) for ends in ((top, left), (bottom, right)))
            mask[frame, low[0] : high[0], low[1] : high[1]] = True
    return mask


def peak(saliency: Saliency) -> tuple[int, int, int] | None:
    """Frame, row and column of the largest value of (T, H, W), the first of several; None where all are 0."""
    if not saliency.any():
        return None
    t, y, x = np.unravel_index(int(saliency.argmax()), saliency.shape)
    return int(t), int(y), int(x)


def tube_iou(saliency: Saliency, mask: Mask, threshold: float) -> float:
    """Intersection over union, in space and time, of where saliency (T, H, W) reaches a threshold, and of a mask."""
    salient = saliency >= threshold
    union = int((salient | mask).sum())
    return int((salient & mask).sum()) / union if union else 0.0
