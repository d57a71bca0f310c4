"""How clips are made to look filmed: one frozen dataclass an effect, each with a probability and ranges; presets.

Lengths are shares of the frame, times are shares of the sample's duration, angles are radians. Whatever is drawn is
held over the frames of a sample. Crop and flip are the stream's own unless `EmulationConfig.crop` says otherwise.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

from fractalvid.core.camera import CameraConfig
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.scene.config import SceneConfig
from fractalvid.utils.checks import Range, check_fields, check_integer, check_number, check_p, check_range
from fractalvid.utils.errors import UserError

MAX_COPIES = 7
MAX_POOL = 1_000_000
MAX_WAVES = 8
MAX_DISTORTION = 0.9
"""At 1, the corners of a frame in perspective could meet."""


@dataclass(frozen=True)
class BackgroundConfig:
    """Other clips of the bank behind the foreground: (1 - alpha) · fg^power + alpha · bg^power, clamped, to the gamma.

    Attributes:
        p: probability of a background.
        dynamic: share of them that move; the others are the maximum of two stills.
        window: longest part of the clip that a moving one walks through at random, as a share of the clip.
        crop: area of the part that is shown.
        alpha: weight of the background.
        power: exponent of both before they are added.
        gamma: exponent of the sum.
        maximum: share of backgrounds that are joined by maximum instead.
        pool: how many (class, instance) there are to choose from; what is found about each is kept in memory, 25 kB.
    """

    p: float = 0.0
    dynamic: float = 0.2
    window: float = 0.25
    crop: Range = (0.6, 1.0)
    alpha: Range = (0.25, 0.55)
    power: float = 0.75
    gamma: Range = (0.6, 1.0)
    maximum: float = 0.05
    pool: int = 2048

    def __post_init__(self) -> None:
        """Refuse what is no probability, range or number."""
        check_fields(self, "background.")
        for name in ("p", "dynamic", "maximum", "window"):
            check_p(f"background.{name}", getattr(self, name))
        check_range("background.crop", self.crop, 0.01, 1)
        check_range("background.alpha", self.alpha, 0, 1)
        check_range("background.gamma", self.gamma, 0.1, 10)
        check_number("background.power", self.power, 0.1, 10)
        check_integer("background.pool", self.pool, 2, MAX_POOL)


@dataclass(frozen=True)
class PlacementConfig:
    """The foreground smaller, anywhere. `scale`: of its width and its height, drawn apart."""

    p: float = 0.0
    scale: Range = (0.3, 1.0)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "placement.")
        check_p("placement.p", self.p)
        check_range("placement.scale", self.scale, 0.05, 1)


@dataclass(frozen=True)
class GroupConfig:
    """More copies of the foreground, joined by maximum. None before the curriculum's end.

    Attributes:
        p: probability of a group.
        copies: most copies besides the original; how many is drawn.
        scale: width and height of original and copies, which share them; instead of a placement's.
        mirror: share of copies that are mirrored.
        turn: largest rotation of a copy, either way.
        delay: most by which a copy runs ahead or behind, as a share of the clip; no farther than the clip goes.
    """

    p: float = 0.0
    copies: int = 1
    scale: Range = (0.2, 0.7)
    mirror: float = 0.5
    turn: float = math.radians(60)
    delay: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what is no probability, range or number."""
        check_fields(self, "group.")
        for name in ("p", "mirror", "delay"):
            check_p(f"group.{name}", getattr(self, name))
        check_integer("group.copies", self.copies, 1, MAX_COPIES)
        check_range("group.scale", self.scale, 0.05, 1)
        check_number("group.turn", self.turn, 0, math.pi)


@dataclass(frozen=True)
class DisplacementConfig:
    """Motion along a straight line at any angle, half before and half after its middle.

    Attributes:
        p: probability.
        speed: frame widths in the time of the sample; widened by the curriculum.
        duration: share of that time during which it moves; widened by the curriculum.
    """

    p: float = 0.0
    speed: Range = (0.2, 1.0)
    duration: Range = (0.1, 1.0)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "displacement.")
        check_p("displacement.p", self.p)
        check_range("displacement.speed", self.speed, 0, 10)
        check_range("displacement.duration", self.duration, 0.01, 1)


@dataclass(frozen=True)
class ZoomConfig:
    """The camera zooms in or out, about the middle. `rate`: by how much larger things get, 1 for twice as large."""

    p: float = 0.0
    rate: Range = (0.3, 1.0)

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "zoom.")
        check_p("zoom.p", self.p)
        check_range("zoom.rate", self.rate, 0, 10)


@dataclass(frozen=True)
class ShakeConfig:
    """A hand-held camera: sines with weights 1/k and one shared phase along either axis, and noise.

    Attributes:
        p: probability.
        deviation: standard deviation of the offsets along either axis, over the frames of the sample and about their
            mean; widened by the curriculum.
        waves: how many sines.
        frequency: of the sines, radians a frame of the sample.
        noise: standard deviation of what is drawn for every frame, as a share of the whole, before that is brought to
            its deviation.
    """

    p: float = 0.0
    deviation: Range = (2 / 112, 4 / 112)
    waves: tuple[int, int] = (2, 5)
    frequency: Range = (0.1, 1.2)
    noise: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "shake.")
        check_p("shake.p", self.p)
        check_range("shake.deviation", self.deviation, 0, 1)
        check_range("shake.waves", self.waves, 1, MAX_WAVES)
        for waves in self.waves:
            check_integer("shake.waves", waves, 1, MAX_WAVES)
        check_range("shake.frequency", self.frequency, 0, math.pi)
        check_p("shake.noise", self.noise)


@dataclass(frozen=True)
class RollConfig:
    """The camera is held askew and turns. `tilt`: in the middle of the sample; `turn`: from first to last frame."""

    p: float = 0.0
    tilt: Range = (0.0, math.radians(8))
    turn: Range = (0.0, math.radians(15))

    def __post_init__(self) -> None:
        """Refuse what is no probability or range."""
        check_fields(self, "roll.")
        check_p("roll.p", self.p)
        check_range("roll.tilt", self.tilt, 0, math.pi)
        check_range("roll.turn", self.turn, 0, 2 * math.pi)


@dataclass(frozen=True)
class PerspectiveConfig:
    """The corners move inwards, each for itself, and the whole is enlarged about the middle.

    Attributes:
        p: probability.
        distortion: how far corners move at most, as a share of half the frame; all of them less where the horizon would
            come near the scene.
        enlarge: by what factor the whole is enlarged then.
    """

    p: float = 0.0
    distortion: float = 0.7
    enlarge: float = 1.4

    def __post_init__(self) -> None:
        """Refuse what is no probability or number."""
        check_fields(self, "perspective.")
        check_p("perspective.p", self.p)
        check_number("perspective.distortion", self.distortion, 0, MAX_DISTORTION)
        check_number("perspective.enlarge", self.enlarge, 1, 4)


@dataclass(frozen=True)
class TimingConfig:
    """A camera that drops frames: every frame but the first may repeat the one before, or come a frame too late.

    Attributes:
        p: probability for a sample.
        repeat: share of its frames that show the one before.
        skip: share of those that do not repeat, before which one is left out.
    """

    p: float = 0.0
    repeat: float = 0.1
    skip: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        check_fields(self, "timing.")
        for name in ("p", "repeat", "skip"):
            check_p(f"timing.{name}", getattr(self, name))


@dataclass(frozen=True)
class CurriculumConfig:
    """How emulation comes in: at a sample's position q = min(1, index / samples).

    Attributes:
        samples: index from which on emulation is at full strength; 0 is at once. None is at once, too, but in
            pre-training it follows from the budget.
        share: share of samples that are emulated at full strength; q times that before.
        narrow: at q = 0, how much there is of the ranges that are widened: speeds and durations reach from their lowest
            so far to their highest, deviations of shaking are so much of their own.
    """

    samples: int | None = None
    share: float = 1.0
    narrow: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no share or number."""
        check_fields(self, "curriculum.")
        check_integer("curriculum.samples", 0 if self.samples is None else self.samples, 0, 2**62)
        check_p("curriculum.share", self.share)
        check_p("curriculum.narrow", self.narrow)


@dataclass(frozen=True)
class EmulationConfig:
    """Everything that makes a clip look filmed; by default nothing has any probability.

    A scene takes the place of the blend. In the order of the reference method: placement and group, motion of the
    foreground and of the background, blend; then what the camera does to both: perspective, displacement, zoom, shake,
    roll; then the photometric rest. `crop` is the crop and flip of emulated samples, which act last; the stream's own
    where None, as in all other samples.
    """

    background: BackgroundConfig = field(default_factory=BackgroundConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)
    placement: PlacementConfig = field(default_factory=PlacementConfig)
    group: GroupConfig = field(default_factory=GroupConfig)
    foreground_motion: DisplacementConfig = field(default_factory=DisplacementConfig)
    background_motion: DisplacementConfig = field(default_factory=DisplacementConfig)
    perspective: PerspectiveConfig = field(default_factory=PerspectiveConfig)
    camera_motion: DisplacementConfig = field(default_factory=DisplacementConfig)
    zoom: ZoomConfig = field(default_factory=ZoomConfig)
    shake: ShakeConfig = field(default_factory=ShakeConfig)
    roll: RollConfig = field(default_factory=RollConfig)
    timing: TimingConfig = field(default_factory=TimingConfig)
    photometric: PhotometricConfig = field(default_factory=PhotometricConfig)
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    crop: CameraConfig | None = None

    def __post_init__(self) -> None:
        """Refuse what is no effect's configuration."""
        check_fields(self, "emulate.")


def check_backgrounds(backgrounds: Path | None, emulate: EmulationConfig | None) -> None:
    """Raise `UserError` for pictures that no scene shows."""
    if backgrounds is not None and (emulate is None or emulate.scene.p == 0):
        raise UserError(
            "backgrounds are pictures for scenes, and without emulate scene there are none: add it, or leave them out"
        )
