"""How features are taken and classified, as settings; nothing here needs torch or scikit-learn."""

from dataclasses import dataclass, replace

from fractalvid.finetune.recipes.recipe import Normalise, Recipe
from fractalvid.pretrain.machine import PrecisionName
from fractalvid.utils.checks import MAX_COUNT, MAX_SETTING, check_at_most, check_fields
from fractalvid.utils.errors import UserError

LEAST_RANDOM = 2
"""Random networks that a spread takes."""
_MOST = {"random": 10_000, "settle_clips": MAX_COUNT, "cv_folds": 1000, "seed": 2**32 - 1}


@dataclass(frozen=True)
class ProbeConfig:
    """What a probe looks at, and how it chooses."""

    random: int = 10
    """Random networks of the same architecture that the weights stand beside."""
    views: int = 2
    """Clips a video, spread uniformly; their features are averaged."""
    model: str | None = None
    """Network of weights that do not say it."""
    clip_len: int | None = None
    """Frames of a clip; default that of the weights."""
    frame_stride: int = 4
    """Frames from one frame of a clip to the next. Short videos shrink it."""
    size: int | None = None
    """Rows and columns of a frame; default that of the weights."""
    normalise: Normalise | None = None
    """Mean and deviation of kinetics or imagenet, or values in [-1, 1] (symmetric) or [0, 1] (unit); default the
    weights', else kinetics."""
    settle_clips: int = 256
    """Unlabelled training clips that BatchNorm's statistics are estimated from anew."""
    cv_folds: int = 4
    """Parts of the training side that are held out in turn to choose the strength, whole sources at a time."""
    ridge: tuple[float, ...] = (100.0, 10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4)
    """Strengths of the ridge classifier to choose from: its penalty a training clip."""
    logistic: tuple[float, ...] = (1.0, 0.1, 1e-2, 1e-3)
    """Strengths of the logistic regression to choose from: its penalty a training clip, 1 / (C N) of scikit-learn."""
    seed: int = 0
    """Seed of the parts of the training side, and of the clips that settle the statistics."""
    precision: PrecisionName = "auto"
    """Arithmetic of the networks: auto is bfloat16 where the processor computes it itself."""

    def __post_init__(self) -> None:
        """Refuse values that nothing can be done with."""
        check_fields(self)
        least = {"random": LEAST_RANDOM, "settle_clips": 2, "cv_folds": 2, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                option = f"--{name.replace('_', '-')}"
                raise UserError(f"{option} is {getattr(self, name)}: it must be at least {value}")
        for name in ("ridge", "logistic"):
            values = getattr(self, name)
            if not values or not all(0 < value <= MAX_SETTING for value in values):
                raise UserError(
                    f"--{name} {' '.join(map(str, values))}: it takes strengths above 0, up to {MAX_SETTING:g}"
                )
        check_at_most(self, _MOST)
        self.recipe()

    def recipe(self) -> Recipe:
        """What the networks see, as a protocol."""
        shape = {name: getattr(self, name) for name in ("model", "clip_len", "frame_stride", "size", "normalise")}
        return replace(Recipe(), views=self.views, crops=1, precision=self.precision, **shape)
