"""From drawn emulation to homographies, one a layer and frame: pure functions.

Places are shares of the frame, (x, y, 1) with both in 0..1. Every matrix takes a place of what is shown to where it is
seen. Points of a foreground are drawn under its matrices; pictures are warped by their inverses.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fractalvid.emulate.draw import Displacement, Emulation, Shake
from fractalvid.emulate.photometric import randaugment_matrix

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


def homographies(drawn: Emulation, aspect: float = 1.0) -> Homographies:
    """All matrices of samples, but for crop and flip, which act last.

    Args:
        drawn: of B samples.
        aspect: width of the frame to its height, in pixels; rotations keep angles in pixels.
    """
    clock = drawn.clock.astype(np.float64)
    share = clock / (drawn.clip_len - 1) if drawn.clip_len > 1 else np.full_like(clock, 0.5)
    perspective = _scaling(drawn.enlarge) @ _to_corners(drawn.corners)
    figures = _figures(drawn, aspect)[:, :, None]
    moved = _translation(_displaced(drawn.foreground_motion, share))[:, None]
    camera = _scaling(np.exp(drawn.zoom[:, None] * (share - 0.5)))
    camera = camera @ _translation(_displaced(drawn.camera_motion, share))
    camera = _translation(_shaken(drawn.shake, drawn.clock)) @ camera
    camera = _rotation(drawn.tilt[:, None] + drawn.turn[:, None] * (share - 0.5), aspect) @ camera
    return Homographies(
        figures=perspective[:, None, None] @ moved @ figures,
        background=perspective[:, None] @ _translation(_displaced(drawn.background_motion, share)),
        camera=randaugment_matrix(drawn.photometric, aspect).astype(np.float64)[:, None] @ camera,
    )


def sample_times(drawn: Emulation, times: Floats, native_frames: NDArray[np.int64]) -> Floats:
    """Native times (B, L, T) of each copy's frames, from the undisturbed sample's (B, T).

    Skipped frames move later times on, and all of them back where they would go beyond the clip's end; copies run ahead
    or behind as far as the clip goes.
    """
    stride = times[:, 1] - times[:, 0] if times.shape[1] > 1 else np.zeros(len(times))
    shown = times + stride[:, None] * (drawn.clock - np.arange(drawn.clip_len))
    end = native_frames - 1.0
    shown = np.maximum(shown - np.maximum(shown[:, -1] - end, 0)[:, None], 0)
    shown = np.minimum(shown, end[:, None])
    delay = drawn.figures.delay * end[:, None]
    room = end - shown[:, -1]
    delay = np.clip(delay, -shown[:, :1], room[:, None])
    return np.asarray(shown[:, None] + delay[:, :, None])


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


def _figures(drawn: Emulation, aspect: float) -> Floats:
    """Placements (B, L, 3, 3): mirrored and turned about the middle, then scaled and put in place."""
    own = drawn.figures
    matrices = _rotation(own.turn, aspect)
    mirror = np.zeros_like(matrices)
    sign = np.where(own.mirror, -1.0, 1.0)
    mirror[..., 0, 0], mirror[..., 1, 1], mirror[..., 2, 2] = sign, 1, 1
    mirror[..., 0, 2] = np.where(own.mirror, 1.0, 0.0)
    place = np.zeros_like(matrices)
    place[..., 0, 0], place[..., 1, 1], place[..., 2, 2] = own.scale[..., 0], own.scale[..., 1], 1
    place[..., :2, 2] = own.corner
    return np.asarray(place @ matrices @ mirror)


def _displaced(motion: Displacement, share: Floats) -> Floats:
    """Offsets (B, T, 2) at shares (B, T) of the sample's time."""
    done = np.clip((share - motion.start[:, None]) / motion.duration[:, None], 0, 1) - 0.5
    return (motion.duration[:, None] * done)[..., None] * motion.velocity[:, None]


def _shaken(shake: Shake, clock: NDArray[np.int64]) -> Floats:
    """Offsets (B, T, 2) at frames (B, T)."""
    angle = shake.frequency[:, None] * clock[:, :, None, None] + shake.phase[:, None, :, None]
    waves = (shake.amplitude[:, None] * np.sin(angle)).sum(axis=3)
    last = shake.noise.shape[2] - 1
    noise = np.take_along_axis(shake.noise, np.minimum(clock, last)[:, None], axis=2)
    return np.asarray(waves + np.moveaxis(noise, 1, 2))


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


def _rotation(angle: Floats, aspect: float) -> Floats:
    """Matrices (..., 3, 3) that turn about the middle."""
    matrices = np.zeros((*angle.shape, 3, 3))
    matrices[..., 0, 0] = matrices[..., 1, 1] = np.cos(angle)
    matrices[..., 0, 1] = -np.sin(angle) / aspect
    matrices[..., 1, 0] = np.sin(angle) * aspect
    matrices[..., :2, 2] = 0.5 - 0.5 * matrices[..., :2, :2].sum(axis=-1)
    matrices[..., 2, 2] = 1
    return matrices


def _to_corners(corners: Floats) -> Floats:
    """Homographies (B, 3, 3) that take (0, 0), (1, 0), (1, 1), (0, 1) to corners (B, 4, 2).

    The closed form of Heckbert, "Fundamentals of Texture Mapping and Image Warping" (1989), section 2.2.3.
    """
    p0, p1, p2, p3 = np.moveaxis(corners, 1, 0)
    first, second = p1 - p2, p3 - p2
    total = p0 - p1 + p2 - p3
    area = _cross(first, second)
    g, h = _cross(total, second) / area, _cross(first, total) / area
    matrices = np.empty((len(corners), 3, 3))
    matrices[:, :2, 0] = p1 - p0 + g[:, None] * p1
    matrices[:, :2, 1] = p3 - p0 + h[:, None] * p3
    matrices[:, :2, 2] = p0
    matrices[:, 2, 0], matrices[:, 2, 1], matrices[:, 2, 2] = g, h, 1
    return matrices


def _cross(a: Floats, b: Floats) -> Floats:
    """The z component of the product of vectors (B, 2)."""
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
