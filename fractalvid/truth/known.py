"""What can be known of a clip, and in which units."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from fractalvid.utils.errors import UserError

TruthName = Literal["motion", "camera", "flow", "order"]
TRUTHS: tuple[TruthName, ...] = get_args(TruthName)

CAMERA = ("pan_x", "pan_y", "zoom", "roll", "tilt_x", "tilt_y")
"""Components of `Truth.camera`: by how much the middle of the picture moves, in shares of the frame; the logarithm of
the enlargement; the turn, radians, clockwise as seen; all three a frame. Then the perspective of the middle frame: by
how much depth grows across the frame, along x and y, in parts of that in the middle."""
ORDER = ("background", "far veil", "near veil", "figure")
"""What can be in front, from far to near: values of `Truth.front`. What is behind all veils, or the only thing behind a
figure, is the background, be it black; of one veil alone, it is the far one."""
FIGURE, UNKNOWN = 3, -1

CELL = 8
"""Pixels a side of the cells that flow and order are given for, as long as there are at most `MAX_CELLS` a side."""
MAX_CELLS = 16

Array = Any
"""An array of NumPy, or a tensor once it is in a batch; None where it was not asked for."""


@dataclass(frozen=True)
class Truth:
    """What is known of B clips of T frames; None for what was not asked for.

    Places are shares of the frame after crop and flip, x to the right and y down; G x G cells cover it.

    Attributes:
        motion: float32 (B, 3), the figure's mean displacement a frame along x and y, and the mean length of its points'
            displacements, over all points in sight and all pairs of frames.
        moving: bool (B,), whether any point of the figure is in sight in two frames.
        camera: float32 (B, 6), see `CAMERA`.
        flow: float32 (B, 2, T - 1, G, G), how far what is in front in a cell of a frame moves to the next frame, along
            x and y; 0 where that is not known.
        flow_known: bool (B, T - 1, G, G).
        front: int8 (B, T, G, G), what is in front: places in `ORDER`, or `UNKNOWN`. A figure is known by 1,024 of its
            points: where a thin part of it has none of them, a cell is what lies behind.
    """

    motion: Array = None
    moving: Array = None
    camera: Array = None
    flow: Array = None
    flow_known: Array = None
    front: Array = None


def cells(size: int) -> int:
    """G for frames of `size` pixels a side."""
    return max(1, min(MAX_CELLS, size // CELL))


def check_truth(wanted: tuple[TruthName, ...], kind: str, clip_len: int) -> None:
    """Refuse what is not known of clips of `clip_len` frames of classes of that kind.

    Raises:
        UserError: with the names.
    """
    followed = [name for name in wanted if name != "camera"]
    if followed and kind != "ifs":
        raise UserError(f"{', '.join(followed)}: known of fractals alone, and these classes are {kind}; leave it out")
    moving = [name for name in wanted if name != "order"]
    if moving and clip_len < 2:
        raise UserError(f"{', '.join(moving)}: known from two frames on, and clips have {clip_len}; leave it out")
