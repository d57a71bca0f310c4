"""What clips look like, as settings: augmentation, the choice of frames, training clips, test views.

Nothing here needs torch, so that command lines are read without it.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from fractalvid.utils.checks import MAX_COUNT, check_fields, check_integer
from fractalvid.utils.errors import UserError

Triple = tuple[float, float, float]
"""A value for each of red, green and blue."""
Sampling = Literal["window", "segments"]
Voting = Literal["softmax", "logits", "votes"]

MAX_VIEWS = 1024
"""Clips a tested video, in time."""
MAX_RATIO = 1000
"""Of width to height of a crop."""
LARGEST_MAGNITUDE, MOST_OPERATIONS = 10, 14
"""Of RandAugment: the strongest setting of its operations, and how many there are."""


FLIP = 0.5
"""Probability of a mirror image unless asked otherwise."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random resized crop, flip, colours and RandAugment of a training clip; each is held over the frames of the clip.

    The defaults are those of the reference method (arXiv 2411.17584, fine-tuning). From pre-trained weights, and with
    a longer stride, they gave 4 points more than weaker ones (benchmarks/results/defaults.md).
    """

    crop_scale: tuple[float, float] = (0.2, 1.0)
    """Least and largest share of the frame's area that a crop takes, above 0 and up to 1; 1 1: the largest crop, from
    the middle."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Least and largest width to height of a crop."""
    flip: float | None = None
    """Probability of a mirror image, left to right; default 0.5, and 0 for ssv2, ssv2-mini and volleyball, which have
    left and right as classes."""
    brightness: float = 0.0
    """Largest change of the brightness, 0 to 1: its factor is uniform in 1 ± this."""
    contrast: float = 0.0
    """Largest change of the contrast, 0 to 1: its factor is uniform in 1 ± this."""
    saturation: float = 0.0
    """Largest change of the saturation, 0 to 1: its factor is uniform in 1 ± this."""
    blur: float = 0.5
    """Probability of a Gaussian blur over 3 x 3 pixels."""
    operations: int = 2
    """How many of RandAugment's operations a clip takes, 0 to 14; 0 is off."""
    magnitude: float = 7.0
    """Strength of these operations, 0 to 10 on PyTorchVideo's scale, the reference method's (10: torchvision's 30)."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_fields(self, "augment.")
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise UserError(f"--augment.crop-scale is {low:g} {high:g}: two shares of the frame, 0 < low <= high <= 1")
        low, high = self.crop_ratio
        if not 1 / MAX_RATIO <= low <= high <= MAX_RATIO:
            ends = f"1/{MAX_RATIO} <= low <= high <= {MAX_RATIO}"
            raise UserError(f"--augment.crop-ratio is {low:g} {high:g}: two ratios, {ends}")
        for name in ("flip", "brightness", "contrast", "saturation", "blur"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"--augment.{name} is {value}: it must lie between 0 and 1")
        for name, most in (("operations", MOST_OPERATIONS), ("magnitude", LARGEST_MAGNITUDE)):
            if not 0 <= getattr(self, name) <= most:
                raise UserError(f"--augment.{name} is {getattr(self, name)}: RandAugment takes 0 to {most}")

    def settled(self, *, mirror: bool) -> "AugmentConfig":
        """The same with the default of `flip` filled in; `mirror`: a mirror image is of the same class."""
        return self if self.flip is not None else replace(self, flip=FLIP if mirror else 0.0)


@dataclass(frozen=True)
class FrameConfig:
    """How a clip's frames are chosen.

    `window` takes `clip_len` frames `frame_stride` apart, `segments` one frame of each of `clip_len` equal parts.
    `first_frames`: only so many from the start of a video count (0: all).
    """

    clip_len: int
    frame_stride: int = 1
    sampling: Sampling = "window"
    first_frames: int = 0

    def __post_init__(self) -> None:
        """Refuse what no frames can be chosen by."""
        check_fields(self)
        check_integer("clip_len", self.clip_len, 1, MAX_COUNT)
        check_integer("frame_stride", self.frame_stride, 1, MAX_COUNT)
        check_integer("first_frames", self.first_frames, 0, MAX_COUNT)

    def usable(self, length: int) -> int:
        """How many frames of a video of `length` frames count."""
        return min(length, self.first_frames) if self.first_frames else length

    def span(self) -> int:
        """Frames that a video needs: with fewer, windows shrink their stride, and segments share frames."""
        return self.clip_len if self.sampling == "segments" else (self.clip_len - 1) * self.frame_stride + 1


@dataclass(frozen=True)
class ClipConfig:
    """A training clip: its frames, its `size` in pixels (square), its augmentation and its normalisation."""

    frames: FrameConfig
    size: int
    mean: Triple
    std: Triple
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        """Refuse what no clip can look like."""
        check_fields(self)
        _check_pixels(self.size, self.std)


@dataclass(frozen=True)
class ViewConfig:
    """What the network sees of a test video, and how its views vote.

    There are `views` clips times `crops` squares (1: the centre).
    """

    frames: FrameConfig
    size: int
    mean: Triple
    std: Triple
    views: int
    crops: int
    voting: Voting = "softmax"

    def __post_init__(self) -> None:
        """Refuse what no view can look like."""
        check_fields(self)
        _check_pixels(self.size, self.std)
        check_integer("views", self.views, 1, MAX_VIEWS)
        check_integer("crops", self.crops, 1, 3)


def _check_pixels(size: int, std: Triple) -> None:
    """Raise `UserError` for a size, or deviations a channel, that no clip has."""
    check_integer("size", size, 1, 8192)
    if not min(std) > 0:
        raise UserError(f"std must be above 0 in every channel, got {std}")
