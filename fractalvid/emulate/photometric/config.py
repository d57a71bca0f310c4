"""What changes the pixels, but not the place, of what a clip shows: one frozen dataclass an effect, and presets.

Every effect has a probability `p` among the samples that are emulated at all, whose share the curriculum decides, and
ranges from which its strength is drawn evenly. Whatever is drawn is held over the frames of a clip.

Settings stand apart from the files that draw and apply the effects, since commands read them without PyTorch.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from fractalvid.utils.checks import Range, check_fields, check_integer, check_number, check_p, check_range
from fractalvid.utils.errors import UserError

Preset = Literal["paper", "full", "light"]

MAX_OPERATIONS = 14
"""RandAugment has that many operations, and draws none of them twice for one clip."""
MAX_LEVEL = 10.0
"""RandAugment's magnitudes are parts of this."""
MAX_STREAK = 0.12
"""The longest line, as a share of the frame, over which motion blurs a point."""


@dataclass(frozen=True)
class RandAugmentConfig:
    """RandAugment (Cubuk et al. 2020) with the operations and scale of PyTorchVideo, which the reference method uses.

    Attributes:
        p: probability of each drawn operation being applied.
        operations: how many different ones are drawn for a clip.
        magnitude: 0..10. At 10, brightness, colour, contrast and sharpness change by a factor of 1 ± 0.9, rotation is
            30°, shear 0.3, translation 0.45 of the frame, and solarize turns everything.
        spread: standard deviation of the magnitude; each operation draws its own.
    """

    p: float = 0.0
    operations: int = 2
    magnitude: float = 7.0
    spread: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no probability, count or magnitude."""
        check_fields(self, "randaugment.")
        check_p("randaugment.p", self.p)
        check_integer("randaugment.operations", self.operations, 0, MAX_OPERATIONS)
        for name in ("magnitude", "spread"):
            check_number(f"randaugment.{name}", getattr(self, name), 0, MAX_LEVEL)


@dataclass(frozen=True)
class BlurConfig:
    """Gaussian blur with 3 × 3 pixels. `sigma`: standard deviation in pixels."""

    p: float = 0.0
    sigma: Range = (0.1, 2.0)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "blur.")
        check_p("blur.p", self.p)
        check_range("blur.sigma", self.sigma, 0.01, math.inf)


@dataclass(frozen=True)
class MotionBlurConfig:
    """What moves while the shutter is open is drawn along a line.

    Attributes:
        p: probability.
        shutter: share of the time between two frames of the sample during which the shutter is open; the picture's
            movement in that time is blurred (see `blur.follow_camera`).
        jerk: length of the hand's own movement in that time, in any direction, as a share of the frame.
    """

    p: float = 0.0
    shutter: Range = (0.1, 0.5)
    jerk: Range = (0.01, 0.04)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "motion_blur.")
        check_p("motion_blur.p", self.p)
        check_range("motion_blur.shutter", self.shutter, 0, 1)
        check_range("motion_blur.jerk", self.jerk, 0, MAX_STREAK)


@dataclass(frozen=True)
class VignetteConfig:
    """Brightness falls towards the corners. `strength`: the share that a corner loses, of linear light."""

    p: float = 0.0
    strength: Range = (0.1, 0.6)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "vignette.")
        check_p("vignette.p", self.p)
        check_range("vignette.strength", self.strength, 0, 1)


@dataclass(frozen=True)
class ExposureConfig:
    """Exposure drifts smoothly over the clip. `stops`: its largest deviation, either way, in factors of 2 of light."""

    p: float = 0.0
    stops: Range = (0.2, 1.0)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "exposure.")
        check_p("exposure.p", self.p)
        check_range("exposure.stops", self.stops, 0, 8)


@dataclass(frozen=True)
class WhiteBalanceConfig:
    """White balance drifts smoothly from cold to warm or back; a grey clip has none.

    `stops`: the largest deviation of red, and of blue the other way, in factors of 2 of light.
    """

    p: float = 0.0
    stops: Range = (0.05, 0.4)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "white_balance.")
        check_p("white_balance.p", self.p)
        check_range("white_balance.stops", self.stops, 0, 8)


@dataclass(frozen=True)
class NoiseConfig:
    """Noise of a sensor: variance read² + shot² · v / 255 at grey v (the affine model of Foi et al. 2008).

    Attributes:
        p: probability.
        read: standard deviation that every pixel has, in grey levels.
        shot: standard deviation that light adds in white, in grey levels.
    """

    p: float = 0.0
    read: Range = (0.5, 4.0)
    shot: Range = (1.0, 8.0)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "noise.")
        check_p("noise.p", self.p)
        check_range("noise.read", self.read, 0, 128)
        check_range("noise.shot", self.shot, 0, 128)


@dataclass(frozen=True)
class CompressionConfig:
    """Quantisation of 8 × 8 DCT coefficients, every frame for itself. `quality`: 1..100, as in JPEG."""

    p: float = 0.0
    quality: tuple[int, int] = (20, 90)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "compression.")
        check_p("compression.p", self.p)
        check_range("compression.quality", self.quality, 1, 100)
        for quality in self.quality:
            check_integer("compression.quality", quality, 1, 100)


@dataclass(frozen=True)
class PhotometricConfig:
    """All effects, in the order in which they are applied; by default none has any probability."""

    motion_blur: MotionBlurConfig = field(default_factory=MotionBlurConfig)
    vignette: VignetteConfig = field(default_factory=VignetteConfig)
    exposure: ExposureConfig = field(default_factory=ExposureConfig)
    white_balance: WhiteBalanceConfig = field(default_factory=WhiteBalanceConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    randaugment: RandAugmentConfig = field(default_factory=RandAugmentConfig)
    blur: BlurConfig = field(default_factory=BlurConfig)

    def __post_init__(self) -> None:
        """Refuse what is no effect's configuration."""
        check_fields(self, "photometric.")

    @classmethod
    def preset(cls, name: Preset) -> "PhotometricConfig":
        """`paper`, the reference method's; `full`, that and a camera; `light`, the camera alone, in good light.

        Raises:
            UserError: no preset has that name.
        """
        if name not in _PRESETS:
            raise UserError(f"there is no photometric preset {name!r}: choose one of {', '.join(_PRESETS)}")
        return _PRESETS[name]


_PAPER = PhotometricConfig(randaugment=RandAugmentConfig(p=0.5), blur=BlurConfig(p=0.5))
_PRESETS: dict[Preset, PhotometricConfig] = {
    "paper": _PAPER,
    "full": replace(
        _PAPER,
        motion_blur=MotionBlurConfig(p=0.2),
        vignette=VignetteConfig(p=0.3),
        exposure=ExposureConfig(p=0.3),
        white_balance=WhiteBalanceConfig(p=0.3),
        noise=NoiseConfig(p=0.3),
        compression=CompressionConfig(p=0.5),
    ),
    "light": PhotometricConfig(
        motion_blur=MotionBlurConfig(p=0.1, shutter=(0.1, 0.3), jerk=(0.0, 0.015)),
        vignette=VignetteConfig(p=0.3, strength=(0.05, 0.3)),
        exposure=ExposureConfig(p=0.3, stops=(0.1, 0.4)),
        white_balance=WhiteBalanceConfig(p=0.3, stops=(0.02, 0.15)),
        noise=NoiseConfig(p=0.3, read=(0.2, 1.5), shot=(0.5, 3.0)),
        compression=CompressionConfig(p=0.5, quality=(50, 95)),
        blur=BlurConfig(p=0.25, sigma=(0.1, 1.0)),
    ),
}
