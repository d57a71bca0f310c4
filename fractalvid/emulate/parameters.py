"""The drawn parameters of emulation, as arrays over a batch.

The same `Emulation` gives the same pictures, so it can be kept, shown and replayed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fractalvid.emulate.photometric.pipeline import Photometric
from fractalvid.emulate.scene.parameters import Scene
from fractalvid.utils.arrays import rows_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Backgrounds:
    """The backgrounds of B samples.

    Attributes:
        present: bool (B,).
        dynamic: bool (B,), whether it moves; else it is the maximum of two stills.
        clip_id: int64 (B, 2, 2), class and instance of both stills; of the clip that moves, twice.
        still: int64 (B, 2), native frames of the stills.
        walk: int64 (B, T), native frames of the clip that moves.
        corner: float64 (B, 2), left and top of the part that is shown.
        extent: float64 (B, 2), its width and height.
        alpha: float64 (B,), weight of the background.
        power: float64 (B,), exponent of foreground and background.
        gamma: float64 (B,), exponent of their sum.
        maximum: bool (B,), whether it is joined to the foreground by maximum.
    """

    present: Bools
    dynamic: Bools
    clip_id: Ints
    still: Ints
    walk: Ints
    corner: Floats
    extent: Floats
    alpha: Floats
    power: Floats
    gamma: Floats
    maximum: Bools

    def named(self) -> Ints:
        """`clip_id` (B, 2, 2) where there is a background, -1 where there is none."""
        return np.where(self.present[:, None, None], self.clip_id, -1)


@dataclass(frozen=True)
class Figures:
    """Where the foregrounds of B samples are, each L times; the first is the original.

    Attributes:
        copies: int64 (B,), how many there are besides the original.
        corner: float64 (B, L, 2), left and top.
        scale: float64 (B, L, 2), of width and height.
        mirror: bool (B, L).
        turn: float64 (B, L).
        delay: float64 (B, L), by how much of the clip they run ahead.
    """

    copies: Ints
    corner: Floats
    scale: Floats
    mirror: Bools
    turn: Floats
    delay: Floats


@dataclass(frozen=True)
class Displacement:
    """Straight motion of B samples: `velocity` (B, 2) from `start` (B,) on, for `duration` (B,)."""

    velocity: Floats
    start: Floats
    duration: Floats


@dataclass(frozen=True)
class Emulation:
    """Everything drawn for B samples of T frames; the first axis of every array is B.

    Attributes:
        index: int64 (B,), positions in the stream.
        progress: float64 (B,), positions in the curriculum.
        emulated: bool (B,); the others are plain, whatever else stands here.
        clock: int64 (B, T), which frame of the undisturbed sample each frame shows; 0..T-1 where none is dropped.
        background: what is behind.
        figures: placement and copies of the foreground.
        foreground_motion: of all its copies.
        background_motion: of what is behind.
        corners: float64 (B, 4, 2), where perspective takes (0, 0), (1, 0), (1, 1) and (0, 1).
        enlarge: float64 (B,), by what factor afterwards.
        camera_motion: of everything.
        zoom: float64 (B,), logarithm of the last frame's scale over the first's.
        shake: float64 (B, T, 2), by how much shaking moves each frame.
        tilt: float64 (B,), roll in the middle of the sample.
        turn: float64 (B,), roll from its first to its last frame.
        photometric: the rest.
        scene: what is behind, with the background on its ground; None where no sample can have one.
    """

    index: Ints
    progress: Floats
    emulated: Bools
    clock: Ints
    background: Backgrounds
    figures: Figures
    foreground_motion: Displacement
    background_motion: Displacement
    corners: Floats
    enlarge: Floats
    camera_motion: Displacement
    zoom: Floats
    shake: Floats
    tilt: Floats
    turn: Floats
    photometric: Photometric
    scene: Scene | None = None

    def __len__(self) -> int:
        """The number of samples B."""
        return len(self.index)

    @property
    def clip_len(self) -> int:
        """The number of frames T."""
        return int(self.clock.shape[1])

    def select(self, rows: slice | NDArray[np.int64]) -> "Emulation":
        """The samples of these rows."""
        chosen: Emulation = rows_of(self, rows)
        return chosen
