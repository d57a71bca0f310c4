"""Scenes as frames: layers where the camera sees them, and the figure in front."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.emulate.scene.parameters import Scene
from fractalvid.emulate.scene.path import parallax
from fractalvid.emulate.scene.pictures import packed_picture
from fractalvid.emulate.scene.tiles import draw_tiles, tile_side
from fractalvid.kernels import drawing

Floats = NDArray[np.float64]

LEAN = 0.03
"""How much of a ground's turn a picture has: 5 degrees either way at most."""


@dataclass(frozen=True)
class Tiles:
    """What the layers of B scenes are made of.

    Attributes:
        packed: uint32 (B, 4, S, S), see `fractalvid.kernels.drawing.make_tiles`.
        place: float64 (B, 4, 3, 3), from shares of a tile to shares of the frame.
    """

    packed: NDArray[np.uint32]
    place: Floats


def paint_tiles(
    scene: Scene,
    size: int,
    *,
    colour: bool,
    reliefs: dict[int, NDArray[np.uint8]],
    backgrounds: Path | None = None,
    threads: int | None = None,
) -> Tiles:
    """The tiles of B scenes.

    Args:
        scene: of B samples.
        size: of the frames.
        colour: whether tiles have tints.
        reliefs: uint8 (S, S) on the grounds of some samples.
        backgrounds: a folder with pictures that are the grounds of others.
        threads: at most this many.
    """
    packed = draw_tiles(scene, reliefs, size, colour=colour, threads=threads)
    pictured = np.flatnonzero(scene.picture >= 0) if backgrounds is not None else np.array([], np.int64)
    for row in pictured:
        assert backgrounds is not None
        packed[row, 0] = packed_picture(backgrounds, float(scene.picture[row]), tile_side(size), colour=colour)
    return Tiles(packed, _placed(scene, pictured))


def film_scene(
    figures: Tensor, scene: Scene, tiles: Tiles, camera: Floats, front: Floats, *, threads: int | None = None
) -> Tensor:
    """Figures uint8 (B, C, T, H, W) in their scenes: the same shape.

    Args:
        figures: on the CPU.
        scene: of B samples.
        tiles: of the same.
        camera: (B, T, 3, 3), from shares of the scene to pixels of the frame.
        front: (B, T, 3, 3), the same for the view of the first figure.
        threads: at most this many.
    """
    behind = camera[:, None] @ parallax(scene, scene.depth) @ tiles.place[:, :3, None]
    skin = front @ tiles.place[:, 3, None]
    places = np.linalg.inv(np.concatenate([behind, skin[:, None]], axis=1)).swapaxes(1, 2)
    look = scene.look.copy()
    look[:, 7:9] = np.rint(look[:, 7:9] * figures.shape[-1])
    filmed = drawing.compose_scenes(
        tiles.packed,
        places.reshape(*places.shape[:3], 9).astype(np.float32),
        figures.numpy(),
        look.astype(np.float32),
        threads=threads,
    )
    return torch.from_numpy(filmed)


def _placed(scene: Scene, pictured: NDArray[np.int64]) -> Floats:
    """From shares of tiles to shares of the frame, (B, 4, 3, 3): turned about a place, and as large as drawn.

    Grounds of the samples `pictured` are pictures, and nearly upright.
    """
    enlarge, aspect, turn, x, y = np.moveaxis(scene.place.copy(), -1, 0)
    turn[pictured, 0] = LEAN * (turn[pictured, 0] - np.pi)
    wide, high = enlarge * aspect, enlarge / aspect
    matrices = np.zeros((*enlarge.shape, 3, 3))
    matrices[..., 0, 0], matrices[..., 0, 1] = wide * np.cos(turn), -high * np.sin(turn)
    matrices[..., 1, 0], matrices[..., 1, 1] = wide * np.sin(turn), high * np.cos(turn)
    middle = matrices[..., :2, :2] @ np.stack([x, y], axis=-1)[..., None]
    matrices[..., :2, 2] = 0.5 - middle[..., 0]
    matrices[..., 2, 2] = 1
    return matrices
