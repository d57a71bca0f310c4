"""Perspective by where it takes the corners of the scene, and how near that brings the horizon."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCENE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
"""Corners (4, 2) of the scene."""


def to_corners(corners: Floats) -> Floats:
    """Homographies (B, 3, 3) that take (0, 0), (1, 0), (1, 1), (0, 1) to corners (B, 4, 2).

    The closed form of Heckbert, "Fundamentals of Texture Mapping and Image Warping" (1989), section 2.2.3.
    """
    p0, p1, p2, p3 = np.moveaxis(corners, 1, 0)
    first, second = p1 - p2, p3 - p2
    total = p0 - p1 + p2 - p3
    area = _cross(first, second)
    g, h = _cross(total, second) / area, _cross(first, total) / area
    matrices = np.empty((len(corners), 3, 3))
    matrices[:, :2, 0] = p1 - p0 + g[:, None] * p1
    matrices[:, :2, 1] = p3 - p0 + h[:, None] * p3
    matrices[:, :2, 2] = p0
    matrices[:, 2, 0], matrices[:, 2, 1], matrices[:, 2, 2] = g, h, 1
    return matrices


def smallest_depth(corners: Floats, enlarge: Floats) -> Floats:
    """How near the horizon comes to the scene: (B,), 1 without perspective, 0 where it touches a corner, then below 0.

    It is the least third coordinate of what is seen in a corner of the scene, over that of what is seen in the middle.

    Args:
        corners: (B, 4, 2), of `to_corners`.
        enlarge: (B,), by what factor the whole is enlarged then.
    """
    matrices = to_corners(corners)
    # The last row of the inverse, but for a factor: it is at right angles to the first two columns.
    horizon = np.cross(matrices[:, :, 0], matrices[:, :, 1])
    seen = 0.5 + (SCENE - 0.5) / enlarge[:, None, None]
    depth = seen @ horizon[:, :2, None] + horizon[:, None, 2:]
    middle = horizon @ (0.5, 0.5, 1.0)
    return np.asarray((depth[..., 0] / middle[:, None]).min(axis=1))


def _cross(a: Floats, b: Floats) -> Floats:
    """The z component of the product of vectors (B, 2)."""
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
