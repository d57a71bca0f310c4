"""From drawn emulation to homographies, one a layer and frame: pure functions.

Places are shares of a square frame, (x, y, 1) with both in 0..1. Every matrix takes a place of what is shown to where
it is seen. Points of a foreground are drawn under its matrices; pictures are warped by their inverses.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fractalvid.emulate.parameters import Displacement, Emulation
from fractalvid.emulate.perspective import to_corners
from fractalvid.emulate.photometric.randaugment import geometric_matrix
from fractalvid.emulate.scene.path import parallax, slowed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Homographies:
    """Where the layers of B samples of T frames are seen.

    Attributes:
        figures: float64 (B, L, T, 3, 3), from the whole view of each copy of the foreground to the scene.
        background: float64 (B, T, 3, 3), from the background's picture to the scene.
        camera: float64 (B, T, 3, 3), affine, from the scene to the frame. What lies beside the scene is its reflection,
            so that the horizon of a perspective never comes into the picture.
    """

    figures: Floats
    background: Floats
    camera: Floats

    def foreground(self) -> Floats:
        """From the whole view of each copy to the frame, (B, L, T, 3, 3)."""
        return np.asarray(self.camera[:, None] @ self.figures)


def homographies(drawn: Emulation) -> Homographies:
    """All matrices of samples, but for crop and flip, which act last."""
    share = time_shares(drawn.clock)
    perspective = perspectives(drawn)
    figures = _figures(drawn)[:, :, None]
    moved = _translation(_displaced(drawn.foreground_motion, share))[:, None]
    randaugment = geometric_matrix(drawn.photometric.operation, drawn.photometric.argument)
    camera = _scaling(np.exp(drawn.zoom[:, None] * (share - 0.5)))
    camera = camera @ _translation(_displaced(drawn.camera_motion, share))
    camera = _translation(drawn.shake) @ camera
    if drawn.tilt.any() or drawn.turn.any():
        camera = _rotation(drawn.tilt[:, None] + drawn.turn[:, None] * (share - 0.5)) @ camera
    if drawn.scene is not None:
        moved = parallax(drawn.scene, np.ones((len(drawn), 1))) @ moved
    return Homographies(
        figures=perspective[:, None, None] @ moved @ figures,
        background=perspective[:, None] @ _translation(_displaced(drawn.background_motion, share)),
        camera=randaugment.astype(np.float64)[:, None] @ camera,
    )


def perspectives(drawn: Emulation) -> Floats:
    """What perspective does to the scene, (B, 3, 3): corners moved inwards, then enlarged."""
    return np.asarray(_scaling(drawn.enlarge) @ to_corners(drawn.corners))


def sample_times(drawn: Emulation, times: Floats, native_frames: NDArray[np.int64]) -> Floats:
    """Native times (B, L, T) of each copy's frames, from the undisturbed sample's (B, T).

    Skipped frames move later times on. Where they would go beyond the clip's end, the sample begins earlier, and where
    the whole clip is too short, the stride shrinks. Copies run ahead or behind by whole frames, which stored clips have
    too, as far as the clip goes.
    """
    end = native_frames.astype(np.float64) - 1
    if drawn.scene is not None:
        times = slowed(drawn.scene, times)
    shown = _dropping(drawn.clock, times, end)
    delay = np.rint(drawn.figures.delay * end[:, None])
    room = end - shown[:, -1]
    delay = np.clip(delay, -shown[:, :1], room[:, None])
    return np.asarray(shown[:, None] + delay[:, :, None])


def _dropping(clock: NDArray[np.int64], times: Floats, end: Floats) -> Floats:
    """Times (B, T) with the frames dropped that `clock` (B, T) leaves out, within 0..end (B,)."""
    last = np.maximum(clock[:, -1], 1)
    stride = np.minimum(times[:, 1] - times[:, 0] if times.shape[1] > 1 else 0.0, end / last)
    begin = np.maximum(np.minimum(times[:, 0], end - stride * last), 0)
    shown = np.minimum(begin[:, None] + stride[:, None] * clock, end[:, None])
    dropped = (clock != np.arange(clock.shape[1])).any(axis=1)
    # The others keep their times to the last bit.
    return np.where(dropped[:, None], shown, times)


def picture_motion(frame: Floats, size: tuple[int, int]) -> Floats:
    """How far the middle of the picture moves from the frame before to this one, (B, T, 2), in shares of the frame.

    The first frame moves like the second.

    Args:
        frame: (B, T, 3, 3), from the scene to pixels of the frame.
        size: H and W of the frame.
    """
    middle = np.array([size[1] / 2, size[0] / 2, 1.0])
    # The place of the scene that is in the middle of the first frame is followed.
    seen = np.linalg.inv(frame[:, 0]) @ middle
    path = (frame @ seen[:, None, :, None])[..., 0]
    steps = np.diff(path[..., :2] / path[..., 2:], axis=1) / (size[1], size[0])
    return np.concatenate([steps[:, :1], steps], axis=1) if steps.shape[1] else np.zeros((len(frame), 1, 2))


def in_pixels(matrices: Floats, source: tuple[int, int], frame: tuple[int, int]) -> Floats:
    """Matrices (..., 3, 3) between shares as matrices from pixels of a `source` (H, W) to those of a `frame` (H, W).

    Exact for the identity, which a product with two more matrices would not be.
    """
    rows = np.array([frame[1], frame[0], 1.0])
    columns = np.array([source[1], source[0], 1.0])
    return np.asarray(matrices * (rows[:, None] / columns))


def time_shares(clock: NDArray[np.int64]) -> Floats:
    """Where frames of a `clock` (B, T) lie in the time of the sample: (B, T), 0..1; skipped ones make that longer."""
    frames = clock.shape[1]
    if frames == 1:
        return np.full(clock.shape, 0.5)
    return np.asarray(clock / np.maximum(clock[:, -1:], frames - 1))


def _figures(drawn: Emulation) -> Floats:
    """Placements (B, L, 3, 3): mirrored and turned about the middle, then scaled and put in place."""
    figures = drawn.figures
    matrices = _rotation(figures.turn)
    mirror = np.zeros_like(matrices)
    sign = np.where(figures.mirror, -1.0, 1.0)
    mirror[..., 0, 0], mirror[..., 1, 1], mirror[..., 2, 2] = sign, 1, 1
    mirror[..., 0, 2] = np.where(figures.mirror, 1.0, 0.0)
    place = np.zeros_like(matrices)
    place[..., 0, 0], place[..., 1, 1], place[..., 2, 2] = figures.scale[..., 0], figures.scale[..., 1], 1
    place[..., :2, 2] = figures.corner
    return np.asarray(place @ matrices @ mirror)


def _displaced(motion: Displacement, share: Floats) -> Floats:
    """Offsets (B, T, 2) at shares (B, T) of the sample's time."""
    done = np.clip((share - motion.start[:, None]) / motion.duration[:, None], 0, 1) - 0.5
    return (motion.duration[:, None] * done)[..., None] * motion.velocity[:, None]


def _translation(offset: Floats) -> Floats:
    """Matrices (..., 3, 3) of offsets (..., 2)."""
    matrices = np.zeros((*offset.shape[:-1], 3, 3))
    matrices[..., (0, 1, 2), (0, 1, 2)] = 1
    matrices[..., :2, 2] = offset
    return matrices


def _scaling(factor: Floats) -> Floats:
    """Matrices (..., 3, 3) that scale about the middle by factors (...)."""
    matrices = np.zeros((*factor.shape, 3, 3))
    matrices[..., 0, 0] = matrices[..., 1, 1] = factor
    matrices[..., :2, 2] = (0.5 * (1 - factor))[..., None]
    matrices[..., 2, 2] = 1
    return matrices


def _rotation(angle: Floats) -> Floats:
    """Matrices (..., 3, 3) that turn about the middle."""
    matrices = np.zeros((*angle.shape, 3, 3))
    matrices[..., 0, 0] = matrices[..., 1, 1] = np.cos(angle)
    matrices[..., 0, 1] = -np.sin(angle)
    matrices[..., 1, 0] = np.sin(angle)
    matrices[..., :2, 2] = 0.5 - 0.5 * matrices[..., :2, :2].sum(axis=-1)
    matrices[..., 2, 2] = 1
    return matrices
