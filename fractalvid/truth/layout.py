"""Where the layers of samples are seen in the frame, crop and flip included: what all truth is found from."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Fit
from fractalvid.core.camera import Camera, camera_matrices
from fractalvid.emulate.figures import layers_of
from fractalvid.emulate.geometry import perspectives
from fractalvid.emulate.parameters import Emulation
from fractalvid.emulate.scene.path import parallax
from fractalvid.kernels.drawing.compose import LOOK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

VEILS = LOOK.index("veils")


@dataclass(frozen=True)
class Scenes:
    """The scenes of N of B samples of T frames.

    Attributes:
        rows: int64 (N,), which samples.
        layers: float64 (N, 3, T, 3, 3), from where ground and veils are at rest to the frame.
        place: float64 (N, 4, 3, 3), from shares of tiles to where they are at rest.
        veils: int64 (N,), how many there are.
        packed: uint32 (N, 4, S, S), the tiles.
    """

    rows: Ints
    layers: Floats
    place: Floats
    veils: Ints
    packed: NDArray[np.uint32]


@dataclass(frozen=True)
class Layout:
    """Where the layers of B samples of T frames are seen, as shares of the frame.

    Attributes:
        fit: of R figures, the originals of all samples first.
        clip: int64 (R,), of which sample each is.
        times: float64 (R, T), native times.
        figures: float64 (R, T, 3, 3), from the whole view of each to the frame.
        camera: float64 (B, T, 3, 3), from the scene to the frame.
        still: float64 (B, T, 3, 3), the same of what rests at the figure's depth.
        perspective: float64 (B, 3, 3), within the scene.
        background: float64 (B, T, 3, 3), from the picture behind to the scene.
        pictured: bool (B,), whether there is one picture behind, the same in all frames.
        scenes: those of some samples; None where none has one.
    """

    fit: Any
    clip: Ints
    times: Floats
    figures: Floats
    camera: Floats
    still: Floats
    perspective: Floats
    background: Floats
    pictured: NDArray[np.bool_]
    scenes: Scenes | None = None

    def __len__(self) -> int:
        """The number of samples B."""
        return len(self.camera)


def plain_layout(fit: Fit, times: Floats, crop: Camera) -> Layout:
    """That of fitted samples with nothing behind them.

    Args:
        fit: of B clips.
        times: (B, T), native times.
        crop: of the samples.
    """
    count, frames = times.shape
    camera = np.repeat(camera_matrices(crop, 1).astype(np.float64)[:, None], frames, axis=1)
    rest = np.broadcast_to(np.eye(3), camera.shape)
    return Layout(fit, np.arange(count), times, camera, camera, camera, rest[:, 0], rest, np.zeros(count, np.bool_))


def filmed_layout(staged: Any, drawn: Emulation, crop: Camera) -> Layout:
    """That of filmed samples.

    Args:
        staged: the `fractalvid.emulate.layers.Staged` of the samples.
        drawn: their emulation.
        crop: of the samples.
    """
    layer, clip = layers_of(drawn.figures.copies, staged.times.shape[1])
    last = camera_matrices(crop, 1).astype(np.float64)
    camera = last[:, None] @ staged.matrices.camera
    scened = np.zeros(len(drawn), np.bool_) if drawn.scene is None else drawn.scene.present
    still = camera
    if drawn.scene is not None:
        still = camera @ parallax(drawn.scene, np.ones((len(drawn), 1)))[:, 0]
    behind = drawn.background
    return Layout(
        fit=staged.fit,
        clip=clip,
        times=staged.times[clip, layer],
        figures=camera[clip] @ staged.matrices.figures[clip, layer],
        camera=camera,
        still=still,
        perspective=perspectives(drawn),
        background=staged.matrices.background,
        pictured=behind.present & ~behind.dynamic & ~scened,
        scenes=_scenes(staged, drawn, camera),
    )


def _scenes(staged: Any, drawn: Emulation, camera: Floats) -> Scenes | None:
    if staged.tiles is None:
        return None
    assert drawn.scene is not None
    rows = np.flatnonzero(drawn.scene.present)
    scene = drawn.select(rows).scene
    assert scene is not None
    layers = camera[rows, None] @ parallax(scene, scene.depth)
    return Scenes(rows, layers, staged.tiles.place, scene.look[:, VEILS].astype(np.int64), staged.tiles.packed)


def backwards(layout: Layout, rows: NDArray[np.bool_]) -> Layout:
    """The samples that `rows` (B,) marks with their frames in reverse order."""

    def turned(values: Floats, which: NDArray[np.bool_], axis: int = 1) -> Floats:
        flipped = np.flip(values, axis=axis)
        return np.where(which.reshape(-1, *[1] * (values.ndim - 1)), flipped, values)

    scenes = layout.scenes
    if scenes is not None:
        scenes = replace(scenes, layers=turned(scenes.layers, rows[scenes.rows], axis=2))
    return replace(
        layout,
        times=turned(layout.times, rows[layout.clip]),
        figures=turned(layout.figures, rows[layout.clip]),
        camera=turned(layout.camera, rows),
        still=turned(layout.still, rows),
        background=turned(layout.background, rows),
        scenes=scenes,
    )
