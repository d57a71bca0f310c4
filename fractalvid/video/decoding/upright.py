"""How a player would show a frame: turned, mirrored, and with pixels that are not square made so."""

import itertools
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_WIDEST = 16
"""Pixels that are said to be more than so many times wider than high, or higher than wide, count as square."""
_DEGENERATE = 1e-3
"""Area, of a square of area 1, below which a display matrix is no way to show a frame."""


@dataclass(frozen=True)
class Orientation:
    """What makes a frame upright: mirrored left to right if so, then turned by quarters, counterclockwise."""

    turns: int = 0
    mirrored: bool = False

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture (H, W, ...) upright."""
        flipped = picture[:, ::-1] if self.mirrored else picture
        return np.ascontiguousarray(np.rot90(flipped, self.turns))

    def sides(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture; given those, of the picture as it lies."""
        return (height, width) if self.turns % 2 else (width, height)

    def matrix(self) -> NDArray[np.float64]:
        """Where the axes x (to the right) and y (downwards) go: columns of (2, 2)."""
        quarter, mirror = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.diag([-1.0 if self.mirrored else 1.0, 1.0])
        return np.linalg.matrix_power(quarter, self.turns) @ mirror


_ORIENTATIONS = tuple(Orientation(turns, mirrored) for mirrored, turns in itertools.product((False, True), range(4)))
_UPRIGHT = _ORIENTATIONS[0]


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """How players turn and mirror a frame; other angles go to the nearest quarter, a degenerate matrix to none."""
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX") if len(frame.side_data) else None
    except ValueError:  # PyAV does not know all kinds of side data
        return Orientation(round(frame.rotation / 90) % 4)
    if matrix is None:
        return _UPRIGHT
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    return nearest_orientation(np.array([[a, c], [b, d]], np.float64))


def nearest_orientation(matrix: NDArray[np.float64]) -> Orientation:
    """The orientation nearest to a matrix (2, 2) that may turn, mirror, scale and shear; none if it is degenerate."""
    lengths = np.linalg.norm(matrix, axis=0)
    if not lengths.all():
        return _UPRIGHT
    unit = matrix / lengths
    area = np.linalg.det(unit)
    if abs(area) < _DEGENERATE:
        return _UPRIGHT
    alike = [kind for kind in _ORIENTATIONS if kind.mirrored == (area < 0)]
    return max(alike, key=lambda kind: float((kind.matrix() * unit).sum()))


def square_size(frame: av.VideoFrame, pixel_aspect: Fraction) -> tuple[int, int]:
    """Width and height of a frame, not turned yet, in square pixels: its height stays."""
    if not Fraction(1, _WIDEST) <= pixel_aspect <= _WIDEST:
        return frame.width, frame.height
    return max(1, round(frame.width * pixel_aspect)), frame.height
