"""What lens, sensor and codec do to the pixels of clips: all effects, drawn together and applied one after another.

They come after everything that moves the picture: optics (motion blur, vignetting), the sensor (exposure, white
balance, noise), the codec, and then what training adds (RandAugment, Gaussian blur). The number of channels stays:
colour and white balance do nothing to a grey clip. Video is uint8 throughout, and each effect works on the clips that
have it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from fractalvid.core.seeds import Domain, index_words, words_by_field
from fractalvid.emulate.photometric.blur import GAUSSIAN_BLUR, MOTION_BLUR, GaussianBlur, MotionBlur
from fractalvid.emulate.photometric.compression import COMPRESSION, Compression
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.photometric.effect import Effect, RandomNumbers
from fractalvid.emulate.photometric.light import LIGHT_DRIFT, VIGNETTE, LightDrift, Vignette
from fractalvid.emulate.photometric.noise import SENSOR_NOISE, SensorNoise
from fractalvid.emulate.photometric.operations import RANDAUGMENT
from fractalvid.emulate.photometric.randaugment import RandAugment

EFFECTS: tuple[Effect[Any], ...] = (
    MOTION_BLUR,
    VIGNETTE,
    LIGHT_DRIFT,
    SENSOR_NOISE,
    COMPRESSION,
    RANDAUGMENT,
    GAUSSIAN_BLUR,
)
"""In the order in which they are applied."""


@dataclass(frozen=True)
class Photometric(MotionBlur, Vignette, LightDrift, SensorNoise, Compression, RandAugment, GaussianBlur):
    """What happens to B clips, by all `EFFECTS`; 0 everywhere is nothing."""

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
    samples, position = np.broadcast_arrays(
        np.atleast_1d(np.asarray(index, np.int64)), np.asarray(progress, np.float64)
    )
    counts = {field: count for effect in EFFECTS for field, count in effect.counts.items()}
    numbers = RandomNumbers(words_by_field(seed, Domain.EMULATE, counts, *index_words(samples)), position)
    drawn = (effect.draw(config, numbers) for effect in EFFECTS)
    return Photometric(**{name: array for part in drawn for name, array in vars(part).items()})


def apply_photometric(video: Tensor, drawn: Photometric) -> Tensor:
    """Change uint8 (B, C, T, H, W), C 1 or 3, as drawn: the same shape, and the same bits where nothing is drawn.

    Each clip's result depends on nothing but the clip and its draws. RandAugment's geometric operations are left out.
    """
    if video.dtype != torch.uint8 or video.ndim != 5 or video.shape[1] not in (1, 3) or len(video) != len(drawn):
        raise ValueError(f"video must be uint8 ({len(drawn)}, 1 or 3, T, H, W), got {video.dtype} {list(video.shape)}")
    video = video.contiguous()
    for effect in EFFECTS:
        video = effect.apply(video, drawn)
    return video
