"""What lens, sensor and codec do to the pixels of clips: drawn here, as arrays over a batch; `apply` applies it.

It comes after everything that moves the picture: optics (motion blur, vignetting), the sensor (exposure, white balance,
noise), the codec, and then what training adds (RandAugment, Gaussian blur). The number of channels stays: colour and
white balance do nothing to a grey clip. Video is uint8 throughout, and each effect works on the clips that have it.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.seeds import Domain, Field, index_words, integers, words_by_field
from fractalvid.emulate.photometric.config import MAX_STREAK, PhotometricConfig
from fractalvid.emulate.photometric.light import WAVES
from fractalvid.emulate.photometric.randaugment import draw_operations
from fractalvid.kernels.compiled import uniform
from fractalvid.utils.arrays import within
from fractalvid.utils.checks import Range

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Photometric:
    """What happens to B clips; 0 everywhere is nothing.

    Attributes:
        streak: float32 (B, T or 1, 2), the line (x, y) over which motion blurs a point, in shares of the frame.
        shutter: float32 (B,), share of the time between two frames that the shutter is open.
        vignette: float32 (B,), share of light that a corner loses.
        exposure: float32 (B, 3), amplitudes of the drift's cosines, in factors of 2 of light (see `light.drift`).
        white_balance: float32 (B, 3), the same, for red against blue.
        read: float32 (B,), noise of every pixel, in grey levels.
        shot: float32 (B,), noise that light adds in white, in grey levels.
        noise_key: uint32 (B, 2), of the noise.
        quality: int64 (B,), 1..100 of compression.
        operation: int64 (B, n), RandAugment's (`randaugment.Operation`), in the order in which they are applied.
        argument: float32 (B, n), theirs.
        sigma: float32 (B,), standard deviation of the Gaussian blur in pixels.
    """

    streak: Floats
    shutter: Floats
    vignette: Floats
    exposure: Floats
    white_balance: Floats
    read: Floats
    shot: Floats
    noise_key: NDArray[np.uint32]
    quality: NDArray[np.int64]
    operation: NDArray[np.int64]
    argument: Floats
    sigma: Floats

    def __len__(self) -> int:
        """B."""
        return len(self.sigma)


def draw_photometric(config: PhotometricConfig, seed: int, index: ArrayLike, progress: ArrayLike = 1.0) -> Photometric:
    """Draw what happens to the samples `index` (B,).

    Args:
        config: probabilities and ranges.
        seed: of the stream.
        index: (B,), the samples' positions in the stream.
        progress: (B,), the curriculum's position in 0..1, by which every probability is multiplied: 0 is nothing, and
            what happens to a sample at some position happens to it, as strongly, at all later ones.
    """
    samples, position = np.broadcast_arrays(np.atleast_1d(np.asarray(index, np.int64)), progress)
    counts = {
        Field.MOTION_BLUR: 4,
        Field.VIGNETTE: 2,
        Field.EXPOSURE: 2 + WAVES,
        Field.WHITE_BALANCE: 2 + WAVES,
        Field.SENSOR_NOISE: 6,
        Field.COMPRESSION: 2,
        Field.BLUR: 2,
    }
    drawn = words_by_field(seed, Domain.EMULATE, counts, *index_words(samples))

    def numbers(field: Field, p: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Whether an effect happens (B,), and uniforms (count, B) for it."""
        u = uniform(drawn[field]).astype(np.float64).T
        return u[0] < p * position, u[1:]

    moved, motion = numbers(Field.MOTION_BLUR, config.motion_blur.p)
    length, angle = within(motion[0], config.motion_blur.jerk), 2 * np.pi * motion[1]
    darkened, corner = numbers(Field.VIGNETTE, config.vignette.p)
    exposed, light = numbers(Field.EXPOSURE, config.exposure.p)
    tinted, warmth = numbers(Field.WHITE_BALANCE, config.white_balance.p)
    noisy, noise = numbers(Field.SENSOR_NOISE, config.noise.p)
    # The words of the noise's own key come after those of the three uniforms and of what fills their block.
    key = drawn[Field.SENSOR_NOISE][:, 4:]
    coded, quality = numbers(Field.COMPRESSION, config.compression.p)
    blurred, sigma = numbers(Field.BLUR, config.blur.p)
    operation, argument = draw_operations(config.randaugment, seed, samples, position)
    first, last = config.compression.quality
    return Photometric(
        streak=_where(moved, length * np.stack([np.cos(angle), np.sin(angle)])).T[:, None],
        shutter=_where(moved, within(motion[2], config.motion_blur.shutter)),
        vignette=_where(darkened, within(corner[0], config.vignette.strength)),
        exposure=_where(exposed, _waves(light, config.exposure.stops)).T,
        white_balance=_where(tinted, _waves(warmth, config.white_balance.stops)).T,
        read=_where(noisy, within(noise[0], config.noise.read)),
        shot=_where(noisy, within(noise[1], config.noise.shot)),
        noise_key=np.where(noisy[:, None], key, np.uint32(0)),
        quality=np.where(coded, integers(quality[0].astype(np.float32), int(first), int(last)), 0),
        operation=operation,
        argument=argument,
        sigma=_where(blurred, within(sigma[0], config.blur.sigma)),
    )


def _waves(u: NDArray[np.float64], stops: Range) -> NDArray[np.float64]:
    """Amplitudes (WAVES, B), slower ones larger, whose absolute values add up to what is drawn, from (1 + WAVES, B)."""
    amplitude = (2 * u[1:] - 1) / np.arange(1, WAVES + 1)[:, None]
    return np.asarray(amplitude * within(u[0], stops) / np.maximum(np.abs(amplitude).sum(axis=0), 1e-9))


def _where(happens: NDArray[np.bool_], value: NDArray[np.float64]) -> Floats:
    """Values (..., B), 0 where nothing happens."""
    return np.where(happens, value, 0).astype(np.float32)


def follow_camera(drawn: Photometric, motion: ArrayLike) -> Photometric:
    """Motion blur along the picture's own movement, besides the hand's, where a clip has any.

    Args:
        drawn: B clips.
        motion: (B, T, 2), how far the picture moves from one frame to the next (x, y), in shares of the frame.
    """
    streak = drawn.streak + drawn.shutter[:, None, None] * np.asarray(motion, np.float32)
    length = np.hypot(streak[..., :1], streak[..., 1:])
    return dataclasses.replace(drawn, streak=streak * (MAX_STREAK / np.maximum(length, MAX_STREAK)))
