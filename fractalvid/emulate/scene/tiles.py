"""The tiles of scenes: noise and shapes, drawn once a clip."""

import numpy as np
from numpy.typing import NDArray

from fractalvid.emulate.scene.parameters import Scene, Shapes
from fractalvid.kernels import drawing
from fractalvid.kernels.drawing import FIGURED, SHAPED, Layers, Matter, NoiseJobs

LARGEST = 512
"""Tiles have at most so many pixels a side, however large the frame is."""
_OCTAVES = 5
_DEVIATION = 0.2
"""Of noise, about a half."""


def tile_side(size: int) -> int:
    """Pixels of a side of the tiles for frames of `size` pixels a side."""
    return max(8, min(size, LARGEST))


def draw_tiles(
    scene: Scene, reliefs: dict[int, NDArray[np.uint8]], size: int, *, colour: bool, threads: int | None
) -> NDArray[np.uint32]:
    """Tiles uint32 (B, 4, S, S) of scenes for frames of `size` pixels, see `fractalvid.kernels.drawing.make_tiles`.

    Args:
        scene: of B samples.
        reliefs: uint8 (S, S) on the grounds of some of them, instead of shapes.
        size: of the frames.
        colour: whether tiles have tints.
        threads: at most this many.
    """
    side = tile_side(size)
    shapes, tints = _shapes(scene, side, threads)
    surface = scene.surface.astype(np.float32)
    for row, relief in reliefs.items():
        shapes[row], surface[row, 0, 0] = relief, FIGURED
    matter = Matter(
        shapes=shapes,
        tints=tints,
        noise=_noise(scene, side, threads),
        surface=surface,
        chroma=scene.chroma.astype(np.float32),
    )
    return drawing.make_tiles(matter, colour=colour, threads=threads)


def _noise(scene: Scene, side: int, threads: int | None) -> NDArray[np.uint8]:
    """Noise uint8 (B, 3, side, side) of ground and veils."""
    count = scene.seed.size
    # No octave is finer than two pixels.
    finest = np.log2(side / 2 / scene.frequency.max(axis=2).ravel())
    jobs = NoiseJobs(
        inverse=np.tile(np.diag([1 / side, 1 / side, 1]).astype(np.float32), (count, 1, 1)),
        frequency=scene.frequency.reshape(-1, 2).astype(np.float32),
        place=np.zeros((count, 3), np.float32),
        octaves=np.clip(finest.astype(np.int64), 1, _OCTAVES),
        persistence=scene.persistence.ravel().astype(np.float32),
        contrast=np.full(count, _DEVIATION, np.float32),
        seed=scene.seed.ravel().astype(np.uint32),
    )
    return drawing.render_noise(jobs, size=(side, side), threads=threads).reshape(-1, 3, side, side)


def _shapes(scene: Scene, side: int, threads: int | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Greys and tints uint8 (B, side, side) of what covers the ground; 0 where nothing is to cover it."""
    shaped = np.flatnonzero(scene.surface[:, 0, 0] == SHAPED)
    grey, tint = np.zeros((2, len(scene.present), side, side), np.uint8)
    if len(shaped):
        projection = np.tile(np.diag([float(side), float(side), 1.0]), (len(shaped), 1, 1, 1))
        layers = _layers(scene.shapes, scene.surface[:, 0, 2:4], shaped)
        drawn, index = drawing.paint_layers(layers, projection, size=(side, side), indices=True, threads=threads)
        assert index is not None
        grey[shaped], tint[shaped] = drawn[:, 0], index[:, 0]
    return grey, tint


def _layers(shapes: Shapes, ends: NDArray[np.float64], rows: NDArray[np.int64]) -> Layers:
    """The shapes of some samples, and between them the mean of the ground's darkest and brightest grey."""
    count, number = len(rows), shapes.sides.shape[1]
    return Layers(
        place=shapes.place[rows, None].astype(np.float32),
        corners=shapes.corners[rows, None].astype(np.float32),
        sides=shapes.sides[rows].astype(np.int32),
        texture=shapes.texture[rows].astype(np.int32),
        pattern=shapes.pattern[rows].astype(np.float32),
        seed=shapes.seed[rows].astype(np.uint32),
        tones=shapes.tones[rows].astype(np.float32),
        tints=shapes.tints[rows].astype(np.float32),
        background=np.stack([ends[rows].mean(axis=1), np.full(count, 0.5)], axis=1).astype(np.float32),
        united=np.zeros((count, number), np.int32),
        period=np.zeros(count, np.float32),
    )
