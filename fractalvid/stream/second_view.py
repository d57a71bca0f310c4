"""Two views of one instance, for training without labels: how the second is drawn, and what makes it differ.

The second view of a sample has a time window, crop, flip and emulation of its own. They are drawn exactly as those of
a first view, by the sample's own index, but under another seed, which follows from the stream's. The first views of a
stream are the same with and without a second.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.camera import CameraConfig
from fractalvid.core.seeds import Domain, Field, index_words, seeds64, uniforms, words
from fractalvid.stream.config import StreamConfig
from fractalvid.utils.checks import check_fields, check_p


@dataclass(frozen=True)
class SecondView:
    """How the second view of an instance differs from the first.

    Attributes:
        reverse: probability that it runs backwards in time.
        strength: how much is done to it, as a share of what is done to the first: 1 draws both alike, less makes the
            second easier. At a strength s, areas of crops go from 1 - s (1 - area), their aspects are aspect^s, and s
            times as many are emulated. At 0 it is the whole view, plain, but for a flip.
    """

    reverse: float = 0.5
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no probability or share."""
        check_fields(self)
        check_p("reverse", self.reverse)
        check_p("strength", self.strength)


def second_seed(seed: int) -> int:
    """The seed under which second views of a stream are drawn."""
    return int(seeds64(words(seed, Domain.VIEW, Field.VIEW_SEED, 1, 0, 2))[0])


def draw_backwards(second: SecondView, seed: int, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which second views of samples `index` (B,) run backwards; `seed` is the stream's."""
    u = uniforms(seed, Domain.VIEW, Field.BACKWARDS, *index_words(index), 1)
    return np.asarray(u[:, 0] < second.reverse)


def eased(config: StreamConfig, strength: float) -> StreamConfig:
    """A configuration whose crops and emulation are as strong as `SecondView.strength` says."""
    if strength == 1:
        return config
    emulate = config.emulate
    if emulate is not None:
        curriculum = replace(emulate.curriculum, share=emulate.curriculum.share * strength)
        crop = None if emulate.crop is None else _eased_crop(emulate.crop, strength)
        emulate = replace(emulate, curriculum=curriculum, crop=crop)
    return replace(config, camera=_eased_crop(config.camera, strength), emulate=emulate)


def _eased_crop(camera: CameraConfig, strength: float) -> CameraConfig:
    smallest, largest = camera.crop_scale
    narrow, wide = camera.crop_ratio
    return replace(
        camera,
        crop_scale=(1 - strength * (1 - smallest), 1 - strength * (1 - largest)),
        crop_ratio=(narrow**strength, wide**strength),
    )
