"""How the bias of a benchmark is measured, as settings; nothing here needs torch."""

from dataclasses import dataclass

from fractalvid.finetune.probe.config import LEAST_RANDOM, ProbeConfig
from fractalvid.finetune.recipes.recipe import Normalise
from fractalvid.pretrain.machine import PrecisionName
from fractalvid.utils.checks import check_fields
from fractalvid.utils.errors import UserError

FRAME_FEATURES = "imagenet:tsn_r18"
"""ResNet-18 of ImageNet, by which frames are seen one by one."""

MAX_FRAMES = 1024
"""Of a video."""


@dataclass(frozen=True)
class BiasConfig:
    """What is seen of a video, and how the strength of the classifier is chosen."""

    frames: int = 8
    """Frames of a video, one from each of so many equal parts; of networks of frames their features are averaged."""
    model: str | None = None
    """Network of weights that do not say it."""
    size: int | None = None
    """Rows and columns of a frame; default that of the weights."""
    normalise: Normalise | None = None
    """Mean and deviation of kinetics or imagenet, or values in [-1, 1] (symmetric) or [0, 1] (unit); default the
    weights', else kinetics."""
    cv_folds: int = 4
    """Parts of the training side that are held out in turn to choose the strength, whole sources at a time."""
    seed: int = 0
    """Seed of these parts."""
    precision: PrecisionName = "auto"
    """Arithmetic of the network: auto is bfloat16 where the processor computes it itself."""

    def __post_init__(self) -> None:
        """Refuse values that nothing can be done with."""
        check_fields(self)
        if not 1 <= self.frames <= MAX_FRAMES:
            raise UserError(f"--frames is {self.frames}: it must be 1 to {MAX_FRAMES}")
        self.probe()

    def probe(self) -> ProbeConfig:
        """The same as settings of a probe of one view a video."""
        return ProbeConfig(
            random=LEAST_RANDOM,
            views=1,
            model=self.model,
            clip_len=self.frames,
            frame_stride=1,
            size=self.size,
            normalise=self.normalise,
            settle_clips=2,
            cv_folds=self.cv_folds,
            seed=self.seed,
            precision=self.precision,
        )
