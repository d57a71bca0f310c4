"""What the camera does, as it is seen in the frame: crop and flip are part of it."""

import numpy as np
from numpy.typing import NDArray

from fractalvid.truth.layout import Layout

Floats = NDArray[np.float64]

MIDDLE = np.array([0.5, 0.5, 1.0])


def camera_parameters(layout: Layout) -> NDArray[np.float32]:
    """`Truth.camera` of B samples: float32 (B, 6).

    Pan, zoom and roll are means over pairs of frames of what takes still matter at the figure's depth from one to the
    next: the displacement of the middle, half the logarithm of the determinant, and the rotation of the polar
    decomposition.
    """
    step = layout.still[:, 1:] @ np.linalg.inv(layout.still[:, :-1])
    pan = step[..., :2, :] @ MIDDLE - MIDDLE[:2]
    linear = step[..., :2, :2]
    zoom = 0.5 * np.log(np.abs(np.linalg.det(linear)))
    roll = np.arctan2(linear[..., 1, 0] - linear[..., 0, 1], linear[..., 0, 0] + linear[..., 1, 1])
    moving = np.concatenate([pan, zoom[..., None], roll[..., None]], axis=-1).mean(axis=1)
    return np.concatenate([moving, _tilt(layout)], axis=1).astype(np.float32)


def _tilt(layout: Layout) -> Floats:
    """By how much depth grows across the middle frame, along x and y, in parts of that in its middle: (B, 2)."""
    middle = layout.camera.shape[1] // 2
    # A place p of the frame shows what lies at a depth in proportion to the inverse of this row times p.
    row = np.linalg.inv(layout.camera[:, middle] @ layout.perspective)[:, 2]
    return np.asarray(-row[:, :2] / (row @ MIDDLE)[:, None])
