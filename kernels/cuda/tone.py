"""Exposure on the device: the launcher of `tone.cu`."""

import numpy as np

from fractalvid.kernels.cuda.device import Array, Device, launch_each
from fractalvid.kernels.cuda.source import Module
from fractalvid.kernels.tone import GAIN


def plan(device: Device, projection: Array, exposure: Array, points: Array) -> Array:
    """`kernels.tone.plan` on the device: float32 (J, 5). Nothing is checked: the host would have to wait for it.

    Args:
        device: what it runs on.
        projection: float32 (J, 3, 3).
        exposure: float32 (J, 2).
        points: int64 (J,).
    """
    out = device.xp.empty((len(points), 5), np.float32)
    exposure = device.xp.ascontiguousarray(exposure, np.float32)
    arguments = (projection, exposure, points, np.int32(len(points)), np.float64(GAIN), out)
    launch_each(device, Module("tone"), "plan", len(points), arguments)
    return out
