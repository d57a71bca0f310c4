"""Pictures under homographies: on a GPU one `grid_sample` for all frames of many clips, else a compiled loop."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fractalvid.kernels.drawing.views import BEHIND, see_pictures
from fractalvid.utils.tensors import upload

Floats = NDArray[np.float64]

NOWHERE = -4.0
"""A coordinate far outside of every picture."""


def warp(
    pictures: Tensor, camera: Floats, inner: Floats, size: tuple[int, int], *, outside: str, fold: bool = False
) -> Tensor:
    """Pictures seen under homographies, bilinear: float32 (B, C, T, H, W).

    Args:
        pictures: uint8 or float32 (B, C, h, w), one for all frames of a clip, or (B, C, T, h, w).
        camera: (B, T, 3, 3), affine, from shares of the scene to pixels of the frame.
        inner: (B, T, 3, 3), from shares of the picture to shares of the scene.
        size: H and W.
        outside: what lies beside a picture: "zeros" or "reflection".
        fold: whether what lies beside the scene is its reflection, too.
    """
    if pictures.device.type == "cpu":
        return _seen_on_cpu(pictures, camera, inner, size, outside=outside, fold=fold)
    frames, pictures = camera.shape[1], pictures.float()
    grid = _grid(camera, inner, size, fold=fold, device=pictures.device)
    if pictures.ndim == 5:
        stacked = pictures.transpose(1, 2).flatten(0, 1)
        seen = functional.grid_sample(stacked, grid.flatten(0, 1), padding_mode=outside, align_corners=False)
        return seen.view(-1, frames, *seen.shape[1:]).transpose(1, 2)
    # The frames of a clip lie below each other: they share one picture, and one call serves them all.
    seen = functional.grid_sample(pictures, grid.flatten(1, 2), padding_mode=outside, align_corners=False)
    return seen.view(*seen.shape[:2], frames, *size)


def _seen_on_cpu(
    pictures: Tensor, camera: Floats, inner: Floats, size: tuple[int, int], *, outside: str, fold: bool
) -> Tensor:
    """`warp` without a grid of places in memory, which takes longer than all the rest."""
    to_scene, to_picture = (_inverse(matrices).reshape(*matrices.shape[:2], 9) for matrices in (camera, inner))
    shown = pictures if pictures.ndim == 5 else pictures[:, :, None]
    reflected, threads = outside == "reflection", torch.get_num_threads()
    seen = see_pictures(shown.numpy(), to_scene, to_picture, size, reflected=reflected, folded=fold, threads=threads)
    return torch.from_numpy(seen)


def _grid(camera: Floats, inner: Floats, size: tuple[int, int], *, fold: bool, device: torch.device) -> Tensor:
    """Where in the picture the pixels of (B, T) frames look, in [-1, 1] as `grid_sample` has it: (B, T, H, W, 2)."""
    inverse = _inverse(inner)
    to_scene, to_picture = (_entries(m, device) for m in (_inverse(camera), inverse))
    columns = torch.arange(size[1], dtype=torch.float32, device=device) + 0.5
    lines = (torch.arange(size[0], dtype=torch.float32, device=device) + 0.5)[:, None]
    x, y = (_linear(to_scene, axis, columns, lines) for axis in (0, 1))
    if fold:
        x, y = _folded(x), _folded(y)
    grid = torch.empty((*x.shape, 2), dtype=torch.float32, device=device)
    if not (inverse[..., 2, :2] != 0).any():
        for axis in (0, 1):
            grid[..., axis] = _linear(to_picture, axis, x, y).mul_(2).sub_(1)
        return grid
    depth = _linear(to_picture, 2, x, y)
    behind = depth < float(BEHIND)
    depth = depth.reciprocal_().mul_(2)
    for axis in (0, 1):
        grid[..., axis] = _linear(to_picture, axis, x, y).mul_(depth).sub_(1).masked_fill_(behind, NOWHERE)
    return grid


def _entries(matrices: NDArray[np.float32], device: torch.device) -> tuple[Tensor, ...]:
    """The nine entries (B, T, 1, 1) of matrices (B, T, 3, 3), row by row, on a device."""
    return upload(matrices.reshape(*matrices.shape[:2], 9, 1, 1), device).unbind(2)


def _linear(entries: tuple[Tensor, ...], row: int, x: Tensor, y: Tensor) -> Tensor:
    """One coordinate of places (x, y) under matrices of these entries."""
    a, b, c = entries[3 * row : 3 * row + 3]
    return a * x + (b * y + c)


def _folded(x: Tensor) -> Tensor:
    """The line folded into [0, 1] by reflection at both ends, again and again."""
    half = x.mul_(0.5)
    half -= half.floor()
    return half.mul_(2).sub_(1).abs_().neg_().add_(1)


def _inverse(matrices: Floats) -> NDArray[np.float32]:
    """Inverses of homographies between shares or pixels; the middle of the scene is at depth 1 under one of shares."""
    inverse = np.empty_like(matrices)
    moving = (matrices != matrices[:, :1]).any(axis=(1, 2, 3))
    inverse[moving] = np.linalg.inv(matrices[moving])
    inverse[~moving] = np.linalg.inv(matrices[~moving, :1])
    affine = (matrices[..., 2, :2] == 0).all(axis=-1)
    middle = np.where(affine, inverse[..., 2, 2], inverse[..., 2, :] @ (0.5, 0.5, 1.0))
    return np.asarray(inverse / middle[..., None, None], np.float32)
