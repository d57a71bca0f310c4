"""Statistics of orbits on the device, see `fractalvid.kernels.cpu.points`: launchers of `cuda/points.cu`.

`where` (B,) is a mask of clips, J / B jobs each: the others keep what `out` has.
"""

import numpy as np

from fractalvid.kernels.cpu.points import DENSE_SHARE, GRID, OnGrid
from fractalvid.kernels.cuda.device import THREADS, WORD, Array, Device, blocks_where
from fractalvid.kernels.cuda.source import Module


def extent(device: Device, points: Array, tail: float, *, where: Array | None = None) -> Array:
    """Boxes (J, 4) of points (J, n, 2), see `fractalvid.kernels.cpu.points.extent`; n at most 8192."""
    j, n, _ = points.shape
    out = device.xp.empty((j, 4), np.float32)
    padded = 1 << (n - 1).bit_length()
    grid, masked = blocks_where(device, where, j, 2)
    arguments = (points, *masked, np.int32(n), np.int32(padded), np.int32(int(tail * n)), out)
    device.launch(Module("points"), "extent", (grid, 2), THREADS, WORD * padded, arguments)
    return out


def share_within(
    device: Device, points: Array, radius: float, *, where: Array | None = None, out: Array | None = None
) -> Array:
    """Shares (J,) of points (J, n, 2) near the origin, see `fractalvid.kernels.cpu.points.share_within`."""
    j, n, _ = points.shape
    out = device.xp.empty(j, np.float32) if out is None else out
    grid, masked = blocks_where(device, where, j)
    arguments = (points, *masked, np.int32(n), np.float32(radius), out)
    device.launch(Module("points"), "share_within", (grid, 1), THREADS, WORD, arguments)
    return out


def on_grid(device: Device, points: Array, box: Array, *, where: Array | None = None) -> OnGrid:
    """How points (B, F, n, 2) fill and move over views (B, 4), see `fractalvid.kernels.cpu.points.on_grid`."""
    b, f, n, _ = points.shape
    out = OnGrid(*(device.xp.empty((b, f), np.float32) for _ in range(3)))
    grid, masked = blocks_where(device, where, b, f)
    arguments = (points, *masked, box, np.int32(n), np.float32(DENSE_SHARE), out.dense, out.occupied, out.moved)
    shared = WORD * (2 * GRID**2 + n + 4)
    device.launch(Module("points"), "on_grid", (grid, f), THREADS, shared, arguments)
    return out
