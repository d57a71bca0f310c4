"""Motion of scenes: what the camera's path does to each depth, and the figure's slower time."""

import numpy as np
from numpy.typing import NDArray

from fractalvid.emulate.scene.parameters import Scene

Floats = NDArray[np.float64]


def parallax(scene: Scene, depth: Floats) -> Floats:
    """What the camera's path does to layers at depths (B, L): matrices (B, L, T, 3, 3) between shares of the frame."""
    right, down, ahead = np.moveaxis(scene.travel, -1, 0)
    scale = depth[:, :, None] / (depth[:, :, None] - ahead[:, None])
    matrices = np.zeros((*scale.shape, 3, 3))
    matrices[..., 0, 0] = matrices[..., 1, 1] = scale
    for axis, moved in enumerate((right, down)):
        offset = scene.pan[:, None, :, axis] - scale * moved[:, None] / depth[:, :, None]
        matrices[..., axis, 2] = offset + 0.5 * (1 - scale)
    matrices[..., 2, 2] = 1
    return matrices


def slowed(scene: Scene, times: Floats) -> Floats:
    """Times (B, T) of a slower figure, somewhere in the time that it has; the others keep theirs to the last bit.

    It begins at a whole frame after the undisturbed sample, so that at half the pace of a stride of 2 every frame is
    one that stored clips have.
    """
    first = times[:, :1]
    begin = np.floor((times[:, -1] - times[:, 0]) * (1 - scene.pace) * scene.late + 1e-6)
    shown = first + begin[:, None] + scene.pace[:, None] * (times - first)
    return np.where((scene.pace == 1)[:, None], times, shown)
